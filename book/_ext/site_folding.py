"""Cells of code that fold: setup and settings do so at first, and one control in the header folds all of them.

The HTML has every cell open, and so have pages without scripts and paper; `_static/folding.js` folds. What a cell
prints and draws is outside the fold.
"""
from __future__ import annotations

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

NAMES = {"tag_setup": "Setup · 准备", "tag_settings": "Settings · 设置"}
OPENING = '<details class="fold" open=""><summary><span>{name}</span> <span class="fold-size">{size}</span></summary>\n'
CONTROL = """<button type="button" class="fold-all" aria-expanded="true"
title="Show or fold the code, on every page · 展开或折叠代码（对各页都有效）"><span>Code · 代码</span></button>"""


class Fold(SphinxPostTransform):
    """Put the source of each cell into a <details> that says what it is."""

    default_priority = 300  # after MyST-NB's own, which leaves the source of a `hide-input` cell elsewhere
    formats = ("html",)

    def run(self, **kwargs) -> None:
        for cell in self.document.findall(nodes.container):
            if cell.get("nb_element") == "cell_code" and cell[0].get("nb_element") == "cell_code_source":
                fold(cell[0], cell["classes"])


def fold(source: nodes.container, classes: list[str]) -> None:
    name = next((NAMES[tag] for tag in classes if tag in NAMES), "Code · 代码")
    opening = OPENING.format(name=name, size=size_of(source.astext()))
    source.insert(0, nodes.raw("", opening, format="html"))
    source.append(nodes.raw("", "</details>\n", format="html"))


def size_of(code: str) -> str:
    """The number of lines, in both languages."""
    count = len(code.rstrip().splitlines())
    return f"{count} line{'s' if count > 1 else ''} · {count} 行"


def add_control(soup: BeautifulSoup) -> None:
    """The button, on a page that has what it folds."""
    holder = soup.select_one(".article-header-buttons")
    if holder is not None and soup.select_one(".fold"):
        holder.insert(0, BeautifulSoup(CONTROL, "html.parser"))


def load_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    if '<details class="fold"' in context.get("body", ""):
        app.add_js_file("folding.js", priority=3)
        app.add_css_file("folding.css")


def setup(app: Sphinx) -> dict:
    app.add_post_transform(Fold)
    app.connect("html-page-context", load_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
