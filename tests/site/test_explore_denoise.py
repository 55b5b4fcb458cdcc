"""The figure of the best denoiser on a page with no kernel: its numbers and words, its drawing, and the reader's hands on it."""
from __future__ import annotations

import math
import re
from functools import cache

import numpy as np
import pytest

from gmlib.explore import Denoise
from tests.explore import denoise_oracle as oracle
from tests.site.explore import (
    CONTRAST, NUMBERS, OVERLAPS, PHONE, PLACE, WORDS, alone, beside, chinese, drag, has_picture_on_paper, has_ring,
    is_silent, keeps_keys, middle, no_sideways, press, seen_words, show_figure, speak, swipe, told, wait_until_heard,
)

pytestmark = pytest.mark.site

PAGE = "book/denoise.html"
# numbers, words, the width of the stage; its dots, the circle of the noise, lines, names of the groups; where the handle is
READ = f"""(el) => {{
  const own = el.querySelector(".ex-plane .ex-stage"), handle = el.querySelector(".ex-bend");
  const all = (query, read) => [...own.querySelectorAll(query)].map(read);
  const of = (...names) => (e) => names.map((name) => Number(e.getAttribute(name)));
  const written = (name) => (e) => e.getAttribute(name).match(/-?[\\d.]+/g).map(Number);
  return {{ numbers: ({NUMBERS})(el), words: ({WORDS})(el), width: own.viewBox.baseVal.width,
    cloud: all(".ex-of-p", of("cx", "cy")), noise: all(".ex-typical", of("cx", "cy", "r"))[0],
    field: all(".ex-field", written("d"))[0], way: all(".ex-way", written("points"))[0],
    move: all(".ex-move", written("d"))[0], groups: all(".ex-group", (e) => [e.textContent, ...of("x", "y")(e)]),
    handle: [handle.style.left, handle.style.top].map(parseFloat) }};
}}"""


@cache
def exact(x, y, sigma: float) -> dict:
    return oracle.denoised((x, y), sigma)


@pytest.fixture(scope="module")
def show(chromium, sample):
    """A function that gives what the figure shows in some states, from its module with or without a planted error."""
    with alone(chromium, sample, Denoise) as shown:
        yield lambda source=Denoise._esm, of=oracle.STATES: shown([dict(x=list(x), sigma=sigma) for x, sigma in of], source, READ)


@pytest.fixture
def opened(visit, sample):
    return lambda **options: show_figure(visit(sample, **options), sample.url(PAGE), "[data-quantity=plain2]", ".ex-plane")


# --- numbers and words ------------------------------------------------------------------------------------------------

def share(p: float) -> str:
    rest = min(p, 1 - p)
    if rest < 1e-6:
        return "< 0.0001%" if p < 0.5 else "> 99.9999%"
    return f"= {100 * p:.{max(1, int(-math.log10(rest)) - 1)}f}%"


def minus(number: float, places: int) -> str:
    return f"{number:.{places}f}".replace("-", "" if round(number, places) == 0 else "\N{MINUS SIGN}")


def sentence(x, sigma: float) -> list[str]:
    """What is true, from the oracle's numbers."""
    of = exact(*x, sigma)
    r, smooth, plain = (np.array([of[f"{name}1"], of[f"{name}2"]]) for name in ("r", "smooth", "plain"))
    w = [of[f"w{k}"] for k in (1, 2, 3)]
    k = int(np.argmax(w))
    _, mu, sd = oracle.GROUPS[k]
    far = math.dist(r, oracle.MEAN)
    if w[k] >= 0.99:
        goes = 1 - sd**2 / (sd**2 + sigma**2)
        assert math.dist(r, x + goes * (np.array(mu) - x)) < 0.05  # within half the size of the handle
        en = f"x̃ comes from group {k + 1}, almost surely: the arrow goes {share(goes)[2:]} of the way to its centre."
        zh = f"x̃ 几乎必定来自第 {k + 1} 群：箭头朝该群的中心走了 {share(goes)[2:]} 的路程。"
    elif sigma > 1 and far < 0.5:
        assert far < 0.8 * min(math.dist(r, mu) for _, mu, _ in oracle.GROUPS)  # nearer to the mean than to any group
        en = f"So much noise hides the group: the arrow ends {far:.2f} from the mean of all data, (−0.39, −0.07)."
        zh = f"噪声太大，看不出是哪一群：箭头的终点与全体数据的均值 (−0.39, −0.07) 相距 {far:.2f}。"
    else:
        each = [mu + sd**2 / (sd**2 + sigma**2) * (np.array(x) - mu) for _, mu, sd in oracle.GROUPS]
        np.testing.assert_allclose(r, np.array(w) @ each, atol=1e-8)  # the weights are right
        en = "x̃ may come from several groups: the arrow is the mean of one arrow for each, weighted by p(k | x̃)."
        zh = "x̃ 可能来自不止一群：每群各给一个箭头，按 p(k | x̃) 加权平均，就是所画的箭头。"
    cosine = smooth @ plain / np.linalg.norm(smooth) / np.linalg.norm(plain)
    degrees = f"{math.degrees(math.acos(min(1.0, cosine))):.0f}"
    return [f"{en} It points along ∇log pₛ, {degrees}° away from ∇log p.", f"{zh}方向沿 ∇log pₛ，与 ∇log p 相差 {degrees}°。"]


