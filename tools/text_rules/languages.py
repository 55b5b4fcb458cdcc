"""Prose stands in pairs of language blocks; what both languages share stands outside them, as `English · 中文`."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown_it.token import Token

from tools.text_rules.source import (HAN, LATIN_WORD, SEPARATOR, Text, bilingual, directive, is_directive, parse,
                                     plain)

TITLED = {"admonition", "card", "dropdown", "exercise", "grid-item-card", "tab-item", "topic"}
PROSE = TITLED | {"attention", "caution", "danger", "grid", "hint", "important", "note", "seealso", "sidebar",
                  "solution", "tab-set", "tip", "warning"}
FIGURES = {"figure", "family-map", "taxonomy"}  # the content is the caption
CAPTIONED = FIGURES | {"image", "table", "list-table"}
# A table outside the blocks may have a column of each: "English", or with a title "Meaning (English)", "含义（中文）".
LANGUAGE_COLUMN = re.compile(r"(?:.*[(（])?(english|中文)[)）]?")
CHINESE_IN_ENGLISH = ("中文",)                           # the name of the language, as the switch shows it
_TAG = re.compile(r'<div(?P<attributes>[^>]*)>|(?P<close></div>)')


@dataclass
class Segment:
    """Consecutive blocks of one language, or of none (`""`), each with its line."""

    lang: str
    line: int
    blocks: list[tuple[Token, int]] = field(default_factory=list)

    @property
    def tokens(self) -> list[Token]:
        return [token for token, _ in self.blocks]


@dataclass
class Pair:
    """The same thing said in both languages; `shared` where it stands on one line, `English · 中文`."""

    place: str
    en: list[Token]
    zh: list[Token]
    shared: bool = False


@dataclass
class Reading:
    """What a text holds: its pairs, and what is wrong with its shape."""

    text: Text
    pairs: list[Pair] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def fault(self, line: int, message: str) -> None:
        self.faults.append(f"{self.text.place(line)}: {message}")


def read(text: Text) -> Reading:
    reading = Reading(text)
    _read_body(reading, text.body, 1)
    return reading


def _read_body(reading: Reading, body: str, first: int) -> None:
    segments = _segments(reading, body, first)
    for i, segment in enumerate(segments):
        after = segments[i + 1] if i + 1 < len(segments) else None
        if segment.lang == "en" and after and after.lang == "zh":
            reading.pairs.append(Pair(reading.text.place(segment.line), segment.tokens, after.tokens))
        elif segment.lang == "en":
            reading.fault(segment.line, "an English block must be followed at once by its Chinese block")
        elif segment.lang == "zh" and (i == 0 or segments[i - 1].lang != "en"):
            reading.fault(segment.line, "a Chinese block must follow at once after its English block")
        if segment.lang:
            _check_block(reading, segment)
        else:
            _check_shared(reading, segment)


# --- blocks -----------------------------------------------------------------------------------

def _segments(reading: Reading, body: str, first: int) -> list[Segment]:
    """Cut at the language tags; complain where the tags do not nest or blank lines are missing."""
    lines, done, current, stack, line = body.splitlines(), [], Segment("", first), [], first
    for token in parse(body):
        line = first + token.map[0] if token.map else line
        if token.type != "html_block":
            current.blocks += _unfolded(token, line) if current.lang else [(token, line)]
            continue
        start, end = token.map
        if start and lines[start - 1].strip() and "</div>" in lines[start]:
            reading.fault(line, "a blank line is missing before </div>")
        for number, row in enumerate(lines[start:end], line):
            row = row.strip()
            tag = _TAG.fullmatch(row)
            if not tag:
                if LATIN_WORD.search(re.sub(r"<[^>]*>", "", row)) or HAN.search(re.sub(r"<[^>]*>", "", row)):
                    reading.fault(number, "words in raw HTML; leave a blank line after the tag and before </div>")
                continue
            lang = re.fullmatch(r' lang="(en|zh)"', tag["attributes"] or "")
            if tag["close"]:
                boundary = stack.pop() if stack else reading.fault(number, "</div> closes nothing")
            else:
                boundary = lang[1] if lang else ""
                stack.append(boundary)
                if lang and any(stack[:-1]):
                    reading.fault(number, "a language block stands inside another")
                if "lang=" in row and not lang:
                    reading.fault(number, f'write <div lang="en"> or <div lang="zh">, not {row}')
            if boundary:
                done.append(current)
                current = Segment(next((name for name in reversed(stack) if name), ""), number)
    if stack:
        reading.fault(line, "a <div> is never closed")
    return [s for s in done + [current] if s.blocks or s.lang]


def _unfolded(token: Token, line: int) -> Iterator[tuple[Token, int]]:
    """A block of a language block; the body of an admonition there is prose of that language too."""
    if not is_directive(token) or directive(token)[0] not in PROSE:
        yield token, line
        return
    _, title, _, body, skipped = directive(token)
    for inner in parse(title) + parse(body):
        yield from _unfolded(inner, line + skipped + (inner.map[0] if inner.map else 0))


def _check_block(reading: Reading, segment: Segment) -> None:
    for token, line in segment.blocks:
        if token.type == "heading_open":
            reading.fault(line, "a heading stands inside a language block; write it once outside, English · 中文")
        elif token.type.startswith("math_block") or token.type == "amsmath":
            reading.fault(line, "a displayed equation stands inside a language block; both languages share it")
        elif token.type == "inline":
            _check_language(reading, segment.lang, token.children, line)
    if not any(plain([t]).strip() for t in segment.tokens if t.type == "inline"):
        reading.fault(segment.line, "an empty language block")


def _outside_links(tokens: list[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if not depth:
            yield token


def _check_language(reading: Reading, lang: str, tokens: list[Token], line: int) -> None:
    words = plain(tokens)
    own = plain(_outside_links(tokens))     # the title of a work stays in the work's language
    if lang == "zh" and len(LATIN_WORD.findall(own)) > 3 and not HAN.search(words):
        reading.fault(line, f"a paragraph without Chinese in a Chinese block: {words.strip()[:50]!r}")
    if lang == "en":
        rest = re.sub(r"\([^()]*\)|（[^（）]*）", "", words)     # a Chinese term may be given in parentheses
        for allowed in CHINESE_IN_ENGLISH:
            rest = rest.replace(allowed, "")
        if found := re.search(r"[\u3000-\u303f\uff00-\uffef\u3400-\u9fff]+", rest):
            reading.fault(line, f"Chinese in an English block: {found[0]!r}")


# --- what both languages share ----------------------------------------------------------------

def split_shared(inline: Token) -> tuple[list[Token], list[Token]] | None:
    """The two halves of an `English · 中文` line, as tokens."""
    at = [i for i, t in enumerate(inline.children) if t.type == "text" and SEPARATOR in t.content]
    if len(at) != 1 or not bilingual(plain(inline.children)):
        return None
    before, _, after = inline.children[at[0]].content.partition(SEPARATOR)
    text = lambda words: Token("text", "", 0, content=words)
    en, zh = inline.children[:at[0]] + [text(before)], [text(after)] + inline.children[at[0] + 1:]
    if en[0].type == "text":    # a section's number is shared
        en[0] = text(re.sub(r"^\d+(?:\.\d+)*\.?\s+", "", en[0].content))
    return en, zh


def wordless(words: str) -> bool:
    return not HAN.search(words) and not LATIN_WORD.search(words)


def _only_links(inline: Token) -> bool:
    """Nothing but images, punctuation, and links whose text is in both languages."""
    outside, inside = "", []
    for token in inline.children:
        if token.type == "link_open":
            inside.append("")
        elif token.type == "link_close":
            outside, inside = outside, inside + [None]
        elif inside and inside[-1] is not None:
            inside[-1] += token.content
        else:
            outside += token.content if token.type == "text" else ""
    return wordless(outside) and all(wordless(w) or bilingual(w) for w in inside if w)


def _contexts(blocks: list[tuple[Token, int]]) -> Iterator[tuple[Token, int, str, str]]:
    """Each inline with its line, what it is (heading, th, td, item, paragraph) and its table column's name."""
    opened: list[str] = []
    columns: list[str] = []
    column = 0
    for token, line in blocks:
        if token.type.endswith("_open"):
            opened.append(token.type.removesuffix("_open"))
            column = {"tr": 0, "th": column + 1, "td": column + 1}.get(opened[-1], column)
            columns = [] if opened[-1] == "table" else columns
        elif token.type.endswith("_close"):
            opened.pop()
        elif token.type == "inline":
            kind = "item" if "list_item" in opened else opened[-1]
            if kind == "th":
                columns.append(plain(token.children).strip().lower())
            yield token, line, kind, columns[column - 1] if kind in ("th", "td") and column <= len(columns) else ""


