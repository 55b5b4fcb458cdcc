"""Words typed into the search lead to the right page, in either language."""
from __future__ import annotations

import pytest

pytestmark = pytest.mark.site

VAE = {"notebooks/vae/inference.html", "notebooks/vae/vae.html", "book/vae.html"}
QUERIES = {
    "扩散模型": {"book/diffusion.html", "book/overview.html", "book/vae.html", "book/glossary.html"},
    "变分自编码器": {"book/vae.html", "notebooks/vae/vae.html"},
    "证据下界": {"notebooks/vae/inference.html"},
    "后验": VAE,
    "似然": VAE | {"book/overview.html", "notebooks/overview/generative.html", "book/notation.html", "book/glossary.html"},
    "encoder": {"book/vae.html", "notebooks/vae/vae.html"},
    "ELBO": VAE,
    "evidence lower bound": {"notebooks/vae/inference.html"},
}


def search(tab, site, words: str, start: str) -> list[tuple[str, str]]:
    """(page, title) of the results, from the search dialog as a reader opens it."""
    tab.open(site.url(start))
    tab.page.keyboard.press("Control+k")
    tab.page.keyboard.type(words)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/search.html?q=*")
    tab.page.locator(".search-summary:not(:empty)").wait_for()
    links = tab.page.locator("#search-results li > a").all()
    base = site.url("")
    return [(link.evaluate("a => a.href").removeprefix(base).partition("#")[0], link.inner_text()) for link in links]


@pytest.mark.parametrize("words", QUERIES)
def test_query_reaches_the_right_page(visit, book, words):
    results = search(visit(book), book, words, "book/index.html")
    assert results and results[0][0] in QUERIES[words], results[:5]
    assert len(set(results)) == len(results)
    assert words.lower() in (book.root / results[0][0]).read_text("utf-8").lower()


@pytest.mark.parametrize("words", ["证据下界", "界", "潜变量模型", "bound", "bounds", "变量 evidence"])
def test_words_of_any_length(visit, sample, words):
    results = search(visit(sample), sample, words, "book/index.html")
    assert "book/blocks.html" in [page for page, _ in results]


@pytest.mark.parametrize("words", ["玻尔兹曼", "下证据", "zebra"])
def test_absent_words_find_nothing(visit, sample, words):
    tab = visit(sample, locale="zh-CN")
    assert search(tab, sample, words, "book/index.html") == []
    assert tab.page.locator(".search-summary").inner_text().startswith("没有找到")


def test_results_speak_the_readers_language(visit, sample):
    tab = visit(sample)
    assert search(tab, sample, "证据下界", "book/index.html")[0][1].startswith("Blocks and the")  # the title's number is left out
    assert tab.page.locator("#search-results h2").text_content() == "Search Results"
    tab.page.click('.bi-switch button[value="zh"]')
    tab.page.locator("#search-results .context").first.wait_for()
    assert tab.page.locator("#search-results h2").text_content() == "搜索结果"
    assert tab.page.locator("#search-results li > a").first.inner_text().startswith("版块与")
    assert tab.page.locator(".search-summary").inner_text() == "搜索完成，共找到 1 处。"
    summary = tab.page.locator("#search-results .context").first
    assert summary.get_attribute("lang") == "zh-Hans"
    assert "训练时最大化一个下界" in summary.inner_text() and "Training" not in summary.inner_text()


def test_heading_is_found_by_either_half(visit, sample):
    for words, locale in (("Tables and figures", "en-GB"), ("表与图", "zh-CN")):
        results = search(visit(sample, locale=locale), sample, words, "book/index.html")
        assert any(page == "book/blocks.html" and title.endswith(words) for page, title in results), results


def test_sphinx_own_chinese_search_would_fail_this():
    """The fault that this search mends: without character pairs, a run of Chinese is one word that nobody types."""
    from sphinx.search.en import SearchEnglish
    assert SearchEnglish({}).split("训练时最大化证据下界") == ["训练时最大化证据下界"]
