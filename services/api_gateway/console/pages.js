// Lists that are searched and grow by pages, and the tabs above them.

import { button, element } from "./elements.js";
import { ask } from "./session.js";
import { t } from "./texts.js";

const TYPED_MS = 250; // nothing is asked while somebody still types
const PAGE = 30;

// Links to lists beside each other: [[kind, text, href], ...]; `chosen` is the kind that is seen.
export function tabs(kinds, chosen) {
  const made = element("nav", "", "tabs");
  made.setAttribute("aria-label", t("tabs"));
  for (const [kind, text, href] of kinds) {
    const tab = element("a", text);
    tab.href = href;
    if (kind === chosen) tab.setAttribute("aria-current", "page");
    made.append(tab);
  }
  return made;
}

// A field to search in, the list and a button for more of it. `query()` gives the path and what is
// asked for, `row(item)` the element of one, `none()` the text for an empty list; `typed(text)` is
// told what is sought.
export function paged({ id, query, row, none, label, sought, typed, signal }) {
  const search = element("input");
  Object.assign(search, { type: "search", id: "search", value: sought, placeholder: label, maxLength: 200 });
  search.setAttribute("aria-label", label);
  const list = element("ul", "", "lines");
  list.id = id;
  const said = element("p", "", "quiet");
  said.setAttribute("role", "status");
  const more = button(t("lines.more"), () => look(next).catch(told));
  more.hidden = true;
  let next = null;
  let asked = 0;
  let typing = null;

  async function look(cursor = null) {
    const mine = (asked += 1);
    const [path, wanted] = query();
    const given = new URLSearchParams({ limit: PAGE, ...wanted });
    if (cursor) given.set("cursor", cursor);
    const found = await ask("GET", `${path}?${given}`, { signal });
    if (mine !== asked) return; // a later search was faster
    next = found.next ?? null;
    const rows = found.items.map(row);
    if (cursor) list.append(...rows);
    else list.replaceChildren(...rows);
    more.hidden = !next;
    said.className = "quiet";
    said.textContent = list.children.length ? "" : none();
  }

  function told(error) {
    if (error.name === "AbortError") return;
    said.className = "wrong";
    said.textContent = error.told || (error.status ? error.message : t("tasks.away"));
  }

  search.oninput = () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      typed(search.value.trim());
      look().catch(told);
    }, TYPED_MS);
  };
  return { search, list, said, more, look, told };
}