def _check_shared(reading: Reading, segment: Segment) -> None:
    for token, line, kind, column in _contexts(segment.blocks):
        words, halves = plain(token.children), split_shared(token)
        if language := LANGUAGE_COLUMN.fullmatch(column):
            if kind == "td" and (language[1] == "english") == bool(HAN.search(words)) and not wordless(words):
                reading.fault(line, f"the wrong language in the column {column}: {words.strip()[:50]!r}")
        elif halves and kind != "paragraph":
            reading.pairs.append(Pair(reading.text.place(line), *halves, shared=True))
        elif kind == "heading":
            reading.fault(line, f"a heading must be in both languages, English · 中文: {words.strip()!r}")
        elif not wordless(words) and not _only_links(token):
            form = "English · 中文" if kind in ("th", "td", "item") else "a language block"
            reading.fault(line, f"prose outside the language blocks; it needs {form}: {words.strip()[:50]!r}")
    for token, line in segment.blocks:
        if is_directive(token):
            _check_directive(reading, token, line)


def _check_directive(reading: Reading, token: Token, line: int) -> None:
    name, title, options, body, skipped = directive(token)
    shown = [title] if name in TITLED else []
    if name in CAPTIONED:
        shown += [options["alt"]] if "alt" in options else []
        shown += [plain(parse(body))] if name in FIGURES else []
        shown += [title] if name in ("table", "list-table") else []
    for words in shown:
        if not bilingual(words):
            reading.fault(line, f"a title, caption or alternative text must be English · 中文: {words.strip()[:50]!r}")
    if name in PROSE or name.startswith("prf:"):
        _read_body(reading, body, line + skipped)
