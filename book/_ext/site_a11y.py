"""Mend the theme's HTML: landmarks, native disclosure, files to save, punctuation that must not leave its formula."""
from __future__ import annotations

import re

from bs4 import BeautifulSoup
from bs4.element import NavigableString

import chapters
import site_formulas

# What this site never shows: a second search bar, the printed title that repeats the title, slots for others' services,
# 1.5 MB of icons (the theme's icon font has them; the script also breaks the widgets' Play button), labels like [DR14],
# Sphinx's search.
REMOVED = ("#pst-header > *, #jb-print-docs-body, #ethical-ad-placement, .pst-async-banner-revealer, footer.bd-footer,"
           " script[type='text/x-thebe-config'], script[src*='scripts/fontawesome.js'],"
           " link[rel='preload'], .citation > .label,"
           " script[src$='searchtools.js'], script[src$='language_data.js'], script[src$='searchindex.js']")
WITHOUT_SCRIPT = """<noscript><div class="admonition note">
<p lang="en">This site chooses the language, sets the formulas and searches with JavaScript, which is off: both languages show,
formulas are in TeX, and figures stand still.</p>
<p lang="zh-Hans">本站用 JavaScript 切换语言、排版公式、搜索全书。它现在没有开启，所以两种语言同时显示，公式以 TeX 源码显示，图也不能操作。</p></div></noscript>"""
CLOSING = re.compile(r"^[,.;:!?)\]，。；：！？、）」』”’》]+")
OPENING = re.compile(r"[(\[（「『“‘《]$")


def mend(soup: BeautifulSoup) -> None:
    for element in soup.select(REMOVED):
        element.decompose()
    for script in soup.find_all("script", string=re.compile("kernelName =")):
        script.decompose()
    for element in soup.select('[data-bs-toggle="tooltip"]'):
        del element["data-bs-toggle"]  # a native title follows the language; a scripted tooltip keeps its first text
    soup.html["data-theme"] = "light"  # without a script; "auto" is no theme at all
    name_landmarks(soup)
    chapters.name_folds(soup)
    for icon in soup.select(".fa-solid, .fas, .fab"):
        icon["aria-hidden"] = "true"
    for box in soup.select("div.admonition.dropdown, div.admonition.toggle"):
        disclose(box)
    for entry in soup.select(".citation-list, .citation"):
        del entry["role"]  # deprecated there; the entries are plain paragraphs, author first
    for content in soup.select("#proof-content"):
        del content["id"]  # each theorem's and algorithm's would have the same
    save_files(soup)
    for header in soup.select("article th"):
        if not header.get_text().strip():
            header.name = "td"  # the corner of a table heads nothing
    for formula in soup.select("article span.math"):
        bind_punctuation(soup, formula)
    if text := soup.select_one(".bd-article-container, .bd-search-container"):
        text.insert(0, BeautifulSoup(WITHOUT_SCRIPT, "html.parser"))
    site_formulas.keep_room(soup)


def name_landmarks(soup: BeautifulSoup) -> None:
    if sidebar := soup.select_one("#pst-primary-sidebar"):
        sidebar["role"] = "complementary"
        sidebar["aria-label"] = "The book · 全书"


def save_files(soup: BeautifulSoup) -> None:
    """A notebook of this site, or a page's source, is saved: a browser would show its JSON."""
    for link in soup.select("a[href$='.ipynb'], a.btn-download-source-button"):
        if not re.match(r"\w+:|//", link["href"]):
            link["download"] = ""
            del link["target"]


def disclose(box) -> None:
    """A dropdown opens without a script, and from the keyboard."""
    title = box.select_one(".admonition-title")
    if title is not None:
        box.name, title.name = "details", "summary"
        box.insert(0, title.extract())
        for link in title.find_all("a"):
            link.unwrap()  # a button inside a button cannot be reached


def bind_punctuation(soup: BeautifulSoup, formula) -> None:
    """Browsers break a line between a formula and the punctuation that follows it; hold them together."""
    before, after = formula.previous_sibling, formula.next_sibling
    opening = OPENING.search(before) if isinstance(before, NavigableString) else None
    closing = CLOSING.search(after) if isinstance(after, NavigableString) else None
    if not (opening or closing):
        return
    holder = formula.wrap(soup.new_tag("span", attrs={"class": "nobreak"}))
    if opening:
        before.replace_with(NavigableString(before[:opening.start()]))
        holder.insert(0, opening[0])
    if closing:
        after.replace_with(NavigableString(after[closing.end():]))
        holder.append(closing[0])
