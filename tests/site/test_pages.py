"""What surrounds the text: the map of the site, social previews, the programming interface, the references."""
from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from functools import lru_cache
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def config(request):
    return yaml.safe_load((request.config.rootpath / "_config.yml").read_text("utf-8"))


def soup(site, page: str) -> BeautifulSoup:
    return parsed(site.root / page)


@lru_cache(maxsize=256)
def parsed(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


@lru_cache(maxsize=256)
def written(path: Path) -> str:
    return path.read_text("utf-8")


def test_sitemap_lists_every_page(book, config):
    tree = ElementTree.parse(book.root / "sitemap.xml")
    listed = {e.text.removeprefix(config["html"]["baseurl"]) for e in tree.findall(".//{*}loc")}
    assert listed == set(book.pages) - {"404.html", "search.html"}


def test_every_page_has_a_preview_and_a_canonical_address(book, config):
    for page in set(book.pages) - {"404.html", "search.html"}:
        head = BeautifulSoup((book.root / page).read_text("utf-8").partition("</head>")[0], "html.parser").head
        properties = {m["property"]: m["content"] for m in head.select("meta[property]")}
        assert properties["og:url"] == head.select_one("link[rel=canonical]")["href"] == config["html"]["baseurl"] + page
        assert properties["og:title"] == re.sub(r" — Generative Models.*", "", head.title.string), page
        assert len(properties["og:description"]) > 20, page


def test_no_address_in_a_page_stands_twice(book):
    for page in book.pages:
        ids = re.findall(r'<[a-z][^<>]*\sid="([^"]+)"', (book.root / page).read_text("utf-8"))
        assert len(ids) > 5 and {name for name in ids if ids.count(name) > 1} == set(), page


def test_notebooks_are_saved_and_not_shown(book):
    """The page's own by the button, the students' version by the text: static hosts serve both as JSON."""
    own = students = 0
    for page in book.pages:
        for tag in re.findall(r'<a [^<>]*href="[^":]*\.ipynb"[^<>]*>', (book.root / page).read_text("utf-8")):
            link = BeautifulSoup(tag, "html.parser").a
            assert "download" in link.attrs and "target" not in link.attrs, (page, tag)
            assert (book.root / page).parent.joinpath(link["href"]).is_file(), (page, tag)
            own, students = own + ("_sources/" in link["href"]), students + ("assignments/" in link["href"])
    assert own > 10 and students > 10


def test_preview_has_the_opening_in_both_languages(sample):
    description = soup(sample, "book/blocks.html").select_one("meta[name=description]")["content"]
    assert description.startswith("A latent variable model explains data x through an unobserved z with prior p(z).")
    assert "潜变量模型通过未观测的变量 z（先验为 p(z)）来解释数据 x" in description


def test_first_address_leads_to_the_first_page(visit, book):
    tab = visit(book)
    tab.page.goto(book.url(""))
    tab.page.wait_for_url("**/book/index.html")
    root = soup(book, "index.html")
    assert root.html["lang"] and root.select_one("meta[property='og:description']")["content"]


def interface(book) -> dict[str, BeautifulSoup]:
    """The pages of the programming interface."""
    return {page: soup(book, page) for page in book.pages if page.startswith("book/api/")}


def test_functions_link_to_their_lines(book, config, request):
    """Each link names a file of this repository and the lines where the function stands."""
    entries = [entry for page in interface(book).values() for entry in page.select("dl.py > dt.sig[id]")]
    base = f'{config["repository"]["url"]}/blob/{config["repository"]["branch"]}/'
    assert len(entries) > 20
    for entry in entries:
        if "data" in entry.parent["class"] or "attribute" in entry.parent["class"]:
            continue
        link = entry.select_one("a[href*='/blob/']")
        assert link is not None, entry["id"]
        path, start, _ = re.fullmatch(re.escape(base) + r"(gmlib/[\w/]+\.py)#L(\d+)-L(\d+)", link["href"]).groups()
        lines = (request.config.rootpath / path).read_text("utf-8").splitlines()
        name = entry["id"].rpartition(".")[2]
        assert any(name in line for line in lines[int(start) - 1:int(start) + 4]), entry["id"]


def test_functions_link_to_their_equations(book):
    links = [(page, link["href"]) for page, parts in interface(book).items()
             for link in parts.select("dl.field-list a[href*='#equation-eq-']")]
    assert links
    for page, link in links:
        target, _, anchor = link.partition("#")
        assert f' id="{anchor}"' in written((book.root / page).parent.joinpath(target).resolve()), link


def test_every_module_is_listed(book, request):
    headings = [h.code.get_text() for page in interface(book).values() for h in page.select("h1, h2") if h.code]
    files = (p.relative_to(request.config.rootpath) for p in (request.config.rootpath / "gmlib").rglob("*.py"))
    modules = {".".join(p.with_suffix("").parts).removesuffix(".__init__") for p in files
               if not p.stem.startswith("_") or p.stem == "__init__"} - {"gmlib"}
    assert sorted(headings) == sorted(modules)


def test_references_are_cited_by_author_and_year(sample):
    link = soup(sample, "book/blocks.html").select_one("a[href*='references.html#']")
    assert link.get_text() == "2014" and "Doe and Roe" in link.parent.get_text()
    entry = soup(sample, "book/references.html").select_one(".citation")
    assert entry.get_text().strip().startswith("Jane Doe and Richard Roe") and entry["lang"] == "en"
