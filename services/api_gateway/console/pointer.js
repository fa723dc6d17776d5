// What the mouse (or a pen, or a finger) does on the canvas.

import { edges, fromEdges, moved, openSuggestions } from "./boxes.js";
import { HANDLE, handles } from "./stage.js";

const CLICK_PX = 4; // what moves less is a click
const GRIP_PX = HANDLE + 4;
const ZOOM_STEP = 1.0015; // for each pixel of the wheel

// `editor` gives: doc(), writable(), chosen, kind, choose(n), commit(boxes, chosen), accept(given).
export function wirePointer(stage, editor) {
  const canvas = stage.canvas;
  let gesture = null;
  let space = false;

  const at = (event) => {
    const frame = canvas.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  };
  const inside = ({ x, y, w, h }, p) => p.x >= x && p.x <= x + w && p.y >= y && p.y <= y + h;

  function gripAt(p) {
    const box = editor.doc()?.boxes[editor.chosen];
    if (!box) return null;
    const near = ({ hx, hy }) => Math.abs(hx - p.x) <= GRIP_PX && Math.abs(hy - p.y) <= GRIP_PX;
    return handles(stage.rectangle(box)).find(near) ?? null;
  }

  // The smallest box under the pointer: a large one must not hide what lies in it.
  function boxAt(p) {
    const boxes = editor.doc()?.boxes ?? [];
    const hits = boxes.map((box, n) => ({ n, area: box[3] * box[4], box })).filter(({ box }) => inside(stage.rectangle(box), p));
    return hits.sort((a, b) => a.area - b.area)[0]?.n ?? -1;
  }

  function suggestionAt(p) {
    const hits = openSuggestions(editor.doc()).filter((given) => inside(stage.rectangle(given), p));
    return hits.sort((a, b) => a[3] * a[4] - b[3] * b[4])[0] ?? null;
  }

  function cursor(p) {
    if (space || gesture?.kind === "pan") return gesture ? "grabbing" : "grab";
    const grip = gripAt(p);
    if (grip) return !grip.ex ? "ns-resize" : !grip.ey ? "ew-resize" : (grip.ex === "x0") === (grip.ey === "y0") ? "nwse-resize" : "nesw-resize";
    if (boxAt(p) >= 0) return "move";
    return suggestionAt(p) ? "pointer" : "crosshair";
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (!stage.shape) return;
    canvas.focus({ preventScroll: true });
    const start = at(event);
    const panning = event.button === 1 || (event.button === 0 && space) || (event.button === 0 && !editor.writable());
    if (event.button > 1 || gesture) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    if (panning) {
      gesture = { kind: "pan", last: start };
      return;
    }
    const grip = event.shiftKey ? null : gripAt(start);
    const hit = event.shiftKey ? -1 : boxAt(start);
    if (grip) {
      gesture = { kind: "resize", start, grip, index: editor.chosen, from: editor.doc().boxes[editor.chosen] };
    } else if (hit >= 0) {
      editor.choose(hit);
      gesture = { kind: "move", start, index: hit, from: editor.doc().boxes[hit] };
    } else {
      gesture = { kind: "draw", start, index: -1, given: suggestionAt(start) };
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!stage.shape) return;
    const p = at(event);
    if (!gesture) {
      const hit = boxAt(p);
      const hover = hit >= 0 ? editor.doc().boxes[hit] : suggestionAt(p);
      if (hover !== stage.scene.hover) stage.show({ hover });
      canvas.style.cursor = cursor(p);
      return;
    }
    if (gesture.kind === "pan") {
      stage.pan(p.x - gesture.last.x, p.y - gesture.last.y);
      gesture.last = p;
      return;
    }
    const far = Math.hypot(p.x - gesture.start.x, p.y - gesture.start.y) >= CLICK_PX;
    if (!far && !gesture.going) return;
    gesture.going = true;
    gesture.box = shaped(p);
    stage.show({ drawing: { index: gesture.index, box: gesture.box } });
  });

  function shaped(p) {
    const [a, b] = [stage.share(gesture.start.x, gesture.start.y), stage.share(p.x, p.y)];
    if (gesture.kind === "draw") return fromEdges(editor.kind, { x0: a.x, y0: a.y, x1: b.x, y1: b.y });
    if (gesture.kind === "move") return moved(gesture.from, b.x - a.x, b.y - a.y);
    const sides = edges(gesture.from);
    if (gesture.grip.ex) sides[gesture.grip.ex] += b.x - a.x;
    if (gesture.grip.ey) sides[gesture.grip.ey] += b.y - a.y;
    return fromEdges(gesture.from[0], sides);
  }

  function end(event, cancelled = false) {
    if (!gesture) return;
    const done = gesture;
    gesture = null;
    stage.show({ drawing: null });
    canvas.style.cursor = cursor(at(event));
    if (cancelled || done.kind === "pan") return;
    if (!done.going) {
      if (done.kind !== "draw") return;
      if (done.given) editor.accept(done.given);
      else editor.choose(-1);
      return;
    }
    const drawn = stage.rectangle(done.box);
    if (drawn.w < 2 || drawn.h < 2) return; // nobody meant that
    const boxes = [...editor.doc().boxes];
    if (done.index < 0) boxes.push(done.box);
    else boxes[done.index] = done.box;
    editor.commit(boxes, done.index < 0 ? boxes.length - 1 : done.index);
  }

  canvas.addEventListener("pointerup", (event) => end(event));
  canvas.addEventListener("pointercancel", (event) => end(event, true));
  canvas.addEventListener("pointerleave", () => { if (!gesture) stage.show({ hover: null }); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const p = at(event);
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    stage.zoom(ZOOM_STEP ** -pixels, p.x, p.y);
  }, { passive: false });

  return {
    get busy() { return gesture !== null; },
    cancel() { gesture = null; stage.show({ drawing: null }); },
    space(down) { space = down; if (!gesture) canvas.style.cursor = down ? "grab" : "crosshair"; },
  };
}
