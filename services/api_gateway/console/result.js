// A finished comparison: scores, both takes drawn word by word, every word to hear, advice.

import { Chart } from "./chart.js";
import { button, element } from "./elements.js";
import { play, stop, take } from "./playback.js";
import { advice, table, whole } from "./scores.js";
import { t } from "./texts.js";
import { wordsOf } from "./warp.js";

// `found`: the answer of analysis-result; `paths` {actor, own}: where the sound of both lies, each
// as `take` wants it.
export async function showResult(place, found, paths, signal) {
  const { result } = found;
  const words = wordsOf(result);
  const [actor, own] = await Promise.all([paths.actor, paths.own].map((path) => take(...path).catch(() => null)));
  if (signal.aborted) return;
  const takes = { actor, own };
  let turn = 0; // of what is played
  const best = result.NBest?.[0];
  const node = element("div", "", "result");
  if (best) node.append(whole(best));
  else node.append(told(found.message, result.RecognitionStatus));
  const said = result.Feedback ?? [];
  if (said.length) {
    const notes = element("section");
    notes.append(element("h3", t("result.advice")), advice(said, (position) => both(position)));
    node.append(notes);
  }
  const chart = new Chart(words, takes, result.Contours, (position) => both(position));
  node.append(stage(chart, words.length > 0));
  if (!own || !actor) node.append(element("p", t("result.nowave"), "quiet"));
  if (words.length) {
    const list = element("section");
    const rows = element("div", "", "scrolled");
    rows.append(table(words, (position) => both(position), (position, who) => one(position, who)));
    list.append(element("h3", t("result.words")), element("p", t("result.keys"), "quiet"), rows);
    node.append(list);
  }
  place.replaceChildren(node);
  chart.draw();
  signal.addEventListener("abort", () => { chart.close(); stop(); }, { once: true });
  addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !words.length || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]") || event.target.closest?.("input, textarea")) return;
    event.preventDefault();
    both(Math.max(0, Math.min(words.length - 1, chart.chosen + step)));
  }, { signal });

  function stage(drawing, worded) {
    const made = element("section", "", "takes");
    const tools = element("div", "", "tools");
    const listen = (key, act, className) => {
      const knob = button(t(key), act, className);
      knob.disabled = (key !== "play.own" && !actor) || (key !== "play.actor" && !own);
      tools.append(knob);
    };
    listen("play.actor", () => one(null, "actor"), "actor");
    listen("play.own", () => one(null, "own"), "own");
    listen("play.both", () => both(null), "");
    tools.append(button(t("play.stop"), stop, "plain"), element("span", "", "grow"));
    if (worded) {
      const turn = button("", () => { drawing.align(!drawing.aligned); paint(); }, "plain");
      turn.id = "align";
      const paint = () => { turn.textContent = t(drawing.aligned ? "result.spoken" : "result.aligned"); };
      paint();
      tools.append(turn);
    }
    made.append(tools, drawing.node, legend());
    return made;
  }

  function choose(position) {
    chart.choose(position ?? -1);
    for (const row of node.querySelectorAll("tr[data-position]")) {
      const chosen = Number(row.dataset.position) === position;
      row.classList.toggle("chosen", chosen);
      if (chosen) row.scrollIntoView({ block: "nearest" });
    }
  }

  async function one(position, who) {
    choose(position);
    const span = position === null ? {} : words[position][who === "own" ? "said" : "actor"];
    if (!span || !takes[who]) return false;
    const mine = (turn += 1);
    const playing = play(takes[who], { ...span, edge: position !== null, onMoment: (moment) => chart.moment(who, moment) });
    node.dataset.playing = `${who}:${position ?? "all"}`;
    const ended = await playing;
    if (mine === turn) { // nothing else has begun
      chart.moment(who, null);
      delete node.dataset.playing;
    }
    return ended;
  }

  async function both(position) {
    const goesOn = takes.actor ? await one(position, "actor") : true;
    if (goesOn) await one(position, "own");
  }
}

function told(message, status) {
  const made = element("p", message, "notice");
  made.dataset.status = status;
  return made;
}

function legend() {
  const made = element("p", "", "legend quiet");
  for (const [name, key] of [["actor", "actor"], ["own", "you"]]) {
    const mark = element("span", t(key), name);
    mark.prepend(element("i"));
    made.append(mark);
  }
  made.append(element("span", t("result.melody")));
  return made;
}
