"""What a chapter's exercises start with: the notebook, the package and the files of the tests, all with one example."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from tools.run_notebooks import made

HEAD = """# Exercises: {en} · 练习：{zh}

<div lang="en">

Exercises on [this chapter](../{slug}/{stem}.ipynb), from a warm-up to a small project.

**How it works.** Write your code where a cell asks for it, then run the check below it, as often as you like. The checker tries \
your function on random inputs and shows the first one on which it fails; if your answer is a mistake that it knows, it tells \
you which. Of numbers worked out on paper it says which are wrong. Put your name into the settings, and the inputs are your own. \
Write each function yourself, from the formula; those of `gmlib.{slug}` are there to compare with.

</div>

<div lang="zh">

关于[本章](../{slug}/{stem}.ipynb)的练习，从热身题到小型项目。

**做法。** 在标明作答的单元格里写代码，再运行下面的检查，次数不限。检查程序用随机输入试你的函数，并给出第一组使它出错的输入；\
如果你的答案是它认识的某种错误，它会直接告诉你是哪一种。对笔算得出的数，它会指出哪几个不对。在设置单元格里填上你的名字，\
输入就是你独有的。每个函数请按公式自己写，`gmlib.{slug}` 里的函数可用来对照。

</div>

| Exercise · 练习 | Minutes · 分钟 | Points · 分值 |
|---|---|---|
| 1. The mean · 平均 | 5 | 2 |"""
SETTINGS = """from gmlib.exercises import check

# your name or number: your inputs follow from it
# 你的姓名或学号，题中的输入由它决定
student = \"\""""
TASK = """## 1. The mean · 平均

<div lang="en">

**Goal.** Show the form of an exercise, until the first real one stands here. **2 points, 5 minutes.**

Return the mean of `x`, shape `(N,)`.

</div>

<div lang="zh">

**目标。** 在写出第一道正式的练习之前，用它示范练习的形式。**2 分，5 分钟。**

返回 `x`（形状 `(N,)`）的平均。

</div>"""
ANSWER = '''def mean(x):
    """The mean of x: one number."""
    ### BEGIN SOLUTION
    total = x.sum()
    count = len(x)
    return total / count
    ### END SOLUTION'''
CHECK = """check("{slug}-mean", mean, student)
### BEGIN HIDDEN TESTS
import sys

for module in [m for m in sys.modules if m.startswith("gmlib.exercises")]:
    del sys.modules[module]
from gmlib.exercises import check  # read from its file: no answer has changed it

check("{slug}-mean", mean, "another student")
### END HIDDEN TESTS"""
PACKAGE = '''"""The exercises of the chapter ``{slug}``: notebooks/exercises/{slug}.ipynb.

Shapes: x is (N,).
"""

from __future__ import annotations

from random import Random
from types import MappingProxyType

from gmlib.exercises.exercise import Exercise, Misconception, specification, table


@specification
def mean(x: list[float]) -> float:
    """The mean of the numbers."""
    return sum(x) / len(x)


def mean_inputs(rng: Random, number: int) -> dict:
    return {{"x": table(rng, 2 + number % 3)}}


MEAN = (
    Misconception("not divided", lambda x: sum(x),
        "This is the sum; it still has to be divided by the number of terms.",
        "这是总和，还要除以项数。"),
)  # fmt: skip

EXERCISES = MappingProxyType({{
    "{slug}-mean": Exercise(mean, mean_inputs, MEAN),
}})  # fmt: skip
'''
RIGHT = '''"""Right answers to each exercise of ``{slug}``, of different shape: tensors, loops, libraries."""

MEAN = (
    lambda x: x.mean(),
    lambda x: x.numpy().mean(),
    lambda x: sum(x.tolist()) / len(x),
)

RIGHT = {{
    "{slug}-mean": MEAN,
}}
'''
WRONG = '''"""Wrong answers to the exercises of ``{slug}``, as students write them, and what is needed to try the notebook."""

# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {{
    ("{slug}-mean", "not divided"): lambda x: x.sum(),
}}

# What students hand in, and what the checker has to say about it: {{name: (source, English, Chinese)}}.
WRONG = {{}}
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("{slug}-mean", "def mean(x):\\n    return x.sum()")
# What is made smaller so that the notebook runs quickly: (what stands there, what instead).
QUICK = ()
'''


def nbgrader(grade_id, **flags):
    """The metadata of a cell that students fill in or that is graded."""
    settings = {"grade": False, "locked": False, "schema_version": 3, "solution": False, "task": False}
    return {"nbgrader": settings | {"grade_id": grade_id} | flags}


def cells(slug, title, stem, address):
    """The cells of the notebook, in nbgrader's source format."""
    en, zh = title.split(" · ")
    check = nbgrader(f"{slug}-mean-check", grade=True, locked=True, points=2)
    return [
        new_markdown_cell(HEAD.format(slug=slug, stem=stem, en=en, zh=zh)),
        new_code_cell(address.setup_cell(), metadata={"tags": ["setup"]}),
        new_code_cell(SETTINGS, metadata={"tags": ["settings"]}),
        new_markdown_cell(TASK),
        new_code_cell(ANSWER, metadata=nbgrader(f"{slug}-mean", solution=True)),
        new_code_cell(CHECK.format(slug=slug), metadata=check),
    ]


def files(slug, title, stem, address):
    """Path below the root, and content, of all that a chapter's exercises start with."""
    name = f"notebooks/exercises/{slug}.ipynb"
    return {
        name: nbformat.writes(made(cells(slug, title, stem, address), name)) + "\n",
        f"gmlib/exercises/{slug}/__init__.py": PACKAGE.format(slug=slug),
        f"tests/exercises/{slug}/answers.py": RIGHT.format(slug=slug),
        f"tests/exercises/{slug}/mistakes.py": WRONG.format(slug=slug),
    }
