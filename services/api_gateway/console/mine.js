// What somebody has said so far: takes, best scores, and whether they grow.

import { badge } from "./lines.js";
import { button, element } from "./elements.js";
import { ask } from "./session.js";
import { language, t } from "./texts.js";
import { trend } from "./trend.js";

const KINDS = { token: "tokens", script: "scripts" };
const FEW = 8; // takes of one line that are listed at once

const address = (item) => `#/${KINDS[item.line.subject]}/${encodeURIComponent(item.line.id)}/${item.job_id}`;

export async function showMine(page, { signal }) {
  const [history, trends, best] = await Promise.all(
    ["/mypage/history?limit=30", "/mypage/trends?limit=100", "/mypage/best?limit=5"]
      .map((path) => ask("GET", path, { signal })),
  );
  page.append(element("h2", t("history.title")));
  if (!history.items.length) {
    const lines = element("a", t("history.choose"), "button primary begin");
    lines.href = "#/";
    page.append(element("p", t("history.none"), "quiet"), lines);
    return;
  }
  const lines = new Map([...history.items, ...best.items].map((item) => [item.job_id, address(item)]));
  page.append(course(trends, (point) => lines.get(point.job_id)));
  if (best.items.length) {
    const list = element("ul", "", "lines");
    list.append(...best.items.map((item) => row(item, true)));
    page.append(element("h3", t("history.best")), list);
  }
  page.append(element("h3", t("history.takes")), takes(history, "/mypage/history?limit=30", true, { signal }));
}

// The takes of one line, into `place`; `job` is the one that is looked at.
export async function ownTakes(place, { kind, id, job, signal }) {
  const about = `${kind === "tokens" ? "token_id" : "script_id"}=${encodeURIComponent(id)}`;
  const path = `/mypage/history?${about}&limit=${FEW}`;
  const [history, trends] = await Promise.all(
    [path, `/mypage/trends?${about}&limit=100`].map((each) => ask("GET", each, { signal })),
  );
  place.replaceChildren(element("h3", t("line.tries")));
  if (!history.items.length) {
    place.append(element("p", t("line.tries.none"), "quiet"));
    return;
  }
  const href = (point) => `#/${kind}/${encodeURIComponent(id)}/${point.job_id}`;
  place.append(course(trends, href), takes(history, path, false, { job, signal }));
}

function course({ points }, href) {
  return trend(points.map((point) => ({ score: point.pron_score, at: point.at, href: href(point) })));
}

function takes(first, path, named, { job, signal }) {
  const node = element("div", "", "takes-list");
  const list = element("ul", "", "lines");
  let { next } = first;
  const more = button(t("lines.more"), async () => {
    more.disabled = true;
    try {
      add(await ask("GET", `${path}&cursor=${encodeURIComponent(next)}`, { signal }));
    } finally {
      more.disabled = false;
    }
  });
  const add = (found) => {
    list.append(...found.items.map((item) => row(item, named, item.job_id === job)));
    next = found.next;
    more.hidden = !next;
  };
  add(first);
  node.append(list, more);
  return node;
}

function row(item, named, here = false) {
  const made = element("li", "", here ? "chosen" : "");
  made.dataset.job = item.job_id;
  const link = element("a", "", "name");
  link.href = address(item);
  const when = new Date(item.created_at).toLocaleString(language());
  if (named) {
    const about = [item.line.actor?.name, item.line.title, when].filter(Boolean).join(" · ");
    link.append(element("strong", item.line.text), element("span", about, "quiet"));
  } else link.append(element("span", when));
  made.append(link);
  const sides = ["accuracy", "fluency", "prosody"].filter((side) => item[side] !== null);
  for (const side of sides) {
    const name = t(`score.${side[0].toUpperCase()}${side.slice(1)}`);
    made.append(element("span", `${name} ${Math.round(item[side])}`, "side quiet"));
  }
  if (item.pron_score !== null) made.append(badge(item.pron_score));
  else {
    const state = item.status === "processing" || item.status === "failed" ? item.status : "unheard";
    made.append(element("span", t(`history.${state}`), `state ${state}`));
  }
  return made;
}
