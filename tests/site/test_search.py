"""Words typed into the search lead to the section that is about them, in either language."""
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

pytestmark = pytest.mark.site

GENERATIVE, DISCRIMINATIVE = "notebooks/overview/generative.html", "notebooks/overview/discriminative.html"
INFERENCE, VAE, VQ = (f"notebooks/vae/{name}.html" for name in ("inference", "vae", "vq_vae"))
# A query, and what may come first: a page, or the section that treats it.
QUERIES = {
    "贝叶斯公式": {f"{GENERATIVE}#three-rules", f"{GENERATIVE}#bayes-rule-both-ways-round"},
    "calibration": {f"{DISCRIMINATIVE}#can-the-probabilities-be-trusted"},
    "校准": {f"{DISCRIMINATIVE}#can-the-probabilities-be-trusted"},
    "扩散模型": {"book/diffusion.html", "book/overview.html#the-taxonomy"},
    "变分自编码器": {"book/vae.html", VAE},
    "证据下界": {INFERENCE},
    "evidence lower bound": {INFERENCE},
    "后验坍缩": {f"{VAE}#posterior-collapse"},
    "posterior collapse": {f"{VAE}#posterior-collapse"},
    "ELBO": {INFERENCE, VAE, "book/vae.html"},
    "encoder": {f"{VAE}#one-encoder-for-every-example"},
    "码本": {VQ},
    "straight-through": {f"{VQ}#the-gradient-of-a-choice"},
    "sampled_elbo": {"book/api.html#gmlib.vae.VAE.sampled_elbo"},
}


def search(tab, site, words: str, start: str) -> list[str]:
    """Where the results lead, from the search dialog as a reader opens it."""
    tab.open(site.url(start))
    tab.page.keyboard.press("Control+k")
    tab.page.keyboard.type(words)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/search.html?q=*")
    tab.page.locator("#search-status:not(:empty)").wait_for()
    base = site.url("")
    return [link.evaluate("a => a.href").removeprefix(base) for link in tab.page.locator("#search-results li > a").all()]


def index(site) -> list:
    script = (site.root / "_static/search-index.js").read_text("utf-8")
    return json.loads(script.removeprefix("window.searchIndex=").rstrip().rstrip(";"))


@pytest.mark.parametrize("words", QUERIES)
def test_query_reaches_the_right_section(visit, book, words):
    results = search(visit(book), book, words, "book/index.html")
    assert results and (results[0] in QUERIES[words] or results[0].partition("#")[0] in QUERIES[words]), results[:5]
    assert len(set(results)) == len(results)
    page, _, anchor = results[0].partition("#")
    place = BeautifulSoup((book.root / page).read_text("utf-8"), "html.parser").select_one("article")
    place = place.find(id=anchor) if anchor else place
    assert (place.parent if place.name == "dt" else place).get_text().lower().count(words.lower()) > 0


def test_every_address_of_the_index_stands(book):
    for name, _, places in index(book):
        ids = set(re.findall(r'\bid="([^"]+)"', Path(book.root, f"{name}.html").read_text("utf-8")))
        assert places and {anchor for anchor, *_ in places} <= ids, name
        assert all(title for _, *titles, _, _ in places for title in titles), name


def test_index_says_what_a_section_says(sample):
    (_, _, places), = (entry for entry in index(sample) if entry[0] == "book/blocks")
    said = {anchor: texts for anchor, *texts in places}
    title, title_zh, text, text_zh = said["admonitions"]
    assert (title, title_zh) == ("Admonitions", "提示框")
    assert "Inside one language." in text and "只在一种语言里" not in text and "潜变量模型" not in text_zh
    assert "只在一种语言里。" in text_zh and "Inside one language." not in text_zh
    assert not any("checked by" in text for texts in said.values() for text in texts)  # a mark is no text


@pytest.mark.parametrize("words", ["证据下界", "界", "下界，", "潜变量模型", "变量模", "bound", "bounds", "BOUND", "变量 evidence"])
def test_words_of_any_length(visit, sample, words):
    results = search(visit(sample), sample, words, "book/index.html")
    assert "book/blocks.html" in results


@pytest.mark.parametrize("words", ["玻尔兹曼", "下证据", "zebra", "ound"])
def test_absent_words_find_nothing(visit, sample, words):
    tab = visit(sample, locale="zh-CN")
    assert search(tab, sample, words, "book/index.html") == []
    assert tab.page.locator("#search-status").inner_text().startswith("没有找到")


@pytest.mark.parametrize("words", ["", "  ", "(.*)[", "，。"])
def test_no_word_is_no_question(visit, sample, words):
    tab = visit(sample)
    tab.open(sample.url("search.html"))
    tab.page.fill(".bd-search-container input", words)
    assert tab.page.locator("#search-results li").count() == 0
    assert tab.page.locator("#search-status").inner_text() == "" and tab.faults == []


def test_results_follow_the_typing(visit, sample):
    tab = visit(sample)
    tab.open(sample.url("search.html"))
    field = tab.page.locator(".bd-search-container input")
    assert tab.page.locator("#search-results li").count() == 0 and field.evaluate("f => f === document.activeElement")
    field.press_sequentially("Admonitions")
    assert tab.page.locator("#search-results li > a").first.get_attribute("href") == "book/blocks.html#admonitions"
    assert tab.page.url.endswith("search.html?q=Admonitions")
    field.press("Enter")
    assert tab.page.url.endswith("search.html?q=Admonitions")


def test_results_speak_the_readers_language(visit, sample):
    tab = visit(sample)
    assert search(tab, sample, "证据下界", "book/index.html")[0] == "book/blocks.html"
    first = tab.page.locator("#search-results li").first
    assert first.locator("a").inner_text().startswith("Blocks and the")  # the title's number is left out
    assert tab.page.locator("#search-status").inner_text() == "2 places, best first"
    tab.page.click('.bi-switch button[value="zh"]')
    assert first.locator("a").inner_text().startswith("版块与")
    assert tab.page.locator("#search-status").inner_text() == "共 2 处，最相关的在前"
    summary = first.locator("p")
    assert summary.get_attribute("lang") == "zh-Hans" and summary.locator("mark").all_inner_texts() == ["证据下界"]
    assert "训练时最大化一个下界" in summary.inner_text() and "Training" not in summary.inner_text()


def test_heading_is_found_by_either_half(visit, sample):
    for words, locale in (("Tables and figures", "en-GB"), ("表与图", "zh-CN")):
        results = search(visit(sample, locale=locale), sample, words, "book/index.html")
        assert results[0] == "book/blocks.html#tables-and-figures", results


def test_formula_of_an_excerpt_is_whole(visit, book):
    """As many formulas are set as begin in the text, and none is left as TeX."""
    tab = visit(book)
    search(tab, book, "likelihood", "book/index.html")
    tab.page.locator("#search-results mjx-container").first.wait_for()
    tab.settle()
    texts = tab.page.locator("#search-results p").all_inner_texts()
    assert len(texts) > 10 and not any("\\(" in text or "\\)" in text for text in texts)


def test_found_words_are_marked_on_their_page(visit, sample):
    tab = visit(sample)
    search(tab, sample, "unobserved", "book/index.html")
    tab.page.locator("#search-results li > a").first.click()
    assert tab.page.locator("article span.highlighted").first.inner_text() == "unobserved"
