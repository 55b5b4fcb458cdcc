"""Apply every rule to the book's text: python -m tools.text_rules [path ...]"""
from __future__ import annotations

import sys
from pathlib import Path

from tools.text_rules import addresses, glossary, languages, notation, notebooks, pairs, sources_page, typography
from tools.text_rules.source import texts

ROOT = Path(__file__).resolve().parents[2]


def problems(root: Path = ROOT) -> list[str]:
    known = glossary.terms(glossary.rows(root / "book" / "glossary.md"))
    out = []
    for reading in map(languages.read, texts(root)):
        out += reading.faults + pairs.problems(reading) + glossary.problems(reading, known) + typography.problems(reading)
    return (out + notebooks.problems(root) + addresses.problems(root) + sources_page.problems(root)
            + notation.problems(root))


def main(paths: list[str], root: Path = ROOT) -> int:
    found = [message for message in problems(root) if not paths or message.startswith(tuple(paths))]
    print("\n".join(found) or "The text keeps every rule.")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