def drawn_wrong(x, sigma: float, shown: dict) -> list[str]:
    """What stands elsewhere than it should; the lines are written to a tenth of a pixel."""
    unit, wrong = shown["width"] / 6, []

    def at(points):
        return (np.array(points) * [1, -1] + 3) * unit

    def check(name, found, expected, within=0.06):
        if np.shape(found) != np.shape(expected) or np.abs(np.array(found) - expected).max() > within:
            wrong.append(name)

    def tip(place, noise):
        return [exact(*place, noise)[name] for name in ("r1", "r2")]

    def check_arrows(name, numbers, starts, head):
        """Each: from, to, and the head: left, to, right."""
        parts = np.reshape(numbers, (-1, 5, 2))
        ends = at([tip(start, sigma) for start in starts])
        check(name, parts[:, 0], at(starts))
        for column in (1, 3):
            check(name, parts[:, column], ends)
        back = (at(starts) - ends) / (length := np.linalg.norm(at(starts) - ends, axis=1, keepdims=True))
        size, side = np.minimum(head, length / 2), back[:, ::-1] * [1, -1]
        for column, turn in ((2, 0.45), (4, -0.45)):
            check(name, parts[:, column], ends + size * (math.cos(turn) * back + math.sin(turn) * side), 0.16)

    places = (6 * np.arange(10) - 27) / 10
    some = [13, 28, 42, 50, 77, 99]  # each arrow is an integral: not all of them
    grid = np.array([(u, v) for u in places for v in places])
    if len(shown["field"]) != 1000:
        return ["field"]
    check("cloud", shown["cloud"], at(oracle.cloud()), 1e-6)
    check("noise", shown["noise"], [*at(x), sigma * unit], 1e-6)
    check_arrows("field", np.reshape(shown["field"], (100, 10))[some], grid[some], 6)
    check_arrows("move", shown["move"], np.array([x]), 12)
    way = np.reshape(shown["way"], (-1, 2))
    check("way", way[[0, 30, 61, -1]], at([tip(x, 10 ** (i / 50 - 1)) for i in (0, 30, 61, 100)]))
    check("groups", [place for _, *place in shown["groups"]], at([mu for _, mu, _ in oracle.GROUPS]) + [0, 6], 1e-6)
    check("handle", shown["handle"], 100 / 6 * (np.array(x) * [1, -1] + 3), 0.001)
    return wrong + ["names"] * ([name for name, *_ in shown["groups"]] != ["1", "2", "3"]) + ["way"] * (len(way) != 101)


def faults(shown: list, states=oracle.STATES) -> list:
    """Where a number is not that of the oracle or not written as it is, where the sentence is untrue, what is drawn wrong."""
    found = []
    for (x, sigma), each in zip(states, shown, strict=True):
        right = exact(*x, sigma)
        if each["numbers"].keys() != right.keys():
            return [each["numbers"]]
        for name, (number, text) in each["numbers"].items():
            told_so = share(number) if name[0] == "w" else minus(number, 2)
            if not np.isclose(number, right[name], rtol=1e-8, atol=1e-9) or text != told_so:
                found.append((x, sigma, name, number, right[name], text))
        if each["words"] != sentence(x, sigma):
            found.append((x, sigma, each["words"]))
        found += [(x, sigma, part) for part in drawn_wrong(x, sigma, each)]
    return found


def test_numbers_words_and_drawing_are_right(show):
    shown = show()
    assert faults(shown) == []
    assert {each["words"][0][:12] for each in shown} == {"x̃ comes fro", "So much nois", "x̃ may come "}


