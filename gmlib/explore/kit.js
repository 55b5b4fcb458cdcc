// What explorable figures are made of: elements in both languages, controls bound to the model, a stage to draw on.
// On the site a figure imports this file; in a notebook `gmlib.explore` puts its text before the figure's own.

/** An element with attributes and children; strings become text. */
export function tag(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for a drawing. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** English and Chinese: the page's switch, or the model's `language` in a notebook, shows one or both. */
export function both(en, zh) {
  const separator = tag("span", { class: "bi-sep" }, "\u00a0· ");
  return [tag("span", { lang: "en" }, en), separator, tag("span", { lang: "zh-Hans" }, zh)];
}

/** A name in one notation, or in both languages. */
const written = (name) => (Array.isArray(name) ? both(...name) : [name]);

/** A number as it is printed: fixed places, a true minus, and no minus before zero. */
export function digits(value, places) {
  const text = value.toFixed(places);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

/** How a probability compares with a number of per cent, and that number: two figures of what is left to 0 or to 1. */
export function percent(p) {
  const rest = Math.min(p, 1 - p);
  if (rest < 1e-6) return p < 0.5 ? ["<", "0.0001%"] : [">", "99.9999%"];
  return ["=", `${(100 * p).toFixed(Math.max(1, Math.floor(-Math.log10(rest)) - 1))}%`];
}

/** Change some values of the model at once, and tell the kernel where there is one. */
export function put(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

/** Call `action` now and whenever one of these values changes, until `signal` says that the figure has gone. */
export function watch(model, names, action, signal) {
  for (const name of names) {
    model.on(`change:${name}`, action);
    signal.addEventListener("abort", () => model.off(`change:${name}`, action));
  }
  action();
}

/** The value on the slider's steps that is nearest. */
export function snap(value, { min, max, step }) {
  const steps = Math.round((value - min) / step);
  return Number(Math.min(max, Math.max(min, min + steps * step)).toFixed(6));
}

/** On what takes the focus: JupyterLab's shortcuts must leave the arrow keys to it. */
const KEYS = { "data-lm-suppress-shortcuts": "true" };

/** A labelled slider for one value of the model. The model may hold what lies between two steps. Where `log` is true, min,
 * max and step are of the value's logarithm to base 10, and the value has three figures. */
export function slider(model, name, { label, symbol, min, max, step, places = 2, log = false }, signal) {
  const input = tag("input", { type: "range", min, max, step, name, ...KEYS });
  const shown = tag("span", { class: "ex-value", "aria-hidden": "true" });
  const value = (at) => (log ? Number((10 ** at).toPrecision(3)) : at);
  input.addEventListener("input", () => put(model, { [name]: value(snap(input.valueAsNumber, { min, max, step })) }));
  watch(model, [name], () => {
    const now = model.get(name);
    input.value = log ? Math.log10(now) : now;
    shown.textContent = `${symbol} = ${log ? now.toPrecision(3) : digits(now, places)}`;
    input.setAttribute("aria-valuetext", shown.textContent);
  }, signal);
  return tag("label", { class: "ex-slider" }, tag("span", {}, ...both(...label)), shown, input);
}

/** Radio buttons for one value of the model: `options` maps each value to its name, in one notation or in both languages. */
export function choice(model, name, { label, options }, signal) {
  const group = `ex-${Math.random().toString(36).slice(2)}`;
  const inputs = Object.keys(options).map((value) => tag("input", { type: "radio", name: group, value, ...KEYS }));
  for (const input of inputs) input.addEventListener("change", () => put(model, { [name]: input.value }));
  watch(model, [name], () => { for (const input of inputs) input.checked = input.value === model.get(name); }, signal);
  return tag("fieldset", { class: "ex-choice" }, tag("legend", {}, ...both(...label)),
    ...inputs.map((input) => tag("label", {}, input, tag("span", {}, ...written(options[input.value])))));
}

export function button(label, action) {
  const element = tag("button", { type: "button", ...KEYS }, ...both(...label));
  element.addEventListener("click", action);
  return element;
}

/** A drawing whose unit is a pixel at every width. `draw(width)` returns its children; call `redraw` after a change.
 * The height is a number, or a function of the width that the style sheet follows. */
export function stage(height, label, draw, signal) {
  const root = svg("svg", { class: "ex-stage", role: "img", "aria-label": label });
  const tall = typeof height === "function" ? height : () => height;
  if (typeof height === "number") root.setAttribute("height", height);
  let width = 0;
  const redraw = () => { if (width) root.replaceChildren(...draw(width)); };
  const observer = new ResizeObserver(() => {
    width = Math.round(root.getBoundingClientRect().width);
    root.setAttribute("viewBox", `0 0 ${width || 1} ${tall(width || 1)}`);
    redraw();
  });
  observer.observe(root);
  signal.addEventListener("abort", () => observer.disconnect());
  return { root, redraw };
}

/** Drag sideways, by mouse, pen or finger: `grab(x, y, width)` returns what to do with the distance, or null. */
export function drag(root, grab) {
  let move = null, start = 0;
  root.addEventListener("pointerdown", (event) => {
    const box = root.getBoundingClientRect();
    move = event.button === 0 ? grab(event.clientX - box.left, event.clientY - box.top, box.width) : null;
    start = event.clientX;
    if (move) root.setPointerCapture(event.pointerId);
  });
  root.addEventListener("pointermove", (event) => move?.(event.clientX - start));
  for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, () => { move = null; });
}

/** A handle for two values of the model at once, over a plane of ±reach: by mouse, pen, finger or the arrow keys (with
 * Shift ten steps). `at(value)` says where it stands; `scale` is how far the values go for one unit of the plane. */
export function point(model, name, reach, signal, spec) {
  const { label, symbol, glyph, kind, limits, at, scale = [1, 1], follows = [], places = 2 } = spec;
  const root = tag("div", { class: `ex-point ${kind}`, role: "slider", tabindex: 0, "aria-label": label, ...KEYS,
    "aria-valuemin": limits[0].min, "aria-valuemax": limits[0].max }, tag("span", {}, glyph));
  const move = (from, by) => put(model, { [name]: from.map((value, d) => snap(value + by[d], limits[d])) });
  let held = null;
  root.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held = { x: event.clientX, y: event.clientY, from: model.get(name) };
    root.setPointerCapture(event.pointerId);
  });
  root.addEventListener("pointermove", (event) => {
    if (!held) return;
    const unit = root.parentElement.clientWidth / (2 * reach[0]);
    move(held.from, [((event.clientX - held.x) / unit) * scale[0], ((held.y - event.clientY) / unit) * scale[1]]);
  });
  for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, () => { held = null; });
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
  root.addEventListener("keydown", (event) => {
    const arrow = arrows[event.key];
    if (!arrow || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const steps = event.shiftKey ? 10 : 1;
    move(model.get(name), arrow.map((to, d) => to * Math.sign(scale[d]) * steps * limits[d].step));
  });
  watch(model, [name, ...follows], () => {
    const value = model.get(name);
    const inside = at(value).map((part, d) => Math.min(reach[d] - 0.5, Math.max(0.5 - reach[d], part)));
    root.style.left = `${50 + (50 * inside[0]) / reach[0]}%`;
    root.style.top = `${50 - (50 * inside[1]) / reach[1]}%`;
    root.setAttribute("aria-valuenow", value[0]);
    root.setAttribute("aria-valuetext", `${symbol} = (${value.map((part) => digits(part, places)).join(", ")})`);
  }, signal);
  return root;
}

