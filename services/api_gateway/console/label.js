// The labeler of one task: which frame is open, and what the person does with it.

import { moved, openSuggestions } from "./boxes.js";
import { History } from "./history.js";
import { ask, help, wireKeys } from "./keys.js";
import { notice, showBoxes, showClasses, showProgress, showSaved } from "./panel.js";
import { Pictures } from "./pictures.js";
import { wirePointer } from "./pointer.js";
import { Offline, element, signIn } from "./session.js";
import { Stage } from "./stage.js";
import { Store } from "./store.js";
import { Strip } from "./strip.js";
import { t, translate } from "./texts.js";

const LOOK_MS = 5000; // what others do meanwhile
const RENEW_MS = 20000; // of a minute's lease
const IDLE_MS = 30000; // who touches nothing for so long is not labeling
const DWELL_MS = 120; // frames that only fly by are neither opened nor looked ahead from
const AGAIN_MS = 1500; // between two tries to load a frame
const AHEAD = 3;

const node = (id) => document.getElementById(id);
const task = decodeURIComponent(location.pathname.split("/").pop());
const store = new Store(task);
const pictures = new Pictures(store.path);
const history = new History();
const stage = new Stage(node("canvas"));
let strip = null;
let current = null;
let left = false; // whether the frame that is seen was given back: nothing is left to decide
let active = Date.now(); // when somebody last did something

const editor = {
  chosen: -1,
  kind: 0,
  doc: () => store.known(current),
  writable: () => Boolean(store.board.open && store.known(current) && !store.taken.has(current)),
  choose(n) {
    editor.chosen = n;
    const box = editor.doc()?.boxes[n];
    if (box) editor.kind = box[0];
    show();
  },
  commit(boxes, chosen) {
    change(boxes.length ? "labelled" : "unseen", boxes, chosen);
  },
  accept(given) {
    if (!editor.writable()) return;
    editor.commit([...editor.doc().boxes, given.slice(0, 5)], editor.doc().boxes.length);
  },
};

function change(state, boxes, chosen = -1, remember = true) {
  const doc = editor.doc();
  if (!editor.writable()) return false;
  const before = { state: doc.state, boxes: doc.boxes };
  if (remember) history.add(current, before, { state, boxes });
  editor.chosen = chosen;
  left = false;
  store.stay(current);
  store.change(current, state, boxes);
  show();
  return true;
}

function show() {
  const names = store.board.classes;
  const doc = editor.doc() ?? null;
  if (doc && editor.chosen >= doc.boxes.length) editor.chosen = -1;
  stage.show({ doc, chosen: editor.chosen, names });
  showClasses(names, editor.kind, acts.kind);
  showBoxes(doc, names, editor.chosen, editor.writable(), { choose: editor.choose, remove, accept: editor.accept });
  showProgress(store, current);
  showSaved(store);
  node("undo").disabled = !history.done.length;
  node("redo").disabled = !history.undone.length;
  strip?.draw();
}

// Opens a frame; `byItself`: the page chose it, so it takes another one when that is taken.
async function go(frame, byItself = false) {
  if (frame === null || frame === undefined || frame === current) return;
  if (current !== null) store.leave(current);
  current = frame;
  left = false;
  editor.chosen = -1;
  store.stay(frame);
  notice(store.taken.has(frame) ? t("taken") : store.board.open ? "" : t("ended"));
  // what is at hand is shown at once, the picture of another frame never
  stage.show({ frame, bitmap: pictures.ready(frame), drawing: null, hover: null });
  window.history.replaceState(null, "", `#${frame}`);
  strip.center(frame);
  show();
  clearTimeout(go.timer);
  go.timer = setTimeout(() => arrive(frame, byItself), DWELL_MS);
  await fill(frame);
}

async function fill(frame) {
  try {
    const [bitmap] = await Promise.all([pictures.get(frame), store.load(frame)]);
    if (current !== frame) return;
    stage.show({ frame, bitmap });
    if (node("notice").dataset.away) notice("");
    show();
  } catch (error) {
    if (current !== frame) return;
    const offline = error instanceof Offline;
    notice(offline ? t("tasks.away") : `${t("image.away")} ${error.message}`, "bad");
    if (!offline) return;
    node("notice").dataset.away = "yes";
    setTimeout(() => { if (current === frame) fill(frame); }, AGAIN_MS);
  }
}

async function arrive(frame, byItself) {
  const place = store.place.get(frame);
  pictures.prefetch(store.frames.slice(place + 1, place + 1 + AHEAD));
  const following = undecided(place);
  const near = [store.frames[place + 1], store.frames[place - 1], following];
  for (const other of near) if (other !== undefined && other !== null) store.load(other).catch(() => {});
  if (following !== null) pictures.prefetch([following]);
  if (await store.lease(frame)) {
    if (current !== frame || left) store.leave(frame);
    else show();
  } else if (current === frame) {
    if (byItself) await acts.next();
    else notice(t("taken"));
    show();
  }
}

// The next frame that needs somebody, from `place` on and round the end; null: none.
function undecided(place) {
  const { frames } = store;
  for (let n = 1; n < frames.length; n += 1) {
    const frame = frames[(place + n) % frames.length];
    if (store.states.get(frame) === "unseen" && !store.taken.has(frame)) return frame;
  }
  return null;
}

function remove(n = editor.chosen) {
  const boxes = editor.doc()?.boxes ?? [];
  if (!boxes[n]) return;
  const rest = boxes.filter((_, other) => other !== n);
  editor.commit(rest, Math.min(n, rest.length - 1));
}

