// Twelve points and two Gaussians to drag: responsibilities, the bound and the log-likelihood, and the steps of EM.
// `gmlib.explore.shared`, `odds_of` and `refitted` give the same numbers in Python.
import {
  both, button, digits, frame, key, point, put, slider, stage, summary, svg, tag, watch,
} from "./kit.js";

const POINTS = [-2.9, -2.4, -2.1, -1.7, -1.2, -0.6, 0.4, 1.1, 1.5, 1.9, 2.3, 3.2], N = POINTS.length;
const NAMES = ["one", "two", "weight", "odds"];  // a mean and a standard deviation each; log r_n1 - log r_n2
const LIMITS = [{ min: -4, max: 4, step: 0.05 }, { min: 0.02, max: 3, step: 0.02 }];
const WEIGHT = { symbol: "π₁", min: 0.01, max: 0.99, step: 0.01, label: ["weight", "权重"] };

// --- the numbers --------------------------------------------------------------------------------------------------

const logNormal = (x, mean, sd) => -0.5 * ((x - mean) / sd) ** 2 - Math.log(sd) - 0.5 * Math.log(2 * Math.PI);
const logSum = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
const logSigmoid = (o) => Math.min(o, 0) - Math.log1p(Math.exp(-Math.abs(o)));
const total = (values) => values.reduce((sum, value) => sum + value, 0);
const within = (value, { min, max }) => Math.min(max, Math.max(min, value));

/** log pi_k + log N(x; mu_k, sigma_k^2) of both components. */
const logJoint = ({ one, two, weight }, x) =>
  [Math.log(weight) + logNormal(x, ...one), Math.log1p(-weight) + logNormal(x, ...two)];

/** The E-step. */
const oddsOf = (theta) => POINTS.map((x) => { const [a, b] = logJoint(theta, x); return a - b; });

/** The M-step within the limits: the bound has one hill along each value, so the end of a range is the best within. */
function refitted(odds) {
  const fit = (side) => {
    const r = odds.map((o) => Math.exp(logSigmoid(side * o))), n = total(r);
    const of = n > 0 ? r.map((each) => each / n) : r.map(() => 1 / N);  // no point at all: that of all of them
    const mean = total(of.map((each, i) => each * POINTS[i]));
    const sd = Math.sqrt(total(of.map((each, i) => each * (POINTS[i] - mean) ** 2)));
    return [n, [mean, within(sd, LIMITS[1])]];
  };
  const [[n, one], [, two]] = [1, -1].map(fit);
  return { one, two, weight: within(n / N, WEIGHT) };
}

/** The log-likelihood, the bound, and the sum of KL between them. */
function shared({ odds, ...theta }) {
  let logP = 0, bound = 0, kl = 0;
  odds.forEach((o, i) => {
    const joint = logJoint(theta, POINTS[i]), of = logSum(...joint);
    logP += of;
    [o, -o].map(logSigmoid).forEach((logR, k) => {
      bound += Math.exp(logR) * (joint[k] - logR);
      kl += Math.exp(logR) * (logR - (joint[k] - of));
    });
  });
  return { logP, bound, kl };
}

// --- the picture --------------------------------------------------------------------------------------------------

// The plane is 90 units wide and 20 high: a unit of x has 10, one of sigma 6. Below it, at the same x, stand densities
// (1 would have HILL pixels), the share of each point, and two bars.
const REACH = [45, 10], X = 10, UP = 6, MIDDLE = 1.5, WIDE = 4.5, ASPECT = REACH[0] / REACH[1];
const HILL = 260, BASE = 108, TOP = 138, SHARES = 48, FOOT = TOP + SHARES, BARS = FOOT + 46, ROW = 36, THICK = 14;
const END = BARS + 2 * ROW - 4, HEIGHT = END + 18, FLOOR = -40, CEILING = -20;
const PLANE = "Two components as places: the mean to the right, the standard deviation upwards · 两个分量的位置：均值向右，标准差向上";
const LABEL = "Two hills and their sum over twelve points; of each point the share of each component; bars for the log-likelihood and"
  + " the bound · 十二个点上的两个山丘及其和；每个点归各分量的份额；表示对数似然与下界的条形";

const text = (x, y, anchor, ...words) => svg("text", { x, y, "text-anchor": anchor }, ...words);
const line = (name, x1, y1, x2, y2) => svg("line", { class: name, x1, y1, x2, y2 });
const path = (points) => points.map((at) => at.map((value) => value.toFixed(2)).join(",")).join(" ");
const place = (width) => (x) => ((x + WIDE) * width) / (2 * WIDE);

/** Words in both languages, in a drawing. */
const told = (en, zh) => both(en, zh).map((part) =>
  svg("tspan", part.lang ? { lang: part.lang } : { class: part.className }, part.textContent));

