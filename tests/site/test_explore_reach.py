"""The figure of contexts on a page with no kernel: which pixels it shows as seen, its words, and the reader's hands on it."""
from __future__ import annotations

import json
import re
from functools import cache
from itertools import product

import pytest

from gmlib.autoregressive import gated_context, plain_context
from gmlib.explore import Reach
from tests.explore import reach_oracle as oracle
from tests.site.explore import (
    CONTRAST, NUMBERS, PHONE, PLACE, WORDS, alone, beside, chinese, drag, has_picture_on_paper, has_ring, is_silent,
    keeps_keys, middle, no_sideways, press, seen_words, show_figure, speak, swipe, told, wait_until_heard,
)

pytestmark = pytest.mark.site

PAGE = "book/reach.html"
KINDS = {"later": "0", "seen": "1", "unseen": "2"}
STATES = [dict(pixel=[column, row], kernel=str(kernel), layers=layers, stacks=stacks) for row, column in oracle.PIXELS
          for kernel, layers, stacks in product((3, 5, 7), range(1, 9), ("one", "two"))]  # fmt: skip
SHOWN = STATES[5::173]
# each square of the drawing: kind, left, top, side; each cross: where it begins; where the handle stands, in per
# cent; what each line of the key shows and which number it has
READ = f"""(el) => {{
  const own = el.querySelector(".ex-plane .ex-stage"), handle = el.querySelector(".ex-chosen");
  const all = (query) => [...own.querySelectorAll(query)];
  return [({NUMBERS})(el), ({WORDS})(el), own.viewBox.baseVal.width,
    all("rect").map((e) => [e.className.baseVal.slice(11),
      ...["x", "y", "width", "height"].map((name) => Number(e.getAttribute(name)))]),
    all("path").map((e) => e.getAttribute("d").match(/[\\d.]+/g).slice(0, 2).map(Number)),
    [handle.style.left, handle.style.top].map(parseFloat),
    [...el.querySelectorAll(".ex-key li")].map((e) => [e.querySelector("rect").className.baseVal.slice(11),
      e.querySelector("[data-quantity]")?.dataset.quantity])];
}}"""
# the grid as one text, and the sentence, in all states, without drawing
FORMULAS = """async ([source, states, kinds]) => {  // much is passed as one text: it is faster
  const own = source.replace("export default { render };", "export default { gridOf, sentence };");
  const { default: { gridOf, sentence } } = await import(URL.createObjectURL(new Blob([own], { type: "text/javascript" })));
  return JSON.stringify(JSON.parse(states).map((state) => [gridOf(state).map((kind) => kinds[kind]).join(""), sentence(state)]));
}"""


@pytest.fixture(scope="module")
def show(chromium, sample):
    """A function that gives what the figure shows in some states, from its module with or without a planted error."""
    with alone(chromium, sample, Reach) as shown:
        yield lambda source=Reach._esm, of=SHOWN: shown(of, source, READ)


@pytest.fixture(scope="module")
def formulas(chromium, sample):
    """A function that gives grid and sentence in all states."""
    page = chromium.new_page()
    page.goto(sample.url("book/references.html"))
    yield lambda source=Reach._esm: json.loads(page.evaluate(FORMULAS, [source, json.dumps(STATES), KINDS]))
    page.close()


@pytest.fixture
def opened(visit, sample):
    return lambda **options: show_figure(visit(sample, **options), sample.url(PAGE), "[data-quantity=seen]", ".ex-plane")


def split(state: dict) -> tuple[set, set]:
    column, row = state["pixel"]
    return oracle.split(row, column, int(state["kernel"]), state["layers"], state["stacks"])


@cache
def context(kernel: int, layers: int, stacks: str):
    return (plain_context if stacks == "one" else gated_context)(9, 9, [kernel] * layers)


# --- numbers and words in all states ----------------------------------------------------------------------------------

def grid(state: dict) -> str:
    seen, unseen = split(state)
    return "".join("1" if at in seen else "2" if at in unseen else "0" for at in oracle.PIXELS)


