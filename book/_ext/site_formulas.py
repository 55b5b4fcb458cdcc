"""Keep room for the formulas: each is given about the width or the height that it will have once it is set.

Without it a paragraph is longer by its TeX source, and all below it moves when the formulas come. Where no script runs
the source shows as it did. `tests/site/test_shift.py` holds what still moves; the measures are in em of the text.
"""
from __future__ import annotations

import re
from collections import deque
from string import ascii_letters

from bs4 import BeautifulSoup

TOKEN = re.compile(r"\\[a-zA-Z]+\*?|\\.|[^\s]")
INVISIBLE = re.compile(r"\\(?:left|right|[bB]igg?[lr]?|limits|displaystyle|begin\{\w+\}|end\{\w+\})(?![a-z])|\\\\|[$&]")
KINDS = {
    "relation": {*"=<>:", r"\mid", r"\approx", r"\sim", r"\le", r"\ge", r"\leq", r"\geq", r"\to", r"\in", r"\ne",
                 r"\neq", r"\propto", r"\leftarrow", r"\equiv", r"\mapsto", r"\ll", r"\gg", r"\notin", r"\subset"},
    "binary": {*"+-*", r"\cdot", r"\times", r"\odot", r"\pm", r"\circ", r"\oplus", r"\cup", r"\cap"},
    "operator": {r"\sum", r"\prod", r"\int", r"\operatorname", r"\log", r"\exp", r"\max", r"\min", r"\arg", r"\det",
                 r"\sup", r"\inf", r"\lim", r"\tanh", r"\sin", r"\cos"},
    "open": {*"([", r"\{"}, "close": {*")]", r"\}"}, "comma": {*",;"}, "dots": {r"\dots", r"\ldots", r"\cdots"},
}
# The widths of MathJax's letters, measured in Chromium, in hundredths of its em, which is SCALE of the text's.
SCALE = 1.1
ITALIC = dict(zip(ascii_letters, map(int, """
    53 43 43 52 47 55 48 58 34 41 52 30 88 60 48 50 46 45 47 36 57 48 72 57 49 46
    75 76 76 83 76 75 79 89 50 63 89 68 105 89 76 75 79 76 64 70 77 77 105 85 76 72""".split())))
ROMAN = dict(zip(ascii_letters, map(int, """
    50 56 44 56 44 37 50 56 28 31 53 28 83 56 50 56 53 39 39 39 56 53 72 53 53 44
    75 71 72 76 68 65 78 75 36 51 78 62 92 75 78 68 78 74 56 72 75 75 103 75 75 61""".split())))
BOARD = dict.fromkeys(ascii_letters, 72) | {"E": 67, "H": 78, "P": 61}
SCRIPT = dict.fromkeys(ascii_letters, 79) | {"L": 69, "N": 98, "B": 66}
FACES = {r"\mathbb": BOARD, r"\mathcal": SCRIPT, **dict.fromkeys(
    (r"\mathrm", r"\mathbf", r"\mathsf", r"\text", r"\operatorname", r"\operatorname*"), ROMAN)}
ACCENTS = {r"\hat", r"\widehat", r"\tilde", r"\bar", r"\boldsymbol"}
SPACES = {r"\!": -17, r"\,": 17, r"\:": 22, r"\;": 28, r"\ ": 25, r"\quad": 100, r"\qquad": 200}
SIGNS = {sign: hundredths for hundredths, signs in {
    28: r". , ; : ! ' [ ] | \mid \cdot", 39: "( )", 42: r"\epsilon \ell", 46: r"\delta \xi \theta \zeta \varepsilon",
    50: r"0 1 2 3 4 5 6 7 8 9 / * \| \Vert \{ \} \eta \circ", 53: r"\tau \rho \nu \gamma",
    64: r"\omega \alpha \chi \psi \varphi \in \notin \cup \cap \Gamma \Xi", 72: r"\Sigma \Lambda \Pi \Phi \Omega",
    78: r"= < > + - \approx \sim \le \ge \leq \geq \ne \neq \equiv \propto \subset \times \odot \pm \oplus \top \Theta",
    83: r"\nabla \Delta \checkmark", 94: r"\prod", 106: r"\sum", 61: r"\int", 117: r"\dots \ldots \cdots",
    100: r"\to \leftarrow \mapsto \ll \gg \infty"}.items() for sign in signs.split()}
