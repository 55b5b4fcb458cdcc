// Two Gaussian classes on the plane, the boundary between them, and a point that the reader drags far from both.
// `gmlib.explore.reading` gives the same numbers in Python.
import {
  button, digits, frame, key, meter, percent, point, press, put, root, ruler, slider, stage, summary, svg, tag, watch,
} from "./kit.js";

const REACH = [7, 6], SHARE = 0.01, ANGLES = 180;
const NAMES = ["pi1", "mu1", "mu2", "sigma1", "sigma2"];
const within = (...ends) => ends.map((end) => ({ min: -end, max: end, step: 0.1 }));
const X = within(6.5, 5.5), MU = within(5, 4), SIGMA = [0, 1].map(() => ({ min: 0.3, max: 2.5, step: 0.05 }));
const PI = { symbol: "π₁", min: 0.05, max: 0.95, step: 0.05, label: ["prior of class 1", "类别 1 的先验"] };

// --- the numbers --------------------------------------------------------------------------------------------------

const logSum = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

/** Prior, centre and standard deviations of both classes, and log p(x, y) at their centres. */
function classesOf(model) {
  const [pi1, mu1, mu2, sigma1, sigma2] = NAMES.map((name) => model.get(name));
  return [[pi1, mu1, sigma1], [1 - pi1, mu2, sigma2]].map(([pi, mu, sigma]) =>
    ({ pi, mu, sigma, top: Math.log(pi) - Math.log(sigma[0] * sigma[1]) - Math.log(2 * Math.PI) }));
}

const logJoint = ({ mu, sigma, top }, x) =>
  top - (((x[0] - mu[0]) / sigma[0]) ** 2 + ((x[1] - mu[1]) / sigma[1]) ** 2) / 2;

/** Rays from each centre. The point mu + r sigma u lies on them, and there log p(x, y) is a quadratic of r. */
const raysOf = (classes) => classes.flatMap((own) => Array.from({ length: ANGLES }, (_, k) => {
  const u = [Math.cos((k * 2 * Math.PI) / ANGLES), Math.sin((k * 2 * Math.PI) / ANGLES)];
  const terms = classes.map(({ mu, sigma, top }) => {
    const [s, t] = [0, 1].map((d) => (own.sigma[d] * u[d]) / sigma[d]);
    const [m, n] = [0, 1].map((d) => (own.mu[d] - mu[d]) / sigma[d]);
    return { a: s * s + t * t, b: s * m + t * n, c: m * m + n * n, top };
  });
  return { own, terms, at: (r) => [own.mu[0] + r * own.sigma[0] * u[0], own.mu[1] + r * own.sigma[1] * u[1]] };
}));

/** Where p(x) crosses a level on a ray, and how much of the ray's own Gaussian is below it. Each of the two terms
 * crosses where it is known to; their sum only where one of them lies between the level and log 2 below it. */
function crossings({ terms }, level) {
  const [own, other] = terms, value = ({ a, b, c, top }, r) => top - ((a * r + 2 * b) * r + c) / 2;
  const excess = (r) => logSum(value(own, r), value(other, r)) - level;
  const ends = [];
  for (const { a, b, c, top } of terms) {
    for (const l of [level, level - Math.LN2]) {
      const half = Math.sqrt(Math.max(0, b * b - a * (c - 2 * (top - l))));
      ends.push(Math.max(0, (-b - half) / a), Math.max(0, (-b + half) / a));
    }
  }
  ends.sort((a, b) => a - b);
  const places = [0, ...ends, 1.01 * ends.at(-1) + 1e-6].flatMap((r, i, all) => (i ? [(all[i - 1] + r) / 2, r] : [r]));
  let above = excess(0) > 0, below = above ? 0 : 1, found = [];
  for (let i = 1; i < places.length; i++) {
    if ((excess(places[i]) > 0) === above) continue;
    found.push(root(excess, places[i - 1], places[i]));
    below += (above ? 1 : -1) * Math.exp(-(found.at(-1) ** 2) / 2);
    above = !above;
  }
  return { found, below };
}

