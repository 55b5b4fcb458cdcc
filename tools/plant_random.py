"""Break a chapter's code at random and see that a test fails: `python -m tools.plant --random 40 vae --seed 1`.

A place in `gmlib/vae` is drawn, and what stands there is changed: an operator, a comparison, a sign, a constant, a
reduction, the end of a range, two arguments exchanged, a gradient no longer stopped. The chapter's tests that run this
line must fail. What survives is either the same function written otherwise, or a hole in the tests.

The tests run once on the unchanged copy, where `coverage` notes which test runs which line. Other mutation testers draw
no sample by a seed or change the files where they stand, and none takes a mean for a sum.
"""

import ast
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from pathlib import Path
from queue import SimpleQueue

import coverage

from tools import plant
from tools.common import ROOT

OPERATORS = {ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.Pow: (ast.Mult,),
             ast.FloorDiv: (ast.Mult,), ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt),
             ast.GtE: (ast.Gt, ast.LtE), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
             ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.And: (ast.Or,), ast.Or: (ast.And,)}  # fmt: skip
CALLS = {"sum": "mean", "mean": "sum", "prod": "sum", "cumsum": "cumprod", "logsumexp": "amax", "std": "var", "var": "std",
         "max": "min", "min": "max", "amax": "amin", "amin": "amax", "argmax": "argmin", "argmin": "argmax",
         "maximum": "minimum", "minimum": "maximum"}  # fmt: skip
CONSTANTS = {0: (1,), 1: (0, 2, -1), 2: (1, 3, -2)}
SKIPPED = (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)  # messages, and what fails by itself
NAMES = ("__repr__", "extra_repr")  # of functions that only write


@dataclass(frozen=True)
class Mutant:
    path: str
    line: int
    statement: range  # the lines of the statement, or of the head of one
    old: str
    new: str
    code: str  # what stands in the line
    text: str  # of the whole file, with the error

    def __str__(self):
        return f"{self.path}:{self.line}: {self.old}  ->  {self.new}" + (f"  in  {self.code}" if self.code != self.old else "")


def others(node):
    """What could stand instead of this node."""
    match node:
        case ast.BinOp(left, op, right):
            yield from (ast.BinOp(left, new(), right) for new in OPERATORS.get(type(op), ()))
            if isinstance(op, ast.Sub | ast.Div | ast.Pow):
                yield ast.BinOp(right, op, left)
        case ast.AugAssign(target, op, value):
            yield from (ast.AugAssign(target, new(), value) for new in OPERATORS.get(type(op), ()))
        case ast.BoolOp(op, values):
            yield from (ast.BoolOp(new(), values) for new in OPERATORS[type(op)])
        case ast.Compare(left, ops, right):
            for i, op in enumerate(ops):
                yield from (ast.Compare(left, [*ops[:i], new(), *ops[i + 1 :]], right) for new in OPERATORS[type(op)])
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield from map(ast.Constant, CONSTANTS.get(value, (2 * value, -value)))
        case ast.Call():
            yield from other_calls(node)


def other_calls(node):
    func, args = node.func, node.args
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if isinstance(func, ast.Attribute) and name in CALLS:
        yield ast.Call(ast.Attribute(func.value, CALLS[name]), args, node.keywords)
    if isinstance(func, ast.Name) and name in ("max", "min"):
        yield ast.Call(ast.Name(CALLS[name]), args, node.keywords)
    if name == "detach":
        yield func.value
    if name == "range":
        end = min(1, len(args) - 1)
        less = ast.BinOp(args[end], ast.Sub(), ast.Constant(1))
        yield ast.Call(func, [*args[:end], less, *args[end + 1 :]], [])
    for i, (a, b) in enumerate(pairwise(args)):
        if isinstance(a, ast.Name) and isinstance(b, ast.Name) and a.id != b.id and name != "isinstance":
            yield ast.Call(func, [*args[:i], b, a, *args[i + 2 :]], node.keywords)


def places(node, statement=None):
    """The nodes from this one down that may be changed, each with its statement, in the order of the text."""
    if isinstance(node, SKIPPED) or getattr(node, "name", "") in NAMES or getattr(node, "arg", "") == "strict":
        return
    statement = node if isinstance(node, ast.stmt) else statement
    yield node, statement
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "decorator_list"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from places(child, statement)


