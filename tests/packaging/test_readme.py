"""README and CONTRIBUTING name commands, files and tags that exist."""

import re

import pytest

from tools.common import ROOT

TARGETS = set(re.findall(r"(?m)^([a-z]+):.*##", (ROOT / "Makefile").read_text("utf-8")))
GUIDES = ["README.md", "CONTRIBUTING.md", "book/instructors.md"]


def missing(text, folder=ROOT):
    """The make targets, tools, pages and files that a guide names and that are not there."""
    code = " ".join(re.findall(r"`[^`\n]+`|^```sh\n.*?^```", text, re.MULTILINE | re.DOTALL))
    targets = {word for line in re.findall(r"\bmake((?: [a-z]+\b(?!=))+)", code) for word in line.split()}
    tools = {f"tools/{name}" for name in re.findall(r"-m tools\.(\w+)", text)}
    links = set(re.findall(r"\]\((?!https?:|#)([^)#]+)\)", text))
    anchors = set(re.findall(r"\]\(#([^)]+)\)", re.sub(r"`[^`]*`", "", text)))
    headings = {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"(?m)^#+ (.+)$", text)}
    absent = {t for t in tools if not ((ROOT / f"{t}.py").exists() or (ROOT / t / "__main__.py").exists())}
    return (targets - TARGETS) | absent | {link for link in links if not (folder / link).exists()} | (anchors - headings)


@pytest.mark.parametrize("guide", GUIDES)
def test_guides_name_what_exists(guide):
    path = ROOT / guide
    assert missing(path.read_text(encoding="utf-8"), path.parent) == set()


def test_map_of_the_repository_is_true():
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Where things are")[1].split("##")[0]
    paths = [p for row in re.findall(r"(?m)^\| (`.*?) \|", table) for p in re.findall(r"`([\w./]+?)(?:<\w+>/)?`", row)]
    assert len(paths) >= 8
    assert [p for p in paths if not (ROOT / p).exists()] == []


@pytest.mark.parametrize(
    "planted",
    ["run `make everything`", "`make book all`", "```sh\nmake nothing  # x\n```", "`-m tools.no_such_tool`", "[a](no/such.md)", "[a](#no-such)"],
)
def test_planted_names_are_found(planted):
    assert missing(planted)


def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.search(r"(?m)^\.PHONY: (.+)$", makefile).group(1).split())
    assert phony == TARGETS
