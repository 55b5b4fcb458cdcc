"""The two halves of a pair say the same: formulas, citations, links and numbers agree."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from markdown_it.token import Token

from tools.text_rules.languages import Pair, Reading
from tools.text_rules.source import inlines, plain

_NUMBER = re.compile(r"(?<![A-Za-z\d.])\d++(?:[.,]\d++)*+(?=(?:st|nd|rd|th|s)?(?![A-Za-z]))")


def formulas(tokens: Iterable[Token]) -> Counter:
    return Counter("".join(t.content.split()) for t in inlines(tokens) if t.type.startswith("math_inline"))


def citations(tokens: Iterable[Token]) -> Counter:
    return Counter(key.strip() for t in inlines(tokens) if t.type == "myst_role" and t.meta["name"].startswith("cite")
                   for key in t.content.split(","))


def _role_target(token: Token) -> str:
    found = re.search(r"<([^<>]+)>$", token.content)
    return f"{{{token.meta['name']}}} {found[1] if found else token.content}"


def links(tokens: Iterable[Token]) -> Counter:
    found: Counter = Counter()
    for token in inlines(tokens):
        if token.type == "link_open":
            found[token.attrs["href"]] += 1
        elif token.type == "image":
            found[token.attrs["src"]] += 1
        elif token.type == "myst_role" and not token.meta["name"].startswith("cite"):
            found[_role_target(token)] += 1
    return found


def numbers(tokens: Iterable[Token]) -> Counter:
    """Arabic numbers in the words (not in formulas, code or addresses); 10,000 counts as 10000."""
    return Counter(re.sub(r",(?=\d{3}\b)", "", n) for n in _NUMBER.findall(plain(tokens)))


_FACTS = {"formulas": formulas, "citations": citations, "links": links, "numbers": numbers}


def _shown(found: Counter) -> str:
    return ", ".join(repr(item) + (f" ×{count}" if count > 1 else "") for item, count in sorted(found.items()))


def differences(pair: Pair) -> list[str]:
    out = []
    for name, facts in _FACTS.items():
        if pair.shared and facts is links:      # one link may hold both halves
            continue
        en, zh = facts(pair.en), facts(pair.zh)
        only = [f"only in {lang}: {_shown(rest)}" for lang, rest in (("English", en - zh), ("Chinese", zh - en)) if rest]
        if only:
            out.append(f"{pair.place}: the {name} of the two languages differ; {'; '.join(only)}")
    return out


def problems(reading: Reading) -> list[str]:
    return [message for pair in reading.pairs for message in differences(pair)]
