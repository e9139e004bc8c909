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

export function number(value, digits = 0) {
  return value === null || value === undefined ? "" : value.toLocaleString(document.documentElement.lang, { maximumFractionDigits: digits });
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
