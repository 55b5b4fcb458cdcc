"""Beside each equation of the site, what checks it; and the page that lists them all.

Sphinx side only: `equations_scan` finds equations and checks, `equations_rules` says what is wrong.
"""
from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from equations_scan import CHAPTERS, Mark, Scan, scan

_OF_CHAPTER = """<div lang="en">

The displayed equations of the chapter [](../{0}.md), and [their checks](../equations.md).

</div>

<div lang="zh">

“[](../{0}.md)”一章中独立成行的公式，[及其检验](../equations.md)。

</div>
"""
_SIGNS = {"check": "✓", "definition": ":=", "open": "?"}


class equation_mark(nodes.General, nodes.Element):
    """What checks an equation: folded beside it, or `unfolded` in the list of all."""


def both(en: str, zh: str) -> str:
    return (f'<span lang="en">{escape(en)}</span><span class="bi-sep"> · </span>'
            f'<span lang="zh-Hans">{escape(zh)}</span>')


# --- the mark ---------------------------------------------------------------------------------

def _blob(app, mark: Mark) -> str:
    """The public address of a line; without a repository (a trial build), the path alone."""
    options = app.config.html_theme_options
    base = options.get("repository_url", "").rstrip("/")
    branch = options.get("repository_branch") or "main"
    return f"{base}/blob/{branch}/{mark.path}#L{mark.line}"


def _links(app, en: str, zh: str, marks: list[Mark]) -> str:
    links = [f'<a class="reference external" href="{escape(_blob(app, m))}">'
             f"<code>{escape(m.name or m.path)}</code></a> <span class=\"eq-place\">{escape(str(m))}</span>"
             for m in marks]
    return "".join(f"<li>{both(en, zh)} {link}</li>" for link in links)


def _panel(app, found: Scan, label: str) -> str:
    reason = found.definition_of(label)
    items = _links(app, "checked by", "检验它的测试", found.checks_of(label))
    items += _links(app, "computed by", "计算它的代码", found.code_of(label))
    if reason:
        items += (f'<li>{both("definition", "定义")}: <span lang="en">{escape(reason["en"])}</span> '
                  f'<span lang="zh-Hans">{escape(reason["zh"])}</span></li>')
    return f"<ul>{items or '<li>' + both('not checked yet', '尚无检验') + '</li>'}</ul>"


def mark_html(app, label: str, number: str, unfolded: bool = False) -> str:
    found: Scan = app.equation_scan
    panel = _panel(app, found, label)
    if unfolded:
        return f'<div class="eq-checks">{panel}</div>\n'
    kind = "check" if found.checks_of(label) else "definition" if found.definition_of(label) else "open"
    name = both(f"How equation {number} is checked", f"式 {number} 如何检验")
    return (f'<details class="eq-mark eq-{kind}"><summary><span class="eq-sign" aria-hidden="true">{_SIGNS[kind]}</span>'
            f'<span class="eq-name">{name}</span></summary>{panel}</details>\n')


def visit_mark(translator, node: equation_mark) -> None:
    app = translator.builder.app
    translator.body.append(mark_html(app, node["label"], node["number"], node.get("unfolded", False)))
    raise nodes.SkipNode


def skip_mark(translator, node) -> None:
    raise nodes.SkipNode


def _reference(app, docname: str, label: str) -> nodes.reference | None:
    """A link to a labelled equation whose text is its number in parentheses."""
    domain = app.env.get_domain("math")
    return domain.resolve_xref(app.env, docname, app.builder, "eq", label, None, None)


def add_marks(app, doctree, docname: str) -> None:
    for block in list(doctree.findall(nodes.math_block)):
        label = block.get("label") or ""
        if label.startswith("eq-"):
            mark = equation_mark(label=label, number=_reference(app, docname, label).astext())
            block.parent.insert(block.parent.index(block) + 1, mark)


class EquationReferences(SphinxPostTransform):
    """`[text](#eq-x)` and `[text](other.ipynb#eq-x)` keep their text; without a text they show the number.

    MyST alone always shows the number for the first, and does not find the second.
    """

    default_priority = 8        # before MyST's own resolver, which has 9

    def run(self, **kwargs) -> None:
        known = self.env.get_domain("math").equations
        for node in list(self.document.findall(addnodes.pending_xref)):
            if node.get("reftype") != "myst":
                continue
            in_file = node["reftarget"] if node.get("refdomain") == "doc" else None
            label = node["reftargetid"] if in_file else node["reftarget"]
            if label not in known or in_file not in (None, known[label][0]):
                continue        # left to MyST, which warns
            link = _reference(self.app, node.get("refdoc", self.env.docname), label)
            if node["refexplicit"]:
                link["reftitle"] = link.astext()
                link.children = []
                link += node[0].children
            node.replace_self(link)


