// Two densities, q to drag away from p, and bars for five distances between them, each with its slope by the shift d.
// `gmlib.explore.shifted_normals` and `shifted_uniforms` give the same numbers in Python.
import {
  both, button, choice, digits, drag, frame, put, slider, snap, stage, summary, svg, tag, watch,
} from "./kit.js";

const SIGMA = 0.9, S = 0.5;  // p = N(0, SIGMA^2), q = N(d, S^2)
const D = { symbol: "d", min: 0, max: 8, step: 0.05, label: ["shift of q", "q 的平移"] };

// --- the numbers --------------------------------------------------------------------------------------------------

const logNormal = (x, mean, sd) => -0.5 * ((x - mean) / sd) ** 2 - Math.log(sd) - 0.5 * Math.log(2 * Math.PI);
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** A series without cancellation; beyond 6 the rest is below rounding. */
function erf(x) {
  if (x < 0) return -erf(-x);
  if (x > 6) return 1;
  let term = x, sum = x;
  for (let n = 1; term > 1e-17 * sum; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const normalCdf = (x, mean, sd) => 0.5 + 0.5 * erf((x - mean) / (sd * Math.SQRT2));

/** JS and its slope: sums over a fixed grid, right to rounding. log(p/m) is log 2 - softplus(log q - log p). */
function jensenShannon(d) {
  let js = Math.LN2, slope = 0;
  for (let i = 0; i <= 2200; i++) {
    const x = -9 + i / 100, logP = logNormal(x, 0, SIGMA), logQ = logNormal(x, d, S);
    const [p, q, overP, overQ] = [Math.exp(logP), Math.exp(logQ), softplus(logQ - logP), softplus(logP - logQ)];
    js -= (p * overP + q * overQ) / 200;
    slope -= (q * ((x - d) / S ** 2) * overQ) / 200;
  }
  return [js, slope];
}

/** Value and slope of each distance between two Gaussians. */
function normals(d) {
  const kl = (sd, other) => Math.log(other / sd) + (sd * sd + d * d) / (2 * other * other) - 0.5;
  const a = 1 / S ** 2 - 1 / SIGMA ** 2, b = d / S ** 2, c = (d / S) ** 2 - 2 * Math.log(SIGMA / S);
  const half = Math.sqrt(b * b - a * c), ends = [(b - half) / a, (b + half) / a];  // between them q is above p
  const mass = (mean, sd) => normalCdf(ends[1], mean, sd) - normalCdf(ends[0], mean, sd);
  const q = ends.map((x) => Math.exp(logNormal(x, d, S)));
  const spread = SIGMA - S, ratio = d / spread, inside = erf(ratio / Math.SQRT2);
  return {
    kl: [kl(SIGMA, S), d / S ** 2],
    reverse_kl: [kl(S, SIGMA), d / SIGMA ** 2],
    js: jensenShannon(d),
    tv: [mass(d, S) - mass(0, SIGMA), q[0] - q[1]],
    w1: [spread * Math.sqrt(2 / Math.PI) * Math.exp((-ratio * ratio) / 2) + d * inside, inside],
  };
}

/** Of two uniform laws, as d grows. An infinite value has no slope. */
function uniforms(d) {
  const kl = d > 0 ? [Infinity, NaN] : [0, Infinity], outside = Math.min(d, 1), slope = d < 1 ? 1 : 0;
  return { kl, reverse_kl: kl, js: [outside * Math.LN2, slope * Math.LN2], tv: [outside, slope], w1: [d, 1] };
}

const LAWS = { normals, uniforms };

// --- the picture --------------------------------------------------------------------------------------------------

const FROM = -3, TO = 10, TOP = 1.12, BASE = 124, PLOT = 112;  // the x-axis, and its place; densities have PLOT pixels
const FIRST = 178, ROW = 32, THICK = 12, GAP = 28, FAR = 8;  // bars; the axis of those without a bound ends at FAR
const SECOND = FIRST + 3 * ROW + GAP, HEIGHT = SECOND + 2 * ROW + 8;
const LABEL = "Two densities, p and the shifted q, and bars for five distances between them, with their slopes"
  + " · 两个密度：p 与平移后的 q；以及表示两者间五种距离的条形，附斜率";

const text = (x, y, anchor, ...words) => svg("text", { x, y, "text-anchor": anchor }, ...words);
const line = (name, x1, y1, x2, y2) => svg("line", { class: name, x1, y1, x2, y2 });
const place = (width) => (x) => ((x - FROM) * width) / (TO - FROM);
const height = (density) => BASE - (PLOT * density) / TOP;
const middle = (laws, d) => (laws === "normals" ? d : d + 0.5);

function densities(laws, d, width) {
  const x = place(width);
  const bell = (mean, sd) => Array.from({ length: width + 1 }, (_, i) =>
    `${i},${height(Math.exp(logNormal(FROM + (i * (TO - FROM)) / width, mean, sd))).toFixed(1)}`).join(" ");
  const box = (start) => [[start, 0], [start, 1], [start + 1, 1], [start + 1, 0]]
    .map(([at, density]) => `${x(at).toFixed(1)},${height(density).toFixed(1)}`).join(" ");
  const curves = laws === "normals" ? [bell(0, SIGMA), bell(d, S)] : [box(0), box(d)];
  const at = x(middle(laws, d));
  return [
    ...[["ex-p", "p(x)"], ["ex-q", "q(x)"]].flatMap(([name, words], i) =>
      [line(name, width - 118 + 62 * i, 8, width - 98 + 62 * i, 8), text(width - 94 + 62 * i, 12, "start", words)]),
    ...["ex-p", "ex-q"].flatMap((name, i) => [svg("polygon", { class: `${name} ex-area`, points: curves[i] }),
      svg("polyline", { class: name, points: curves[i] })]),
    line("ex-axis", 0, BASE, width, BASE),
    ...[-2, 0, 2, 4, 6, 8].map((value) => text(x(value), BASE + 18, "middle", digits(value, 0))),
    text(width - 2, BASE - 6, "end", "x"),
    line("ex-q", at, BASE, at, height(laws === "normals" ? Math.exp(logNormal(0, 0, S)) : 1)),
    svg("circle", { class: "ex-handle", cx: at, cy: BASE, r: 7 }),
  ];
}

/** Three places; what is infinite says so, and what has no value is a dash. */
const told = (value) => (Number.isNaN(value) ? "–" : value === Infinity ? "∞" : digits(value, 3));

/** A bar with its value and slope above it; one that goes beyond the axis ends in an arrowhead. */
function row(name, words, unit, fill, [value, slope], y, end, width) {
  const number = (quantity, of) =>
    svg("tspan", { class: "ex-number", "data-quantity": quantity, "data-value": of }, told(of));
  const x = (width * Math.min(value, end)) / end, tip = value > end ? x - 9 : x;
  const corners = [[0, y], [tip, y], [x, y + THICK / 2], [tip, y + THICK], [0, y + THICK]];
  return [text(0, y - 5, "start", `${words} = `, number(name, value), unit),
    text(width, y - 5, "end", number(`${name}_slope`, slope)),
    svg("polygon", { class: "ex-bar", fill, points: corners.map((corner) => corner.join(",")).join(" ") })];
}

function axis(y, end, ticks, width) {
  const anchor = (value) => (value === 0 ? "start" : value === end ? "end" : "middle");
  return [line("ex-axis", 0, y, width, y),
    ...ticks.map(([value, words]) => text((value * width) / end, y + 15, anchor(value), words))];
}

function bars(of, width) {
  const grey = "color-mix(in srgb, currentcolor 30%, transparent)", y = (first, i) => first + i * ROW;
  const heading = both("slope by d", "对 d 的斜率").map((part) => {
    const language = part.lang ? { lang: part.lang } : { class: part.className };
    return svg("tspan", language, part.textContent);
  });
  const level = (value, at) => line("ex-level", value * width, at - 3, value * width, at + THICK + 3);
  return [
    text(width, FIRST - 21, "end", ...heading),
    ...row("kl", "KL(p ‖ q)", " nat", "var(--ex-p)", of.kl, y(FIRST, 0), FAR, width),
    ...row("reverse_kl", "KL(q ‖ p)", " nat", "var(--ex-q)", of.reverse_kl, y(FIRST, 1), FAR, width),
    ...row("w1", "W₁", "", grey, of.w1, y(FIRST, 2), FAR, width),
    ...axis(y(FIRST, 2) + THICK + 4, FAR, [0, 2, 4, 6, 8].map((value) => [value, value]), width),
    ...row("js", "JS", " nat", grey, of.js, y(SECOND, 0), 1, width), level(Math.LN2, y(SECOND, 0)),
    ...row("tv", "TV", "", grey, of.tv, y(SECOND, 1), 1, width), level(1, y(SECOND, 1)),
    ...axis(y(SECOND, 1) + THICK + 4, 1, [[0, 0], [0.5, 0.5], [Math.LN2, "log 2"], [1, 1]], width),
  ];
}

// --- the words ----------------------------------------------------------------------------------------------------

function sentence(laws, d, { kl, js, w1 }) {
  const [top, far, near] = ["log\u00a02\u00a0=\u00a00.693", digits(w1[1], 3), digits(js[1], 3)];
  if (laws === "uniforms") {
    if (d === 0) {
      return ["The two laws are one, and all five are 0. The smallest step makes both KL infinite.",
        "两个分布相同，五个量都是 0。只要移动一点点，两个 KL 就都是无穷大。"];
    }
    return d < 1
      ? ["Each law has mass where the other has none: both KL are infinite. JS, TV and W₁ grow at a constant rate.",
        "两个分布各有质量落在对方之外，两个 KL 都是无穷大；JS、TV 与 W₁ 随 d 匀速增大。"]
      : [`The supports are apart. JS has stopped at ${top} and TV at 1: no slope. W₁ goes on, with slope ${far}.`,
        `支撑集已经分开。JS 停在 ${top}，TV 停在 1，斜率都是 0；W₁ 继续增大，斜率为 ${far}。`];
  }
  if (d === 0) {
    return ["The centres agree, and every slope is 0. What is left comes from the widths.",
      "两个中心重合，斜率全部为 0；剩下的数值来自宽度之差。"];
  }
  if (js[0] < 0.6) {
    return [`All five grow. KL(p\u00a0‖\u00a0q) is the steepest, with slope ${digits(kl[1], 3)}; JS has ${near}.`,
      `五个量都在增大。KL(p\u00a0‖\u00a0q) 最陡，斜率为 ${digits(kl[1], 3)}；JS 的斜率为 ${near}。`];
  }
  return js[1] < 5e-4
    ? [`JS has all but stopped at ${top}: its slope is ${near}. W₁ goes on with slope ${far}, and KL grows ever faster.`,
      `JS 几乎停在 ${top}，斜率为 ${near}；W₁ 继续增大，斜率为 ${far}；KL 增大得越来越快。`]
    : [`JS comes close to ${top} and flattens: slope ${near}. W₁ goes on with slope ${far}.`,
      `JS 接近 ${top}，渐趋平缓，斜率为 ${near}；W₁ 继续增大，斜率为 ${far}。`];
}

// --- the figure ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const life = new AbortController(), { signal } = life, words = summary();
  const read = () => [model.get("laws"), model.get("d")];
  const distances = () => LAWS[model.get("laws")](model.get("d"));
  const picture = stage(HEIGHT, LABEL, (width) => [...densities(...read(), width), ...bars(distances(), width)], signal);
  watch(model, ["laws", "d"], () => {
    picture.redraw();
    words.say(...sentence(...read(), distances()));
  }, signal);
  drag(picture.root, (x, y, width) => {
    const start = model.get("d");
    return y > BASE + 24 ? null : (dx) => put(model, { d: snap(start + (dx * (TO - FROM)) / width, D) });
  });

  const laws = { label: ["Two laws", "两个分布"],
    options: { normals: ["Gaussian", "高斯分布"], uniforms: ["uniform", "均匀分布"] } };
  el.append(frame(model, signal,
    choice(model, "laws", laws, signal),
    picture.root,
    tag("div", { class: "ex-sliders ex-alone" }, slider(model, "d", D, signal),
      tag("div", { class: "ex-buttons" },
        button(["Far apart", "拉远"], () => put(model, { d: 5 })),
        button(["Reset", "重置"], () => put(model, { d: 1.5 })))),
    ...words.parts));
  return () => life.abort();
}

export default { render };
