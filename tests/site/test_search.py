"""Words typed into the search lead to the section that is about them, in either language."""
from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import random
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, SoupStrainer

from tests.site.index import index, texts, weight
from tools.common import chapters

pytestmark = pytest.mark.site

GENERATIVE, DISCRIMINATIVE = "notebooks/overview/generative.html", "notebooks/overview/discriminative.html"
INFERENCE, VAE, VQ = (f"notebooks/vae/{name}.html" for name in ("inference", "vae", "vq_vae"))
FIELD = ".bd-search-container input"
TEXT_IS_THERE = "!/^(Loading|正在载入)/.test(document.getElementById('search-status').innerText)"
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
    "encoder": {f"{VAE}#one-encoder-for-every-example", "notebooks/autoencoders/features.html"},
    "码本": {VQ},
    "straight-through": {f"{VQ}#the-gradient-of-a-choice"},
    "sampled_elbo": {"book/api/vae.html#gmlib.vae.VAE.sampled_elbo"},
}


@pytest.fixture
def search(visit):
    """A function that gives where the results lead; its tab stays open, and the next words go into the same field."""
    tabs = {}

    def ask(site, words: str, locale: str = "en-GB") -> list[str]:
        ask.tab = tab = tabs[site.origin, locale] = tabs.get((site.origin, locale)) or visit(site, locale=locale)
        if "search.html" not in tab.page.url:
            tab.open(site.url("search.html"))
        tab.page.fill(FIELD, words)
        tab.page.wait_for_function(TEXT_IS_THERE)
        base = site.url("")
        return [href.removeprefix(base) for href in tab.page.evaluate("[...document.querySelectorAll("
                "'#search-results li > a')].map((link) => link.href)")]

    return ask


def test_queries_reach_the_right_sections(search, book):
    for words, expected in QUERIES.items():
        results = search(book, words)
        assert results and (results[0] in expected or results[0].partition("#")[0] in expected), (words, results[:5])
        assert len(set(results)) == len(results), words
        page, _, anchor = results[0].partition("#")
        place = BeautifulSoup((book.root / page).read_text("utf-8"), "html.parser", parse_only=SoupStrainer("article"))
        place = place.find(id=anchor) if anchor else place
        assert words.lower() in (place.parent if place.name == "dt" else place).get_text().lower(), words


def brought(tab) -> set[str]:
    """The languages whose texts the page has fetched."""
    names = tab.page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    return {found[1] for name in names if (found := re.search(r"/search-(en|zh)\.js", name))}


# Packed, in bytes: what is there without a chapter (references, what was measured, the shared library, …), and one chapter.
FIXED, CHAPTER = 36_000, 25_000


@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_of_a_language_keep_their_budget(book, language):
    limit = FIXED + CHAPTER * len(chapters())
    zipped = len(gzip.compress("\n".join(texts(book, language)).encode(), 6))
    assert len(texts(book, language)) > 500 and weight(book, language) < min(limit, 0.8 * zipped)


SEVERAL = [b"", b"a", b"aaaa", b"aaaaa", 300 * b"a" + 4 * b"b" + 259 * b"c", bytes(range(256)), 500_000 * b"ab", 1_000_000 * b"\0",
           random.Random(0).randbytes(20_000), "潜变量模型 bound; ".encode() * 70_000, random.Random(1).randbytes(1_000_000)]


