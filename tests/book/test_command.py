"""`python -m tools.text_rules` applies every rule, and fails when one is broken."""
import json

import pytest

from tools.text_rules.__main__ import main, problems

FAULTY = """\
# Heading

<div lang="en">

The posterior of $x$ {cite}`ghost`.

</div>

<div lang="zh">

**隐变量（词）**是 $x$ 的, {cite}`ghost`。

</div>

![a](https://example.org/a.png)
"""


@pytest.fixture
def book(tmp_path):
    cell = {"cell_type": "code", "metadata": {}, "source": "plot(x)", "execution_count": 1,
            "outputs": [{"output_type": "display_data", "data": {"image/png": ""}, "metadata": {}}]}
    for name, content in {"book/a.md": FAULTY, "book/sources.md": "# Sources · 来源\n",
                          "book/notation.md": "(notation-vae)=\n\n| $x$ | |\n|---|---|\n",
                          "book/glossary.md": "| English | 中文 |\n|---|---|\n| posterior | 后验 |\n",
                          "notebooks/a.ipynb": json.dumps({"cells": [cell]})}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


@pytest.mark.parametrize("message", ["a heading must be in both languages", "'posterior' is 后验", "潜变量, not 隐变量",
                                     "bold is not closed", "half-width punctuation", "loads from outside", "cites ghost",
                                     "its caption must be", "the topics (en) must be", "$x$ needs its meaning"])
def test_every_rule_is_applied(book, message):
    assert any(message in fault for fault in problems(book))


def test_the_command_fails_and_can_look_at_one_file(book, capsys):
    assert main([], book) == 1
    capsys.readouterr()
    assert main(["notebooks/a.ipynb"], book) == 1
    assert all(line.startswith("notebooks/a.ipynb") for line in capsys.readouterr().out.splitlines())
    assert main(["book/none.md"], book) == 0
