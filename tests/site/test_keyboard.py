"""With the keyboard alone: where the focus is can be seen, in forced colours too, and what a key does leaves it there."""
from __future__ import annotations

import pytest

pytestmark = pytest.mark.site

PAGE = "book/blocks.html"
FOCUS = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const place = element.closest(".bd-sidebar-primary, .bd-sidebar-secondary, article")?.classList[0] ?? "";
  return [`${place} ${element.tagName} ${element.className}`, style.outlineStyle !== "none" && style.outlineWidth !== "0px"];
}"""


def test_focus_shows_in_forced_colours(visit, sample):
    """A shadow is not drawn then: an outline is."""
    tab, seen = visit(sample, forced_colors="active"), {}
    tab.open(sample.url(PAGE))
    tab.page.keyboard.press("Tab")
    while (found := tab.page.evaluate(FOCUS))[0].split()[0] != "BODY" and len(seen) < 200:
        seen |= {found[0]: seen.get(found[0], True) and found[1]}
        tab.page.keyboard.press("Tab")
    places = {name.split()[0] for name in seen}
    assert {"bd-sidebar-primary", "bd-sidebar-secondary", "bd-article"} <= places and len(seen) > 10
    assert [name for name, shows in seen.items() if not shows] == []


def test_copying_leaves_the_focus_on_its_button(visit, sample):
    tab = visit(sample, permissions=["clipboard-read", "clipboard-write"])
    tab.open(sample.url(PAGE))
    tab.page.locator(".copybtn").first.focus()
    for key in ("Enter", "Space"):
        tab.page.keyboard.press(key)
        assert tab.page.evaluate("document.activeElement.classList.contains('copybtn')"), key
    assert tab.page.evaluate("navigator.clipboard.readText()")
