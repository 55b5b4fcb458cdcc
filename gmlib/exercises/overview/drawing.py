"""The exercise of the chapter ``overview`` on conditional draws, from a classifier and draws of the marginal.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.overview`. Shapes: posterior is (S, C), the classes'
probabilities at each of S draws; c is one class, numbered from 0.
"""

from __future__ import annotations

from math import exp, log
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


def softmax(scores: Vector) -> Vector:
    return [exp(s) / sum(map(exp, scores)) for s in scores]


@specification
def conditional_weights(posterior: Matrix, c: int) -> Vector:
    """The weights of draws from p(x) that make them stand for p(x | y=c): p(c | x) over its sum."""
    of_class = [row[c] for row in posterior]
    return [p / sum(of_class) for p in of_class]


def conditional_weights_inputs(rng: Random, number: int) -> dict:
    """Draws of which some, and not all, have c as their most likely class."""
    S, C = 4 + number % 5, 2 + number % 3
    while True:
        posterior, c = [softmax(table(rng, C)) for _ in range(S)], rng.randrange(C)
        if 0 < sum(row[c] == max(row) for row in posterior) < S:
            return {"posterior": posterior, "c": c}


def column(function):
    """Apply a function to the probability of class c, of each draw, and to whether c is its most likely class."""

    def wrong(posterior, c):
        of_class = [row[int(c)] for row in posterior]
        return function(of_class, [p == max(row) for p, row in zip(of_class, posterior)])

    return wrong


def share(values: Vector) -> Vector:
    return [v / sum(values) for v in values]


CONDITIONAL_WEIGHTS = (
    Misconception("label filter", column(lambda p, first: share(first)),
        "Kept are the draws whose most likely class is c, and no others; p(x | y) reaches also to where another class "
        "is more likely.",
        "这里只保留了最可能类别为 c 的样本；而 p(x | y) 也伸展到另一类别更可能的地方。"),
    Misconception("filtered and weighted", column(lambda p, first: share([v * f for v, f in zip(p, first)])),
        "The weights are right for the draws whose most likely class is c; the others have a weight too.",
        "最可能类别为 c 的样本，权重之比是对的；但其余样本也有权重。"),
    Misconception("not normalised", column(lambda p, first: p),
        "These are in the right proportion; but weights that stand for a distribution sum to one.",
        "比例是对的；但代表一个分布的权重之和应为 1。"),
    Misconception("divided by the number of draws", column(lambda p, first: [v / len(p) for v in p]),
        "Divided by the number of draws, their sum is an estimate of p(y=c) and not one.",
        "除以样本个数之后，其和是 p(y=c) 的估计，而不是 1。"),
    Misconception("acceptance probability", column(lambda p, first: [v / max(p) for v in p]),
        "The largest is one: these are probabilities of accepting a draw, not weights.",
        "最大的等于 1：这是接受样本的概率，不是权重。"),
    Misconception("marginal", column(lambda p, first: [1 / len(p) for _ in p]),
        "All draws weigh alike, so they still stand for p(x): the classifier was not asked.",
        "所有样本权重相同，代表的仍是 p(x)：没有用到分类器。"),
    Misconception("softmax of probabilities", column(lambda p, first: softmax(p)),
        "A softmax was taken of probabilities; they are no scores, and are only to be divided by their sum.",
        "对概率取了 softmax；概率不是打分，只需除以它们的和。"),
    Misconception("classes counted from one", lambda posterior, c: share([row[int(c) - 1] for row in posterior]),
        "This is the column before: the classes are numbered from 0.",
        "取成了前一列：类别从 0 开始编号。"),
    Misconception("all classes", lambda posterior, c: [list(row) for row in zip(*map(share, zip(*posterior)))],
        "These are the weights for every class; those for class c are asked for.",
        "这是所有类别的权重；要求的只是类别 c 的。"),
    Misconception("logarithms", column(lambda p, first: share([log(v) for v in p])),
        "Logarithms of probabilities were normalised; weights are in proportion to the probabilities themselves.",
        "归一化的是概率的对数；权重应与概率本身成正比。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "overview-conditional-weights": Exercise(conditional_weights, conditional_weights_inputs, CONDITIONAL_WEIGHTS),
}
