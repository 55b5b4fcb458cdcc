"""Mark the language of everything on a built page, so that it is right without any script.

``English · 中文`` becomes two ``lang`` spans; inside a block of one language only that language's part stays.
``bi-keep`` is on what has a language and no counterpart (an API docstring, a Chinese term in English prose): the
switch never hides it.
"""
from __future__ import annotations

import re

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PreformattedString, Tag

import bilingual_words

SEPARATOR = " · "
ZH = "zh-Hans"
CJK = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
CJK_RUN = re.compile(r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]+")
NUMBER = re.compile(r"\s*(?:\d+(?:\.\d+)*\.\s+)?")
LATIN = re.compile(r"[A-Za-z]{2}")
VERBATIM = {"script", "style", "pre", "code", "kbd", "svg", "title", "noscript", "textarea"}
NOT_PROSE = {"math", "bi-switch"}
ATTRIBUTES = {"title", "aria-label", "placeholder", "alt", "data-bs-title"}
# Parts of a heading or a caption that belong to neither language.
FIXTURE_CLASSES = {"section-number", "caption-number", "headerlink", "fa-solid", "sr-only", "sd-summary-icon"}
# "English", or with a title of the column: "Meaning (English)", "含义（中文）".
COLUMN = re.compile(r"(?P<title>.*?)(?P<aside>\s*[(（]?(?P<language>English|中文)[)）]?)")
# English without a counterpart, by design.
ENGLISH_ONLY = "dl.py, .automodule > p, div.citation, .bibtex, dl.citation"
# Where the theme and the extensions write their own words inside the text.
WORD_PLACES = (".admonition-title, .caption-number, .std-numref, dl.field-list > dt, .viewcode-link, summary, .rubric,"
               " .prev-next-area, .proof-title, .search-button__button, a.reference")
SWITCH = """<div class="bi-switch" role="group" aria-label="Language · 语言">
<button type="button" value="en" lang="en" class="bi-keep" title="English">EN</button>
<button type="button" value="zh" lang="zh-Hans" class="bi-keep" title="中文">中文</button>
<button type="button" value="both" title="Both languages · 双语对照">EN+中</button></div>"""


def mark(soup: BeautifulSoup) -> None:
    for block in soup.select('[lang="zh"]'):
        block["lang"] = ZH
    mark_columns(soup)
    mark_english_only(soup)
    for text in list(soup.body.find_all(string=lambda s: SEPARATOR in s)):
        if is_prose(text):
            split_pair(soup, text)
    translate_words(soup)
    mark_loose_text(soup)
    translate_attributes(soup)
    tidy_title(soup)
    add_switch(soup)


def is_prose(text: NavigableString) -> bool:
    attached = text.parent is not None and not isinstance(text, PreformattedString)
    return attached and not any(tag.name in VERBATIM or NOT_PROSE.intersection(tag.get("class", ())) for tag in text.parents)


def language_of(node) -> str:
    """The two-letter language of the nearest marked ancestor below <html>, or ''."""
    return next((tag["lang"][:2] for tag in node.parents if tag.has_attr("lang") and tag.name != "html"), "")


def span(soup: BeautifulSoup, language: str, children) -> Tag:
    tag = soup.new_tag("span", attrs={"lang": language})
    tag.extend(children)
    return tag


def separator(soup: BeautifulSoup, text: str = "\u00a0· ") -> Tag:
    tag = soup.new_tag("span", attrs={"class": "bi-sep"})
    tag.string = text
    return tag


def is_fixture(node) -> bool:
    if isinstance(node, Tag):
        return node.name in {"input", "i", "svg", "details"} or bool(FIXTURE_CLASSES & set(node.get("class", [])))
    return not node.strip()


def split_pair(soup: BeautifulSoup, text: NavigableString) -> None:
    """Split the element that holds `English · 中文`, inline markup on both sides included."""
    holder = text.parent
    cut = cut_at(holder, text)
    if cut is None:
        return
    left, right = cut
    head, tail = take_fixtures(left), take_fixtures(right[::-1])[::-1]
    right = right[:len(right) - len(tail)]
    opening, closing = take_edges(left, right)
    language = language_of(text)
    if language:
        middle = left if language == "en" else right
    else:
        middle = [span(soup, "en", left), separator(soup), span(soup, ZH, right)]
    holder.clear()
    holder.extend([*head, opening, *middle, closing, *tail])


def take_fixtures(nodes: list) -> list:
    """Remove the fixtures at the front of a list of nodes, and return them."""
    count = next((i for i, node in enumerate(nodes) if not is_fixture(node)), len(nodes))
    taken = nodes[:count]
    del nodes[:count]
    return taken


def cut_at(holder: Tag, text: NavigableString) -> tuple[list, list] | None:
    """The holder's children before and after the last separator with no Chinese before it and some after it."""
    children = list(holder.children)
    index = next(i for i, child in enumerate(children) if child is text)
    before = "".join(child.get_text() for child in children[:index] if not is_fixture(child))
    after = "".join(child.get_text() for child in children[index + 1:])
    for found in reversed(list(re.finditer(SEPARATOR, text))):
        left, right = str(text)[:found.start()], str(text)[found.end():]
        if (before + left).strip() and not CJK.search(before + left) and CJK.search(right + after):
            return ([*children[:index], NavigableString(left)], [NavigableString(right), *children[index + 1:]])
    return None


