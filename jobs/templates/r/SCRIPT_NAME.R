# The script SCRIPT_NAME: counts in time, in base R.

fail <- function(...) { # the user reads the last line of standard error
  message(...)
  quit(save = "no", status = 1)
}

# task.json has one name on each line, so that a regular expression can read what is needed.
lines <- readLines("task.json", warn = FALSE)
values <- function(name) {
  pattern <- sprintf("^ *\"%s\": \"?(.*?)\"?,?$", name)
  sub(pattern, "\\1", grep(pattern, lines, value = TRUE, perl = TRUE), perl = TRUE)
}

# Reads FITS blocks from a file that may be gzipped.
card <- function(cards, keyword) {
  found <- grep(sprintf("^%-8s= ", keyword), cards, value = TRUE, useBytes = TRUE)
  if (length(found) == 0) return(NA)
  trimws(gsub("'", "", sub("/.*$", "", substring(found[1], 11))))
}

header <- function(file) {
  cards <- character()
  repeat {
    block <- readBin(file, "raw", 2880)
    if (length(block) == 0 && length(cards) == 0) return(NULL)
    if (length(block) < 2880) stop("it is cut off in a header")
    if (any(block > as.raw(126) | block < as.raw(32))) stop("a header has characters that FITS does not allow")
    text <- rawToChar(block)
    cards <- c(cards, substring(text, seq(1, 2801, 80), seq(80, 2880, 80)))
    if (any(grepl("^END *$", cards))) return(cards)
    if (length(cards) > 36000) stop("a header has no END")
  }
}

width <- function(form) {
  size <- c(L = 1, B = 1, A = 1, I = 2, J = 4, K = 8, E = 4, D = 8, C = 8, M = 16, P = 8, Q = 16)
  count <- sub("[A-Z].*$", "", form)
  count <- if (count == "") 1 else as.numeric(count)
  type <- sub("^[0-9]*([A-Z]).*$", "\\1", form)
  if (type == "X") ceiling(count / 8) else count * size[[type]]
}

times <- function(path) {
  file <- gzfile(path, "rb") # reads plain files too
  on.exit(close(file))
  repeat {
    cards <- header(file)
    if (is.null(cards)) stop("it has no extension EVENTS")
    bits <- abs(as.numeric(card(cards, "BITPIX")))
    axes <- as.numeric(card(cards, "NAXIS"))
    if (is.na(axes) || is.na(bits)) stop("it is not FITS")
    sizes <- if (axes > 0) sapply(seq_len(axes), function(i) as.numeric(card(cards, paste0("NAXIS", i)))) else 0
    length <- bits / 8 * prod(sizes)
    if (identical(card(cards, "EXTNAME"), "EVENTS")) break
    skipped <- readBin(file, "raw", ceiling(length / 2880) * 2880)
  }
  fields <- as.numeric(card(cards, "TFIELDS"))
  names <- sapply(seq_len(fields), function(i) card(cards, paste0("TTYPE", i)))
  widths <- sapply(seq_len(fields), function(i) width(card(cards, paste0("TFORM", i))))
  column <- match("TIME", names)
  if (is.na(column)) stop("its extension EVENTS has no column TIME")
  if (sub("^1", "", card(cards, paste0("TFORM", column))) != "D") stop("its column TIME is no double")
  data <- readBin(file, "raw", length)
  if (length(data) < length) stop("it is cut off in its events")
  offset <- sum(widths[seq_len(column - 1)])
  rows <- matrix(data, nrow = sizes[1])
  readBin(as.vector(rows[offset + 1:8, ]), "double", sizes[2], endian = "big")
}

binsize <- as.numeric(values("BINSIZE"))
paths <- values("path")
datasets <- values("id")
table <- NULL
for (i in seq_along(paths)) {
  # what is printed is the log; a line that begins with "progress" moves the progress bar
  cat(sprintf("progress %.2f reading %s\n", (i - 1) / length(paths), basename(paths[i])))
  found <- tryCatch(times(paths[i]), error = function(error) {
    fail("The event list ", basename(paths[i]), " cannot be read: ", conditionMessage(error), ".")
  })
  if (length(found) == 0) fail("The event list ", basename(paths[i]), " has no events.")
  bin <- floor((found - min(found)) / binsize)
  counts <- tabulate(bin + 1, nbins = max(bin) + 1)
  start <- sprintf("%.6f", min(found) + binsize * (seq_along(counts) - 1))
  table <- rbind(table, data.frame(dataset = datasets[i], start = start, counts = counts))
  cat(sprintf("%s: %d events in %d bins\n", datasets[i], length(found), length(counts)))
}
write.csv(table, file.path("products", paste0(values("dataset_slug"), "_counts.csv")), row.names = FALSE, quote = FALSE)

# Which software made the product, for its provenance: a name and a version each.
cat(sprintf("{\"R\": \"%s.%s\"}\n", R.version$major, R.version$minor), file = "software.json")
cat("progress 1 done\n")
