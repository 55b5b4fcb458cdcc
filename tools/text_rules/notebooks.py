"""What a notebook needs so that its figures speak, and so that it reads well in Colab."""
from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

from tools.text_rules.source import HAN, LATIN_WORD, Text, bilingual, cells, is_directive, notebooks, texts, tokens_within

SHORTEST_ALT = 25       # characters in each language
_NAME = re.compile(r"fig-[a-z0-9]+(?:-[a-z0-9]+)+")
_FILE = re.compile(r"\.(png|jpe?g|svg|gif|webp)\b", re.IGNORECASE)


def images(cell: dict) -> int:
    """How many pictures the stored outputs of a cell hold."""
    return sum(any(kind.startswith("image/") for kind in output.get("data", {})) for output in cell.get("outputs", []))


def _words_faults(name: str, words: str, shortest: int = 1) -> list[str]:
    halves = bilingual(words)
    if not halves:
        return [f"its {name} must be English · 中文, and is {words!r}"]
    out = [f"its {name} is too short to say what is seen: {half!r}" for half in halves if len(half) < shortest]
    if _FILE.search(words) or not LATIN_WORD.search(halves[0]):
        out.append(f"its {name} is no description: {words!r}")
    return out


def figure_faults(cell: dict) -> list[str]:
    """What a code cell with a picture lacks: a name, a caption, a text for those who cannot see it."""
    count = images(cell)
    if not count:
        return []
    meta = cell["metadata"].get("mystnb", {})
    figure, alt = meta.get("figure", {}), meta.get("image", {}).get("alt", "")
    caption = figure.get("caption", "")
    out = _words_faults("caption", caption) + _words_faults("alternative text", alt, SHORTEST_ALT)
    if count > 1:
        out.append(f"it shows {count} pictures under one caption")
    if alt and set(bilingual(alt) or [alt]) & set(bilingual(caption) or [caption]):
        out.append("its alternative text repeats its caption")
    if not _NAME.fullmatch(figure.get("name", "")):
        out.append(f"its figure needs a name fig-<chapter>-<name>, and has {figure.get('name', '')!r}")
    return out


def chinese_strings(code: str) -> list[str]:
    """Chinese in the strings of some code: Matplotlib in Colab has no font for it. Comments may have it."""
    python = re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", code)
    return [token.string for token in tokenize.generate_tokens(io.StringIO(python).readline)
            if token.type == tokenize.STRING and HAN.search(token.string)]


def raw_markup(text: Text) -> list[str]:
    """Roles, directives and the like, which Colab and GitHub would show as they are typed."""
    out = []
    for token, line in tokens_within(text):
        if is_directive(token) or token.type == "colon_fence":
            out.append(f"{text.place(line)}: a directive shows raw in Colab: {token.info!r}")
        elif token.type in ("myst_target", "myst_line_comment", "myst_block_break"):
            out.append(f"{text.place(line)}: {token.content!r} shows raw in Colab")
        out += [f"{text.place(line)}: the role {{{child.meta['name']}}} shows raw in Colab"
                for child in token.children or [] if child.type == "myst_role"]
    return out


def notebook_problems(path: Path, name: str) -> list[str]:
    out, seen = [], {}
    for number, cell in enumerate(cells(path)):
        if cell["cell_type"] != "code":
            continue
        faults = figure_faults(cell) + [f"Chinese in a string of its code: {s[:40]}" for s in chinese_strings(cell["source"])]
        figure = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
        if figure and figure in seen:
            faults.append(f"its figure has the name of cell {seen[figure]}: {figure}")
        seen[figure] = number
        out += [f"{name}, cell {number}: {fault}" for fault in faults]
    return out


def problems(root: Path) -> list[str]:
    out = [m for text in texts(root) if text.cell is not None for m in raw_markup(text)]
    for path in notebooks(root):
        out += notebook_problems(path, path.relative_to(root).as_posix())
    for path in sorted((root / "gmlib").rglob("*.py")):
        code = path.read_text("utf-8")
        if "matplotlib" in code:
            out += [f"{path.relative_to(root).as_posix()}: Chinese in a string of plotting code: {s[:40]}"
                    for s in chinese_strings(code)]
    return out
