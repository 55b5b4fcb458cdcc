"""Nothing on a page is fetched from elsewhere, no file names a machine, and what is cited exists."""
from __future__ import annotations

import re
from pathlib import Path

from tools.text_rules.pairs import citations
from tools.text_rules.source import Text, cells, directive, inlines, is_directive, notebooks, texts, tokens_within

_OUTSIDE = re.compile(r"(?:https?:)?//[\w-]", re.IGNORECASE)
_FETCHES = re.compile(  # what a browser loads by itself; a link, <a href=…>, it does not
    r"<(?!a\b)[a-z][^>]*\s(?:src|srcset|href|data|poster|action|background)\s*=\s*[\"']?\s*(?:https?:)?//"
    r"|(?:@import|url\()\s*[\"']?\s*(?:https?:)?//|\b(?:fetch|import)\(\s*[\"'](?:https?:)?//", re.IGNORECASE)
# put together so that this file does not match itself
MACHINE = re.compile(r"(?<![\w.:/~-])/(?:" + "|".join(["wo" + "rk/", "ro" + r"ot\b", r"home/(?!runner\b)\w", r"Users/\w",
                     r"tmp/(?:bash|pip|ipykernel|w/|tmp)"]) + ")")


def fetched(text: Text) -> list[str]:
    """Images, scripts and the like that a page would load from outside."""
    out = []
    for token, line in tokens_within(text):
        for child in inlines([token]):
            source = child.attrs.get("src", "") if child.type == "image" else ""
            markup = child.content if child.type in ("html_block", "html_inline") else ""
            if _OUTSIDE.match(source) or _FETCHES.search(markup):
                out.append(f"{text.place(line)}: loads from outside: {source or markup.strip()[:80]}")
        if is_directive(token):
            name, title, _, body, _ = directive(token)
            if _OUTSIDE.match(title) and name in ("image", "figure", "iframe", "video"):
                out.append(f"{text.place(line)}: loads from outside: {title}")
            if name == "raw" and _FETCHES.search(body):
                out.append(f"{text.place(line)}: loads from outside: {body.strip()[:80]}")
    return out


def output_problems(root: Path) -> list[str]:
    out = []
    for path in notebooks(root):
        for number, cell in enumerate(cells(path)):
            for output in cell.get("outputs", []):
                html = "".join(output.get("data", {}).get("text/html", ""))
                if found := _FETCHES.search(html):
                    out.append(f"{path.relative_to(root).as_posix()}, cell {number}: its output loads from outside: {found[0]}")
    return out


def machine_paths(name: str, content: str) -> list[str]:
    return [f"{name}, line {number}: names a place on one machine: {found[0]}"
            for number, line in enumerate(content.splitlines(), 1) if (found := MACHINE.search(line))]


def unknown_citations(root: Path) -> list[str]:
    bib = root / "book" / "references.bib"
    known = set(re.findall(r"(?m)^\s*@\w+\{\s*([^,\s]+)", bib.read_text("utf-8"))) if bib.exists() else set()
    return [f"{text.place(line)}: cites {key}, which references.bib does not have"
            for text in texts(root) for token, line in tokens_within(text)
            for key in citations([token]) if key not in known]


def problems(root: Path) -> list[str]:
    return [m for text in texts(root) for m in fetched(text)] + output_problems(root) + unknown_citations(root)
