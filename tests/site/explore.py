"""An explorable figure alone or on its page: what it shows, and a reader's mouse, finger and keys on it."""
from __future__ import annotations

from contextlib import contextmanager

PHONE = dict(width=390, has_touch=True, is_mobile=True)
# every number of the figure and how it is written
NUMBERS = """(el) => Object.fromEntries([...(el ?? document.querySelector(".explore")).querySelectorAll("[data-quantity]")]
  .map((e) => [e.dataset.quantity, [Number(e.dataset.value), e.textContent]]))"""
WORDS = """(el) => [...(el ?? document.querySelector(".explore")).querySelectorAll(".ex-summary > span")]
  .map((e) => e.textContent)"""
# the figure from one text, as a notebook has it: what `read` finds in some states, and how many listen before and after
SHOW = """async ([source, states, read]) => {
  const { default: figure } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const el = document.body.appendChild(document.createElement("div")), actions = {}, find = eval(read);
  const model = { state: { ...states[0] }, heard: 0, get: (name) => model.state[name], save_changes: () => {},
    on: (event, action) => { (actions[event] ??= []).push(action); model.heard++; }, off: () => { model.heard--; },
    set: (name, value) => { model.state[name] = value; for (const action of actions[`change:${name}`] ?? []) action(); } };
  el.style.width = "700px";
  const leave = figure.render({ model, el });
  await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
  const found = states.map((state) => {
    Object.assign(model.state, state);  // all at once: what lies between two states may be none
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    return find(el);
  });
  const { heard } = model;
  leave();
  el.remove();
  return [found, heard, model.heard];
}"""


@contextmanager
def alone(chromium, site, figure):
    """A page with nothing but a figure, of the class `figure`: a function of states, which gives what is read in each."""
    page = chromium.new_page()
    page.goto(site.url("book/references.html"))
    page.add_style_tag(content=figure._css)

    def shown(states: list[dict], source: str = figure._esm, read: str = NUMBERS) -> list:
        found, heard, left = page.evaluate(SHOW, [source, states, read])
        assert heard > 0 == left  # nothing listens once the cell is gone
        return found

    yield shown
    page.close()


def show_figure(tab, url: str, ready: str, stage: str = ".ex-stage"):
    """Open a page, and bring its figure into view once what `ready` selects is there."""
    tab.open(url)
    tab.page.locator(f".explore {ready}").first.wait_for(state="attached")
    tab.page.locator(stage).scroll_into_view_if_needed()
    return tab


# --- hands ------------------------------------------------------------------------------------------------------------

def middle(locator) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(tab, start: tuple[float, float], dx: float, dy: float) -> None:
    """Press the mouse, draw it some pixels, let go; and go back, which nothing may follow any more."""
    x, y = start
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    for step in range(1, 6):
        tab.page.mouse.move(x + step / 5 * dx, y + step / 5 * dy)
    tab.page.mouse.up()
    tab.page.mouse.move(x, y)


def swipe(tab, start: tuple[float, float], dx: float, dy: float = 0) -> None:
    """Draw a finger some pixels over the screen."""
    (x, y), send = start, tab.page.context.new_cdp_session(tab.page).send
    for step in range(11):
        points = [{"x": x + dx * step / 10, "y": y + dy * step / 10}]
        send("Input.dispatchTouchEvent", {"type": "touchMove" if step else "touchStart", "touchPoints": points})
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def beside(point: tuple[float, float]) -> tuple[float, float]:
    """Where a finger may come down: it is wide, so beside a handle will do."""
    return point[0] + 8, point[1] - 8


def press(tab, *keys: str) -> None:
    for key in keys:
        tab.page.keyboard.press(key)


def has_ring(tab) -> bool:
    """Whether one sees what has the focus."""
    return tab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def keeps_keys(tab) -> list[bool]:
    """Of each control, whether JupyterLab leaves it the keys: its shortcuts skip an element with this attribute."""
    return tab.page.locator(".explore :is(button, input, [role=slider])").evaluate_all(
        "(all) => all.map((e) => e.dataset.lmSuppressShortcuts === 'true')")


# --- words, place and looks -------------------------------------------------------------------------------------------

# which words of the drawing stick out of it, and which two lie over one another
OVERLAPS = """(top) => {
  const svg = document.querySelector(".ex-stage:has(text)"), stage = svg.getBoundingClientRect(), found = [];
  const boxes = [...svg.querySelectorAll("text")].map((e) => [e.textContent, e.getBoundingClientRect()]);
  boxes.forEach(([words, a], i) => {
    if (a.left < stage.left - 1 || a.right > stage.right + 1) found.push(words);
    for (const [others, b] of boxes.slice(i + 1)) {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - top && b.top < a.bottom - top) found.push([words, others]);
    }
  });
  return found;
}"""
# the height that the page keeps, that of the figure, and the smallest side of a control
PLACE = """() => [parseFloat(getComputedStyle(document.querySelector(".explore > div")).minHeight),
  document.querySelector(".ex").getBoundingClientRect().height,
  Math.min(...[...document.querySelectorAll(".ex :is(button, label, input[type=range], [role=slider])")]
    .map((e) => Math.min(e.offsetWidth, e.offsetHeight)))]"""
# the contrast of the page with each line and each area, {selector: property}
CONTRAST = """(parts) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = light(getComputedStyle(document.body).backgroundColor);
  const against = (line) => (Math.max(line, page) + 0.05) / (Math.min(line, page) + 0.05);
  return Object.fromEntries(Object.entries(parts).map(([name, property]) =>
    [name, against(light(getComputedStyle(document.querySelector(`.ex-stage ${name}`))[property]))]));
}"""


def speak(tab, language: str) -> None:
    tab.page.click(f'.bi-switch button[value="{language}"]')


def chinese(words: str) -> bool:
    return any("\u4e00" <= c <= "\u9fff" for c in words)


def told(tab) -> tuple[str, ...]:
    """The sentence in both languages."""
    return tuple(words.replace("\u00a0", " ") for words in tab.page.evaluate(WORDS))


def seen_words(tab) -> str:
    """All that is written in the figure in the language shown."""
    inside = tab.page.locator(".explore tspan").all()
    return tab.page.locator(".explore .ex").inner_text() + "".join(e.text_content() for e in inside if e.is_visible())


def is_silent(tab) -> bool:
    """Whether the region that a screen reader reads out has said nothing yet."""
    region = tab.page.locator(".explore .ex-heard")
    return region.get_attribute("aria-live") == "polite" and region.inner_text() == ""


def wait_until_heard(tab, beginning: str) -> None:
    tab.page.wait_for_function("(words) => document.querySelector('.ex-heard').textContent.startsWith(words)", arg=beginning)


def no_sideways(tab, width: int) -> bool:
    return tab.page.evaluate("document.documentElement.scrollWidth") <= width


def has_picture_on_paper(visit, site, opened, page: str) -> bool:
    """Whether the picture stands where no script runs, and takes the figure's place on paper."""
    tab = visit(site, java_script_enabled=False)
    tab.page.goto(site.url(page))
    still = tab.page.locator(".explore img").bounding_box()["height"] > 300 and tab.page.locator(".ex").count() == 0
    tab = opened()
    tab.page.emulate_media(media="print")
    return still and tab.page.locator(".explore img").is_visible() and not tab.page.locator(".explore .ex").is_visible()
