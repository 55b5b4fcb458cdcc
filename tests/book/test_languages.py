"""Prose stands in pairs of language blocks; headings, captions and tables hold both languages."""
from pathlib import Path

import pytest

from tools.text_rules.languages import read
from tools.text_rules.source import Text, texts

ROOT = Path(__file__).resolve().parents[2]

GOOD = """\
(ch-vae)=
# 1. Autoencoders · 自编码器

[Open in Colab · 在 Colab 中打开](https://example.org) | [Notes · 讲义](vae.md)

<div lang="en">

The switch says EN or 中文. A bound (证据下界) on $x$:

- one
- two

:::{note}
A hint.
:::

| a | b |
|---|---|
| word | word |

</div>
<div lang="zh">

切换按钮写着 EN 或中文。$x$ 的下界：

- 其一
- [Auto-encoding variational Bayes, a paper](a.md)

:::{note}
提示。
:::

| 甲 | 乙 |
|---|---|
| 词 | 词 |

</div>

$$
a = b
$$ (eq-vae-a)

```python
print("code is shared")
```

| English | 中文 |
|---|---|
| encoder | 编码器 |

| Measure · 量 | $K$ |
|---|---|
| Time · 时间 | 12 |

- [Figures · 图](a.md)
- Sizes · 尺寸

:::{figure} ring.png
:alt: A ring · 一个环

Samples · 样本
:::

:::{admonition} Intuition · 直觉
:class: tip

<div lang="en">

Words.

</div>

<div lang="zh">

文字。

</div>
:::

```{toctree}
other
```
"""
PAIR = '<div lang="en">\n\nOne.\n\n</div>\n\n<div lang="zh">\n\n甲。\n\n</div>\n'
EN, ZH = PAIR.split("\n\n<div lang=\"zh\">")[0] + "\n", '<div lang="zh">\n\n甲。\n\n</div>\n'


def faults(body):
    return read(Text("page.md", body)).faults


def test_the_book_keeps_the_rule():
    assert [fault for text in texts(ROOT) for fault in read(text).faults] == []


def test_an_honest_page_passes():
    assert faults(GOOD) == []


def test_what_both_languages_share_is_read_as_pairs():
    reading = read(Text("page.md", GOOD))
    assert sum(p.shared for p in reading.pairs) == 5        # the heading, two table cells, two list items
    assert sum(not p.shared for p in reading.pairs) == 2    # the page's own blocks, and the admonition's


PLANTED = {
    "English alone": (EN, "followed at once by its Chinese block"),
    "Chinese alone": (ZH, "at once after its English block"),
    "Chinese first": (ZH + "\n" + EN, "at once after its English block"),
    "something between": (EN + "\n$$\na\n$$ (eq-vae-a)\n\n" + ZH, "followed at once"),
    "two English blocks": (EN + "\n" + PAIR, "followed at once"),
    "blank line missing after the tag": (PAIR.replace('"en">\n\n', '"en">\n'), "words in raw HTML"),
    "blank line missing before the end": (PAIR.replace("One.\n\n", "One.\n"), "a blank line is missing"),
    "not closed": (PAIR + '\n<div lang="en">\n\nTwo.\n', "never closed"),
    "closed twice": (PAIR + "\n</div>\n", "closes nothing"),
    "nested": ('<div lang="en">\n\n' + PAIR + "\n</div>\n\n" + ZH, "inside another"),
    "unknown language": (PAIR.replace('"zh"', '"zh-CN"'), "not <div lang="),
    "empty block": (PAIR.replace("甲。\n\n", ""), "an empty language block"),
    "prose outside": (PAIR + "\nStray words here.\n", "prose outside the language blocks"),
    "Chinese prose outside": (PAIR + "\n游离的文字。\n", "prose outside the language blocks"),
    "bilingual prose outside": (PAIR + "\nWords · 文字\n", "prose outside the language blocks"),
    "a list outside": (PAIR + "\n- stray item\n", "prose outside the language blocks"),
    "a quotation outside": (PAIR + "\n> stray words\n", "prose outside the language blocks"),
    "a table cell outside": ("| a · 甲 |\n|---|\n| word |\n", "prose outside the language blocks"),
    "the wrong column with a title": ("| Sense (English) | 含义（中文） |\n|---|---|\n| 编码器 | encoder |\n",
                                      "the wrong language in the column"),
    "the wrong column": ("| English | 中文 |\n|---|---|\n| 编码器 | encoder |\n", "the wrong language in the column"),
    "a note outside": (":::{note}\nwords\n:::\n", "prose outside the language blocks"),
    "a link in one language": ("[Open in Colab](https://example.org)\n", "prose outside the language blocks"),
    "raw HTML": ("<p>words</p>\n", "words in raw HTML"),
    "an English heading": ("# Autoencoders\n", "a heading must be in both languages"),
    "a Chinese heading": ("# 自编码器\n", "a heading must be in both languages"),
    "a heading the wrong way round": ("# 自编码器 · Autoencoders\n", "a heading must be in both languages"),
    "a heading inside": (PAIR.replace("One.", "## One"), "a heading stands inside"),
    "an equation inside": (PAIR.replace("One.", "One.\n\n$$\na\n$$ (eq-vae-a)"), "a displayed equation stands inside"),
    "an English title": (":::{admonition} Intuition\n" + PAIR + ":::\n", "must be English · 中文"),
    "an English caption": (":::{figure} a.png\nA ring.\n:::\n", "must be English · 中文"),
    "an English alternative text": (":::{figure} a.png\n:alt: A ring\n\nA · 甲\n:::\n", "must be English · 中文"),
    "a broken pair in an admonition": (":::{admonition} A · 甲\n" + EN + ":::\n", "followed at once"),
    "Chinese in English": (PAIR.replace("One.", "One 下界."), "Chinese in an English block"),
    "Chinese punctuation in English": (PAIR.replace("One.", "One，two."), "Chinese in an English block"),
    "English in Chinese": (PAIR.replace("甲。", "Nobody translated this line."), "a paragraph without Chinese"),
}


@pytest.mark.parametrize("body, message", PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_named(body, message):
    found = faults(body)
    assert any(message in fault for fault in found), found


def test_the_place_is_right():
    assert faults("# A · 甲\n\n" + PAIR + "\nStray words.\n")[0].startswith("page.md, line 15: ")
    assert read(Text("a.ipynb", "stray words", 3)).faults[0].startswith("a.ipynb, cell 3, line 1: ")
