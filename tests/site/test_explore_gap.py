"""The explorable figure on a page with no kernel: its numbers, and what the page loads."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from gmlib.explore import Gap
from tests.explore import oracle
from tests.explore.page import FIGURE, NUMBERS, PAGE, choose, numbers, opened, values

pytestmark = pytest.mark.site

SETTINGS = [("line", 0.8, 0.6), ("line", -2.0, 0.1), ("curve", 0.0, 1.0), ("curve", 1.3, 0.15), ("curve", -1.3, 0.45),
            ("curve", 3.0, 2.0)]


def differences(tab) -> Iterator[float]:
    """How far the figure's numbers are from adaptive quadrature in Python, relative where they are large."""
    for setting in SETTINGS:
        choose(tab, *setting)
        exact = dict(zip(("evidence", "elbo", "gap"), oracle.bars(*setting)))
        yield from (abs(value - exact[name]) / max(1, abs(exact[name])) for name, value in numbers(tab).items())


def test_numbers_agree_with_quadrature_in_python(visit, sample):
    tab = opened(visit, sample)
    found = list(differences(tab))
    assert len(found) == 3 * len(SETTINGS) and max(found) < 1e-9
    assert tab.faults == []


# what stands in the module, once -> what stands there instead
PLANTED = {
    "reversed": ("mean((z, logQ) => logQ - (logJoint(z) - logEvidence))", """integrate((z) => {
      const logP = logJoint(z) - logEvidence;
      return Math.exp(logP) * (logP - logNormal(z, mu, sigma));
    }, 8, 3200)"""),
    "sign": ("logQ - (logJoint(z) - logEvidence)", "(logJoint(z) - logEvidence) - logQ"),
    "width": ("logT - Math.log(sigma)", "logT"),
    "variance": ("mu + sigma * t", "mu + sigma * sigma * t"),
    "entropy": ("logJoint(z) - logQ)", "logJoint(z))"),
    "noise": ("logNormal(1.25, z, 0.75)", "logNormal(1.25, z, 0.7501)"),
    "curve": ("z * z - 1, 0.4", "z * z - 1.0001, 0.4"),
    "grid": ("9, 360)", "3, 360)"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_wrong_formula_is_found(visit, sample, name):
    right, wrong = PLANTED[name]
    module = (sample.root / "_static/explore/gap.js").read_text("utf-8")
    assert module.count(right) == 1
    tab = visit(sample)
    planted = {"body": module.replace(right, wrong), "content_type": "text/javascript"}
    tab.page.route("**/explore/gap.js", lambda route: route.fulfill(**planted))
    tab.open(sample.url(PAGE))
    tab.page.locator(f"{FIGURE} >> [data-quantity=gap]").wait_for()
    assert any(difference > 1e-5 for difference in differences(tab))


def test_gap_fills_exactly_what_the_elbo_leaves(visit, sample):
    tab = opened(visit, sample)
    choose(tab, "curve", 1.0, 0.3)
    bars = tab.page.locator(f"{FIGURE} >> .ex-bar").all()
    log_p, elbo, gap = ([float(bar.get_attribute(name)) for name in ("x", "width")] for bar in bars)
    level = float(tab.page.locator(f"{FIGURE} >> .ex-level").get_attribute("x1"))
    assert log_p[0] == elbo[0] == 0 and gap[1] > 20
    assert gap[0] == pytest.approx(elbo[1]) and gap[0] + gap[1] == pytest.approx(level) == pytest.approx(log_p[1])
    assert {name: text for name, (_, text) in tab.page.evaluate(NUMBERS).items()} == {
        name: f"{value:.3f}".replace("-", "\u2212") for name, value in numbers(tab).items()}


@pytest.mark.parametrize("decoder, start, mu", [
    ("line", 0, 0.8), ("line", -2, 0.8), ("curve", 0.5, 1.3), ("curve", -2, -1.3)])
def test_best_gaussian_is_found_on_the_nearer_side(visit, sample, decoder, start, mu):
    tab = opened(visit, sample)
    choose(tab, decoder, start, 1.0)
    tab.page.get_by_role("button", name="Best Gaussian").first.click()
    exact = oracle.bars(decoder, *oracle.best(decoder, mu))
    assert numbers(tab)["gap"] == pytest.approx(exact[2], abs=1e-9)
    shown = f"μ = {mu:.2f}".replace("-", "\u2212")
    assert values(tab) == ((shown, "σ = 0.60") if decoder == "line" else (shown.replace("30", "31"), "σ = 0.15"))
    tab.page.get_by_role("button", name="Reset").first.click()
    assert values(tab) == ("μ = 0.00", "σ = 1.00")
    assert tab.faults == []


def test_figures_of_one_page_are_independent(visit, sample):
    tab = opened(visit, sample)
    other = tab.page.locator(".explore >> nth=1 >> [data-quantity=gap]")
    assert other.inner_html() == "0.000"
    choose(tab, "line", 2.0, 0.3)
    assert other.inner_html() == "0.000" and numbers(tab)["gap"] > 1
    assert tab.page.locator(".explore >> nth=1 >> input:checked").get_attribute("value") == "line"


def test_page_loads_its_own_modules_and_nothing_of_widgets(visit, sample):
    tab, asked = visit(sample), []
    tab.page.on("request", lambda request: asked.append(request.url.removeprefix(sample.origin)))
    tab.open(sample.url(PAGE))
    tab.page.locator(f"{FIGURE} >> [data-quantity=gap]").wait_for()
    loaded = {url.partition("?")[0].partition("/_static/")[2] for url in asked}
    own = {"explore.js", "explore/explore.css", "explore/gap.js", "explore/kit.js"}
    assert {name for name in loaded if name.startswith("explore")} == own
    assert not [url for url in asked if any(word in url for word in ("widget", "require", "jupyter"))]
    assert "widget" not in (sample.root / PAGE).read_text("utf-8")
    assert tab.faults == []
    tab.open(sample.url("book/blocks.html"))
    assert not [url for url in asked[asked.index(f"{sample.prefix}/book/blocks.html"):] if "explore" in url]


def test_modules_are_those_of_the_library(sample):
    source = Gap._esm
    text = [(sample.root / f"_static/explore/{name}.js").read_text("utf-8") for name in ("kit", "gap")]
    assert source.startswith(text[0]) and source.endswith(text[1][text[1].index("\n\nconst PRIOR"):])


ALIVE = """async ([source, state]) => {
  const { default: figure } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const model = { state, heard: 0, saved: 0,
    get: (name) => model.state[name], set: (name, value) => { model.state[name] = value; },
    on: () => { model.heard++; }, off: () => { model.heard--; }, save_changes: () => { model.saved++; } };
  const el = document.body.appendChild(document.createElement("div"));
  const leave = figure.render({ model, el });
  await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
  const display = (language) => getComputedStyle(el.querySelector(`button [lang|=${language}]`)).display;
  const shown = { language: el.firstChild.dataset.language, en: display("en"), zh: display("zh"),
    heard: model.heard, numbers: el.querySelectorAll("[data-quantity]").length };
  el.querySelector("button").click();
  leave();
  return { ...shown, saved: model.saved, left: model.heard, state: model.state };
}"""


@pytest.mark.parametrize("language", ["both", "en", "zh"])
def test_widget_of_a_notebook_renders_from_one_text(visit, sample, language):
    """As anywidget does it: one string, a model that the kernel shares, and the figure's own choice of language."""
    tab = visit(sample)
    tab.page.goto(sample.url("notebooks/explore.html"))
    tab.page.evaluate("delete document.documentElement.dataset.bilang")
    figure = Gap(language=language)
    found = tab.page.evaluate(ALIVE, [figure._esm, {**figure.state(), "language": language}])
    assert found["language"] == language and found["numbers"] == 3
    assert (found["en"] != "none", found["zh"] != "none") == (language != "zh", language != "en")
    assert found["heard"] > 0 and found["left"] == 0  # nothing listens once the cell is gone
    assert found["saved"] == 1 and found["state"]["mu"] == pytest.approx(0.8, abs=1e-6)
