"""The figure of two shifted laws on a page with no kernel: its numbers and words, and the reader's hands on it."""
from __future__ import annotations

import numpy as np
import pytest

from gmlib.explore import Shift
from tests.explore import shift_oracle as oracle
from tests.site.explore import (
    NUMBERS, PHONE, PLACE, alone, beside, chinese, drag, has_picture_on_paper, has_ring, is_silent, keeps_keys, middle,
    no_sideways, press, seen_words, show_figure, speak, swipe, told, wait_until_heard,
)

pytestmark = pytest.mark.site

PAGE = "book/shift.html"
SET = """([laws, d]) => { document.querySelector(`.explore input[value="${laws}"]`).click();
  const input = document.querySelector('.explore [name="d"]');
  input.value = d; input.dispatchEvent(new Event("input")); }"""
STATES = [("normals", d) for d in (0.0, 0.3, 1.5, 3.0, 5.0, 8.0)] + [("uniforms", d) for d in (0.0, 0.25, 1.0, 2.5, 8.0)]


@pytest.fixture(scope="module")
def show(chromium, sample):
    """A function that gives the numbers in all states, from the module with or without a planted error."""
    with alone(chromium, sample, Shift) as shown:
        yield lambda source=Shift._esm: shown([dict(laws=laws, d=d) for laws, d in STATES], source)


@pytest.fixture
def opened(visit, sample):
    return lambda **options: show_figure(visit(sample, **options), sample.url(PAGE), "[data-quantity=js]")


def choose(tab, laws: str, d: float) -> None:
    tab.page.evaluate(SET, [laws, d])


def value(tab) -> str:
    return tab.page.get_by_role("slider").get_attribute("aria-valuetext")


# --- numbers ----------------------------------------------------------------------------------------------------------

def faults(shown: list[dict]) -> list[tuple]:
    """Where a number is not that of the quadrature, or is not written as it is."""
    found = []
    for state, numbers in zip(STATES, shown, strict=True):
        exact = dict(zip(oracle.NAMES, oracle.values(*state)))
        exact |= {f"{name}_slope": slope for name, slope in zip(oracle.NAMES, oracle.slopes(*state))}
        assert numbers.keys() == exact.keys()
        for name, (number, text) in numbers.items():
            told = "–" if np.isnan(number) else "∞" if np.isinf(number) else f"{number + 1e-12:.3f}"
            if not np.isclose(number, exact[name], rtol=1e-10, atol=1e-10, equal_nan=True) or text != told:
                found.append((*state, name, number, exact[name], text))
    return found


def test_numbers_agree_with_quadrature_in_python(show):
    assert faults(show()) == []


def test_page_shows_what_a_notebook_shows(opened, show):
    tab, found = opened(), []
    for state in STATES:
        choose(tab, *state)
        found.append(tab.page.evaluate(NUMBERS))
    assert faults(found) == tab.faults == []


