"""Chinese set as Chinese is set: bold that is bold, full-width punctuation, a paragraph on one line."""
from __future__ import annotations

import re

from tools.text_rules.languages import Reading
from tools.text_rules.source import CJK, plain

_HALF = re.compile(rf"(?<=[{CJK}）」』》])\s*[,;:!?]|(?<=[{CJK}）」』》])\.(?![\w.])|[,;:!?]\s*(?=[{CJK}])")
_BRACKETS = re.compile(rf"\([^()]*[{CJK}][^()]*\)|(?<=[{CJK}])\(|\)(?=[{CJK}])")
_QUOTES = re.compile(rf"\"[^\"]*[{CJK}][^\"]*\"")


def faults(words: str) -> list[str]:
    """What is wrong with a piece of Chinese prose (formulas and code already replaced)."""
    out = []
    for pattern, name in ((_HALF, "half-width punctuation"), (_BRACKETS, "half-width parentheses"),
                          (_QUOTES, "straight quotation marks")):
        if found := pattern.search(words):
            around = words[max(0, found.start() - 8):found.end() + 8].strip()
            out.append(f"{name} in Chinese: {around!r}")
    return out


def problems(reading: Reading) -> list[str]:
    out = []
    for pair in reading.pairs:
        for lang, tokens in (("en", pair.en), ("zh", pair.zh)):
            paragraphs = [tokens] if pair.shared else [t.children for t in tokens if t.type == "inline"]
            for children in paragraphs:
                words = plain(children)
                if any(t.type == "text" and "**" in t.content for t in children):
                    out.append(f"{pair.place}: bold is not closed; put a space or punctuation after its stars: "
                               f"{words.strip()[:60]!r}")
                if lang == "zh":
                    out += [f"{pair.place}: {fault}" for fault in faults(words)]
                    if any(t.type == "softbreak" for t in children):
                        out.append(f"{pair.place}: a Chinese paragraph stands on one line: {words.strip()[:30]!r}")
    return out
