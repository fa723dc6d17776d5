// The catalogue as admins keep it: actors, quotes and scripts, with what can be said and what not.

import { showActor } from "./edit_actor.js";
import { showEntry } from "./edit_line.js";
import { removed } from "./edits.js";
import { button, element } from "./elements.js";
import { NEW, address } from "./entry.js";
import { renewed } from "./follow.js";
import { about, state } from "./lines.js";
import { paged, tabs } from "./pages.js";
import { ask, whoAmI } from "./session.js";
import { t } from "./texts.js";

const KINDS = ["tokens", "scripts", "actors"];
const STATES = ["NO_AUDIO", "PREPARING", "READY", "FAILED"];
const sought = { q: "", state: "" }; // stays when somebody comes back from an entry

export async function showCatalogue(page, { kind, id, signal }) {
  const chosen = KINDS.includes(kind) ? kind : "tokens";
  const me = await whoAmI();
  if (me.role !== "admin") {
    page.append(element("h2", t("nav.catalogue")), element("p", t("catalogue.admins", { name: me.name }), "notice"));
    return;
  }
  if (id) await (chosen === "actors" ? showActor : showEntry)(page, { kind: chosen, id, signal });
  else await showList(page, { kind: chosen, signal });
}

async function showList(page, { kind, signal }) {
  const actors = kind === "actors";
  const head = element("div", "", "intro");
  head.append(element("h2", t("nav.catalogue")), element("p", t("catalogue.what"), "quiet"));
  const rows = new Map(); // of lines, by their id
  const found = paged({
    id: "entries", signal, sought: sought.q, label: t(actors ? "catalogue.search.actors" : "lines.search"),
    query: () => [`/${kind}`, { ...(sought.q && { q: sought.q }), ...(!actors && sought.state && { state: sought.state }) }],
    row: (item) => {
      const made = element("li");
      rows.set(item.id, { made, item });
      fill(made, item);
      return made;
    },
    none: () => t(sought.q || (sought.state && !actors) ? "catalogue.none" : `catalogue.nothing.${kind}`),
    typed: (text) => { sought.q = text; },
  });
  const add = element("a", t(`catalogue.add.${kind}`), "button primary");
  add.href = address(kind, NEW);
  const tools = element("div", "", "tools");
  tools.append(tabs(KINDS.map((each) => [each, t(`catalogue.${each}`), address(each)]), kind), found.search);
  if (!actors) tools.append(filter(found));
  tools.append(add);
  const news = element("p", "", "unseen");
  news.setAttribute("role", "status");
  page.append(head, tools, found.list, found.said, found.more, news);
  await found.look();
  if (!actors) renewed(look, signal);

  function fill(made, item) {
    made.dataset.entry = item.id;
    made.replaceChildren(...(actors ? actorRow(item) : lineRow(kind, item)), removal(item));
  }

  function removal(item) {
    const name = item.name ?? item.text;
    const knob = button(t("delete"), async () => {
      if (!(await removed(kind, item.id, signal))) return;
      rows.delete(item.id);
      news.textContent = t("catalogue.gone", { name });
      await found.look().catch(found.told);
      found.search.focus();
    }, "plain");
    knob.setAttribute("aria-label", `${t("delete")}: ${name}`);
    return knob;
  }

  // Lines that are being prepared, once more; what has become of each is said.
  async function look() {
    const waiting = [...rows.values()].filter(({ made, item }) => made.isConnected && item.state === "PREPARING");
    for (const known of waiting) {
      const now = await ask("GET", `/${kind}/${encodeURIComponent(known.item.id)}`, { signal });
      if (now.state === "PREPARING") continue;
      known.item = now;
      const focused = known.made.contains(document.activeElement);
      fill(known.made, now);
      if (focused) known.made.querySelector("a").focus();
      news.textContent = `${now.text}: ${t(`line.${now.state}`)}. ${now.problem ?? ""}`;
    }
  }
}

function filter(found) {
  const made = element("select");
  made.id = "state";
  made.setAttribute("aria-label", t("catalogue.state"));
  made.append(new Option(t("catalogue.state.all"), ""), ...STATES.map((each) => new Option(t(`line.${each}`), each)));
  made.value = sought.state;
  made.onchange = () => {
    sought.state = made.value;
    found.look().catch(found.told);
  };
  return made;
}

function lineRow(kind, line) {
  const link = element("a", "", "name");
  link.href = address(kind, line.id);
  link.append(element("strong", line.text), element("span", about(line), "quiet"));
  if (line.problem) link.append(element("span", line.problem, "problem"));
  const parts = [link, state(line)];
  if (line.state === "READY") {
    const say = element("a", t("catalogue.try"), "button");
    say.href = `#/${kind}/${encodeURIComponent(line.id)}`;
    say.setAttribute("aria-label", `${t("catalogue.try")}: ${line.text}`);
    parts.push(say);
  }
  return parts;
}

function actorRow(actor) {
  const link = element("a", "", "name");
  link.href = address("actors", actor.id);
  const lines = t("catalogue.lines", { tokens: actor.tokens, scripts: actor.scripts });
  link.append(element("strong", actor.name), element("span", [lines, actor.about].filter(Boolean).join(" · "), "quiet"));
  return [link];
}
