"""The search of a book in two languages: an index of its sections, each with the words of either language.

Sphinx's own search knows pages, one language, and words between spaces.  A run of Chinese has none, and cutting it into
words finds what the cutter cut: a reader types any part of it.  So the index is the text itself, by section, and the
browser looks for what was typed (`_static/site-search.js`).  Titles are in one file, the texts of either language in one
more: a reader of one language waits for half of the book.
"""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, SoupStrainer, Tag
from sphinx.application import Sphinx

HEADINGS = ["h1", "h2", "h3", "h4"]
NOT_TEXT = {"pre", "script", "style"}
NOT_TEXT_CLASSES = {"bi-sep", "section-number", "headerlink", "viewcode-link", "eq-mark", "eq-checks", "field-list", "fm-not-yet",
                    "fold"}
LANGUAGES = {"en": ("en",), "zh-Hans": ("zh",)}


class Section:
    """A place with an address: what it says in either language."""

    def __init__(self, anchor: str, title: str = "") -> None:
        self.anchor = anchor
        self.title, self.text = ({"en": title, "zh": title}, {"en": "", "zh": ""})

    def row(self) -> list[str]:
        said = (self.title["en"], self.title["zh"], self.text["en"], self.text["zh"])
        return [self.anchor, *(" ".join(words.split()) for words in said)]


def sections(html: str) -> list[list[str]]:
    """Of each section and each name of gmlib: anchor, title in English, in Chinese, text in English, in Chinese."""
    found = []

    def read(tag: Tag, section: Section | None, into: dict[str, str], languages: tuple[str, ...]) -> None:
        for child in tag.children:
            if isinstance(child, NavigableString):
                for language in languages:
                    into[language] += child
            elif not is_text(child):
                continue
            elif opened := opens(child):
                found.append(opened)
                read(child, opened, opened.text, ("en",) if child.name == "dl" else ("en", "zh"))
            else:
                heads = section and child.name in HEADINGS
                own = () if "bi-keep" in child.get("class", ()) else LANGUAGES.get(child.get("lang"), ())
                read(child, section, section.title if heads else into, own or languages)
                for language in languages if child.name == "tr" else ():
                    into[language] += "; "

    read(BeautifulSoup(html, "html.parser", parse_only=SoupStrainer("article")), None, {"en": "", "zh": ""}, ("en", "zh"))
    return [section.row() for section in found]


def is_text(tag: Tag) -> bool:
    classes = tag.get("class", ())
    return not (tag.name in NOT_TEXT or NOT_TEXT_CLASSES.intersection(classes) or tag.name == "div" and "math" in classes)


def opens(tag: Tag) -> Section | None:
    if tag.name == "section" and tag.get("id") and tag.find(HEADINGS, recursive=False):
        return Section(tag["id"])
    name = tag.name == "dl" and tag.find("dt", id=True, recursive=False)
    return Section(name["id"], title=name["id"]) if name else None


def write_index(app: Sphinx, error) -> None:
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    chapters = app.env.toc_secnumbers  # numbered; the other pages are for looking things up
    rows = {name: sections((site / f"{name}.html").read_text("utf-8"))
            for name in app.env.collect_relations()}  # in the order of reading
    write(site, "places", [[name, bool(chapters.get(name)), [row[:3] for row in rows[name]]] for name in rows])
    for language, column in (("en", 3), ("zh", 4)):
        write(site, language, [[row[column] for row in page] for page in rows.values()])


def write(site: Path, name: str, content: list) -> None:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    (site / f"_static/search-{name}.js").write_text(f"(window.bookSearch??={{}}).{name}={text};\n", "utf-8")


def leave_sphinx_search(app: Sphinx) -> None:
    app.builder.search = False


def add_page(app: Sphinx) -> Iterator[tuple[str, dict, str]]:
    yield "search", {}, "search.html"


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", leave_sphinx_search)
    app.connect("html-collect-pages", add_page)
    app.connect("build-finished", write_index)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
