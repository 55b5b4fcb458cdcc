"""Two components over twelve points on a page with no kernel: numbers, steps, drawing and words, and the reader's hands."""
from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from scipy.special import expit

from gmlib.explore import Share, odds_of, refitted, shared
from tests.explore import share_oracle as oracle
from tests.site.explore import (
    CONTRAST, NUMBERS, OVERLAPS, PHONE, PLACE, WORDS, alone, beside, chinese, drag, has_picture_on_paper, has_ring,
    is_silent, keeps_keys, middle, no_sideways, press, seen_words, show_figure, speak, swipe, told, wait_until_heard,
)

pytestmark = pytest.mark.site

PAGE = "book/share.html"
SPREAD = [1.3, -0.4, 2.2, 0.7, -1.1, 0.2, -2.5, 0.9, 3.1, -0.8, 1.7, -0.3]
LONE = dict(one=(-0.35, 1.8), two=(3.2, 0.02), weight=0.92, odds=[30.0] * 11 + [-30.0])
STATES = [
    oracle.START,
    dict(one=(-1.35, 0.62), two=(1.9, 1.48), weight=0.37, odds=SPREAD),
    dict(one=(2.4, 2.7), two=(-3.65, 0.3), weight=0.83, odds=[-3 * o for o in SPREAD]),
    dict(one=(-4.0, 0.02), two=(4.0, 0.02), weight=0.01, odds=[9e4, -9e4] * 6),
    LONE, {**LONE, "one": (-2.9, 0.1), "two": (0.5, 2.0), "weight": 0.08},
    *(oracle.after(oracle.START, steps) for steps in ("e", "em", "m", "emem" * 2 + "e", 25 * "em" + "e")),
]  # fmt: skip
DRAWN = [*STATES[1:5], STATES[7]]
# numbers, words, and the drawing: width of the stage, what lines and columns there are, and where; passed as one text
READ = f"""(el) => {{
  const [plane, stage] = el.querySelectorAll(".ex-stage[role=img]");
  const number = (e, ...names) => names.map((name) => Number(e.getAttribute(name)));
  const all = (root, query, ...names) => [...root.querySelectorAll(query)].map((e) => number(e, ...names));
  const points = (e) => e.getAttribute("points").split(" ").map((at) => at.split(",").map(Number));
  return JSON.stringify({{ numbers: ({NUMBERS})(el), words: ({WORDS})(el), width: stage.viewBox.baseVal.width,
    spreads: all(plane, "line:is(.ex-p, .ex-q)", "x1", "x2", "y1"),
    handles: [...el.querySelectorAll(".ex-point")].map((e) => [e.style.left, e.style.top].map(parseFloat)),
    curves: [...stage.querySelectorAll("polyline")].map(points), dots: all(stage, "circle", "cx", "cy"),
    mixed: [...stage.querySelectorAll("circle")].map((e) => Number(e.getAttribute("style").match(/([\\d.e-]+)%/)?.[1])),
    columns: all(stage, ".ex-share-of", "x", "y", "width", "height"),
    fills: [...stage.querySelectorAll(".ex-share-of")].map((e) => e.getAttribute("fill")), bars: all(stage, ".ex-reading", "x", "width") }});
}}"""
# numbers, sentence and both steps in many states, without drawing
FORMULAS = """async ([source, states]) => {
  const own = source.replace("export default { render };", "export default { shared, sentence, oddsOf, refitted };");
  const { default: f } = await import(URL.createObjectURL(new Blob([own], { type: "text/javascript" })));
  return JSON.stringify(JSON.parse(states).map((state) => {
    const { logP, bound, kl } = f.shared(state), { one, two, weight } = f.refitted(state.odds);
    return [[logP, bound, kl], f.oddsOf(state), [...one, ...two, weight], f.sentence(state)];
  }));
}"""


@pytest.fixture(scope="module")
def show(chromium, sample):
    """A function that gives what the figure shows in some states, from its module with or without a planted error."""
    with alone(chromium, sample, Share) as shown:
        yield lambda source=Share._esm, of=DRAWN: [json.loads(each) for each in shown(of, source, READ)]


