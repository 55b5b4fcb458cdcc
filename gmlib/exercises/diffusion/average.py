"""The exercise of the chapter ``diffusion`` on the average of weights, in which a bug is to be found.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.diffusion`. Weights w are (K + 1, P): row 0 before training, row k
after step k.
"""

from __future__ import annotations

from math import exp
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


def warm(k: int) -> float:
    return (1 + k) / (10 + k)


@specification
def average(w: Matrix, decay: float) -> Vector:
    """From w_0 on: d a + (1 - d) w_k, with d the smaller of decay and (1 + k) / (10 + k)."""
    a = w[0]
    for k in range(1, len(w)):
        d = decay if decay < (1 + k) / (10 + k) else (1 + k) / (10 + k)
        a = [d * old + (1 - d) * new for old, new in zip(a, w[k])]
    return a


def average_inputs(rng: Random, number: int) -> dict:
    """Many steps, which show where the decay ends; few, in which the first weights still count; few with a decay far off."""
    P = 1 + number % 2
    if number % 3 == 0:
        K, decay = rng.randint(24, 30), rng.uniform(0.62, 0.7)
    else:
        K = rng.randint(4, 6)
        decay = rng.uniform(warm(2) + 0.02, warm(K - 1) - 0.02) if number % 3 == 1 else rng.uniform(0.99, 0.9999)
    start, drift = table(rng, P, scale=3.0), table(rng, P, scale=0.1)
    w = [[s + k * d + rng.gauss(0, 1) for s, d in zip(start, drift)] for k in range(K + 1)]
    return {"w": w, "decay": decay}


def following(rule, start=lambda w: w[0], last=lambda w: w, finish=lambda a, kept: a):
    """An average whose d in step k is ``rule(decay, k)``; ``kept`` is the product of all d."""

    def wrong(w: Matrix, decay: float) -> Vector:
        a, kept, rows = start(w), 1.0, last(w)
        for k in range(1, len(rows)):
            d = rule(decay, k)
            a, kept = [d * old + (1 - d) * new for old, new in zip(a, rows[k])], kept * d
        return finish(a, kept)

    return wrong


def right_rule(decay: float, k: int) -> float:
    return min(decay, warm(k))


def overwritten(w: Matrix, decay: float) -> Vector:
    a = w[0]
    for k in range(1, len(w)):
        decay = 1 - min(decay, warm(k))
        a = [old - decay * (old - new) for old, new in zip(a, w[k])]
    return a


def overwritten_by_the_smaller(w: Matrix, decay: float) -> Vector:
    """The other way of keeping it: min(decay, warm) is stored, and so never rises again."""
    a = w[0]
    for k in range(1, len(w)):
        decay = min(decay, warm(k))
        a = [decay * old + (1 - decay) * new for old, new in zip(a, w[k])]
    return a


def zeros(w: Matrix) -> Vector:
    return [0.0] * len(w[0])


AVERAGE = (
    Misconception("overwritten", overwritten,
        "The bug is still there: what a step computes replaces the decay that the next step begins with, and it ends at 1/2.",
        "错误还在：一步算出的值取代了下一步要用的衰减率，最后停在 1/2。"),
    Misconception("smallest kept", overwritten_by_the_smaller,
        "The decay is still overwritten: it keeps the smallest value so far, that of the first step, and never rises.",
        "衰减率仍然被覆盖了：它一直保持至今最小的值，即第一步的值，再也升不上去。"),
    Misconception("weights exchanged", following(lambda decay, k: 1 - right_rule(decay, k)),
        "Old and new are exchanged: the decay is what is kept of the average, and the new weights get the rest.",
        "新旧放反了：衰减率是旧平均值保留的份额，新权重得到其余的部分。"),
    Misconception("no warm-up", following(lambda decay, k: decay),
        "The decay is the same from the first step on; in the first steps (1 + k) / (10 + k) is smaller and should be used.",
        "从第一步起衰减率就不变；开头几步 (1 + k) / (10 + k) 更小，应当用它。"),
    Misconception("warm-up only", following(lambda decay, k: warm(k)),
        "The decay rises without a limit; from some step on it should stay at the given one.",
        "衰减率一直上升；从某一步起，它应当停在给定的值。"),
    Misconception("larger of the two", following(lambda decay, k: max(decay, warm(k))),
        "The larger of the two was taken; the smaller one is meant.",
        "取了两者中较大的；应当取较小的。"),
    Misconception("counts from zero", following(lambda decay, k: right_rule(decay, k - 1)),
        "The counter is one behind: row 1 of w is the result of step k = 1.",
        "计数慢了一步：w 的第 1 行是第 k = 1 步的结果。"),
    Misconception("counts from two", following(lambda decay, k: right_rule(decay, k + 1)),
        "The counter is one ahead: row 1 of w is the result of step k = 1, and row 0 is where the average begins.",
        "计数快了一步：w 的第 1 行是第 k = 1 步的结果，第 0 行是平均值的起点。"),
    Misconception("starts at zero", following(right_rule, zeros),
        "The average starts at 0; it should start at the weights before training, row 0.",
        "平均值从 0 开始了；应当从训练前的权重，即第 0 行开始。"),
    Misconception("bias corrected", following(right_rule, zeros, finish=lambda a, kept: [v / (1 - kept) for v in a]),
        "The average starts at 0 and is divided by what that costs, as in Adam; here it starts at row 0, and nothing is divided.",
        "平均值从 0 开始，再像 Adam 那样除以校正因子；这里应当从第 0 行开始，不除以任何数。"),
    Misconception("last step missing", following(right_rule, last=lambda w: w[:-1]),
        "The weights after the last step are missing.",
        "漏了最后一步之后的权重。"),
    Misconception("last weights", lambda w, decay: w[-1],
        "These are the last weights, not an average.",
        "这是最后的权重，不是平均值。"),
    Misconception("plain mean", lambda w, decay: [sum(column) / len(w) for column in zip(*w)],
        "All weights count alike here; in this average older ones count less.",
        "这里各步的权重占的份额相同；在这种平均里，越旧的权重占的份额应当越小。"),
    Misconception("previous weights", lambda w, decay: following(right_rule)([w[0], *w[:-1]], decay),
        "The average was moved before the step of training was made: step k must take the weights after it, row k.",
        "在训练那一步之前就更新了平均值：第 k 步应当用这一步之后的权重，即第 k 行。"),
    Misconception("every step's average", lambda w, decay: [following(right_rule)(w[: k + 1], decay) for k in range(1, len(w))],
        "These are the averages after every step; the last one is asked for.",
        "这是每一步之后的平均值；要求的是最后一个。"),
    Misconception("exponential warm-up", following(lambda decay, k: decay * (1 - exp(-k / 10))),
        "Another warm-up was used; here it is (1 + k) / (10 + k).",
        "用了另一种预热；这里是 (1 + k) / (10 + k)。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "diffusion-average": Exercise(average, average_inputs, AVERAGE),
}
