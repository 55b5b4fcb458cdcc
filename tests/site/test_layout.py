"""On a phone, on paper, and from the keyboard."""
from __future__ import annotations

import pytest

pytestmark = pytest.mark.site

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def overflow(tab) -> dict[str, int]:
    """By how much an open page is wider than a phone."""
    found = {}
    for width, language in ((390, "en"), (320, "en"), (320, "zh")):
        tab.page.set_viewport_size({"width": width, "height": 800})
        tab.page.evaluate("(language) => document.querySelector(`.bi-switch [value=${language}]`).click()", language)
        if (extra := tab.page.evaluate(OVERFLOW)) > 0:
            found[f"{width} {language}"] = extra
    return found


def test_planted_overflow_is_found(visit, sample):
    tab = visit(sample, width=390)
    tab.open(sample.url("book/index.html"))
    tab.page.evaluate("""document.querySelector("article").insertAdjacentHTML("beforeend",
      '<p style="width: 330px">x</p><p lang="zh-Hans" style="width: 900px">x</p>')""")
    assert set(overflow(tab)) == {"320 en", "320 zh"}


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
