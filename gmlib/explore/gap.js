// The gap between the evidence lower bound and log p(x), for a Gaussian q that the reader drags over a posterior.
// `gmlib.explore.bars` gives the same numbers in Python.
import { button, choice, digits, drag, frame, put, slider, snap, stage, summary, svg, tag, watch } from "./kit.js";

const PRIOR = { mu: 0, sigma: 1 };
const MU = { symbol: "μ", min: -3, max: 3, step: 0.05, label: ["centre of q", "q 的中心"] };
const SIGMA = { symbol: "σ", min: 0.1, max: 2, step: 0.05, label: ["width of q", "q 的宽度"] };

// --- the numbers --------------------------------------------------------------------------------------------------

const logNormal = (x, mean, sd) => -0.5 * ((x - mean) / sd) ** 2 - Math.log(sd) - 0.5 * Math.log(2 * Math.PI);

/** log p(x, z) for the x that was observed, and where the axis of the densities ends. */
const DECODERS = {
  line: { top: 1.4, logJoint: (z) => logNormal(z, 0, 1) + logNormal(1.25, z, 0.75) },
  curve: { top: 2.8, logJoint: (z) => logNormal(z, 0, 1) + logNormal(1, z * z - 1, 0.4) + logNormal(0, z / 2, 0.4) },
};

/** The sum of f over a fixed grid: for a smooth density that vanishes at its ends this is the integral to rounding. */
function integrate(f, reach, n) {
  const step = (2 * reach) / n;
  let sum = 0;
  for (let i = 0; i <= n; i++) sum += f(-reach + i * step);
  return sum * step;
}

for (const decoder of Object.values(DECODERS)) {
  decoder.logEvidence = Math.log(integrate((z) => Math.exp(decoder.logJoint(z)), 8, 3200)); // eq-vae-evidence
}

function bars({ logJoint, logEvidence }, mu, sigma) {
  const mean = (f) => integrate((t) => {  // of f(z, log q(z)) for z = mu + sigma t, t standard normal
    const logT = logNormal(t, 0, 1);
    return Math.exp(logT) * f(mu + sigma * t, logT - Math.log(sigma));
  }, 9, 360);
  const elbo = mean((z, logQ) => logJoint(z) - logQ); // eq-vae-elbo
  const gap = mean((z, logQ) => logQ - (logJoint(z) - logEvidence)); // eq-vae-elbo-gap
  return { logEvidence, elbo, gap };
}

/** The Gaussian with the highest bound: a coarse grid, then ever smaller steps. Of two equally good, the nearer one. */
function best(decoder, near) {
  let at = null, highest = -Infinity;
  const better = (q, by) => {
    const { elbo } = bars(decoder, q[0], Math.exp(q[1]));
    if (elbo <= highest + by) return false;
    [at, highest] = [q, elbo];
    return true;
  };
  const centres = Array.from({ length: 25 }, (_, i) => -3 + i / 4);
  centres.sort((a, b) => Math.abs(a - near) - Math.abs(b - near));
  for (const mu of centres) for (let logSigma = -2.2; logSigma < 0.7; logSigma += 0.2) better([mu, logSigma], 1e-9);
  for (let step = 0.2; step > 1e-8;) {
    const [mu, logSigma] = at;
    const moves = [[mu + step, logSigma], [mu - step, logSigma], [mu, logSigma + step], [mu, logSigma - step]];
    if (!moves.some((q) => better(q, 0))) step /= 2;
  }
  return { mu: at[0], sigma: Math.exp(at[1]) };
}

// --- the picture --------------------------------------------------------------------------------------------------

const REACH = 3.5, BASE = 176, PLOT = 150;  // the z-axis ends at ±REACH and stands at BASE; densities have PLOT pixels
const FIRST = 226, ROW = 36, THICK = 14, FLOOR = -12;  // bars, and the lowest value in nats that still shows
const END = FIRST + 3 * ROW - 4, HEIGHT = END + 18;
const KL = "KL(q ‖ p(z | x))", LOG_P = "log p(x)";
const LABEL = "A posterior over z, a Gaussian q over it, and bars for log p(x), the ELBO and their difference"
  + " · z 的后验，叠在其上的高斯分布 q，以及表示 log p(x)、ELBO 与二者之差的条形";

/** Where z and a density stand in a picture of this width. */
const axes = (width, top) => ({
  unit: width / (2 * REACH),
  x: (z) => ((z + REACH) * width) / (2 * REACH),
  y: (density) => BASE - PLOT * Math.min(1, density / top),
});

const text = (x, y, anchor, ...words) => svg("text", { x, y, "text-anchor": anchor }, ...words);
const line = (name, x1, y1, x2, y2) => svg("line", { class: name, x1, y1, x2, y2 });

/** What can be taken hold of: the centre of q on the axis, its width on both flanks. */
function handles(decoder, mu, sigma, width) {
  const { x, y } = axes(width, decoder.top);
  const flank = (side) => ({ of: "sigma", side, x: x(mu + side * sigma), y: y(Math.exp(logNormal(sigma, 0, sigma))) });
  return [{ of: "mu", x: x(mu), y: BASE }, flank(-1), flank(1)].filter((handle) => handle.x > 0 && handle.x < width);
}