# The room is given back in the moment in which MathJax fills it.
SETTING = """; MathJax.startup = { pageReady() {
  document.documentElement.dataset.set = ""; return MathJax.startup.defaultPageReady(); } };"""


def width(tex: str) -> float:
    """How wide a formula in the text is."""
    return SCALE / 100 * row(deque(TOKEN.findall(INVISIBLE.sub(" ", tex))))


def row(tokens: deque[str], face: dict[str, int] = ITALIC, small: bool = False) -> float:
    """The width of all up to the next closing brace, which goes too."""
    total, before = 0.0, "open"
    while tokens and tokens[0] != "}":
        if tokens[0] in SPACES:
            total += SPACES[tokens.popleft()]
            continue
        kind = next((kind for kind, members in KINDS.items() if tokens[0] in members), "letter")
        if kind == "binary" and before not in {"letter", "close", "dots"}:
            kind = "letter"  # a sign, no operation
        total += space(before, kind, small) + atom(tokens, face, small) + scripts(tokens)
        before = kind
    if tokens:
        tokens.popleft()
    return total


def space(left: str, right: str, small: bool) -> int:
    """TeX's own, between two kinds; small print has it only beside a named operator."""
    if left == "open" or right == "close":
        return 0
    if not small and "relation" in (left, right):
        return 28 * (left != right)
    if not small and "binary" in (left, right):
        return 22
    if not small and (left == "comma" or "dots" in (left, right)):
        return 17
    return 17 * ("operator" in (left, right) and right not in {"open", "comma"})


def atom(tokens: deque[str], face: dict[str, int], small: bool) -> float:
    token = tokens.popleft() if tokens else ""
    if token == "{":
        return row(tokens, face, small)
    if token in FACES or token in ACCENTS:
        return atom(tokens, FACES.get(token, face), small)
    if token in {r"\frac", r"\tfrac"}:
        return 44 + 0.71 * max(atom(tokens, face, True), atom(tokens, face, True))
    if token == r"\sqrt":
        return 85 + atom(tokens, face, small)
    if token in KINDS["operator"] - SIGNS.keys():
        return sum(map(ROMAN.get, token[1:]))
    return face.get(token) or SIGNS.get(token, 58)


def scripts(tokens: deque[str]) -> float:
    """What hangs above and below a letter: as wide as the wider of the two."""
    widths = []
    while tokens and tokens[0] in {"_", "^", "'"}:
        prime = tokens.popleft() == "'"
        widths.append(SIGNS["'"] if prime else atom(tokens, ITALIC, True))
    return 0.71 * max(widths) + 8 if widths else 0


def height(tex: str) -> float:
    """About how high a displayed formula is, its margins included."""
    plain = re.sub(r"\\begin\{cases\}.*?\\end\{cases\}", r"\\cases", tex, flags=re.DOTALL)
    return 2.2 + sum(map(row_height, re.split(r"\\\\(?:\[\w+\])?", plain)))


def row_height(row: str) -> float:
    if re.search(r"\\(sum|prod|underbrace)", row):
        return 3.6
    return 3.0 if re.search(r"\\(frac|binom|int|cases)", row) else 1.65


def keep_room(soup: BeautifulSoup) -> None:
    for script in soup.find_all("script", string=re.compile("window.MathJax = ")):
        script.string += SETTING
    for formula in soup.select("span.math, div.math"):
        tex = formula.get_text().partition(r"\(" if formula.name == "span" else r"\[")[2][:-2]
        side = f"width: {width(tex):.2f}em" if formula.name == "span" else f"height: {height(tex):.2f}em"
        formula["style"] = f"--{side}"
