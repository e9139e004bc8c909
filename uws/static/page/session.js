// The session of the page: made when it is first needed, told of each new region and choice, named, shared and copied.
import { $, base, el, json, send } from "./dom.js";
import { t } from "./say.js";

export class Session {
  constructor(front) {
    this.id = front.dataset.session ?? "";
    this.access = front.dataset.access || "owner";
  }

  get address() { return `${base}/api/sessions/${this.id}`; }

  async read() { return this.id ? json(this.address) : null; }

  /** Keep the region and the chosen datasets; an empty list stands for all that cover the region. */
  async keep(region, datasets) {
    if (this.access !== "owner") return this.id;
    if (this.id) {
      await send("PATCH", this.address, { region, datasets });
    } else {
      const name = t("Session of {date}", { date: new Date().toISOString().slice(0, 16).replace("T", " ") });
      const made = await send("POST", `${base}/api/sessions`, { name, region, datasets });
      this.id = made.id;
      history.replaceState(null, "", made.href);
    }
    return this.id;
  }
}

const told = (error) => { $("#session-told").textContent = error ? error.message : ""; };

/** Answer to a form, and say what goes wrong. */
function on(form, act) {
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    try { await act(); told(null); } catch (error) { told(error); }
  });
}

async function listShares(session) {
  const { shares } = await json(`${session.address}/shares`);
  $("#shares").replaceChildren(...shares.map((share) => {
    const may = share.access === "run" ? t("look and run jobs") : t("look");
    const until = share.expires.slice(0, 10);
    const text = share.revoked ? t("Link to {may}, revoked", { may }) : t("Link to {may}, until {until}", { may, until });
    const revoke = el("button", { type: "button", class: "bad", onclick: async () => {
      try { await json(`${session.address}/shares/${share.id}`, { method: "DELETE" }); await listShares(session); } catch (error) { told(error); }
    } }, t("Revoke"));
    return el("li", {}, el("span", { class: "file" }, text), share.revoked ? null : revoke);
  }));
}

/** Bring the forms to life by which a session is named, shared and copied. */
export function sharing(session) {
  on($("#name-form"), async () => {
    const { name } = await send("PATCH", session.address, { name: $("#session-name").value });
    $("h1").textContent = name || t("Session");
  });
  on($("#share-form"), async () => {
    const expires = new Date(Date.now() + 864e5 * Number($("#share-days").value)).toISOString();
    const made = await send("POST", `${session.address}/shares`, { access: $("#share-access").value, expires });
    $("#share-new").replaceChildren(t("This link is shown once:"), " ", el("code", { id: "share-link" }, made.href));
    await listShares(session);
  });
  $("#share")?.addEventListener("toggle", () => $("#share").open && listShares(session).catch(told));
  $("#copy-session")?.addEventListener("click", async () => {
    try { location.href = (await json(`${session.address}/copy`, { method: "POST" })).href; } catch (error) { told(error); }
  });
}
