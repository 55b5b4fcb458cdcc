"""The figure of data that fade on a page with no kernel: its numbers, paths and words, and the reader's hands on it."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from gmlib.explore import Fade, faded, faded_paths
from tests.explore import fade_oracle as oracle
from tests.site.explore import (
    CONTRAST, NUMBERS, OVERLAPS, PHONE, PLACE, WORDS, alone, beside, chinese, drag, has_picture_on_paper, has_ring,
    is_silent, keeps_keys, middle, no_sideways, press, seen_words, show_figure, speak, swipe, told, wait_until_heard,
)

pytestmark = pytest.mark.site

PAGE = "book/fade.html"
SET = """(t) => { const input = document.querySelector('.explore [name="t"]');
  input.value = t; input.dispatchEvent(new Event("input")); }"""
KINDS = ("forward", "flow", "reverse")
STATES = tuple(dict(t=t, paths=KINDS[i % 3], seed=7 * i) for i, t in enumerate(oracle.STATES))
# the points of each path, in pixels, and the width of the drawing
LINES = """(el) => [el.querySelector(".ex-stage").viewBox.baseVal.width, ...[".ex-flow", ".ex-path"].map((name) =>
  [...el.querySelectorAll(`polyline${name}`)].map((e) => e.getAttribute("points")))]"""


@pytest.fixture(scope="module")
def show(chromium, sample):
    """A function that gives numbers, words and paths in all states, from the module with or without a planted error."""
    with alone(chromium, sample, Fade) as shown:
        yield lambda source=Fade._esm, of=STATES: shown(
            list(of), source, f"(el) => [({NUMBERS})(el), ({WORDS})(el), ({LINES})(el)]")


@pytest.fixture
def opened(visit, sample):
    return lambda **options: show_figure(visit(sample, **options), sample.url(PAGE), "[data-quantity=kl]")


def choose(tab, t: float) -> None:
    tab.page.evaluate(SET, t)


def take(tab, kind: str) -> None:
    tab.page.check(f'.explore input[value="{kind}"]')


def push(tab, name: str) -> None:
    tab.page.locator(".explore button", has_text=name).click()


def value(tab) -> str:
    return tab.page.locator('.explore [name="t"]').get_attribute("aria-valuetext")


# --- numbers and paths ------------------------------------------------------------------------------------------------

def plane(width: float) -> tuple[float, float]:
    """Left end and width of the plane of (t, x)."""
    return 24, 0.54 * (width - 48)


def points(text: str) -> np.ndarray:
    return np.array([corner.split(",") for corner in text.split()], dtype=float)


def stands(path: str, width: float, exact: np.ndarray) -> bool:
    """Whether a path is drawn where it should be, to a tenth of a pixel."""
    left, wide = plane(width)
    should = np.stack([left + wide * oracle.TIMES, 20 + (4 - exact) * 31.5], 1)
    at = points(path)
    return at.shape == should.shape and np.abs(at - should).max() < 0.051


def faults(shown: list) -> list[tuple]:
    """Where a number or a path is not that of the oracle, or of Python, or is not written as it is."""
    found = []
    for state, (numbers, _, (width, flow, paths)) in zip(STATES, shown, strict=True):
        exact, python = oracle.faded(state["t"]), faded(state["t"])
        assert numbers.keys() <= set(oracle.NAMES)
        if numbers.keys() != exact.keys():
            found.append((state, numbers.keys()))
            continue
        for name, (number, text) in numbers.items():
            told = f"{round(number, 3) + 0.0:.3f}".replace("-", "\N{MINUS SIGN}")
            if not np.allclose(number, [exact[name], getattr(python, name).item()], rtol=1e-9, atol=1e-10) or text != told:
                found.append((state, name, number, exact[name], text))
        for drawn, kind in ((flow, "flow"), (paths, state["paths"])):
            ours = faded_paths(kind, state["seed"])
            if len(drawn) != 8 or not all(stands(*each) for each in zip(drawn, [width] * 8, ours.numpy())):
                found.append((state, kind))
    return found


def test_numbers_and_paths_agree_with_the_oracle_and_with_python(show):
    assert faults(show()) == []


def test_page_shows_what_a_notebook_shows(opened, show):
    tab = opened()
    for kind, t in (("forward", 0.2), ("flow", 0.6), ("reverse", 0.8)):
        take(tab, kind)
        choose(tab, t)
        ((numbers, words, _),) = show(of=(dict(t=t, paths=kind, seed=0),))
        assert tab.page.evaluate(NUMBERS) == numbers and tab.page.evaluate(WORDS) == words
    assert tab.faults == []


# what stands in the module, once -> what stands there instead
PLANTED = {
    "weights": ("PI = [0.35, 0.65]", "PI = [0.36, 0.64]"),
    "variance": ("(alpha * SD[k]) ** 2", "alpha * SD[k] ** 2"),
    "mean": ("mean: alpha * MU[k]", "mean: MU[k]"),
    "schedule": ("sigma = Math.sin((Math.PI * t) / 2)", "sigma = Math.sin(Math.PI * t)"),
    "sd": ("logNormal(x, mean, Math.sqrt(variance))", "logNormal(x, mean, variance)"),
    "score": ("(mean - x) / variance", "(mean - x) / Math.sqrt(variance)"),
    "shares": ("first * a + (1 - first) * b", "(1 - first) * a + first * b"),
    "log": ("(log - logNormal", "(log + logNormal"),
    "grid": ("i <= 1800", "i <= 900"),
    "zeros": ("at.length > 1", "at.length > 3"),
    "names": ('["low", "dip", "high"]', '["dip", "low", "high"]'),
    "cdf": ("Math.sqrt(2 * variance)", "Math.sqrt(variance)"),
    "series": ("(2 * n + 1)", "(2 * n - 1)"),
    "levels": ("(i + 0.5) / COUNT", "(i + 1) / COUNT"),
    "noise": ("a >>> 15", "a >>> 14"),
    "seed": ("Math.imul(seed, 0x9E3779B9)", "Math.imul(seed, 0x9E3779B1)"),
    "normal": ("Math.sqrt(-2 * Math.log(u))", "Math.sqrt(-Math.log(u))"),
    "ratio": ("a = late.alpha / early.alpha", "a = late.alpha"),
    "step": ("late.sigma ** 2 - (a * early.sigma) ** 2", "late.sigma ** 2 - a * early.sigma ** 2"),
    "scaled": ("(x - a * mean)", "(x - mean)"),
    "gain": ("(a * variance) / all", "variance / all"),
    "posterior": ("Math.sqrt((variance * noise) / all)", "Math.sqrt(noise)"),
    "group": ("choose < share(late, x)", "choose < share(early, x)"),
    "order": ("[laws[j], laws[j - 1]] :", "[laws[j - 1], laws[j]] :"),
    "numbers": ("3 * (i * (laws.length - 1) + j - 1)", "3 * (i * laws.length + j - 1)"),
    "back": ("back ? path.reverse() : path", "path"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_wrong_formula_is_found(show, name):
    assert Fade._esm.count(PLANTED[name][0]) == 1
    assert faults(show(Fade._esm.replace(*PLANTED[name])))


def line(tab, selector: str) -> np.ndarray:
    return points(tab.page.locator(f".explore {selector}").get_attribute("points"))


@pytest.mark.parametrize("width", [1280, 390])
def test_density_score_and_marks_stand_where_they_should(opened, width):
    tab = opened(width=width)
    stage = round(tab.page.locator(".ex-stage").bounding_box()["width"])
    left, wide = plane(stage)
    panel, x = 0.23 * (stage - 48), np.linspace(-4, 4, 401)
    for t in oracle.STATES:
        choose(tab, t)
        for selector, exact in (("polyline.ex-p", oracle.pdf), ("polyline.ex-typical", lambda x, _: norm.pdf(x))):
            density, y = line(tab, selector).T
            np.testing.assert_allclose(y, 20 + (4 - x) * 31.5, atol=0.051)
            np.testing.assert_allclose(density, left + wide + 12 + panel * exact(x, t) / 0.62, atol=0.051)
        score, y = line(tab, ".ex-curve").T
        np.testing.assert_allclose(y, 20 + (4 - x) * 31.5, atol=0.051)
        np.testing.assert_allclose(score, stage - panel / 2 + panel / 2 * oracle.score(x, t) / 5, atol=0.051)
        marks = [[float(one.get_attribute(name)) for name in ("cx", "cy")] for one in tab.page.locator(".explore .ex-zero").all()]
        zeros = oracle.zeros(t)
        should = [at for x in zeros for at in ((left + wide + 12 + panel * oracle.pdf(x, t) / 0.62, 20 + (4 - x) * 31.5),
                                               (stage - panel / 2, 20 + (4 - x) * 31.5))]  # fmt: skip
        np.testing.assert_allclose(marks, should, atol=1e-6)
        assert tab.page.locator(".explore .ex-dip").count() == (2 if len(zeros) == 3 else 0)
        assert float(tab.page.locator(".explore .ex-handle").get_attribute("cx")) == pytest.approx(left + wide * t)


def test_marked_points_lie_on_their_paths(opened, show):
    tab = opened()
    stage = round(tab.page.locator(".ex-stage").bounding_box()["width"])
    left, wide = plane(stage)
    for kind, t in (("forward", 0.01), ("reverse", 0.37), ("flow", 0.99)):
        take(tab, kind)
        choose(tab, t)
        dots = [[float(one.get_attribute(name)) for name in ("cx", "cy")] for one in tab.page.locator(".explore .ex-of-q").all()]
        exact = faded_paths(kind, 0)[:, round(100 * t) - 1]
        np.testing.assert_allclose(dots, [(left + wide * t, 20 + (4 - x) * 31.5) for x in exact.tolist()], atol=1e-6)


def test_a_ridge_follows_the_zeros_of_the_score_and_two_meet(opened):
    """From t = 0.01 on; the lower mode and the dip as one line, there and back."""
    tab = opened()
    stage = round(tab.page.locator(".ex-stage").bounding_box()["width"])
    left, wide = plane(stage)
    one, fork = (points(each.get_attribute("points")) for each in tab.page.locator(".explore polyline.ex-ridge").all())
    assert len(one) == 99 and len(fork) == 84
    for i in (0, 20, 41, 42, 80):
        zeros = oracle.zeros(oracle.TIMES[i])
        should = [zeros[-1]] + ([zeros[0], zeros[1]] if i < 42 else [])
        at = [one[i]] + ([fork[i], fork[-1 - i]] if i < 42 else [])
        np.testing.assert_allclose([y for _, y in at], [20 + (4 - x) * 31.5 for x in should], atol=0.06)
        np.testing.assert_allclose([x for x, _ in at], left + wide * oracle.TIMES[i], atol=0.06)


@pytest.mark.parametrize("width", [1280, 600, 390, 320])
def test_no_words_of_the_drawing_meet(opened, width):
    tab = opened(width=width)
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for t in (0.01, 0.3, 0.99):
            choose(tab, t)
            assert tab.page.evaluate(OVERLAPS, 4) == []


# --- words ------------------------------------------------------------------------------------------------------------

SAYS = {
    ("reverse", 0.3): ("The score is 0 at both modes, and at the dip −0.331, away from which it pushes. In reverse the score leads back"
                       " to data; noise decides to which.",
                       "得分在两个峰处为 0，在谷底 −0.331 处也为 0，但谷底两侧的得分把点推开。反向：得分引回数据，噪声决定引向何处。"),
    ("forward", 0.6): ("The modes merged at t = 0.421; one zero of the score is left, 0.228. Forward: noise makes each path forget its"
                       " start.", "两个峰在 t = 0.421 处合并，得分只剩一个零点 0.228。前向：噪声使每条路径忘掉起点。"),
    ("flow", 0.95): ("Almost N(0, 1): KL is below 0.001 nats, though not 0. The flow adds no noise: its paths never cross.",
                     "已接近 N(0, 1)：KL 小于 0.001 奈特，但不为 0。概率流不加噪声：路径互不相交。"),
}  # fmt: skip


def test_the_sentence_says_what_to_notice(opened):
    tab = opened()
    assert is_silent(tab)
    for (kind, t), words in SAYS.items():
        take(tab, kind)
        choose(tab, t)
        assert told(tab) == words
    wait_until_heard(tab, "Almost N(0, 1)")


def test_the_sentence_is_true(show):
    """At every time that the slider has: how many zeros, and how near to the noise."""
    times = oracle.TIMES.tolist()
    for t, (numbers, (said, _), _) in zip(times, show(of=[dict(t=t, paths="flow", seed=0) for t in times])):
        zeros, (kl, _) = oracle.zeros(t), numbers["kl"]
        assert said.startswith("The score is 0 at both modes") == (len(zeros) == 3) == (t < oracle.merging()[1])
        assert ("Almost" in said) == (kl < 0.001) == (t > 0.795)


def test_every_word_follows_the_page(opened):
    tab = opened()
    for language, words in {"en": ("Paths", "forward", "reverse", "time", "Redraw", "Reset", "flow"),
                            "zh": ("路径", "前向", "反向", "时间", "重抽", "重置", "概率流")}.items():  # fmt: skip
        speak(tab, language)
        seen = seen_words(tab)
        assert all(word in seen for word in words)
        assert chinese(seen) == (language == "zh")
        label = tab.page.locator(".explore .ex-stage:has(text)").get_attribute("aria-label")
        assert ("Paths" in label, "路径" in label) == (language == "en", language == "zh")


# --- hands ------------------------------------------------------------------------------------------------------------

def handle(tab) -> tuple[float, float]:
    return middle(tab.page.locator(".explore .ex-handle"))


def unit(tab) -> float:
    """Of time, in pixels."""
    return plane(tab.page.locator(".explore .ex-stage").bounding_box()["width"])[1]


@pytest.mark.parametrize("dt, expected", [(0.2, "t = 0.50"), (-0.1, "t = 0.20"), (-0.6, "t = 0.01"), (1.2, "t = 0.99")])
def test_mouse_drags_the_time(opened, dt, expected):
    tab = opened()
    start = handle(tab)
    drag(tab, start, dt * unit(tab), 15)
    assert value(tab) == expected and tab.faults == []
    drag(tab, (start[0] + 0.9 * unit(tab), start[1] - 50), 40, 0)  # on the density
    drag(tab, (start[0], start[1] + 50), 40, 0)  # on the key
    assert value(tab) == expected


def test_finger_drags_the_time(opened):
    tab = opened(**PHONE)
    swipe(tab, beside(handle(tab)), 0.4 * unit(tab))
    assert 0.6 <= float(value(tab).removeprefix("t = ")) <= 0.72 and tab.page.evaluate("scrollX") == 0


def test_keyboard_reaches_and_moves_everything(opened):
    tab = opened()
    tab.page.locator(".explore input[type=radio]:checked").focus()
    press(tab, "ArrowLeft")
    assert tab.page.locator(".explore input:checked").get_attribute("value") == "flow"
    press(tab, "ArrowRight", "Tab", *3 * ["ArrowLeft"])
    assert value(tab) == "t = 0.27"
    press(tab, "End")
    assert value(tab) == "t = 0.99"
    before = tab.page.locator(".explore polyline.ex-path >> nth=0").get_attribute("points")
    press(tab, "Tab", "Enter")
    assert tab.page.locator(".explore polyline.ex-path >> nth=0").get_attribute("points") != before
    press(tab, "Tab", "Space")
    assert value(tab) == "t = 0.30" and has_ring(tab)
    assert tab.page.locator(".explore polyline.ex-path >> nth=0").get_attribute("points") == before
    assert keeps_keys(tab) == 6 * [True]


def test_redrawing_gives_the_paths_of_the_next_seed_and_leaves_the_flow(opened):
    tab = opened()
    stage = round(tab.page.locator(".ex-stage").bounding_box()["width"])
    for seed in (1, 2):
        push(tab, "Redraw")
        drawn = [each.get_attribute("points") for each in tab.page.locator(".explore polyline.ex-path").all()]
        assert all(stands(*each) for each in zip(drawn, [stage] * 8, faded_paths("reverse", seed).numpy(), strict=True))


# --- place and looks --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("width, theme", [(1280, "light"), (600, "light"), (480, "light"), (390, "dark"), (320, "light")])
def test_it_keeps_its_place_in_every_language_and_state(opened, width, theme):
    tab = opened(width=width, color_scheme=theme, has_touch=width == 390)
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for kind in KINDS:
            take(tab, kind)
            for t in (0.01, 0.3, 0.5, 0.9):
                choose(tab, t)
                place, figure, target = tab.page.evaluate(PLACE)
                assert place == pytest.approx(figure, abs=0.5), (language, kind, t)
                assert target >= 24 and (figure < 750 or width < 390)
        assert no_sideways(tab, width)
    assert tab.faults == []


PARTS = {**dict.fromkeys(("polyline.ex-p", "polyline.ex-path", ".ex-curve", ".ex-typical", ".ex-ridge", ".ex-handle"), "stroke"),
         ".ex-of-q": "fill", ".ex-low": "fill", ".ex-dip": "stroke"}  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_line_stands_out_from_the_page(opened, theme):
    found = opened(color_scheme=theme).page.evaluate(CONTRAST, PARTS)
    assert min(found.values()) > 3, found


def test_paper_and_a_page_without_script_have_the_picture(visit, sample, opened):
    assert has_picture_on_paper(visit, sample, opened, PAGE)