/** The share of the model's own draws whose log p(x) is not above the level: exact on each ray, a mean over rays. */
const shareBelow = (rays, level) =>
  rays.reduce((sum, ray) => sum + (ray.own.pi / ANGLES) * crossings(ray, level).below, 0);

/** The log p(x) that all but one in a hundred of the model's own draws exceed. */
function lowest(classes, rays) {
  const tops = classes.map(({ top }) => top), excess = (level) => Math.log(shareBelow(rays, level) / SHARE);
  return root(excess, Math.min(...tops) + Math.log(SHARE) - 1e-6, logSum(...tops));
}

/** log p(x, y=1) - log p(x, y=2) as a quadratic: the sum of a x^2 + b x over both axes, and c. */
function odds([one, two]) {
  const each = (f) => [0, 1].map((d) => f(one.mu[d], one.sigma[d] ** 2) - f(two.mu[d], two.sigma[d] ** 2));
  const [m, n] = each((mu, variance) => (mu * mu) / variance);
  return { a: each((_, variance) => -0.5 / variance), b: each((mu, variance) => mu / variance),
    c: one.top - two.top - (m + n) / 2 };
}

function roots(a, b, c) {
  const square = b * b - 4 * a * c;
  if (square < 0) return [];
  const q = -(b + (b < 0 ? -1 : 1) * Math.sqrt(square)) / 2;
  return [q / a, c / q].filter(Number.isFinite).sort((x, y) => x - y);
}

function conic({ a, b, c }) {
  if (!a[0] && !a[1]) return b[0] || b[1] ? "line" : "none";
  if (!a[0] || !a[1]) {
    const [i, j] = a[0] ? [0, 1] : [1, 0];
    if (b[j]) return "parabola";
    return b[i] ** 2 > 4 * a[i] * c ? "lines" : "none";
  }
  const m = b[0] ** 2 / (4 * a[0]) + b[1] ** 2 / (4 * a[1]) - c;
  if (a[0] * a[1] > 0) return m * a[0] > 0 ? "ellipse" : "none";
  return Math.abs(m) < 1e-12 ? "lines" : "hyperbola";
}

// --- the picture --------------------------------------------------------------------------------------------------

const PLANE = "Contours of two Gaussian classes and the boundary between them · 两个高斯类别的等高线，以及两类之间的边界";
const scaled = (width) => (x) =>
  [x[0] + REACH[0], REACH[1] - x[1]].map((value) => ((value * width) / (2 * REACH[0])).toFixed(2)).join(",");

/** The boundary where it is crossed by lines across axis d, and what lies on those lines on either side of it. */
function sweep({ a, b, c }, d, width) {
  const e = 1 - d, count = Math.round((width * REACH[d]) / REACH[0]), at = scaled(width);
  const branches = ["", ""], sides = ["", ""], down = [false, false];
  for (let i = 0; i <= count; i++) {
    const x = ((2 * i) / count - 1) * REACH[d], rest = (a[d] * x + b[d]) * x + c;
    const on = (y) => at(d ? [y, x] : [x, y]), ys = roots(a[e], b[e], rest);
    for (const j of [0, 1]) {
      const seen = Math.abs(ys[j]) < REACH[e] + 0.1;
      if (seen) branches[j] += `${down[j] ? "L" : "M"}${on(ys[j])}`;
      down[j] = seen;
    }
    const ends = [-REACH[e], ...ys.filter((y) => Math.abs(y) < REACH[e]), REACH[e]];
    for (let k = 1; k < ends.length; k++) {
      const y = (ends[k - 1] + ends[k]) / 2;
      sides[(a[e] * y + b[e]) * y + rest > 0 ? 0 : 1] += `M${on(ends[k - 1])}L${on(ends[k])}`;
    }
  }
  return { boundary: branches.join(""), sides };
}