function densities(decoder, mu, sigma, width) {
  const { x, y } = axes(width, decoder.top);
  const zs = Array.from({ length: width + 1 }, (_, i) => (i / width - 0.5) * 2 * REACH);
  const points = (logDensity) => zs.map((z) => `${x(z).toFixed(1)},${y(Math.exp(logDensity(z))).toFixed(1)}`).join(" ");
  const hill = (name, curve) => [
    svg("polygon", { class: `${name} ex-area`, points: `0,${BASE} ${curve} ${width},${BASE}` }),
    svg("polyline", { class: name, points: curve })];
  const key = [["ex-p", "p(z | x)"], ["ex-q", "q(z)"], ["ex-prior", "p(z)"]].flatMap(([name, words], i) =>
    [line(name, 2 + 92 * i, 8, 22 + 92 * i, 8), text(28 + 92 * i, 12, "start", words)]);
  const logQ = (z) => logNormal(z, mu, sigma);
  return [
    ...key,
    ...hill("ex-p", points((z) => decoder.logJoint(z) - decoder.logEvidence)),
    ...hill("ex-q", points(logQ)),
    svg("polyline", { class: "ex-prior", points: points((z) => logNormal(z, 0, 1)) }),
    line("ex-axis", 0, BASE, width, BASE),
    ...[-3, -2, -1, 0, 1, 2, 3].map((z) => text(x(z), BASE + 22, "middle", digits(z, 0))),
    text(width - 2, BASE - 6, "end", "z"),
    line("ex-q", x(mu), BASE, x(mu), y(Math.exp(logQ(mu)))),
    ...handles(decoder, mu, sigma, width).map((h) => svg("circle", { class: "ex-handle", cx: h.x, cy: h.y, r: 7 })),
  ];
}

function rows({ logEvidence, elbo, gap }, width) {
  const x = (nats) => width * (1 - Math.max(nats, FLOOR) / FLOOR);
  const hatch = `ex-${Math.random().toString(36).slice(2)}`;
  const row = (i, name, fill, words, value, from, to) => {
    const y = FIRST + i * ROW, width = Math.max(0, x(to) - x(from));
    const number = { class: "ex-number", "data-quantity": name, "data-value": value };
    return [text(0, y - 5, "start", `${words} = `, svg("tspan", number, digits(value, 3)), " nat"),
      svg("rect", { class: "ex-bar", fill, x: x(from), y, width, height: THICK })];
  };
  return [
    svg("pattern", { id: hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      line("ex-hatch", 0, 0, 0, 6)),
    ...row(0, "evidence", "var(--ex-p)", LOG_P, logEvidence, FLOOR, logEvidence),
    ...row(1, "elbo", "var(--ex-q)", "ELBO", elbo, FLOOR, elbo),
    ...row(2, "gap", `url(#${hatch})`, KL, gap, elbo, logEvidence),
    ...(elbo < FLOOR ? [text(0, FIRST + ROW + 11, "start", "◂")] : []),
    line("ex-level", x(logEvidence), FIRST - 4, x(logEvidence), END),
    line("ex-axis", 0, END, width, END),
    ...[-12, -10, -8, -6, -4, -2, 0].map((nats) =>
      text(x(nats), HEIGHT - 2, nats === FLOOR ? "start" : nats ? "middle" : "end", digits(nats, 0))),
  ];
}

// --- the figure ---------------------------------------------------------------------------------------------------

const unbroken = (words) => words.replaceAll(" ", "\u00a0").replaceAll("|", "|\u2060");  // a line may end after a bar

function sentence(elbo, gap) {
  if (gap < 1e-6) {
    return ["The gap is 0 nats: q is the posterior, and the bound is tight.",
      "差距为 0 奈特：q 就是后验，下界取等号。"];
  }
  const [bound, distance, kl, evidence] = [digits(elbo, 3), digits(gap, 3), unbroken(KL), unbroken(LOG_P)];
  return [`The ELBO is ${bound} nats, ${distance} nats below ${evidence}: this gap is ${kl}.`,
    `ELBO 为 ${bound} 奈特，比 ${evidence} 低 ${distance} 奈特；这一差距就是 ${kl}。`];
}

function render({ model, el }) {
  const life = new AbortController(), { signal } = life;
  const q = () => [DECODERS[model.get("decoder")], model.get("mu"), model.get("sigma")];
  const words = summary();
  const picture = stage(HEIGHT, LABEL, (width) => [...densities(...q(), width), ...rows(bars(...q()), width)], signal);
  watch(model, ["decoder", "mu", "sigma"], () => {
    const { elbo, gap } = bars(...q());
    picture.redraw();
    words.say(...sentence(elbo, gap));
  }, signal);

  drag(picture.root, (px, py, width) => {
    if (py > BASE + 24) return null;
    const [decoder, mu, sigma] = q(), { unit } = axes(width, decoder.top);
    const far = (handle) => Math.hypot(handle.x - px, handle.y - py);
    const [held] = handles(decoder, mu, sigma, width).filter((h) => far(h) < 24).sort((a, b) => far(a) - far(b));
    if (held?.of === "sigma") return (dx) => put(model, { sigma: snap(sigma + (held.side * dx) / unit, SIGMA) });
    return (dx) => put(model, { mu: snap(mu + dx / unit, MU) });
  });

  const decoder = { label: ["Decoder", "解码器"], options: { line: ["line", "直线"], curve: ["curve", "曲线"] } };
  el.append(frame(model, signal,
    choice(model, "decoder", decoder, signal),
    picture.root,
    tag("div", { class: "ex-sliders" }, slider(model, "mu", MU, signal), slider(model, "sigma", SIGMA, signal)),
    tag("div", { class: "ex-buttons" },
      button(["Best Gaussian", "最优高斯分布"], () => put(model, best(q()[0], model.get("mu")))),
      button(["Reset", "重置"], () => put(model, PRIOR))),
    ...words.parts));
  return () => life.abort();
}

export default { render };