def take_edges(left: list, right: list) -> tuple[NavigableString, NavigableString]:
    """A number before the pair (`2. `) and brackets around it (`Theorem 1 (… · …)`) belong to both languages."""
    opening = closing = ""
    if left and isinstance(left[0], NavigableString):
        whole = "".join(node.get_text() for node in right).rstrip()
        bracket = open_bracket(left[0]) if whole.endswith(")") and whole.count(")") > whole.count("(") else -1
        end = bracket + 1 or NUMBER.match(left[0]).end()
        opening, left[0] = left[0][:end], NavigableString(left[0][end:])
        if bracket >= 0 and isinstance(right[-1], NavigableString):
            closing, right[-1] = ")", NavigableString(right[-1].rstrip()[:-1])
    return NavigableString(opening), NavigableString(closing)


def open_bracket(text: str) -> int:
    """Where the last bracket that stays open stands, or -1."""
    depth = 0
    for i in range(len(text) - 1, -1, -1):
        if text[i] == "(" and depth == 0:
            return i
        depth += {")": 1, "(": -1}.get(text[i], 0)
    return -1


def translate_words(soup: BeautifulSoup) -> None:
    for text in list(soup.body.find_all(string=bilingual_words.match)):
        place = text.parent.css
        in_article = place.closest("article") is not None
        if (not in_article or place.closest(WORD_PLACES)) and (place.closest(".viewcode-link") or is_prose(text)):
            replace_word(soup, text, *bilingual_words.match(text))


def replace_word(soup: BeautifulSoup, text: NavigableString, before: str, english: str, chinese: str,
                 after: str) -> None:
    language = "" if text.find_parent(class_="bi-keep") else language_of(text)
    if language:
        text.replace_with(f"{before}{english if language == 'en' else chinese}{after}")
        return
    between = separator(soup, " ") if after.strip() else separator(soup)  # "Fig. 图 1.2", but "Search · 搜索"
    text.replace_with(before, span(soup, "en", [NavigableString(english)]), between,
                      span(soup, ZH, [NavigableString(chinese)]), after)


def mark_columns(soup: BeautifulSoup) -> None:
    """In a table whose columns name English and 中文 each belongs to its language; a glossary needs both."""
    for table in soup.select("article section:not([id^=glossary]) > .pst-scrollable-table-container > table"):
        heads = table.select("thead th")
        names = [COLUMN.fullmatch(head.get_text(strip=True)) for head in heads]
        columns = [name and {"English": "en", "中文": ZH}[name["language"]] for name in names]
        if "en" not in columns or ZH not in columns:
            continue
        for row in table.select("tr"):
            for cell, language in zip(row.find_all(["th", "td"], recursive=False), columns):
                if language:
                    cell["lang"] = language
        for head, name in zip(heads, names):
            if name and name["title"]:  # the name of the language shows where both do
                aside = separator(soup, name["aside"])
                text = next(text for text in head.find_all(string=True) if name["aside"] in text)
                text.replace_with(text.replace(name["aside"], ""), aside)


def mark_english_only(soup: BeautifulSoup) -> None:
    for element in soup.select(ENGLISH_ONLY):
        if not element.has_attr("lang"):
            keep(element, "en")
    for cell in soup.select("article td, article th"):
        words = "".join(text for text in cell.find_all(string=True) if is_prose(text))
        alone = not cell.has_attr("lang") and not language_of(cell) and not cell.find(lang=True) and SEPARATOR not in words
        if alone and (CJK.search(words) or LATIN.search(words)):
            keep(cell, ZH if CJK.search(words) else "en")


def keep(element: Tag, language: str) -> None:
    element["lang"] = language
    element["class"] = [*element.get("class", []), "bi-keep"]


def mark_loose_text(soup: BeautifulSoup) -> None:
    """Chinese inside English, or in no block at all, says that it is Chinese and always shows."""
    for text in list(soup.body.find_all(string=CJK)):
        if not is_prose(text) or language_of(text) == "zh":
            continue
        pieces, end = [], 0
        for run in CJK_RUN.finditer(text):
            loose = span(soup, ZH, [NavigableString(run[0])])
            loose["class"] = "bi-keep"
            pieces += [NavigableString(text[end:run.start()]), loose]
            end = run.end()
        text.replace_with(*pieces, NavigableString(text[end:]))


def translate_attributes(soup: BeautifulSoup) -> None:
    for element in soup.body.find_all():
        for name in ATTRIBUTES & element.attrs.keys():
            value = bilingual_words.attribute(element[name].strip())
            language = element["lang"][:2] if element.has_attr("lang") else language_of(element)
            if language and SEPARATOR in value and "bi-keep" not in element.get("class", []):
                value = value.split(SEPARATOR)[language == "zh"]
            element[name] = value


def tidy_title(soup: BeautifulSoup) -> None:
    """`Page · 页 — Book · 书`, without numbers and marks of formulas; the first page is the book itself."""
    text = re.sub(r"\\[()]|^\s*\d+(\.\d+)*\.\s+", "", soup.title.get_text().strip())
    parts = dict.fromkeys(re.split(r"\s+[—-]\s+", text))
    soup.title.string = " — ".join(map(bilingual_words.attribute, parts))


def add_switch(soup: BeautifulSoup) -> None:
    holder = soup.select_one(".article-header-buttons")
    if holder is not None:
        holder.insert(0, BeautifulSoup(SWITCH, "html.parser"))
