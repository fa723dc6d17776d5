// Boxes are rows [class, centre x, centre y, width, height] in shares of the picture, as stored.

const share = (number) => Math.min(Math.max(number, 0), 1);
const six = (number) => Math.round(number * 1e6) / 1e6;

export function edges([, cx, cy, w, h]) {
  return { x0: cx - w / 2, y0: cy - h / 2, x1: cx + w / 2, y1: cy + h / 2 };
}

// From two opposite corners, in any order, cut at the edge of the picture.
export function fromEdges(kind, { x0, y0, x1, y1 }) {
  const [left, right] = [share(Math.min(x0, x1)), share(Math.max(x0, x1))];
  const [top, bottom] = [share(Math.min(y0, y1)), share(Math.max(y0, y1))];
  return [kind, six((left + right) / 2), six((top + bottom) / 2), six(right - left), six(bottom - top)];
}

// Moved as a whole; it stops at the edge of the picture and keeps its size.
export function moved(box, dx, dy) {
  const [kind, cx, cy, w, h] = box;
  const inside = (centre, size) => Math.min(Math.max(centre, size / 2), 1 - size / 2);
  return [kind, six(inside(cx + dx, w)), six(inside(cy + dy, h)), w, h];
}

export function overlap(a, b) {
  const [p, q] = [edges(a), edges(b)];
  const width = Math.min(p.x1, q.x1) - Math.max(p.x0, q.x0);
  const height = Math.min(p.y1, q.y1) - Math.max(p.y0, q.y0);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (a[3] * a[4] + b[3] * b[4] - both);
}

// Suggestions that no box stands for yet.
export function openSuggestions(doc) {
  return (doc?.suggested ?? []).filter((given) => !doc.boxes.some((box) => overlap(box, given) > 0.5));
}

export const COLOURS = [
  "#5cb8ff", "#ffb454", "#7ee787", "#ff7b9c", "#c792ff",
  "#4fd6be", "#f2e05c", "#ff9e7a", "#9db2ff", "#b8d977",
];
export const colour = (kind) => COLOURS[kind % COLOURS.length];
