// A curve x = g(z) that the reader bends at three handles: z below it, the density of x at its left, its slope above it.
// `gmlib.explore.bent_map` and `bent` give the same numbers in Python.
import {
  both, button, digits, frame, key, meter, percent, point, put, root, stage, summary, svg, tag, watch,
} from "./kit.js";

const NAMES = ["left", "middle", "right"], LABELS = [["left", "左"], ["middle", "中间"], ["right", "右"]];
const END = [3, 3.391], TAIL = 0.5;  // the curve goes through -END and END, and on with this slope
const REACH = [2.5, 3], STEP = 0.05;  // how far handles go, and the least that parts two of them, either way
const A = 2, S = 0.5;  // the target, half N(-A, S^2) and half N(A, S^2)
const SAMPLES = 20;
const GAUSS = [[0, 128 / 225], ...[-1, 1].flatMap((end) => [-1, 1].map((root) =>  // five nodes on [-1, 1], and weights
  [(end * Math.sqrt(5 + root * 2 * Math.sqrt(10 / 7))) / 3, (322 - root * 13 * Math.sqrt(70)) / 900]))];

// --- the numbers --------------------------------------------------------------------------------------------------

const logNormal = (x, mean, sd) => -0.5 * ((x - mean) / sd) ** 2 - Math.log(sd) - 0.5 * Math.log(2 * Math.PI);
const logSum = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
const logTarget = (x) => logSum(logNormal(x, -A, S), logNormal(x, A, S)) - Math.LN2;
const bell = (z) => Math.exp(logNormal(z, 0, 1));

/** A series without cancellation; beyond 6 the rest is below rounding. */
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const normalCdf = (z) => 0.5 + 0.5 * erf(z / Math.SQRT2);
const QUANTILES = Array.from({ length: SAMPLES }, (_, i) => root((z) => normalCdf(z) - (i + 0.5) / SAMPLES, -4, 4));

/** The integral of f from a to b by Gauss's quadrature, in pieces. */
function integral(f, a, b, pieces = 200) {
  const half = (b - a) / (2 * pieces);
  let sum = 0;
  for (let i = 0; i < pieces; i++) for (const [at, weight] of GAUSS) sum += weight * f(a + half * (2 * i + 1 + at));
  return half * sum;
}

/** The four bins of the curve. The slope at a handle is the harmonic mean of the slopes of its two chords. */
function curveOf(handles) {
  const knots = [END.map((end) => -end), ...handles, END];
  const chords = knots.slice(1).map(([z, x], i) => (x - knots[i][1]) / (z - knots[i][0]));
  const slopes = [TAIL, ...chords.slice(1).map((s, i) => 2 / (1 / s + 1 / chords[i])), TAIL];
  return chords.map((s, i) => ({ z: knots[i][0], x: knots[i][1], w: knots[i + 1][0] - knots[i][0],
    h: knots[i + 1][1] - knots[i][1], s, d0: slopes[i], d1: slopes[i + 1] }));
}

/** Value and slope where a share t of the bin is passed. */
function within({ x, h, s, d0, d1 }, t) {
  const u = t * (1 - t), below = s + (d0 + d1 - 2 * s) * u;
  return [x + (h * (s * t * t + d0 * u)) / below,
    (s * s * (d1 * t * t + 2 * s * u + d0 * (1 - t) ** 2)) / (below * below)];
}

/** g(z) and g'(z). */
function bend(curve, z) {
  if (Math.abs(z) >= END[0]) return [Math.sign(z) * (END[1] + TAIL * (Math.abs(z) - END[0])), TAIL];
  const bin = curve.findLast((each) => each.z <= z);
  return within(bin, (z - bin.z) / bin.w);
}

/** The share of x that is at most `at`: the root of a quadratic, in the form that does not cancel. */
function share(curve, at) {
  const { z, x, w, h, s, d0, d1 } = curve.findLast((each) => each.x <= at);
  const rise = at - x, bent = rise * (d0 + d1 - 2 * s);
  const a = h * (s - d0) + bent, b = h * d0 - bent, c = -s * rise;
  return normalCdf(z + (w * 2 * c) / (-b - Math.sqrt(b * b - 4 * a * c)));
}

