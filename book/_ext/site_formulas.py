"""Keep room for the formulas: each is given about the width or the height that it will have once it is set.

Without it a paragraph is longer by its TeX source, and all below it moves when the formulas come. Where no script runs
the source shows as it did. `tests/site/test_shift.py` holds what still moves; the measures are in em of the text.
"""
from __future__ import annotations

import re

from bs4 import BeautifulSoup

TOKEN = re.compile(r"\\[a-zA-Z]+\*?|\\.|[^\s]")
FACES = re.compile(r"\\(?:mathbb|mathcal|mathrm|mathbf|mathsf|boldsymbol|operatorname\*?|text|widehat|hat|tilde|bar)\b|[$&]")
INVISIBLE = re.compile(r"\\(?:left|right|[bB]igg?[lr]?|limits|displaystyle|begin\{\w+\}|end\{\w+\})(?![a-z])")
RELATION = {*"=<>", r"\approx", r"\sim", r"\le", r"\ge", r"\leq", r"\geq", r"\to", r"\in", r"\ne", r"\neq",
            r"\propto", r"\leftarrow", r"\equiv", r"\mapsto", r"\ll", r"\gg", r"\notin", r"\subset"}
BINARY = {*"+-*", r"\cdot", r"\times", r"\odot", r"\pm", r"\circ", r"\oplus", r"\cup", r"\cap"}
NAMES = {r"\log", r"\exp", r"\max", r"\min", r"\arg", r"\det", r"\sup", r"\inf", r"\lim", r"\tanh", r"\sin", r"\cos"}
# as MathJax sets them, measured in Chromium; other letters are 0.57 em wide, capitals 0.83
WIDTHS = {"x": 0.63, "q": 0.51, "z": 0.51, "y": 0.54, "l": 0.33, "m": 0.97, "w": 0.8, "M": 1.16, "W": 1.15, "N": 0.98,
          "K": 0.98, ",": 0.5, ".": 0.3, ":": 0.6, ";": 0.5, "(": 0.43, ")": 0.43, "[": 0.31, "]": 0.31, "|": 0.31,
          "/": 0.55, "!": 0.31, "'": 0.3, r"\mid": 0.92, r"\,": 0.18, r"\!": -0.18, r"\;": 0.3, r"\ ": 0.28,
          r"\quad": 1.1, r"\qquad": 2.2, r"\|": 0.55, r"\{": 0.55, r"\}": 0.55, r"\sum": 1.5, r"\prod": 1.4,
          r"\int": 1.0, r"\infty": 1.1, r"\ldots": 1.5, r"\dots": 1.5, r"\sqrt": 0.9, r"\top": 0.85,
          r"\partial": 0.65, r"\nabla": 0.95}
GROUP = r"\s*(\{(?:[^{}]|\{[^{}]*\})*\}|\\\w+|[^\s{}])"
FRACTION = re.compile(r"\\t?frac" + GROUP + GROUP)
# The room is given back in the moment in which MathJax fills it.
SETTING = """; MathJax.startup = { pageReady() {
  document.documentElement.dataset.set = ""; return MathJax.startup.defaultPageReady(); } };"""


def width(tex: str) -> float:
    """About how wide a formula in the text is: the sum of its letters, small ones seven tenths as wide."""
    tex = FRACTION.sub(lambda parts: rf"\,_{{{max(parts.groups(), key=len)}}}\,", tex)  # as wide as its longer half
    tokens = TOKEN.findall(INVISIBLE.sub(" ", FACES.sub(" ", tex)))
    total, scales, small = 0.0, [1.0], False
    for token in tokens:
        scale = scales[-1] * (0.71 if small else 1)
        if token == "{":
            scales.append(scale)
        elif token == "}":
            scales = scales[:-1] or [1.0]
        elif token not in {"_", "^"}:
            total += scale * glyph(token, scale < 1)
        small = token in {"_", "^"}
    return total


def glyph(token: str, is_small: bool) -> float:
    if token in RELATION or token in BINARY:
        return 0.8 if is_small else 1.45 if token in RELATION else 1.3
    if token in NAMES:
        return 0.47 * len(token) - 0.2
    if token in WIDTHS:
        return WIDTHS[token]
    return 0.83 if token.isupper() else 0.57


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