@pytest.fixture(scope="module")
def formulas(chromium, sample):
    """A function that gives numbers, both steps and the sentence in many states."""
    page = chromium.new_page()
    page.goto(sample.url("book/references.html"))
    yield lambda source=Share._esm, of=STATES: json.loads(page.evaluate(FORMULAS, [source, json.dumps(of)]))
    page.close()


@pytest.fixture
def opened(visit, sample):
    return lambda **options: show_figure(visit(sample, **options), sample.url(PAGE), "[data-quantity=kl]", ".ex-places .ex-stage")


def push(tab, *names: str) -> None:
    for name in names:
        tab.page.locator(".explore button", has_text=name).click()


def three(number: float) -> str:
    return f"{round(number, 3) + 0.0:.3f}".replace("-", "\N{MINUS SIGN}")


# --- numbers, steps and words in many states --------------------------------------------------------------------------

def alone_on_a_point(state: dict) -> int | None:
    """The component that is narrow, stands on a point, has it to itself and reaches no other."""
    posterior = expit(np.array(oracle.e_step(state)["odds"]))
    for k, (mean, sd) in enumerate((state["one"], state["two"])):
        near = np.abs(oracle.POINTS - mean)
        share = (posterior if k == 0 else 1 - posterior)[near.argmin()]
        if sd < 0.25 and near.min() < sd / 10 and np.sort(near)[1] >= 4 * sd and share > expit(3):
            return k
    return None


def sentence(state: dict) -> tuple[str, str]:
    log_p, bound, kl = oracle.numbers(state)
    gain = oracle.numbers(oracle.m_step(state))[1] - bound
    if (k := alone_on_a_point(state)) is not None:
        name = ("one", "two")[k]
        mean, sd = state[name]
        more = three(oracle.numbers({**state, name: (mean, sd / 2)})[0])
        assert 0.6 < oracle.numbers({**state, name: (mean, sd / 2)})[0] - log_p < 0.7  # log 2
        return (f"Component {k + 1} closes in on one point. With half its σ, ℓ would be {more}, and so on without end: the likelihood has"
                " no maximum.", f"分量 {k + 1} 收缩到一个点上。σ 减半，ℓ 就会是 {more}，而且没有尽头：似然没有最大值。")  # fmt: skip
    if np.allclose(state["one"], state["two"], rtol=0, atol=1e-9) and np.ptp(state["odds"]) < 1e-9:
        return ("The components are the same and share every point alike: no step can part them, though two different ones explain the"
                " points better.", "两个分量相同，对每个点的分担也相同：任何一步都分不开它们，尽管两个不同的分量能更好地解释这些点。")  # fmt: skip
    if kl < 5e-4 and gain < 5e-4:
        return (f"To three places the gap is 0 and an M-step gains nothing: EM has come to rest at ℓ = {three(log_p)}.",
                f"在三位小数内，差距为 0，M 步也不再有收获：EM 停在 ℓ = {three(log_p)}。")
    if gain < 5e-4:
        return ("With these r no other components make L larger. But r are not their responsibilities: an E-step raises L by"
                f" {three(kl)}, up to ℓ.", f"对这些 r，没有别的分量能使 L 更大；但 r 不是这两个分量的响应度：E 步使 L 升高 {three(kl)}，升到 ℓ。")  # fmt: skip
    if kl < 1e-9:
        return (f"The r are the responsibilities, so L = ℓ. An M-step raises L by {three(gain)}, and ℓ, which is never below L, by at least"
                " as much.", f"r 就是响应度，所以 L = ℓ。M 步使 L 升高 {three(gain)}；ℓ 从不低于 L，至少升高同样多。")  # fmt: skip
    return (f"The r are not the responsibilities: L is {three(kl)} below ℓ. An E-step closes this gap; an M-step raises L by {three(gain)}.",
            f"r 不是响应度：L 比 ℓ 低 {three(kl)}。E 步消除这一差距；M 步使 L 升高 {three(gain)}。")


