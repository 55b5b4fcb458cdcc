// A cloud of data in the plane, and arrows from noisy points to what the best denoiser makes of them, at a noise to set.
// `gmlib.explore.denoised` gives the same numbers in Python.
import { button, digits, frame, key, meter, percent, point, press, put, slider, stage, summary, svg, tag, watch } from "./kit.js";

const PI = [0.5, 0.2, 0.3], MU = [[-1.5, 0.3], [1.2, 1], [0.4, -1.4]], SD = [0.35, 0.5, 0.25];  // the law of the data
const SIGMA = { symbol: "σ", min: -1, max: 1, step: 0.02, log: true, label: ["noise", "噪声"] };
const REACH = [3, 3], X = [0, 1].map(() => ({ min: -2.5, max: 2.5, step: 0.05 }));
const NOISES = Array.from({ length: 101 }, (_, i) => 10 ** (i / 50 - 1));
const PLACES = Array.from({ length: 10 }, (_, i) => (6 * i - 27) / 10), GRID = PLACES.flatMap((x) => PLACES.map((y) => [x, y]));
const DRAWN = 60;  // points of data

// --- the numbers --------------------------------------------------------------------------------------------------

const sum = (values) => values.reduce((all, value) => all + value, 0);
const MEAN = [0, 1].map((d) => sum(PI.map((pi, k) => pi * MU[k][d])));
const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** How probable it is that the point comes from each group, if the noise has variance s. */
function shares(x, s) {
  const logs = PI.map((pi, k) => {
    const v = SD[k] ** 2 + s;
    return Math.log(pi / v) - apart(x, MU[k]) ** 2 / (2 * v);
  });
  const top = Math.max(...logs), parts = logs.map((log) => Math.exp(log - top));
  return parts.map((part) => part / sum(parts));
}

/** The gradient of the log-density of x + noise; without noise, that of the data. */
function score(x, s) {
  const w = shares(x, s);
  return [0, 1].map((d) => sum(w.map((share, k) => (share * (MU[k][d] - x[d])) / (SD[k] ** 2 + s))));
}

/** E[x | noisy x], the best denoiser. */
const denoise = (x, sigma) => score(x, sigma ** 2).map((slope, d) => x[d] + sigma ** 2 * slope);

const numbersOf = (x, sigma) =>
  ({ r: denoise(x, sigma), w: shares(x, sigma ** 2), smooth: score(x, sigma ** 2), plain: score(x, 0) });

/** Each group as a sunflower: the radii have equal shares of its mass. */
const CLOUD = PI.flatMap((pi, k) => Array.from({ length: Math.round(DRAWN * pi) }, (_, i, n = Math.round(DRAWN * pi)) => {
  const radius = SD[k] * Math.sqrt(-2 * Math.log(1 - (i + 0.5) / n)), angle = i * Math.PI * (3 - Math.sqrt(5));
  return [MU[k][0] + radius * Math.cos(angle), MU[k][1] + radius * Math.sin(angle)];
}));

// --- the picture --------------------------------------------------------------------------------------------------

const LABEL = "Three groups of points, and a field of arrows from noisy points to what the best denoiser makes of them; one of"
  + " them is marked · 三群点，以及由带噪的点指向最优去噪器输出的箭头；其中一个点是标出的";

const pixels = (at) => at.map((value) => value.toFixed(1)).join(",");

/** A straight line from a to b, with a head that is no longer than half of it. */
function arrow(a, b, head) {
  const angle = Math.atan2(a[1] - b[1], a[0] - b[0]), size = Math.min(head, apart(a, b) / 2);
  const [left, right] = [-0.45, 0.45].map((turn) =>
    [b[0] + size * Math.cos(angle + turn), b[1] + size * Math.sin(angle + turn)]);
  return `M${pixels(a)}L${pixels(b)}M${pixels(left)}L${pixels(b)}L${pixels(right)}`;
}

function picture({ x, sigma, r }, width) {
  const unit = width / (2 * REACH[0]), at = (p) => [(p[0] + REACH[0]) * unit, (REACH[1] - p[1]) * unit];
  const clip = `ex-${Math.random().toString(36).slice(2)}`, box = { x: 0, y: 0, width, height: width };
  const text = (p, anchor, words, name = "") => svg("text", { x: p[0], y: p[1], "text-anchor": anchor, class: name }, words);
  const [cx, cy] = at(x);
  return [
    svg("clipPath", { id: clip }, svg("rect", box)),
    svg("rect", { class: "ex-edge", ...box }),
    ...CLOUD.map(at).map((p) => svg("circle", { class: "ex-dot ex-of-p", cx: p[0], cy: p[1], r: 2.8 })),
    svg("path", { class: "ex-field", d: GRID.map((p) => arrow(at(p), at(denoise(p, sigma)), 6)).join("") }),
    svg("g", { "clip-path": `url(#${clip})` }, svg("circle", { class: "ex-typical", cx, cy, r: sigma * unit })),
    svg("polyline", { class: "ex-prior ex-way", points: NOISES.map((noise) => pixels(at(denoise(x, noise)))).join(" ") }),
    svg("path", { class: "ex-q ex-move", d: arrow(at(x), at(r), 12) }),
    ...MU.map(at).map(([u, v], k) => text([u, v + 6], "middle", k + 1, "ex-group")),
    ...[-2, 0, 2].map((value) => text([at([value, 0])[0], width + 15], "middle", digits(value, 0))),
    ...[-2, 0, 2].map((value) => text([3, at([0, value])[1] + 4], "start", digits(value, 0))),
    text([width - 2, width + 15], "end", "x₁"), text([3, 13], "start", "x₂"),
  ];
}

