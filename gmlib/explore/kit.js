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

/** A number as it is printed: fixed places, a true minus, and no minus before zero. */
export function digits(value, places) {
  const text = value.toFixed(places);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
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

/** A labelled slider for one value of the model. The model may hold what lies between two steps. */
export function slider(model, name, { label, symbol, min, max, step }, signal) {
  const input = tag("input", { type: "range", min, max, step, name, ...KEYS });
  const shown = tag("span", { class: "ex-value", "aria-hidden": "true" });
  input.addEventListener("input", () => put(model, { [name]: snap(input.valueAsNumber, { min, max, step }) }));
  watch(model, [name], () => {
    input.value = model.get(name);
    shown.textContent = `${symbol} = ${digits(model.get(name), 2)}`;
    input.setAttribute("aria-valuetext", shown.textContent);
  }, signal);
  return tag("label", { class: "ex-slider" }, tag("span", {}, ...both(...label)), shown, input);
}

/** Radio buttons for one value of the model: `options` maps each value to its name in both languages. */
export function choice(model, name, { label, options }, signal) {
  const group = `ex-${Math.random().toString(36).slice(2)}`;
  const inputs = Object.keys(options).map((value) => tag("input", { type: "radio", name: group, value, ...KEYS }));
  for (const input of inputs) input.addEventListener("change", () => put(model, { [name]: input.value }));
  watch(model, [name], () => { for (const input of inputs) input.checked = input.value === model.get(name); }, signal);
  return tag("fieldset", { class: "ex-choice" }, tag("legend", {}, ...both(...label)),
    ...inputs.map((input) => tag("label", {}, input, tag("span", {}, ...both(...options[input.value])))));
}

export function button(label, action) {
  const element = tag("button", { type: "button", ...KEYS }, ...both(...label));
  element.addEventListener("click", action);
  return element;
}

/** A drawing whose unit is a pixel at every width. `draw(width)` returns its children; call `redraw` after a change. */
export function stage(height, label, draw, signal) {
  const root = svg("svg", { class: "ex-stage", role: "img", "aria-label": label, height });
  let width = 0;
  const redraw = () => { if (width) root.replaceChildren(...draw(width)); };
  const observer = new ResizeObserver(() => {
    width = Math.round(root.getBoundingClientRect().width);
    root.setAttribute("viewBox", `0 0 ${width || 1} ${height}`);
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

/** A sentence in both languages that is read out when the figure comes to rest. */
export function summary(wait = 600) {
  const [en, , zh] = both("", "");
  let timer;
  const say = (english, chinese) => {
    const write = () => { en.textContent = english; zh.textContent = chinese; };
    clearTimeout(timer);
    if (en.textContent) timer = setTimeout(write, wait); else write();
  };
  return { root: tag("div", { class: "ex-summary", "aria-live": "polite" }, en, zh), say };
}

/** The frame of a figure, which follows the model's `language`. */
export function frame(model, signal, ...children) {
  const root = tag("div", { class: "ex" }, ...children);
  watch(model, ["language"], () => { root.dataset.language = model.get("language") ?? "both"; }, signal);
  return root;
}
