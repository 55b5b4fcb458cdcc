"""On the site: the mark beside each equation, the lists of all, and references to equations."""
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]

CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_nb", "equations"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
numfig = math_numfig = True
html_theme = "basic"
html_theme_options = {{}}
nb_execution_mode = "off"
root_doc = "book/index"

def setup(app):     # the book's theme has these options; the basic theme would refuse them
    def set_repository(app):
        app.config.html_theme_options = {{"repository_url": "https://github.com/o/r", "repository_branch": "b"}}
    app.connect("builder-inited", set_repository)
"""
FILES = {
    "conf.py": CONF,
    "book/index.md": "# Book · 书\n\n```{toctree}\n:numbered:\nvae\ngan\nequations\nequations/vae\nequations/gan\n```\n",
    "book/vae.md": """\
# VAE · 变分自编码器

Empty: [](#eq-vae-gap). Named: [the *gap*](#eq-vae-gap).

$$
\\log p(x) = L + K
$$ (eq-vae-gap)

$$
p(x) = \\int p(x, z)\\,dz
$$ (eq-vae-marginal)

$$
a = b
$$ (eq-vae-bare)
""",
    "book/gan.md": "# GAN · 生成对抗网络\n\n$$\nV = W\n$$ (eq-gan-value)\n",
    "book/equations.md": "# Lists · 列表\n\nSee [there](vae.md#eq-vae-gap) and [](vae.md#eq-vae-gap).\n\n```{equation-list}\n```\n",
    "book/equations/vae.md": "# Equations: VAE · 公式：VAE\n\n```{equation-list} vae\n```\n",
    "book/equations/gan.md": "# Equations: GAN · 公式：GAN\n\n```{equation-list} gan\n```\n",
    "gmlib/elbo.py": "def gap(bound, kl):\n    return bound + kl  # eq-vae-gap\n",
    "tests/test_gap.py": 'import pytest\n\n@pytest.mark.equation("eq-vae-gap")\ndef test_gap():\n    pass\n',
    "equations.toml": '[eq-vae-marginal]\ndefinition.en = "what it <is>"\ndefinition.zh = "定义如此"\n',
}


def build(root):
    run = subprocess.run([sys.executable, "-m", "sphinx", "-W", "--keep-going", "-b", "html", root, root / "_build"],
                         capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


def page(root, name):
    return BeautifulSoup((root / "_build" / "book" / f"{name}.html").read_text("utf-8"), "html.parser")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")
    status, log = build(root)
    assert status == 0, log
    return root


def mark_of(soup, label):
    mark = soup.find(id=f"equation-{label}").find_next_sibling()
    assert mark.name == "details" and "eq-mark" in mark["class"]
    return mark


def test_the_mark_leads_to_the_test_and_to_the_line(site):
    mark = mark_of(page(site, "vae"), "eq-vae-gap")
    assert [a["href"] for a in mark.find_all("a")] == ["https://github.com/o/r/blob/b/tests/test_gap.py#L4",
                                                      "https://github.com/o/r/blob/b/gmlib/elbo.py#L2"]
    assert [a.text for a in mark.find_all("a")] == ["test_gap", "gap"]


def test_a_definition_gives_its_reason_in_both_languages(site):
    mark = mark_of(page(site, "vae"), "eq-vae-marginal")
    assert "eq-definition" in mark["class"] and not mark.find_all("a")
    assert "what it <is>" in [s.text for s in mark.find_all(lang="en")]
    assert "定义如此" in [s.text for s in mark.find_all(lang="zh-Hans")]


def test_an_unchecked_equation_says_so(site):
    assert "not checked yet" in mark_of(page(site, "vae"), "eq-vae-bare").text


def test_the_mark_is_folded_named_and_needs_no_script(site):
    for mark in page(site, "vae").find_all("details", class_="eq-mark"):
        assert not mark.has_attr("open")
        name = mark.summary.find(class_="eq-name")
        assert re.search(r"\(1\.\d\)", name.find(lang="en").text) and "检验" in name.find(lang="zh-Hans").text
        assert mark.summary.find(class_="eq-sign")["aria-hidden"] == "true"


def test_the_formula_and_its_number_stay_as_they_were(site):
    block = page(site, "vae").find(id="equation-eq-vae-gap")
    assert block.find(class_="eqno").text.startswith("(1.1)") and "L + K" in block.text


def test_a_reference_keeps_its_words_or_shows_the_number(site):
    empty, named = page(site, "vae").find("p").find_all("a")
    assert empty["href"] == named["href"] == "#equation-eq-vae-gap"
    assert empty.text == "(1.1)"
    assert str(named.find("em")) == "<em>gap</em>" and named.text == "the gap" and named["title"] == "(1.1)"


def test_a_reference_may_name_the_file_too(site):
    named, empty = page(site, "equations").find("p").find_all("a")
    assert named["href"] == empty["href"] == "vae.html#equation-eq-vae-gap"
    assert (named.text, empty.text) == ("there", "(1.1)")


def test_the_list_of_a_chapter_has_every_equation_with_its_checks(site):
    entries = page(site, "equations/vae").find_all(class_="eq-entry")
    assert [e.find("code").text for e in entries] == ["eq-vae-gap", "eq-vae-marginal", "eq-vae-bare"]
    assert entries[0].find("a")["href"] == "../vae.html#equation-eq-vae-gap"
    assert "L + K" in entries[0].find(class_="math").text
    assert "test_gap" in entries[0].find(class_="eq-checks").text


def test_the_first_page_counts_and_leads_to_the_lists(site):
    rows = [[cell.text for cell in row.find_all("td")] for row in page(site, "equations").select("tbody tr")]
    assert rows == [["VAE · 变分自编码器", "3", "1", "1"], ["GAN · 生成对抗网络", "1", "0", "0"]]
    assert [a["href"] for a in page(site, "equations").select("tbody a")] == ["equations/vae.html", "equations/gan.html"]


def test_a_mark_follows_its_test_when_only_the_test_changes(site):
    """And no page of another chapter is read again."""
    test = site / "tests" / "test_gap.py"
    test.write_text("# one line more\n" + test.read_text("utf-8"), "utf-8")
    status, log = build(site)
    assert status == 0
    for name in ("vae", "equations/vae"):
        assert "tests/test_gap.py#L5" in str(page(site, name))
    assert set(re.findall(r"reading sources\.\.\. \[[ \d]+%\] (\S+)", log)) == {"book/vae", "book/equations", "book/equations/vae"}


def test_a_chapter_without_a_list_is_a_warning(site):
    page = site / "book" / "gan.md"
    before = page.read_text("utf-8")
    page.write_text(before.replace("gan", "flows"), "utf-8")
    status, log = build(site)
    page.write_text(before, "utf-8")
    assert status == 1 and "equations/flows.md" in log


@pytest.mark.parametrize("target", ["#eq-vae-ghost", "equations.md#eq-vae-gap"])
def test_a_reference_to_no_equation_is_a_warning(site, target):
    bad = site / "book" / "vae.md"
    before = bad.read_text("utf-8")
    bad.write_text(f"{before}\n[]({target})\n", "utf-8")
    status, log = build(site)
    bad.write_text(before, "utf-8")
    assert status == 1 and target.split("#")[1] in log
