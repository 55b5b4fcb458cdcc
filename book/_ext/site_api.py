"""The page of `gmlib`: every module that exists, each function linked to its lines and to its equations."""
from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

PACKAGE = "gmlib"
PLACEHOLDER = "<!-- modules -->"
EQUATION_COMMENT = re.compile(r"#\s*(eq-[\w-]+(?:\s*,\s*eq-[\w-]+)*)\s*$", re.MULTILINE)


def modules() -> list[str]:
    package = importlib.import_module(PACKAGE)
    names = [m.name for m in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")]
    return sorted(n for n in names if not n.rpartition(".")[2].startswith("_"))


def list_modules(app: Sphinx, docname: str, source: list[str]) -> None:
    """One section a module, in place of the page's placeholder."""
    if PLACEHOLDER not in source[0]:
        return
    for path in Path(app.srcdir, PACKAGE).rglob("*.py"):
        app.env.note_dependency(str(path))
    sections = (f"## `{name}`\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :show-inheritance:\n```\n"
                for name in modules())
    source[0] = source[0].replace(PLACEHOLDER, "\n".join(sections))


def equations_of(obj) -> list[str]:
    try:
        source = inspect.getsource(inspect.unwrap(obj))
    except (TypeError, OSError):
        return []
    labels = [label.strip() for group in EQUATION_COMMENT.findall(source) for label in group.split(",")]
    return list(dict.fromkeys(labels))


def add_equations(app: Sphinx, what: str, name: str, obj, options, lines: list[str]) -> None:
    if what in {"function", "method", "property"}:
        labels = equations_of(obj.fget if isinstance(obj, property) else obj)
        if labels:
            lines += ["", ":Equations: " + ", ".join(f":eq:`{label}`" for label in labels), ""]


def source_link(config):
    """A resolver for sphinx.ext.linkcode on the repository named in `_config.yml`."""
    options = config.html_theme_options
    base = f"{options['repository_url']}/blob/{options['repository_branch']}"

    def resolve(domain: str, info: dict) -> str | None:
        obj = importlib.import_module(info["module"])
        for part in info["fullname"].split("."):
            obj = getattr(obj, part, None)
        obj = inspect.unwrap(obj.fget if isinstance(obj, property) else obj) if obj is not None else None
        try:
            lines, start = inspect.getsourcelines(obj)
            path = Path(inspect.getsourcefile(obj)).resolve().relative_to(Path(sys.modules[PACKAGE].__file__).parents[1])
        except (TypeError, OSError, ValueError):
            return None
        return f"{base}/{path.as_posix()}#L{start}-L{start + len(lines) - 1}"

    return resolve


def configure(app: Sphinx, config) -> None:
    sys.path.insert(0, str(app.srcdir))  # the package of this tree, never another installed copy
    config.linkcode_resolve = source_link(config)


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", configure, priority=100)
    app.connect("source-read", list_modules)
    app.connect("autodoc-process-docstring", add_equations, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