def sentence(state: dict) -> list[str]:
    """What is true: that is, how many of the unseen pixels 20 layers see, and 40 too."""
    seen, unseen = map(len, split(state))
    (column, row), kernel = state["pixel"], int(state["kernel"])
    if seen + unseen == 0:
        return ["The first pixel has none before it: it depends on nothing.", "第一个像素之前没有像素：它不依赖任何像素。"]
    most, still = (context(kernel, layers, state["stacks"])[9 * row + column] for layers in (20, 40))
    assert most.equal(still)
    more = int(most.sum()) - seen
    pixels = "pixel" if seen + unseen == 1 else "pixels"
    en, zh = f"It sees {seen} of the {seen + unseen} {pixels} before it", f"之前有 {seen + unseen} 个像素，看得见 {seen} 个"
    if unseen == 0:
        return [f"{en}: all.", f"{zh}：全部。"]
    en, zh = f"{en} and misses {unseen}", f"{zh}，看不见 {unseen} 个"
    if more == unseen:
        return [f"{en}, which more layers would show.", f"{zh}，层数再多些就能看见。"]
    if more == 0:
        return [f"{en}: the blind spot, where more layers do not help.", f"{zh}：这就是盲区，层数再多也没有用。"]
    return [f"{en}; more layers would show {more} of them, but never the blind spot of {unseen - more}.",
            f"{zh}；层数再多些，能看见其中 {more} 个，但盲区的 {unseen - more} 个永远看不见。"]  # fmt: skip


@pytest.fixture(scope="module")
def exact() -> list:
    return [[grid(state), sentence(state)] for state in STATES]


def test_grids_and_words_are_right_in_all_states(formulas, exact):
    found = formulas()
    assert len(found) == 81 * 48 and found == exact


def test_every_kind_of_sentence_is_said(exact):
    """Both causes act at once too; two stacks miss nothing that more layers would not show."""
    kinds = {"one": set(), "two": set()}
    for state, (_, words) in zip(STATES, exact):
        kinds[state["stacks"]].add(re.sub(r"\d+", "n", words[0]).replace("pixels", "pixel"))
    assert len(kinds["one"]) == 5 and len(kinds["two"]) == 3 and not any("blind" in words for words in kinds["two"])


def test_grids_agree_with_the_library(exact):
    """`gmlib.explore.reached` looks up these tables."""
    for state, (told_grid, _) in zip(STATES, exact):
        column, row = state["pixel"]
        seen = context(int(state["kernel"]), state["layers"], state["stacks"])[9 * row + column]
        assert "".join("1" if v else "0" for v in seen.tolist()) == told_grid.replace("2", "0")


