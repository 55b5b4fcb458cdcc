// Which earlier pixels the conditional of one pixel can look at: a stack of masked convolutions, or the gated pair.
// `gmlib.explore.reached` gives the same grids in Python.
import { both, button, choice, frame, point, press, put, slider, stage, summary, svg, tag, watch } from "./kit.js";

const SIDE = 9, HALF = SIDE / 2, REACH = [HALF, HALF], NAMES = ["pixel", "kernel", "layers", "stacks"];
const LAYERS = { symbol: "L", min: 1, max: 8, step: 1, places: 0, label: ["layers", "层数"] };
const PIXEL = [{ min: 0, max: SIDE - 1, step: 1 }, { min: 0, max: SIDE - 1, step: 1 }];  // column, row
const KERNEL = { label: ["Kernel", "卷积核"], options: { 3: "3 × 3", 5: "5 × 5", 7: "7 × 7" } };
const STACKS = { label: ["Stacks", "栈"], options: { one: ["one, masked", "单栈，掩码"], two: ["two, gated", "双栈，门控"] } };

// --- the numbers --------------------------------------------------------------------------------------------------

/** Whether an earlier pixel is seen that lies some rows above the chosen one, and some columns to the right of it. */
function isSeen(rows, columns, half, layers, stacks) {
  const all = half * layers;  // how far all layers reach together
  if (rows === 0) return columns >= -all;
  if (stacks === "two") return rows <= all + 1 && Math.abs(columns) <= all;  // the vertical stack is moved down by one row
  return rows <= all && columns >= -all && columns <= half * Math.min(rows, layers);  // to the right only where it goes up
}

const KINDS = ["later", "seen", "unseen"];  // the first of the chosen pixel too

/** The kind of each pixel in raster order. */
function gridOf({ pixel: [column, row], kernel, layers, stacks }) {
  const half = (Number(kernel) - 1) / 2, chosen = row * SIDE + column;
  return Array.from({ length: SIDE * SIDE }, (_, i) => {
    if (i >= chosen) return "later";
    return isSeen(row - Math.floor(i / SIDE), (i % SIDE) - column, half, layers, stacks) ? "seen" : "unseen";
  });
}

const count = (grid, kind) => grid.filter((each) => each === kind).length;

// --- the picture --------------------------------------------------------------------------------------------------

const LABEL = "A 9 by 9 image: the chosen pixel, earlier pixels that it sees, and earlier pixels that it does not"
  + " · 9 × 9 的图像：所选的像素，它看得见的在前像素，以及看不见的在前像素";

/** A square of a kind; what is not seen has a cross. */
function cell(kind, x, y, unit) {
  const [a, b] = [0.3 * unit, 0.4 * unit], cross = `M${x + a},${y + a}l${b},${b}m0,${-b}l${-b},${b}`;
  return [svg("rect", { class: `ex-cell ex-${kind}`, x, y, width: unit, height: unit }),
    ...(kind === "unseen" ? [svg("path", { class: "ex-missed", d: cross })] : [])];
}

const picture = (grid, unit) => grid.flatMap((kind, i) => cell(kind, (i % SIDE) * unit, Math.floor(i / SIDE) * unit, unit));

// --- the words ----------------------------------------------------------------------------------------------------

function sentence(now) {
  const grid = gridOf(now), [seen, unseen] = [count(grid, "seen"), count(grid, "unseen")], before = seen + unseen;
  if (!before) return ["The first pixel has none before it: it depends on nothing.", "第一个像素之前没有像素：它不依赖任何像素。"];
  const [en, zh] = [`It sees ${seen} of the ${before} pixel${before > 1 ? "s" : ""} before it`, `之前有 ${before} 个像素，看得见 ${seen} 个`];
  if (!unseen) return [`${en}: all.`, `${zh}：全部。`];
  const blind = count(gridOf({ ...now, layers: LAYERS.max }), "unseen"), far = unseen - blind;  // 8 layers do what any number can
  const [why, reason] = !blind ? [", which more layers would show.", "，层数再多些就能看见。"]
    : !far ? [": the blind spot, where more layers do not help.", "：这就是盲区，层数再多也没有用。"]
      : [`; more layers would show ${far} of them, but never the blind spot of ${blind}.`,
        `；层数再多些，能看见其中 ${far} 个，但盲区的 ${blind} 个永远看不见。`];
  return [`${en} and misses ${unseen}${why}`, `${zh}，看不见 ${unseen} 个${reason}`];
}

// --- the figure ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const life = new AbortController(), { signal } = life, words = summary();
  const state = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)])), start = state();
  const numbers = KINDS.map((kind) => tag("span", { class: "ex-number", "data-quantity": kind }));
  const drawing = stage((width) => width, LABEL, (width) => picture(gridOf(state()), width / SIDE), signal);
  watch(model, NAMES, () => {
    const grid = gridOf(state());
    numbers.forEach((each, i) => { each.dataset.value = each.textContent = count(grid, KINDS[i]) - (i ? 0 : 1); });
    drawing.redraw();
    words.say(...sentence(state()));
  }, signal);
  press(drawing.root, model, "pixel", REACH, PIXEL, ([x, y]) => [x + HALF - 0.5, HALF - 0.5 - y]);
  const chosen = point(model, "pixel", REACH, signal, { kind: "ex-chosen", glyph: "", symbol: "(c, r)", limits: PIXEL,
    places: 0, scale: [1, -1], at: ([column, row]) => [column + 0.5 - HALF, HALF - 0.5 - row], label: "pixel · 像素" });
  const told = (kind, en, zh, ...number) => tag("li", {},
    svg("svg", { class: "ex-stage", width: 20, height: 20, viewBox: "-2 -2 20 20", "aria-hidden": "true" }, ...cell(kind, 0, 0, 16)),
    tag("span", {}, ...both(en, zh), ...number));
  el.append(frame(model, signal,
    tag("div", { class: "ex-beside ex-reach" },
      tag("div", { class: "ex-plane ex-square" }, drawing.root, chosen),
      tag("div", { class: "ex-readings" },
        choice(model, "kernel", KERNEL, signal),
        choice(model, "stacks", STACKS, signal),
        slider(model, "layers", LAYERS, signal),
        tag("div", { class: "ex-buttons" }, button(["Reset", "重置"], () => put(model, start))),
        tag("ul", { class: "ex-key" }, told("self", "the pixel", "所选像素"), told("seen", "seen", "看得见", ": ", numbers[1]),
          told("unseen", "unseen", "看不见", ": ", numbers[2]), told("later", "later", "在后", ": ", numbers[0])))),
    ...words.parts));
  return () => life.abort();
}

export default { render };
