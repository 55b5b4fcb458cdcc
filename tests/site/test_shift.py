"""A page holds still while it loads and when its language changes; what jumps is found."""
from __future__ import annotations

import pytest

from tests.site.shift import GOOD, LOADING, jumps, loading

pytestmark = pytest.mark.site

PAGE = "book/blocks.html"


def opened(visit, site, head: str = "", body: str = "", width: int = 1280):
    """The page with something more at the end of its head or at the beginning of its text."""
    tab = visit(site, width=width)
    html = (site.root / PAGE).read_text("utf-8").replace("</head>", head + "</head>").replace("<h1>", body + "<h1>", 1)
    url = site.url("book/planted.html")
    tab.page.route(url, lambda route: route.fulfill(body=html, content_type="text/html"))
    held = hold_formulas(tab)
    tab.page.goto(url, wait_until="commit")
    tab.page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    held.pop().continue_()
    tab.page.wait_for_load_state("load")
    tab.settle()
    return tab


def hold_formulas(tab) -> list:
    """Their script comes when the test says so: on a machine in a hurry it may come before anything is drawn."""
    held = []
    tab.page.route("**/tex-chtml.js", lambda route: held.append(route))
    return held


@pytest.mark.parametrize("width", [1280, 390])
def test_sample_page_holds_still(visit, sample, width):
    tab = opened(visit, sample, width=width)
    assert loading(tab.page) < LOADING and jumps(tab.page) == []


@pytest.mark.parametrize("page", ["book/vae.html", "book/overview.html", "book/notation.html"])
def test_page_holds_still_on_a_phone(visit, book, page):
    tab = visit(book, width=390)
    tab.empty_cache()
    tab.open(book.url(page))
    assert loading(tab.page) < GOOD and jumps(tab.page) == []


@pytest.mark.parametrize("late", [
    "<script>addEventListener('load', () => setTimeout(() => document.querySelector('article').prepend("
    "Object.assign(document.createElement('p'), { textContent: 'late', style: 'height: 20em' })), 50))</script>",
    "<style>html:not([data-set]) span.math { width: 30em !important; }</style>"])
def test_planted_shift_while_loading_is_found(visit, sample, late):
    tab = opened(visit, sample, head=late)
    tab.page.wait_for_timeout(300)
    assert loading(tab.page) > GOOD


JUMPS = {
    "header": "<style>html[data-bilang=zh] .bd-header-article { height: 6rem !important; }</style>",
    "contents": "<style>html[data-bilang=zh] .bd-sidebar-primary { margin-left: -3rem; }</style>",
    "text": """<script>document.addEventListener("book:language", () => setTimeout(() => scrollBy(0, 40), 0))</script>""",
}


@pytest.mark.parametrize("name", JUMPS)
def test_planted_jump_with_the_language_is_found(visit, sample, name):
    assert jumps(opened(visit, sample, head=JUMPS[name]).page)


ROOMS = """() => [...document.querySelectorAll("article span.math")].filter((e) => e.getClientRects().length).map((e) => [
  parseFloat(e.style.getPropertyValue("--width")), e.getBoundingClientRect().width / parseFloat(getComputedStyle(e).fontSize)])"""


def misfit(rooms) -> float:
    """By how much the rooms differ from the formulas, as a share of these."""
    return sum(abs(room - width) for room, width in rooms) / sum(width for _, width in rooms)


@pytest.mark.parametrize("page", ["book/vae.html", "notebooks/vae/beta_vae.html", "notebooks/overview/generative.html"])
def test_room_is_about_that_of_the_formula(visit, book, page):
    tab = visit(book)
    tab.open(book.url(f"{page}?lang=both"))
    rooms = tab.page.evaluate(ROOMS)
    assert len(rooms) > 50 and misfit(rooms) < 0.03
    assert misfit([(1.05 * room, width) for room, width in rooms]) > 0.03  # planted: letters a twentieth too wide


def test_source_shows_where_no_formula_comes(visit, sample):
    tab = visit(sample)
    tab.page.route("**/tex-chtml.js", lambda route: route.abort())
    tab.open(sample.url(PAGE))
    assert tab.page.locator("article span.math:visible").first.inner_text().startswith("\\(")