# what stands in the module, once -> what stands there instead
PLANTED = {
    "half": ("(Number(kernel) - 1) / 2", "(Number(kernel) + 1) / 2"),
    "all": ("half * layers;", "half + layers;"),
    "own row": ("return columns >= -all;", "return true;"),
    "moved down": ("rows <= all + 1", "rows <= all"),
    "both sides": ("Math.abs(columns) <= all", "columns >= -all"),
    "up": ("return rows <= all && columns", "return columns"),
    "left": ("&& columns >= -all && columns", "&& columns"),
    "right": ("half * Math.min(rows, layers)", "half * layers"),
    "layers": ("half * Math.min(rows, layers)", "half * rows"),
    "step": ("half * Math.min(rows, layers)", "Math.min(rows, layers)"),
    "before": ("i >= chosen", "i > chosen"),
    "order": ("chosen = row * SIDE + column", "chosen = column * SIDE + row"),
    "mirror": ("(i % SIDE) - column", "column - (i % SIDE)"),
    "more": ("layers: LAYERS.max }", "layers: layers + 1 }"),
    "verdict": ("far = unseen - blind", "far = blind"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_wrong_formula_is_found(formulas, exact, name):
    right, wrong = PLANTED[name]
    assert Reach._esm.count(right) == 1
    wrong = wrong.replace("layers + 1", "now.layers + 1")
    assert formulas(Reach._esm.replace(right, wrong)) != exact


# --- the drawing ------------------------------------------------------------------------------------------------------

def faults(shown: list) -> list[dict]:
    """The states in which a number, a sentence, a square, a cross or the handle is not what and where it should be."""
    found = []
    for state, (numbers, words, width, squares, crosses, handle, key) in zip(SHOWN, shown, strict=True):
        unit, of = width / 9, grid(state)
        counts = {kind: of.count(number) - (kind == "later") for kind, number in KINDS.items()}
        should = [(list(KINDS)[int(of[i])], unit * column, unit * row, unit, unit) for i, (row, column) in enumerate(oracle.PIXELS)]
        missed = [(unit * (column + 0.3), unit * (row + 0.3)) for row, column in sorted(split(state)[1])]
        column, row = state["pixel"]
        right = (numbers == {kind: [count, str(count)] for kind, count in counts.items()} and words == sentence(state)
                 and [square[0] for square in squares] == [kind for kind, *_ in should]
                 and [at for square in squares for at in square[1:]] == pytest.approx([at for _, *place in should for at in place])
                 and [at for cross in crosses for at in cross] == pytest.approx([at for place in missed for at in place])
                 and handle == pytest.approx([100 * (column + 0.5) / 9, 100 * (row + 0.5) / 9], abs=0.01)
                 and key == [["self", None], ["seen", "seen"], ["unseen", "unseen"], ["later", "later"]])  # fmt: skip
        if not right:
            found.append(state)
    return found


def test_drawing_shows_each_pixel_where_it_is(show):
    assert len(SHOWN) > 20
    assert faults(show()) == []


DRAWN = {
    "rows": ("(i % SIDE) * unit, Math.floor(i / SIDE) * unit, unit)", "Math.floor(i / SIDE) * unit, (i % SIDE) * unit, unit)"),
    "cross": ('kind === "unseen" ?', 'kind === "seen" ?'),
    "corner": ("0.3 * unit", "0.2 * unit"),
    "counts": ('["later", "seen", "unseen"]', '["later", "unseen", "seen"]'),
    "itself": ("- (i ? 0 : 1)", ""),
    "handle": ("column + 0.5 - HALF, HALF - 0.5 - row]", "column - HALF, HALF - row]"),
    "names": ('"data-quantity": kind', '"data-quantity": KINDS.at(-1)'),
}


@pytest.mark.parametrize("name", DRAWN)
def test_planted_wrong_drawing_is_found(show, name):
    assert Reach._esm.count(DRAWN[name][0]) == 1
    assert faults(show(Reach._esm.replace(*DRAWN[name])))


# --- words ------------------------------------------------------------------------------------------------------------

def test_the_sentence_is_read_out_at_rest(opened):
    tab = opened()
    assert is_silent(tab)
    assert told(tab)[0] == "It sees 24 of the 38 pixels before it and misses 14: the blind spot, where more layers do not help."
    tab.page.check('.explore input[value="two"]')
    assert told(tab)[0] == "It sees 30 of the 38 pixels before it and misses 8, which more layers would show."
    wait_until_heard(tab, "It sees 30")


def test_every_word_follows_the_page(opened):
    tab = opened()
    for language, words in {"en": ("Kernel", "3 × 3", "Stacks", "one, masked", "two, gated", "layers", "the pixel", "seen: 24",
                                   "unseen: 14", "later: 42", "Reset"),
                            "zh": ("卷积核", "3 × 3", "栈", "单栈，掩码", "双栈，门控", "层数", "所选像素", "看得见: 24", "看不见: 14",
                                   "在后: 42", "重置")}.items():  # fmt: skip
        speak(tab, language)
        seen = seen_words(tab)
        assert all(word in seen for word in words)
        assert chinese(seen) == (language == "zh")
        label = tab.page.locator(".explore .ex-plane .ex-stage").get_attribute("aria-label")
        assert ("pixel" in label, "像素" in label) == (language == "en", language == "zh")
        assert tab.page.locator(".ex-chosen").get_attribute("aria-label") == {"en": "pixel", "zh": "像素"}[language]


# --- hands ------------------------------------------------------------------------------------------------------------

def pixel(tab) -> tuple[int, int]:
    """Column and row, as they are read out."""
    return tuple(map(int, re.findall(r"\d+", tab.page.locator(".ex-chosen").get_attribute("aria-valuetext"))))


def plane(tab) -> tuple[float, float, float]:
    """Left, top and a pixel's side."""
    box = tab.page.locator(".explore .ex-plane .ex-stage").bounding_box()
    return box["x"], box["y"], box["width"] / 9


@pytest.mark.parametrize("by, expected", [((3, 2), (5, 6)), ((-2, -4), (0, 0)), ((0.4, -0.4), (2, 4)), ((0.6, -0.6), (3, 3)),
                                          ((9, 9), (8, 8)), ((-9, -9), (0, 0))])  # fmt: skip
def test_mouse_drags_the_pixel(opened, by, expected):
    tab = opened()
    unit = plane(tab)[2]
    drag(tab, middle(tab.page.locator(".ex-chosen")), by[0] * unit, by[1] * unit)
    assert pixel(tab) == expected and tab.faults == []


def test_a_press_puts_the_pixel_into_the_square(opened):
    tab = opened()
    left, top, unit = plane(tab)
    for column, row in ((0, 0), (8, 8), (3, 7), (6, 1)):
        for part in (0.06, 0.94):
            tab.page.mouse.click(left + (column + part) * unit, top + (row + part) * unit)
            assert pixel(tab) == (column, row)
            counts = {name: value for name, (value, _) in tab.page.evaluate(NUMBERS).items()}
            assert counts["seen"] + counts["unseen"] == 9 * row + column == 80 - counts["later"]
    tab.page.get_by_role("button", name="Reset").click()
    assert pixel(tab) == (2, 4) and tab.faults == []


def test_finger_taps_and_drags(opened):
    tab = opened(**PHONE)
    left, top, unit = plane(tab)
    tab.page.touchscreen.tap(left + 6.5 * unit, top + 3.5 * unit)
    assert pixel(tab) == (6, 3)
    swipe(tab, beside(middle(tab.page.locator(".ex-chosen"))), -3 * unit, 2 * unit)
    assert pixel(tab) == (3, 5) and tab.page.evaluate("scrollX") == 0
    before = tab.page.evaluate("scrollY")
    swipe(tab, (left + 7.5 * unit, top + 7.5 * unit), 0, -150)  # on the grid a finger scrolls
    tab.page.wait_for_function("(before) => scrollY > before + 50", arg=before)
    assert pixel(tab) == (3, 5)


def test_keyboard_reaches_and_moves_everything(opened):
    tab = opened()
    tab.page.locator(".ex-chosen").focus()
    for key, expected in (("ArrowDown", (2, 5)), ("ArrowRight", (3, 5)), ("ArrowUp", (3, 4)), ("ArrowLeft", (2, 4)),
                          ("Shift+ArrowDown", (2, 8)), ("Shift+ArrowRight", (8, 8)), ("ArrowRight", (8, 8))):  # fmt: skip
        press(tab, key)
        assert pixel(tab) == expected and has_ring(tab)
    chosen = tab.page.locator(".ex-chosen")
    assert [chosen.get_attribute(f"aria-value{name}") for name in ("min", "now", "max", "text")] == ["0", "8", "8", "(c, r) = (8, 8)"]
    shown = "[...document.querySelectorAll('.explore input:checked')].map((e) => e.value)"
    press(tab, "Tab", "ArrowRight", "Tab", "ArrowRight")
    assert tab.page.evaluate(shown) == ["5", "two"]
    press(tab, "Tab", "ArrowRight", "ArrowRight")
    assert tab.page.locator('.explore [name="layers"]').get_attribute("aria-valuetext") == "L = 6" and has_ring(tab)
    assert told(tab)[0] == "It sees 80 of the 80 pixels before it: all."
    press(tab, "Tab", "Enter")
    assert pixel(tab) == (2, 4) and tab.page.evaluate(shown) == ["3", "one"] and has_ring(tab)
    assert keeps_keys(tab) == 8 * [True]


# --- place and looks --------------------------------------------------------------------------------------------------

SET = """([name, value]) => { const input = document.querySelector(`.explore [name="${name}"]`);
  input.value = value; input.dispatchEvent(new Event("input")); }"""
# which two controls lie over one another, and which stick out
OVERLAPS = """() => {
  const frame = document.querySelector(".ex").getBoundingClientRect(), found = [];
  const parts = [...document.querySelectorAll(".ex-readings :is(legend, label, button, li), .ex-plane, .ex-summary")];
  const boxes = parts.map((e) => [e.textContent, e.getBoundingClientRect()]);
  boxes.forEach(([words, a], i) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1) found.push(words);
    for (const [others, b] of boxes.slice(i + 1)) {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) found.push([words, others]);
    }
  });
  return found;
}"""


@pytest.mark.parametrize("width, theme", [(1280, "light"), (700, "dark"), (600, "light"), (480, "light"), (390, "dark"),
                                          (360, "light"), (320, "light")])  # fmt: skip
def test_it_keeps_its_place_in_every_language_and_state(opened, exact, width, theme):
    longest = [max(len(words[i]) for _, words in exact) for i in (0, 1)]
    tab = opened(width=width, color_scheme=theme, has_touch=width == 390)
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for layers in (1, 2, 3, 8):
            tab.page.evaluate(SET, ["layers", layers])
            assert list(map(len, told(tab))) == longest or layers != 2
            place, figure, target = tab.page.evaluate(PLACE)
            assert place == pytest.approx(figure, abs=0.5), (language, layers)
            assert target >= 24 and figure < 750
            assert tab.page.evaluate(OVERLAPS) == []
        assert no_sideways(tab, width)
    assert tab.faults == []


PARTS = dict.fromkeys((".ex-seen", ".ex-unseen", ".ex-self"), "fill")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_square_stands_out_from_the_page_and_every_cross_from_its_square(opened, theme):
    tab = opened(color_scheme=theme)
    found = tab.page.evaluate(CONTRAST, PARTS)
    tab.page.evaluate("document.body.style.backgroundColor = getComputedStyle(document.querySelector('.ex-unseen')).fill")
    found |= tab.page.evaluate(CONTRAST, {".ex-missed": "stroke"})
    assert min(found.values()) > 3, found
    assert tab.page.locator(".ex-plane .ex-missed").count() == tab.page.locator(".ex-plane .ex-unseen").count() == 14


def test_paper_and_a_page_without_script_have_the_picture(visit, sample, opened):
    assert has_picture_on_paper(visit, sample, opened, PAGE)
