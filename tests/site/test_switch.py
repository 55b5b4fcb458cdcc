"""The reader chooses a language; everything on the page follows, and the choice lasts."""
from __future__ import annotations

import pytest

pytestmark = pytest.mark.site

PAGE = "book/blocks.html"
SHOWN = """() => [...document.querySelectorAll('body [lang]:not(.bi-keep)')]
  .filter((e) => e.getClientRects().length && e.textContent.trim()).map((e) => e.lang.slice(0, 2))"""


def state(tab) -> tuple[str, str | None]:
    return tuple(tab.page.evaluate("[document.documentElement.lang, document.documentElement.dataset.bilang ?? null]"))


def languages_shown(tab) -> set[str]:
    return set(tab.page.evaluate(SHOWN))


def choose(tab, value: str) -> None:
    tab.page.click(f'.bi-switch button[value="{value}"]')


@pytest.mark.parametrize("locale, language, shown", [
    ("en-GB", "en", "en"), ("fr-FR", "en", "en"), ("zh-CN", "zh-Hans", "zh"), ("zh-TW", "zh-Hans", "zh")])
def test_first_visit_follows_the_browser(visit, sample, locale, language, shown):
    tab = visit(sample, locale=locale)
    tab.open(sample.url(PAGE))
    assert state(tab) == (language, shown)
    assert languages_shown(tab) == {shown}


def test_language_is_set_before_the_page_is_drawn(visit, sample):
    tab = visit(sample, locale="zh-CN")
    tab.page.add_init_script("""new MutationObserver((_, me) => {
      const root = document.documentElement;
      if (document.body) { window.early = [root.dataset.bilang, root.lang]; me.disconnect(); }
    }).observe(document, { childList: true, subtree: true });""")
    tab.open(sample.url(PAGE))
    assert tab.page.evaluate("window.early") == ["zh", "zh-Hans"]


def test_choice_lasts_across_pages(visit, sample):
    tab = visit(sample)
    tab.open(sample.url(PAGE))
    choose(tab, "zh")
    tab.page.click(".right-next")
    tab.page.wait_for_url("**/figure.html")
    assert state(tab) == ("zh-Hans", "zh")
    choose(tab, "both")
    tab.page.reload()
    assert state(tab) == ("en", None)
    assert languages_shown(tab) == {"en", "zh"}


def test_address_asks_for_a_language_and_is_remembered(visit, sample):
    tab = visit(sample)
    tab.open(sample.url(PAGE) + "?lang=zh")
    assert state(tab) == ("zh-Hans", "zh")
    tab.open(sample.url("book/index.html"))
    assert state(tab) == ("zh-Hans", "zh")
    tab.open(sample.url("book/index.html") + "?lang=nonsense")
    assert state(tab) == ("zh-Hans", "zh")


def test_choice_outlasts_the_address(visit, sample):
    tab = visit(sample)
    tab.open(sample.url(PAGE) + "?lang=zh#admonitions")
    choose(tab, "en")
    assert tab.page.url == sample.url(PAGE) + "#admonitions"
    tab.page.reload()
    assert state(tab) == ("en", "en")


def test_front_address_keeps_the_language_and_the_place(visit, sample):
    tab = visit(sample)
    tab.page.goto(sample.url("?lang=zh#x"))
    tab.page.wait_for_url("**/book/index.html?lang=zh#x")
    assert state(tab) == ("zh-Hans", "zh")


@pytest.mark.parametrize("value, expected", [
    ("en", {"title": "Blocks and the \\beta-bound — Generative Models", "contents": "Contents", "toc": "Admonitions",
            "previous": "previous", "note": "Note", "search": "Search the book", "alt": "A wave with one dot on its crest",
            "table": "Table 1.1 Terms", "exercise": "Exercise 1.1 (KL of a shifted Gaussian)", "link": "Fig. 1.1",
            "sidebar": "1.1. A notebook", "mode": "Color mode"}),
    ("zh", {"title": "版块与 \\beta-下界 — 生成模型", "contents": "本页目录", "toc": "提示框", "previous": "上一页",
            "note": "注", "search": "搜索本书", "alt": "一条波浪线，波峰上有一个点", "table": "表 1.1 术语",
            "exercise": "练习 1.1 (平移高斯的 KL)", "link": "图 1.1", "sidebar": "1.1. 一个笔记本", "mode": "明暗模式"})])
