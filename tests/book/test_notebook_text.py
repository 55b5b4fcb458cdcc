"""Figures of notebooks speak both languages; nothing in a notebook shows raw in Colab."""
import copy
import json
from pathlib import Path

import pytest

from tools.text_rules import notebooks
from tools.text_rules.source import Text

ROOT = Path(__file__).resolve().parents[2]
CAPTION = "The bound and the likelihood while training. · 训练过程中的下界与似然。"
ALT = ("Two rising curves; the lower one stays below the upper one. · "
       "两条上升的曲线，下方的那条始终低于上方的那条，两者逐渐靠近，最终相距很小。")
FIGURE = {
    "cell_type": "code", "execution_count": 1, "source": "plt.plot(x)  # 画图",
    "metadata": {"mystnb": {"figure": {"name": "fig-vae-bound", "caption": CAPTION}, "image": {"alt": ALT}}},
    "outputs": [{"output_type": "display_data", "data": {"image/png": "aGk="}, "metadata": {}},
                {"output_type": "stream", "name": "stdout", "text": "1\n"}],
}


def write(root, *cells):
    path = root / "notebooks" / "vae" / "a.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    return notebooks.problems(root)


def test_the_book_keeps_the_rules():
    assert notebooks.problems(ROOT) == []


def test_an_honest_figure_passes(tmp_path):
    assert write(tmp_path, FIGURE) == []


def test_a_cell_without_a_picture_needs_no_caption(tmp_path):
    cell = FIGURE | {"metadata": {}, "outputs": FIGURE["outputs"][1:]}
    assert write(tmp_path, cell) == []


PLANTED = {
    "no metadata": (lambda c: c["metadata"].clear(), "its caption must be English · 中文"),
    "no alternative text": (lambda c: c["metadata"]["mystnb"].pop("image"), "its alternative text must be"),
    "a caption in English": (lambda c: c["metadata"]["mystnb"]["figure"].update(caption="The bound."), "its caption must be"),
    "no name": (lambda c: c["metadata"]["mystnb"]["figure"].pop("name"), "its figure needs a name"),
    "two pictures": (lambda c: c["outputs"].append(c["outputs"][0]), "shows 2 pictures"),
    "the file's name": (lambda c: c["metadata"]["mystnb"]["image"].update(alt="../build/figure-of-the-bound.png · 图像文件 ../build/figure-of-the-bound.png"),
                        "is no description"),
    "short in English": (lambda c: c["metadata"]["mystnb"]["image"].update(alt=ALT.replace(ALT.split(" · ")[0], "Curves")), "too short"),
    "short in Chinese": (lambda c: c["metadata"]["mystnb"]["image"].update(alt=ALT.split(" · ")[0] + " · 曲线"), "too short"),
    "the caption again": (lambda c: c["metadata"]["mystnb"]["figure"].update(caption=ALT), "repeats its caption"),
    "half of the caption again": (lambda c: c["metadata"]["mystnb"]["figure"].update(caption=ALT.split(" · ")[0] + " · 曲线"),
                                  "repeats its caption"),
    "a Chinese title": (lambda c: c.update(source='plt.title("下界")'), "Chinese in a string of its code"),
    "a Chinese f-string": (lambda c: c.update(source='%matplotlib inline\nplt.title(f"下界 {k}")'), "Chinese in a string"),
}


@pytest.mark.parametrize("spoil, message", PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_named(tmp_path, spoil, message):
    cell = copy.deepcopy(FIGURE)
    spoil(cell)
    found = write(tmp_path, cell)
    assert any(message in fault for fault in found), found


def test_a_name_is_used_once(tmp_path):
    assert any("has the name of cell 0" in fault for fault in write(tmp_path, FIGURE, FIGURE))


@pytest.mark.parametrize("source", ["See {eq}`eq-vae-a`.", ":::{note}\nwords\n:::", ":::\nwords\n:::", "```{note}\nwords\n```",
                                    "(label)=\n# A · 甲", "% a comment", "> {cite}`key`"])
def test_what_shows_raw_in_colab_is_named(source):
    assert "raw in Colab" in notebooks.raw_markup(Text("a.ipynb", source, 0))[0]


@pytest.mark.parametrize("source", ["`{eq}` is code", "```python\n{'a': 1}\n```", "$$\na\n$$ (eq-vae-a)", "[b](#eq-vae-a)",
                                    "```\n:::{note}\n```"])
def test_plain_markdown_passes(source):
    assert notebooks.raw_markup(Text("a.ipynb", source, 0)) == []


def test_plotting_code_of_the_library_has_no_chinese_strings(tmp_path):
    (tmp_path / "gmlib").mkdir()
    (tmp_path / "gmlib" / "plot.py").write_text('import matplotlib\nLABEL = "下界"\n', "utf-8")
    (tmp_path / "gmlib" / "words.py").write_text('HINT = "少了二分之一"\n', "utf-8")
    found = notebooks.problems(tmp_path)
    assert len(found) == 1 and found[0].startswith("gmlib/plot.py")