/** The largest slope of a bin: on a grid, then on ever finer ones about its best. */
function largest(bin, middle = 0.5, reach = 0.5, finer = 3) {
  const grid = Array.from({ length: 401 }, (_, i) => Math.min(1, Math.max(0, middle + reach * (i / 200 - 1))));
  const [slope, best] = grid.map((t) => [within(bin, t)[1], t]).reduce((a, b) => (b[0] > a[0] ? b : a));
  return finer ? Math.max(slope, largest(bin, best, reach / 100, finer - 1)) : slope;
}

/** KL of the target from the law of x: an integral over z, between the knots and beyond the ends. */
function divergence(curve) {
  const part = (z, [x, slope] = bend(curve, z)) => {
    const logP = logTarget(x);
    return slope * Math.exp(logP) * (logP - logNormal(z, 0, 1) + Math.log(slope));
  };
  const inside = curve.map((bin) => bin.w * integral((t) => part(bin.z + bin.w * t, within(bin, t)), 0, 1));
  return [...inside, integral(part, -15, -END[0]), integral(part, END[0], 15)].reduce((sum, value) => sum + value, 0);
}

/** The least KL of the target from any law h(z), h of slope at most L: between -delta and delta that of L z is best. */
function leastKl(L) {
  const above = (z) => 0.5 - 0.5 * erf(z / Math.SQRT2);
  const outside = (x) => (above((x - A) / S) + above((x + A) / S)) / 2, C = (x) => outside(x) / above(x / L);
  const delta = root((x) => L * Math.exp(logTarget(x)) - C(x) * bell(x / L), 1e-9, A + 3 * S);
  const between = integral((x) => {
    const logP = logTarget(x);
    return Math.exp(logP) * (logP + Math.log(L) - logNormal(x / L, 0, 1));
  }, 0, delta);
  return 2 * between + 2 * outside(delta) * Math.log(C(delta));
}

function numbersOf(curve) {
  const slope = Math.max(...curve.map((bin) => largest(bin))), [below, upTo] = [-1, 1].map((at) => share(curve, at));
  return { slope, middle: upTo - below, kl: divergence(curve), least: leastKl(slope), side: Math.min(below, 1 - upTo) };
}

// --- the picture --------------------------------------------------------------------------------------------------

// The stage is 12 units wide and high. The curve has z from 3 to 12 and x from 2.45 down to 9.25; its slope stands above
// it, on a logarithmic axis, the density of z hangs below it, that of x to its left.
const FROM = 3, TOP = 2.45, BOTTOM = 9.25, SHOWN = [3.2, 3.6], DECADES = [-1.5, 2.5];
const UNIT = [9 / (2 * SHOWN[0]), (BOTTOM - TOP) / (2 * SHOWN[1])];
const HALF = 6, CENTRE = [1.5, 0.15];  // the middle of the stage, and where g = 0 stands from there
const LABEL = "A rising curve g with three handles; its slope above, the density of z below, that of x at the left, and samples on"
  + " both axes · 带三个控制点的上升曲线 g；上方是斜率，下方是 z 的密度，左方是 x 的密度，两条轴上有样本";

const text = (x, y, anchor, words) => svg("text", { x, y, "text-anchor": anchor }, words);
const line = (name, x1, y1, x2, y2) => svg("line", { class: name, x1, y1, x2, y2 });
const path = (points) => points.map((at) => at.map((value) => value.toFixed(1)).join(",")).join(" ");