# --- the list ---------------------------------------------------------------------------------

def _title(path: Path) -> str:
    """The first heading of a page or notebook."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")
    found = re.search(r"^# +(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else path.stem


def _chapter(label: str) -> str:
    return label.partition("-")[2].partition("-")[0]


def _by_chapter(env) -> dict[str, list]:
    """The labelled equations of the site in the order of the book; a chapter's page comes before its notebooks."""
    found = {slug: [] for slug in CHAPTERS}
    for e in sorted(env.app.equation_scan.equations, key=lambda e: e.path):
        if e.label and env.path2doc(str(Path(env.srcdir) / e.path)) in env.found_docs:
            found.setdefault(_chapter(e.label), []).append(e)
    return {slug: equations for slug, equations in found.items() if equations}


class EquationList(SphinxDirective):
    """Every labelled equation of a chapter by the page that displays it, with its number, formula and checks.

    Without a chapter: how many each has, and where its list is.
    """

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        slug = self.arguments[0] if self.arguments else ""
        self.env.metadata[self.env.docname]["equation-list"] = slug
        if not slug:
            return self.parse_text_to_nodes(self._table())
        equations = _by_chapter(self.env).get(slug, [])
        opening = _OF_CHAPTER.format(slug) if f"book/{slug}" in self.env.found_docs else ""
        sections = [self._section(path, [e for e in equations if e.path == path])
                    for path in dict.fromkeys(e.path for e in equations)]
        return [*self.parse_text_to_nodes(opening), *sections]

    def _table(self) -> str:
        found: Scan = self.env.app.equation_scan
        rows = ["| Chapter · 章 | Equations · 公式 | With a test · 有测试 | Definitions · 定义 |", "|---|--:|--:|--:|"]
        for slug, equations in _by_chapter(self.env).items():
            counts = len(equations), *(sum(bool(of(e.label)) for e in equations) for of in (found.checks_of, found.definition_of))
            page, chapter = f"{self.env.docname.rpartition('/')[2]}/{slug}.md", Path(self.env.srcdir, "book", f"{slug}.md")
            rows.append(f"| [{_title(chapter) if chapter.exists() else slug}]({page}) | {' | '.join(map(str, counts))} |")
        return "\n".join(rows)

    def _section(self, path: str, equations) -> nodes.section:
        title = _title(Path(self.env.srcdir) / path)
        section = nodes.section("", nodes.title("", title), ids=[nodes.make_id(f"equations-{path}")])
        for e in equations:
            link = addnodes.pending_xref("", nodes.literal("", e.label), refdomain="math", reftype="eq",
                                         reftarget=e.label, refdoc=self.env.docname, refwarn=True)
            entry = nodes.container("", nodes.paragraph("", "", link, nodes.Text(" "), nodes.literal("", e.label)),
                                    nodes.math_block(e.latex, e.latex, nowrap=False, number=None, label=None),
                                    equation_mark(label=e.label, number="", unfolded=True), classes=["eq-entry"])
            section += entry
        return section


# --- when to look, and when to write again ------------------------------------------------------

def read_marks(app) -> None:
    app.equation_scan = scan(Path(app.srcdir))


def _state(found: Scan) -> dict[str, str]:
    return {e.label: repr((e.path, e.latex, found.checks_of(e.label), found.code_of(e.label), found.definition_of(e.label)))
            for e in found.equations}


def changed_pages(app, env, added, changed, removed) -> set[str]:
    """Pages whose marks differ from the last build, though their own text does not."""
    now, before = _state(app.equation_scan), getattr(env, "equation_state", {})
    env.equation_state = now
    labels = {label for label in now.keys() | before.keys() if now.get(label) != before.get(label)}
    chapters = {"", *(_chapter(label) for label in labels if label)} if labels else set()
    lists = {doc for doc, used in env.metadata.items() if used.get("equation-list") in chapters}
    return lists | {doc for label, (doc, _) in env.get_domain("math").equations.items() if label in labels}


def setup(app):
    app.add_node(equation_mark, html=(visit_mark, None), latex=(skip_mark, None), text=(skip_mark, None))
    app.add_directive("equation-list", EquationList)
    app.add_post_transform(EquationReferences)
    app.add_css_file("equations.css")
    app.connect("builder-inited", read_marks)
    app.connect("env-get-outdated", changed_pages)
    app.connect("doctree-resolved", add_marks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
