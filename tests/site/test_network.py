"""Every page opens with the network closed (test_every_page.py): what asks another host, or fails, is found."""
from __future__ import annotations

import pytest

pytestmark = pytest.mark.site

PLANTED = {
    "outside: https://example.org/picture.png": '<img alt="" src="https://example.org/picture.png">',
    "outside: https://example.org/theme.css": '<link rel="stylesheet" href="https://example.org/theme.css">',
    "outside: https://example.org/data.json": '<script>fetch("https://example.org/data.json").catch(() => 0)</script>',
    "console: planted": '<script>console.error("planted")</script>',
    "script error: planted": '<script>throw new Error("planted")</script>',
    "404: ": '<script src="no-such-script.js"></script>',
}


def test_widget_without_a_kernel_shows_its_text(visit, sample):
    tab = visit(sample)
    tab.open(sample.url("notebooks/figure.html"))
    assert tab.page.get_by_text("a slider that needs a kernel").is_visible()
    assert tab.faults == []


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_fault_is_found(visit, sample, fault):
    tab = visit(sample)
    html = (sample.root / "book/index.html").read_text("utf-8").replace("</article>", PLANTED[fault] + "</article>")
    url = sample.url("book/planted.html")
    tab.page.route(url, lambda route: route.fulfill(body=html, content_type="text/html"))
    tab.open(url)
    assert any(found.startswith(fault) for found in tab.faults), tab.faults


def test_missing_page_shows_the_404_page(visit, book):
    tab = visit(book)
    for address in ("nowhere.html", "notebooks/vae/nowhere/else.html"):
        tab.faults.clear()
        tab.open(book.url(address))
        assert tab.page.locator("article h1").inner_text() == "Page not found"
        assert [f for f in tab.faults if "nowhere" not in f and "404 (" not in f] == []
        assert tab.page.locator(".bd-links a[href]").first.get_attribute("href").startswith(book.prefix)
