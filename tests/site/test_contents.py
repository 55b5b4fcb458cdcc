"""The contents at the left: parts, numbered chapters, and their notebooks, which fold."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.site

PAGE, OTHER = "notebooks/figure.html", "A figure that moves"  # a notebook, and one of the other chapter
FOLD = '.bd-links li:has(> a[href$="boundary.html"]) > details > summary'
SHOWN = """() => [...document.querySelectorAll(".bd-links li > a")]
  .filter((link) => link.checkVisibility()).map((link) => link.innerText.trim())"""


def names_in_contents(html: str, language: str) -> list[str]:
    """Of the parts and the pages, without their numbers."""
    entries = BeautifulSoup(html, "html.parser").select(".bd-links :is(.caption-text, li > a)")
    texts = ((entry.find(lang=re.compile(f"^{language}")) or entry).get_text(" ", strip=True) for entry in entries)
    return [re.sub(r"^\d+(\.\d+)*\. ", "", text) for text in texts]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_two_names_are_equal(book, language):
    html = (book.root / "book/glossary.html").read_text("utf-8")
    names = names_in_contents(html, language)
    assert len(names) > 15 and sorted(names) == sorted(set(names))
    part, page = names[1], names[2]
    planted = names_in_contents(html.replace(page, part), language)
    assert len(planted) == len(names) and planted.count(part) == 2


def test_a_page_bears_the_name_that_the_contents_give_it(book):
    """With the same number; the number is not in the title of the window."""
    links = BeautifulSoup((book.root / "book/index.html").read_text("utf-8"), "html.parser").select(".bd-links li > a")
    for link in links[1:]:
        html = (book.root / "book" / link["href"]).read_text("utf-8")
        parts = (re.search(f"<{name}>.*?</{name}>", html, re.DOTALL)[0] for name in ("title", "h1"))
        page = BeautifulSoup("".join(parts), "html.parser")
        page.h1.select_one(".headerlink").decompose()
        assert page.h1.get_text().split() == link.get_text().split()
        assert re.sub(r"^[\d.]+ ", "", link.get_text().replace("\u00a0", " ")) == page.title.string.split(" — ")[0]
    numbers = [link.get_text().split()[0] for link in links[1:]]
    assert numbers[:3] == ["1.", "1.1.", "1.2."] and "2.1." in numbers


def test_numbers_run_through_a_chapter(sample):
    pages = {path: BeautifulSoup((sample.root / path).read_text("utf-8"), "html.parser") for path in sample.pages}
    equations = {path: [e.find(string=True) for e in page.select(".eqno")] for path, page in pages.items()}
    assert (equations["book/blocks.html"], equations[PAGE]) == (["(1.1)", "(1.2)"], ["(1.3)"])
    figures = {path: [e.get_text(" ").split()[-1] for e in page.select("figcaption .caption-number")]
               for path, page in pages.items()}
    assert (figures["book/blocks.html"], figures[PAGE]) == (["1.1"], ["1.2"])
    assert (figures["book/boundary.html"], figures["notebooks/explore.html"]) == (["2.1"], ["2.2", "2.3"])
    assert pages["book/names.html"].select_one('a[href$="equation-eq-nb-one"]').get_text() == "(1.3)"
    assert not any(page.select("article :is(h2, h3) .section-number") for page in pages.values())


def test_only_the_chapter_of_the_page_is_unfolded(visit, sample):
    tab = visit(sample)
    tab.open(sample.url(PAGE))
    assert [name[:6] for name in tab.page.evaluate(SHOWN)] == ["A samp", "1. Blo", "1.1. A", "2. Two", "Refere"]
    tab.open(sample.url("book/names.html"))
    assert [name[:6] for name in tab.page.evaluate(SHOWN)] == ["A samp", "1. Blo", "2. Two", "Refere", "Names"]


def test_a_chapter_unfolds_from_the_keyboard(visit, sample):
    tab = visit(sample)
    tab.open(sample.url(PAGE))
    link = tab.page.locator(".bd-links a", has_text=OTHER)
    tab.page.locator('.bd-links a[href$="boundary.html"]').focus()
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("getComputedStyle(document.activeElement.firstElementChild).outlineStyle") != "none"
    for shows in (True, False):
        tab.page.keyboard.press("Enter")
        assert link.is_visible() == shows
    tab.page.keyboard.press("Space")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/explore.html")


def test_a_chapter_unfolds_by_touch(visit, sample):
    tab = visit(sample, width=390, has_touch=True, is_mobile=True)
    tab.open(sample.url(PAGE))
    tab.page.locator(".bd-header-article .primary-toggle").tap()
    mark = tab.page.locator(f"{FOLD} > .toctree-toggle")
    mark.wait_for(state="visible")
    tab.page.wait_for_timeout(300)  # the contents slide in
    mark.tap()
    tab.page.locator(".bd-links a", has_text=OTHER).wait_for(state="visible")
    box, title = mark.bounding_box(), tab.page.locator('.bd-links a[href$="boundary.html"]').bounding_box()
    assert min(box["width"], box["height"]) >= 44 and title["x"] + title["width"] <= box["x"]


def test_what_folds_has_a_name_in_each_language(visit, sample):
    tab = visit(sample)
    tab.open(sample.url(PAGE))
    for language, name in (("en", "Pages of Two classes"), ("zh", "两个类别的各页"), ("both", "Pages of Two classes · 两个类别的各页")):
        tab.page.click(f'.bi-switch button[value="{language}"]')
        assert tab.page.locator(FOLD).get_attribute("aria-label") == name
    names = tab.page.evaluate("[...document.querySelectorAll('.bd-links summary')].map((e) => e.getAttribute('aria-label'))")
    assert names[0] == "Pages of Blocks and the \\beta-bound · 版块与 \\beta-下界的各页" and len(names) == 3


IN_SIGHT = """() => { const link = document.querySelector('.bd-links [aria-current="page"]').getBoundingClientRect();
  const frame = document.querySelector("dialog[open], div.bd-sidebar").getBoundingClientRect();
  return link.top >= frame.top && link.bottom <= frame.bottom; }"""


@pytest.mark.parametrize("width", [1280, 390])
def test_the_open_page_is_in_sight(visit, sample, width):
    """Wherever the contents stood on the page before."""
    tab = visit(sample, width=width)
    tab.page.set_viewport_size({"width": width, "height": 150})
    for page, before in (("notebooks/explore.html", 0), (PAGE, 999)):
        tab.page.add_init_script(f"sessionStorage.setItem('sidebar-scroll-top', {before})")  # as the theme does
        tab.open(sample.url(page))
        if width == 390:
            tab.page.locator(".bd-header-article .primary-toggle").click()
            tab.page.wait_for_timeout(300)
        assert tab.page.evaluate(IN_SIGHT)
        tab.page.evaluate("document.querySelector('dialog[open], div.bd-sidebar').scrollTop = 999 - " + str(before))  # planted
        assert not tab.page.evaluate(IN_SIGHT)


@pytest.mark.parametrize("width", [1280, 390])
def test_without_scripts_every_page_is_reached(visit, sample, width):
    tab = visit(sample, width=width, java_script_enabled=False)
    tab.page.goto(sample.url("book/index.html"))
    for mark in tab.page.locator(".bd-links .toctree-toggle").all():
        mark.click()
    links = tab.page.locator(".bd-links li > a").all()
    pages = (Path(__file__).parent / "sample/_toc.yml").read_text("utf-8").count("file:")
    assert len(links) == pages + 1 and all(link.is_visible() for link in links)  # and the search, or the front page
    text, contents = (tab.page.locator(place).bounding_box() for place in ("article", ".bd-links"))
    beside, below = contents["x"] + contents["width"] <= text["x"], contents["y"] >= text["y"] + text["height"]
    assert (beside, below) == (width == 1280, width == 390)
    links[-1].click()
    assert tab.page.url.endswith("names.html")