def test_everything_follows(visit, sample, value, expected):
    tab = visit(sample)
    tab.open(sample.url(PAGE))
    choose(tab, "both")
    choose(tab, value)
    page = tab.page
    found = {
        "title": page.title(),
        "contents": page.locator(".onthispage").inner_text(),
        "toc": page.locator("#pst-page-toc-nav a").first.inner_text(),
        "previous": page.locator(".left-prev .prev-next-subtitle").inner_text().lower(),
        "note": page.locator(".note > .admonition-title").inner_text(),
        "search": page.locator("#pst-search-dialog input").get_attribute("placeholder"),
        "alt": page.locator("article figure img").get_attribute("alt"),
        "table": page.locator("article table > caption").first.inner_text().rstrip("#"),
        "exercise": page.locator(".exercise > .admonition-title").inner_text(),
        "link": page.locator(f'article div[lang|="{value}"] .std-numref').first.inner_text(),
        "sidebar": page.locator(".bd-links a", has_text="1.1.").inner_text(),
        "mode": page.locator(".theme-switch-button").get_attribute("aria-label"),
    }
    assert {k: " ".join(v.split()) for k, v in found.items()} == expected


@pytest.mark.parametrize("width", [1280, 390])
def test_place_is_kept(visit, sample, width):
    tab = visit(sample, width=width)
    tab.open(sample.url(PAGE))
    tab.page.evaluate("document.querySelector('#theorems-and-exercises').scrollIntoView({behavior: 'instant'})")
    place = "document.querySelector('#theorems-and-exercises').getBoundingClientRect().top"
    before = tab.page.evaluate(place)
    for value in ("zh", "both", "en", "both", "zh", "en"):
        choose(tab, value)
        assert abs(tab.page.evaluate(place) - before) <= 2, value


def test_place_inside_a_paragraph_is_kept(visit, sample):
    """The reader is in the middle of an English block: its Chinese twin takes its place."""
    tab = visit(sample, width=390)
    tab.open(sample.url(PAGE))
    tab.page.evaluate("window.scrollTo({top: 150, behavior: 'instant'})")
    choose(tab, "zh")
    top, bottom = tab.page.evaluate("""(() => { const box = document.querySelector('article div[lang|="zh"]')
      .getBoundingClientRect(); return [box.top, box.bottom]; })()""")
    assert top < 120 < bottom


def test_without_javascript_both_show_and_are_marked(visit, sample):
    tab = visit(sample, java_script_enabled=False)
    tab.page.goto(sample.url(PAGE))
    page = tab.page
    for place in ("h1", ".note > .admonition-title", ".bd-links .caption-text", "#pst-page-toc-nav a",
                  ".left-prev .prev-next-title", ".onthispage", "figcaption .caption-number"):
        spot = page.locator(place).first
        assert spot.locator('[lang="en"]').first.is_visible(), place
        assert spot.locator('[lang="zh-Hans"]').first.is_visible(), place
    assert page.locator('article div[lang="zh-Hans"]').first.is_visible()
    assert not page.locator(".bi-switch").is_visible()
    details = page.locator("details.admonition").first
    details.locator("summary").click()
    assert "Hidden until opened." in details.inner_text()


def test_words_of_scripts_follow(visit, sample):
    tab = visit(sample, locale="zh-CN")
    tab.open(sample.url(PAGE) + "?highlight=shifted")
    copy = tab.page.locator(".copybtn").first
    assert copy.get_attribute("data-tooltip") == "复制"
    assert tab.page.locator(".highlight-link").inner_text().strip() == "不再标出搜索词"
    choose(tab, "en")
    assert copy.get_attribute("aria-label") == "Copy"
    assert tab.page.locator(".highlight-link").inner_text().strip() == "Hide search matches"


def test_switch_works_from_the_keyboard(visit, sample):
    tab = visit(sample)
    tab.open(sample.url(PAGE))
    tab.page.locator('.bi-switch button[value="zh"]').focus()
    tab.page.keyboard.press("Enter")
    assert state(tab) == ("zh-Hans", "zh")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Space")
    assert state(tab) == ("en", None)
    assert tab.page.locator('.bi-switch button[value="both"]').get_attribute("aria-pressed") == "true"


def test_tests_see_a_language_that_leaks(visit, sample):
    """Planted: Chinese that the switch does not hide."""
    tab = visit(sample)
    html = (sample.root / PAGE).read_text("utf-8")
    url = sample.url("book/leak.html")
    leak = '<p style="display: block !important" lang="zh-Hans">漏</p>'
    tab.page.route(url, lambda route: route.fulfill(body=html.replace("</article>", leak + "</article>"),
                                                    content_type="text/html"))
    tab.open(url)
    assert languages_shown(tab) == {"en", "zh"}


@pytest.mark.parametrize("page", [PAGE, "search.html"])
def test_without_scripts_the_page_says_so(visit, sample, page):
    tab = visit(sample, java_script_enabled=False)
    tab.page.goto(sample.url(page))
    words = tab.page.locator("noscript .admonition").inner_text()
    assert "JavaScript, which is off" in words and "本站用 JavaScript" in words
