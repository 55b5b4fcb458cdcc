"""The page of `gmlib`: every module that exists, each function linked to its lines and to its equations."""
from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

PACKAGE = "gmlib"
PLACEHOLDER = "<!-- modules -->"


def modules() -> list[str]:
    package = importlib.import_module(PACKAGE)
    names = [m.name for m in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")]
    return sorted(n for n in names if not n.rpartition(".")[2].startswith("_"))


def list_modules(app: Sphinx, docname: str, source: list[str]) -> None:
    """One section a module, in place of the page's placeholder."""
    if PLACEHOLDER in source[0]:
        for path in Path(app.srcdir, PACKAGE).rglob("*.py"):
            app.env.note_dependency(str(path))
        source[0] = source[0].replace(PLACEHOLDER, "\n".join(map(section, modules())))


def section(name: str) -> str:
    """The members of a module; what its package offers under a shorter name stands there, and not twice."""
    module, package = importlib.import_module(name), sys.modules[name.rpartition(".")[0]]
    offered = getattr(package, "__all__", [])
    options = [":members:", ":show-inheritance:", f":exclude-members: {', '.join(offered)}"]
    if package.__dict__.get(name.rpartition(".")[2]) is not module:
        options.append(":no-index:")  # a function of the package has the module's name
    return "\n".join([f"## `{name}`", "", '<div lang="en" class="bi-keep">', "", "```{eval-rst}",
                      f".. automodule:: {name}", *(f"   {option}" for option in options), "```", "", "</div>", ""])


def place_of(obj) -> tuple[str, range]:
    """The file of an object, from the root of the repository, and its lines."""
    obj = inspect.unwrap(obj.fget if isinstance(obj, property) else obj)
    lines, start = inspect.getsourcelines(obj)
    root = Path(sys.modules[PACKAGE].__file__).parents[1]
    path = Path(inspect.getsourcefile(obj)).resolve().relative_to(root)
    return path.as_posix(), range(start, start + len(lines))


def add_equations(app: Sphinx, what: str, name: str, obj, options, lines: list[str]) -> None:
    """Link a function to the equations that its `# eq-…` comments name (an unknown name is a fault for the tests)."""
    if what not in {"function", "method", "property"}:
        return
    try:
        path, here = place_of(obj)
    except (TypeError, OSError, ValueError):
        return
    scan = app.equation_scan
    labels = [m.label for m in scan.code if m.path == path and m.line in here and m.label in scan.labels]
    if labels:
        lines += ["", ":Equations: " + ", ".join(f":eq:`{label}`" for label in dict.fromkeys(labels)), ""]


def plain_protocols(app: Sphinx, what: str, name: str, obj, options, signature, returns) -> tuple | None:
    """A protocol is never constructed: its `(*args, **kwargs)` says nothing."""
    return ("", None) if getattr(obj, "_is_protocol", False) else None


def source_link(config):
    """A resolver for sphinx.ext.linkcode on the repository named in `_config.yml`."""
    options = config.html_theme_options
    base = f"{options['repository_url']}/blob/{options['repository_branch']}"

    def resolve(domain: str, info: dict) -> str | None:
        obj = importlib.import_module(info["module"])
        for part in info["fullname"].split("."):
            obj = getattr(obj, part, None)
        try:
            path, lines = place_of(obj)
        except (TypeError, OSError, ValueError):
            return None
        return f"{base}/{path}#L{lines.start}-L{lines.stop - 1}"

    return resolve


def configure(app: Sphinx, config) -> None:
    sys.path.insert(0, str(app.srcdir))  # the package of this tree, never another installed copy
    config.linkcode_resolve = source_link(config)


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", configure, priority=100)
    app.connect("source-read", list_modules)
    app.connect("autodoc-process-signature", plain_protocols)
    app.connect("autodoc-process-docstring", add_equations, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
