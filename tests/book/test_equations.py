"""Each displayed equation has a check that ran against its present text; each fault of that is caught."""
import json
import textwrap
from pathlib import Path

import pytest

from tools import equations

ROOT = Path(__file__).resolve().parents[2]

PAGE = """\
# VAE · 变分自编码器

$$
p(x) = \\int p(x, z)\\,dz
$$ (eq-vae-marginal)

:::{note}
$$
\\log p(x) = L + K
$$ (eq-vae-gap)
:::
"""
CODE = '''\
"""Code of eq-vae-gap."""

class Model:
    def gap(self, bound, kl):
        text = "# not a mark"
        return bound + kl  # eq-vae-gap
'''
TESTS = """\
import pytest

@pytest.mark.equation("eq-vae-gap", "eq-vae-kl")
def test_gap():
    assert True
"""
REGISTRY = """\
[eq-vae-marginal]
definition.en = "it says what the marginal is"
definition.zh = "边缘分布的定义"
"""


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "markdown", "metadata": {}, "source": c.splitlines(True)} for c in cells],
                       "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def book(tmp_path):
    """A small book without fault, and a way to change a file of it."""
    files = {"book/vae.md": PAGE, "gmlib/vae/elbo.py": CODE, "tests/vae/test_gap.py": TESTS, "equations.toml": REGISTRY,
             "notebooks/vae/a.ipynb": notebook("# A · 甲", "$$\nK \\ge 0\n$$ (eq-vae-kl)")}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    equations.confirm(tmp_path, sorted(equations.scan(tmp_path).labels))
    return tmp_path


def change(root, name, old, new):
    path = root / name
    content = path.read_text("utf-8")
    assert old in content
    path.write_text(content.replace(old, new), "utf-8")


def test_the_book_has_no_fault():
    assert equations.problems(equations.scan(ROOT)) == []


def test_the_scan_finds_every_place(book):
    found = equations.scan(book)
    assert [(e.label, str(e)) for e in found.equations] == [
        ("eq-vae-marginal", "book/vae.md, line 3"), ("eq-vae-gap", "book/vae.md, line 8"),
        ("eq-vae-kl", "notebooks/vae/a.ipynb, cell 1, line 1")]
    assert [(str(m), m.name) for m in found.code_of("eq-vae-gap")] == [("gmlib/vae/elbo.py:6", "Model.gap")]
    assert [(str(m), m.name) for m in found.checks_of("eq-vae-kl")] == [("tests/vae/test_gap.py:4", "test_gap")]
    assert found.definition_of("eq-vae-marginal")["zh"] == "边缘分布的定义"
    assert equations.problems(found) == []