function draw(curve, width) {
  const unit = width / (2 * HALF), left = FROM * unit, top = TOP * unit, bottom = BOTTOM * unit;
  const across = (z) => (HALF + CENTRE[0] + UNIT[0] * z) * unit, up = (x) => (HALF - CENTRE[1] - UNIT[1] * x) * unit;
  const level = (slope) => ((TOP - 0.2) * unit * (DECADES[1] - Math.max(DECADES[0], Math.log10(slope)))) / 4;
  const beside = (density) => left - density * 4.8 * unit, below = (density) => bottom + density * 5.6 * unit;
  const count = Math.ceil(width), grid = Array.from({ length: count + 1 }, (_, i) => SHOWN[0] * ((2 * i) / count - 1));
  // where g is steep one step of z is a leap of x: the density of x is drawn at places between
  const fine = [...grid, ...curve.flatMap(({ z, w }) => Array.from({ length: 200 }, (_, i) => z + (w * i) / 200))]
    .sort((a, b) => a - b).map((z) => [z, ...bend(curve, z)]);
  const target = Array.from({ length: 241 }, (_, i) => SHOWN[1] * (i / 120 - 1));
  const clip = `ex-${Math.random().toString(36).slice(2)}`;
  const laws = [["ex-p", fine.map(([z]) => [across(z), below(bell(z))])],
    ["ex-q", fine.map(([z, x, slope]) => [beside(bell(z) / slope), up(x)])]];
  const shut = [[across(SHOWN[0]), bottom], [left, up(SHOWN[1])]], open = [[left, bottom], [left, up(-SHOWN[1])]];
  return [
    svg("clipPath", { id: clip }, svg("rect", { x: 0, y: top, width, height: width - top })),
    svg("rect", { class: "ex-gap", x: 0, y: up(1), width, height: up(-1) - up(1) }),
    ...[1, 10, 100].map((slope) => line("ex-prior", left, level(slope), width, level(slope))),
    svg("polyline", { class: "ex-level ex-slope", points: path(fine.map(([z, , slope]) => [across(z), level(slope)])) }),
    ...laws.map(([name, points], i) => svg("g", { "clip-path": `url(#${clip})` },
      svg("polygon", { class: `${name} ex-area`, points: path([open[i], ...points, shut[i]]) }),
      svg("polyline", { class: name, points: path(points) }))),
    svg("polyline", { class: "ex-typical", points: path(target.map((x) => [beside(Math.exp(logTarget(x))), up(x)])) }),
    svg("rect", { class: "ex-edge", x: left, y: top, width: width - left, height: bottom - top }),
    ...QUANTILES.flatMap((z) => {
      const at = [across(z), up(bend(curve, z)[0])];
      return [svg("polyline", { class: "ex-thread", points: path([[at[0], bottom], at, [left, at[1]]]) }),
        svg("circle", { class: "ex-dot ex-of-p", cx: at[0], cy: bottom, r: 3.2 }),
        svg("circle", { class: "ex-dot ex-of-q", cx: left, cy: at[1], r: 3.2 })];
    }),
    svg("polyline", { class: "ex-level ex-curve", points: path(fine.map(([z, x]) => [across(z), up(x)])) }),
    ...[-3, -2, -1, 0, 1, 2].map((z) => text(across(z), width + 15, "middle", digits(z, 0))),
    ...[-2, 0, 2].map((x) => text(0, up(x) + 4, "start", digits(x, 0))),
    ...(unit > 28 ? [1, 10, 100] : [1, 100]).map((slope) => text(left - 5, level(slope) + 4, "end", slope)),
    text(width - 2, width + 15, "end", "z"), text(0, top + 12, "start", "x"), text(0, 12, "start", "g′(z)"),
  ];
}

const KEY = [["ex-level", "g(z), g′(z)"], ["ex-p", "φ(z)"], ["ex-q", "φ(z) / g′(z)"], ["ex-typical", "target", "目标"]];
const CEILING = 1.5;  // of the bar for KL, in nats

/** Numbers with their names; where they are marked, a bar for the first and a mark on it for the second. */
function reading(words, unit, quantities, marked) {
  const numbers = quantities.map((name) => tag("span", { class: "ex-number", "data-quantity": name }));
  const full = tag("div", { class: "ex-full" }), mark = tag("div", { class: "ex-mark" });
  const show = (...values) => {
    values.forEach((value, i) => { [numbers[i].dataset.value, numbers[i].textContent] = [value, digits(value, marked ? 3 : 2)]; });
    [full.style.width, mark.style.left] = values.map((value) => `${100 * Math.min(1, value / CEILING)}%`);
    full.textContent = values[0] > CEILING ? "▸" : "";
  };
  const lines = words.map((each, i) => tag("div", {}, ...each, "\u00a0= ", numbers[i], unit));
  return { root: tag("div", {}, ...lines, ...(marked ? [tag("div", { class: "ex-track ex-marked" }, full, mark)] : [])), show };
}

// --- the words ----------------------------------------------------------------------------------------------------

