"""A chapter's notebooks are numbered below it, and equations through it, also when only a part is built again."""
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_parser", "sphinx_multitoc_numbering", "chapters"]
myst_enable_extensions = ["dollarmath"]
numfig = math_numfig = True
numfig_secnum_depth = 1
html_theme = "basic"
html_theme_options = {{"globaltoc_collapse": False}}
html_sidebars = {{"**": ["globaltoc.html"]}}
"""
TOCTREE = "```{{toctree}}\n{}\n```\n"
PAGE = "# {0}\n\n## A heading\n\n$$ a $$ (eq-{0}-one)\n\n### Below\n\n$$ b $$ (eq-{0}-two)\n\n{{eq}}`eq-second-two`\n\n"
FILES = {
    "conf.py": CONF,
    "index.md": "# Book\n\n" + TOCTREE.format(":numbered: 1\nalpha") + TOCTREE.format(":numbered: 1\nbeta")
    + TOCTREE.format("reference"),
    "alpha.md": PAGE.format("alpha"),
    "beta.md": PAGE.format("beta") + TOCTREE.format("first\nsecond"),
    "first.md": PAGE.format("first"),
    "second.md": PAGE.format("second"),
    "reference.md": PAGE.format("reference") + TOCTREE.format("names"),
    "names.md": PAGE.format("names"),
}


def build(root) -> str:
    run = subprocess.run([sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-b", "html", root, root / "_build"],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def pages(root) -> dict[str, BeautifulSoup]:
    return {path.stem: BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in (root / "_build").glob("[a-z]*.html")}


def numbers(page) -> tuple[str, ...]:
    """Of the page, its equations, and the last equation that it refers to."""
    title, others = page.h1.find(class_="section-number"), page.select(":is(h2, h3) .section-number")
    assert others == []
    return (title.text.strip() if title else "", *(e.text.strip("()¶") for e in page.select(".eqno")),
            page.select("a.reference.internal[href*='equation-eq-second-two']")[0].text)


def entry(page, name: str) -> str:
    return next(link.text for link in page.select(".sphinxsidebar a") if link.text.endswith(name))


def write(root, **changed: str) -> str:
    """The files with some of them changed, and what Sphinx says while it builds what it must."""
    for name, content in FILES.items():
        text = changed.get(name.partition(".")[0], content)
        if not (root / name).exists() or (root / name).read_text("utf-8") != text:
            (root / name).write_text(text, "utf-8")
    return build(root)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("chapters")
    write(root)
    return root


def test_notebooks_are_numbered_and_headings_are_not(site):
    found = pages(site)
    assert {name: numbers(found[name]) for name in ("alpha", "beta", "first", "second", "reference", "names")} == {
        "alpha": ("1.", "1.1", "1.2", "(2.6)"), "beta": ("2.", "2.1", "2.2", "(2.6)"),
        "first": ("2.1.", "2.3", "2.4", "(2.6)"), "second": ("2.2.", "2.5", "2.6", "(2.6)"),
        "reference": ("", "1", "2", "(2.6)"), "names": ("", "3", "4", "(2.6)")}
    assert entry(found["alpha"], "second") == "2.2. second" and entry(found["alpha"], "names") == "names"


def test_a_change_of_text_writes_one_page(site):
    write(site)
    written = [line.split()[-1] for line in write(site, second=FILES["second.md"] + "\nMore.\n").splitlines()
               if line.startswith("writing output... [")]
    assert "second" in written and "names" not in written


@pytest.mark.parametrize("name, first, second, shown", [
    ("beta", "first", "second", ("second", "2.1. second", "(2.4)")),
    ("index", "alpha", "beta", ("second", "1.2. second", "(1.6)")),
    ("second", "# second", "# renamed", ("renamed", "2.2. renamed", "(2.6)")),
])
def test_a_change_in_one_file_shows_on_every_page(site, name, first, second, shown):
    """Two entries exchanged, or a title: in the contents of pages whose own text is as it was."""
    write(site, **{name: FILES[f"{name}.md"].replace(first, "*").replace(second, first).replace("*", second)})
    ending, link, number = shown
    for page in (pages(site)[name] for name in ("alpha", "first", "names")):
        assert entry(page, ending) == link and numbers(page)[-1] == number