def test_texts_are_unpacked_as_they_were(visit, sample):
    """Runs of one byte, every byte, several blocks; and a byte that is changed gives something else."""
    tab = visit(sample)
    tab.open(sample.url("search.html"))
    unpacked = """async (packed) => { const bytes = bookUnpack(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)));
      const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      return [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join(""); }"""
    for text in SEVERAL:
        packed = bytearray(bz2.compress(text))
        assert tab.page.evaluate(unpacked, base64.b64encode(packed).decode()) == hashlib.sha256(text).hexdigest()
    packed[len(packed) // 2] ^= 1
    assert tab.page.evaluate(unpacked, base64.b64encode(packed).decode()) != hashlib.sha256(text).hexdigest()


AHEAD = "performance.getEntriesByType('resource').map((e) => e.name).filter((name) => /search-/.test(name)).length"


@pytest.mark.parametrize("locale, language", [("en-GB", "en"), ("zh-CN", "zh")])
@pytest.mark.parametrize("turn", ["hover", "keys"])
def test_text_is_fetched_while_the_reader_turns_to_the_search(visit, sample, locale, language, turn):
    tab = visit(sample, locale=locale)
    tab.open(sample.url("book/index.html"))
    assert tab.page.evaluate(AHEAD) == 0
    if turn == "hover":
        tab.page.locator(".search-button__button:visible").first.hover()
    else:
        tab.page.keyboard.press("Control+k")
    tab.page.wait_for_function(f"{AHEAD} >= 3")
    assert brought(tab) == {language} and tab.page.evaluate(AHEAD) == 3 and tab.faults == []


@pytest.mark.parametrize("locale, first, words", [("en-GB", "en", "下界"), ("zh-CN", "zh", "bound")])
def test_one_language_comes_and_the_other_when_it_is_asked_for(search, sample, locale, first, words):
    search(sample, "", locale)
    assert brought(search.tab) == {first}
    search(sample, words, locale)
    search.tab.settle()
    assert brought(search.tab) == {"en", "zh"}
    assert search(sample, words, locale) == search(sample, f" {words}", locale) != []


def test_titles_are_found_until_the_text_is_there(visit, sample):
    tab, waiting = visit(sample), []
    tab.page.route("**/search-en.js", lambda route: waiting.append(route))
    tab.page.goto(sample.url("search.html?q=admonitions"), wait_until="commit")
    first = tab.page.locator("#search-results li").first
    assert first.inner_text().strip().endswith("› Admonitions")
    assert tab.page.locator("#search-status").inner_text() == "Loading the text of the book…"
    waiting.pop().continue_()
    first.get_by_text("Inside one language.").wait_for()
    assert tab.page.locator("#search-status").inner_text() == "1 place"


def test_name_of_the_library_shows_its_english_text_to_a_chinese_reader(search, book):
    search(book, "sampled_elbo", "zh-CN")
    search.tab.settle()
    assert search(book, "sampled_elbo ", "zh-CN")[0] in QUERIES["sampled_elbo"]
    shown = search.tab.page.locator("#search-results li p").first
    assert shown.get_attribute("lang") == "en" and "num_samples" in shown.inner_text()


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


def test_words_of_any_length(search, sample):
    for words in ("证据下界", "界", "下界，", "潜变量模型", "变量模", "bound", "bounds", "BOUND", "变量 evidence"):
        assert "book/blocks.html" in search(sample, words), words


def test_absent_words_find_nothing(search, sample):
    for words in ("玻尔兹曼", "zebra", "ound"):
        assert search(sample, words, "zh-CN") == []
        assert search.tab.page.locator("#search-status").inner_text().startswith("没有找到")


NEAREST = {
    "贝叶斯定理": f"{GENERATIVE}#bayes-rule-both-ways-round",  # the book says 公式
    "后验崩塌": f"{VAE}#posterior-collapse",  # … 坍缩
    "生成模型是什么": GENERATIVE,
    "calibraton": f"{DISCRIMINATIVE}#can-the-probabilities-be-trusted",
    "naive bayes clasifier": f"{DISCRIMINATIVE}#naive-bayes-learning-by-counting",
}


def test_other_words_reach_the_nearest(search, book):
    for words, expected in NEAREST.items():
        assert search(book, words)[0] == expected, words
        assert search.tab.page.locator("#search-status").inner_text() == "Nothing holds all of this. The nearest:"


def test_either_spelling(search, book):
    for british, american in (("quantisation", "quantization"), ("reparameterised", "reparameterized")):
        assert len(search(book, british)) > 2 and search(book, british) == search(book, american)


def test_chapters_are_named_where_only_the_reference_has_all_words(search, book):
    results = search(book, "reparameterization trick")
    assert results[0] == "book/glossary.html" and any(result.startswith(VAE) for result in results)


def test_no_word_is_no_question(search, sample):
    for words in ("", "  ", "(.*)[", "，。"):
        assert search(sample, words) == [] and search.tab.page.locator("#search-status").inner_text() == ""
    assert search.tab.faults == []


def test_reader_comes_from_the_dialog(visit, sample):
    tab = visit(sample)
    tab.open(sample.url("book/index.html"))
    tab.page.keyboard.press("Control+k")
    tab.page.keyboard.type("unobserved")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/search.html?q=unobserved")
    tab.page.locator("#search-results li > a").first.click()
    assert tab.page.locator("article span.highlighted").first.inner_text() == "unobserved"  # marked where it was found


def test_results_follow_the_typing(visit, sample):
    tab = visit(sample)
    tab.open(sample.url("search.html"))
    field = tab.page.locator(FIELD)
    assert tab.page.locator("#search-results li").count() == 0 and field.evaluate("f => f === document.activeElement")
    field.press_sequentially("Admonitions")
    assert tab.page.locator("#search-results li > a").first.get_attribute("href") == "book/blocks.html#admonitions"
    field.press("Enter")
    assert tab.page.url.endswith("search.html?q=Admonitions")


def test_results_speak_the_readers_language(search, sample):
    assert search(sample, "证据下界")[0] == "book/blocks.html"
    page = search.tab.page
    first, status = page.locator("#search-results li").first, page.locator("#search-status")
    assert first.locator("a").inner_text().startswith("Blocks and the")  # the title's number is left out
    assert status.inner_text() == "2 places, best first"
    page.click('.bi-switch button[value="zh"]')
    assert first.locator("a").inner_text().startswith("版块与")
    assert status.inner_text() == "共 2 处，最相关的在前"
    summary = first.locator("p")
    assert summary.get_attribute("lang") == "zh-Hans" and summary.locator("mark").all_inner_texts() == ["证据下界"]
    assert "训练时最大化一个下界" in summary.inner_text() and "Training" not in summary.inner_text()


def test_excerpt_of_a_title_alone_begins_with_its_text(search, sample):
    """Also where the text holds what ends a row."""
    (_, _, places), = (entry for entry in index(sample) if entry[0] == "book/blocks")
    title, _, text, _ = next(place[1:] for place in places if place[0] == "tables-and-figures")
    assert "; " in text and title not in text
    search(sample, title)
    shown = search.tab.page.locator("#search-results li p").first.inner_text()
    assert shown.startswith(text[:20]), shown


def test_heading_is_found_by_either_half(search, sample):
    for words in ("Tables and figures", "表与图"):
        assert search(sample, words)[0] == "book/blocks.html#tables-and-figures"


def test_formula_of_an_excerpt_is_whole(search, book):
    search(book, "likelihood")
    search.tab.page.locator("#search-results mjx-container").first.wait_for()
    search.tab.settle()
    texts = search.tab.page.locator("#search-results p").all_inner_texts()
    assert len(texts) > 10 and not any("\\(" in text or "\\)" in text for text in texts)
