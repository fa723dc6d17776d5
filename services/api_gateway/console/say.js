// The pages about lines: which one is seen is what stands behind # in the address.

import { showCatalogue } from "./catalogue.js";
import { button, element } from "./elements.js";
import { showLine } from "./line.js";
import { showLines } from "./lines.js";
import { showMine } from "./mine.js";
import { stop } from "./playback.js";
import { Offline, signIn, signOut, whoAmI } from "./session.js";
import { t, translate } from "./texts.js";

const NAVIGATION = ["say", "history", "catalogue"];
const view = document.getElementById("view");
let leaving = null; // ends what the page before still does
let seen = null; // the address without the job behind it

document.getElementById("logout").onclick = signOut;
translate(show);
await signIn();
addEventListener("hashchange", show);
await show();

async function show() {
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  stop();
  const [kind = "", id = "", more = ""] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const here = ["history", "catalogue"].includes(kind) ? kind : "say";
  document.title = `Actverse · ${t(`nav.${here}`)}`;
  for (const name of NAVIGATION) {
    const link = document.getElementById(name === "say" ? "to-lines" : `to-${name}`);
    if (name === here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  whoAmI().then(greet, () => {});
  const page = element("div", "", "view");
  try {
    if (kind === "history") await showMine(page, { signal });
    else if (kind === "catalogue") await showCatalogue(page, { kind: id, id: more, signal });
    else if (["tokens", "scripts"].includes(kind) && id) await showLine(page, { kind, id, job: more, signal });
    else await showLines(page, { kind, signal });
    if (signal.aborted) return;
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    const why = error instanceof Offline ? error.told || t("tasks.away") : error.message;
    page.replaceChildren(element("p", why, "wrong"), button(t("again"), show));
  }
  view.replaceChildren(page);
  page.dispatchEvent(new Event("shown"));
  arrive(page, kind === "catalogue" ? `${kind}/${id}/${more}` : `${kind}/${id}`);
}

// Another page begins at its top, for eyes and for readers of screens.
function arrive(page, address) {
  const other = seen !== null && seen !== address;
  seen = address;
  if (!other) return;
  scrollTo(0, 0);
  const begin = page.querySelector("[data-first]") ?? page.querySelector("h2");
  if (!begin) return;
  begin.tabIndex = -1;
  begin.focus();
}

function greet({ name, role }) {
  document.getElementById("who").textContent = name;
  document.getElementById("to-catalogue").hidden = role !== "admin";
}
