"""The explorable figure in the reader's hands: mouse, finger and keyboard, both languages, both themes, paper."""
from __future__ import annotations

import pytest

from tests.explore import oracle
from tests.explore.page import FIGURE, PAGE, SET, choose, numbers, opened, values
from tests.site.explore import CONTRAST, PHONE, beside, chinese, drag, has_ring, middle, press, speak, swipe

pytestmark = pytest.mark.site


# --- hands ------------------------------------------------------------------------------------------------------------

def handle(tab, number: int) -> tuple[float, float]:
    return middle(tab.page.locator(f"{FIGURE} >> .ex-handle >> nth={number}"))


def unit(tab) -> float:
    return tab.page.locator(f"{FIGURE} >> .ex-stage").bounding_box()["width"] / 7


@pytest.mark.parametrize("number, dz, expected", [
    (0, 0.8, ("μ = 0.80", "σ = 1.00")), (2, -0.4, ("μ = 0.00", "σ = 0.60")), (1, 0.4, ("μ = 0.00", "σ = 0.60")),
    (0, -9, ("μ = −3.00", "σ = 1.00")), (2, -9, ("μ = 0.00", "σ = 0.10"))])
def test_mouse_drags_the_centre_and_both_flanks(visit, sample, number, dz, expected):
    tab = opened(visit, sample)
    tab.page.locator(FIGURE).scroll_into_view_if_needed()
    drag(tab, handle(tab, number), dz * unit(tab), 15)
    assert values(tab) == expected
    assert tab.faults == []


def test_finger_drags_sideways_and_scrolls_up_and_down(visit, sample):
    tab = opened(visit, sample, **PHONE)
    tab.page.locator(f"{FIGURE} >> .ex-stage").scroll_into_view_if_needed()
    swipe(tab, beside(handle(tab, 0)), 1.0 * unit(tab), 2)
    assert values(tab)[0] in ("μ = 1.00", "μ = 0.95", "μ = 0.90")  # a browser takes up a drag after some pixels
    before = tab.page.evaluate("scrollY")
    swipe(tab, handle(tab, 0), 0, -150)
    tab.page.wait_for_function("(before) => scrollY > before + 50", arg=before)


def test_keyboard_reaches_and_moves_everything(visit, sample):
    tab = opened(visit, sample)
    tab.page.locator(f"{FIGURE} >> input[type=radio]:checked").focus()
    press(tab, "ArrowLeft")
    assert tab.page.locator(f"{FIGURE} >> input:checked").get_attribute("value") == "line"
    press(tab, "Tab", *16 * ["ArrowRight"])
    press(tab, "Tab", *8 * ["ArrowLeft"])
    assert values(tab) == ("μ = 0.80", "σ = 0.60") and abs(numbers(tab)["gap"]) < 1e-12
    press(tab, "Home")
    assert values(tab)[1] == "σ = 0.10"
    press(tab, "Tab", "Enter")
    assert values(tab) == ("μ = 0.80", "σ = 0.60")
    press(tab, "Tab", "Space")
    assert values(tab) == ("μ = 0.00", "σ = 1.00")
    assert has_ring(tab)


def test_a_bound_far_below_the_axis_says_so(visit, sample):
    tab = opened(visit, sample)
    mark = tab.page.locator(f"{FIGURE} >> text=◂")
    assert mark.count() == 0
    choose(tab, "curve", -3.0, 0.1)
    bars = [float(bar.get_attribute("width")) for bar in tab.page.locator(f"{FIGURE} >> .ex-bar").all()]
    assert mark.count() == 1 and bars[1] == 0 and bars[2] == pytest.approx(bars[0]) and numbers(tab)["elbo"] < -160
    assert tab.faults == []


def test_jupyterlab_leaves_the_keys_to_what_has_the_focus(visit, sample):
    """Its shortcuts for the arrow keys skip an element with this attribute, and look at no element around it."""
    tab = opened(visit, sample)
    assert tab.page.locator(f"{FIGURE} >> :is(button, input)").evaluate_all(
        "(all) => all.map((e) => e.dataset.lmSuppressShortcuts)") == 6 * ["true"]


def test_targets_are_large_enough_for_a_finger(visit, sample):
    tab = opened(visit, sample, width=390)
    boxes = tab.page.locator(f"{FIGURE} >> :is(button, label, input[type=range])").evaluate_all(
        "(all) => all.map((e) => { const box = e.getBoundingClientRect(); return [box.width, box.height]; })")
    assert len(boxes) == 8 and min(min(box) for box in boxes) >= 24


# --- words ------------------------------------------------------------------------------------------------------------

def plain(words: str) -> str:
    return words.replace("\u00a0", " ").replace("\u2060", "")


def summary(tab) -> str:
    return plain(tab.page.locator(f"{FIGURE} >> .ex-summary").inner_text())


def sentence(mu: float) -> str:
    _, elbo, gap = oracle.bars("curve", mu, 0.3)
    words = f"The ELBO is {elbo:.3f} nats, {gap:.3f} nats below log p(x): this gap is KL(q ‖ p(z | x))."
    return words.replace("-", "\u2212")


