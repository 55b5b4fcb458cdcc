"""Simple mutants of an exercise's specification: an operator, a constant or a reduction changed, one in each."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from copy import deepcopy
from types import FunctionType

OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
             ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}  # fmt: skip
FUNCTIONS = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "abs": "float", "log": "float", "exp": "float", "sqrt": "float"}


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def mutants(specification: Callable) -> dict[str, Callable]:
    """The changed functions, by what was changed, in the specification or in a function of its module that it calls.

    Functions that loop until a condition holds are left as they are: a changed one may never end.
    """
    own = inspect.getclosurevars(specification).nonlocals["function"]
    trees = {f.__name__: tree_of(f) for f in sorted(called(own), key=lambda f: f.__code__.co_firstlineno)}
    found = {}
    for name, tree in trees.items():
        if not any(isinstance(node, ast.While) for node in ast.walk(tree)):
            for what, changed in changes(tree):
                space = {"mean": mean} | own.__globals__
                body = list((trees | {name: changed}).values())
                exec(compile(ast.fix_missing_locations(ast.Module(body, [])), "mutant", "exec"), space)
                found[f"{name}: {what}"] = space[own.__name__]
    return found


def tree_of(function: FunctionType) -> ast.FunctionDef:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    tree.decorator_list = []
    return tree


def called(function: FunctionType) -> list[FunctionType]:
    """The function, those of its module that it names, those that they name, and so on."""
    found = [function]
    for one in found:
        named = {node.id for node in ast.walk(tree_of(one)) if isinstance(node, ast.Name)}
        values = [inspect.unwrap(v) for n in sorted(named) if callable(v := one.__globals__.get(n))]
        found += [v for v in values if isinstance(v, FunctionType) and v.__module__ == function.__module__ and v not in found]
    return found


def changes(tree: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Each change of one place: the expression around it as it was and as it became."""
    for number, node in enumerate(ast.walk(tree)):
        copy = deepcopy(tree)
        twin = next(n for i, n in enumerate(ast.walk(copy)) if i == number)
        if change(twin):
            yield f"{ast.unparse(around(tree, node))} -> {ast.unparse(around(copy, twin))}", copy


def around(tree: ast.AST, node: ast.AST) -> ast.AST:
    """The smallest expression that holds a name or a number; an operation is one itself."""
    if not isinstance(node, ast.Name | ast.Constant):
        return node
    holding = [n for n in ast.walk(tree) if isinstance(n, ast.expr) and any(child is node for child in ast.iter_child_nodes(n))]
    return holding[0] if holding else node


def change(node: ast.AST) -> bool:
    """Change a node in place; False if there is nothing to change in it."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        node.op = OPERATORS[type(node.op)]()
    elif isinstance(node, ast.Compare) and type(node.ops[-1]) in OPERATORS:
        node.ops[-1] = OPERATORS[type(node.ops[-1])]()
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node.op = ast.UAdd()
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value += 1
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in FUNCTIONS:
        node.id = FUNCTIONS[node.id]
    else:
        return False
    return True
