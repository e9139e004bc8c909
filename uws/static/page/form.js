// The run form: marks what is not the default, and tells how many tasks there will be and how long they take.
import { $, all, base, calm, json } from "./dom.js";
import { span, t, tn } from "./say.js";

const form = $("#run");
const CONTROL = new Set(["SCRIPT", "START", "FROM", "KEEP", "RUNID"]);

function mark(input) {
  const field = input.closest(".field");
  if (!field || input.dataset.default === undefined) return;
  const changed = input.value !== input.dataset.default;
  field.classList.toggle("changed", changed);
  $(".changed-mark", field).hidden = !changed;
}

/** The parameters of one script, as the job gets them. */
function parameters(script) {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (typeof value !== "string" || CONTROL.has(name) || !value.trim()) continue;
    if (name === "ID") value.split(" ").forEach((id) => given.append("ID", id));
    else if (!name.includes(".")) given.append(name, value);
    else if (name.startsWith(`${script}.`)) given.append(name.slice(script.length + 1), value);
  }
  return given;
}

async function foresee(fieldset) {
  const told = $("[data-foreseen]", fieldset), script = fieldset.dataset.script;
  try {
    const found = await json(`${base}/api/scripts/${script}/estimate`, { method: "POST", body: parameters(script) });
    const time = found.seconds === null
      ? t("How long it takes is known after its first job.")
      : t("About {time}, with what waits now.", { time: span(found.seconds) });
    told.textContent = `${tn("{n} task.", "{n} tasks.", found.tasks)} ${time}`;
    told.classList.remove("bad");
  } catch (error) {
    told.textContent = error.message;
    told.classList.add("bad");
  }
}

if (form) {
  const later = new Map(all("fieldset", form).map((one) => [one, calm(foresee, 400)]));
  form.addEventListener("input", ({ target }) => {
    mark(target);
    const fieldset = target.closest("fieldset");
    if (fieldset) later.get(fieldset)(fieldset);
  });
  // Twice pressed is once meant.
  form.addEventListener("submit", () => setTimeout(() => all("button.main", form).forEach((one) => { one.disabled = true; })));
  addEventListener("pageshow", () => all("button.main", form).forEach((one) => { one.disabled = false; }));
}
document.documentElement.dataset.ready = "yes";