async function back(step) {
  if (!step) return;
  await go(step.frame);
  await store.load(step.frame);
  change(step.state, step.boxes, -1, false);
}

// A key that comes before its frame does is not lost.
function loaded(action) {
  const frame = current;
  if (editor.doc()) action();
  else store.load(frame).then(() => { if (current === frame) action(); }, () => {});
}

const acts = {
  accept: () => loaded(() => {
    const given = openSuggestions(editor.doc());
    if (given.length) editor.commit([...editor.doc().boxes, ...given.map((box) => box.slice(0, 5))], -1);
  }),
  empty: () => loaded(() => { if (change("empty", [])) acts.next(); }),
  skip: () => loaded(() => { if (change("skipped", [])) acts.next(); }),
  next() {
    const frame = undecided(store.place.get(current) ?? -1);
    if (frame !== null) return go(frame, true);
    if (store.remaining) return undefined;
    clearTimeout(go.timer);
    left = true;
    store.leave(current);
    return done();
  },
  step: (by) => go(store.frames[store.place.get(current) + by]),
  remove: () => remove(),
  undo: () => back(history.undo()),
  redo: () => back(history.redo()),
  fit: () => stage.fit(),
  zoom: (by) => stage.zoom(by, stage.size.width / 2, stage.size.height / 2),
  choose: editor.choose,
  boxes: () => editor.doc()?.boxes.length ?? 0,
  cycle: (by) => editor.choose((editor.chosen + by + acts.boxes()) % acts.boxes()),
  kind(n) {
    if (n >= store.board.classes.length) return;
    editor.kind = n;
    const boxes = [...(editor.doc()?.boxes ?? [])];
    const box = boxes[editor.chosen];
    if (box && box[0] !== n) {
      boxes[editor.chosen] = [n, ...box.slice(1)];
      editor.commit(boxes, editor.chosen);
    } else show();
  },
  nudge(dx, dy, pixels) {
    const boxes = [...(editor.doc()?.boxes ?? [])];
    if (!boxes[editor.chosen]) return;
    const { width, height } = stage.shape;
    boxes[editor.chosen] = moved(boxes[editor.chosen], (dx * pixels) / width, (dy * pixels) / height);
    editor.commit(boxes, editor.chosen);
  },
};

function done() {
  const dialog = element("dialog", "", "done");
  ask(dialog, [element("h2", t("all.decided")), element("p", t("all.next"))], [[t("close"), "primary", () => {}]]);
}

function finish() {
  const n = store.remaining;
  const sure = n ? t("finish.sure", { n }) : t("finish.all");
  ask(element("dialog", "", "done"), [element("h2", t("finish")), element("p", sure)], [
    [t("yes"), n ? "" : "primary", async () => {
      try {
        await store.finish();
        notice(t("ended"));
      } catch (error) {
        notice(t("refused", { why: error.message }), "bad");
      }
      show();
    }],
    [t("no"), n ? "primary" : "", () => {}],
  ]);
}

function watch() {
  const touched = () => { active = Date.now(); };
  for (const name of ["pointerdown", "pointermove", "keydown", "wheel"]) addEventListener(name, touched, { passive: true });
  const idle = () => document.hidden || Date.now() - active > IDLE_MS;
  setInterval(() => {
    const doc = editor.doc();
    if (doc && !idle()) doc.open += 0.25;
  }, 250);
  setInterval(() => { if (!idle() && !left && editor.writable()) store.lease(current).catch(() => {}); }, RENEW_MS);
  setInterval(() => { if (!document.hidden) store.refresh().then(show, () => {}); }, LOOK_MS);
  addEventListener("pagehide", () => store.farewell(current));
  addEventListener("beforeunload", (event) => { if (store.offline && store.unsaved) event.preventDefault(); });
  store.addEventListener("saving", () => showSaved(store));
  store.addEventListener("replaced", ({ detail }) => { if (detail.frame === current) show(); });
  store.addEventListener("refused", ({ detail: { frame, mine, error } }) => {
    const theirs = store.known(frame);
    if (["FrameChanged", "FrameTaken"].includes(error.code)) {
      history.add(frame, mine, { state: theirs.state, boxes: theirs.boxes });
    }
    const why = { FrameChanged: t("changed"), FrameTaken: t("taken"), LabelingEnded: t("ended") }[error.code];
    notice(why ?? t("refused", { why: error.message }), "bad");
    show();
  });
}

async function start() {
  translate(() => { if (store.board) show(); });
  await signIn();
  try {
    await store.open();
  } catch (error) {
    notice(error.message, "bad");
    return;
  }
  document.title = `${store.board.title || task.slice(0, 8)} · Actverse`;
  node("instructions").textContent = store.board.instructions;
  node("instructions").hidden = !store.board.instructions;
  strip = new Strip(node("strip"), store, pictures, (frame) => go(frame));
  const pointer = wirePointer(stage, editor);
  wireKeys(acts, pointer);
  for (const id of ["accept", "empty", "skip", "undo", "redo", "next", "fit"]) node(id).onclick = () => acts[id]();
  Object.assign(node("help"), { onclick: help });
  node("in").onclick = () => acts.zoom(1.25);
  node("out").onclick = () => acts.zoom(0.8);
  node("finish").onclick = finish;
  for (const made of document.querySelectorAll("button")) made.addEventListener("click", () => node("canvas").focus());
  watch();
  const asked = Number(location.hash.slice(1));
  const known = location.hash.length > 1 && store.place.has(asked);
  const first = known ? asked : store.board.open ? await store.next(null).catch(() => null) : null;
  await go(first ?? store.frames[0], !known);
  node("canvas").focus();
}

start();
