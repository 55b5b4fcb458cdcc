"""Two pictures of the families of models, in HTML, whose parts are links: a map of the chapters and a taxonomy.

Both are drawn from `_data/families.toml`, by what can be asked of a model. A chapter that has a page is linked, one
that has none yet is marked so: nothing needs to change when it is written. The small pictures are
`figures/families/<slug>.svg`; they take their colours from the page.
"""
from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

BOOK = Path(__file__).resolve().parents[1]
NOT_YET = "not written yet · 尚未写"
GROUPS = {
    "tool": "Ground and tools · 基础与工具",
    "exact": "Exact · 精确",
    "bound": "A bound · 一个下界",
    "constant": "Up to a constant · 只差一个常数",
    "samples": "Samples only · 只有样本",
}
MEANING = {
    "exact": "log p(x) is computed · log p(x) 可以算出",
    "bound": "a lower bound on log p(x) · log p(x) 的一个下界",
    "constant": "log p(x) + log Z, where Z is not known · log p(x) + log Z，其中 Z 未知",
    "samples": "draws, and no formula for p(x) · 能采样，没有 p(x) 的公式",
}
EXPLICIT = "Explicit density: the model is a formula for p(x) · 显式密度：模型就是 p(x) 的公式"
IMPLICIT = "Implicit density: the model is a way to draw x · 隐式密度：模型是抽取 x 的办法"


class families(nodes.General, nodes.Element):
    """One of the two pictures; ``kind`` is the name of the directive."""


class Families(SphinxDirective):
    """A numbered figure; the directive's content is its caption."""

    has_content = True
    option_spec = {"name": str}

    def run(self) -> list[nodes.Node]:
        for source in [BOOK / "_data" / "families.toml", *sorted(BOOK.glob("figures/families/*.svg"))]:
            self.env.note_dependency(str(source))
        figure = nodes.figure("", families(kind=self.name), classes=["families-figure"])
        caption, messages = self.state.inline_text(" ".join(self.content), self.lineno)
        figure += nodes.caption("", "", *caption)
        self.add_name(figure)
        return [figure, *messages]


def chapters() -> dict[str, dict]:
    return tomllib.loads((BOOK / "_data" / "families.toml").read_text("utf-8"))


def family_map(link) -> str:
    """A tile for each chapter, in groups; ``link(slug, class, html)`` makes a link of it where the chapter is written."""
    tiles: dict[str, list[str]] = {group: [] for group in GROUPS}
    for slug, chapter in chapters().items():
        drawing = (BOOK / "figures" / "families" / f"{slug}.svg").read_text("utf-8").strip()
        words = f'{drawing}<span class="fm-name">{pair(chapter["name"])}</span>'
        tiles[chapter["asks"]].append(f"<li>{link(slug, 'fm-tile', words)}</li>")
    groups = [f'<li class="fm-{name}">{heading(name)}<ul>{"".join(tiles[name])}</ul></li>' for name in GROUPS]
    return f'<ul class="family-map">{"".join(groups)}</ul>'


def taxonomy(link) -> str:
    """Models as leaves of a tree of two levels: is p(x) a formula, and what of it can be computed?"""
    leaves: dict[str, list[str]] = {group: [] for group in MEANING}
    for slug, chapter in chapters().items():
        for asks, name in chapter.get("models", []):
            leaves[asks].append(f"<li>{link(slug, 'fm-leaf', pair(name))}</li>")
    kinds = {name: f'<li class="fm-{name}">{heading(name)}<ul>{"".join(leaves[name])}</ul></li>' for name in MEANING}
    explicit, implicit = "".join(kinds[k] for k in ("exact", "bound", "constant")), kinds["samples"]
    return (f'<ul class="taxonomy"><li class="fm-explicit"><span class="fm-branch">{pair(EXPLICIT)}</span>'
            f'<ul>{explicit}</ul></li><li class="fm-implicit"><span class="fm-branch">{pair(IMPLICIT)}</span>'
            f"<ul>{implicit}</ul></li></ul>")


def heading(group: str) -> str:
    meaning = f'<span class="fm-meaning">{pair(MEANING[group])}</span>' if group in MEANING else ""
    return f'<span class="fm-head"><span class="fm-group">{pair(GROUPS[group])}</span>{meaning}</span>'


def pair(words: str) -> str:
    """`English · 中文` in two spans, so that the page's switch shows either; a name without Chinese always shows."""
    english, _, chinese = escape(words).partition(" · ")
    if not chinese:
        return f'<span lang="en" class="bi-keep">{english}</span>'
    return f'<span lang="en">{english}</span><span class="bi-sep"> · </span><span lang="zh">{chinese}</span>'


def visit(translator, node) -> None:
    builder = translator.builder

    def link(slug: str, kind: str, words: str) -> str:
        if f"book/{slug}" in builder.env.found_docs:
            address = builder.get_relative_uri(builder.current_docname, f"book/{slug}")
            return f'<a class="{kind}" href="{escape(address)}">{words}</a>'
        return f'<span class="{kind} fm-unwritten">{words}<span class="fm-not-yet">{pair(NOT_YET)}</span></span>'

    translator.body.append({"family-map": family_map, "taxonomy": taxonomy}[node["kind"]](link))
    raise nodes.SkipNode


def load_style(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    if "families-figure" in context.get("body", ""):
        app.add_css_file("families.css")


def setup(app: Sphinx) -> dict:
    app.add_node(families, html=(visit, None))
    for name in ("family-map", "taxonomy"):
        app.add_directive(name, Families)
    app.connect("html-page-context", load_style)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