def plain(words: list[str]) -> tuple[str, ...]:
    return tuple(part.replace("\u00a0", " ") for part in words)


def faults(told: list, states: list[dict] = STATES) -> list[tuple]:
    """Where a number or a step is not that of scipy, or of Python, or the sentence is not true."""
    found = []
    for i, (state, (numbers, odds, fit, words)) in enumerate(zip(states, told, strict=True)):
        theta = state["one"], state["two"], state["weight"]
        one, two, weight = refitted(state["odds"])
        best = oracle.m_step(state)
        pairs = {
            "numbers": (numbers, oracle.numbers(state), torch.stack(tuple(shared(*theta, state["odds"])))),
            "e": (odds, oracle.e_step(state)["odds"], odds_of(*theta)),
            "m": (fit, [*best["one"], *best["two"], best["weight"]], [*one, *two, weight]),
        }
        for name, (ours, *others) in pairs.items():
            if not all(np.allclose(np.array(ours, dtype=float), other, rtol=1e-11, atol=1e-10) for other in others):
                found.append((i, name))
        found += [(i, words)] * (plain(words) != sentence(state))
    return found


def test_numbers_steps_and_words_are_right(formulas):
    assert faults(formulas()) == []
    assert len({re.sub(r"\d+", "n", sentence(state)[0])[:30] for state in STATES}) == 6  # of every kind


def test_numbers_steps_and_words_are_right_in_many_states(formulas):
    rng, many = np.random.default_rng(0), []
    for i in range(200):
        one, two = (tuple(part) for part in (np.round(rng.uniform([-80, 1], [80, 150], (2, 2))) * [0.05, 0.02]).tolist())
        state = dict(one=one, two=two, weight=round(rng.uniform(0.01, 0.99), 2), odds=rng.normal(0, 3, 12).tolist())
        many.append(oracle.after(state, ("", "e", "m", "em", "eme", 6 * "em")[i % 6]))
    assert faults(formulas(of=many), many) == []


