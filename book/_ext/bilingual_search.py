"""Search in both languages: stemmed English words, Chinese single characters and overlapping pairs.

A query is split the same way in the browser, so 扩散模型 asks for 扩散, 散模 and 模型.
"""
from __future__ import annotations

import re

import sphinx.search
from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

CJK = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
RUN = re.compile(rf"[{CJK}]+|[^\W{CJK}]+")

SPLIT_QUERY = r"""
function splitQuery(query) {
  const cjk = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff";
  const runs = query.match(new RegExp(`[${cjk}]+|(?:(?![${cjk}])[\\p{L}\\p{N}_])+`, "gu")) || [];
  const chinese = new RegExp(`^[${cjk}]`);
  return runs.flatMap((run) => chinese.test(run) && run.length > 2
    ? Array.from({ length: run.length - 1 }, (_, i) => run.slice(i, i + 2))
    : [run]);
}
"""


def is_chinese(word: str) -> bool:
    return re.match(rf"[{CJK}]", word) is not None


class SearchBilingual(SearchEnglish):
    lang = "bi"
    language_name = "English and Chinese"
    js_splitter_code = SPLIT_QUERY

    def split(self, input: str) -> list[str]:
        words: list[str] = []
        for run in RUN.findall(input):
            words += [*run, *map("".join, zip(run, run[1:]))] if is_chinese(run) else [run]
        return words

    def stem(self, word: str) -> str:
        return word if is_chinese(word) else super().stem(word)


def register() -> None:
    sphinx.search.languages["bi"] = SearchBilingual


def add_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Results that speak the reader's language, on the search page only."""
    if pagename == "search":
        app.add_js_file("bilingual-search.js", loading_method="defer", priority=900)
