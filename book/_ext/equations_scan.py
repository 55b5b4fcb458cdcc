"""Which equations the book displays, what checks each, and which line of ``gmlib`` computes it.

Plain functions over a directory: no Sphinx here, so that tests and ``tools.equations`` can use them.
"""
from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import tokenize
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

CHAPTERS = ("overview", "divergences", "mixtures", "sequences", "graphical", "mcmc", "energy",
            "autoencoders", "vae", "autoregressive", "gan", "flows", "diffusion", "comparison")
REGISTRY = "equations.toml"
LABEL = re.compile(r"eq-[a-z0-9]+(?:-[a-z0-9]+)+")
_MATH = {"math_block", "math_block_label", "math_inline_double", "amsmath"}
_NEVER_RUNS = {"skip", "skipif", "xfail", "gpu"}     # a check behind one of these may never run


@dataclass(frozen=True)
class Equation:
    """A displayed equation; `label` is empty where the author gave none."""

    label: str
    latex: str
    path: str
    where: str          # "line 12", or "cell 3, line 4" in a notebook

    @property
    def sha(self) -> str:
        return hashlib.sha256(" ".join(self.latex.split()).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        return f"{self.path}, {self.where}"


@dataclass(frozen=True)
class Mark:
    """A place in Python that names an equation: a line of gmlib, or a test."""

    label: str
    path: str
    line: int
    name: str           # the enclosing function, or the test
    fault: str = ""     # why the mark does not count

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass
class Scan:
    equations: list[Equation] = field(default_factory=list)
    code: list[Mark] = field(default_factory=list)
    mentions: list[Mark] = field(default_factory=list)
    checks: list[Mark] = field(default_factory=list)
    registry: dict[str, dict] = field(default_factory=dict)

    @property
    def labels(self) -> set[str]:
        return {e.label for e in self.equations if e.label}

    def code_of(self, label: str) -> list[Mark]:
        return [m for m in self.code if m.label == label and not m.fault]

    def checks_of(self, label: str) -> list[Mark]:
        return [m for m in self.checks if m.label == label and not m.fault]

    def definition_of(self, label: str) -> dict[str, str]:
        return self.registry.get(label, {}).get("definition", {})


# --- the text ---------------------------------------------------------------------------------

def _parser() -> MarkdownIt:
    md = MarkdownIt("commonmark").enable("table")
    return (md.use(dollarmath_plugin, double_inline=True, allow_labels=True)
              .use(amsmath_plugin).use(colon_fence_plugin))


_MD = _parser()


def displayed(text: str, first: int = 1) -> list[tuple[str, str, int]]:
    """(label, LaTeX, line) of each displayed equation, those inside directives too."""
    found: list[tuple[str, str, int]] = []
    line = first
    for token in _MD.parse(text):
        line = first + token.map[0] if token.map else line
        if token.type in _MATH:
            found.append((token.info if token.type == "math_block_label" else "", token.content, line))
        for child in token.children or []:
            if child.type in _MATH:
                found.append(("", child.content, line))
        if token.type in ("fence", "colon_fence") and token.info.startswith("{"):
            if token.info.startswith("{math}"):
                found.append(("", token.content, line))
            else:
                found += displayed(token.content, line + 1)
    return found


def page_equations(root: Path) -> list[Equation]:
    return [Equation(label, latex, page.relative_to(root).as_posix(), f"line {line}")
            for page in sorted((root / "book").glob("*.md"))
            for label, latex, line in displayed(page.read_text("utf-8"))]


def notebook_equations(root: Path) -> list[Equation]:
    out = []
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts or not path.stat().st_size:
            continue
        for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
            if cell["cell_type"] == "markdown":
                out += [Equation(label, latex, path.relative_to(root).as_posix(), f"cell {number}, line {line}")
                        for label, latex, line in displayed("".join(cell["source"]))]
    return out


# --- the code ---------------------------------------------------------------------------------

def _definitions(tree: ast.AST) -> list[ast.AST]:
    """The classes and functions, outer ones first."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return sorted((node for node in ast.walk(tree) if isinstance(node, kinds)), key=lambda node: node.lineno)


def _enclosing(definitions: list[ast.AST], line: int) -> str:
    """Dotted name of the innermost class or function around a line."""
    return ".".join(node.name for node in definitions if node.lineno <= line <= node.end_lineno)


def code_marks(root: Path) -> tuple[list[Mark], list[Mark]]:
    """Marks in comments of gmlib, and labels that its docstrings mention."""
    marks, mentions = [], []
    for path in sorted((root / "gmlib").rglob("*.py")):
        source, name = path.read_text("utf-8"), path.relative_to(root).as_posix()
        if "eq-" not in source:
            continue
        definitions, rows = _definitions(ast.parse(source)), source.splitlines()
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            row, column = token.start
            if token.type == tokenize.COMMENT:
                bare = not rows[row - 1][:column].strip()
                fault = "stands on a line without code" if bare else ""
                marks += [Mark(label, name, row, _enclosing(definitions, row), fault)
                          for label in LABEL.findall(token.string)]
            elif token.type == tokenize.STRING:
                mentions += [Mark(label, name, row, _enclosing(definitions, row))
                             for label in LABEL.findall(token.string)]
    return marks, mentions


# --- the tests --------------------------------------------------------------------------------

def _marker_calls(node: ast.AST) -> list[ast.Call]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
            and n.func.attr == "equation" and ast.unparse(n.func.value).endswith("mark")]


def _fault(function: ast.FunctionDef, in_class: str) -> str:
    if not function.name.startswith("test") or (in_class and not in_class.startswith("Test")):
        return "is on something that pytest does not collect"
    used = {n.attr for d in function.decorator_list for n in ast.walk(d) if isinstance(n, ast.Attribute)}
    never = sorted(used & _NEVER_RUNS)
    return f"may never run ({', '.join(never)})" if never else ""


def _file_checks(path: str, tree: ast.Module) -> list[Mark]:
    found, seen = [], set()
    functions = [(node, "") for node in tree.body] + [
        (node, cls.name) for cls in tree.body if isinstance(cls, ast.ClassDef) for node in cls.body]
    for function, in_class in functions:
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in (c for d in function.decorator_list for c in _marker_calls(d)):
            seen.add(call)
            labels = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            fault = _fault(function, in_class)
            if not labels or len(labels) != len(call.args):
                labels, fault = labels or [""], "must name its equations as plain strings"
            found += [Mark(label, path, function.lineno, function.name, fault) for label in labels]
    found += [Mark("", path, call.lineno, "", "must be a decorator of a test function")
              for call in _marker_calls(tree) if call not in seen]
    return found


def test_checks(root: Path) -> list[Mark]:
    checks = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        source = path.read_text("utf-8")
        if ".equation" in source:
            checks += _file_checks(path.relative_to(root).as_posix(), ast.parse(source))
    return checks


test_checks.__test__ = False     # a name for people, not for pytest


# --- the registry -----------------------------------------------------------------------------

def read_registry(root: Path) -> dict[str, dict]:
    path = root / REGISTRY
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}


def write_registry(root: Path, registry: dict[str, dict]) -> None:
    quote = lambda text: json.dumps(text, ensure_ascii=False)   # JSON strings are TOML strings
    lines = ["# What each equation said when its check was last confirmed, and why a definition needs none.",
             "# Rewritten by: python -m tools.equations confirm [label ...]", ""]
    for label, entry in sorted(registry.items()):
        lines += [f"[{label}]", f"sha = {quote(entry.get('sha', ''))}"]
        lines += [f"definition.{lang} = {quote(text)}" for lang, text in entry.get("definition", {}).items()]
        lines.append("")
    (root / REGISTRY).write_text("\n".join(lines), "utf-8")


def scan(root: Path) -> Scan:
    root = Path(root)
    code, mentions = code_marks(root)
    return Scan(page_equations(root) + notebook_equations(root), code, mentions, test_checks(root), read_registry(root))


def confirm(root: Path, labels: list[str]) -> list[str]:
    """Record the present text of these equations; returns those whose text had changed."""
    found = scan(root)
    texts = {e.label: e.sha for e in found.equations}
    unknown = sorted(set(labels) - set(texts))
    if unknown:
        raise ValueError(f"no displayed equation has the label {', '.join(unknown)}")
    changed = [label for label in labels if found.registry.get(label, {}).get("sha") != texts[label]]
    for label in changed:
        found.registry.setdefault(label, {})["sha"] = texts[label]
    write_registry(root, found.registry)
    return changed
