"""The figure of D* and a generator on a page with no kernel: its numbers and words, and the reader's hands on it."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from gmlib.explore import Duel, best_play
from tests.explore import duel_oracle as oracle

pytestmark = pytest.mark.site

PAGE = "book/duel.html"
NUMBERS = """() => Object.fromEntries([...document.querySelectorAll(".explore [data-quantity]")]
  .map((e) => [e.dataset.quantity, [Number(e.dataset.value), e.textContent]]))"""
SET = """(d) => { const input = document.querySelector('.explore [name="d"]');
  input.value = d; input.dispatchEvent(new Event("input")); }"""
STATES = (0.0, 0.05, 0.3, 0.75, 0.8, 1.5, 3.0, 4.0, 5.0, 6.0, 8.0)
PHONE = dict(width=390, has_touch=True, is_mobile=True)

# the figure from one text, as a notebook has it: what it shows in some states, and how many listen before and after
SHOW = """async ([source, states]) => {
  const { default: figure } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const el = document.body.appendChild(document.createElement("div")), actions = {}, found = [];
  const model = { state: { d: states[0] }, heard: 0, get: (name) => model.state[name], save_changes: () => {},
    on: (event, action) => { (actions[event] ??= []).push(action); model.heard++; }, off: () => { model.heard--; },
    set: (name, value) => { model.state[name] = value; for (const action of actions[`change:${name}`]) action(); } };
  const leave = figure.render({ model, el });
  await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
  for (const state of states) {
    model.set("d", state);
    found.push(Object.fromEntries([...el.querySelectorAll("[data-quantity]")]
      .map((e) => [e.dataset.quantity, [Number(e.dataset.value), e.textContent]])));
  }
  const { heard } = model;
  leave();
  el.remove();
  return [found, heard, model.heard];
}"""


@pytest.fixture(scope="module")
def show(chromium, sample):
    """A function that gives the numbers in all states, from the module with or without a planted error."""
    page = chromium.new_page()
    page.goto(sample.url("book/references.html"))
    page.add_style_tag(content=Duel._css)

    def shown(source=Duel._esm):
        found, heard, left = page.evaluate(SHOW, [source, list(STATES)])
        assert heard > 0 == left  # nothing listens once the cell is gone
        return found

    yield shown
    page.close()


@pytest.fixture
def opened(visit, sample):
    def start(**options):
        tab = visit(sample, **options)
        tab.open(sample.url(PAGE))
        tab.page.locator(".explore [data-quantity=js]").wait_for(state="attached")
        tab.page.locator(".ex-stage").scroll_into_view_if_needed()
        return tab

    return start


def choose(tab, d: float) -> None:
    tab.page.evaluate(SET, d)


def value(tab) -> str:
    return tab.page.get_by_role("slider").get_attribute("aria-valuetext")


# --- numbers ----------------------------------------------------------------------------------------------------------

def faults(shown: list[dict]) -> list[tuple]:
    """Where a number is not that of the quadrature, or of Python, or is not written as it is."""
    found = []
    for d, numbers in zip(STATES, shown, strict=True):
        assert numbers.keys() == set(oracle.NAMES)
        for name, exact, python in zip(oracle.NAMES, oracle.play(d), best_play(d), strict=True):
            number, text = numbers[name]
            told = f"{round(number, 3) + 0.0:.3f}".replace("-", "\N{MINUS SIGN}")
            if not np.allclose(number, [exact, python.item()], rtol=1e-10, atol=1e-10) or text != told:
                found.append((d, name, number, exact, text))
    return found


def test_numbers_agree_with_quadrature_and_with_python(show):
    assert faults(show()) == []


def test_page_shows_what_a_notebook_shows(opened):
    tab, found = opened(), []
    for d in STATES:
        choose(tab, d)
        found.append(tab.page.evaluate(NUMBERS))
    assert faults(found) == tab.faults == []


# what stands in the module, once -> what stands there instead
PLANTED = {
    "logit": ("logNormal(x, 0, SIGMA) - logNormal(x, d, S)", "logNormal(x, d, S) - logNormal(x, 0, SIGMA)"),
    "value": ("* softplus(-o) + pTheta", "* softplus(o) + pTheta"),
    "density": ("+ pTheta * softplus(o)) / 100", "+ softplus(o)) / 100"),
    "score": ("((x - d) / S ** 2)", "((x - d) / S)"),
    "sign": ("saturating -= (pTheta", "saturating += (pTheta"),
    "grid": ("i <= 2200", "i <= 1100"),
    "half": ("Math.LN2 + value / 2", "Math.LN2 + value"),
    "js": ("Math.LN2 + value / 2", "2 * Math.LN2 + value / 2"),
    "kl": ("d / SIGMA ** 2 - saturating", "d / S ** 2 - saturating"),
    "kl - js": ("d / SIGMA ** 2 - saturating", "d / SIGMA ** 2 - saturating / 2"),
    "series": ("(2 * n + 1)", "(2 * n - 1)"),
    "w1": ("+ d * inside;", "+ d;"),
    "critic": ("critic: inside", "critic: 1"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_wrong_formula_is_found(show, name):
    assert Duel._esm.count(PLANTED[name][0]) == 1
    assert faults(show(Duel._esm.replace(*PLANTED[name])))


def points(element) -> np.ndarray:
    return np.array([corner.split(",") for corner in element.get_attribute("points").split()], dtype=float)


@pytest.mark.parametrize("width", [1280, 390])
def test_an_arrow_goes_from_the_generator_to_where_a_step_ends(opened, width):
    """On the x-axis of the densities; and the bars are as long as JS is beside log 2, and W_1 beside 8."""
    tab = opened(width=width)
    stage = round(tab.page.locator(".ex-stage").bounding_box()["width"])
    for d in STATES:
        choose(tab, d)
        *arrows, low, far = (points(one)[:, 0] for one in tab.page.locator(".explore .ex-bar").all())
        _, js, w1, *slopes = oracle.play(d)
        for x, slope in zip(arrows, slopes, strict=True):
            assert (x.max() * 13 / stage - 3, x[0] * 13 / stage - 3) == pytest.approx((d, d - slope), abs=1e-6)
            assert x[0] == x.min()
        assert (low.max(), far.max()) == pytest.approx((js / np.log(2) * stage, w1 / 8 * stage))


def test_curves_stand_where_they_should(opened):
    tab = opened()
    stage = round(tab.page.locator(".ex-stage").bounding_box()["width"])
    for d in STATES:
        choose(tab, d)
        data, ours = norm(0, 0.9), norm(d, 0.5)
        best = {"p": data.pdf, "q": ours.pdf, "typical": lambda x: 1 / (1 + np.exp(ours.logpdf(x) - data.logpdf(x)))}
        for name, exact in best.items():
            x, y = points(tab.page.locator(f".explore polyline.ex-{name}")).T
            np.testing.assert_allclose((132 - y) / 104, exact(x * 13 / stage - 3), atol=0.001)
        handle = tab.page.locator(".explore .ex-handle")
        assert float(handle.get_attribute("cx")) == pytest.approx((d + 3) * stage / 13)


OVERLAPS = """() => {
  const stage = document.querySelector(".ex-stage").getBoundingClientRect(), found = [];
  const boxes = [...document.querySelectorAll(".ex-stage text")].map((e) => [e.textContent, e.getBoundingClientRect()]);
  boxes.forEach(([words, a], i) => {
    if (a.left < stage.left - 1 || a.right > stage.right + 1) found.push(words);
    for (const [others, b] of boxes.slice(i + 1)) {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3) found.push([words, others]);
    }
  });
  return found;
}"""


@pytest.mark.parametrize("width", [1280, 320])
def test_no_words_of_the_drawing_meet(opened, width):
    tab = opened(width=width)
    for language in ("en", "zh", "both"):
        tab.page.click(f'.bi-switch button[value="{language}"]')
        for d in (0.0, 3.0, 8.0):
            choose(tab, d)
            assert tab.page.evaluate(OVERLAPS) == []


# --- words ------------------------------------------------------------------------------------------------------------

SAYS = {
    0.0: ("The centres agree, and no loss pushes. D* is not 1/2 everywhere, since the widths differ.",
          "两个中心重合，三种损失都不再推动。宽度不同，所以 D* 并非处处为 1/2。"),
    0.3: ("All push to the left, towards the data. This near, the non-saturating loss pushes least, by 0.157.",
          "三者都向左推，推向数据。离得这么近时，非饱和损失推得最弱，为 0.157。"),
    3.0: ("All push to the left, towards the data: the saturating loss by 0.151, the non-saturating one by 3.552, W₁ by"
          " 1.000.", "三者都向左推，推向数据：饱和损失推 0.151，非饱和损失推 3.552，W₁ 推 1.000。"),
    6.0: ("D* is almost perfect: the push of the saturating loss has all but gone, 0.000. That of the non-saturating one is"
          " 7.407, that of W₁ 1.000.", "D* 近乎完美：饱和损失的推力几乎消失，为 0.000；非饱和损失的为 7.407，W₁ 的为 1.000。"),
}


def test_the_sentence_says_what_to_notice(opened):
    tab = opened()
    region = tab.page.locator(".explore .ex-heard")
    assert region.get_attribute("aria-live") == "polite" and region.inner_text() == ""
    for d, told in SAYS.items():
        choose(tab, d)
        assert tuple(tab.page.locator(".explore .ex-summary > span").all_text_contents()) == told
    tab.page.wait_for_function("document.querySelector('.ex-heard').textContent.startsWith('D* is almost perfect')")


def test_the_sentence_is_true(opened):
    """Every state that the slider has: who pushes least, and that all push to the left."""
    tab = opened()
    for d in np.arange(0, 161) / 20:
        choose(tab, float(d))
        said = tab.page.locator(".explore .ex-summary > [lang=en]").text_content()
        saturating, nonsaturating, critic = (slope.item() for slope in best_play(float(d))[3:])
        assert ("pushes least" in said) == (0 < nonsaturating < min(saturating, critic) and d > 0)
        assert ("All push to the left" in said) <= (min(saturating, nonsaturating, critic) > 0)
        assert ("all but gone" in said) == (d > 0 and saturating < 0.02 and d > 1)


def test_every_word_follows_the_page(opened):
    tab = opened()
    for language, words in {"en": ("generator", "Far away", "Reset", "saturating", "critic", "Descent step"),
                            "zh": ("生成器", "拉远", "重置", "饱和", "评判器", "下降一步")}.items():
        tab.page.click(f'.bi-switch button[value="{language}"]')
        seen = tab.page.locator(".explore .ex").inner_text()
        seen += "".join(e.text_content() for e in tab.page.locator(".explore tspan").all() if e.is_visible())
        assert all(word in seen for word in words)
        assert any("\u4e00" <= c <= "\u9fff" for c in seen) == (language == "zh")
        label = tab.page.locator(".explore .ex-stage").get_attribute("aria-label")
        assert ("Densities" in label, "密度" in label) == (language == "en", language == "zh")


# --- hands ------------------------------------------------------------------------------------------------------------

def handle(tab) -> tuple[float, float, float]:
    """Where the handle of the generator is, and how many pixels a unit has."""
    box, stage = (tab.page.locator(f".explore {name}").bounding_box() for name in (".ex-handle", ".ex-stage"))
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, stage["width"] / 13


@pytest.mark.parametrize("dx, expected", [(2.0, "d = 5.00"), (-0.5, "d = 2.50"), (-9, "d = 0.00"), (20, "d = 8.00")])
def test_mouse_drags_the_generator(opened, dx, expected):
    tab = opened()
    x, y, unit = handle(tab)
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    for step in range(1, 6):
        tab.page.mouse.move(x + step / 5 * dx * unit, y + 3 * step)
    tab.page.mouse.up()
    tab.page.mouse.move(x, y)  # let go: nothing follows any more
    assert value(tab) == expected and tab.faults == []
    tab.page.mouse.move(x, y + 180)  # on the bars
    tab.page.mouse.down()
    tab.page.mouse.move(x + 50, y + 180)
    assert value(tab) == expected


def test_finger_drags_the_generator(opened):
    tab = opened(**PHONE)
    x, y, unit = handle(tab)
    send = tab.page.context.new_cdp_session(tab.page).send
    for step in range(11):
        where = [{"x": x + 8 + 2 * unit * step / 10, "y": y - 8}]  # a finger is wide: beside the handle will do
        send("Input.dispatchTouchEvent", {"type": "touchMove" if step else "touchStart", "touchPoints": where})
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert 4.4 <= float(value(tab).removeprefix("d = ")) <= 5.1 and tab.page.evaluate("scrollX") == 0


def test_keyboard_reaches_and_moves_everything(opened):
    tab = opened()
    press = tab.page.keyboard.press
    tab.page.get_by_role("slider").focus()
    for _ in range(3):
        press("ArrowLeft")
    assert value(tab) == "d = 2.85"
    press("End")
    assert value(tab) == "d = 8.00"
    press("Tab")
    press("Enter")
    assert value(tab) == "d = 6.00"
    press("Tab")
    press("Space")
    assert value(tab) == "d = 3.00"
    assert tab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert tab.page.locator(".explore :is(button, input)").evaluate_all(
        "(all) => all.map((e) => e.dataset.lmSuppressShortcuts)") == 3 * ["true"]


# --- place and looks --------------------------------------------------------------------------------------------------

PLACE = """() => [parseFloat(getComputedStyle(document.querySelector(".explore > div")).minHeight),
  document.querySelector(".ex").getBoundingClientRect().height,
  Math.min(...[...document.querySelectorAll(".ex :is(button, label, input[type=range])")]
    .map((e) => Math.min(e.offsetWidth, e.offsetHeight)))]"""


@pytest.mark.parametrize("width, theme", [(1280, "light"), (600, "light"), (480, "light"), (390, "dark"), (320, "light")])
def test_it_keeps_its_place_in_every_language_and_state(opened, width, theme):
    tab = opened(width=width, color_scheme=theme, has_touch=width == 390)
    for language in ("en", "zh", "both"):
        tab.page.click(f'.bi-switch button[value="{language}"]')
        for d in STATES:
            choose(tab, d)
            place, figure, target = tab.page.evaluate(PLACE)
            assert place == pytest.approx(figure, abs=0.5), (language, d)
            assert target >= 24 and (figure < 700 or width < 390)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.faults == []


def test_paper_and_a_page_without_script_have_the_picture(visit, sample, opened):
    tab = visit(sample, java_script_enabled=False)
    tab.page.goto(sample.url(PAGE))
    assert tab.page.locator(".explore img").bounding_box()["height"] > 300 and tab.page.locator(".ex").count() == 0
    tab = opened()
    tab.page.emulate_media(media="print")
    assert tab.page.locator(".explore img").is_visible() and not tab.page.locator(".explore .ex").is_visible()
