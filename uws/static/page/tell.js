// Who is to be told of the end of a job: by mail, or by a webhook.
import { $, send } from "./dom.js";
import { t } from "./say.js";

/** Take the form that asks for it. */
export async function tell(event) {
  const form = event.target.closest("[data-tell]");
  if (!form) return;
  event.preventDefault();
  const target = $("input", form).value.trim(), told = $("[role=status]", form);
  try {
    const made = await send("POST", form.dataset.tell, /^https?:/.test(target) ? { webhook: target } : { mail: target });
    told.textContent = made.secret ? t("It is signed with {secret}, which is shown this once.", { secret: made.secret }) : t("You will be told.");
  } catch (error) {
    told.textContent = error.message;
  }
}