# what stands in the module, once -> what stands there instead
PLANTED = {
    "weight": ("[Math.log(weight) +", "[Math.log(1 - weight) +"),
    "sigmoid": ("Math.min(o, 0) -", "Math.max(o, 0) -"),
    "bound": ("(joint[k] - logR)", "joint[k]"),
    "kl": ("(logR - (joint[k] - of))", "(logR - joint[k])"),
    "swapped": ("[o, -o].map", "[-o, o].map"),
    "odds": ("return a - b; });", "return b - a; });"),
    "half": ("[1] / 2] }", "[1] / 3] }"),
    "mean": ("each * POINTS[i]));", "odds[i] * POINTS[i]));"),
    "root": ("const sd = Math.sqrt(total", "const sd = (total"),
    "limits": ("within(sd, LIMITS[1])", "sd"),
    "share": ("within(n / N, WEIGHT)", "within(n, WEIGHT)"),
    "empty": ("r.map(() => 1 / N)", "r.map(() => 1)"),
    "alone": ("< sd / 10 &&", "< sd &&"),
    "crowd": (".length === 1);", ".length);"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_wrong_formula_is_found(formulas, name):
    assert Share._esm.count(PLANTED[name][0]) == 1
    assert faults(formulas(Share._esm.replace(*PLANTED[name]), STATES + MORE), STATES + MORE)


MORE = [{**LONE, "two": (3.2, 0.24), "odds": [0.0] * 12}, {**LONE, "two": (3.25, 0.06), "weight": 0.7}, {**LONE, "two": (0.4, 2.0), "one": (-2.4, 0.2)},
        {**LONE, "odds": [-2000.0] * 12}]  # fmt: skip

# --- the drawing ------------------------------------------------------------------------------------------------------

def wrong(state: dict, shown: dict) -> str:
    """The first part that does not stand where it should; from left to right 9 units of x."""
    unit, (means, sds, _), r = shown["width"] / 9, oracle.theta(state), expit(np.array(state["odds"]))
    at, nats = (oracle.POINTS + 4.5) * unit, np.clip(oracle.numbers(state)[:2], -40, -20)
    level = shown["width"] / 9 - 6 * (sds - 1.5) * shown["width"] / 90
    sides, level_of = (means + sds * np.array([[-1], [1]]) + 4.5) * unit, 100 * level / (shown["width"] / 4.5)
    curves = [np.array(points) for points in shown["curves"]]
    logs = [oracle.log_joint(state, curve[:, 0] / unit - 4.5) for curve in curves]
    height = [np.exp(logs[0][0]), np.exp(logs[1][1]), np.exp(logs[2]).sum(0), expit(logs[3][0] - logs[3][1])]
    steep = 0.02 / unit / min(sds)  # hundredths of a pixel on a narrow hill
    column = np.array(shown["columns"]).reshape(12, 2, 4)
    parts = {
        "spreads": (shown["spreads"], np.c_[sides.T, level]),
        "handles": (shown["handles"], np.c_[100 * (means + 4.5) / 9, level_of]),
        "dots": (shown["dots"], np.c_[at, [108] * 12]), "mixed": (shown["mixed"], 100 * r),
        "columns": (column[..., 0] + column[..., 2] / 2, np.c_[at, at]),
        "second": (column[:, 0, [1, 3]], np.c_[[138] * 12, 48 * (1 - r)]), "first": (column[:, 1, [1, 3]], np.c_[186 - 48 * r, 48 * r]),
        "bars": (np.array(shown["bars"]) / shown["width"], np.c_[np.r_[0, 0, (nats[1] + 40) / 20], np.r_[nats + 40, nats[0] - nats[1]] / 20]),
        **{f"curve {i}": ((108 - curve[:, 1]) / 260, exact) for i, (curve, exact) in enumerate(zip(curves[:3], height))},
        "posterior": ((186 - curves[3][:, 1]) / 48, height[3]),
    }  # fmt: skip
    loose = {"curve 0": steep, "curve 1": steep, "curve 2": steep, "posterior": steep}
    for name, (found, exact) in parts.items():
        found, exact = np.array(found), np.array(exact)
        close = np.abs(found - exact) <= 0.001 + loose.get(name, 0) * (1 + np.max(exact)) if found.shape == exact.shape else np.array(False)
        if not close.all():
            return name
    numbers = dict(zip(("log_p", "bound", "kl"), oracle.numbers(state)))
    written = {name: [pytest.approx(exact, rel=1e-11, abs=1e-9), three(exact)] for name, exact in numbers.items()}
    if (shown["numbers"], plain(shown["words"])) != (written, sentence(state)):
        return "words"
    return "" if shown["fills"] == ["var(--ex-q)", "var(--ex-p)"] * 12 else "fills"


def test_drawing_shows_what_it_should(show):
    assert [wrong(*each) for each in zip(DRAWN, show(), strict=True)] == [""] * len(DRAWN)


WRONG = {
    "floor": ("FLOOR = -40", "FLOOR = -41"),
    "spread": ("x(mean - sd), y(sd)", "x(mean), y(sd)"),
    "place": ("UP * (sd - MIDDLE)]", "UP * sd]"),
    "posterior": ("FOOT - SHARES * Math.exp(logSigmoid(a - b))", "FOOT - SHARES * Math.exp(logSigmoid(b - a))"),
    "column": ("y: FOOT - SHARES * r,", "y: TOP,"),
    "mixed": ("${100 * r}%", "${100 - 100 * r}%"),
    "hatch": ("bound, logP),", "FLOOR, logP),"),
    "sum": ("height(logSum(a, b))", "height(a)"),
    "names": ('"kl", kl)', '"kl", bound)'),
}


@pytest.mark.parametrize("name", WRONG)
def test_planted_wrong_drawing_is_found(show, name):
    assert Share._esm.count(WRONG[name][0]) == 1
    assert any(wrong(*each) for each in zip(DRAWN, show(Share._esm.replace(*WRONG[name]))))


def test_a_narrow_hill_is_drawn_to_its_top(show):
    """It is narrower than a pixel: on pixels alone, its top would be missed."""
    def top(source=Share._esm):
        (shown,) = show(source, [{**LONE, "two": (3.21, 0.02)}])
        return (108 - min(y for _, y in shown["curves"][1])) / 260
    assert top() == pytest.approx(0.08 / 0.02 / np.sqrt(2 * np.pi), abs=1e-3)
    assert top(Share._esm.replace("...even, ...narrow", "...even")) < 1.57


# --- steps ------------------------------------------------------------------------------------------------------------

def state_of(tab) -> dict[str, float]:
    return {name: value for name, (value, _) in tab.page.evaluate(NUMBERS).items()}


def places(tab) -> list[tuple[float, float]]:
    said = [one.get_attribute("aria-valuetext").split(" = ")[1] for one in tab.page.locator(".explore .ex-point").all()]
    return [tuple(float(part.replace("\N{MINUS SIGN}", "-")) for part in each.strip("()").split(", ")) for each in said]


def weight(tab) -> str:
    return tab.page.locator('.explore [name="weight"]').get_attribute("aria-valuetext")


def test_buttons_take_the_steps_of_em(opened):
    tab, state = opened(), oracle.START
    assert is_silent(tab) and told(tab) == sentence(state)
    for steps in ("e", "m", "m", "e", "m", 10 * "em"):
        push(tab, {"e": "E-step", "m": "M-step"}.get(steps, "10 rounds"))
        state = oracle.after(state, steps)
        assert tuple(state_of(tab)[name] for name in ("log_p", "bound", "kl")) == pytest.approx(oracle.numbers(state), abs=1e-9)
        assert told(tab) == sentence(state)
        assert places(tab) == [pytest.approx(state[name], abs=0.00501) for name in ("one", "two")]
        assert weight(tab) == f"π₁ = {state['weight']:.2f}"
    wait_until_heard(tab, "To three places")
    push(tab, "Reset", "M-step", "E-step")
    assert told(tab)[0].startswith("The components are the same")
    push(tab, "Reset")
    assert state_of(tab)["log_p"] == pytest.approx(-31.884767797614526) and tab.faults == []


# --- hands ------------------------------------------------------------------------------------------------------------

def handle(tab, number: int) -> tuple[float, float]:
    return middle(tab.page.locator(f".explore .ex-point >> nth={number}"))


def units(tab) -> tuple[float, float]:
    """Of the mean and of the standard deviation, in pixels."""
    width = tab.page.locator(".ex-places .ex-stage").bounding_box()["width"]
    return width / 9, width / 15


def test_mouse_drags_both_components(opened):
    tab = opened()
    x, y = units(tab)
    for number, by, expected in ((1, (1.0, -0.4), (1.5, 1.4)), (0, (-2.0, 0.5), (-2.3, 0.5)), (0, (-9, -9), (-4.0, 3.0)),
                                 (1, (1.7, 9), (3.2, 0.02)), (1, (9, 0), (4.0, 0.02))):  # fmt: skip
        drag(tab, handle(tab, number), by[0] * x, by[1] * y)
        assert places(tab)[number] == pytest.approx(expected, abs=0.021)
    assert tab.faults == []


def test_finger_drags_a_component_and_scrolls_beside_it(opened):
    tab = opened(**PHONE)
    x, y = units(tab)
    swipe(tab, beside(handle(tab, 1)), 2 * x, -0.5 * y)
    assert places(tab)[1] == pytest.approx((2.5, 1.5), abs=0.15) and tab.page.evaluate("scrollX") == 0
    before = tab.page.evaluate("scrollY")
    swipe(tab, middle(tab.page.locator(".explore .ex > .ex-stage")), 0, -150)
    tab.page.wait_for_function("(before) => scrollY > before + 50", arg=before)


def test_keyboard_reaches_and_moves_everything(opened):
    tab = opened()
    tab.page.locator(".explore .ex-point >> nth=0").focus()
    press(tab, "ArrowLeft", "ArrowLeft", "ArrowUp")
    assert places(tab)[0] == (-0.4, 1.02) and has_ring(tab)
    press(tab, "Tab", "Shift+ArrowRight", "Shift+ArrowDown")
    assert places(tab)[1] == (1.0, 0.8) and has_ring(tab)
    press(tab, "Tab", *3 * ["ArrowLeft"])
    assert weight(tab) == "π₁ = 0.47" and has_ring(tab)
    press(tab, "Tab", "Enter")
    assert state_of(tab)["kl"] == pytest.approx(0, abs=1e-9)
    state = oracle.after(dict(one=(-0.4, 1.02), two=(1.0, 0.8), weight=0.47, odds=[0.0] * 12), "em")
    press(tab, "Tab", "Space")
    assert state_of(tab)["log_p"] == pytest.approx(oracle.numbers(state)[0], abs=1e-9) and has_ring(tab)
    press(tab, "Tab", "Enter")
    assert told(tab)[0].startswith("To three places")
    press(tab, "Tab", "Enter")
    assert places(tab) == [(-0.3, 1.0), (0.5, 1.0)] and weight(tab) == "π₁ = 0.50"
    assert keeps_keys(tab) == 7 * [True]


# --- words, place and looks -------------------------------------------------------------------------------------------

def test_every_word_follows_the_page(opened):
    tab = opened()
    names = {"en": ["component 1", "component 2"], "zh": ["分量 1", "分量 2"]}
    for language, words in {"en": ("weight", "log-likelihood", "E-step", "M-step", "10 rounds", "Reset"),
                            "zh": ("权重", "对数似然", "E 步", "M 步", "10 轮", "重置")}.items():  # fmt: skip
        speak(tab, language)
        seen = seen_words(tab)
        assert all(word in seen for word in words)
        assert chinese(seen) == (language == "zh")
        labels = [part.get_attribute("aria-label") for part in tab.page.locator(".explore .ex-stage[role=img]").all()]
        assert [("hills" in labels[1], "山丘" in labels[1]), ("mean" in labels[0], "均值" in labels[0])] == 2 * [
            (language == "en", language == "zh")]
        assert [one.get_attribute("aria-label") for one in tab.page.locator(".explore .ex-point").all()] == names[language]


@pytest.mark.parametrize("width, theme", [(1280, "light"), (600, "dark"), (480, "light"), (390, "dark"), (320, "light")])
def test_it_keeps_its_place_in_every_language_and_state(opened, width, theme):
    tab = opened(width=width, color_scheme=theme, has_touch=width == 390)
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for names in (["Reset"], ["E-step"], ["M-step"], ["10 rounds"], ["Reset", "M-step"]):
            for name in names:
                tab.page.locator(f".explore button >> nth={['E-step', 'M-step', '10 rounds', 'Reset'].index(name)}").click()
            place, figure, target = tab.page.evaluate(PLACE)
            assert place == pytest.approx(figure, abs=0.5), (language, names)
            assert target >= 24 and figure < 780
        tab.page.locator(".explore .ex-point >> nth=1").focus()
        press(tab, *5 * ["Shift+ArrowLeft"], "ArrowLeft", *13 * ["Shift+ArrowDown"])
        place, figure, _ = tab.page.evaluate(PLACE)
        assert place == pytest.approx(figure, abs=0.5), language
        assert tab.page.evaluate(OVERLAPS.replace(":has(text)", "[role=img]:not(.ex-places *)"), 3) == []
        assert no_sideways(tab, width)
    assert tab.faults == []


PARTS = dict.fromkeys(("polyline.ex-p", "polyline.ex-q", ".ex-curve", ".ex-typical", ".ex-axis", ".ex-bar", ".ex-hatch"), "stroke")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_line_stands_out_from_the_page(opened, theme):
    found = opened(color_scheme=theme).page.evaluate(CONTRAST, PARTS)
    assert min(found.values()) > 3, found


def test_paper_and_a_page_without_script_have_the_picture(visit, sample, opened):
    assert has_picture_on_paper(visit, sample, opened, PAGE)