function sentence({ slope, middle, kl, least, side }) {
  const [steep, cost, bound] = [digits(slope, 2), digits(kl, 3), digits(least, 3)], [, mass] = percent(middle);
  const [en, zh] = [`KL is ${cost}, and no map of that slope gets below ${bound}.`,
    `KL 为 ${cost}；斜率不超过此值的映射，都不会小于 ${bound}。`];
  if (side < 0.1 && middle < 0.5) {
    return [`One side has only ${percent(side)[1]} of the mass. Dropping a mode needs no steep bridge, but KL counts it: ${cost}.`,
      `有一侧只剩 ${percent(side)[1]} 的质量。丢掉一个峰，就不需要陡峭的桥，但 KL 要计入它：${cost}。`];
  }
  if (slope < 2) {
    return [`Nowhere is g steep: slope at most ${steep}. So ${mass} of the mass fills the middle. ${en}`,
      `g 处处不陡，斜率至多 ${steep}，所以中间占了 ${mass} 的质量。${zh}`];
  }
  return middle < 0.1
    ? [`A gap opens, for g is steep there; its largest slope is ${steep}. Still ${mass} of the mass lies on the bridge. ${en}`,
      `g 在中间变陡，空白就出现了；最大斜率为 ${steep}。桥上仍有 ${mass} 的质量。${zh}`]
    : [`Steep is thin, flat is dense. With slopes up to ${steep}, the middle holds ${mass} of the mass. ${en}`,
      `陡处稀，平处密。斜率达 ${steep}，中间有 ${mass} 的质量。${zh}`];
}

// --- the figure ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const life = new AbortController(), { signal } = life, words = summary();
  const start = Object.fromEntries(NAMES.map((name) => [name, model.get(name)]));
  const handles = () => NAMES.map((name) => model.get(name));
  let curve = curveOf(handles());
  const picture = stage((width) => width, LABEL, (width) => draw(curve, width), signal);
  const slope = reading([both("largest slope", "最大斜率")], "", ["slope"], false);
  const middle = meter("P(|x| < 1)", "middle", "var(--ex-q)");
  const cost = reading([["KL"], both("least at this slope", "此斜率下最小")], " nat", ["kl", "least"], true);

  /** Between its neighbours, and within reach. */
  const limits = (i) => [0, 1].map((d) => ({ step: STEP,
    get min() { return Math.max(-REACH[d], i ? model.get(NAMES[i - 1])[d] + STEP : -REACH[d]); },
    get max() { return Math.min(REACH[d], i < 2 ? model.get(NAMES[i + 1])[d] - STEP : REACH[d]); } }));
  const points = NAMES.map((name, i) => point(model, name, [HALF, HALF], signal, { kind: "ex-bend", glyph: "",
    symbol: "(z, g(z))", label: `${LABELS[i][0]} handle · ${LABELS[i][1]}控制点`, limits: limits(i),
    scale: UNIT.map((unit) => 1 / unit), at: (place) => place.map((value, d) => CENTRE[d] + UNIT[d] * value) }));

  watch(model, NAMES, () => {
    curve = curveOf(handles());
    picture.redraw();
    const of = numbersOf(curve);
    slope.show(of.slope);
    middle.show(of.middle);
    cost.show(of.kl, of.least);
    words.say(...sentence(of));
    points.forEach((one, i) => {
      const [{ min, max }] = limits(i);
      one.setAttribute("aria-valuemin", digits(min, 2).replace("\u2212", "-"));
      one.setAttribute("aria-valuemax", digits(max, 2).replace("\u2212", "-"));
    });
  }, signal);

  el.append(frame(model, signal,
    tag("div", { class: "ex-beside ex-bent" },
      tag("div", { class: "ex-plane ex-square" }, picture.root, ...points),
      tag("div", { class: "ex-readings" }, key(KEY),
        tag("div", { class: "ex-meters" }, ...[slope, middle, cost].map((each) => each.root)),
        tag("div", { class: "ex-buttons" },
          button(["Straighten", "拉直"], () => put(model, { left: [-1.5, -1.7], middle: [0, 0], right: [1.5, 1.7] })),
          button(["Steepen", "变陡"], () => put(model, { left: [-0.1, -1.3], middle: [0, 0], right: [0.1, 1.3] })),
          button(["Reset", "重置"], () => put(model, start))))),
    ...words.parts));
  return () => life.abort();
}

export default { render };
