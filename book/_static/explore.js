// Bring the explorable figures of a page to life. Each is the module that a notebook shows as a widget; here a plain
// object stands in for the widget's model, and there is no kernel.

class Model {
  #state;
  #actions = {};

  constructor(state) { this.#state = state; }
  get(name) { return this.#state[name]; }
  set(name, value) {
    if (this.#state[name] === value) return;
    this.#state[name] = value;
    for (const action of [...(this.#actions[`change:${name}`] ?? [])]) action();
  }
  on(event, action) { (this.#actions[event] ??= new Set()).add(action); }
  off(event, action) { this.#actions[event]?.delete(action); }
  save_changes() {}
}

async function wake(place) {
  const { default: figure } = await import(new URL(`explore/${place.dataset.figure}.js`, import.meta.url));
  const el = document.createElement("div");
  figure.render({ model: new Model(JSON.parse(place.dataset.state)), el });
  place.firstElementChild.append(el);
  place.classList.add("alive");
  window.bookLanguage?.relabel(el);
}

document.querySelectorAll(".explore[data-figure]").forEach(wake);
