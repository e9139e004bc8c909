// Two jobs side by side: plots of both in one.
import { $, all, show } from "./dom.js";
import { open } from "./products.js";

const table = $("table.compare");
all("[data-plot]", table).forEach((one) => show(one, table.dataset.uplot === "yes"));
table.addEventListener("click", open);
document.documentElement.dataset.ready = "yes";