/** The level of p(x): each ray draws the part on which its own class is the more likely. */
function outline(classes, rays, level, width) {
  let path = "", last = [];
  for (const ray of rays) {
    const found = crossings(ray, level).found.map(ray.at)
      .filter((x) => classes.every((other) => logJoint(other, x) <= logJoint(ray.own, x)));
    const near = (x) => last.some((y) => Math.hypot(x[0] - y[0], x[1] - y[1]) < 0.4);
    for (const x of found) path += `${found.length === 1 && near(x) ? "L" : "M"}${scaled(width)(x)}`;
    last = found;
  }
  return path;
}

function plane(classes, rays, level, width) {
  const unit = width / (2 * REACH[0]), height = 2 * REACH[1] * unit, quadratic = odds(classes);
  const [across, along] = [sweep(quadratic, 0, width), sweep(quadratic, 1, width)];
  const clip = `ex-${Math.random().toString(36).slice(2)}`, box = { x: 0, y: 0, width, height };
  const text = (x, y, anchor, words) => svg("text", { x, y, "text-anchor": anchor }, words);
  return [
    svg("clipPath", { id: clip }, svg("rect", box)),
    svg("g", { "clip-path": `url(#${clip})` },
      ...["ex-p", "ex-q"].map((name, c) => svg("path", { class: `${name} ex-side`, d: across.sides[c] })),
      ...["ex-p", "ex-q"].flatMap((name, c) => [2, 1].map((r) => svg("ellipse", { class: `${name} ex-contour`,
        cx: (classes[c].mu[0] + REACH[0]) * unit, cy: (REACH[1] - classes[c].mu[1]) * unit,
        rx: r * classes[c].sigma[0] * unit, ry: r * classes[c].sigma[1] * unit }))),
      svg("path", { class: "ex-level ex-boundary", d: across.boundary + along.boundary }),
      svg("path", { class: "ex-typical", d: outline(classes, rays, level, width) })),
    svg("rect", { class: "ex-edge", ...box }),
    ...[-6, -4, -2, 0, 2, 4, 6].map((x) => text((x + REACH[0]) * unit, height + 15, "middle", digits(x, 0))),
    ...[-4, -2, 0, 2, 4].map((y) => text(5, (REACH[1] - y) * unit + 4, "start", digits(y, 0))),
    text(width - 2, height + 15, "end", "x₁"), text(5, 15, "start", "x₂"),
  ];
}

const KEY = [["ex-p", "p(x | y = 1)"], ["ex-q", "p(x | y = 2)"], ["ex-level", "p(y = 1 | x) = 1/2"],
  ["ex-typical", "99% of draws", "样本的 99%"]];

// --- the words ----------------------------------------------------------------------------------------------------

function verdict(posterior, share) {
  const [k, p] = posterior[0] < posterior[1] ? [2, posterior[1]] : [1, posterior[0]], sure = p > 0.99;
  const words = (q, more) => ((sign, number) => `${sign === "=" ? "" : more} ${number}`)(...percent(q));
  const [en, zh] = sure
    ? [`The classifier is${words(p, " over")} sure of class ${k}`, `分类器有${words(p, "超过")} 的把握判为类别 ${k}`]
    : [`The classifier gives class ${k} a probability of${words(p)}`, `分类器给类别 ${k} 的概率为${words(p)}`];
  if (share >= SHARE) {
    return [`${en}, and x is like the model’s draws:${words(share, " over")} of them have a density as low or lower.`,
      `${zh}，x 也与模型的样本相仿：${words(share, "超过").trim()} 的样本密度不高于它。`];
  }
  const [yet, but] = sure ? ["yet", "但"] : ["and", "而"];
  return share >= 1e-4
    ? [`${en}, ${yet} x is unusual: only${words(share)} of the model’s draws have so low a density.`,
      `${zh}，${but} x 很不寻常：只有${words(share)} 的样本密度这样低。`]
    : [`${en}, ${yet} x is unlike the model’s draws: under 0.01% have so low a density.`,
      `${zh}，${but} x 不像模型的样本：密度这样低的样本不足 0.01%。`];
}

