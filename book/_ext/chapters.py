"""A chapter is a numbered page, its notebooks follow it as 9.1, 9.2, …; the contents beside every page fold them.

Sphinx alone would give those numbers to the headings of the chapter's own page. Equations and figures it counts through
the chapter, in the order of reading.
"""
from __future__ import annotations

import re

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def number_notebooks(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Number the pages below each numbered one; where the contents changed, every page is written again, for all show them."""
    for chapter, numbers in list(env.toc_secnumbers.items()):
        for i, page in enumerate(env.toctree_includes.get(chapter, ()), 1):
            number_page(env, page, (*numbers[""], i))
    before, env.contents_shown = getattr(env, "contents_shown", None), contents(env)
    return sorted(env.found_docs) if env.contents_shown != before else []


def forget_notebooks(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Take off the numbers of the last build, which Sphinx has not given and would stumble over."""
    for page, title in env.titles.items():
        if len(title.get("secnumber", ())) == 2:
            for numbered in (title, *env.tocs[page].findall(nodes.reference)):
                numbered.attributes.pop("secnumber", None)
    return []


def contents(env: BuildEnvironment) -> list:
    lists = (entry for page in sorted(env.toctree_includes) for entry in env.tocs[page].findall(addnodes.toctree))
    titles = sorted((page, title.astext()) for page, title in env.titles.items())
    return [*((entry["caption"], entry["entries"]) for entry in lists), *titles]


def number_page(env: BuildEnvironment, page: str, number: tuple[int, ...]) -> None:
    """The page has the number, none of its headings has one: without an entry they would take the page's."""
    headings = [entry for entry in env.tocs[page].findall(nodes.reference) if "anchorname" in entry]
    env.toc_secnumbers[page] = {entry["anchorname"]: () for entry in headings} | {"": number}
    env.titles[page]["secnumber"] = headings[0]["secnumber"] = number


def name_folds(soup: BeautifulSoup) -> None:
    """What a screen reader says of the mark that folds a chapter's notebooks, and of the page that is open."""
    for link in soup.select('.bd-links a.current[href="#"]'):
        link["aria-current"] = "page"
    for summary in soup.select(".bd-links summary"):
        title = summary.find_parent("li").a
        en, zh = (plain((title.find(lang=lang) or title).get_text()) for lang in ("en", "zh-Hans"))
        summary["aria-label"] = f"Pages of {en} · {zh}的各页"


def plain(title: str) -> str:
    return re.sub(r"\\[()]", "", " ".join(title.split()))  # without the marks of a formula


def setup(app: Sphinx) -> dict:
    app.connect("env-get-updated", forget_notebooks, priority=400)
    app.connect("env-get-updated", number_notebooks, priority=600)  # after Sphinx has numbered the chapters
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
