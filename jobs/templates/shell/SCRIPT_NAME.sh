#!/bin/sh
# The script SCRIPT_NAME: lists header cards. It needs nothing but what every Unix has, and gzip.
set -eu

fail() { # the user reads the last line of standard error
  echo "$1" >&2
  exit 1
}

# task.json has one name on each line, so that sed can read what is needed.
value() { sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" task.json; }

keyword=$(value KEYWORD)
case $keyword in
*[!A-Z0-9_-]*) fail "KEYWORD: '$keyword' was given; capital letters, digits, - and _ are allowed." ;;
esac
product=products/$(value dataset_slug)_headers.txt

count=$(value path | wc -l)
done=0
value path | while IFS= read -r path; do
  name=$(basename "$path")
  # what is printed is the log; a line that begins with "progress" moves the progress bar
  awk "BEGIN { printf \"progress %.2f reading $name\n\", $done / $count }"
  if [ "$(head -c 2 "$path" | od -An -tx1)" = " 1f 8b" ]; then unpack="gzip -dc"; else unpack=cat; fi
  { $unpack "$path" 2>/dev/null || true; } | head -c 100000 | tr '\0' ' ' | fold -b -w 80 >cards.txt
  [ "$(head -c 9 cards.txt)" = "SIMPLE  =" ] || fail "The file $name is not FITS, or is damaged: it does not begin with SIMPLE."
  LC_ALL=C grep -a -q '^END *$' cards.txt || fail "The file $name is cut off: its primary header has no END."
  {
    echo "# $name"
    LC_ALL=C sed '/^END *$/q' cards.txt | grep -a "^$keyword" || echo "# no keyword begins with $keyword"
  } >>"$product"
  echo "$name: done"
  done=$((done + 1))
done

# Which software made the product, for its provenance: a name and a version each.
printf '{"gzip": "%s"}\n' "$(gzip --version | sed -n '1s/^gzip //p')" >software.json
echo "progress 1 done"