function spreads({ one, two }, width) {
  const x = place(width), unit = width / (2 * REACH[0]), y = (sd) => (REACH[1] - UP * (sd - MIDDLE)) * unit;
  return [
    line("ex-axis", 0, y(0), width, y(0)),
    ...[1, 2, 3].flatMap((sd) => [line("ex-prior", 0, y(sd), width, y(sd)), text(0, y(sd) + 13, "start", `σ = ${sd}`)]),
    ...[one, two].map(([mean, sd], k) => line(k ? "ex-q" : "ex-p", x(mean - sd), y(sd), x(mean + sd), y(sd))),
  ];
}

function hills(theta, width) {
  const x = place(width), height = (log) => BASE - HILL * Math.exp(log), clip = `ex-${Math.random().toString(36).slice(2)}`;
  const even = Array.from({ length: width + 1 }, (_, i) => WIDE * ((2 * i) / width - 1));
  const narrow = [theta.one, theta.two].flatMap(([mean, sd]) => Array.from({ length: 65 }, (_, i) => mean + sd * (i / 8 - 4)));
  const logs = [...even, ...narrow].filter((at) => Math.abs(at) <= WIDE).sort((a, b) => a - b).map((at) => [at, ...logJoint(theta, at)]);
  const laws = ["ex-p", "ex-q"].map((name, k) => [name, logs.map((each) => [x(each[0]), height(each[k + 1])])]);
  return [
    svg("clipPath", { id: clip }, svg("rect", { x: 0, y: 0, width, height: BASE })),
    svg("g", { "clip-path": `url(#${clip})` },
      ...laws.flatMap(([name, at]) => [
        svg("polygon", { class: `${name} ex-area`, points: path([[0, BASE], ...at, [width, BASE]]) }),
        svg("polyline", { class: name, points: path(at) })]),
      svg("polyline", { class: "ex-level ex-curve", points: path(logs.map(([at, a, b]) => [x(at), height(logSum(a, b))])) })),
    line("ex-axis", 0, BASE, width, BASE),
    svg("polyline", { class: "ex-typical", points: path(logs.map(([at, a, b]) => [x(at), FOOT - SHARES * Math.exp(logSigmoid(a - b))])) }),
  ];
}

/** Of each point a dot in the mixed colour, and a column: blue from below is the first component's. */
function shares(odds, width) {
  const x = place(width), wide = Math.min(12, width / 40);
  return odds.flatMap((o, i) => {
    const r = Math.exp(logSigmoid(o)), left = x(POINTS[i]) - wide / 2, column = { class: "ex-bar ex-share-of", x: left, width: wide };
    return [
      svg("rect", { ...column, fill: "var(--ex-q)", y: TOP, height: SHARES * (1 - r) }),
      svg("rect", { ...column, fill: "var(--ex-p)", y: FOOT - SHARES * r, height: SHARES * r }),
      svg("circle", { class: "ex-bar", cx: x(POINTS[i]), cy: BASE, r: 5,
        style: `fill: color-mix(in srgb, var(--ex-p) ${100 * r}%, var(--ex-q))` }),
    ];
  });
}

