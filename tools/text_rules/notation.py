"""The page of symbols: no table contradicts itself, no chapter's table the one that holds in the whole book."""
from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from markdown_it.token import Token

from tools.text_rules.source import HAN, inlines, parse, plain

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book" / "_ext"))
from equations_scan import CHAPTERS  # noqa: E402

EVERYWHERE = "everywhere"
PAGE = "book/notation.md"
_ATOM = r"(?:\\[A-Za-z]+\{\w\}|\\[A-Za-z]+|[A-Za-z])"


@dataclass(frozen=True)
class Row:
    table: str
    symbols: tuple[str, ...]
    english: str
    chinese: str

    @property
    def here(self) -> bool:
        """Whether the row says that its symbol has another sense in the chapter, or a narrower one."""
        return bool(re.search(r"\bhere\b", self.english)) and "本章" in self.chinese


def written(formula: str) -> str:
    r"""A symbol without what does not tell it from another: spaces, `\mathcal L` for `\mathcal{L}`, `\varphi` for `\phi`."""
    formula = re.sub(r"(\\math\w+)\s+(\w)", r"\1{\2}", formula.replace("\\var", "\\"))
    return re.sub(r"\\[,;:! ]|\s", "", formula)


def letter(symbol: str) -> str:
    """The letter of a function: `D` of `D(x)`; other symbols as they are."""
    found = re.match(rf"({_ATOM})[(\[]", symbol)
    return found[1] if found else symbol


def rows(page: str) -> list[Row]:
    """The rows under each target, `(notation-everywhere)=` or `(notation-<slug>)=`."""
    out, table, cells = [], "", []
    for token in parse(page):
        if token.type == "myst_target":
            table = token.content.removeprefix("notation-")
        elif token.type == "tr_open":
            cells = []
        elif token.type == "inline":
            cells.append(token)
        elif token.type == "tr_close" and (symbols := _symbols(cells[0])):
            english, chinese, *_ = [plain(cell.children).strip() for cell in cells[1:]] + ["", ""]
            out.append(Row(table, symbols, english, chinese))
    return out


def _symbols(cell: Token) -> tuple[str, ...]:
    return tuple(written(token.content) for token in inlines([cell]) if token.type.startswith("math_inline"))


def problems(root: Path) -> list[str]:
    path = root / "book" / "notation.md"
    found = rows(path.read_text("utf-8")) if path.exists() else []
    tables = list(dict.fromkeys(row.table for row in found))
    in_order = [name for name in (EVERYWHERE, *CHAPTERS) if name in tables]
    out = [] if tables == in_order else [f"{PAGE}: the tables must be {', '.join(in_order)}, and are {', '.join(tables)}"]
    everywhere = {letter(symbol) for row in found if row.table == EVERYWHERE for symbol in row.symbols}
    seen = set()
    for row in found:
        for symbol in row.symbols:
            place = f"{PAGE}, {row.table}: ${symbol}$"
            if (row.table, symbol) in seen:
                out.append(f"{place} stands in this table twice")
            if row.table != EVERYWHERE and {symbol, letter(symbol)} & everywhere and not row.here:
                out.append(f"{place} stands in the first table too; say that it means something else here · 本章")
            if not row.english or HAN.search(row.english) or not HAN.search(row.chinese):
                out.append(f"{place} needs its meaning in English and in Chinese")
            seen.add((row.table, symbol))
    return out
