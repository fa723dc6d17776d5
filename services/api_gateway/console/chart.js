// Both takes above each other, word by word: waveforms, and between them the melody of both voices.

import { element } from "./elements.js";
import { Peaks } from "./playback.js";
import { t } from "./texts.js";
import { shiftOf, warpOf } from "./warp.js";

const LABELS = 26; // px of the row of words
const WAVE = 84;
const PITCH = 150;
const GAP = 8;
const HEIGHT = LABELS + WAVE + PITCH + WAVE + 2 * GAP;
const PX_PER_S = 110; // at least; long takes are scrolled
const MOST_PX = 12000; // what a canvas can be, on screens of twofold density too
const QUIET_S = 0.25; // what is seen before the first word and after the last
const SMALLEST_ST = 4; // half the height of the melody, semitones

export function shade(score) {
  if (score >= 80) return "good";
  if (score >= 60) return "fair";
  return score >= 45 ? "poor" : "bad";
}

const outlines = new WeakMap(); // of buffers, computed once

// One take by itself in a small canvas; what has been heard of it, up to `moment`, is brighter.
export function outline(canvas, buffer, moment) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!outlines.has(buffer)) outlines.set(buffer, new Peaks(buffer));
  const density = Math.min(2, devicePixelRatio || 1);
  [canvas.width, canvas.height] = [width * density, height * density];
  const pen = canvas.getContext("2d");
  pen.scale(density, density);
  pen.fillStyle = getComputedStyle(canvas).getPropertyValue("--actor");
  const perPixel = buffer.duration / width;
  for (let x = 0; x < width; x += 1) {
    const [low, high] = outlines.get(buffer).between(x * perPixel, (x + 1) * perPixel);
    pen.globalAlpha = x * perPixel < moment ? 1 : 0.5;
    pen.fillRect(x, (1 - high) * (height / 2 - 1), 1, Math.max(1, (high - low) * (height / 2 - 1)));
  }
}

export class Chart {
  // `words` as of warp.js; `takes` {actor, own}: AudioBuffers or null; `contours` of the result.
  constructor(words, takes, contours, onWord) {
    Object.assign(this, { words, takes, contours, onWord });
    this.peaks = { actor: takes.actor && new Peaks(takes.actor), own: takes.own && new Peaks(takes.own) };
    this.node = element("div", "", "chart");
    this.inner = element("div", "", "inner");
    this.canvas = element("canvas");
    this.head = element("i", "", "playhead");
    this.inner.append(this.canvas, this.head);
    this.labels = words.map((word) => this.#label(word));
    this.node.append(this.inner);
    this.canvas.onclick = (event) => this.#clicked(event);
    this.aligned = true;
    this.chosen = -1;
    this.watching = new ResizeObserver(() => this.draw());
    this.watching.observe(this.node);
  }

  close() {
    this.watching.disconnect();
  }

  #label(word) {
    const made = element("button", word.text, `word ${word.said ? shade(word.score) : "omitted"}`);
    made.type = "button";
    made.dataset.position = word.position;
    made.title = word.said ? `${word.text}: ${Math.round(word.score)}` : `${word.text}: ${t("omitted")}`;
    made.onclick = () => this.onWord(word.position);
    this.inner.append(made);
    return made;
  }

  choose(position) {
    this.chosen = position;
    this.labels.forEach((label, n) => label.classList.toggle("chosen", n === position));
    this.draw();
    const word = this.words[position];
    if (!word) return;
    const middle = this.x((word.actor.from + word.actor.to) / 2);
    const { scrollLeft, clientWidth } = this.node;
    if (middle < scrollLeft || middle > scrollLeft + clientWidth) this.node.scrollLeft = middle - clientWidth / 2;
  }

  align(yes) {
    this.aligned = yes;
    this.draw();
  }

  // Shows where a take plays: moment in seconds of its own; null: nowhere.
  moment(who, seconds) {
    this.head.hidden = seconds === null;
    if (seconds === null) return;
    this.head.className = `playhead ${who}`;
    const x = this.x(who === "own" ? this.warp(seconds) : seconds);
    this.head.style.setProperty("left", `${x}px`);
    this.#follow(x);
  }