def test_the_sentence_is_true_of_many_points(show):
    draws = np.random.default_rng(0)
    many = [(tuple(draws.uniform(-2.5, 2.5, 2).round(2)), round(10 ** draws.uniform(-1, 1), 3)) for _ in range(80)]
    for (x, sigma), each in zip(many, show(of=many), strict=True):
        assert each["words"] == sentence(x, sigma)


# what stands in the module, once -> what stands there instead
PLANTED = {
    "weights": ("PI = [0.5, 0.2, 0.3]", "PI = [0.5, 0.3, 0.2]"),
    "width": ("SD = [0.35, 0.5, 0.25]", "SD = [0.35, 0.5, 0.26]"),
    "plane": ("Math.log(pi / v)", "Math.log(pi / Math.sqrt(v))"),
    "half": ("/ (2 * v);", "/ v;"),
    "noise": ("const v = SD[k] ** 2 + s;", "const v = SD[k] ** 2;"),
    "clean": ("/ (SD[k] ** 2 + s))));", "/ SD[k] ** 2)));"),
    "deviation": ("(SD[k] ** 2 + s))));", "(SD[k] + s))));"),
    "square": ("x[d] + sigma ** 2 * slope", "x[d] + sigma * slope"),
    "sign": ("x[d] + sigma ** 2 * slope", "x[d] - sigma ** 2 * slope"),
    "plain": ("plain: score(x, 0)", "plain: score(x, sigma ** 2)"),
    "radii": ("Math.log(1 - (i + 0.5) / n))", "Math.log(1 - i / n))"),
    "axes": ("(REACH[1] - p[1]) * unit]", "(REACH[1] + p[1]) * unit]"),
    "field": ("at(denoise(p, sigma)), 6)", "at(denoise(x, sigma)), 6)"),
    "way": ("at(denoise(x, noise))", "at(denoise(x, sigma))"),
    "circle": ("r: sigma * unit", "r: 2 * sigma * unit"),
    "head": ("[-0.45, 0.45]", "[-0.45, 2.45]"),
    "size": ("apart(a, b) / 2)", "apart(a, b))"),
    "names": ("`w${k + 1}`", "`w${3 - k}`"),
    "order": ("smooth: pair(\"∇log pₛ(x̃)\", \"smooth\")", "smooth: pair(\"∇log pₛ(x̃)\", \"plain\")"),
    "sure": ("w[k] >= 0.99", "w[k] >= 0.8"),
    "part": ("percent(sigma ** 2 / (SD[k]", "percent(SD[k] ** 2 / (SD[k]"),
    "hides": ("sigma > 1 &&", "sigma > 5 &&"),
    "far": ("far = apart(r, MEAN)", "far = apart(r, [0, 0])"),
    "angle": ("a[0] * b[1] - a[1] * b[0]", "a[0] * b[1] + a[1] * b[0]"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_planted_error_is_found(show, name):
    assert Denoise._esm.count(PLANTED[name][0]) == 1
    assert faults(show(Denoise._esm.replace(*PLANTED[name])))


# --- hands and words on the page --------------------------------------------------------------------------------------

def place(tab) -> tuple[float, ...]:
    told_place = tab.page.locator(".explore .ex-bend").get_attribute("aria-valuetext").replace("\N{MINUS SIGN}", "-")
    return tuple(map(float, re.findall(r"-?\d+\.\d+", told_place)))


def noise(tab) -> str:
    return tab.page.locator('.explore [name="sigma"]').get_attribute("aria-valuetext")


def unit(tab) -> float:
    return tab.page.locator(".explore .ex-plane .ex-stage").bounding_box()["width"] / 6


def test_mouse_drags_and_puts_the_point(opened):
    tab = opened()
    for by, expected in (((-1.5, 1.0), (1.0, 0.8)), ((9, 9), (2.5, 2.5)), ((-2.0, -3.6), (0.5, -1.1))):
        drag(tab, middle(tab.page.locator(".ex-bend")), by[0] * unit(tab), -by[1] * unit(tab))
        assert place(tab) == pytest.approx(expected, abs=0.051)
    box = tab.page.locator(".explore .ex-plane .ex-stage").bounding_box()
    tab.page.mouse.click(box["x"] + 1.2 * unit(tab), box["y"] + 4.6 * unit(tab))
    assert place(tab) == pytest.approx((-1.8, -1.6), abs=0.051)
    tab.page.get_by_role("button", name="Reset").click()
    assert place(tab) == (2.5, -0.2) and tab.faults == []


def test_finger_taps_drags_and_scrolls(opened):
    tab = opened(**PHONE)
    box = tab.page.locator(".explore .ex-plane .ex-stage").bounding_box()
    tab.page.touchscreen.tap(box["x"] + 3.5 * unit(tab), box["y"] + 2 * unit(tab))
    assert place(tab) == pytest.approx((0.5, 1.0), abs=0.06)
    swipe(tab, beside(middle(tab.page.locator(".ex-bend"))), -1.5 * unit(tab), unit(tab))
    assert place(tab) == pytest.approx((-1.0, 0.0), abs=0.06) and tab.page.evaluate("scrollX") == 0
    before = tab.page.evaluate("scrollY")
    swipe(tab, (box["x"] + 5 * unit(tab), box["y"] + 5 * unit(tab)), 0, -150)
    tab.page.wait_for_function("(before) => scrollY > before + 50", arg=before)


def test_keyboard_moves_everything_and_what_is_read_out_follows(opened):
    tab = opened()
    assert is_silent(tab) and keeps_keys(tab) == 3 * [True]
    assert told(tab) == tuple(sentence((2.5, -0.2), 0.3))
    tab.page.locator(".ex-bend").focus()
    press(tab, "ArrowLeft", "ArrowUp", "Shift+ArrowUp", "Shift+ArrowLeft")
    assert place(tab) == (1.95, 0.35) and has_ring(tab)
    assert noise(tab) == "σ = 0.300"
    press(tab, "Tab", "ArrowRight")  # in steps of a fiftieth of a decade
    assert noise(tab) == "σ = 0.316" and has_ring(tab)
    press(tab, "End")
    assert noise(tab) == "σ = 10.0"
    wait_until_heard(tab, "So much noise hides the group")
    press(tab, "ArrowLeft")
    assert noise(tab) == "σ = 9.55"
    press(tab, "Home")
    assert noise(tab) == "σ = 0.100"
    press(tab, "ArrowRight")
    assert noise(tab) == "σ = 0.105" and told(tab) == tuple(sentence((1.95, 0.35), 0.105))
    press(tab, "Tab", "Enter")
    assert (place(tab), noise(tab)) == ((2.5, -0.2), "σ = 0.300") and has_ring(tab)


def test_every_word_follows_the_page(opened):
    tab = opened()
    for language, words in {"en": ("data", "all σ", "one σ from x̃", "noise", "Reset"),
                            "zh": ("数据", "各种 σ 的 r*(x̃)", "距 x̃ 一个 σ", "噪声", "重置")}.items():  # fmt: skip
        speak(tab, language)
        seen = seen_words(tab)
        assert all(word in seen for word in words)
        assert chinese(seen) == (language == "zh")
        for part, names in ((".ex-plane .ex-stage", ("arrows", "箭头")), (".ex-bend", ("noisy point", "带噪的点"))):
            label = tab.page.locator(f".explore {part}").get_attribute("aria-label")
            assert [name in label for name in names] == [language == "en", language == "zh"]


# --- place and looks --------------------------------------------------------------------------------------------------

SET = """([name, value]) => { const input = document.querySelector(`.explore [name="${name}"]`);
  input.value = value; input.dispatchEvent(new Event("input")); }"""


@pytest.mark.parametrize("width, theme", [(1280, "light"), (600, "light"), (480, "light"), (390, "dark"), (320, "light")])
def test_it_keeps_its_place_in_every_language_and_state(opened, width, theme):
    tab = opened(width=width, color_scheme=theme, has_touch=width == 390)
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for decades in (-1, -0.2, 0.2, 1):
            tab.page.evaluate(SET, ["sigma", decades])
            kept, figure, target = tab.page.evaluate(PLACE)
            assert kept == pytest.approx(figure, abs=0.5), (language, decades)
            assert target >= 24
        assert no_sideways(tab, width) and tab.page.evaluate(OVERLAPS, 4) == []
    assert tab.faults == []


PARTS = {**dict.fromkeys((".ex-field", ".ex-way", ".ex-move", ".ex-typical", ".ex-beads"), "stroke"), ".ex-of-p": "fill",
         ".ex-group": "fill"}  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_line_stands_out_from_the_page(opened, theme):
    found = opened(color_scheme=theme).page.evaluate(CONTRAST, PARTS)
    assert min(found.values()) > 3, found


def test_paper_and_a_page_without_script_have_the_picture(visit, sample, opened):
    assert has_picture_on_paper(visit, sample, opened, PAGE)
