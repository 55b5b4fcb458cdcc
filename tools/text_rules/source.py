"""The book's text as MyST reads it: pages, the Markdown cells of notebooks, and words out of tokens."""
from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

CJK = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
HAN = re.compile(f"[{CJK}]")
LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
SEPARATOR = " \u00b7 "
MATH, CODE = "\ufffc", "\ufffd"     # stand for a formula and for code where words are compared

_EXTENSIONS = {"amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath", "html_image",
               "linkify", "substitution"}


@dataclass(frozen=True)
class Text:
    """One piece of Markdown: a page, or a cell of a notebook."""

    path: str
    body: str
    cell: int | None = None

    def place(self, line: int) -> str:
        cell = "" if self.cell is None else f"cell {self.cell}, "
        return f"{self.path}, {cell}line {line}"


def parse(body: str) -> list[Token]:
    config = MdParserConfig(enable_extensions=_EXTENSIONS, dmath_double_inline=True)
    return create_md_parser(config, RendererHTML).parse(body)


def pages(root: Path) -> list[Path]:
    return sorted((root / "book").glob("*.md"))


def notebooks(root: Path) -> list[Path]:
    return sorted(p for p in (root / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def cells(path: Path) -> list[dict]:
    """The cells of a notebook, each `source` as one string."""
    return [cell | {"source": "".join(cell["source"])} for cell in json.loads(path.read_text("utf-8"))["cells"]]


def texts(root: Path) -> list[Text]:
    """Every page, and every Markdown cell of every notebook."""
    name = lambda path: path.relative_to(root).as_posix()
    return [Text(name(p), p.read_text("utf-8")) for p in pages(root)] + [
        Text(name(p), cell["source"], number) for p in notebooks(root)
        for number, cell in enumerate(cells(p)) if cell["cell_type"] == "markdown"]


def is_directive(token: Token) -> bool:
    return token.type in ("fence", "colon_fence") and token.info.startswith("{")


def directive(token: Token) -> tuple[str, str, dict[str, str], str, int]:
    """Name, title, options, body, and how many lines stand before the body."""
    name, _, title = token.info.partition("}")
    lines, options = token.content.splitlines(), {}
    while len(options) < len(lines) and (found := re.match(r":([\w-]+):\s*(.*)$", lines[len(options)])):
        options[found[1]] = found[2]
    return name[1:], title.strip(), options, "\n".join(lines[len(options):]), 1 + len(options)


def tokens_within(text: Text) -> Iterator[tuple[Token, int]]:
    """Every block token with its line, those inside directives too."""
    def walk(body: str, first: int):
        line = first
        for token in parse(body):
            line = first + token.map[0] if token.map else line
            yield token, line
            if is_directive(token):
                *_, inner, skipped = directive(token)
                yield from walk(inner, line + skipped)
    return walk(text.body, 1)


def inlines(tokens: Iterable[Token]) -> Iterator[Token]:
    """The inline tokens of some block tokens, or those given."""
    for token in tokens:
        yield from token.children if token.type == "inline" else [token]


def plain(tokens: Iterable[Token]) -> str:
    """The words a reader sees, with placeholders for formulas and code."""
    out = []
    for token in tokens:
        if token.type == "inline":
            out.append(plain(token.children) + "\n")
        elif token.type == "text":
            out.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            out.append(" ")
        elif token.type.startswith("math_inline"):
            out.append(MATH)
        elif token.type in ("code_inline", "myst_role"):
            out.append(CODE)
    return "".join(out)


def bilingual(words: str) -> tuple[str, str] | None:
    """`English · 中文` in its two halves; None where it is not that."""
    en, found, zh = words.strip().partition(SEPARATOR)
    if not found or SEPARATOR in zh or HAN.search(en) or not en.strip() or not HAN.search(zh):
        return None
    return en.strip(), zh.strip()
