"""The pages of `gmlib`: every module that exists, each function linked to its lines and to its equations.

`book/api.md` says what stands where; a package has its page at `book/api/<package>.md`, plain modules at `shared.md`.
"""
from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path

from sphinx.application import Sphinx

from equations_scan import CHAPTERS

PACKAGE = "gmlib"
ENTRY = "book/api"
PLACEHOLDER = "<!-- modules -->"
OF_CHAPTER = """<div lang="en">

The code of the chapter [](../{0}.md).

</div>

<div lang="zh">

“[](../{0}.md)”一章的代码。

</div>
"""


def modules() -> list[str]:
    package = importlib.import_module(PACKAGE)
    names = [m.name for m in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")]
    return sorted(n for n in names if not n.rpartition(".")[2].startswith("_"))


def page_of(module: str) -> str:
    """The page of its package; what is a chapter's own in the exercises and the benchmarks stands with the chapter."""
    root = Path(importlib.import_module(PACKAGE).__path__[0])
    first, *rest = module.split(".")[1:]
    if first in {"bench", "exercises"} and rest and (root / rest[0]).is_dir():
        return rest[0]
    return first if (root / first).is_dir() else "shared"


def pages() -> dict[str, list[str]]:
    """The modules of each page: what all share, other packages, and the chapters in the order of the book."""
    found = {}
    for name in modules():
        found.setdefault(page_of(name), []).append(name)
    order = ["shared", *sorted(found.keys() - CHAPTERS - {"shared"}), *CHAPTERS]
    return {page: sorted(found[page], key=lambda n: (page not in n.split(".")[:2], n)) for page in order if page in found}


def list_modules(app: Sphinx, docname: str, source: list[str]) -> None:
    """In place of the placeholder: the table of all pages, or one section a module; that of the package has the page's title."""
    if PLACEHOLDER in source[0]:
        page = docname.rpartition("/")[2]
        text = table(app) if docname == ENTRY else "\n".join([
            *([OF_CHAPTER.format(page)] if f"book/{page}" in app.env.found_docs else []),
            *(section(name, titled=name != f"{PACKAGE}.{page}") for name in pages().get(page, ()))])
        source[0] = source[0].replace(PLACEHOLDER, text)


def table(app: Sphinx) -> str:
    rows = []
    for page, names in pages().items():
        for name in names if page == "shared" else [f"{PACKAGE}.{page}"]:
            module = importlib.import_module(name)
            app.env.note_dependency(inspect.getsourcefile(module))
            link = f":py:mod:`{name}`" if page == "shared" else f":doc:`{name} <api/{page}>`"
            rows += [f"   * - {link}", f"     - {(module.__doc__ or '').partition(chr(10))[0]}"]
    return "\n".join(["```{eval-rst}", ".. list-table::", "   :header-rows: 1", "", "   * - Module · 模块",
                      "     - What it holds · 内容", *rows, "```"])


def section(name: str, titled: bool = True) -> str:
    """The members of a module; what its package offers under a shorter name stands there, and not twice."""
    module, package = importlib.import_module(name), sys.modules[name.rpartition(".")[0]]
    offered = getattr(package, "__all__", [])
    options = [":members:", ":show-inheritance:", f":exclude-members: {', '.join(offered)}"]
    if package.__dict__.get(name.rpartition(".")[2]) is not module:
        options.append(":no-index:")  # a function of the package has the module's name
    return "\n".join([*([f"## `{name}`", ""] if titled else []), '<div lang="en" class="bi-keep">', "", "```{eval-rst}",
                      f".. automodule:: {name}", *(f"   {option}" for option in options), "```", "", "</div>", ""])


def changed_pages(app: Sphinx, env, added: set[str], changed: set[str], removed: set[str]) -> Iterable[str]:
    """Pages with other modules than in the last build; what their own files say anew, autodoc notes."""
    now, before = pages(), getattr(env, "api_pages", {})
    env.api_pages = now
    different = {page for page in now.keys() | before.keys() if now.get(page) != before.get(page)}
    return {doc for doc in (ENTRY, *(f"{ENTRY}/{page}" for page in different)) if different and doc in env.found_docs}


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


def skip_foreign(app: Sphinx, what: str, name: str, obj, skip: bool, options) -> bool | None:
    """A field whose default is a function of another library is no method of ours."""
    return True if inspect.isroutine(obj) and not (obj.__module__ or PACKAGE).startswith(PACKAGE) else None


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
    app.connect("env-get-outdated", changed_pages)
    app.connect("source-read", list_modules)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-signature", plain_protocols)
    app.connect("autodoc-process-docstring", add_equations, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