function shape(quadratic, posterior) {
  const far = quadratic.a.find((value) => value) > 0 ? 1 : 2, nowhere = posterior[0] < posterior[1] ? 1 : 2;
  return {
    line: ["Boundary: a straight line, as the spreads are equal.", "两类宽度相同，边界是直线。"],
    ellipse: [`Boundary: an ellipse, as class ${far} is wider along both axes.`,
      `类别 ${far} 在两个轴向上都更宽，边界是椭圆。`],
    hyperbola: ["Boundary: a hyperbola, as each class is wider along one axis.",
      "两类各在一个轴向上更宽，边界是双曲线。"],
    parabola: [`Boundary: a parabola, as class ${far} is wider along one axis.`,
      `类别 ${far} 只在一个轴向上更宽，边界是抛物线。`],
    lines: ["Boundary: a pair of straight lines.", "边界是两条直线。"],
    none: [`No boundary: no point favours class ${nowhere}.`, `没有边界：任何一点都不会判为类别 ${nowhere}。`],
  }[conic(quadratic)];
}

// --- the figure ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const life = new AbortController(), { signal } = life;
  const start = Object.fromEntries(["x", ...NAMES].map((name) => [name, model.get(name)]));
  let classes, rays, level;
  const draw = (width) => plane(classes, rays, level, width);
  const picture = stage((width) => (width * REACH[1]) / REACH[0], PLANE, draw, signal), words = summary();
  const meters = [meter("p(y = 1 | x)", "p1", "var(--ex-p)"), meter("p(y = 2 | x)", "p2", "var(--ex-q)")];
  const axis = ruler("log p(x)", ["log_p", "lowest"], "99%", -40, 2, 10);
  const read = () => {
    const logs = classes.map((c) => logJoint(c, model.get("x"))), log_p = logSum(...logs);
    const posterior = logs.map((log) => Math.exp(log - log_p)), share = shareBelow(rays, log_p);
    meters.forEach(({ show }, c) => show(posterior[c]));
    axis.show(log_p, level);
    axis.root.dataset.share = share;
    const [[en, zh], [further, more]] = [verdict(posterior, share), shape(odds(classes), posterior)];
    words.say(`${en} ${further}`, zh + more);
  };
  watch(model, NAMES, () => {
    classes = classesOf(model);
    rays = raysOf(classes);
    level = lowest(classes, rays);
    picture.redraw();
    read();
  }, signal);
  watch(model, ["x"], read, signal);

  const handle = (name, of) => point(model, name, REACH, signal, of);
  const ofClass = (c, sub, side) => [
    handle(`sigma${c}`, { kind: `ex-spread ex-of${c}`, glyph: "", symbol: `σ${sub}`, limits: SIGMA,
      scale: [side * Math.SQRT1_2, Math.SQRT1_2], follows: [`mu${c}`], label: `spread of class ${c} · 类别 ${c} 的宽度`,
      at: (sigma) => model.get(`mu${c}`).map((mu, d) => mu + (d ? 1 : side) * Math.SQRT2 * sigma[d]) }),
    handle(`mu${c}`, { kind: `ex-centre ex-of${c}`, glyph: `${c}`, symbol: `μ${sub}`, limits: MU, at: (mu) => mu,
      label: `centre of class ${c} · 类别 ${c} 的中心` })];
  const cross = { kind: "ex-x", glyph: "×", symbol: "x", limits: X, at: (x) => x, label: "point x · 点 x" };
  press(picture.root, model, "x", REACH, X);

  el.append(frame(model, signal,
    tag("div", { class: "ex-beside" },
      tag("div", { class: "ex-plane" }, picture.root, ...ofClass(1, "₁", -1), ...ofClass(2, "₂", 1),
        handle("x", cross)),
      tag("div", { class: "ex-readings" }, key(KEY),
        tag("div", { class: "ex-meters" }, ...meters.map(({ root }) => root)), axis.root,
        slider(model, "pi1", PI, signal),
        tag("div", { class: "ex-buttons" },
          button(["Equal spreads", "等宽"], () => put(model, { sigma2: model.get("sigma1") })),
          button(["Reset", "重置"], () => put(model, start))))),
    ...words.parts));
  return () => life.abort();
}

export default { render };