def test_sentence_changes_at_once_and_is_read_out_when_the_figure_rests(visit, sample):
    tab = opened(visit, sample)
    assert tab.page.locator(f"{FIGURE} >> .ex-heard").get_attribute("aria-live") == "polite"
    tab.page.evaluate("""() => { window.said = []; const region = document.querySelector(".ex-heard");
      new MutationObserver(() => said.push(region.querySelector("[lang=en]").textContent))
        .observe(region, { subtree: true, childList: true, characterData: true }); }""")
    choose(tab, "curve", 1.0, 0.3)
    at_once = f"""(values) => [...values.map((value) => {{ ({SET})(["mu", value]);
      return document.querySelector(".ex-summary [lang=en]").textContent; }}), said.length]"""
    *sentences, heard = tab.page.evaluate(at_once, [1.1, 1.15, 1.2])  # in one call: the figure has no time to rest
    assert [plain(words) for words in sentences] == [sentence(mu) for mu in (1.1, 1.15, 1.2)]
    tab.page.wait_for_function("(heard) => said.length > heard", arg=heard)
    assert {plain(words) for words in tab.page.evaluate("said")[heard:]} == {sentence(1.2)}  # one sentence for all changes
    choose(tab, "line", 0.8, 0.6)
    tab.page.wait_for_function("said.at(-1).startsWith('The gap is 0 nats: q is the posterior')")


@pytest.mark.parametrize("value, words", [
    ("en", {"Decoder", "line", "curve", "centre of q", "width of q", "Best Gaussian", "Reset"}),
    ("zh", {"解码器", "直线", "曲线", "q 的中心", "q 的宽度", "最优高斯分布", "重置"}),
    ("both", {"Decoder\u00a0· 解码器", "line\u00a0· 直线", "centre of q\u00a0· q 的中心", "Reset\u00a0· 重置"})])
def test_every_word_follows_the_page(visit, sample, value, words):
    tab = opened(visit, sample)
    speak(tab, value)
    found = tab.page.locator(f"{FIGURE} >> :is(legend, label > span:not(.ex-value), button)").all_inner_texts()
    assert words <= set(found) and len(found) == 7
    texts = " ".join([*found, summary(tab), tab.page.locator(f"{FIGURE} >> .ex-stage").get_attribute("aria-label")])
    assert chinese(texts) == (value != "en")
    assert ("Decoder" in texts and "gap" in texts and "Gaussian" in texts) == (value != "zh")


PLACES = """() => {
  const figure = document.querySelector(".explore"), top = figure.getBoundingClientRect().top;
  const parts = [...figure.querySelectorAll(".ex > *, .ex label, .ex button, .ex-stage .ex-axis")];
  const heights = [figure, ...figure.querySelectorAll(".ex")].map((e) => e.getBoundingClientRect().height);
  return [...heights, ...parts.map((e) => e.getBoundingClientRect().top - top)].map(Math.round);
}"""


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_moves_when_values_or_languages_change(visit, sample, width):
    still = visit(sample, width=width)
    still.page.route("**/explore/gap.js", lambda route: route.abort())
    still.open(sample.url(PAGE))
    before = still.page.evaluate(PLACES)
    tab, found = opened(visit, sample, width=width), set()
    for language in ("en", "zh", "both"):
        speak(tab, language)
        for setting in [("line", 0.8, 0.6), ("curve", -2.95, 2.0), ("curve", 0.0, 0.1)]:
            choose(tab, *setting)
            found.add(tuple(tab.page.evaluate(PLACES)))
    assert len(found) == 1 and before == [found.pop()[0]]  # the place is kept from the start


# --- looks ------------------------------------------------------------------------------------------------------------

LINES = ("polyline.ex-p", "polyline.ex-q", ".ex-prior", ".ex-axis", ".ex-handle", ".ex-bar", ".ex-level", ".ex-hatch")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_line_stands_out_from_the_page(visit, sample, theme):
    tab = opened(visit, sample, color_scheme=theme)
    assert tab.page.evaluate("document.documentElement.dataset.theme") == theme
    found = tab.page.evaluate(CONTRAST, dict.fromkeys(LINES, "stroke"))
    assert min(found.values()) > 3, found


def test_picture_stays_where_no_script_runs(visit, sample):
    tab = visit(sample, java_script_enabled=False)
    tab.page.goto(sample.url(PAGE))
    for number in (0, 1):
        picture = tab.page.locator(f".explore >> nth={number} >> img")
        assert picture.is_visible() and picture.bounding_box()["height"] > 300
        english, chinese = picture.get_attribute("alt").split(" · ")
        assert "posterior" in english and "后验" in chinese
    assert tab.page.locator(".ex").count() == 0


def test_paper_has_the_picture_and_no_controls(visit, sample):
    tab = opened(visit, sample)
    assert not tab.page.locator(f"{FIGURE} >> img").is_visible()
    tab.page.emulate_media(media="print")
    assert tab.page.locator(f"{FIGURE} >> img").is_visible()
    assert not tab.page.locator(f"{FIGURE} >> .ex").is_visible()