/** Put a point of the model where the plane is pressed: `from` makes a value of a place on the plane. */
export function press(root, model, name, reach, limits, from = (place) => place) {
  root.addEventListener("click", ({ clientX, clientY }) => {
    const box = root.getBoundingClientRect(), unit = box.width / (2 * reach[0]);
    const at = [(clientX - box.left) / unit - reach[0], reach[1] - (clientY - box.top) / unit];
    put(model, { [name]: from(at).map((value, d) => snap(value, limits[d])) });
  });
}

/** A sentence in both languages: it is seen at once, and read out when the figure comes to rest. What was read out
 * goes again after a while, lest whoever reads the page by ear meets it twice. */
export function summary(rest = 600, stay = 6000) {
  const [seen, heard] = [0, 1].map(() => both("", "").filter((_, i) => i !== 1));
  const write = (spans, words) => spans.forEach((span, i) => { span.textContent = words[i]; });
  let timer;
  const say = (...words) => {
    const before = seen[0].textContent;
    if (before === words[0]) return;
    write(seen, words);
    clearTimeout(timer);
    if (before) {
      timer = setTimeout(() => {
        write(heard, words);
        timer = setTimeout(() => write(heard, ["", ""]), stay);
      }, rest);
    }
  };
  return { say, parts: [tag("div", { class: "ex-summary" }, ...seen),
    tag("div", { class: "ex-heard", "aria-live": "polite" }, ...heard)] };
}

