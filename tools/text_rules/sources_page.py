"""The page of sources: every topic stands there once, and its status is true."""
from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from markdown_it.token import Token

from tools.text_rules.pairs import links
from tools.text_rules.source import parse, plain

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book" / "_ext"))
from equations_scan import CHAPTERS  # noqa: E402

TOPICS = 39
NOT_YET = {"en": "not written yet", "zh": "尚未写"}


@dataclass(frozen=True)
class Row:
    number: int
    lang: str
    chapter: str
    words: str
    links: tuple[str, ...]

    def __str__(self) -> str:
        return f"book/sources.md, topic {self.number} ({self.lang})"


def rows(page: str) -> list[Row]:
    """The numbered items, each with the chapter whose target, `(sources-<slug>)=`, stands above it."""
    out, chapter, lang, number = [], "", "", 0
    for token in parse(page):
        if token.type == "myst_target":
            chapter = token.content.removeprefix("sources-")
        elif token.type == "html_block" and "lang=" in token.content:
            lang = token.content.split('lang="')[-1][:2]
        elif token.type == "list_item_open":
            number = int(token.info) if token.info else 0
        elif token.type == "inline" and number:
            out.append(_row(number, lang, chapter, token))
            number = 0
    return out


def _row(number: int, lang: str, chapter: str, inline: Token) -> Row:
    return Row(number, lang, chapter, plain(inline.children).strip(), tuple(sorted(links([inline]))))


def _status_faults(root: Path, row: Row) -> list[str]:
    page = root / "book" / f"{row.chapter}.md"
    unwritten = row.words.endswith(NOT_YET[row.lang])
    if unwritten == bool(row.links):
        return [f"{row}: needs either links or {NOT_YET[row.lang]!r} at its end"]
    if row.links and not page.exists():
        return [f"{row}: has links, but the chapter {row.chapter} has no page"]
    out = []
    for link in row.links:
        target = (root / "book" / link).resolve()
        own = target == page.resolve() or (root / "notebooks" / row.chapter).resolve() in target.parents
        if not target.is_file():
            out.append(f"{row}: its link leads nowhere: {link}")
        elif not own:
            out.append(f"{row}: its link leaves the chapter {row.chapter}: {link}")
    return out


def problems(root: Path) -> list[str]:
    found = rows((root / "book" / "sources.md").read_text("utf-8"))
    out = []
    for lang in NOT_YET:
        numbers = [row.number for row in found if row.lang == lang]
        if numbers != list(range(1, TOPICS + 1)):
            out.append(f"book/sources.md: the topics ({lang}) must be 1 to {TOPICS} in order, and are {numbers}")
    chapters = list(dict.fromkeys(row.chapter for row in found))
    if chapters != list(CHAPTERS):
        out.append(f"book/sources.md: the chapters must be {', '.join(CHAPTERS)}, and are {', '.join(chapters)}")
    for row in found:
        out += _status_faults(root, row)
    for chapter in CHAPTERS:
        written = any(row.links for row in found if row.chapter == chapter)
        if (root / "book" / f"{chapter}.md").exists() and not written:
            out.append(f"book/sources.md: the chapter {chapter} has a page, but all its topics are marked as not written")
    return out
