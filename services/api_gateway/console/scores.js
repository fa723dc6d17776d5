// The numbers of a comparison: the whole, its sides, every word, and what may be done better.

import { shade } from "./chart.js";
import { button, drawn, element } from "./elements.js";
import { t } from "./texts.js";

const SIDES = ["Accuracy", "Fluency", "Prosody", "Completeness"];
const RING = 2 * Math.PI * 42;

export function whole(best) {
  const { PronunciationAssessment: scores, Similarity: nearness } = best;
  const node = element("section", "", "scores");
  node.append(ring(scores.PronScore));
  const sides = element("dl", "", "sides");
  for (const side of SIDES) {
    const value = scores[`${side}Score`];
    const told = element("dd");
    told.append(bar(value), element("b", Math.round(value)));
    const name = element("dt", t(`score.${side}`));
    name.title = t(`score.${side}.what`);
    sides.append(name, told);
  }
  const facts = element("ul", "", "facts");
  const fact = (key, value) => {
    if (value === null || value === undefined) return;
    const item = element("li");
    item.append(element("span", t(key), "quiet"), element("b", value));
    facts.append(item);
  };
  fact("fact.tempo", nearness?.TempoRatio && t(nearness.TempoRatio > 1 ? "fact.slower" : "fact.faster", {
    n: Math.round(Math.abs(nearness.TempoRatio - 1) * 100),
  }));
  fact("fact.range", nearness?.PitchRangeRatio && `${Math.round(nearness.PitchRangeRatio * 100)} %`);
  fact("fact.melody", nearness?.PitchCorrelation && nearness.PitchCorrelation.toFixed(2));
  fact("fact.timbre", nearness && Math.round(nearness.Timbre));
  const beta = element("li", t("beta"), "beta");
  beta.title = t("beta.what");
  facts.append(beta);
  node.append(sides, facts);
  return node;
}

function ring(score) {
  const rounded = Math.round(score);
  const circle = (className, more = {}) => drawn("circle", { cx: 50, cy: 50, r: 42, class: className, ...more });
  const number = drawn("text", { x: 50, y: 48, class: "number" }, String(rounded));
  const label = drawn("text", { x: 50, y: 70, class: "label" }, t("score.Pron"));
  return drawn("svg", { viewBox: "0 0 100 100", class: `ring ${shade(score)}`, role: "img", "aria-label": `${t("score.Pron")} ${rounded}` },
    circle("track"), circle("share", { "stroke-dasharray": `${(RING * score) / 100} ${RING}` }), number, label);
}

function bar(score) {
  const track = element("span", "", `bar ${shade(score)}`);
  const share = element("i");
  share.style.setProperty("width", `${Math.max(0, Math.min(100, score))}%`);
  track.append(share);
  return track;
}

// One row a word; `onWord(position)` plays and chooses it, `onPlay(position, who)` plays one take.
export function table(words, onWord, onPlay) {
  const made = element("table", "", "words");
  const head = element("tr");
  for (const key of ["word", "score", "start", "length", "pitch", "loudness", "listen"]) {
    const cell = element("th", t(`column.${key}`));
    cell.scope = "col";
    if (key !== "word") cell.title = t(`column.${key}.what`);
    head.append(cell);
  }
  const body = element("tbody");
  for (const word of words) {
    const row = element("tr", "", word.said ? "" : "omitted");
    row.dataset.position = word.position;
    row.onclick = () => onWord(word.position);
    const name = element("td", "", "name");
    name.append(button(word.text, (event) => { event.stopPropagation(); onWord(word.position); }, "plain"));
    const score = element("td", "", "score");
    if (word.said) score.append(bar(word.score), element("b", Math.round(word.score)));
    else score.append(element("span", t("omitted"), "state failed"));
    row.append(name, score, ...deltas(word));
    const doors = element("td", "", "listen");
    const play = (who) => {
      const one = button("▶", (event) => { event.stopPropagation(); onPlay(word.position, who); }, `small ${who}`);
      one.title = t(`play.${who}`);
      one.setAttribute("aria-label", `${t(`play.${who}`)}: ${word.text}`);
      one.disabled = who === "own" && !word.said;
      return one;
    };
    doors.append(play("actor"), play("own"));
    row.append(doors);
    body.append(row);
  }
  const header = element("thead");
  header.append(head);
  made.append(header, body);
  return made;
}

function deltas({ said, delta }) {
  const cell = (value, text, notable) => {
    const made = element("td", value === null || value === undefined ? "–" : text(value), "number");
    if (Math.abs(value ?? 0) >= notable) made.classList.add("notable");
    return made;
  };
  const signed = (value, digits) => {
    const text = Math.abs(value).toFixed(digits);
    return `${Number(text) === 0 ? "±" : value < 0 ? "−" : "+"}${text}`;
  };
  const of = said ? delta ?? {} : {};
  return [
    cell(of.StartSec, (v) => `${signed(v, 2)} s`, 0.25),
    cell(of.DurationLog, (v) => `${signed((Math.exp(v) - 1) * 100, 0)} %`, Math.log(1.5)),
    cell(of.PitchSt, (v) => signed(v, 1), 3),
    cell(of.EnergyDb, (v) => `${signed(v, 0)} dB`, 6),
  ];
}

export function advice(feedback, onWord) {
  const list = element("ul", "", "advice");
  for (const { severity, text, code, position } of feedback) {
    const item = element("li", "", severity);
    const sentence = text ?? code;
    const about = Number.isInteger(position);
    item.append(about ? button(sentence, () => onWord(position), "plain") : element("span", sentence));
    list.append(item);
  }
  return list;
}
