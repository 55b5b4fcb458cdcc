"""What in a student's cells reaches beyond the exercise: for the checker, its specifications, files or other processes.

It reads the text alone, so it proves nothing: such a line may be harmless, and whoever wants to can write it so that it is
not seen here. It names what somebody should read.
"""

import ast
import re

from IPython.core.inputtransformer2 import TransformerManager

MODULES = {"asyncio", "builtins", "concurrent", "contextvars", "ctypes", "dis", "gc", "importlib", "inspect", "marshal",
           "multiprocessing", "os", "pathlib", "runpy", "signal", "socket", "subprocess", "sys", "threading", "types"}  # fmt: skip
INSIDE = MODULES - {"dis", "signal", "types"} | {"exercises"}  # as attributes of other modules: `torch.sys`
CALLS = {"compile", "delattr", "eval", "exec", "get_ipython", "getattr", "globals", "locals", "open", "setattr", "vars", "__import__"}
OURS = {"check", "numbers", "CheckFailed"}  # of gmlib.exercises, for students
PLAIN = {"__call__", "__class__", "__doc__", "__enter__", "__exit__", "__getitem__", "__init__", "__iter__", "__len__", "__name__",
         "__next__", "__post_init__", "__repr__", "__version__"}  # fmt: skip
FRAME = re.compile(r"(f|tb|gi|cr|ag)_(back|code|frame|globals|locals|next|builtins)$")
MAGIC = re.compile(r"^\s*%{1,2}(autoreload|config|load_ext|matplotlib|pip|time|timeit)\b.*$", re.MULTILINE)


def reaches(source):
    """The names in a cell's code that reach beyond the exercise, in the order of the alphabet."""
    try:
        tree = ast.parse(TransformerManager().transform_cell(MAGIC.sub("", source)))
    except (SyntaxError, ValueError):
        return []  # it does not run
    imported = {(a.asname or a.name).partition(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return sorted({name for node in ast.walk(tree) for name in of_node(node, imported)})


def of_node(node, imported):
    if isinstance(node, ast.Import):
        return [a.name for a in node.names if a.name.partition(".")[0] in MODULES or a.name.startswith("gmlib.exercises")]
    if isinstance(node, ast.ImportFrom):
        return of_import(node.module or "", {a.name for a in node.names})
    if isinstance(node, ast.Name):
        return of_name(node)
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name] if node.name in OURS else []
    if isinstance(node, ast.Attribute):
        changed = isinstance(node.ctx, ast.Store | ast.Del) and getattr(node.value, "id", None) in imported
        dunder = node.attr.startswith("__") and node.attr not in PLAIN
        return [node.attr] if changed or dunder or node.attr in INSIDE or FRAME.match(node.attr) else []
    return []


def of_import(module, names):
    if module == "gmlib":
        return ["gmlib.exercises"] if "exercises" in names else []
    if module.startswith("gmlib.exercises"):
        return [] if module == "gmlib.exercises" and names <= OURS else [module]
    return [module] if module.partition(".")[0] in MODULES else []


def of_name(node):
    replaced = node.id in OURS and not isinstance(node.ctx, ast.Load)
    dunder = node.id.startswith("__") and node.id not in PLAIN
    return [node.id] if node.id in CALLS | {"sys"} or replaced or dunder else []  # a hidden test imports sys
