// Which earlier pixels the conditional of one pixel can look at: a stack of masked convolutions, or the gated pair.
// `gmlib.explore.reached` gives the same grids in Python.
import { both, button, choice, frame, point, put, slider, stage, summary, svg, tag, watch } from "./kit.js";

const SIDE = 9, HALF = SIDE / 2, REACH = [HALF, HALF];
const START = { pixel: [2, 4], kernel: "3", layers: 4, stacks: "one" };
const LAYERS = { symbol: "L", min: 1, max: 8, step: 1, places: 0, label: ["layers", "层数"] };
const PIXEL = [{ min: 0, max: SIDE - 1, step: 1 }, { min: 0, max: SIDE - 1, step: 1 }];
const KERNEL = { label: ["Kernel", "卷积核"], options: Object.fromEntries(["3", "5", "7"].map((k) => [k, [`${k} × ${k}`, `${k} × ${k}`]])) };
const STACKS = { label: ["Stacks", "栈"], options: { one: ["one, masked", "一个，掩码"], two: ["two, gated", "两个，门控"] } };

// --- the numbers --------------------------------------------------------------------------------------------------

/** Whether the pixel d rows below and e columns to the right of another one (both counted from it) looks at it. */
function looks(rows, columns, half, layers, stacks) {  // rows up, columns to the right of the chosen pixel
  const all = half * layers;  // how far all layers reach together
  if (rows === 0) return columns < 0 && columns >= -all;
  if (stacks === "two") return rows <= all + 1 && Math.abs(columns) <= all;  // the vertical stack is moved down by one row
  return rows <= all && columns >= -all && columns <= half * Math.min(rows, layers);  // to the right only in steps that go up
}

/** By raster order: 0 later or the pixel itself, 1 seen, 2 before but unseen. */
function gridOf({ pixel: [column, row], kernel, layers, stacks }) {
  const half = (Number(kernel) - 1) / 2, chosen = row * SIDE + column;
  return Array.from({ length: SIDE * SIDE }, (_, i) => {
    if (i >= chosen) return 0;
    return looks(row - Math.floor(i / SIDE), (i % SIDE) - column, half, layers, stacks) ? 1 : 2;
  });
}

// --- the picture --------------------------------------------------------------------------------------------------

const LABEL = "A 9 by 9 image: the chosen pixel, earlier pixels that it sees, and earlier pixels that it does not"
  + " · 9 × 9 的图像：所选的像素，它看得见的在前像素，以及看不见的在前像素";

function picture(grid, width) {
  const unit = width / SIDE, at = (i) => [(i % SIDE) * unit, Math.floor(i / SIDE) * unit];
  return grid.flatMap((kind, i) => {
    const [x, y] = at(i), inset = unit * 0.3;
    const cell = svg("rect", { class: `ex-cell ex-${["later", "seen", "unseen"][kind]}`, x, y, width: unit, height: unit });
    return kind < 2 ? [cell] : [cell, svg("path", { class: "ex-missed",
      d: `M${x + inset},${y + inset}l${unit - 2 * inset},${unit - 2 * inset}m0,${2 * inset - unit}l${2 * inset - unit},${unit - 2 * inset}` })];
  });
}

// --- the words ----------------------------------------------------------------------------------------------------

function sentence({ pixel: [column, row], stacks, kernel, layers }, seen, unseen) {
  const before = row * SIDE + column;
  if (before === 0) return ["The first pixel has nothing before it: its law is unconditional.", "第一个像素之前什么也没有：它的分布不带条件。"];
  const counts = [`Of ${before} earlier pixels it sees ${seen}`, `之前有 ${before} 个像素，看得见 ${seen} 个`];
  if (unseen === 0) return [`${counts[0]}: all.`, `${counts[1]}，即全部。`];
  const half = (Number(kernel) - 1) / 2;
  const why = stacks === "two" || half * layers < SIDE - 1
    ? ["More layers would reach further.", "层数再多，会看得更远。"]
    : ["This is the blind spot: more layers do not help.", "这就是盲区：层数再多也没有用。"];
  return [`${counts[0]} and misses ${unseen}. ${why[0]}`, `${counts[1]}，看不见 ${unseen} 个。${why[1]}`];
}

// --- the figure ---------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const life = new AbortController(), { signal } = life, words = summary();
  const state = () => Object.fromEntries(Object.keys(START).map((name) => [name, model.get(name)]));
  const numbers = ["before", "seen", "unseen"].map((name) => tag("span", { class: "ex-number", "data-quantity": name }));
  const drawing = stage((width) => width, LABEL, (width) => picture(gridOf(state()), width), signal);
  watch(model, Object.keys(START), () => {
    const now = state(), grid = gridOf(now), count = (kind) => grid.filter((each) => each === kind).length;
    const [seen, unseen] = [count(1), count(2)];
    [seen + unseen, seen, unseen].forEach((value, i) => { [numbers[i].dataset.value, numbers[i].textContent] = [value, String(value)]; });
    drawing.redraw();
    words.say(...sentence(now, seen, unseen));
  }, signal);
  const chosen = { kind: "ex-chosen", glyph: "", symbol: "(c, r)", limits: PIXEL, scale: [1, -1],
    at: ([column, row]) => [column + 0.5 - HALF, HALF - row - 0.5], label: "pixel · 像素" };
  drawing.root.addEventListener("click", ({ clientX, clientY }) => {
    const box = drawing.root.getBoundingClientRect(), cell = (at) => Math.min(SIDE - 1, Math.max(0, Math.floor((at * SIDE) / box.width)));
    put(model, { pixel: [cell(clientX - box.left), cell(clientY - box.top)] });
  });
  const row = (name, en, zh, number) => tag("li", {},
    svg("svg", { class: "ex-stage", width: 24, height: 16, "aria-hidden": "true" },
      svg("rect", { class: `ex-cell ex-${name}`, x: 4, y: 0, width: 16, height: 16 }),
      ...(name === "unseen" ? [svg("path", { class: "ex-missed", d: "M8,4l8,8m0,-8l-8,8" })] : [])),
    tag("span", {}, ...both(en, zh), " ", number));
  el.append(frame(model, signal,
    tag("div", { class: "ex-beside ex-square ex-reach" },
      tag("div", { class: "ex-plane" }, drawing.root, point(model, "pixel", REACH, signal, chosen)),
      tag("div", { class: "ex-readings" },
        choice(model, "kernel", KERNEL, signal),
        slider(model, "layers", LAYERS, signal),
        choice(model, "stacks", STACKS, signal),
        tag("ul", { class: "ex-key" }, row("seen", "seen:", "看得见：", numbers[1]), row("unseen", "before, unseen:", "在前而看不见：", numbers[2])),
        tag("div", {}, ...both("before in all:", "在前的共有："), " ", numbers[0]),
        tag("div", { class: "ex-buttons" }, button(["Reset", "重置"], () => put(model, START))))),
    ...words.parts));
  return () => life.abort();
}

export default { render };