  // Scrolls to where somebody listens.
  #follow(x) {
    const { scrollLeft, clientWidth } = this.node;
    if (x < scrollLeft || x > scrollLeft + clientWidth) this.node.scrollLeft = x - clientWidth / 5;
  }

  x(seconds) {
    return (seconds - this.from) * this.scale;
  }

  #measure() {
    this.warp = this.aligned ? warpOf(this.words) : shiftOf(this.words);
    const spoken = this.words.filter((word) => word.said);
    const ends = this.words.flatMap((word) => [word.actor.from, word.actor.to]);
    for (const { said } of spoken) ends.push(this.warp(said.from), this.warp(said.to));
    if (!ends.length) ends.push(0, this.takes.actor?.duration ?? 1, this.takes.own?.duration ?? 1);
    this.from = Math.min(...ends) - QUIET_S;
    const length = Math.max(...ends) + QUIET_S - this.from;
    this.width = Math.min(MOST_PX, Math.max(this.node.clientWidth, Math.ceil(length * PX_PER_S)));
    this.scale = this.width / length;
  }

  draw() {
    if (!this.node.clientWidth) return;
    this.#measure();
    const density = Math.min(2, devicePixelRatio || 1);
    this.inner.style.setProperty("width", `${this.width}px`);
    this.inner.style.setProperty("height", `${HEIGHT}px`);
    [this.canvas.width, this.canvas.height] = [this.width * density, HEIGHT * density];
    const pen = this.canvas.getContext("2d");
    pen.scale(density, density);
    const style = getComputedStyle(this.node);
    this.colour = (name) => style.getPropertyValue(`--${name}`);
    this.#zones(pen);
    this.#wave(pen, "actor", LABELS, (x) => this.from + x / this.scale);
    this.#wave(pen, "own", HEIGHT - WAVE, (x) => this.warp.back(this.from + x / this.scale));
    this.#melodies(pen, LABELS + WAVE + GAP);
    this.labels.forEach((label, n) => {
      const { actor } = this.words[n];
      label.style.setProperty("left", `${this.x(actor.from)}px`);
      label.style.setProperty("width", `${Math.max(14, this.x(actor.to) - this.x(actor.from) - 1)}px`);
    });
  }

  // The room of each word: above where the actor says it, below where the learner does.
  #zones(pen) {
    for (const word of this.words) {
      const [a, b] = [this.x(word.actor.from), this.x(word.actor.to)];
      const apart = word.said && [this.x(this.warp(word.said.from)), this.x(this.warp(word.said.to))];
      const own = word.said && this.aligned ? [a, b] : apart;
      const [middle, low] = [LABELS + WAVE + GAP, HEIGHT - WAVE - GAP];
      pen.fillStyle = this.colour(word.said ? shade(word.score) : "bad");
      pen.globalAlpha = word.position === this.chosen ? 0.34 : word.position % 2 ? 0.1 : 0.17;
      pen.beginPath();
      pen.moveTo(a, LABELS);
      pen.lineTo(b, LABELS);
      pen.lineTo(b, middle);
      if (own) {
        pen.lineTo(own[1], low);
        pen.lineTo(own[1], HEIGHT);
        pen.lineTo(own[0], HEIGHT);
        pen.lineTo(own[0], low);
      }
      pen.lineTo(a, middle);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  #wave(pen, who, top, at) {
    const peaks = this.peaks[who];
    const middle = top + WAVE / 2;
    pen.fillStyle = this.colour("line");
    pen.fillRect(0, middle, this.width, 1);
    if (!peaks) return;
    pen.fillStyle = this.colour(who);
    for (let x = 0; x < this.width; x += 1) {
      const [from, to] = [at(x), at(x + 1)];
      if (to < 0) continue;
      const [low, high] = peaks.between(from, to);
      pen.fillRect(x, middle - high * (WAVE / 2 - 3), 1, Math.max(1, (high - low) * (WAVE / 2 - 3)));
    }
  }

  #melodies(pen, top) {
    const { hop_s: hop, reference, recording } = this.contours ?? {};
    const actor = reference?.pitch_st ?? [];
    const own = recording?.pitch_st ?? [];
    const heights = [...actor, ...own].filter((value) => value !== null).map(Math.abs).sort((a, b) => a - b);
    const half = Math.max(SMALLEST_ST, (heights[Math.floor(heights.length * 0.97)] ?? 0) + 1);
    const y = (st) => top + PITCH / 2 - Math.max(-1, Math.min(1, st / half)) * (PITCH / 2 - 6);
    pen.fillStyle = this.colour("line");
    pen.fillRect(0, y(0), this.width, 1);
    const line = (values, moment, name) => {
      pen.strokeStyle = this.colour(name);
      pen.lineWidth = 2.5;
      pen.lineJoin = pen.lineCap = "round";
      pen.beginPath();
      values.forEach((value, n) => {
        if (value === null) return;
        const x = this.x(moment(n * hop));
        const goesOn = n > 0 && values[n - 1] !== null;
        if (goesOn) pen.lineTo(x, y(value));
        else {
          pen.moveTo(x, y(value));
          pen.lineTo(x + 0.1, y(value));
        }
      });
      pen.stroke();
    };
    line(actor, (seconds) => seconds, "actor");
    line(own, this.warp, "own");
  }

  #clicked(event) {
    const box = this.canvas.getBoundingClientRect();
    const seconds = this.from + (event.clientX - box.left) / this.scale;
    const below = event.clientY - box.top > HEIGHT / 2;
    const moment = below ? this.warp.back(seconds) : seconds;
    const found = this.words.find((word) => {
      const span = below ? word.said : word.actor;
      return span && moment >= span.from && moment < span.to;
    });
    if (found) this.onWord(found.position);
  }
}
