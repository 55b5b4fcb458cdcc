"""The search of a book in two languages: an index of its sections, each with the words of either language.

Sphinx's own search knows pages, one language, and words between spaces.  A run of Chinese has none, and cutting it into
words finds what the cutter cut: a reader types any part of it.  So the index is the text itself, by section, and the
browser looks for what was typed (`_static/site-search.js`).  Titles are in one file, the texts of either language in one
more: a reader of one language waits for half of the book.  Each of these is packed by bzip2, which needs a quarter less than
the host's gzip, and written in base64, so that a script can bring it, from a disk too (`_static/search-unpack.js`).
"""
from __future__ import annotations

import base64
import bz2
import json
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

import site_pages


def write_index(app: Sphinx, error) -> None:
    if error or app.builder.format != "html":
        return
    chapters = app.env.toc_secnumbers  # numbered; the other pages are for looking things up
    site = Path(app.outdir)
    rows = {name: site_pages.kept(app.doctreedir, name)["sections"] for name in app.env.collect_relations()}  # in the order of reading
    write(site, "places", [[name, bool(chapters.get(name)), [row[:3] for row in rows[name]]] for name in rows])
    for language, column in (("en", 3), ("zh", 4)):
        text = "\n".join(row[column] for page in rows.values() for row in page)  # no row holds a line's end
        write(site, language, base64.b64encode(bz2.compress(text.encode())).decode())


def write(site: Path, name: str, content: list | str) -> None:
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
