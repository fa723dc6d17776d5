// Sound: takes decoded once, and parts of them played one at a time.

import { blob } from "./session.js";

const KEPT = 6; // decoded takes
const OUTPUT_MS = 2000; // until a machine's output of sound is at work
const EDGE_S = 0.03; // more on either side of a word: its sounds reach over what an alignment draws
const FADE_S = 0.008; // a part that is cut out would click

let context = null;
const takes = new Map(); // path and version -> promise of an AudioBuffer
let playing = null;

function sound() {
  context ??= new AudioContext();
  return context;
}

// The decoded audio at `path`; null where the browser cannot decode it. Another `version` is asked
// for again.
export function take(path, version = "") {
  const name = `${path} ${version}`;
  let found = takes.get(name);
  if (!found) {
    found = blob(path).then((file) => file.arrayBuffer()).then((bytes) => decoded(bytes));
    found.catch(() => takes.delete(name));
    takes.set(name, found);
    if (takes.size > KEPT) takes.delete(takes.keys().next().value);
  }
  return found;
}

export async function decoded(bytes) {
  try {
    return await sound().decodeAudioData(bytes);
  } catch {
    return null;
  }
}

export function stop() {
  playing?.end();
}

// Whether sound is heard; not where a machine has no output: there some browsers wait for one.
async function running(audio) {
  if (audio.state !== "running") {
    await Promise.race([audio.resume(), new Promise((done) => { setTimeout(done, OUTPUT_MS); })]);
  }
  return audio.state === "running";
}

// Plays a part (seconds) of a buffer, all of it by default; whatever plays is stopped. `onMoment`
// gets where it is, at every picture. Resolves to whether it played to its end.
export async function play(buffer, { from = 0, to = Infinity, edge = true, onMoment } = {}) {
  stop();
  const audio = sound();
  if (!(await running(audio))) return false;
  const first = Math.max(0, from - (edge ? EDGE_S : 0));
  const length = Math.min(buffer.duration, to + (edge ? EDGE_S : 0)) - first;
  if (length <= 0) return true;
  const source = audio.createBufferSource();
  const volume = audio.createGain();
  source.buffer = buffer;
  source.connect(volume).connect(audio.destination);
  const start = audio.currentTime + 0.01;
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(1, start + FADE_S);
  volume.gain.setValueAtTime(1, Math.max(start + FADE_S, start + length - FADE_S));
  volume.gain.linearRampToValueAtTime(0, start + length);
  source.start(start, first, length);
  return new Promise((resolve) => {
    const mine = {
      end(whole = false) {
        if (playing !== mine) return;
        playing = null;
        cancelAnimationFrame(mine.frame);
        source.onended = null;
        source.stop();
        resolve(whole);
      },
    };
    playing = mine;
    source.onended = () => mine.end(true);
    const show = () => {
      onMoment?.(Math.min(first + length, Math.max(first, first + audio.currentTime - start)));
      mine.frame = requestAnimationFrame(show);
    };
    show();
  });
}

// The loudest sample of a take, 0..1 of full scale.
export function loudest(buffer) {
  return buffer.getChannelData(0).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
}

const BLOCK = 128; // samples of one stored peak

// Highest and lowest sample of a moment's surroundings, quick however long the take is.
export class Peaks {
  constructor(buffer) {
    const samples = buffer.getChannelData(0);
    this.perSecond = buffer.sampleRate / BLOCK;
    this.high = new Float32Array(Math.ceil(samples.length / BLOCK));
    this.low = new Float32Array(this.high.length);
    for (let n = 0; n < samples.length; n += 1) {
      const block = Math.floor(n / BLOCK);
      if (samples[n] > this.high[block]) this.high[block] = samples[n];
      if (samples[n] < this.low[block]) this.low[block] = samples[n];
    }
    this.loudest = Math.max(1e-4, this.high.reduce((a, b) => Math.max(a, b), 0), -this.low.reduce((a, b) => Math.min(a, b), 0));
  }

  // [low, high] between two moments (seconds), each -1..1 of the loudest.
  between(from, to) {
    const first = Math.max(0, Math.floor(from * this.perSecond));
    const last = Math.min(this.high.length - 1, Math.max(first, Math.ceil(to * this.perSecond) - 1));
    let [low, high] = [0, 0];
    for (let n = first; n <= last; n += 1) {
      high = Math.max(high, this.high[n]);
      low = Math.min(low, this.low[n]);
    }
    return [low / this.loudest, high / this.loudest];
  }
}
