// Two groups of data fade into noise: paths through (t, x), and at the chosen t the density of x_t and its score.
// `gmlib.explore.faded` and `faded_paths` give the same numbers in Python.
import {
  both, button, choice, digits, drag, frame, put, root, slider, snap, stage, summary, svg, tag, watch,
} from "./kit.js";

const PI = [0.35, 0.65], MU = [-1.3, 0.9], SD = [0.3, 0.45];  // the law of x_0, a mixture of two Gaussians
const T = { symbol: "t", min: 0.01, max: 0.99, step: 0.01, label: ["time", "时间"] };
const START = { t: 0.3, paths: "reverse", seed: 0 };
const KINDS = { label: ["Paths", "路径"],
  options: { forward: ["forward", "前向"], flow: ["flow", "概率流"], reverse: ["reverse", "反向"] } };
const TIMES = Array.from({ length: 99 }, (_, i) => (i + 1) / 100), COUNT = 8, SEEDS = 1000;

// --- the numbers --------------------------------------------------------------------------------------------------

const logNormal = (x, mean, sd) => -0.5 * ((x - mean) / sd) ** 2 - Math.log(sd) - 0.5 * Math.log(2 * Math.PI);
const logSum = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

/** A series without cancellation; beyond 6 the rest is below rounding. */
function erf(x) {
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) sum += term *= (2 * x * x) / (2 * n + 1);
  return Math.abs(x) > 6 ? Math.sign(x) : (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** The law of x_t = alpha x_0 + sigma epsilon. */
function lawAt(t) {
  const alpha = Math.cos((Math.PI * t) / 2), sigma = Math.sin((Math.PI * t) / 2);
  return { alpha, sigma, groups: PI.map((pi, k) =>
    ({ pi, mean: alpha * MU[k], variance: (alpha * SD[k]) ** 2 + sigma ** 2 })) };
}

const joint = ({ groups }, x) => groups.map(({ pi, mean, variance }) => Math.log(pi) + logNormal(x, mean, Math.sqrt(variance)));
const logDensity = (law, x) => logSum(...joint(law, x));
const share = (law, x) => { const [a, b] = joint(law, x); return 1 / (1 + Math.exp(b - a)); };  // of the first group at x

function score(law, x) {
  const first = share(law, x), [a, b] = law.groups.map(({ mean, variance }) => (mean - x) / variance);
  return first * a + (1 - first) * b;
}

const below = ({ groups }, x) => groups.reduce((sum, { pi, mean, variance }) =>
  sum + (pi * (1 + erf((x - mean) / Math.sqrt(2 * variance)))) / 2, 0);

/** Where the score is zero, from left to right: one mode, or two and the dip between them. */
function zeros(law) {
  const found = [], s = (x) => score(law, x);
  for (let i = 0; i < 800; i++) {
    const ends = [i / 100 - 4, (i + 1) / 100 - 4], [a, b] = ends.map(s);
    if (a > 0 !== b > 0) found.push(root(s, ...ends));
  }
  return found;
}

/** KL(law of x_t || N(0, 1)): a sum over a fixed grid, right to rounding. */
function toNoise(law) {
  let sum = 0;
  for (let i = 0; i <= 1800; i++) {
    const log = logDensity(law, i / 100 - 9);
    sum += (Math.exp(log) * (log - logNormal(i / 100 - 9, 0, 1))) / 100;
  }
  return sum;
}

function numbersOf(law) {
  const at = zeros(law), names = at.length > 1 ? ["low", "dip", "high"] : ["high"];
  return { alpha: law.alpha, sigma: law.sigma, kl: toNoise(law), zeros: Object.fromEntries(names.map((name, i) => [name, at[i]])) };
}

/** Number n of a fixed sequence in (0, 1): the counter-based generator mulberry32. */
function uniform(seed, n) {
  const a = (Math.imul(seed, 0x9E3779B9) + Math.imul(n + 1, 0x6D2B79F5)) | 0;
  let b = Math.imul(a ^ (a >>> 15), a | 1);
  b ^= b + Math.imul(b ^ (b >>> 7), b | 61);
  return (((b ^ (b >>> 14)) >>> 0) + 0.5) / 2 ** 32;
}

const LAWS = TIMES.map(lawAt);
const start = (law, i) => root((x) => below(law, x) - (i + 0.5) / COUNT, -6, 6);

/** One step from time s to the later t, or back: both draw from the exact law, so the size of the steps costs nothing. */
function step(x, early, late, back, [u, v, choose]) {
  const z = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  const a = late.alpha / early.alpha, noise = late.sigma ** 2 - (a * early.sigma) ** 2;
  if (!back) return a * x + Math.sqrt(noise) * z;
  const { mean, variance } = early.groups[choose < share(late, x) ? 0 : 1], all = a * a * variance + noise;
  return mean + ((a * variance) / all) * (x - a * mean) + Math.sqrt((variance * noise) / all) * z;
}

/** A path of the forward process from left to right, or of the reverse process from right to left. */
function noisyPath(i, back, seed) {
  const laws = back ? [...LAWS].reverse() : LAWS, path = [start(laws[0], i)];
  for (let j = 1; j < laws.length; j++) {
    const [early, late] = back ? [laws[j], laws[j - 1]] : [laws[j - 1], laws[j]];
    const n = 3 * (i * (laws.length - 1) + j - 1);
    path.push(step(path[j - 1], early, late, back, [0, 1, 2].map((c) => uniform(seed, n + c))));
  }
  return back ? path.reverse() : path;
}

/** In one dimension a path of the probability flow keeps the mass below it. */
const pathsOf = (kind, seed) => Array.from({ length: COUNT }, (_, i) =>
  (kind === "flow" ? LAWS.map((law) => start(law, i)) : noisyPath(i, kind === "reverse", seed)));

// --- the picture --------------------------------------------------------------------------------------------------

const REACH = 4, TOP = 20, UNIT = 31.5, BOTTOM = TOP + 2 * REACH * UNIT;  // x goes from -REACH to REACH, upwards
const KEY = BOTTOM + 38, NUMBERS = KEY + 44, HEIGHT = NUMBERS + 30;
const LEFT = 24, GAP = 12, MOST = { density: 0.62, score: 5 };  // the ends of the two axes
const LABEL = "Paths from data at the left to noise at the right, and the chosen time; beside them, over the same x, the density"
  + " of that time and its score · 从左边的数据到右边的噪声的路径与所选的时间；旁边对着同一个 x 的是该时刻的密度与得分";

const text = (x, y, anchor, ...words) => svg("text", { x, y, "text-anchor": anchor }, ...words);
const line = (name, x1, y1, x2, y2) => svg("line", { class: name, x1, y1, x2, y2 });
const points = (all) => all.map((at) => at.map((value) => value.toFixed(1)).join(",")).join(" ");
const curve = (name, all) => svg("polyline", { class: name, points: points(all) });
const up = (x) => TOP + (REACH - x) * UNIT;

/** A symbol with the index t, in a drawing. */
const indexed = (symbol, rest = "") => [symbol,
  svg("tspan", { dy: 3, "font-size": "9.5px" }, "t"), svg("tspan", { dy: -3 }, rest)];
/** Words in both languages, in a drawing. */
const told = (en, zh) => both(en, zh).map(({ lang, className, textContent }) =>
  svg("tspan", lang ? { lang } : { class: className }, textContent));
const number = (name, value) => svg("tspan", { class: "ex-number", "data-quantity": name, "data-value": value }, digits(value, 3));

/** Left and right end of the plane of (t, x), and of the panels of density and score beside it. */
function panels(width) {
  const inner = width - LEFT - 2 * GAP, end = LEFT + 0.54 * inner, wide = 0.23 * inner;
  return { plane: [LEFT, end], density: [end + GAP, end + GAP + wide], score: [width - wide, width] };
}

/** Where a path is at any time: between two times of the grid it is drawn straight. */
function whereAt(path, t) {
  const i = Math.min(TIMES.length - 2, Math.max(0, Math.floor(t * 100 - 1 + 1e-9)));
  return path[i] + (t * 100 - 1 - i) * (path[i + 1] - path[i]);
}

function plane({ t, flow, paths, ridges }, [left, right]) {
  const across = (time) => left + time * (right - left), all = (path) => path.map((x, i) => [across(TIMES[i]), up(x)]);
  return [
    svg("rect", { class: "ex-edge", x: left, y: TOP, width: right - left, height: BOTTOM - TOP }),
    ...flow.map((path) => curve("ex-flow", all(path))),
    ...ridges.map((ridge) => curve("ex-prior ex-ridge", ridge.map(([time, x]) => [across(time), up(x)]))),
    ...paths.map((path) => curve("ex-q ex-path", all(path))),
    line("ex-level", across(t), TOP, across(t), BOTTOM),
    ...paths.map((path) => svg("circle", { class: "ex-dot ex-of-q", cx: across(t), cy: up(whereAt(path, t)), r: 3.2 })),
    svg("circle", { class: "ex-handle", cx: across(t), cy: BOTTOM, r: 7 }),
    text(left, 13, "start", ...indexed("x")),
    ...[-2, 0, 2].map((x) => text(LEFT - 5, up(x) + 4, "end", digits(x, 0))),
    ...[["0", 0], ["0.5", 0.5], ["t", 0.75], ["1", 1]].map(([words, at]) =>
      text(across(at), BOTTOM + 18, ["start", "middle", "end"][Math.ceil(at) + Math.floor(at)], words)),
  ];
}

function beside({ law, of }, places) {
  const grid = Array.from({ length: 401 }, (_, i) => REACH * (i / 200 - 1)), clip = `ex-${Math.random().toString(36).slice(2)}`;
  const [from, to] = places.density, [low, high] = places.score, centre = (low + high) / 2;
  const right = (density) => from + ((to - from) * density) / MOST.density;
  const push = (s) => centre + ((high - centre) * s) / MOST.score;
  const along = (x) => [right(Math.exp(logDensity(law, x))), up(x)], density = grid.map(along);
  const dots = Object.entries(of.zeros).flatMap(([name, x]) => [line("ex-prior", from, up(x), high, up(x)),
    ...[along(x)[0], centre].map((cx) => svg("circle", { class: `ex-zero ex-${name}`, cx, cy: up(x), r: 4 }))]);
  return [
    svg("clipPath", { id: clip }, svg("rect", { x: low, y: TOP, width: high - low, height: BOTTOM - TOP })),
    svg("polygon", { class: "ex-p ex-area", points: points([[from, BOTTOM], ...density, [from, TOP]]) }),
    curve("ex-typical", grid.map((x) => [right(Math.exp(logNormal(x, 0, 1))), up(x)])),
    curve("ex-p", density),
    ...[from, centre].map((at) => line("ex-axis", at, TOP, at, BOTTOM)),
    svg("rect", { class: "ex-edge", x: low, y: TOP, width: high - low, height: BOTTOM - TOP }),
    svg("g", { "clip-path": `url(#${clip})` }, curve("ex-level ex-curve", grid.map((x) => [push(score(law, x)), up(x)]))),
    ...dots,
    text(from, 13, "start", ...indexed("q", "(x)")), text(centre, 13, "middle", "s(x, t)"),
    text(from, BOTTOM + 18, "middle", "0"), text(right(0.5), BOTTOM + 18, "middle", "0.5"),
    ...[-4, 0, 4].map((s) => text(push(s), BOTTOM + 18, "middle", digits(s, 0))),
  ];
}

function readings({ alpha, sigma, kl, zeros: at }, width) {
  const key = [["ex-q ex-path", ...told("paths", "路径")], ["ex-prior ex-ridge", "s = 0"],
    ["ex-flow", ...told("flow", "概率流")], ["ex-typical", "N(0, 1)"]];
  return [
    ...key.flatMap(([name, ...words], i) => {
      const x = (i % 2) * (width / 2), y = KEY + 18 * Math.floor(i / 2);
      return [line(name, x, y - 4, x + 24, y - 4), text(x + 32, y, "start", ...words)];
    }),
    text(0, NUMBERS, "start", "α = ", number("alpha", alpha), ", σ = ", number("sigma", sigma)),
    text(width, NUMBERS, "end", ...(width < 300 ? ["KL = "] : indexed("KL(q", " ‖ N(0, 1)) = ")), number("kl", kl)),
    text(0, NUMBERS + 22, "start", "s = 0: x = ", ...Object.entries(at).flatMap(([name, x], i) => [i ? ", " : "", number(name, x)])),
  ];
}

// --- the words ----------------------------------------------------------------------------------------------------
const MOVES = {
  forward: ["Forward: noise makes each path forget its start.", "前向：噪声使每条路径忘掉起点。"],
  flow: ["The flow adds no noise: its paths never cross.", "概率流不加噪声：路径互不相交。"],
  reverse: ["In reverse the score leads back to data; noise decides to which.", "反向：得分引回数据，噪声决定引向何处。"],
};

function state({ kl, zeros: { dip, high } }) {
  if (dip !== undefined) {
    const valley = digits(dip, 3);
    return [`The score is 0 at both modes, and at the dip ${valley}, away from which it pushes.`,
      `得分在两个峰处为 0，在谷底 ${valley} 处也为 0，但谷底两侧的得分把点推开。`];
  }
  return kl < 0.001
    ? ["Almost N(0, 1): KL is below 0.001 nats, though not 0.", "已接近 N(0, 1)：KL 小于 0.001 奈特，但不为 0。"]
    : [`The modes merged at t = 0.421; one zero of the score is left, ${digits(high, 3)}.`,
      `两个峰在 t = 0.421 处合并，得分只剩一个零点 ${digits(high, 3)}。`];
}

// --- the figure ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const life = new AbortController(), { signal } = life, words = summary();
  const flow = pathsOf("flow"), at = LAWS.map(zeros), forked = at.findLastIndex((each) => each.length === 3) + 1;
  const ridge = (number, count) => at.slice(0, count).map((each, i) => [TIMES[i], number < 0 ? each.at(-1) : each[number]]);
  const ridges = [ridge(-1, at.length), [...ridge(0, forked), ...ridge(1, forked).reverse()]];
  const now = { flow, ridges };
  const picture = stage(HEIGHT, LABEL, (width) => {
    const places = panels(width);
    return [...plane(now, places.plane), ...beside(now, places), ...readings(now.of, width)];
  }, signal);
  const show = () => {
    const t = model.get("t"), law = lawAt(t);
    Object.assign(now, { t, law, of: numbersOf(law) });
    picture.redraw();
    words.say(...state(now.of).map((part, i) => part + (i ? "" : " ") + MOVES[model.get("paths")][i]));
  };
  watch(model, ["paths", "seed"], () => {
    now.paths = model.get("paths") === "flow" ? flow : pathsOf(model.get("paths"), model.get("seed"));
    show();
  }, signal);
  watch(model, ["t"], show, signal);
  drag(picture.root, (x, y, width) => {
    const [left, right] = panels(width).plane, from = model.get("t");
    return y > BOTTOM + 24 || x > right + GAP ? null : (dx) => put(model, { t: snap(from + dx / (right - left), T) });
  });
  el.append(frame(model, signal,
    choice(model, "paths", KINDS, signal),
    picture.root,
    tag("div", { class: "ex-sliders ex-fade" }, slider(model, "t", T, signal),
      tag("div", { class: "ex-buttons" },
        button(["Redraw", "重抽"], () => put(model, { seed: (model.get("seed") + 1) % SEEDS })),
        button(["Reset", "重置"], () => put(model, START)))),
    ...words.parts));
  return () => life.abort();
}

export default { render };
