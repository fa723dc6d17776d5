// Pictures of frames: decoded ahead of time, a few at once, the oldest forgotten first.

import { blob } from "./session.js";

const DECODED = 16; // whole pictures
const SMALL = 600; // thumbnails
const SMALL_PX = 144;
const AT_ONCE = 2; // thumbnails under way: whole pictures must not wait for them

export class Pictures {
  constructor(path) {
    this.path = path;
    this.whole = new Map();
    this.small = new Map();
    this.wanted = [];
    this.busy = 0;
  }

  #url(frame) {
    return `${this.path}/frames/${frame}/image`;
  }

  ready(frame) {
    return this.whole.get(frame)?.bitmap ?? null;
  }

  get(frame) {
    let entry = this.whole.get(frame);
    if (entry) {
      this.whole.delete(frame); // to the end: used last
    } else {
      entry = { bitmap: null };
      entry.promise = blob(this.#url(frame)).then((file) => createImageBitmap(file)).then((bitmap) => {
        entry.bitmap = bitmap;
        return bitmap;
      });
      entry.promise.catch(() => this.whole.delete(frame));
    }
    this.whole.set(frame, entry);
    for (const [old, { bitmap }] of this.whole) {
      if (this.whole.size <= DECODED) break;
      if (old === frame) continue;
      this.whole.delete(old);
      bitmap?.close();
    }
    return entry.promise;
  }

  prefetch(frames) {
    for (const frame of frames) this.get(frame).catch(() => {});
  }

  thumbnail(frame) {
    return this.small.get(frame) ?? null;
  }

  // Of these frames, in this order, and of no others any more; `done(frame)` as each comes.
  thumbnails(frames, done) {
    this.wanted = frames.filter((frame) => !this.small.has(frame));
    this.done = done;
    while (this.busy < AT_ONCE && this.wanted.length) this.#fetchSmall(this.wanted.shift());
  }

  async #fetchSmall(frame) {
    this.busy += 1;
    try {
      const source = this.ready(frame) ?? (await blob(this.#url(frame)));
      const small = await createImageBitmap(source, { resizeWidth: SMALL_PX, resizeQuality: "medium" });
      this.small.set(frame, small);
      if (this.small.size > SMALL) {
        const [oldest, bitmap] = this.small.entries().next().value;
        this.small.delete(oldest);
        bitmap.close();
      }
      this.done(frame);
    } catch { /* the cell stays without a picture */ } finally {
      this.busy -= 1;
      if (this.wanted.length) this.#fetchSmall(this.wanted.shift());
    }
  }
}
