"""A term of the glossary is translated as the glossary gives it."""
from pathlib import Path

import pytest

from tools.text_rules import glossary
from tools.text_rules.languages import read
from tools.text_rules.source import Text, texts

ROOT = Path(__file__).resolve().parents[2]
TABLE = """\
| English | 中文 |
|---|---|
| posterior | 后验 |
| posterior collapse | 后验坍缩 |
| prior | 先验 |
| evidence lower bound (ELBO) | 证据下界 |
| evidence (marginal likelihood) | 证据（边缘似然） |
| forward / reverse process | 前向过程 / 反向过程 |
| Markov chain, chain | 马尔可夫链 |
| (differential) entropy | （微分）熵 |
| KL divergence | KL 散度 |
| normalizing flow | 归一化流 |
| reparameterisation trick | 重参数化技巧 / 重参数化 |
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    page = tmp_path_factory.mktemp("book") / "glossary.md"
    page.write_text(TABLE, "utf-8")
    return glossary.terms(glossary.rows(page))


def problems(en, zh, known):
    body = f'<div lang="en">\n\n{en}\n\n</div>\n\n<div lang="zh">\n\n{zh}\n\n</div>\n'
    return glossary.problems(read(Text("page.md", body)), known)


def test_the_book_keeps_the_rule():
    ours = glossary.terms(glossary.rows(ROOT / "book" / "glossary.md"))
    assert len(ours) > 60
    assert [problem for text in texts(ROOT) for problem in glossary.problems(read(text), ours)] == []


HONEST = [
    ("The posterior is exact.", "后验是精确的。"),
    ("Posteriors differ.", "各后验不同。"),
    ("Posterior collapse is bad.", "后验坍缩不好。"),
    ("The *evidence lower\nbound* (ELBO).", "**证据下界**（ELBO）。"),
    ("The ELBO rises.", "ELBO 上升。"),
    ("The marginal likelihood.", "边缘似然。"),
    ("Its entropy.", "它的熵。"),
    ("The differential entropy.", "微分熵。"),
    ("KL divergences.", "各个 KL散度。"),
    ("Normalising flows.", "归一化流。"),
    ("The reparameterization trick.", "重参数化。"),
    ("Two Markov chains.", "两条马尔可夫链。"),
    ("Prior to this, `prior` was code.", "在此之前。"),
    ("A posteriori and subposterior.", "无关的词。"),
    ("Standard procedure.", "标准化流程。"),
    ("Run the next cell.", "运行下一个单元格。"),
    ("A hidden unit.", "一个隐藏单元。"),
    ("This cell trains 8 hidden units.", "这个单元格训练 8 个隐藏单元。"),
    ("The memory cell of an LSTM.", "LSTM 的记忆单元。"),
    ("It is your task.", "这是你的责任。"),
]


@pytest.mark.parametrize("en, zh", HONEST)
def test_honest_text_passes(en, zh, known):
    assert problems(en, zh, known) == []


PLANTED = [
    ("The posterior is exact.", "事后概率是精确的。", "'posterior' is 后验"),
    ("Posterior collapse.", "后验消失。", "'posterior collapse' is 后验坍缩"),
    ("Evidence lower bounds.", "变分界。", "'evidence lower bound' is 证据下界"),
    ("A forward process.", "反向过程。", "'forward' is 前向过程"),
    ("Normalising flows.", "流模型。", "'normalizing flow' is 归一化流"),
    ("Markov\nchains.", "马氏链。", "'markov chain' is 马尔可夫链"),
    ("A latent.", "隐变量。", "the book says 潜变量, not 隐变量"),
    ("A codebook.", "编码本。", "the book says 码本, not 编码本"),
    ("A bound.", "变分 下界。", "the book says 证据下界, not 变分下界"),
    ("A flow.", "标准化流。", "the book says 归一化流, not 标准化流"),
    ("The sum rule.", "加法法则。", "the book says 求和法则, not 加法法则"),
    ("AODE.", "平均一依赖估计器。", "the book says 平均独依赖, not 平均一依赖"),
    ("Responsibilities.", "各个责任。", "the book says 响应度, not 责任"),
    ("Run the next cell.", "运行下一个单元。", "the book says 单元格, not 单元"),
    ("Two settings cells.", "两个设置单元。", "the book says 单元格, not 单元"),
]


@pytest.mark.parametrize("en, zh, message", PLANTED)
def test_a_planted_translation_is_named(en, zh, message, known):
    found = problems(en, zh, known)
    assert len(found) == 1 and message in found[0], found


@pytest.mark.parametrize("english, chinese", [("sum rule", "求和法则"), ("responsibility", "响应度"), ("cell of a notebook", "单元格"),
                                              ("averaged one-dependence estimators", "平均独依赖估计器（AODE）")])
def test_the_books_own_rows(english, chinese):
    assert (english, chinese) in glossary.rows(ROOT / "book" / "glossary.md")


def test_headings_are_held_to_the_glossary(known):
    assert "后验" in glossary.problems(read(Text("page.md", "## The posterior · 事后概率")), known)[0]
