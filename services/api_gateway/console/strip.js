// All frames in a row below the picture; only the cells that are seen exist.

import { element } from "./session.js";
import { t } from "./texts.js";

const CELL_PX = 92;
const SPARE = 3; // cells on either side
const SETTLED_MS = 120; // nothing is fetched for what only flies by

export class Strip {
  constructor(node, store, pictures, onPick) {
    Object.assign(this, { node, store, pictures, onPick });
    this.cells = new Map();
    this.current = null;
    this.inner = element("div", "", "cells");
    this.inner.style.setProperty("width", `${store.frames.length * CELL_PX}px`);
    node.replaceChildren(this.inner);
    node.addEventListener("scroll", () => this.#later(), { passive: true });
    node.addEventListener("wheel", (event) => {
      if (event.deltaX || !event.deltaY) return;
      event.preventDefault();
      node.scrollLeft += event.deltaY;
    }, { passive: false });
    new ResizeObserver(() => this.#later()).observe(node);
    this.inner.addEventListener("click", (event) => {
      const cell = event.target.closest("[data-frame]");
      if (cell) this.onPick(Number(cell.dataset.frame));
    });
  }

  #later() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.draw();
    });
  }

  center(frame) {
    this.current = frame;
    const middle = this.store.place.get(frame) * CELL_PX + CELL_PX / 2;
    this.node.scrollLeft = middle - this.node.clientWidth / 2;
    this.#later();
  }

  draw() {
    const { frames } = this.store;
    const first = Math.max(0, Math.floor(this.node.scrollLeft / CELL_PX) - SPARE);
    const last = Math.min(frames.length, Math.ceil((this.node.scrollLeft + this.node.clientWidth) / CELL_PX) + SPARE);
    const seen = new Set(frames.slice(first, last));
    for (const [frame, cell] of this.cells) {
      if (seen.has(frame)) continue;
      cell.remove();
      this.cells.delete(frame);
    }
    for (let n = first; n < last; n += 1) this.#cell(frames[n], n);
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      this.pictures.thumbnails([...this.cells.keys()], (frame) => this.#picture(frame));
    }, SETTLED_MS);
  }

  #cell(frame, n) {
    let cell = this.cells.get(frame);
    if (!cell) {
      cell = element("button", "", "cell");
      cell.type = "button";
      cell.tabIndex = -1;
      cell.dataset.frame = frame;
      cell.style.setProperty("left", `${n * CELL_PX}px`);
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [144, 96];
      cell.append(canvas, element("span", String(frame)));
      this.inner.append(cell);
      this.cells.set(frame, cell);
      this.#picture(frame);
    }
    const state = this.store.states.get(frame);
    const taken = this.store.taken.has(frame);
    cell.className = `cell ${state}${taken ? " taken" : ""}${frame === this.current ? " current" : ""}`;
    cell.title = `${t("frame", { n: frame })}: ${taken ? t("taken") : t(`is.${state}`)}`;
  }

  #picture(frame) {
    const small = this.pictures.thumbnail(frame);
    const canvas = this.cells.get(frame)?.firstChild;
    if (!small || !canvas || canvas.dataset.ready) return;
    const scale = Math.max(canvas.width / small.width, canvas.height / small.height);
    const [w, h] = [small.width * scale, small.height * scale];
    canvas.getContext("2d").drawImage(small, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
    canvas.dataset.ready = "yes";
  }
}
