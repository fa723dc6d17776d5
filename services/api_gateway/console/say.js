// The pages about lines: which one is seen is what stands behind # in the address.

import { showCatalogue } from "./catalogue.js";
import { button, element } from "./elements.js";
import { showLine } from "./line.js";
import { showMine } from "./mine.js";
import { stop } from "./playback.js";
import { Offline, ask, signIn, signOut } from "./session.js";
import { t, translate } from "./texts.js";

const view = document.getElementById("view");
let leaving = null; // ends what the page before still does

document.getElementById("logout").onclick = signOut;
translate(show);
await signIn();
ask("GET", "/auth/me").then(({ name }) => { document.getElementById("who").textContent = name; }).catch(() => {});
addEventListener("hashchange", show);
await show();

async function show() {
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  stop();
  const [kind = "", id = "", job = ""] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  document.title = `Actverse · ${t(kind === "history" ? "nav.history" : "nav.say")}`;
  for (const [link, here] of [["to-lines", kind !== "history"], ["to-history", kind === "history"]]) {
    document.getElementById(link).toggleAttribute("aria-current", here);
  }
  const page = element("div", "", "view");
  try {
    if (kind === "history") await showMine(page, { signal });
    else if (["tokens", "scripts"].includes(kind) && id) await showLine(page, { kind, id, job, signal });
    else await showCatalogue(page, { kind, signal });
    if (signal.aborted) return;
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    const why = error instanceof Offline ? error.told || t("tasks.away") : error.message;
    page.replaceChildren(element("p", why, "wrong"), button(t("again"), show));
  }
  view.replaceChildren(page);
  page.dispatchEvent(new Event("shown"));
}
