"""The figure of D* and a generator on a page with no kernel: its numbers and words, and the reader's hands on it."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from gmlib.explore import Duel, best_play
from tests.explore import duel_oracle as oracle
from tests.site.explore import (
    NUMBERS, OVERLAPS, PHONE, PLACE, alone, beside, chinese, drag, has_picture_on_paper, has_ring, is_silent,
    keeps_keys, middle, no_sideways, press, seen_words, show_figure, speak, swipe, told, wait_until_heard,
)

pytestmark = pytest.mark.site

PAGE = "book/duel.html"
SET = """(d) => { const input = document.querySelector('.explore [name="d"]');
  input.value = d; input.dispatchEvent(new Event("input")); }"""
STATES = (0.0, 0.05, 0.3, 0.75, 0.8, 1.5, 3.0, 4.0, 5.0, 6.0, 8.0)


@pytest.fixture(scope="module")
def show(chromium, sample):
    """A function that gives the numbers in all states, from the module with or without a planted error."""
    with alone(chromium, sample, Duel) as shown:
        yield lambda source=Duel._esm: shown([dict(d=d) for d in STATES], source)


@pytest.fixture
def opened(visit, sample):
    return lambda **options: show_figure(visit(sample, **options), sample.url(PAGE), "[data-quantity=js]")


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


@pytest.mark.parametrize("width", [1280, 320])
def test_no_words_of_the_drawing_meet(opened, width):
    tab = opened(width=width)
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for d in (0.0, 3.0, 8.0):
            choose(tab, d)
            assert tab.page.evaluate(OVERLAPS, 3) == []


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
    assert is_silent(tab)
    for d, words in SAYS.items():
        choose(tab, d)
        assert told(tab) == words
    wait_until_heard(tab, "D* is almost perfect")


def test_the_sentence_is_true(opened):
    """Every state that the slider has: who pushes least, and that all push to the left."""
    tab = opened()
    for d in np.arange(0, 161) / 20:
        choose(tab, float(d))
        said, _ = told(tab)
        saturating, nonsaturating, critic = (slope.item() for slope in best_play(float(d))[3:])
        assert ("pushes least" in said) == (0 < nonsaturating < min(saturating, critic) and d > 0)
        assert ("All push to the left" in said) <= (min(saturating, nonsaturating, critic) > 0)
        assert ("all but gone" in said) == (d > 0 and saturating < 0.02 and d > 1)


def test_every_word_follows_the_page(opened):
    tab = opened()
    for language, words in {"en": ("generator", "Far away", "Reset", "saturating", "critic", "Descent step"),
                            "zh": ("生成器", "拉远", "重置", "饱和", "评判器", "下降一步")}.items():
        speak(tab, language)
        seen = seen_words(tab)
        assert all(word in seen for word in words)
        assert chinese(seen) == (language == "zh")
        label = tab.page.locator(".explore .ex-stage").get_attribute("aria-label")
        assert ("Densities" in label, "密度" in label) == (language == "en", language == "zh")


# --- hands ------------------------------------------------------------------------------------------------------------

def handle(tab) -> tuple[float, float]:
    return middle(tab.page.locator(".explore .ex-handle"))


def unit(tab) -> float:
    """In pixels."""
    return tab.page.locator(".explore .ex-stage").bounding_box()["width"] / 13


@pytest.mark.parametrize("dx, expected", [(2.0, "d = 5.00"), (-0.5, "d = 2.50"), (-9, "d = 0.00"), (20, "d = 8.00")])
def test_mouse_drags_the_generator(opened, dx, expected):
    tab = opened()
    start = handle(tab)
    drag(tab, start, dx * unit(tab), 15)
    assert value(tab) == expected and tab.faults == []
    drag(tab, (start[0], start[1] + 180), 50, 0)  # on the bars
    assert value(tab) == expected


def test_finger_drags_the_generator(opened):
    tab = opened(**PHONE)
    swipe(tab, beside(handle(tab)), 2 * unit(tab))
    assert 4.4 <= float(value(tab).removeprefix("d = ")) <= 5.1 and tab.page.evaluate("scrollX") == 0


def test_keyboard_reaches_and_moves_everything(opened):
    tab = opened()
    tab.page.get_by_role("slider").focus()
    press(tab, *3 * ["ArrowLeft"])
    assert value(tab) == "d = 2.85"
    press(tab, "End")
    assert value(tab) == "d = 8.00"
    press(tab, "Tab", "Enter")
    assert value(tab) == "d = 6.00"
    press(tab, "Tab", "Space")
    assert value(tab) == "d = 3.00"
    assert has_ring(tab)
    assert keeps_keys(tab) == 3 * [True]


# --- place and looks --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("width, theme", [(1280, "light"), (600, "light"), (480, "light"), (390, "dark"), (320, "light")])
def test_it_keeps_its_place_in_every_language_and_state(opened, width, theme):
    tab = opened(width=width, color_scheme=theme, has_touch=width == 390)
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for d in STATES:
            choose(tab, d)
            place, figure, target = tab.page.evaluate(PLACE)
            assert place == pytest.approx(figure, abs=0.5), (language, d)
            assert target >= 24 and (figure < 700 or width < 390)
        assert no_sideways(tab, width)
    assert tab.faults == []


def test_paper_and_a_page_without_script_have_the_picture(visit, sample, opened):
    assert has_picture_on_paper(visit, sample, opened, PAGE)
