// The loss as it falls, on a logarithmic scale.
import { draw } from "./dom.js";
import { spellLoss } from "./words.js";

const WIDTH = 240;
const HEIGHT = 48;
const EDGE = 3;

/** Draw the curve of `[[step, loss], ...]` into an element; fewer than two points draw nothing. */
export function drawCurve(host, losses) {
  const points = losses.filter(([, loss]) => loss > 0);
  if (points.length < 2) return host.replaceChildren();
  const line = place(points);
  const [x, y] = line.at(-1);
  const path = line.map((point) => point.map((one) => one.toFixed(1)).join(",")).join(" ");
  const [step, loss] = points.at(-1);
  host.setAttribute("aria-label", `Loss ${spellLoss(loss)} after ${step} steps`);
  return host.replaceChildren(draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" },
    draw("polygon", { points: `${EDGE},${HEIGHT} ${path} ${x.toFixed(1)},${HEIGHT}` }),
    draw("polyline", { points: path, "vector-effect": "non-scaling-stroke" }),
    draw("line", { class: "end", x1: x, x2: x, y1: y, y2: y, "vector-effect": "non-scaling-stroke" })));
}

function place(points) {
  const logs = points.map(([, loss]) => Math.log(loss));
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const across = (WIDTH - 2 * EDGE) / Math.max(1, last - first);
  const down = (HEIGHT - 2 * EDGE) / (high - low || 1);
  return points.map(([step], index) => [EDGE + (step - first) * across, EDGE + (high - logs[index]) * down]);
}
