"""The public address stands in `_config.yml`; all else follows it, and whatever does not is found."""

import shutil
from dataclasses import replace

import nbformat
import pytest

from tools import address
from tools.common import EXERCISES, ROOT, notebooks, tracked

HERE = address.current()
NOTEBOOKS = notebooks()
SITE = ROOT / "_build" / "html"


def texts():
    """What a reader or the build meets; tests may make addresses up."""
    return [p for p in tracked() if p.suffix in address.TEXT and ROOT / "tests" not in p.parents]


def name(path):
    return path.relative_to(ROOT).as_posix()


def wrong(paths, here):
    found = {str(p): list(address.faults(p.read_text(encoding="utf-8"), here)) for p in paths}
    return {path: faults for path, faults in found.items() if faults}


def test_every_file_names_this_address_and_no_other():
    assert len(texts()) > 50
    assert wrong(texts(), HERE) == {}


def test_previous_address_is_the_present_one():
    """`make address` has been run since `_config.yml` was last changed."""
    assert (address.previous().repository, address.previous().site) == (HERE.repository, HERE.site)


def test_citation_follows():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {HERE.version}\n" in text
    assert f'\nrepository-code: "{HERE.repository}"\n' in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_notebook_setup_cell(path):
    nb = nbformat.read(path, as_version=4)
    first = next(cell for cell in nb.cells if cell.cell_type == "code")
    assert "setup" in first.metadata.get("tags", []), "the first code cell carries the tag `setup`"
    assert first.source == HERE.setup_cell()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_notebook_colab_link(path):
    """A notebook opens in Colab from its first cell; an exercise must not: there it would show its solutions."""
    nb = nbformat.read(path, as_version=4)
    link = f"[Open in Colab · 在 Colab 中打开]({HERE.colab(name(path))})"
    if EXERCISES in path.parents:
        assert HERE.colab("") not in path.read_text(encoding="utf-8")
    else:
        assert link in nb.cells[0].source.splitlines()


@pytest.mark.skipif(not SITE.exists(), reason="needs the built site: make book")
def test_built_pages_name_this_address():
    """Launch buttons, edit links and equation marks, as they came out."""
    pages = list(SITE.glob("*.html")) + list(SITE.glob("book/*.html")) + list(SITE.glob("notebooks/**/*.html"))
    assert len(pages) > 3
    for page in pages:
        found = address.faults(page.read_text(encoding="utf-8"), HERE)
        assert not [f for f in found if "colab" in f or "git+" in f], page


GITHUB, COLAB = "https://github" + ".com/", "https://colab.research.google" + ".com/github/"


@pytest.mark.parametrize(
    "planted",
    [
        COLAB + "someone/else/blob/main/notebooks/vae/vae.ipynb",
        COLAB + HERE.slug + "/blob/another/notebooks/vae/vae.ipynb",
        f"git+{HERE.repository}@v9.9.9",
        f"git+{HERE.repository}",
        "git+" + GITHUB + "someone/else@v" + HERE.version,
        GITHUB + "someone/else/issues",
        GITHUB + HERE.slug + "-old",
        "git@github" + ".com:someone/else.git",
        "https://someone.github" + ".io/" + HERE.site.split("/")[-2],
    ],
)
def test_planted_addresses_are_found(planted):
    assert list(address.faults(f'see "{planted}" there', HERE))


@pytest.mark.parametrize(
    "right",
    [HERE.repository, HERE.site, HERE.install, HERE.colab("notebooks/a.ipynb"), HERE.repository + ".git", "github.md"],
)
def test_own_addresses_are_not_found(right):
    assert not list(address.faults(f'see "{right}", and ({right}).', HERE))


@pytest.fixture
def copy(tmp_path):
    """The tracked files that carry an address, as a repository of their own."""
    for path in texts():
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def test_a_new_address_is_written_everywhere(copy, monkeypatch):
    """After a change in `_config.yml` and one `apply`, nothing names the old address, and a second `apply` rests."""
    monkeypatch.setattr(address, "tracked", lambda root: [p for p in root.rglob("*") if p.is_file()])
    config = copy / "_config.yml"
    text = config.read_text(encoding="utf-8").replace(HERE.repository, GITHUB + "reader/book-2")
    config.write_text(text.replace(HERE.site, "https://book.example.org/").replace("branch: main", "branch: trunk"), "utf-8")
    (copy / "gmlib" / "__init__.py").write_text('__version__ = "2.0.1"\n', "utf-8")

    changed = address.apply(copy)
    new = address.current(copy)
    assert new == replace(
        HERE, repository=GITHUB + "reader/book-2", site="https://book.example.org/", branch="trunk", version="2.0.1"
    )
    assert {p.name for p in changed} >= {"pyproject.toml", "CITATION.cff", "README.md", "vae.ipynb"}
    assert wrong([copy / p.relative_to(ROOT) for p in texts()], new) == {}
    assert not [p for p in texts() if HERE.slug in (copy / p.relative_to(ROOT)).read_text(encoding="utf-8")]
    for path in notebooks(copy / "notebooks"):
        assert new.setup_cell() in [c.source for c in nbformat.read(path, as_version=4).cells]
    assert address.apply(copy) == []
