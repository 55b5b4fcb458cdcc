"""The figure of a bent map on a page with no kernel: its numbers and words, and the reader's hands on it."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from gmlib.explore import Bend, bent
from tests.explore import bend_oracle as oracle
from tests.site.explore import (
    CONTRAST, NUMBERS, OVERLAPS, PHONE, PLACE, WORDS, alone, beside, chinese, drag, has_picture_on_paper, has_ring,
    is_silent, keeps_keys, middle, no_sideways, press, show_figure, speak, swipe, wait_until_heard,
)

pytestmark = pytest.mark.site

PAGE = "book/bend.html"
HANDLES = ("left", "middle", "right")


@pytest.fixture(scope="module")
def show(chromium, sample):
    """A function that gives numbers and words in all states, from the module with or without a planted error."""
    with alone(chromium, sample, Bend) as shown:
        yield lambda source=Bend._esm, of=oracle.STATES: shown(
            [dict(zip(HANDLES, handles)) for handles in of], source, f"(el) => [({NUMBERS})(el), ({WORDS})(el)]")


@pytest.fixture
def opened(visit, sample):
    return lambda **options: show_figure(visit(sample, **options), sample.url(PAGE), "[data-quantity=least]", ".ex-plane .ex-stage")


def push(tab, name: str) -> None:
    tab.page.locator(".explore button", has_text=name).click()


def places(tab) -> list[tuple[float, float]]:
    told = [one.get_attribute("aria-valuetext").split(" = ")[1] for one in tab.page.locator(".explore .ex-bend").all()]
    return [tuple(float(part.replace("\N{MINUS SIGN}", "-")) for part in each.strip("()").split(", ")) for each in told]


# --- numbers ----------------------------------------------------------------------------------------------------------

def share(p: float) -> str:
    """In per cent, two figures of what is left to 0 or to 1."""
    return f"{100 * p:.{max(1, int(-np.log10(min(p, 1 - p))) - 1)}f}"


def faults(shown: list) -> list[tuple]:
    """Where a number is not that of the oracle, or of Python, or is not written as it is."""
    found = []
    for handles, (numbers, _) in zip(oracle.STATES, shown, strict=True):
        assert numbers.keys() == set(oracle.NAMES)
        python = bent(Bend(**dict(zip(HANDLES, handles))).handles())
        for name, exact, ours in zip(oracle.NAMES, oracle.bent(handles), python, strict=True):
            number, text = numbers[name]
            told = share(exact) if name == "middle" else f"{number:.{2 if name == 'slope' else 3}f}"
            right = np.isclose(number, exact, rtol=1e-8, atol=1e-9) and np.isclose(number, ours.item(), rtol=1e-10, atol=1e-10)
            if not right or text.strip("=% ") != told:
                found.append((handles, name, number, exact, ours.item(), text))
    return found


def test_numbers_agree_with_the_oracle_and_with_python(show):
    assert faults(show()) == []


def test_page_shows_what_a_notebook_shows(opened, show):
    tab = opened()
    for name, handles in (("Steepen", oracle.STATES[1]), ("Straighten", oracle.STATES[2]), ("Reset", oracle.START)):
        push(tab, name)
        assert places(tab) == [pytest.approx(each) for each in handles]
        ((numbers, words),) = show(of=(handles,))
        assert tab.page.evaluate(NUMBERS) == numbers
        assert tab.page.evaluate(WORDS) == words
    assert tab.faults == []


# what stands in the module, once -> what stands there instead
PLANTED = {
    "end": ("END = [3, 3.391]", "END = [3, 3.4]"),
    "tail": ("TAIL = 0.5", "TAIL = 0.6"),
    "target": ("A = 2, S = 0.5", "A = 2, S = 0.51"),
    "mean": ("2 / (1 / s + 1 / chords[i])", "(s + chords[i]) / 2"),
    "below": ("(d0 + d1 - 2 * s) * u;", "(d0 + d1 - s) * u;"),
    "value": ("(s * t * t + d0 * u)", "(s * t * t + d1 * u)"),
    "slope": ("(d1 * t * t + 2 * s * u + d0", "(d0 * t * t + 2 * s * u + d1"),
    "square": ("/ (below * below)", "/ below"),
    "root": ("const a = h * (s - d0) + bent", "const a = h * (s - d1) + bent"),
    "width": ("(w * 2 * c)", "(h * 2 * c)"),
    "finer": ("finer = 3", "finer = 0"),
    "pieces": ("pieces = 200", "pieces = 5"),
    "far": ("integral(part, END[0], 15)", "integral(part, END[0], 4)"),
    "log": ("+ Math.log(slope))", "- Math.log(slope))"),
    "weight": ("return slope * Math.exp(logP)", "return Math.exp(logP)"),
    "mixture": ("logNormal(x, A, S)) - Math.LN2", "logNormal(x, A, S))"),
    "middle": ("middle: upTo - below", "middle: upTo"),
    "series": ("(2 * n + 1)", "(2 * n - 1)"),
    "stretch": ("logNormal(x / L, 0, 1)", "logNormal(x, 0, L)"),
    "least": ("least: leastKl(slope)", "least: leastKl(1.01 * slope)"),
    "outside": ("+ 2 * outside(delta)", "+ outside(delta)"),
    "gauss": ("322 - root", "322 + root"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_wrong_formula_is_found(show, name):
    assert Bend._esm.count(PLANTED[name][0]) == 1
    assert faults(show(Bend._esm.replace(*PLANTED[name])))


def points(element) -> np.ndarray:
    return np.array([corner.split(",") for corner in element.get_attribute("points").split()], dtype=float)


@pytest.mark.parametrize("width", [1280, 390])
def test_curves_handles_and_samples_stand_where_they_should(opened, width):
    tab = opened(width=width)
    box = tab.page.locator(".ex-plane .ex-stage").bounding_box()
    unit = round(box["width"]) / 12

    def z_of(x):
        return (x / unit - 7.5) / (9 / 6.4)

    def x_of(y):
        return (5.85 - y / unit) / (6.8 / 7.2)

    for name, handles in (("Steepen", oracle.STATES[1]), ("Straighten", oracle.STATES[2]), ("Reset", oracle.START)):
        push(tab, name)
        curve, slope, law, base, target = (points(tab.page.locator(f".explore polyline.{name}")) for name in (
            "ex-curve", "ex-slope", "ex-q", "ex-p", "ex-typical"))
        pixel = 0.1 / unit
        for z, x in zip(z_of(curve[::9, 0]), x_of(curve[::9, 1])):
            steep = oracle.slope(z, handles)
            assert abs(oracle.g(z, handles) - x) < 2 * pixel * (1 + steep)
        for z, y in slope[::9]:
            assert 2.5 - y * 4 / (2.25 * unit) == pytest.approx(np.log10(oracle.slope(z_of(z), handles)), abs=0.08)
        np.testing.assert_allclose((base[:, 1] / unit - 9.25) / 5.6, norm.pdf(z_of(base[:, 0])), atol=0.003)
        density, at = (3 - law[:, 0] / unit) / 4.8, x_of(law[:, 1])
        assert np.trapezoid(density, at) == pytest.approx(1, abs=0.02)
        np.testing.assert_allclose((3 - target[:, 0] / unit) / 4.8, (norm.pdf(x_of(target[:, 1]), -2, 0.5)
                                   + norm.pdf(x_of(target[:, 1]), 2, 0.5)) / 2, atol=0.02)
        dots = [np.array([float(dot.get_attribute(axis)) for dot in tab.page.locator(f".explore .ex-of-{law}").all()])
                for law, axis in (("p", "cx"), ("q", "cy"))]
        np.testing.assert_allclose(z_of(dots[0]), norm.ppf((np.arange(20) + 0.5) / 20), atol=1e-6)
        np.testing.assert_allclose(x_of(dots[1]), [oracle.g(z, handles) for z in z_of(dots[0])], atol=1e-6)
        for one, (z, x) in zip(tab.page.locator(".explore .ex-bend").all(), handles):
            middle = one.bounding_box()
            stage = tab.page.locator(".ex-plane .ex-stage").bounding_box()
            there = middle["x"] + middle["width"] / 2 - stage["x"], middle["y"] + middle["height"] / 2 - stage["y"]
            assert (z_of(there[0]), x_of(there[1])) == pytest.approx((z, x), abs=0.03)
        mark, full = (tab.page.locator(f".ex-marked > {name}").evaluate("(e) => [e.offsetLeft, e.offsetWidth]")
                      for name in (".ex-mark", ".ex-full"))
        track = tab.page.locator(".ex-marked").evaluate("(e) => e.clientWidth")
        _, _, kl, least = oracle.bent(handles)
        assert (mark[0] / track * 1.5, full[1] / track * 1.5) == pytest.approx((least, kl), abs=0.02)


@pytest.mark.parametrize("width", [1280, 600, 480, 390, 320])
def test_no_words_of_the_drawing_meet(opened, width):
    assert opened(width=width).page.evaluate(OVERLAPS, 4) == []


# --- words ------------------------------------------------------------------------------------------------------------

SAYS = {
    0: ("Steep is thin, flat is dense. With slopes up to 4.81, the middle holds 17.6% of the mass. KL is 0.193, and no map of"
        " that slope gets below 0.125.",
        "陡处稀，平处密。斜率达 4.81，中间有 17.6% 的质量。KL 为 0.193；斜率不超过此值的映射，都不会小于 0.125。"),
    1: ("A gap opens, for g is steep there; its largest slope is 18.25. Still 4.8% of the mass lies on the bridge. KL is 0.053,"
        " and no map of that slope gets below 0.020.",
        "g 在中间变陡，空白就出现了；最大斜率为 18.25。桥上仍有 4.8% 的质量。KL 为 0.053；斜率不超过此值的映射，都不会小于 0.020。"),
    2: ("Nowhere is g steep: slope at most 1.38. So 62.2% of the mass fills the middle. KL is 1.291, and no map of that slope"
        " gets below 0.874.",
        "g 处处不陡，斜率至多 1.38，所以中间占了 62.2% 的质量。KL 为 1.291；斜率不超过此值的映射，都不会小于 0.874。"),
    5: ("One side has only 0.7% of the mass. Dropping a mode needs no steep bridge, but KL counts it: 7.297.",
        "有一侧只剩 0.7% 的质量。丢掉一个峰，就不需要陡峭的桥，但 KL 要计入它：7.297。"),
}


def test_the_sentence_says_what_to_notice(show, opened):
    shown = show()
    for state, words in SAYS.items():
        assert tuple(shown[state][1]) == words
    tab = opened()
    assert is_silent(tab)
    push(tab, "Steepen")
    wait_until_heard(tab, "A gap opens")


def test_the_sentence_is_true(show):
    """Of many bends: where a gap is said to open, g is steeper there than 3 on the whole; where a side is empty, it is."""
    draws = np.random.default_rng(0)
    many = []
    while len(many) < 150:
        z, x = (np.round(np.sort(draws.uniform(-end, end, 3)) / 0.05) * 0.05 for end in (2.5, 3.0))
        if min(np.diff(z).min(), np.diff(x).min()) > 0.04:
            many.append(tuple(zip(z.tolist(), x.tolist())))
    said = set()
    for handles, (numbers, (words, _)) in zip(many, show(of=many)):
        ends = oracle.f(-1.0, handles), oracle.f(1.0, handles)
        empty = min(norm.cdf(ends[0]), norm.sf(ends[1])) < 0.1
        slope, middle = numbers["slope"][0], numbers["middle"][0]
        said.add(words[:8])
        assert words.startswith("One side") == (empty and middle < 0.5)
        assert not words.startswith("Nowhere") or slope < 2
        assert not words.startswith("A gap") or (2 / (ends[1] - ends[0]) > 3 and middle < 0.1)
        assert numbers["kl"][0] > numbers["least"][0]
    assert len(said) >= 3


def test_every_word_follows_the_page(opened):
    tab = opened()
    for language, words in {"en": ("largest slope", "least at this slope", "target", "Straighten", "Steepen", "Reset"),
                            "zh": ("最大斜率", "此斜率下最小", "目标", "拉直", "变陡", "重置")}.items():
        speak(tab, language)
        seen = tab.page.locator(".explore .ex").inner_text()
        assert all(word in seen for word in words)
        assert chinese(seen) == (language == "zh")
        label = tab.page.locator(".explore .ex-plane .ex-stage").get_attribute("aria-label")
        assert ("curve" in label, "曲线" in label) == (language == "en", language == "zh")


# --- hands ------------------------------------------------------------------------------------------------------------

def handle(tab, number: int) -> tuple[float, float]:
    return middle(tab.page.locator(f".explore .ex-bend >> nth={number}"))


def unit(tab) -> float:
    """Of the stage, in pixels."""
    return tab.page.locator(".explore .ex-plane .ex-stage").bounding_box()["width"] / 12


@pytest.mark.parametrize("number, by, expected", [
    (2, (0.5, 0.4), (1.0, 2.25)), (1, (-0.2, 0.3), (-0.2, 0.3)), (0, (-0.5, -0.5), (-1.0, -2.35)),
    (1, (4, 5), (0.45, 1.8)), (1, (-4, -5), (-0.45, -1.8)), (2, (9, 9), (2.5, 3.0)), (0, (-9, -9), (-2.5, -3.0))])
def test_mouse_drags_a_handle_as_far_as_its_neighbours(opened, number, by, expected):
    tab = opened()
    drag(tab, handle(tab, number), by[0] * unit(tab) * 9 / 6.4, -by[1] * unit(tab) * 6.8 / 7.2)
    assert places(tab)[number] == pytest.approx(expected) and tab.faults == []
    assert [each for i, each in enumerate(places(tab)) if i != number] == [
        pytest.approx(each) for i, each in enumerate(oracle.START) if i != number]


def test_finger_drags_a_handle(opened):
    tab = opened(**PHONE)
    swipe(tab, beside(handle(tab, 2)), 1.4 * unit(tab))
    assert 1.2 <= places(tab)[2][0] <= 1.5 and tab.page.evaluate("scrollX") == 0


def test_keyboard_reaches_and_moves_everything(opened):
    tab = opened()
    tab.page.locator(".explore .ex-bend >> nth=0").focus()
    press(tab, "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowUp")
    assert places(tab)[0] == pytest.approx((-0.65, -1.8))
    assert has_ring(tab)
    press(tab, "Tab", "Shift+ArrowRight")
    assert places(tab)[1] == pytest.approx((0.45, 0.0))  # as far as the next one
    ranges = [tab.page.locator(f".explore .ex-bend >> nth={i}").evaluate(
        "(e) => [e.ariaValueMin, e.ariaValueNow, e.ariaValueMax].map(Number)") for i in range(3)]
    assert ranges == [[-2.5, -0.65, 0.4], [-0.6, 0.45, 0.45], [0.5, 0.5, 2.5]]
    press(tab, "Tab", "Tab", "Enter")
    assert places(tab) == [pytest.approx(each) for each in oracle.STATES[2]]
    press(tab, "Tab", "Space")
    assert places(tab) == [pytest.approx(each) for each in oracle.STATES[1]]
    press(tab, "Tab", "Enter")
    assert places(tab) == [pytest.approx(each) for each in oracle.START]
    assert keeps_keys(tab) == 6 * [True]


# --- place and looks --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("width, theme", [(1280, "light"), (680, "light"), (600, "light"), (480, "light"), (390, "dark"),
                                          (320, "light")])
def test_it_keeps_its_place_in_every_language_and_state(opened, width, theme):
    tab = opened(width=width, color_scheme=theme, has_touch=width == 390)
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for number in range(3):
            tab.page.locator(f".explore button >> nth={number}").click()
            place, figure, target = tab.page.evaluate(PLACE)
            assert place == pytest.approx(figure, abs=0.5), (language, number)
            assert target >= 24
        tab.page.locator(".explore .ex-bend >> nth=1").focus()
        press(tab, *2 * ["Shift+ArrowUp"], *6 * ["Shift+ArrowLeft"])
        place, figure, _ = tab.page.evaluate(PLACE)
        assert place == pytest.approx(figure, abs=0.5), language
        assert no_sideways(tab, width)
    assert tab.faults == []


PARTS = {**dict.fromkeys(("polyline.ex-p", "polyline.ex-q", ".ex-curve", ".ex-slope", ".ex-typical"), "stroke"),
         ".ex-of-p": "fill", ".ex-of-q": "fill"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_line_stands_out_from_the_page(opened, theme):
    found = opened(color_scheme=theme).page.evaluate(CONTRAST, PARTS)
    assert min(found.values()) > 3, found


def test_paper_and_a_page_without_script_have_the_picture(visit, sample, opened):
    assert has_picture_on_paper(visit, sample, opened, PAGE)
