// Data, a generator to drag away from them, and the best discriminator D*; below, one step of descent on each of three
// losses, and V, JS and W_1. `gmlib.explore.best_play` gives the same numbers in Python.
import {
  both, button, digits, drag, frame, put, slider, snap, stage, summary, svg, tag, watch,
} from "./kit.js";

const SIGMA = 0.9, S = 0.5;  // p_data = N(0, SIGMA^2), p_theta = N(d, S^2)
const D = { symbol: "d", min: 0, max: 8, step: 0.05, label: ["generator", "生成器"] };
const START = 3, AWAY = 6;

// --- the numbers --------------------------------------------------------------------------------------------------

const logNormal = (x, mean, sd) => -0.5 * ((x - mean) / sd) ** 2 - Math.log(sd) - 0.5 * Math.log(2 * Math.PI);
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** The logit of D*(x). */
const logit = (x, d) => logNormal(x, 0, SIGMA) - logNormal(x, d, S);

/** A series without cancellation; beyond 6 the rest is below rounding. */
function erf(x) {
  if (x > 6) return 1;
  let term = x, sum = x;
  for (let n = 1; term > 1e-17 * sum; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** V(D*, G), JS, W_1, and the slopes by d of the generator's losses. The sums, over a fixed grid, are right to rounding;
 * -log D* is softplus of minus the logit. With D* held, the slopes of the first two losses add up to that of KL. */
function play(d) {
  let value = 0, saturating = 0;
  for (let i = 0; i <= 2200; i++) {
    const x = -9 + i / 100, o = logit(x, d), pTheta = Math.exp(logNormal(x, d, S));
    value -= (Math.exp(logNormal(x, 0, SIGMA)) * softplus(-o) + pTheta * softplus(o)) / 100;
    saturating -= (pTheta * ((x - d) / S ** 2) * softplus(o)) / 100;
  }
  const spread = SIGMA - S, ratio = d / spread, inside = erf(ratio / Math.SQRT2);
  const w1 = spread * Math.sqrt(2 / Math.PI) * Math.exp((-ratio * ratio) / 2) + d * inside;
  const nonsaturating = d / SIGMA ** 2 - saturating;
  return { value, js: Math.LN2 + value / 2, w1, saturating, nonsaturating, critic: inside };
}

// --- the picture --------------------------------------------------------------------------------------------------

const FROM = -3, TO = 10, BASE = 132, PLOT = 104;  // the x-axis, and its place; D = 1, or a density of 1, has PLOT pixels
const STEPS = 194, ROW = 34;  // the words of the first step, and from one to the next
const LOW = 310, FAR = 368, THICK = 12, HEIGHT = 402;  // the two bars
const LABEL = "Densities of the data and of a generator, the best discriminator D*, arrows for one step on each of three losses,"
  + " and bars for JS and W₁ · 数据与生成器的密度、最优判别器 D*；表示三种损失各走一步的箭头；以及表示 JS 与 W₁ 的条形";

const text = (x, y, anchor, ...words) => svg("text", { x, y, "text-anchor": anchor }, ...words);
const line = (name, x1, y1, x2, y2) => svg("line", { class: name, x1, y1, x2, y2 });
const place = (width) => (x) => ((x - FROM) * width) / (TO - FROM);
const height = (value) => BASE - PLOT * value;
const corners = (points) => points.map((point) => point.join(",")).join(" ");

/** p with a subscript, in a drawing. */
const law = (index) => ["p", svg("tspan", { dy: 3, "font-size": "9.5px" }, index), svg("tspan", { dy: -3 }, "(x)")];

/** Words in both languages, in a drawing. */
const told = (en, zh) => both(en, zh).map((part) =>
  svg("tspan", part.lang ? { lang: part.lang } : { class: part.className }, part.textContent));

const number = (quantity, value) =>
  svg("tspan", { class: "ex-number", "data-quantity": quantity, "data-value": value }, digits(value, 3));

function densities(d, width) {
  const x = place(width);
  const curve = (f) => Array.from({ length: width + 1 }, (_, i) =>
    `${i},${height(f(FROM + (i * (TO - FROM)) / width)).toFixed(1)}`).join(" ");
  const bell = (mean, sd) => curve((x) => Math.exp(logNormal(x, mean, sd)));
  const laws = { "ex-p": bell(0, SIGMA), "ex-q": bell(d, S) };
  const names = [["ex-p", 222, law("data")], ["ex-q", 136, law("θ")], ["ex-typical", 64, ["D*(x)"]]];
  return [
    ...names.flatMap(([name, left, words]) =>
      [line(name, width - left, 8, width - left + 20, 8), text(width - left + 24, 12, "start", ...words)]),
    ...Object.entries(laws).flatMap(([name, points]) =>
      [svg("polygon", { class: `${name} ex-area`, points }), svg("polyline", { class: name, points })]),
    line("ex-prior", 0, height(0.5), width, height(0.5)),
    text(width, height(0.5) - 4, "end", "1/2"), text(width, height(1) - 4, "end", "1"),
    svg("polyline", { class: "ex-typical", points: curve((x) => 1 / (1 + Math.exp(-logit(x, d)))) }),
    line("ex-axis", 0, BASE, width, BASE),
    ...[-2, 0, 2, 4, 6, 8].map((value) => text(x(value), BASE + 18, "middle", digits(value, 0))),
    text(width - 2, BASE - 6, "end", "x"),
    line("ex-q", x(d), BASE, x(d), height(Math.exp(logNormal(0, 0, S)))),
    svg("circle", { class: "ex-handle", cx: x(d), cy: BASE, r: 7 }),
  ];
}

/** What a step of descent of length 1 on a loss does to d: an arrow on the x-axis of the densities. */
function step(name, words, symbol, slope, d, y, width) {
  const x = place(width), from = x(d), to = x(d - slope), neck = Math.min(from, to + 9);
  return [text(0, y, "start", ...words), text(width, y, "end", `${symbol} = `, number(name, slope)),
    line("ex-prior", x(0), y + 4, x(0), y + 18),
    svg("polygon", { class: "ex-bar", fill: "var(--ex-q)", points: corners([[to, y + 11], [neck, y + 4], [neck, y + 8],
      [from, y + 8], [from, y + 14], [neck, y + 14], [neck, y + 18]]) })];
}

function steps(of, d, width) {
  const y = (i) => STEPS + i * ROW;
  return [
    text(0, STEPS - 20, "start", ...told("Descent step, η = 1", "下降一步，η = 1")),
    ...step("saturating", told("saturating", "饱和"), "2 JS′", of.saturating, d, y(0), width),
    ...step("nonsaturating", told("non-saturating", "非饱和"), "(KL − 2 JS)′", of.nonsaturating, d, y(1), width),
    ...step("critic", told("critic", "评判器"), "W₁′", of.critic, d, y(2), width),
  ];
}

function bar(value, y, end, width) {
  const right = (value * width) / end;
  return [svg("polygon", { class: "ex-bar", fill: "color-mix(in srgb, currentcolor 30%, transparent)",
    points: corners([[0, y], [right, y], [right, y + THICK], [0, y + THICK]]) }),
  line("ex-axis", 0, y + THICK + 4, width, y + THICK + 4)];
}

function bars(of, width) {
  const under = (y) => y + THICK + 19;
  return [
    text(0, LOW - 5, "start", "V(D*, G) = ", number("value", of.value), " nat"),
    text(width, LOW - 5, "end", "JS = ", number("js", of.js), " nat"),
    ...bar(of.js, LOW, Math.LN2, width),
    text(0, under(LOW), "start", "V = −log 4, JS = 0"), text(width, under(LOW), "end", "V = 0, JS = log 2"),
    text(0, FAR - 5, "start", "W₁ = ", number("w1", of.w1)),
    ...bar(of.w1, FAR, D.max, width),
    ...[0, 2, 4, 6, 8].map((value) => text((value * width) / D.max, under(FAR),
      value === 0 ? "start" : value === D.max ? "end" : "middle", value)),
  ];
}

// --- the words ----------------------------------------------------------------------------------------------------

function sentence(d, { saturating, nonsaturating, critic }) {
  const [weak, strong, far] = [saturating, nonsaturating, critic].map((slope) => digits(slope, 3));
  if (d === 0) {
    return ["The centres agree, and no loss pushes. D* is not 1/2 everywhere, since the widths differ.",
      "两个中心重合，三种损失都不再推动。宽度不同，所以 D* 并非处处为 1/2。"];
  }
  if (nonsaturating < saturating) {
    return [`All push to the left, towards the data. This near, the non-saturating loss pushes least, by ${strong}.`,
      `三者都向左推，推向数据。离得这么近时，非饱和损失推得最弱，为 ${strong}。`];
  }
  return saturating < 0.02
    ? [`D* is almost perfect: the push of the saturating loss has all but gone, ${weak}. That of the non-saturating one is`
      + ` ${strong}, that of W₁ ${far}.`,
      `D* 近乎完美：饱和损失的推力几乎消失，为 ${weak}；非饱和损失的为 ${strong}，W₁ 的为 ${far}。`]
    : [`All push to the left, towards the data: the saturating loss by ${weak}, the non-saturating one by ${strong},`
      + ` W₁ by ${far}.`,
      `三者都向左推，推向数据：饱和损失推 ${weak}，非饱和损失推 ${strong}，W₁ 推 ${far}。`];
}

// --- the figure ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const life = new AbortController(), { signal } = life, words = summary();
  let of;
  const draw = (d, width) => [...densities(d, width), ...steps(of, d, width), ...bars(of, width)];
  const picture = stage(HEIGHT, LABEL, (width) => draw(model.get("d"), width), signal);
  watch(model, ["d"], () => {
    of = play(model.get("d"));
    picture.redraw();
    words.say(...sentence(model.get("d"), of));
  }, signal);
  drag(picture.root, (x, y, width) => {
    const start = model.get("d");
    return y > BASE + 24 ? null : (dx) => put(model, { d: snap(start + (dx * (TO - FROM)) / width, D) });
  });
  el.append(frame(model, signal,
    picture.root,
    tag("div", { class: "ex-sliders ex-single" }, slider(model, "d", D, signal),
      tag("div", { class: "ex-buttons" },
        button(["Far away", "拉远"], () => put(model, { d: AWAY })),
        button(["Reset", "重置"], () => put(model, { d: START })))),
    ...words.parts));
  return () => life.abort();
}

export default { render };
