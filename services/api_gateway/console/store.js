// Frames as they are stored and as they are drawn here, and the saving of the difference.
//
// A change is sent a moment after it was made, at once when its frame is left, and again and again
// while the server cannot be reached. Each names the revision that it is based on.

import { Offline, Problem, ask, tab } from "./session.js";

const PAUSE_MS = 250; // between the last stroke and its saving
const AGAIN_MS = [500, 1000, 2000, 4000, 8000];
const LETTERS = { l: "labelled", e: "empty", s: "skipped", u: "unseen" };
const KEPT = 400; // frames whose content is remembered

export class Store extends EventTarget {
  constructor(task) {
    super();
    this.path = `/labeling/${encodeURIComponent(task)}`;
    this.docs = new Map();
    this.states = new Map();
    this.taken = new Set();
    this.offline = false;
    this.board = null;
  }

  async open() {
    this.board = await ask("GET", `${this.path}/board?tab=${tab}`);
    this.frames = this.board.frames;
    this.place = new Map(this.frames.map((frame, n) => [frame, n]));
    this.#progress(this.board);
  }

  async refresh() {
    try {
      this.#progress(await ask("GET", `${this.path}/progress?tab=${tab}`));
    } catch (error) {
      if (!(error instanceof Offline)) throw error;
    }
  }