def mutants(path, text):
    """For each place of a file that can be changed, all that could stand there."""
    data = text.encode()
    lines = data.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]
    for node, statement in places(ast.parse(text)):
        if not (news := [ast.unparse(new) for new in others(node)]):
            continue
        before = data[: starts[node.lineno - 1] + node.col_offset]
        after = data[starts[node.end_lineno - 1] + node.end_col_offset :]
        last = node if hasattr(statement, "body") else statement
        where = path, node.lineno, range(statement.lineno, last.end_lineno + 1), ast.unparse(node)
        code = lines[node.lineno - 1].decode().strip()
        around = b"(%s)" if isinstance(node, ast.expr) else b"%s"
        yield [Mutant(*where, new, code, (before + around % new.encode() + after).decode()) for new in news]


def sample(slug, number, seed, root):
    """At most so many mutants of a chapter's code, no two at one place."""
    paths = sorted(path for path in (root / "gmlib" / slug).rglob("*.py") if path.name != "__init__.py")
    found = [group for path in paths for group in mutants(path.relative_to(root).as_posix(), path.read_text("utf-8"))]
    rng = random.Random(seed)
    return [rng.choice(group) for group in rng.sample(found, min(number, len(found)))]


def lines_of_tests(copy, slug, tests):
    """Which tests run which lines, as {file: {line: tests}}; what runs outside of a test's own body is run by ''."""
    with tempfile.TemporaryDirectory() as folder:
        settings, data = Path(folder) / "settings", Path(folder) / "data"
        settings.write_text(f"[run]\nsource = gmlib/{slug}\ndynamic_context = test_function\ndata_file = {data}\n", "utf-8")
        done = plant.run_tests(copy, tests, "-m", "coverage", "run", "--rcfile", settings)
        if done.returncode:
            raise ValueError(f"the tests fail with no error planted:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        found = coverage.CoverageData(data)
        found.read()
        return {Path(path).relative_to(copy.resolve()).as_posix(): found.contexts_by_lineno(path) for path in found.measured_files()}


def test_name(context):
    """`tests.vae.test_vae.test_elbo` as pytest wants it."""
    module, _, function = context.rpartition(".")
    return f"{module.replace('.', '/')}.py::{function}"


def tests_of(mutant, lines, everything):
    """The tests that run its statement; where the import or a fixture runs it, those of the file, and then everything."""
    of_file = lines.get(mutant.path, {})
    contexts = {context for line in mutant.statement for context in of_file.get(line, ())}
    if "" in contexts:
        return [sorted(map(test_name, {*chain(*of_file.values())} - {""})), everything]
    return [sorted(map(test_name, contexts))]


def fate(mutant, steps, copies):
    """What became of a mutant, in words."""
    if not any(steps):
        return "NOT CAUGHT, as no test runs this line"
    copy = copies.get()
    path = copy / mutant.path
    right = path.read_text("utf-8")
    try:
        path.write_text(mutant.text, "utf-8")
        for tests in filter(None, steps):
            done = plant.run_tests(copy, tests)
            if done.returncode:
                return f"caught by {plant.first_failure(done) or 'an error'}"
        return "NOT CAUGHT"
    finally:
        path.write_text(right, "utf-8")
        copies.put(copy)


def main(slug, number, seed, root=ROOT):
    everything = [path for path in (f"tests/{slug}", "tests/laws") if (root / path).exists()]
    copies = SimpleQueue()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        for name in ("one", "two"):
            copies.put(plant.copied(Path(folder) / name, root))
        lines = lines_of_tests(Path(folder) / "one", slug, everything)
        found = sample(slug, number, seed, Path(folder) / "one")
        words = pool.map(lambda mutant: fate(mutant, tests_of(mutant, lines, everything), copies), found)
        survivors = 0
        for mutant, word in zip(found, words, strict=True):
            print(f"{word}: {mutant}", flush=True)
            survivors += not word.startswith("caught")
    print(f"{len(found) - survivors} of {len(found)} caught ({1 - survivors / len(found):.0%})")
