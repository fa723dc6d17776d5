// One line: the actor's take, one's own, how they compare, and how it went before.

import { attempt } from "./attempt.js";
import { outline } from "./chart.js";
import { button, element } from "./elements.js";
import { follow, renewed } from "./follow.js";
import { about, badge, star } from "./lines.js";
import { ownTakes } from "./mine.js";
import { play as start, stop, take } from "./playback.js";
import { showResult } from "./result.js";
import { ask } from "./session.js";
import { t } from "./texts.js";

export async function showLine(page, { kind, id, job, signal }) {
  const path = `/${kind}/${encodeURIComponent(id)}`;
  const line = await ask("GET", path, { signal });
  const back = element("a", `← ${t("line.back")}`, "quiet back");
  back.href = kind === "tokens" ? "#/" : `#/${kind}`;
  const head = element("div", "", "line");
  const names = element("div", "", "names");
  const quote = element("blockquote");
  quote.append(element("h2", line.text));
  names.append(quote, element("p", about(line), "quiet"));
  head.append(names);
  const best = element("div", "", "best");
  const showBest = (score) => best.replaceChildren(...(score === null ? [] : [badge(score, t("line.best"))]));
  showBest(line.best_score);
  head.append(best, star(kind, line));
  page.append(back, head);
  const own = element("div", "", "own-part");
  if (line.state === "READY") {
    own.append(listening(line, signal), attempt({
      path: `${path}/upload-audio`, signal,
      onSent: ({ job_id: sent }) => { location.hash = `#/${kind}/${encodeURIComponent(id)}/${sent}`; },
    }));
  } else own.append(waiting(line, path, signal));
  page.append(own);
  const compared = element("div", "", "compared");
  compared.id = "compared";
  if (job) page.append(compared);
  const tries = element("section", "", "tries");
  page.append(tries);
  const list = () => ownTakes(tries, { kind, id, job, signal }).catch(() => {}); // the line itself is here
  const renew = () => {
    list();
    ask("GET", path, { signal }).then((now) => showBest(now.best_score), () => {});
  };
  list();
  if (job) {
    const begin = () => compare(compared, { kind, job, line, signal, renew }).catch((error) => {
      if (error.name !== "AbortError") compared.replaceChildren(element("p", error.told || error.message, "wrong"));
    });
    page.addEventListener("shown", begin, { once: true });
  }
}

// The actor's take to hear, all of it or from where its drawing is clicked.
export function listening(line, signal) {
  const made = element("section", "", "listening");
  const row = element("div", "", "tools");
  const canvas = element("canvas");
  const said = element("p", "", "wrong");
  let buffer = null;
  const play = async (from = 0) => {
    if (!buffer) return;
    const playing = start(buffer, { from, edge: false, onMoment: (moment) => outline(canvas, buffer, moment) });
    made.dataset.playing = "actor";
    knob.textContent = t("play.stop");
    await playing;
    delete made.dataset.playing;
    knob.textContent = t("play.actor");
    outline(canvas, buffer, 0);
  };
  const knob = button(t("play.actor"), () => (made.dataset.playing ? stop() : play()), "actor");
  knob.disabled = true;
  canvas.onclick = (event) => {
    const box = canvas.getBoundingClientRect();
    play(((event.clientX - box.left) / box.width) * (buffer?.duration ?? 0));
  };
  row.append(knob, canvas);
  made.append(row, said);
  take(line.audio_url, line.updated_at).catch(() => null).then((found) => {
    if (signal.aborted) return;
    buffer = found;
    knob.disabled = !found;
    if (!found) said.textContent = t("play.cannot");
    else requestAnimationFrame(() => outline(canvas, found, 0));
  });
  return made;
}

function waiting(line, path, signal) {
  const why = line.state === "FAILED" ? line.problem : t(`line.${line.state}.what`);
  const made = element("p", why, line.state === "FAILED" ? "wrong" : "quiet");
  if (line.state !== "PREPARING") return made;
  renewed(async () => {
    const now = await ask("GET", path, { signal });
    if (now.state !== "PREPARING") dispatchEvent(new HashChangeEvent("hashchange")); // drawn anew
  }, signal);
  return made;
}

// Follows a comparison to its end, and shows what came out.
async function compare(place, { kind, job, line, signal, renew }) {
  const root = `/${kind}/analysis-result/${encodeURIComponent(job)}`;
  let found = await ask("GET", root, { signal });
  if (found.status === "processing") {
    const bar = element("progress");
    Object.assign(bar, { max: 100, value: found.progress });
    bar.setAttribute("aria-label", t("result.title"));
    const said = element("p", found.message, "quiet");
    said.setAttribute("role", "status");
    const box = element("section", "", "progressing");
    box.append(element("h3", t("result.title")), bar, said);
    place.replaceChildren(box);
    await follow(`/${kind}/analysis-progress/${encodeURIComponent(job)}`, (event) => {
      if (!event.status) return false;
      bar.value = event.progress;
      box.dataset.progress = `${box.dataset.progress ?? ""} ${event.progress}`.trim();
      said.textContent = event.message;
      return event.status !== "processing";
    }, { signal, away: (away) => { if (away) said.textContent = t("stage.away"); } });
    const seen = box.dataset.progress;
    found = await ask("GET", root, { signal });
    place.dataset.progress = seen;
    renew();
  }
  if (found.status === "failed" || !found.result) {
    const why = element("p", found.message, "notice bad");
    why.dataset.status = found.status;
    place.replaceChildren(why);
    return;
  }
  await showResult(place, found, { actor: [line.audio_url, line.updated_at], own: [`${root}/recording`] }, signal);
}
