"""The two languages of a pair have the same formulas, citations, links and numbers."""
from pathlib import Path

import pytest

from tools.text_rules import pairs
from tools.text_rules.languages import read
from tools.text_rules.source import Text, texts

ROOT = Path(__file__).resolve().parents[2]
EN = "With $q(z \\mid x)$ and $p$ {cite}`kingma2014,rezende2014`, see [the bound](#eq-vae-elbo), {ref}`here <ch-a>`: 10,000 of 2."
ZH = "{ref}`此处 <ch-a>`：见[下界](#eq-vae-elbo) {cite}`rezende2014,kingma2014`，有 $p$ 与 $q(z\\mid x)$；10000 个中的 2 个。"


def problems(en, zh):
    body = f'<div lang="en">\n\n{en}\n\n</div>\n\n<div lang="zh">\n\n{zh}\n\n</div>\n'
    return pairs.problems(read(Text("page.md", body)))


def test_the_book_keeps_the_rule():
    assert [problem for text in texts(ROOT) for problem in pairs.problems(read(text))] == []


def test_order_spaces_and_wording_are_free():
    assert problems(EN, ZH) == []


@pytest.mark.parametrize("old, new, message", [
    ("$p$", "", "the formulas of the two languages differ; only in English: 'p'"),
    ("$p$", "$q$", "the formulas of the two languages differ; only in English: 'p'; only in Chinese: 'q'"),
    ("$p$", "$p$ $p$", "the formulas of the two languages differ; only in Chinese: 'p'"),
    (",kingma2014", "", "the citations of the two languages differ; only in English: 'kingma2014'"),
    ("#eq-vae-elbo", "#eq-vae-kl", "only in Chinese: '#eq-vae-kl'"),
    ("ch-a", "ch-b", "only in Chinese: '{ref} ch-b'"),
    ("10000", "1000", "the numbers of the two languages differ; only in English: '10000'; only in Chinese: '1000'"),
])
def test_a_planted_difference_is_named(old, new, message):
    assert old in ZH
    found = problems(EN, ZH.replace(old, new))
    assert len(found) == 1 and message in found[0]


def test_headings_are_compared_but_their_section_number_is_shared():
    assert pairs.problems(read(Text("page.md", "## 2. The $z$ of 3 · 3 的 $z$"))) == []
    assert pairs.problems(read(Text("page.md", "- [Figures · 图](a.md)"))) == []
    assert "only in Chinese: 'x'" in pairs.problems(read(Text("page.md", "## The $z$ · 关于 $x$")))[0]


@pytest.mark.parametrize("words, expected", [
    ("in 2014, 10,000 of 0.5", ["2014", "10000", "0.5"]),
    ("the 2nd of the 1990s", ["2", "1990"]),
    ("float64, 2D, 8x8, v0.1.0, W1, 10D", []),
    ("2014年第2版", ["2014", "2"]),
])
def test_what_counts_as_a_number(words, expected):
    reading = read(Text("page.md", f'<div lang="en">\n\n{words}\n\n</div>\n\n<div lang="zh">\n\n无\n\n</div>'))
    assert sorted(pairs.numbers(reading.pairs[0].en).elements()) == sorted(expected)