/** What the lines of a picture mean: their class, and their name in one notation or in both languages. */
export function key(entries) {
  return tag("ul", { class: "ex-key" }, ...entries.map(([name, en, zh]) => tag("li", {},
    svg("svg", { class: "ex-stage", width: 24, height: 10, "aria-hidden": "true" },
      svg("line", { class: name, x1: 0, y1: 5, x2: 24, y2: 5 })),
    tag("span", {}, ...(zh ? both(en, zh) : [en])))));
}

/** A probability as a number and a bar. */
export function meter(symbol, name, colour) {
  const number = tag("span", { class: "ex-number", "data-quantity": name });
  const full = tag("div", { class: "ex-full", style: `background: ${colour}` });
  const show = (p) => {
    full.style.width = `${100 * p}%`;
    number.dataset.value = p;
    number.textContent = percent(p).join(" ");
  };
  return { root: tag("div", {}, tag("div", {}, `${symbol} `, number), tag("div", { class: "ex-track" }, full)), show };
}

/** A value in nats as a cross on an axis, beside the range of all but few: above `least`. */
export function ruler(symbol, [value, least], share, floor, ceiling, step) {
  const left = (nats) => `${(100 * (Math.max(nats, floor) - floor)) / (ceiling - floor)}%`;
  const numbers = [value, least].map((name) => tag("span", { class: "ex-number", "data-quantity": name }));
  const band = tag("div", { class: "ex-band" }), cross = tag("span", { class: "ex-cross" });
  const ticks = [];
  for (let nats = floor; nats <= ceiling; nats += step) {
    ticks.push(tag("span", { style: `left: ${left(nats)}` }, digits(nats, 0)));
  }
  const show = (...values) => {
    values.forEach((nats, i) => { [numbers[i].dataset.value, numbers[i].textContent] = [nats, digits(nats, 2)]; });
    [cross.style.left, band.style.left] = values.map(left);
    cross.textContent = values[0] < floor ? "◂" : "×";
  };
  const words = tag("div", { class: "ex-sides" }, tag("span", {}, `${symbol} = `, numbers[0], " nat"),
    tag("span", {}, `${share}: > `, numbers[1]));
  return { root: tag("div", { class: "ex-log" }, words, tag("div", { class: "ex-ruler" }, band, cross),
    tag("div", { class: "ex-ticks", "aria-hidden": "true" }, ...ticks)), show };
}

/** Where f, of another sign at a than at b, is zero between them: the Illinois method. */
export function root(f, a, b) {
  let fa = f(a), fb = f(b);
  for (let i = 0; i < 80 && Math.abs(fb) > 1e-13; i++) {
    const c = (a * fb - b * fa) / (fb - fa), fc = f(c);
    if (Math.sign(fc) === Math.sign(fb)) fa /= 2; else [a, fa] = [b, fb];
    [b, fb] = [c, fc];
  }
  return b;
}

/** The frame of a figure, which follows the model's `language`. */
export function frame(model, signal, ...children) {
  const root = tag("div", { class: "ex" }, ...children);
  watch(model, ["language"], () => { root.dataset.language = model.get("language") ?? "both"; }, signal);
  return root;
}