# what stands in the module, once -> what stands there instead
PLANTED = {
    "direction": ("kl: [kl(SIGMA, S)", "kl: [kl(S, SIGMA)"),
    "variance": ("(2 * other * other)", "(2 * other)"),
    "kl slope": ("d / SIGMA ** 2]", "d / SIGMA]"),
    "half": ("(p * overP + q * overQ) / 200", "(p * overP + q * overQ) / 100"),
    "js": ("softplus(logQ - logP), softplus(logP - logQ)", "softplus(logP - logQ), softplus(logQ - logP)"),
    "js slope": ("((x - d) / S ** 2)", "((x - d) / S)"),
    "grid": ("i <= 2200", "i <= 1100"),
    "ends": ("2 * Math.log(SIGMA / S);", "Math.log(SIGMA / S);"),
    "tv": ("mass(d, S) - mass(0, SIGMA)", "mass(d, S)"),
    "tv slope": ("q[0] - q[1]", "q[1] - q[0]"),
    "series": ("(2 * n + 1)", "(2 * n - 1)"),
    "w1": ("+ d * inside, inside]", "+ d, inside]"),
    "w1 slope": ("+ d * inside, inside]", "+ d * inside, 1]"),
    "infinite": ("[Infinity, NaN] : [0, Infinity]", "[128, NaN] : [0, Infinity]"),
    "log": ("outside * Math.LN2, slope * Math.LN2", "outside, slope * Math.LN2"),
    "stop": ("d < 1 ? 1 : 0;", "1;"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_wrong_formula_is_found(show, name):
    assert Shift._esm.count(PLANTED[name][0]) == 1
    assert faults(show(Shift._esm.replace(*PLANTED[name])))


@pytest.mark.parametrize("width", [1280, 390])
def test_bars_are_as_long_as_their_numbers_and_end_in_an_arrow_beyond_the_axis(opened, width):
    tab = opened(width=width)
    for state in STATES:
        choose(tab, *state)
        bars = [[[float(v) for v in corner.split(",")] for corner in bar.get_attribute("points").split()]
                for bar in tab.page.locator(".explore .ex-bar").all()]
        stage = tab.page.locator(".ex-stage").bounding_box()["width"]
        kl, reverse_kl, js, tv, w1 = oracle.values(*state)
        for corners, length, end in zip(bars, (kl, reverse_kl, w1, js, tv), (8, 8, 8, 1, 1), strict=True):
            right = max(x for x, _ in corners)
            assert right == pytest.approx(min(length, end) / end * round(stage), abs=1e-6)
            assert (corners[1][0] < right - 5) == (length > end + 1e-9)
    js, tv = (float(line.get_attribute("x1")) for line in tab.page.locator(".explore .ex-level").all())
    assert (js, tv) == pytest.approx((np.log(2) * round(stage), round(stage)))


def test_densities_stand_where_they_should(opened):
    tab = opened()
    stage = round(tab.page.locator(".ex-stage").bounding_box()["width"])
    for laws, d in STATES:
        choose(tab, laws, d)
        for name, law in zip(("p", "q"), oracle.pair(laws, d)):
            curve = tab.page.locator(f".explore polyline.ex-{name}").get_attribute("points")
            x, y = np.array([corner.split(",") for corner in curve.split()], dtype=float).T
            x, density = x * 13 / stage - 3, (124 - y) * 1.12 / 112
            assert abs(np.trapezoid(density, x) - 1) < 0.005
            assert abs(np.trapezoid(density * x, x) - law.mean()) < 0.03
            if laws == "normals":
                np.testing.assert_allclose(density, law.pdf(x), atol=0.001)
        handle = tab.page.locator(".explore .ex-handle")
        assert float(handle.get_attribute("cx")) == pytest.approx((law.mean() + 3) * stage / 13)


# --- words ------------------------------------------------------------------------------------------------------------

SAYS = {
    ("normals", 0.0): ("The centres agree, and every slope is 0. What is left comes from the widths.",
                       "两个中心重合，斜率全部为 0；剩下的数值来自宽度之差。"),
    ("normals", 0.05): ("All five grow. KL(p ‖ q) is the steepest, with slope 0.200; JS has 0.018.",
                        "五个量都在增大。KL(p ‖ q) 最陡，斜率为 0.200；JS 的斜率为 0.018。"),
    ("normals", 3.5): ("JS comes close to log 2 = 0.693 and flattens: slope 0.035. W₁ goes on with slope 1.000.",
                       "JS 接近 log 2 = 0.693，渐趋平缓，斜率为 0.035；W₁ 继续增大，斜率为 1.000。"),
    ("normals", 8.0): ("JS has all but stopped at log 2 = 0.693: its slope is 0.000. W₁ goes on with slope 1.000,"
                       " and KL grows ever faster.",
                       "JS 几乎停在 log 2 = 0.693，斜率为 0.000；W₁ 继续增大，斜率为 1.000；KL 增大得越来越快。"),
    ("uniforms", 0.0): ("The two laws are one, and all five are 0. The smallest step makes both KL infinite.",
                        "两个分布相同，五个量都是 0。只要移动一点点，两个 KL 就都是无穷大。"),
    ("uniforms", 0.95): ("Each law has mass where the other has none: both KL are infinite. JS, TV and W₁ grow at a"
                         " constant rate.",
                         "两个分布各有质量落在对方之外，两个 KL 都是无穷大；JS、TV 与 W₁ 随 d 匀速增大。"),
    ("uniforms", 1.0): ("The supports are apart. JS has stopped at log 2 = 0.693 and TV at 1: no slope. W₁ goes on,"
                        " with slope 1.000.",
                        "支撑集已经分开。JS 停在 log 2 = 0.693，TV 停在 1，斜率都是 0；W₁ 继续增大，斜率为 1.000。"),
}


def test_the_sentence_says_what_to_notice(opened):
    tab = opened()
    assert is_silent(tab)
    for state, words in SAYS.items():
        choose(tab, *state)
        assert told(tab) == words
    wait_until_heard(tab, "The supports are apart")


def test_every_word_follows_the_page(opened):
    tab = opened()
    for language, words in {"en": ("Two laws", "Gaussian", "uniform", "shift of q", "Far apart", "Reset", "slope by d"),
                            "zh": ("两个分布", "高斯分布", "均匀分布", "q 的平移", "拉远", "重置", "对 d 的斜率")}.items():
        speak(tab, language)
        seen = seen_words(tab)
        assert all(word in seen for word in words)
        assert chinese(seen) == (language == "zh")
        label = tab.page.locator(".explore .ex-stage").get_attribute("aria-label")
        assert ("Two densities" in label, "两个密度" in label) == (language == "en", language == "zh")


# --- hands ------------------------------------------------------------------------------------------------------------

def handle(tab) -> tuple[float, float]:
    return middle(tab.page.locator(".explore .ex-handle"))


def unit(tab) -> float:
    """In pixels."""
    return tab.page.locator(".explore .ex-stage").bounding_box()["width"] / 13


@pytest.mark.parametrize("dx, expected", [(2.0, "d = 3.50"), (-0.5, "d = 1.00"), (-9, "d = 0.00"), (20, "d = 8.00")])
def test_mouse_drags_q(opened, dx, expected):
    tab = opened()
    start = handle(tab)
    drag(tab, start, dx * unit(tab), 15)
    assert value(tab) == expected and tab.faults == []
    drag(tab, (start[0], start[1] + 120), 50, 0)  # on the bars
    assert value(tab) == expected


def test_finger_drags_q(opened):
    tab = opened(**PHONE)
    swipe(tab, beside(handle(tab)), 2 * unit(tab))
    assert 3 <= float(value(tab).removeprefix("d = ")) <= 3.6 and tab.page.evaluate("scrollX") == 0


def test_keyboard_reaches_and_moves_everything(opened):
    tab = opened()
    tab.page.locator(".explore input[type=radio]:checked").focus()
    press(tab, "ArrowRight")
    assert tab.page.locator(".explore input:checked").get_attribute("value") == "uniforms"
    press(tab, "Tab", *3 * ["ArrowLeft"])
    assert value(tab) == "d = 1.35"
    press(tab, "End")
    assert value(tab) == "d = 8.00"
    press(tab, "Tab", "Enter")
    assert value(tab) == "d = 5.00"
    press(tab, "Tab", "Space")
    assert value(tab) == "d = 1.50"
    assert has_ring(tab)
    assert keeps_keys(tab) == 5 * [True]


# --- place and looks --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("width, theme", [(1280, "light"), (600, "light"), (480, "light"), (390, "dark"), (320, "light")])
def test_it_keeps_its_place_in_every_language_and_state(opened, width, theme):
    tab = opened(width=width, color_scheme=theme, has_touch=width == 390)
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for state in [*STATES, *SAYS]:
            choose(tab, *state)
            place, figure, target = tab.page.evaluate(PLACE)
            assert place == pytest.approx(figure, abs=0.5), (language, state)
            assert target >= 24 and (figure < 700 or width < 390)
        assert no_sideways(tab, width)
    assert tab.faults == []


def test_paper_and_a_page_without_script_have_the_picture(visit, sample, opened):
    assert has_picture_on_paper(visit, sample, opened, PAGE)
