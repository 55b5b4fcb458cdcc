"""The book's public address, and all that follows it: `python -m tools.address`.

The address stands in `_config.yml` and the version in `gmlib/__init__.py`. This rewrites whatever names
them elsewhere: setup cells and Colab links of the notebooks, pyproject, CITATION, README, the pages.
What the old address was is read from `pyproject.toml`, which is rewritten last.
"""

import ast
import re
import tomllib
from dataclasses import dataclass

import nbformat
import yaml

from tools.common import EXERCISES, ROOT, notebooks, tracked

COLAB = "https://colab.research.google.com/github/"
TEXT = {".md", ".ipynb", ".toml", ".cff", ".yml", ".yaml", ".py", ".html", ".js", ".css", ".txt", ".bib", ""}
# GitHub repositories of other people, "owner/name", that the book may link to
OTHERS = {"rtqichen/beta-tcvae", "YannDubs/disentangling-vae", "igul222/pixel_rnn"}


@dataclass(frozen=True)
class Address:
    repository: str
    site: str
    branch: str = "main"
    version: str = ""

    @property
    def slug(self):
        return self.repository.removeprefix("https://github.com/")

    @property
    def install(self):
        return f"git+{self.repository}@v{self.version}"

    def colab(self, name):
        return f"{COLAB}{self.slug}/blob/{self.branch}/{name}"

    def setup_cell(self):
        """The first code cell of every notebook: nothing where the library is there, and else our own, fixed."""
        return (
            "# Setup · 准备\n"
            "try:\n"
            "    import gmlib.core\n"
            "except ImportError:\n"
            f'    %pip install -q "generative-models-book @ {self.install}"'
        )


def read_version(root=ROOT):
    for node in ast.parse((root / "gmlib" / "__init__.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__":
            return ast.literal_eval(node.value)
    raise ValueError("gmlib/__init__.py sets no __version__")


def current(root=ROOT):
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    repository = config["repository"]
    return Address(repository["url"].rstrip("/"), config["html"]["baseurl"], repository["branch"], read_version(root))


def previous(root=ROOT):
    urls = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    return Address(urls["Repository"], urls["Homepage"])


def faults(text, here):
    """The places in a text that name another address than `here`, or another version."""
    for found in re.finditer(r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)/blob/([\w.-]+)", text):
        if found.groups() != (here.slug, here.branch):
            yield found.group()
    for found in re.finditer(r"git\+(?:https|ssh)://[^\s\"'\\)>`]+", text):
        if found.group() != here.install:
            yield found.group()
    for found in re.finditer(r"https?://[\w-]+\.github\.io(/[\w.-]+)?", text):
        if not here.site.startswith(found.group()):
            yield found.group()
    for found in re.finditer(r"(?:github|githubusercontent)\.com[/:]([\w-]+/[\w.-]*\w)", text):
        if found.group(1).removesuffix(".git") not in {here.slug, *OTHERS}:
            yield found.group()


def rewrite(text, old, new):
    """A text that named `old` and now names `new`."""
    text = re.sub(rf"git\+{re.escape(old.repository)}@v[\w.]*\w", new.install, text)
    text = re.sub(rf"{re.escape(COLAB + old.slug)}/blob/[\w.-]+/", new.colab(""), text)
    text = re.sub(rf"{re.escape(old.repository)}/(blob|tree|edit)/[\w.-]+/", rf"{new.repository}/\1/{new.branch}/", text)
    text = re.sub(rf"{re.escape(old.repository)}(?![\w.-]*\w)", new.repository, text)
    return text.replace(old.site, new.site)


def rewrite_notebook(path, here, root):
    """Give a notebook the setup cell and the Colab link that are due to it."""
    nb = nbformat.read(path, as_version=4)
    before = nbformat.writes(nb)
    for cell in nb.cells:
        if "setup" in cell.metadata.get("tags", []):
            cell.source = here.setup_cell()
    if EXERCISES.relative_to(ROOT) not in path.relative_to(root).parents:
        link = here.colab(path.relative_to(root).as_posix())
        nb.cells[0].source = re.sub(re.escape(COLAB) + r"[^\s)]*", link, nb.cells[0].source)
    if nbformat.writes(nb) != before:
        nbformat.write(nb, path)
        return True
    return False


def apply(root=ROOT):
    """Rewrite every file that does not follow; returns their paths."""
    old, new, changed = previous(root), current(root), []
    for path in sorted(tracked(root=root), key=lambda p: p.name == "pyproject.toml"):
        if path.suffix not in TEXT or path.name == "_config.yml":
            continue
        text = path.read_text(encoding="utf-8")
        fresh = rewrite(text, old, new)
        if path.name == "CITATION.cff":
            fresh = re.sub(r"(?m)^version: .*$", f"version: {new.version}", fresh)
        if fresh != text:
            path.write_text(fresh, encoding="utf-8")
            changed.append(path)
    changed += [p for p in notebooks(root / "notebooks") if rewrite_notebook(p, new, root)]
    return sorted(set(changed))


def main():
    for path in apply():
        print(f"rewrote {path.relative_to(ROOT)}")
    print(f"Everything follows {current().repository} at version {current().version}.")


if __name__ == "__main__":
    main()
