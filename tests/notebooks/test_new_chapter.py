"""A chapter begun with `tools.new_chapter` starts right: link, setup cell, both languages, clean notebook."""

import nbformat
import pytest

from tools import address, new_chapter
from tools.run_notebooks import clean, read

TITLE = "Generative adversarial networks · 生成对抗网络"


@pytest.fixture
def begun(tmp_path):
    new_chapter.main(["gan", TITLE], tmp_path)
    return tmp_path


def test_it_says_what_the_contents_need(tmp_path, capsys):
    new_chapter.main(["gan", TITLE], tmp_path)
    said = capsys.readouterr().out
    assert "      - file: book/gan\n        sections:\n          - file: notebooks/gan/gan\n" in said
    assert (tmp_path / "book/gan.md").read_text("utf-8").startswith(f"(ch-gan)=\n# {TITLE}\n")


def test_it_writes_every_part(begun):
    found = {p.relative_to(begun).as_posix() for p in begun.rglob("*") if p.is_file()}
    tests, pages = {"tests/gan/test_gan.py", "tests/gan/planted.toml"}, {"book/api/gan.md", "book/equations/gan.md"}
    assert found == {"book/gan.md", "notebooks/gan/gan.ipynb", "gmlib/gan/__init__.py", *tests, *pages}
    assert (begun / "book/equations/gan.md").read_text("utf-8").startswith(
        "# Equations: Generative adversarial networks · 公式：生成对抗网络\n")


def test_the_notebook_follows_the_address(begun):
    path, here = begun / "notebooks/gan/gan.ipynb", address.current()
    nb = read(path)
    assert nb.cells[0].source.splitlines()[0] == f"# {TITLE}"
    assert here.colab("notebooks/gan/gan.ipynb") in nb.cells[0].source
    assert [c.source for c in nb.cells if "setup" in c.metadata.get("tags", [])] == [here.setup_cell()]
    assert clean(read(path), path.name) == nb
    nbformat.validate(nb)


def test_a_second_notebook_leaves_the_rest_alone(begun):
    (begun / "book/gan.md").write_text("written since")
    new_chapter.main(["gan", "Wasserstein distance · Wasserstein 距离", "wasserstein"], begun)
    assert (begun / "book/gan.md").read_text() == "written since"
    assert (begun / "notebooks/gan/wasserstein.ipynb").exists()


@pytest.mark.parametrize("arguments", [["gan", "English only"], ["not a slug", TITLE]])
def test_bad_names_are_refused(tmp_path, arguments):
    with pytest.raises(SystemExit):
        new_chapter.main(arguments, tmp_path)
    assert not any(tmp_path.iterdir())
