"""What axe-core is to find on a page: planted, it is found, in the look in which it shows."""
from __future__ import annotations

import pytest

from tests.site.axe import LOOKS, Audit

pytestmark = pytest.mark.site

STRUCTURE = {
    "image-alt": '<img src="../_static/favicon.svg">',
    "link-name": '<a href="index.html"></a>',
    "button-name": "<button></button>",
    "empty-heading": "<h2></h2>",
    "scrollable-region-focusable": '<div style="overflow: auto; height: 3em">' + "<p>A line of text.</p>" * 9 + "</div>",
}
PHONE = '<style>@media (max-width: 575px) {{ {} }}</style>'
NAMELESS = '<a href="index.html" class="p"><i>words</i></a>' + PHONE.format("a.p i { display: none; }")
PALE = "color: #bbb; background: #fff"
# what is planted, and which rule finds it in which look: a style is judged in the first look that has it
COLOURS = [
    (f'<p style="{PALE}">Pale words</p>', {"1280 en light": "color-contrast", "1280 en dark": "color-contrast"}),
    (f'<div lang="zh-Hans"><p style="{PALE}">太浅的字</p></div>',
     {"1280 zh light": "color-contrast", "1280 zh dark": "color-contrast"}),
    ('<style>html[data-theme="dark"] article p { color: #444 !important; }</style>', {"1280 en dark": "color-contrast"}),
    (PHONE.format("article h1 { color: #bbb !important; }"), {"390 both light": "color-contrast"}),
    ('<p>Words and a <a href="index.html" style="color: #333; text-decoration: none">hidden link</a> between them</p>',
     {"1280 en light": "link-in-text-block", "1280 en dark": "color-contrast"}),
]


def planted(visit, site, fault: str):
    tab = visit(site)
    html = (site.root / "book/index.html").read_text("utf-8").replace("</article>", fault + "</article>")
    url = site.url("book/planted.html")
    tab.page.route(url, lambda route: route.fulfill(body=html, content_type="text/html"))
    tab.open(url)
    return tab


def rules(problems: list[str]) -> set[str]:
    return {problem.partition(":")[0] for problem in problems}


def test_planted_faults_of_structure_are_found(visit, sample):
    tab = planted(visit, sample, "".join(STRUCTURE.values()))
    found = Audit(tab.page, set()).structure()
    assert {look: rules(problems) for look, problems in found.items()} == {
        look: set(STRUCTURE) for look in ("1280 en", "1280 zh", "390 both")}


@pytest.mark.parametrize("fault, look", [
    ('<a href="index.html"><span lang="en">words</span></a>', "1280 zh"), (NAMELESS, "390 both")])
def test_name_that_is_missing_in_one_look_is_found(visit, sample, fault, look):
    found = Audit(planted(visit, sample, fault).page, set()).structure()
    assert {look: rules(problems) for look, problems in found.items()} == {look: {"link-name"}}


@pytest.fixture(scope="module")
def passed() -> set[str]:
    return set()


def test_clean_page_has_no_fault(visit, sample, passed):
    audit = Audit(planted(visit, sample, "").page, passed)
    assert audit.colours() == {} and audit.structure() == {}
    assert audit.texts > 20 * len(LOOKS) and len(passed) > 20
    assert {"skip-link" in style for style in audit.undecided} == {True}  # outside the screen until it has the focus


@pytest.mark.parametrize("fault, expected", COLOURS)
def test_planted_colour_is_found(visit, sample, passed, fault, expected):
    """Also where the styles of a clean page are known already (the test before this one)."""
    found = Audit(planted(visit, sample, fault).page, set(passed)).colours()
    assert {look: rules(problems) for look, problems in found.items()} == {
        look: {rule} for look, rule in expected.items()}