const KEY = [["ex-beads", "data", "数据"], ["ex-field", "x̃ → r*(x̃)"], ["ex-prior ex-way", "r*(x̃), all σ", "各种 σ 的 r*(x̃)"],
  ["ex-typical", "one σ from x̃", "距 x̃ 一个 σ"]];

/** A vector with its name. */
function pair(symbol, name) {
  const numbers = [1, 2].map((d) => tag("span", { class: "ex-number", "data-quantity": `${name}${d}` }));
  const show = (values) => values.forEach((value, d) => {
    [numbers[d].dataset.value, numbers[d].textContent] = [value, digits(value, 2)];
  });
  return { root: tag("div", {}, tag("span", {}, symbol), tag("span", {}, " = (", numbers[0], ", ", numbers[1], ")")), show };
}

// --- the words ----------------------------------------------------------------------------------------------------

function fate({ sigma, r, w }) {
  const k = w.indexOf(Math.max(...w));
  if (w[k] >= 0.99) {
    const [, part] = percent(sigma ** 2 / (SD[k] ** 2 + sigma ** 2));
    return [`x̃ comes from group ${k + 1}, almost surely: the arrow goes ${part} of the way to its centre.`,
      `x̃ 几乎必定来自第 ${k + 1} 群：箭头朝该群的中心走了 ${part} 的路程。`];
  }
  const far = apart(r, MEAN), centre = `(${MEAN.map((value) => digits(value, 2)).join(", ")})`;
  return sigma > 1 && far < 0.5
    ? [`So much noise hides the group: the arrow ends ${digits(far, 2)} from the mean of all data, ${centre}.`,
      `噪声太大，看不出是哪一群：箭头的终点与全体数据的均值 ${centre} 相距 ${digits(far, 2)}。`]
    : ["x̃ may come from several groups: the arrow is the mean of one arrow for each, weighted by p(k | x̃).",
      "x̃ 可能来自不止一群：每群各给一个箭头，按 p(k | x̃) 加权平均，就是所画的箭头。"];
}

function sentence(now) {
  const [a, b] = [now.smooth, now.plain];
  const angle = Math.atan2(Math.abs(a[0] * b[1] - a[1] * b[0]), a[0] * b[0] + a[1] * b[1]);
  const degrees = digits((180 / Math.PI) * angle, 0), [en, zh] = fate(now);
  return [`${en} It points along ∇log pₛ, ${degrees}° away from ∇log p.`, `${zh}方向沿 ∇log pₛ，与 ∇log p 相差 ${degrees}°。`];
}

// --- the figure ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const life = new AbortController(), { signal } = life, words = summary();
  const state = () => ({ x: model.get("x"), sigma: model.get("sigma") }), start = state();
  const now = {}, refresh = () => Object.assign(now, state(), numbersOf(model.get("x"), model.get("sigma")));
  refresh();
  const drawing = stage((width) => width, LABEL, (width) => picture(now, width), signal);
  const groups = MU.map((_, k) => meter(`p(${k + 1} | x̃)`, `w${k + 1}`, "var(--ex-p)"));
  const pairs = { r: pair("r*(x̃)", "r"), smooth: pair("∇log pₛ(x̃)", "smooth"), plain: pair("∇log p(x̃)", "plain") };
  watch(model, ["x", "sigma"], () => {
    refresh();
    drawing.redraw();
    groups.forEach(({ show }, k) => show(now.w[k]));
    for (const [name, { show }] of Object.entries(pairs)) show(now[name]);
    words.say(...sentence(now));
  }, signal);
  press(drawing.root, model, "x", REACH, X);
  const noisy = point(model, "x", REACH, signal, { kind: "ex-bend", glyph: "", symbol: "x̃", limits: X, at: (x) => x,
    label: "noisy point · 带噪的点" });
  el.append(frame(model, signal,
    tag("div", { class: "ex-beside ex-denoise" },
      tag("div", { class: "ex-plane ex-square" }, drawing.root, noisy),
      tag("div", { class: "ex-readings" }, key(KEY),
        slider(model, "sigma", SIGMA, signal),
        tag("div", { class: "ex-buttons" }, button(["Reset", "重置"], () => put(model, start))),
        tag("div", { class: "ex-meters" }, ...groups.map(({ root }) => root)),
        tag("div", { class: "ex-pairs" }, ...Object.values(pairs).map(({ root }) => root)))),
    ...words.parts));
  return () => life.abort();
}

export default { render };