function bars({ logP, bound, kl }, width) {
  const x = (nats) => (width * (within(nats, { min: FLOOR, max: CEILING }) - FLOOR)) / (CEILING - FLOOR);
  const hatch = `ex-${Math.random().toString(36).slice(2)}`, y = [BARS, BARS + ROW], wide = width > 300;
  const nats = (words, quantity, value) => [`${words} = `,
    svg("tspan", { class: "ex-number", "data-quantity": quantity, "data-value": value }, digits(value, 3)), wide ? " nat" : ""];
  const bar = (i, fill, from, to) =>
    svg("rect", { class: "ex-bar ex-reading", fill, x: x(from), y: y[i], width: Math.max(0, x(to) - x(from)), height: THICK });
  const full = "color-mix(in srgb, currentcolor 30%, transparent)";
  return [
    svg("pattern", { id: hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      line("ex-hatch", 0, 0, 0, 6)),
    text(0, y[0] - 5, "start", ...nats("ℓ(θ)", "log_p", logP)),
    ...(wide ? [text(width, y[0] - 5, "end", ...told("log-likelihood", "对数似然"))] : []),
    text(0, y[1] - 5, "start", ...nats("L(r, θ)", "bound", bound)), text(width, y[1] - 5, "end", ...nats("KL", "kl", kl)),
    bar(0, full, FLOOR, logP), bar(1, full, FLOOR, bound), bar(1, `url(#${hatch})`, bound, logP),
    ...[logP, bound].flatMap((value, i) => (value < FLOOR ? [text(0, y[i] + 11, "start", "◂")] : [])),
    line("ex-axis", 0, END, width, END),
    ...[-40, -35, -30, -25, -20].map((at) =>
      text(x(at), HEIGHT - 2, at === FLOOR ? "start" : at === CEILING ? "end" : "middle", digits(at, 0))),
  ];
}

const words = (width) => [-4, -2, 0, 2, 4].map((at) => text(place(width)(at), FOOT + 17, "middle", digits(at, 0)));
const KEY = [["ex-p", "p(x, z = 1)"], ["ex-q", "p(x, z = 2)"], ["ex-level", "p(x)"], ["ex-typical", "p(z = 1 | x)"]];

// --- the words ----------------------------------------------------------------------------------------------------

/** The component that has a point to itself and closes in on it. */
function narrow({ odds, ...theta }) {
  return [theta.one, theta.two].findIndex(([mean, sd], k) => sd < 0.25 && POINTS.some((x) => {
    const [a, b] = logJoint(theta, x);
    return Math.abs(x - mean) < sd / 10 && (k ? b - a : a - b) > 3;
  }) && POINTS.filter((x) => Math.abs(x - mean) < 4 * sd).length === 1);
}

function sentence(now) {
  const { logP, bound, kl } = shared(now), { one, two, weight, odds } = now;
  const gain = shared({ ...refitted(odds), odds }).bound - bound, lone = narrow(now);
  if (lone >= 0) {
    const half = { one, two, weight, odds, [NAMES[lone]]: [now[NAMES[lone]][0], now[NAMES[lone]][1] / 2] };
    const more = digits(shared(half).logP, 3);
    return [`Component ${lone + 1} closes in on one point. With half its σ, ℓ would be ${more}, and so on without end: the`
      + " likelihood has no maximum.", `分量 ${lone + 1} 收缩到一个点上。σ 减半，ℓ 就会是 ${more}，而且没有尽头：似然没有最大值。`];
  }
  if (Math.hypot(one[0] - two[0], one[1] - two[1]) < 1e-9 && odds.every((o) => Math.abs(o - odds[0]) < 1e-9)) {
    return ["The components are the same and share every point alike: no step can part them, though two different ones explain"
      + " the points better.", "两个分量相同，对每个点的分担也相同：任何一步都分不开它们，尽管两个不同的分量能更好地解释这些点。"];
  }
  const [gap, up] = [digits(kl, 3), digits(gain, 3)];
  if (kl < 5e-4 && gain < 5e-4) {
    const end = `ℓ = ${digits(logP, 3)}`.replaceAll(" ", "\u00a0");
    return [`To three places the gap is 0 and an M-step gains nothing: EM has come to rest at ${end}.`,
      `在三位小数内，差距为 0，M 步也不再有收获：EM 停在 ${end}。`];
  }
  if (gain < 5e-4) {
    return [`With these r no other components make L larger. But r are not their responsibilities: an E-step raises L by ${gap},`
      + " up to ℓ.", `对这些 r，没有别的分量能使 L 更大；但 r 不是这两个分量的响应度：E 步使 L 升高 ${gap}，升到 ℓ。`];
  }
  return kl < 1e-9
    ? [`The r are the responsibilities, so L = ℓ. An M-step raises L by ${up}, and ℓ, which is never below L, by at least as much.`,
      `r 就是响应度，所以 L = ℓ。M 步使 L 升高 ${up}；ℓ 从不低于 L，至少升高同样多。`]
    : [`The r are not the responsibilities: L is ${gap} below ℓ. An E-step closes this gap; an M-step raises L by ${up}.`,
      `r 不是响应度：L 比 ℓ 低 ${gap}。E 步消除这一差距；M 步使 L 升高 ${up}。`];
}

// --- the figure ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const life = new AbortController(), { signal } = life, said = summary();
  const state = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)])), start = state();
  const plane = stage((width) => width / ASPECT, PLANE, (width) => spreads(state(), width), signal);
  const below = stage(HEIGHT, LABEL, (width) => {
    const now = state();
    return [...hills(now, width), ...shares(now.odds, width), ...words(width), ...bars(shared(now), width)];
  }, signal);
  watch(model, NAMES, () => {
    plane.redraw();
    below.redraw();
    said.say(...sentence(state()));
  }, signal);
  const handles = NAMES.slice(0, 2).map((name, k) => point(model, name, REACH, signal, {
    kind: `ex-centre ex-of${k + 1}`, glyph: `${k + 1}`, symbol: k ? "(μ₂, σ₂)" : "(μ₁, σ₁)", limits: LIMITS,
    scale: [1 / X, 1 / UP], at: ([mean, sd]) => [X * mean, UP * (sd - MIDDLE)], label: `component ${k + 1} · 分量 ${k + 1}` }));
  const step = { e: (now) => ({ odds: oddsOf(now) }), m: (now) => refitted(now.odds) };
  const take = (steps) => put(model, [...steps].reduce((now, name) => ({ ...now, ...step[name](now) }), state()));
  el.append(frame(model, signal,
    key(KEY),
    tag("div", { class: "ex-plane ex-places" }, plane.root, ...handles),
    below.root,
    tag("div", { class: "ex-sliders ex-share" }, slider(model, "weight", WEIGHT, signal),
      tag("div", { class: "ex-buttons" },
        button(["E-step", "E 步"], () => take("e")),
        button(["M-step", "M 步"], () => take("m")),
        button(["10 rounds", "10 轮"], () => take("em".repeat(10))),
        button(["Reset", "重置"], () => put(model, start)))),
    ...said.parts));
  return () => life.abort();
}

export default { render };