  #progress(told) {
    Object.assign(this.board, told);
    this.frames.forEach((frame, n) => {
      const doc = this.docs.get(frame);
      if (!doc?.dirty && !doc?.sending) this.states.set(frame, LETTERS[told.states[n]]);
    });
    this.taken = new Set(told.taken);
    this.#tell("progress");
  }

  get remaining() {
    let n = 0;
    for (const state of this.states.values()) n += state === "unseen" ? 1 : 0;
    return n;
  }

  get unsaved() {
    let n = 0;
    for (const doc of this.docs.values()) n += doc.dirty || doc.sending ? 1 : 0;
    return n;
  }

  known(frame) {
    return this.docs.get(frame);
  }

  async load(frame) {
    const doc = this.docs.get(frame);
    if (doc) return doc;
    return this.#take(await ask("GET", `${this.path}/frames/${frame}?tab=${tab}`));
  }

  // The frame is ours for a minute; false while somebody else has it open.
  async lease(frame) {
    if (!this.board.open) return true;
    try {
      this.#take(await ask("PUT", `${this.path}/frames/${frame}/lease`, { body: { tab } }));
      this.taken.delete(frame);
      return true;
    } catch (error) {
      if (error instanceof Problem && error.code === "FrameTaken") {
        this.taken.add(frame);
        return false;
      }
      if (error instanceof Problem && error.code === "LabelingEnded") this.#ended();
      else if (!(error instanceof Offline)) throw error;
      return true; // offline: go on drawing, the server decides when it is back
    }
  }

  async next(after) {
    const { frame } = await ask("POST", `${this.path}/frames/next`, { body: { tab, after } });
    if (frame) this.#take(frame);
    return frame?.frame ?? null;
  }

  // What is stored, unless something of ours is on its way.
  #take(view) {
    const old = this.docs.get(view.frame);
    if (old?.dirty || old?.sending) return old;
    if (old && old.revision > view.revision) return old;
    const doc = { ...view, dirty: false, sending: false, touched: false, open: 0 };
    if (old) Object.assign(doc, { touched: old.touched, open: old.open });
    this.docs.set(view.frame, doc);
    this.states.set(view.frame, view.state);
    if (this.docs.size > KEPT) this.#forget();
    if (old && old.revision !== doc.revision) this.#tell("replaced", { frame: view.frame });
    return doc;
  }

  #forget() {
    for (const [frame, doc] of this.docs) {
      if (this.docs.size <= KEPT / 2) return;
      if (!doc.dirty && !doc.sending && !doc.touched) this.docs.delete(frame);
    }
  }

  change(frame, state, boxes) {
    const doc = this.docs.get(frame);
    Object.assign(doc, { state, boxes, dirty: true, touched: true });
    this.states.set(frame, state);
    clearTimeout(doc.timer);
    doc.timer = setTimeout(() => this.#send(frame), PAUSE_MS);
    this.#tell("progress");
  }

  // The frame is left: what was drawn goes out at once, and others may have it.
  leave(frame) {
    const doc = this.docs.get(frame);
    if (!doc || !this.board.open) return;
    clearTimeout(doc.timer);
    if (doc.dirty || doc.sending || (doc.touched && doc.open > 0.3)) {
      doc.leaving = doc.dirty = true;
      this.#send(frame);
    } else if (!this.taken.has(frame)) {
      ask("DELETE", `${this.path}/frames/${frame}/lease?tab=${tab}`).catch(() => {});
    }
    doc.touched = false;
  }

  stay(frame) {
    const doc = this.docs.get(frame);
    if (doc) doc.leaving = false;
  }

  // Last words of a page that is closed: the browser sends them after it is gone.
  farewell(frame) {
    for (const [number, doc] of this.docs) {
      if (doc.dirty && !doc.sending) {
        const body = { ...this.#wish(doc), release: true };
        ask("PUT", `${this.path}/frames/${number}`, { body, keepalive: true }).catch(() => {});
        if (number === frame) frame = null;
      }
    }
    if (frame !== null && this.board?.open) {
      ask("DELETE", `${this.path}/frames/${frame}/lease?tab=${tab}`, { keepalive: true }).catch(() => {});
    }
  }

  #wish(doc) {
    return {
      tab, revision: doc.revision, state: doc.state, boxes: doc.boxes,
      seconds: Math.min(Math.round(doc.open * 10) / 10, 3600), release: Boolean(doc.leaving),
    };
  }

  async #send(frame, tried = 0) {
    const doc = this.docs.get(frame);
    if (!doc.dirty || doc.sending) return; // what is under way looks again when it is back
    doc.sending = true;
    doc.dirty = false;
    const wish = this.#wish(doc);
    const open = doc.open;
    doc.open = 0;
    this.#tell("saving");
    try {
      const stored = await ask("PUT", `${this.path}/frames/${frame}`, { body: wish });
      doc.revision = stored.revision;
      doc.seconds = stored.seconds;
      doc.sending = false;
      this.#reached();
    } catch (error) {
      doc.sending = false;
      doc.open += open;
      if (error instanceof Offline) {
        doc.dirty = true;
        this.offline = true;
        doc.timer = setTimeout(() => this.#send(frame, tried + 1), AGAIN_MS[Math.min(tried, AGAIN_MS.length - 1)]);
      } else {
        await this.#refused(frame, doc, error);
      }
    }
    this.#tell("saving");
    if (doc.dirty && !this.offline) this.#send(frame);
  }

  #reached() {
    if (!this.offline) return;
    this.offline = false;
    for (const [frame, doc] of this.docs) if (doc.dirty && !doc.sending) this.#send(frame);
  }

  // The server's version is shown; ours can be had back by Undo.
  async #refused(frame, doc, error) {
    const mine = { state: doc.state, boxes: doc.boxes };
    doc.dirty = false;
    const stored = error.body?.frame ?? (await ask("GET", `${this.path}/frames/${frame}?tab=${tab}`).catch(() => null));
    if (stored) Object.assign(doc, stored);
    this.states.set(frame, doc.state);
    if (error.code === "FrameTaken") this.taken.add(frame);
    if (error.code === "LabelingEnded") this.#ended();
    this.#tell("refused", { frame, mine, error });
  }

  #ended() {
    this.board.open = false;
    this.#tell("progress");
  }

  async finish() {
    for (const [frame, doc] of this.docs) if (doc.dirty) await this.#send(frame);
    this.#progress(await ask("POST", `${this.path}/finish`, { body: { tab } }));
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
