"""On a phone, on paper, and from the keyboard."""
from __future__ import annotations

import re

import pytest

from tests.site.axe import BOXES

pytestmark = pytest.mark.site

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def overflow(tab, languages=("en", "zh", "both")) -> dict[str, int]:
    """By how much an open page is wider than a phone; what is too wide in one language is so where both show."""
    found, width = {}, 320
    tab.page.set_viewport_size({"width": width, "height": 900})
    for language in languages:
        tab.page.evaluate("(language) => document.querySelector(`.bi-switch [value=${language}]`).click()", language)
        if (extra := tab.page.evaluate(OVERFLOW)) > 0:
            found[f"{width} {language}"] = extra
    return found


def test_planted_overflow_is_found(visit, sample):
    tab = visit(sample, width=390)
    tab.open(sample.url("book/index.html"))
    tab.page.evaluate("""document.querySelector("article").insertAdjacentHTML("beforeend",
      '<p style="width: 330px">x</p><p lang="zh-Hans" style="width: 900px">x</p>')""")
    assert set(overflow(tab)) == {"320 en", "320 zh", "320 both"}


FORMULA = '<p lang="en"><mjx-container style="display: inline-block"><mjx-math style="font-size: 20px">{}</mjx-math></mjx-container></p>'


@pytest.mark.parametrize("wide", [
    '<p lang="en" style="width: 330px">x</p>', '<p lang="zh-Hans" style="width: 330px">x</p>', FORMULA.format(60 * "x")])
def test_overflow_of_one_language_shows_in_both(visit, sample, wide):
    tab = visit(sample, width=390)
    tab.open(sample.url("book/index.html"))
    assert overflow(tab, ("both",)) == {}
    tab.page.evaluate("(wide) => document.querySelector('article').insertAdjacentHTML('beforeend', wide)", wide)
    tab.page.evaluate(BOXES)  # as it is done to all pages
    assert set(overflow(tab, ("both",))) == {"320 both"}


# A formula wider than the column is to be broken into lines; the sample has one that is not.
CLIPPED = """[...document.querySelectorAll("div.math mjx-container")].filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => e.closest("div.math").id)"""


def test_contents_open_on_a_phone_from_the_keyboard(visit, sample):
    tab = visit(sample, width=390)
    tab.open(sample.url("book/blocks.html"))
    link = tab.page.locator(".bd-links a", has_text="A notebook")
    assert not link.is_visible()
    tab.page.locator(".bd-header-article .primary-toggle").focus()
    tab.page.keyboard.press("Enter")
    link.wait_for(state="visible")
    tab.page.keyboard.press("Escape")
    link.wait_for(state="hidden")


def test_every_control_is_reached_by_tab(visit, sample):
    tab = visit(sample)
    tab.open(sample.url("book/blocks.html"))
    reached = set()
    for _ in range(150):
        tab.page.keyboard.press("Tab")
        reached.add(tab.page.evaluate("""(() => { const e = document.activeElement;
          return e.value || e.tagName; })()"""))
    assert reached >= {"en", "zh", "both", "SUMMARY", "MJX-CONTAINER", "PRE", "A", "BUTTON"}


def test_focus_shows(visit, sample):
    tab = visit(sample)
    tab.open(sample.url("book/blocks.html"))
    for selector in ("article a.reference", ".bi-switch button", "details.admonition > summary"):
        tab.page.locator(selector).first.focus()
        tab.page.keyboard.press("Shift+Tab")
        tab.page.keyboard.press("Tab")
        style = tab.page.evaluate("(s) => { const c = getComputedStyle(document.querySelector(s));"
                                  " return [c.outlineStyle, c.boxShadow]; }", selector)
        assert style[0] != "none" or style[1] != "none", selector


def test_paper_holds_the_text_and_nothing_else(visit, sample):
    tab = visit(sample, color_scheme="dark")
    tab.open(sample.url("book/blocks.html"))
    tab.page.emulate_media(media="print")
    tab.page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    assert tab.page.get_by_text("Hidden until opened.").is_visible()
    assert tab.page.locator("article h1").is_visible()
    for selector in (".bd-sidebar-primary", ".bd-header-article", ".prev-next-footer", ".bi-switch", ".bd-sidebar-secondary"):
        assert not tab.page.locator(selector).first.is_visible(), selector


def test_dark_mode_follows_the_system_and_the_button(visit, sample):
    tab = visit(sample, color_scheme="dark")
    tab.open(sample.url("book/index.html"))
    theme = "document.documentElement.dataset.theme"
    assert tab.page.evaluate(theme) == "dark"
    background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.page.click(".theme-switch-button")
    assert tab.page.evaluate(theme) == "light"
    assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") != background


def scrolled_by_tab(tab) -> list[int]:
    """Where the page stands at each control of the header, for a reader who is further down."""
    tab.page.evaluate("""scrollTo({ top: 600, behavior: "instant" });
      document.querySelector(".bd-header-article button").focus({ preventScroll: true })""")
    places = []
    while tab.page.evaluate("document.activeElement.closest('.bd-header-article') !== null"):
        places.append(tab.page.evaluate("new Promise(requestAnimationFrame).then(() => scrollY)"))
        tab.page.keyboard.press("Tab")
    return places


