"""axe-core finds nothing on any page, in each language, light and dark, on a desk and on a phone."""
from __future__ import annotations

from pathlib import Path

import axe_playwright_python
import pytest

pytestmark = pytest.mark.site

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
LANGUAGES = ("en", "zh", "both")
SET = """([language, theme]) => {
  document.querySelector(`.bi-switch button[value="${language}"]`).click();
  document.documentElement.dataset.theme = theme;
}"""
COLOURS = ["color-contrast", "link-in-text-block"]
RUN = """async ([rules, only, place]) => {
  const options = only ? { runOnly: rules } : { rules: Object.fromEntries(rules.map((r) => [r, { enabled: false }])) };
  const found = await axe.run(place, { ...options, resultTypes: ["violations"] });
  return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target} ${n.html.slice(0, 120)}`));
}"""
# Thousands of glyphs say nothing to axe: an empty box of the same size stands for each formula.
BOXES = """() => document.querySelectorAll("mjx-math").forEach((e) => {
  e.style.cssText = `display: inline-block; width: ${e.offsetWidth}px; height: ${e.offsetHeight}px`;
  e.replaceChildren();
})"""
# Colours take axe seconds a page, and repeat: of the same code tokens and entries, look at the first few.
THIN = """() => {
  const seen = new Map();
  const often = (key, most) => { seen.set(key, (seen.get(key) ?? 0) + 1); return seen.get(key) > most; };
  document.querySelectorAll("dl.py").forEach((e) => { if (often(e.className, 5)) e.remove(); });
  document.querySelectorAll("mjx-container").forEach((e) => e.remove());
  document.querySelectorAll("pre span, code span, dt.sig *:not(a)").forEach((e) => {
    const place = e.closest("pre, code, dt").parentElement.className;
    if (often(`${e.tagName} ${e.className} ${place}`, 3)) e.replaceWith(...e.childNodes);
  });
  document.body.normalize();
}"""
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"


def prepare(tab, url: str, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.open(url)
    tab.page.add_style_tag(content=STILL)
    tab.page.evaluate(BOXES)
    tab.page.evaluate(AXE)


def violations(tab, url: str, width: int) -> dict[str, list[str]]:
    """Every rule but those on colours in each language; then the colours in each language and theme.

    What shows in `both` shows in one of the languages with the same colours: there only the header, where the
    switch changes, is looked at again.
    """
    prepare(tab, url, width)
    found = {}
    for language in LANGUAGES:
        tab.page.evaluate(SET, [language, "light"])
        found[language] = tab.page.evaluate(RUN, [COLOURS, False, "html"])
    tab.page.evaluate(THIN)
    for language in LANGUAGES:
        for theme in ("light", "dark"):
            tab.page.evaluate(SET, [language, theme])
            place = ".bd-header-article" if language == "both" else "html"
            found[f"{language} {theme}"] = tab.page.evaluate(RUN, [COLOURS, True, place])
    return {state: problems for state, problems in found.items() if problems}


def of_all_pages(tab, site, width: int) -> dict[str, dict]:
    return {page: found for page in site.pages if (found := violations(tab, site.url(page), width))}


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["book", "sample"])
def test_every_page(visit, request, name, width):
    site = request.getfixturevalue(name)
    assert of_all_pages(visit(site), site, width) == {}


PLANTED = {
    "image-alt": '<img src="../_static/favicon.svg">',
    "color-contrast": '<p style="color: #bbb; background: #fff">Pale words</p>',
    "link-name": '<a href="index.html"></a>',
    "button-name": "<button></button>",
    "empty-heading": "<h2></h2>",
    "scrollable-region-focusable": '<div style="overflow: auto; height: 3em">' + "<p>A line of text.</p>" * 9 + "</div>",
}


@pytest.mark.parametrize("rule", PLANTED)
def test_planted_fault_is_found(visit, sample, rule):
    tab = visit(sample)
    html = (sample.root / "book/index.html").read_text("utf-8").replace("</article>", PLANTED[rule] + "</article>")
    url = sample.url("book/planted.html")
    tab.page.route(url, lambda route: route.fulfill(body=html, content_type="text/html"))
    found = violations(tab, url, 1280)
    assert any(problem.startswith(rule) for problem in found["zh light" if rule in COLOURS else "en"])


def test_planted_dark_contrast_is_found(visit, sample):
    tab = visit(sample)
    style = '<style>html[data-theme="dark"] article p { color: #444 !important; }</style>'
    html = (sample.root / "book/index.html").read_text("utf-8").replace("</article>", style + "</article>")
    url = sample.url("book/planted.html")
    tab.page.route(url, lambda route: route.fulfill(body=html, content_type="text/html"))
    assert set(violations(tab, url, 1280)) == {"en dark", "zh dark"}
