"""The figure of two classes on a page with no kernel: what it draws and says, and the reader's hands on it."""
from __future__ import annotations

import math
import re

import numpy as np
import pytest

from gmlib.explore import Boundary
from tests.explore import boundary_oracle as oracle
from tests.site.explore import (
    PHONE, PLACE, alone, drag, has_ring, keeps_keys, middle, no_sideways, press, show_figure, speak, swipe,
)

pytestmark = pytest.mark.site

PAGE = "book/boundary.html"
# numbers, words and paths
READ = """(el) => {
  const all = (query, f) => [...el.querySelectorAll(query)].map(f);
  const path = (query) => all(query, (e) => e.getAttribute("d"));
  return { ...Object.fromEntries(all("[data-quantity]", (e) => [e.dataset.quantity, Number(e.dataset.value)])),
    share: Number(el.querySelector("[data-share]").dataset.share), words: all(".ex-summary span", (e) => e.textContent),
    width: el.querySelector(".ex-plane svg").viewBox.baseVal.width, boundary: path(".ex-boundary")[0],
    typical: path(".ex-stage path.ex-typical")[0], sides: path(".ex-side"),
    ellipses: all("ellipse", (e) => ["cx", "cy", "rx", "ry"].map((name) => Number(e.getAttribute(name)))) };
}"""
KINDS = {  # each kind of boundary once; the last two are degenerate
    "line": ((-1.5, -0.5), (1.5, 0.5), (1.0, 1.0), (1.0, 1.0)),
    "ellipse": ((-1.5, 0.0), (1.5, 0.5), (0.8, 0.8), (1.5, 2.0)),
    "hyperbola": ((-2.0, 1.0), (1.0, 0.0), (2.0, 0.5), (0.7, 1.5)),
    "parabola": ((-2.0, 0.5), (2.0, 0.0), (1.0, 0.7), (1.0, 1.4)),
    "none": ((0.0, 0.0), (0.5, 0.0), (1.0, 1.0), (2.5, 2.5)),
    "lines": ((0.0, 0.0), (0.0, 0.0), (2.0, 1.0), (1.0, 2.0)),
}
SAYS = {"line": ("straight line", "直线"), "ellipse": ("an ellipse", "椭圆"), "hyperbola": ("a hyperbola", "双曲线"),
        "parabola": ("a parabola", "抛物线"), "none": ("No boundary", "没有边界"),
        "lines": ("a pair of straight lines", "两条直线")}


def states():
    """The kinds of boundary and the settings of the other tests, as the browser holds them, with the oracle's form."""
    for pi1, (mu1, mu2), (sigma1, sigma2) in [(0.05 if kind == "none" else 0.5, v[:2], v[2:])
                                              for kind, v in KINDS.items()] + oracle.ROUND + oracle.APART:
        setting = (pi1, (mu1, mu2), (sigma1, sigma2))
        yield setting, dict(pi1=pi1, mu1=mu1, mu2=mu2, sigma1=sigma1, sigma2=sigma2, x=(-2.5, 3.0))


@pytest.fixture(scope="module")
def show(chromium, sample):
    """A function that gives what the figure shows in some states, from its module with or without a planted error."""
    with alone(chromium, sample, Boundary) as shown:
        yield lambda wanted, source=Boundary._esm: shown(wanted, source, READ)