@pytest.mark.parametrize("width", [1280, 390])
def test_tab_through_the_header_leaves_the_page_where_it_is(visit, sample, width):
    tab = visit(sample, width=width)
    tab.open(sample.url("book/blocks.html"))
    places = scrolled_by_tab(tab)
    assert len(places) > 4 and set(places) == {600}
    tab.page.add_style_tag(content="html { scroll-padding-top: 4rem !important; }")  # planted: the theme's own
    assert len(set(scrolled_by_tab(tab))) > 1


BELOW_HEADER = """document.querySelector("#theorems-and-exercises > h2").getBoundingClientRect().top
  - document.querySelector(".bd-header-article").getBoundingClientRect().bottom"""


def test_what_is_jumped_to_stands_below_the_header(visit, sample):
    tab = visit(sample)
    tab.open(sample.url("book/blocks.html#theorems-and-exercises"))
    assert 0 <= tab.page.evaluate(BELOW_HEADER) < 100
    tab.page.add_style_tag(content="article * { scroll-margin-top: 0 !important; }")  # planted
    tab.page.evaluate("scrollTo(0, 0); location.hash = ''; location.hash = '#theorems-and-exercises'")
    assert tab.page.evaluate(BELOW_HEADER) < 0


MIDDLES = """[".onthispage [lang=en]", ".bi-switch"].map((name) => document.querySelector(name).getBoundingClientRect())
  .map((box) => (box.top + box.bottom) / 2)"""


def test_contents_stand_level_with_the_header(visit, sample):
    tab = visit(sample)
    tab.open(sample.url("book/blocks.html"))
    contents, header = tab.page.evaluate(MIDDLES)
    assert abs(contents - header) < 3
    tab.page.add_style_tag(content=".onthispage { line-height: 1.5 !important; }")  # planted
    contents, header = tab.page.evaluate(MIDDLES)
    assert abs(contents - header) > 8


# On a phone the number and the mark of an equation stand in one line, under the formula and inside the column.
MARKS = """() => [...document.querySelectorAll("div.math:has(> .eqno) + .eq-mark")].map((mark) => {
  const text = document.createRange();
  text.selectNode(mark.previousElementSibling.querySelector(".eqno").firstChild);
  const [formula, number, sign, column] = [mark.previousElementSibling.querySelector("mjx-container"), text,
    mark.querySelector("summary"), document.querySelector("article")].map((e) => e.getBoundingClientRect());
  const middle = (box) => (box.top + box.bottom) / 2;
  return Math.abs(middle(number) - middle(sign)) < 3 && formula.bottom < number.top && formula.bottom < sign.top
    && number.right < sign.left && sign.right <= column.right + 1; })"""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_number_and_mark_share_a_line_on_a_phone(visit, book, language):
    tab = visit(book, width=390)
    tab.open(book.url(f"notebooks/vae/inference.html?lang={language}"))
    found = tab.page.evaluate(MARKS)
    assert len(found) > 20 and all(found)
    tab.page.add_style_tag(content=".eq-mark { margin-top: 0 !important; }")  # planted
    assert not any(tab.page.evaluate(MARKS))


# The smallest letters of each drawing, in pixels of the page. (Of a picture made of pixels this cannot be known.)
LETTERS = """() => Promise.all([...document.querySelectorAll("article img[src$='.svg']")].map(async (img) => {
  const svg = new DOMParser().parseFromString(await (await fetch(img.src)).text(), "image/svg+xml").documentElement;
  const sizes = [svg, ...svg.querySelectorAll("[font-size]")].map((e) => parseFloat(e.getAttribute("font-size")));
  return Math.min(...sizes) * img.getBoundingClientRect().width / svg.viewBox.baseVal.width; }))"""


def test_letters_of_a_drawing_can_be_read_on_a_phone(visit, book):
    tab = visit(book, width=390)
    tab.open(book.url("book/vae.html"))
    sizes = tab.page.evaluate(LETTERS)
    assert sizes and min(sizes) > 9.5
    tab.page.evaluate("document.querySelector('article img[src$=\".svg\"]').style.width = '200px'")  # planted
    assert min(tab.page.evaluate(LETTERS)) < 9.5


def links_out_of_this_copy(html: str, page, address: str) -> list[str]:
    """Links of the text to the book's own address, or to a file for students that does not lie beside this page."""
    article = re.search("<article.*</article>", html, re.DOTALL)  # the search page has none
    links = re.findall(r'<a\b[^<>]*\shref="([^"]+)"', article[0] if article else "")
    return [link for link in links if link.startswith(address)
            or "assignments/" in link and not (page.parent / link).is_file()]


def test_links_to_the_book_stay_in_this_copy(book):
    address = re.search(r'href="([^"]+)book/vae.html" rel="canonical"', (book.root / "book/vae.html").read_text("utf-8"))[1]
    count = 0
    for page in map(book.root.joinpath, book.pages):
        html = page.read_text("utf-8")
        assert links_out_of_this_copy(html, page, address) == [], page.name
        count += html.count('/assignments/')
    assert count > 5
    page = book.root / "book/vae.html"
    for planted in (f"{address}assignments/vae.ipynb", "../assignments/ghost.ipynb"):
        assert links_out_of_this_copy(f'<article><a href="{planted}">x</a></article>', page, address) == [planted]
