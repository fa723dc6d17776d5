// The canvas: the picture with its boxes, seen through a window that zooms and moves.

import { colour, edges, openSuggestions } from "./boxes.js";

const MARGIN = 28; // CSS pixels around a picture that fits
export const HANDLE = 4; // half the side of a handle

export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.view = { scale: 1, x: 0, y: 0 };
    this.scene = { frame: null, bitmap: null, doc: null, chosen: -1, drawing: null, hover: null, names: [] };
    this.fitted = true;
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  #resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    this.canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
    this.size = { width, height };
    if (this.fitted) this.fit();
    this.paint(); // at once: a resized canvas is blank
  }

  show(changes) {
    const before = this.scene.bitmap;
    Object.assign(this.scene, changes);
    const now = this.scene.bitmap;
    const other = now && (now.width !== this.shape?.width || now.height !== this.shape?.height);
    if (now && now !== before && other) {
      this.shape = { width: now.width, height: now.height };
      this.fit();
    }
    this.redraw();
  }

  redraw() {
    this.pending ??= requestAnimationFrame(() => this.paint());
  }

  fit() {
    if (!this.shape || !this.size) return;
    const { width, height } = this.shape;
    const room = { width: this.size.width - 2 * MARGIN, height: this.size.height - 2 * MARGIN };
    const scale = Math.max(Math.min(room.width / width, room.height / height), 0.02);
    this.view = { scale, x: (this.size.width - width * scale) / 2, y: (this.size.height - height * scale) / 2 };
    this.fitted = true;
    this.redraw();
  }

  zoom(factor, x, y) {
    const scale = Math.min(Math.max(this.view.scale * factor, 0.05), 60);
    const grown = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * grown, y: y - (y - this.view.y) * grown };
    this.fitted = false;
    this.redraw();
  }

  pan(dx, dy) {
    this.view = { ...this.view, x: this.view.x + dx, y: this.view.y + dy };
    this.fitted = false;
    this.redraw();
  }

  // Shares of the picture at a point of the canvas, and the way back.
  share(x, y) {
    const { scale } = this.view;
    return { x: (x - this.view.x) / (this.shape.width * scale), y: (y - this.view.y) / (this.shape.height * scale) };
  }

  rectangle(box) {
    const { x0, y0, x1, y1 } = edges(box);
    const [w, h] = [this.shape.width * this.view.scale, this.shape.height * this.view.scale];
    return { x: this.view.x + x0 * w, y: this.view.y + y0 * h, w: (x1 - x0) * w, h: (y1 - y0) * h };
  }

  paint() {
    cancelAnimationFrame(this.pending);
    this.pending = null;
    const { context: c, scene, view } = this;
    c.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    c.fillStyle = "#0b0e12";
    c.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!scene.bitmap || !this.shape) return;
    c.imageSmoothingEnabled = view.scale < 3; // pixels are seen when somebody looks closely
    c.drawImage(scene.bitmap, view.x, view.y, this.shape.width * view.scale, this.shape.height * view.scale);
    if (!scene.doc) return;
    this.#boxes(scene);
    if (this.canvas.dataset.frame !== String(scene.frame)) this.canvas.dataset.frame = scene.frame;
  }

  #boxes({ doc, chosen, drawing, hover, names }) {
    if (doc.state === "skipped" || doc.state === "empty") {
      this.context.fillStyle = "rgba(8, 10, 13, .45)";
      const whole = this.rectangle([0, 0.5, 0.5, 1, 1]);
      this.context.fillRect(whole.x, whole.y, whole.w, whole.h);
    }
    for (const given of openSuggestions(doc)) this.#suggestion(given, names, hover === given);
    doc.boxes.forEach((box, n) => {
      const replaced = drawing && drawing.index === n;
      this.#box(replaced ? drawing.box : box, names, n === chosen, hover === box);
    });
    if (drawing && drawing.index === -1) this.#box(drawing.box, names, true, false);
  }

  #suggestion(given, names, hover) {
    const c = this.context;
    const { x, y, w, h } = this.rectangle(given);
    c.setLineDash([6, 4]);
    c.lineWidth = hover ? 2.5 : 1.5;
    c.strokeStyle = colour(given[0]);
    c.globalAlpha = hover ? 1 : 0.75;
    c.strokeRect(x, y, w, h);
    c.setLineDash([]);
    this.#tag(`${names[given[0]]} ${Math.round(given[5] * 100)} %`, x, y, colour(given[0]), true);
    c.globalAlpha = 1;
  }

  #box(box, names, chosen, hover) {
    const c = this.context;
    const { x, y, w, h } = this.rectangle(box);
    c.strokeStyle = "rgba(0, 0, 0, .55)"; // a dark rim, so that it shows on light pictures too
    c.lineWidth = chosen ? 4.5 : 3.5;
    c.strokeRect(x, y, w, h);
    c.strokeStyle = colour(box[0]);
    c.lineWidth = chosen || hover ? 2.5 : 1.75;
    c.strokeRect(x, y, w, h);
    if (chosen) {
      c.globalAlpha = 0.14;
      c.fillStyle = colour(box[0]);
      c.fillRect(x, y, w, h);
      c.globalAlpha = 1;
    }
    this.#tag(names[box[0]] ?? String(box[0]), x, y, colour(box[0]), false);
    if (!chosen) return;
    c.fillStyle = "#fff";
    c.strokeStyle = "#10151b";
    c.lineWidth = 1;
    for (const { hx, hy } of handles({ x, y, w, h })) {
      c.fillRect(hx - HANDLE, hy - HANDLE, 2 * HANDLE, 2 * HANDLE);
      c.strokeRect(hx - HANDLE, hy - HANDLE, 2 * HANDLE, 2 * HANDLE);
    }
  }

  #tag(text, x, y, back, hollow) {
    const c = this.context;
    c.font = "600 11px system-ui, sans-serif";
    const width = c.measureText(text).width + 10;
    const top = y >= 18 ? y - 18 : y + 2;
    c.fillStyle = hollow ? "rgba(11, 14, 18, .8)" : back;
    c.fillRect(x - 1, top, width, 16);
    c.fillStyle = hollow ? back : "#0b0e12";
    c.fillText(text, x + 4, top + 12);
  }
}

// The eight handles of a rectangle, each with the edges that it moves.
export function handles({ x, y, w, h }) {
  const found = [];
  for (const [ey, py] of [["y0", y], ["", y + h / 2], ["y1", y + h]]) {
    for (const [ex, px] of [["x0", x], ["", x + w / 2], ["x1", x + w]]) {
      if (ex || ey) found.push({ hx: px, hy: py, ex, ey });
    }
  }
  return found;
}
