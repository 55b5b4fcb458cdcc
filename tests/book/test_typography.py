"""Chinese is set as Chinese is set."""
from pathlib import Path

import pytest

from tools.text_rules import typography
from tools.text_rules.languages import read
from tools.text_rules.source import Text, texts

ROOT = Path(__file__).resolve().parents[2]


def problems(zh, en="Words."):
    body = f'<div lang="en">\n\n{en}\n\n</div>\n\n<div lang="zh">\n\n{zh}\n\n</div>\n'
    return typography.problems(read(Text("page.md", body)))


def test_the_book_keeps_the_rule():
    assert [problem for text in texts(ROOT) for problem in typography.problems(read(text))] == []


@pytest.mark.parametrize("zh", [
    "**粗体（词）** 是粗体，**粗体**是粗体。",
    "取 $K=1, 10$（共 2 个）：见 `a, b`；比例为 0.5，版本 1.2.3。",
    "作者 Kingma, Welling 与 Rezende (2014) 提出“变分”方法。",
    "- 其一\n- 其二\n\n另起一段。",
    "见[下界](#eq-vae-elbo)。",
])
def test_honest_chinese_passes(zh):
    assert problems(zh) == []


@pytest.mark.parametrize("zh, message", [
    ("**粗体（词）**是粗体。", "bold is not closed"),
    ("先验,后验。", "half-width punctuation"),
    ("先验, 后验。", "half-width punctuation"),
    ("先验是 $p$, 后验是 $q$。", "half-width punctuation"),
    ("如下: $p$。", "half-width punctuation"),
    ("到此为止.", "half-width punctuation"),
    ("对吗?", "half-width punctuation"),
    ("（甲）; $p$。", "half-width punctuation"),
    ("下界(证据)。", "half-width parentheses"),
    ("下界(bound)。", "half-width parentheses"),
    ('称为"下界"。', "straight quotation marks"),
    ("第一行\n第二行。", "stands on one line"),
    ("- 第一行\n  第二行。", "stands on one line"),
])
def test_a_planted_slip_is_named(zh, message):
    found = problems(zh)
    assert len(found) == 1 and message in found[0], found


def test_english_bold_and_shared_headings_too():
    assert "bold is not closed" in problems("好。", en="A **(bold)**word.")[0]
    assert "half-width" in typography.problems(read(Text("page.md", "# Prior, posterior · 先验, 后验")))[0]
