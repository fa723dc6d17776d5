// Scores over time, as a line whose points lead to their comparisons.

import { shade } from "./chart.js";
import { drawn, element } from "./elements.js";
import { language, t } from "./texts.js";

const [WIDTH, HEIGHT, LEFT, EDGE] = [640, 150, 42, 12];

// `points`, oldest first: {score 0..100 or null, at: ISO time, href or none}.
export function trend(points) {
  const known = points.filter(({ score }) => score !== null);
  const figure = element("figure", "", "trend");
  if (known.length < 2) {
    figure.append(element("figcaption", t("trend.few"), "quiet"));
    return figure;
  }
  const x = (n) => LEFT + ((WIDTH - LEFT - EDGE) * n) / (known.length - 1);
  const y = (score) => EDGE + (HEIGHT - 2 * EDGE) * (1 - score / 100);
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": t("trend.title") });
  for (const mark of [0, 50, 100]) {
    svg.append(
      drawn("line", { x1: LEFT, x2: WIDTH - EDGE, y1: y(mark), y2: y(mark), class: "grid" }),
      drawn("text", { x: LEFT - 8, y: y(mark) + 4, class: "mark" }, String(mark)),
    );
  }
  svg.append(drawn("polyline", { points: known.map(({ score }, n) => `${x(n)},${y(score)}`).join(" "), class: "run" }));
  known.forEach(({ score, at, href }, n) => {
    const told = `${Math.round(score)} · ${new Date(at).toLocaleString(language())}`;
    const dot = drawn("circle", { cx: x(n), cy: y(score), r: 5, class: shade(score) }, drawn("title", {}, told));
    svg.append(href ? drawn("a", { href, "aria-label": told }, dot) : dot);
  });
  figure.append(svg);
  return figure;
}
