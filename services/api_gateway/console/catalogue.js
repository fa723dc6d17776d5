// The lines that can be said: searched, in pages, with the star of a bookmark.

import { shade } from "./chart.js";
import { button, element } from "./elements.js";
import { ask } from "./session.js";
import { t } from "./texts.js";

const TYPED_MS = 250; // nothing is asked while somebody still types
const PAGE = 30;
const KINDS = ["tokens", "scripts", "bookmarks"];
let sought = ""; // stays when somebody comes back from a line

export async function showCatalogue(page, { kind, signal }) {
  const chosen = KINDS.includes(kind) ? kind : "tokens";
  const marks = chosen === "bookmarks";
  const head = element("div", "", "intro");
  head.append(element("h2", t("lines.title")), element("p", t("lines.what"), "quiet"));
  const tools = element("div", "", "tools");
  const tabs = element("nav", "", "tabs");
  for (const each of KINDS) {
    const tab = element("a", t(`lines.${each}`));
    tab.href = each === "tokens" ? "#/" : `#/${each}`;
    tab.toggleAttribute("aria-current", each === chosen);
    tabs.append(tab);
  }
  const search = element("input");
  Object.assign(search, { type: "search", id: "search", value: sought, placeholder: t("lines.search"), maxLength: 200 });
  search.setAttribute("aria-label", search.placeholder);
  search.hidden = marks;
  tools.append(tabs, search);
  const list = element("ul", "", "lines");
  list.id = "lines";
  const none = element("p", "", "quiet");
  const more = button(t("lines.more"), () => look(next));
  more.hidden = true;
  page.append(head, tools, list, none, more);

  let next = null;
  let asked = 0;
  async function look(cursor = null) {
    const mine = (asked += 1);
    const query = new URLSearchParams({ limit: PAGE });
    if (cursor) query.set("cursor", cursor);
    if (sought && !marks) query.set("q", sought);
    const found = await ask("GET", `${marks ? "/mypage/bookmarks" : `/${chosen}`}?${query}`, { signal });
    if (mine !== asked) return; // a later search was faster
    next = found.next ?? null;
    const rows = found.items.map((item) => (marks ? marked(item) : row(chosen, item)));
    if (cursor) list.append(...rows);
    else list.replaceChildren(...rows);
    more.hidden = !next;
    none.hidden = list.children.length > 0;
    none.textContent = t(marks ? "lines.unmarked" : sought ? "lines.none" : "lines.nothing");
  }
  let typing = null;
  search.oninput = () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      sought = search.value.trim();
      look().catch((error) => {
        if (error.name === "AbortError") return;
        none.hidden = false;
        none.textContent = error.told || error.message;
      });
    }, TYPED_MS);
  };
  await look();
}

function marked({ line, state, best_score }) {
  const known = { ...line, state, best_score, bookmarked: true };
  return row(line.subject === "token" ? "tokens" : "scripts", known);
}

function row(kind, line) {
  const item = element("li");
  item.dataset.line = line.id;
  const link = element("a", "", "name");
  link.href = `#/${kind}/${encodeURIComponent(line.id)}`;
  link.append(element("strong", line.text), element("span", about(line), "quiet"));
  item.append(link);
  if (line.state !== "READY") item.append(element("span", t(`line.${line.state}`), `state ${line.state === "FAILED" ? "failed" : ""}`));
  if (line.best_score !== null && line.best_score !== undefined) item.append(badge(line.best_score, t("line.best")));
  item.append(star(kind, line));
  return item;
}

// Who says it, where, and how long.
export function about(line) {
  const seconds = line.duration_s ? t("line.seconds", { s: line.duration_s.toFixed(1) }) : "";
  return [line.actor?.name, line.film ?? line.title, seconds].filter(Boolean).join(" · ");
}

export function badge(score, label = "") {
  const made = element("span", "", `badge ${shade(score)}`);
  made.append(element("b", Math.round(score)));
  if (label) made.append(element("small", label));
  return made;
}

export function star(kind, line) {
  const made = button("", async () => {
    const path = `/mypage/bookmarks/${kind}/${encodeURIComponent(line.id)}`;
    made.disabled = true;
    try {
      await ask(line.bookmarked ? "DELETE" : "PUT", path);
      line.bookmarked = !line.bookmarked;
      paint();
    } catch (error) {
      made.title = error.told || error.message;
    } finally {
      made.disabled = false;
    }
  }, "star plain");
  const paint = () => {
    made.textContent = line.bookmarked ? "★" : "☆";
    made.setAttribute("aria-pressed", String(line.bookmarked));
    made.title = t("line.mark");
    made.setAttribute("aria-label", t("line.mark"));
  };
  paint();
  return made;
}