def points(path, width):
    """The corners of a path, on the plane."""
    pixels = np.array(re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", path), dtype=float).reshape(-1, 2)
    return pixels * 14 / width * [1, -1] + [-7, 6]


def differences(found, setting, state):
    """How far what is shown is from the oracle: numbers relative where they are large, places in pixels."""
    *posterior, log_p = oracle.point(state["x"], setting)
    yield from (abs(found[name] - exact) for name, exact in zip(("p1", "p2", "log_p"), [*posterior, log_p]))
    yield 1e-3 * abs(math.log(oracle.share_below(found["lowest"], setting) / 0.01))
    yield 1e-3 * abs(math.log(found["share"] / oracle.share_below(log_p, setting))) if log_p > -12 else 0
    A, b, c = oracle.log_odds(setting)
    x = points(found["boundary"], found["width"])
    slope = np.linalg.norm(2 * x @ A + b, axis=1)
    odds = np.einsum("ni,ij,nj->n", x, A, x) + x @ b + c
    yield from 1e-5 * np.abs(odds) / np.maximum(slope, 0.2)
    x = points(found["typical"], found["width"])
    height = np.logaddexp(*oracle.log_joint(x, setting))
    yield from 1e-5 * np.abs(height - found["lowest"]) / 5


def test_everything_shown_agrees_with_scipy(show):
    wanted = list(states())
    for found, (setting, state) in zip(show([state for _, state in wanted]), wanted, strict=True):
        assert max(differences(found, setting, state)) < 1e-6, setting
        assert found["p1"] + found["p2"] == pytest.approx(1, abs=1e-12)


def test_sides_and_contours(show):
    wanted = list(states())
    for found, (setting, state) in zip(show([state for _, state in wanted]), wanted, strict=True):
        unit, area = found["width"] / 14, 0.0
        for c, path in enumerate(found["sides"]):
            ends = points(path, found["width"]).reshape(-1, 2, 2)
            assert (oracle.log_joint(ends.mean(1), setting).argmax(0) == c).all()
            area += np.abs(ends[:, 1] - ends[:, 0]).sum() * unit
        assert area == pytest.approx(12 * unit * (found["width"] + 1), rel=5e-5)
        ellipses = [(m[0] + 7, 6 - m[1], r * s[0], r * s[1]) for m, s in zip(*setting[1:]) for r in (2, 1)]
        assert np.array(found["ellipses"]) == pytest.approx(np.array(ellipses) * unit)


def test_the_boundary_is_named_and_the_verdict_fits_the_numbers(show):
    """Each kind of conic, and the three verdicts on x: like the draws, unusual, far below anything."""
    wanted = [state for _, state in states()][:6]
    for found, kind, (setting, _) in zip(show(wanted), KINDS, states()):
        assert oracle.conic(setting) == kind
        assert all(word in told for word, told in zip(SAYS[kind], found["words"])), kind
    for x, told in VERDICTS.items():
        (found,) = show([dict(wanted[0], x=x)])
        assert [found["words"][0].split(" Boundary")[0], found["words"][1].split("两类宽度")[0]] == told


VERDICTS = {  # in the first state; the numbers are SciPy's: 0.6 and 0.525; 0.99983 and 0.00067; 1 - 1e-11
    (-0.1, -0.1054651): ["The classifier gives class 1 a probability of 60.0%, and x is like the model’s"
                         " draws: 52.5% of them have a density as low or lower.",
                         "分类器给类别 1 的概率为 60.0%，x 也与模型的样本相仿：52.5% 的样本密度不高于它。"],
    (-1.5, -4.2): ["The classifier is 99.98% sure of class 1, yet x is unusual:"
                   " only 0.07% of the model’s draws have so low a density.",
                   "分类器有 99.98% 的把握判为类别 1，但 x 很不寻常：只有 0.07% 的样本密度这样低。"],
    (6.5, 5.5): ["The classifier is over 99.9999% sure of class 2, yet x is unlike the model’s draws:"
                 " under 0.01% have so low a density.",
                 "分类器有超过 99.9999% 的把握判为类别 2，但 x 不像模型的样本：密度这样低的样本不足 0.01%。"],
}

# what stands in the module, once -> what stands there instead
PLANTED = {
    "variance": ("(x[0] - mu[0]) / sigma[0]) ** 2", "(x[0] - mu[0]) ** 2 / sigma[0])"),
    "prior": ("[1 - pi1, mu2, sigma2]", "[pi1, mu2, sigma2]"),
    "normaliser": ("Math.log(sigma[0] * sigma[1]) - Math.log(2 * Math.PI)", "Math.log(2 * Math.PI)"),
    "mass": ("Math.exp(-(found.at(-1) ** 2) / 2)", "Math.exp(-(found.at(-1) ** 2))"),
    "rise": ("(above ? 1 : -1)", "1"),
    "share": ("SHARE = 0.01", "SHARE = 0.011"),
    "sum": ("level - Math.LN2", "level"),
    "odds": ("(mu * mu) / variance", "mu / variance"),
    "half": ("-0.5 / variance", "-1 / variance"),
    "scale": ("REACH[1] - x[1]", "x[1] - REACH[1]"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_wrong_formula_is_found(show, name):
    right, wrong = PLANTED[name]
    assert Boundary._esm.count(right) == 1
    wanted = [list(states())[i] for i in (7, 10)]
    shown = show([state for _, state in wanted], Boundary._esm.replace(right, wrong))
    assert max(max(differences(found, *each)) for found, each in zip(shown, wanted)) > 1e-5


# --- hands ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def opened(visit, sample):
    def start(planted=None, **options):
        """The page; with `planted`, the kit that both figures are made of with one error in it."""
        tab = visit(sample, **options)
        if planted:
            kit = (sample.root / "_static/explore/kit.js").read_text("utf-8")
            assert kit.count(planted[0]) == 1
            wrong = {"body": kit.replace(*planted), "content_type": "text/javascript"}
            tab.page.route("**/explore/kit.js", lambda route: route.fulfill(**wrong))
        return show_figure(tab, sample.url(PAGE), ".ex-typical", ".ex-plane")

    return start


def values(tab) -> list[str]:
    handles = tab.page.get_by_role("slider").all()
    return [handle.get_attribute("aria-valuetext").replace("\u2212", "-") for handle in handles]


START = ["σ₁ = (1.00, 1.00)", "μ₁ = (-1.50, -0.50)", "σ₂ = (1.00, 1.00)", "μ₂ = (1.50, 0.50)",
         "x = (4.00, -5.00)", "π₁ = 0.50"]


def handle(tab, number: int) -> tuple[float, float]:
    return middle(tab.page.get_by_role("slider").nth(number))


def unit(tab) -> float:
    """In pixels."""
    return tab.page.locator(".ex-plane").bounding_box()["width"] / 14


def test_mouse_drags_every_handle_and_a_press_puts_the_point(opened):
    tab = opened()
    assert values(tab) == START
    for number, dx, dy in [(0, -0.7071, 0.7071), (1, -1, 1), (2, 0.35355, -0.35355), (3, 1, 0),
                           (4, -2, 3), (4, 90, 90)]:
        drag(tab, handle(tab, number), dx * unit(tab), -dy * unit(tab))
        if dx == -2:
            assert values(tab)[4] == "x = (2.00, -2.00)"
    assert values(tab) == ["σ₁ = (1.50, 1.50)", "μ₁ = (-2.50, 0.50)", "σ₂ = (1.25, 0.75)", "μ₂ = (2.50, 0.50)",
                           "x = (6.50, 5.50)", "π₁ = 0.50"]
    box = tab.page.locator(".ex-plane").bounding_box()
    tab.page.mouse.click(box["x"] + 3 * unit(tab), box["y"] + 10 * unit(tab))
    assert values(tab)[4] == "x = (-4.00, -4.00)"
    tab.page.get_by_role("button", name="Equal spreads").click()
    assert values(tab)[2] == "σ₂ = (1.50, 1.50)"
    tab.page.get_by_role("button", name="Reset").click()
    assert values(tab) == START and tab.faults == []


def test_keyboard_moves_every_handle_and_says_the_values(opened):
    tab = opened()
    focus = "document.activeElement.getAttribute('aria-label')"
    tab.page.get_by_role("slider").first.focus()
    labels = []
    for keys in (["ArrowLeft", "ArrowUp"], ["ArrowRight", "ArrowDown"], ["ArrowRight", "Shift+ArrowUp"], ["ArrowUp"],
                 ["Shift+ArrowLeft", "Shift+ArrowUp"]):
        labels.append(tab.page.evaluate(focus))
        press(tab, *keys)
        assert has_ring(tab)
        press(tab, "Tab")
    assert labels == ["spread of class 1", "centre of class 1", "spread of class 2", "centre of class 2", "point x"]
    press(tab, "ArrowLeft")
    assert values(tab) == ["σ₁ = (1.05, 1.05)", "μ₁ = (-1.40, -0.60)", "σ₂ = (1.05, 1.50)", "μ₂ = (1.50, 0.60)",
                           "x = (3.00, -4.00)", "π₁ = 0.45"]
    assert tab.page.get_by_role("slider").nth(4).get_attribute("aria-valuenow") == "3"
    assert keeps_keys(tab) == 8 * [True]
    speak(tab, "zh")
    assert [h.get_attribute("aria-label") for h in tab.page.locator(".ex-point").all()] == [
        "类别 1 的宽度", "类别 1 的中心", "类别 2 的宽度", "类别 2 的中心", "点 x"]
    assert tab.faults == []


# In every frame: whether the sentence of each language names the class and the number of the greater bar.
FRAMES = """() => { window.seen = []; const look = () => {
  const [one, two] = document.querySelectorAll(".ex-meters .ex-number");
  const words = [...document.querySelectorAll(".ex-summary > span")].map((e) => e.textContent);
  const [k, bar] = Number(one.dataset.value) < Number(two.dataset.value) ? [2, two] : [1, one];
  const wanted = [[`class ${k}`, `类别 ${k}`], Array(2).fill(bar.textContent.split(" ").at(-1))];
  seen.push([words.every((told, i) => wanted.every((parts) => told.includes(parts[i]))), words[0],
    document.querySelector(".ex-heard").textContent]);
  requestAnimationFrame(look);
}; look(); }"""
LATE = "write(seen, words);", "setTimeout(() => write(seen, words), 300);"


def dragged(tab, number: int, dx: float) -> list[tuple[bool, str, str]]:
    """What each frame showed from before a handle was drawn sideways by some units until just after, still held."""
    x, y = handle(tab, number)
    far = dx * unit(tab)
    tab.page.evaluate(FRAMES)
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    for step in range(1, 13):
        tab.page.mouse.move(x + step / 12 * far, y)
    tab.page.evaluate("new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame))")
    return tab.page.evaluate("seen")


@pytest.mark.parametrize("number, dx", [(4, -8), (3, -5)])
def test_the_sentence_agrees_with_the_bars_in_every_frame(opened, number, dx):
    """The point is drawn from one class to the other, then a class over the other."""
    frames = dragged(opened(), number, dx)
    assert len({words for _, words, _ in frames}) > 3 and all(agrees for agrees, *_ in frames)


def test_planted_late_sentence_is_found(opened):
    frames = dragged(opened(LATE), 4, -8)
    assert not all(agrees for agrees, *_ in frames)


def test_the_sentence_is_read_out_once_at_rest_and_then_goes(opened):
    """Nothing at the start nor on the way; what is heard is out of sight, but not hidden from a screen reader."""
    tab = opened()
    region = tab.page.locator(".ex-heard")
    assert region.get_attribute("aria-live") == "polite"
    assert region.evaluate("(e) => [e.offsetWidth, e.offsetHeight, getComputedStyle(e).display]") == [1, 1, "block"]
    assert tab.page.locator(".ex-summary[aria-live], .ex-summary [aria-live], .ex-summary[aria-hidden]").count() == 0
    frames = dragged(tab, 4, -8)
    assert {heard for _, _, heard in frames} == {""}
    tab.page.mouse.up()
    tab.page.wait_for_function("seen.some(([_a, _b, heard]) => heard)")
    tab.page.wait_for_function("!seen.at(-1)[2]", timeout=10_000)
    heard = {heard for *_, heard in tab.page.evaluate("seen")}
    assert heard == {"", "".join(tab.page.locator(".ex-summary > span").all_text_contents())}


@pytest.mark.parametrize("width, theme", [(1280, "light"), (600, "light"), (390, "dark"), (360, "light")])
def test_it_fits_its_place_in_every_language(opened, width, theme):
    """Its place is kept from the start and nothing sticks out, in each language, where the words are longest."""
    tab = opened(width=width, color_scheme=theme, has_touch=width == 390)
    tab.page.get_by_role("slider").nth(2).focus()
    press(tab, *3 * ["Shift+ArrowRight"])  # the longest words: an ellipse, and a class that is more than 99.9999% sure
    for language in ("en", "zh", "both"):
        speak(tab, language)
        place, figure, _ = tab.page.evaluate(PLACE)
        assert place == pytest.approx(figure, abs=0.5), language
        assert no_sideways(tab, width)
        sizes = tab.page.locator(".ex :is(button, input, .ex-point)").evaluate_all(
            "(all) => all.map((e) => Math.min(e.offsetWidth, e.offsetHeight))")
        assert len(sizes) == 8 and min(sizes) >= 24
    if width == 390:
        swipe(tab, handle(tab, 1), 60, 60)
        assert values(tab)[1] != START[1] and tab.page.evaluate("scrollX") == 0
    assert tab.faults == []


# How tall the figure is, how far down its last control ends, and its smallest letters
SIZE = """() => { const figure = document.querySelector(".explore"), top = figure.getBoundingClientRect().top;
  const texts = [...figure.querySelectorAll(".ex *")].filter((e) => e.checkVisibility() && !e.closest(".ex-heard")
    && [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()));
  const last = figure.querySelector(".ex-buttons").getBoundingClientRect();
  return [figure.getBoundingClientRect().height, last.bottom - top,
    Math.min(...texts.map((e) => parseFloat(getComputedStyle(e).fontSize)))]; }"""


def too_large(tab) -> list[tuple]:
    """In which languages the figure is too tall for a phone, or its letters are too small."""
    found = []
    for language in ("en", "zh", "both"):
        speak(tab, language)
        height, controls, letters = tab.page.evaluate(SIZE)
        assert height > 400 and controls > 300
        found += [(language, height, controls, letters)] if height > 700 or controls > 560 or letters < 12 else []
    return found


def test_it_fits_on_the_screen_of_a_phone(opened):
    """With its controls beside the plot that they move, in letters that can be read; targets: see above."""
    assert too_large(opened(**PHONE)) == []


@pytest.mark.parametrize("fault", [
    ".ex-readings { display: block !important; }", ".ex-summary { line-height: 2; min-height: 12rem !important; }",
    ".ex-ticks { font-size: 10px !important; }"])
def test_planted_tall_figure_is_found(opened, fault):
    tab = opened(**PHONE)
    tab.page.add_style_tag(content=fault)
    assert too_large(tab)
