"""What the text of a student's cells tells: the names that it gives and reads, and what reaches beyond the exercise.

Beyond it lie the checker, its specifications, files and other processes. Only the text is read, so it proves nothing: such a
line may be harmless, and whoever wants to can write it so that it is not seen here. It names what somebody should read.
"""

import ast
import re
import symtable

from IPython.core.inputtransformer2 import TransformerManager

INSIDE = {"asyncio", "builtins", "concurrent", "contextvars", "ctypes", "gc", "importlib", "inspect", "linecache", "marshal",
          "multiprocessing", "os", "pathlib", "pkgutil", "runpy", "subprocess", "sys", "threading", "weakref"}  # fmt: skip
MODULES = INSIDE | {"code", "codecs", "dis", "glob", "io", "operator", "pickle", "shutil", "signal", "socket", "types"}
CALLS = {"compile", "delattr", "eval", "exec", "get_ipython", "getattr", "globals", "locals", "open", "setattr", "vars"}
OURS = {"check", "numbers", "CheckFailed"}  # of gmlib.exercises, for students
PLAIN = {"__call__", "__class__", "__doc__", "__enter__", "__exit__", "__getitem__", "__init__", "__iter__", "__len__",
         "__main__", "__name__", "__next__", "__post_init__", "__repr__", "__version__"}  # fmt: skip
FRAME = re.compile(r"(f|tb|gi|cr|ag)_(back|code|frame|globals|locals|next|builtins)$")
MAGIC = re.compile(r"^\s*%{1,2}(autoreload|config|load_ext|matplotlib|pip|time|timeit)\b.*$", re.MULTILINE)
BROKEN = (SyntaxError, ValueError, MemoryError, RecursionError)  # of code that does not run, or is nested too deep


def plain(source):
    """A cell's code as Python's own."""
    return TransformerManager().transform_cell(MAGIC.sub("", source))


def names(source):
    """The names that a cell's code gives to others, those that it reads, and those that its functions read once they are called.

    It gives what it assigns and defines; what it imports only if there is nothing else, since many cells import the same.
    """
    try:
        cell = symtable.symtable(plain(source), "cell", "exec")
    except BROKEN:
        return set(), set(), set()
    assigned = {s.get_name() for s in cell.get_symbols() if s.is_assigned()}
    imported = {s.get_name() for s in cell.get_symbols() if s.is_imported()}
    now = {s.get_name() for s in cell.get_symbols() if s.is_referenced()} - assigned - imported
    later = {s.get_name() for part in within(cell) for s in part.get_symbols() if s.is_global() and s.is_referenced()}
    return assigned or imported, now, later


def within(scope):
    """The functions, classes and comprehensions in it, and those in them."""
    for part in scope.get_children():
        yield part
        yield from within(part)


def reaches(source):
    """The names in a cell's code that reach beyond the exercise, in the order of the alphabet."""
    try:
        tree = ast.parse(plain(source))
    except BROKEN:
        return []
    imported = {(a.asname or a.name).partition(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return sorted({name for node in ast.walk(tree) for name in of_node(node, imported)})


def of_node(node, imported):
    if isinstance(node, ast.Import):
        return [a.name for a in node.names if beyond(a.name) or a.name.startswith("gmlib.exercises")]
    if isinstance(node, ast.ImportFrom):
        return of_import(node.module or "", {a.name for a in node.names})
    if isinstance(node, ast.Name):
        return of_name(node)
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name] if node.name in OURS else []
    if isinstance(node, ast.Attribute):
        changed = isinstance(node.ctx, ast.Store | ast.Del) and getattr(node.value, "id", None) in imported
        inside = node.attr in INSIDE | {"exercises"} or FRAME.match(node.attr)  # `torch.sys`
        return [node.attr] if changed or inside or special(node.attr) else []
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) and special(node.value) else []
    return []


def beyond(module):
    return module.partition(".")[0] in MODULES or bool(INSIDE & set(module.split(".")))


def special(name):
    return re.fullmatch(r"__\w+__", name) is not None and name not in PLAIN


def of_import(module, names):
    if module == "gmlib":
        return ["gmlib.exercises"] if "exercises" in names else []
    if module.startswith("gmlib.exercises"):
        return [] if module == "gmlib.exercises" and names <= OURS else [module]
    return [module] if beyond(module) else sorted(names & INSIDE)


def of_name(node):
    replaced = node.id in OURS and not isinstance(node.ctx, ast.Load)
    return [node.id] if node.id in CALLS | {"sys"} or replaced or special(node.id) else []  # a hidden test imports sys
