// The lines that can be said: searched, in pages, with the star of a bookmark.

import { shade } from "./chart.js";
import { button, element } from "./elements.js";
import { paged, tabs } from "./pages.js";
import { ask, whoAmI } from "./session.js";
import { t } from "./texts.js";

const KINDS = ["tokens", "scripts", "bookmarks"];
let sought = ""; // stays when somebody comes back from a line

export async function showLines(page, { kind, signal }) {
  const chosen = KINDS.includes(kind) ? kind : "tokens";
  const marks = chosen === "bookmarks";
  const head = element("div", "", "intro");
  head.append(element("h2", t("lines.title")), element("p", t("lines.what"), "quiet"));
  const { role } = await whoAmI();
  const found = paged({
    id: "lines", signal, sought, label: t("lines.search"),
    query: () => (marks ? ["/mypage/bookmarks", {}] : [`/${chosen}`, { state: "READY", ...(sought && { q: sought }) }]),
    row: (item) => (marks ? marked(item) : row(chosen, item)),
    none: () => t(marks ? "lines.unmarked" : sought ? "lines.none" : `lines.nothing.${role}`),
    typed: (text) => { sought = text; },
  });
  found.search.hidden = marks;
  const tools = element("div", "", "tools");
  const address = (each) => (each === "tokens" ? "#/" : `#/${each}`);
  tools.append(tabs(KINDS.map((each) => [each, t(`lines.${each}`), address(each)]), chosen), found.search);
  page.append(head, tools, found.list, found.said, found.more);
  await found.look();
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
  if (line.state !== "READY") item.append(state(line));
  if (line.best_score !== null && line.best_score !== undefined) item.append(badge(line.best_score, t("line.best")));
  item.append(star(kind, line));
  return item;
}

// Who says it, where, and how long.
export function about(line) {
  const seconds = line.duration_s ? t("line.seconds", { s: line.duration_s.toFixed(1) }) : "";
  return [line.actor?.name, line.film ?? line.title, seconds].filter(Boolean).join(" · ");
}

const LOOKS = { READY: "succeeded", PREPARING: "running", FAILED: "failed" };

// Whether a line can be said, as a mark.
export function state(line) {
  return element("span", t(`line.${line.state}`), `state ${LOOKS[line.state] ?? ""}`);
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
      made.focus(); // a disabled button loses it
    }
  }, "star plain");
  const paint = () => {
    made.textContent = line.bookmarked ? "★" : "☆";
    made.setAttribute("aria-pressed", String(line.bookmarked));
    made.title = t("line.mark");
    made.setAttribute("aria-label", `${t("line.mark")}: ${line.text}`);
  };
  paint();
  return made;
}