PLANTED = {
    "no label": ("book/vae.md", "$$ (eq-vae-gap)", "$$", "has no label"),
    "no label, inline": ("book/vae.md", "# VAE", "Text with $$a=b$$ in it.\n\n# VAE", "has no label"),
    "no label, align": ("book/vae.md", "# VAE", "\\begin{align}a\\end{align}\n\n# VAE", "has no label"),
    "no label, directive": ("book/vae.md", "# VAE", "```{math}\na=b\n```\n\n# VAE", "has no label"),
    "label twice": ("book/vae.md", "eq-vae-gap", "eq-vae-kl", "used 2 times"),
    "odd label": ("book/vae.md", "eq-vae-gap", "gap", "not of the form"),
    "unknown chapter": ("book/vae.md", "(eq-vae-gap)", "(eq-vea-gap)", "names no chapter"),
    "no check": ("tests/vae/test_gap.py", '"eq-vae-gap", ', "", "eq-vae-gap: no test checks it"),
    "no reason": ("equations.toml", "[eq-vae-marginal]", "[eq-vae-other]", "eq-vae-marginal: no test checks it"),
    "reason in one language": ("equations.toml", "边缘分布的定义", "the same", "in both languages"),
    "check of nothing": ("tests/vae/test_gap.py", "eq-vae-kl", "eq-vae-ghost", "checks eq-vae-ghost"),
    "check that may not run": ("tests/vae/test_gap.py", "def ", "@pytest.mark.skip\ndef ", "may never run (skip)"),
    "check on the GPU only": ("tests/vae/test_gap.py", "def ", "@pytest.mark.gpu\ndef ", "may never run (gpu)"),
    "check not collected": ("tests/vae/test_gap.py", "test_gap", "gap", "does not collect"),
    "check of a variable": ("tests/vae/test_gap.py", '"eq-vae-kl"', "LABEL", "as plain strings"),
    "check of a module": ("tests/vae/test_gap.py", "@pytest", "pytestmark = pytest.mark.equation('eq-vae-kl')\n@pytest",
                          "must be a decorator"),
    "line of nothing": ("gmlib/vae/elbo.py", "  # eq-vae-gap", "  # eq-vae-ghost", "names eq-vae-ghost"),
    "docstring of nothing": ("gmlib/vae/elbo.py", "of eq-vae-gap", "of eq-vae-ghost", "names eq-vae-ghost"),
    "mark on no code": ("gmlib/vae/elbo.py", "return", "# eq-vae-gap\n        return", "a line without code"),
    "changed equation": ("book/vae.md", "L + K", "L - K", "eq-vae-gap has changed"),
    "changed in a notebook": ("notebooks/vae/a.ipynb", "ge 0", "le 0", "eq-vae-kl has changed"),
    "never confirmed": ("equations.toml", "[eq-vae-kl]\nsha", "[eq-vae-kl]\nother", "eq-vae-kl has never been confirmed"),
    "registered, not displayed": ("equations.toml", "[eq-vae-kl]", "[eq-vae-ghost]", "eq-vae-ghost is in the registry"),
}


@pytest.mark.parametrize("name, old, new, message", PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_named(book, name, old, new, message):
    change(book, name, old, new)
    assert any(message in problem for problem in equations.problems(equations.scan(book)))


def test_white_space_is_no_change(book):
    change(book, "book/vae.md", "L + K", "L  +\n  K")
    assert equations.problems(equations.scan(book)) == []


def test_the_command_lists_confirms_and_fails(book, capsys):
    assert equations.main([], book) == 0
    change(book, "book/vae.md", "L + K", "K + L")
    assert equations.main([], book) == 1
    assert "eq-vae-gap has changed" in capsys.readouterr().err
    assert equations.main(["confirm", "eq-vae-gap"], book) == 0
    assert capsys.readouterr().out.split() == ["confirmed", "eq-vae-gap"]
    assert equations.main([], book) == 0
    with pytest.raises(SystemExit):
        equations.main(["confirm", "eq-vae-ghost"], book)


def test_the_command_lists_what_is_asked_for(book, capsys):
    assert equations.main(["list", "eq-vae-ga"], book) == 0
    said = capsys.readouterr().out
    assert "eq-vae-gap" in said and "eq-vae-kl" not in said.replace("eq-vae-gap", "")


def test_confirming_does_not_hide_that_a_check_is_missing(book, capsys):
    (book / "book" / "vae.md").write_text((book / "book" / "vae.md").read_text("utf-8") + "\n$$ a = b $$ (eq-vae-new)\n", "utf-8")
    assert equations.main(["confirm", "eq-vae-new"], book) == 0
    assert "but: eq-vae-new: no test checks it" in capsys.readouterr().err


def test_confirming_one_keeps_the_others_and_the_reasons(book):
    change(book, "book/vae.md", "L + K", "K + L")
    change(book, "notebooks/vae/a.ipynb", "ge 0", "le 0")
    equations.confirm(book, ["eq-vae-gap"])
    assert [p.split(": ")[1][:9] for p in equations.problems(equations.scan(book))] == ["eq-vae-kl"]
    assert equations.scan(book).definition_of("eq-vae-marginal")["en"] == "it says what the marginal is"


def test_a_mark_in_a_string_is_none(book):
    (book / "gmlib" / "strings.py").write_text(textwrap.dedent('''
        TEXT = """
        x = 1  # eq-vae-gap
        """
    '''), "utf-8")
    assert len(equations.scan(book).code_of("eq-vae-gap")) == 1
