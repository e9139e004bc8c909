// What the page says, in the reader's language: t("text"), tn("one", "many", n); {name} is filled in.
const script = document.getElementById("messages");
const messages = script ? JSON.parse(script.textContent) : {};
const plural = new Intl.PluralRules(document.documentElement.lang);

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

export function t(text, values = {}) {
  return fill(messages[text] || text, values);
}

export function tn(one, many, n, values = {}) {
  const forms = messages[one] || [one, many];
  return fill(plural.select(n) === "one" ? forms[0] : forms[forms.length - 1], { n: number(n), ...values });
}

const formats = new Map(); // to make one takes a hundred times as long as to use it

export function number(value, digits = 0) {
  if (value === null || value === undefined) return "";
  if (!formats.has(digits)) formats.set(digits, new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: digits }));
  return formats.get(digits).format(value);
}

export function span(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${Math.round(hours / 24)} d`;
}

export function size(count) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (count < 999.5) return `${unit === "B" || count >= 10 ? count.toFixed(0) : count.toFixed(1)} ${unit}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} TB`;
}
