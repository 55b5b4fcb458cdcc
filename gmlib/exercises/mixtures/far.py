"""The exercise of the chapter ``mixtures`` in which a bug is to be found: variances of data far from zero.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.mixtures`. Points x are (N, D),
responsibilities r (N, K).
"""

from __future__ import annotations

from math import exp, nan
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


@specification
def variances(x: Matrix, r: Matrix) -> Matrix:
    """(K, D): the weighted mean of (x - m)^2, m being the weighted mean; eq-mixtures-shapes (diagonal)."""
    out = []
    for own in zip(*r):
        row = []
        for values in zip(*x):
            m = sum(w * v for w, v in zip(own, values)) / sum(own)
            row.append(sum(w * (v - m) ** 2 for w, v in zip(own, values)) / sum(own))
        out.append(row)
    return out


def variances_inputs(rng: Random, number: int) -> dict:
    """Two of three are points near zero with soft responsibilities. In the others the points are whole numbers some millions away, each of
    one component; three or six of a component, and their variances no multiples of 1/3, so that a difference of moments, which is a
    multiple of a power of two there, is always seen to be wrong.

    All those whole numbers and their sums of squares are exact in float64, the numbers themselves in float32 too.
    """
    D = 1 + number % 2
    if number % 3 < 2:
        K = 3 - number % 2
        r = [[exp(1.2 * rng.gauss(0, 1)) for _ in range(K)] for _ in range(5 + number % 2)]
        return {"x": table(rng, len(r), D, mean=1.1, scale=1.6), "r": [[v / sum(row) for v in row] for row in r]}
    labels = [0] * 3 + [1] * 6
    rng.shuffle(labels)
    offset = [rng.randint(9_000_000, 16_000_000) for _ in range(D)]
    while True:
        near = [[rng.randint(0, 9) for _ in range(D)] for _ in labels]
        groups = [[p[j] for p, k in zip(near, labels) if k == which] for which in (0, 1) for j in range(D)]
        if all((len(g) * sum(v * v for v in g) - sum(g) ** 2) % 9 for g in groups):
            x = [[float(c + v) for c, v in zip(offset, p)] for p in near]
            return {"x": x, "r": [[float(k == which) for which in (0, 1)] for k in labels]}


def spread(form):
    """(K, D) of ``form``, which has the values of one coordinate, the responsibilities of one component, and those of all."""

    def wrong(x: Matrix, r: Matrix) -> Matrix:
        return [[form(list(values), list(own), r) for values in zip(*x)] for own in zip(*r)]

    return wrong


def mean(values: Vector, own: Vector) -> float:
    return sum(w * v for w, v in zip(own, values)) / sum(own)


def around(values: Vector, own: Vector, c: float) -> float:
    return mean([(v - c) ** 2 for v in values], own)


def right_form(values: Vector, own: Vector, r: Matrix | None = None) -> float:
    return around(values, own, mean(values, own))


def moments(values: Vector, own: Vector, r: Matrix) -> float:
    m = mean(values, own)
    return mean([v * v for v in values], own) - m * m


def from_first(values: Vector) -> Vector:
    return [v - values[0] for v in values]


def shifted_half(values: Vector, own: Vector, r: Matrix) -> float:
    return mean([v * v for v in from_first(values)], own)


def hard_form(values: Vector, own: Vector, r: Matrix) -> float:
    k = list(zip(*r)).index(tuple(own))
    labels = [float(row[k] == max(row)) for row in r]
    return right_form(values, labels) if sum(labels) else nan


def pooled(values: Vector, own: Vector, r: Matrix) -> float:
    return sum(sum(column) * right_form(values, list(column)) for column in zip(*r)) / len(r)


VARIANCES = (
    Misconception("difference of moments", spread(moments),
        "The bug is still there: the square of the mean is subtracted from the mean of the squares. Far from zero the two agree in "
        "nearly all of their digits, and what the subtraction leaves is rounding error. Setting negative results to zero, or adding a "
        "constant, brings no digit back.",
        "错误还在：从平方的均值里减去了均值的平方。离零很远时，两者的数字几乎全都相同，相减之后剩下的是舍入误差。"
        "把负的结果改成零，或加上一个常数，都找不回丢掉的数字。"),
    Misconception("shifted, not centred", spread(shifted_half),
        "The points were shifted by the first of them and squared; the square of the shifted mean must still come off.",
        "各点减去了第一个点再平方；还要减去平移之后均值的平方。"),
    Misconception("mean of all", spread(lambda v, own, r: around(v, own, sum(v) / len(v))),
        "The spread is around the mean of all points; each component has a mean of its own.",
        "离散程度是相对于全体点的均值算的；每个分量有自己的均值。"),
    Misconception("not centred", spread(lambda v, own, r: around(v, own, 0.0)),
        "This is the mean of the squares; nothing was subtracted.",
        "这是平方的均值；什么也没有减去。"),
    Misconception("standard deviation", spread(lambda v, own, r: right_form(v, own) ** 0.5),
        "This is the standard deviation; the variance is asked for.",
        "这是标准差；要求的是方差。"),
    Misconception("one less", spread(lambda v, own, r: right_form(v, own) * sum(own) / (sum(own) - 1)),
        "The sums are divided by n_k less one; the M-step divides by n_k.",
        "和除以了 n_k 减一；M 步除以的是 n_k。"),
    Misconception("all points", spread(lambda v, own, r: right_form(v, own) * sum(own) / len(v)),
        "The sums are divided by the number of all points; divide each by its own n_k.",
        "和除以了总点数；应当各除以自己的 n_k。"),
    Misconception("not divided", spread(lambda v, own, r: right_form(v, own) * sum(own)),
        "The sums still have to be divided by n_k.",
        "这些和还要除以 n_k。"),
    Misconception("responsibilities left out", spread(lambda v, own, r: right_form(v, [1.0] * len(v))),
        "The variance is that of all points together, for each component; the responsibilities have to weigh them.",
        "每个分量的方差都成了全体点的方差；应当用响应度加权。"),
    Misconception("squares of responsibilities", spread(lambda v, own, r: right_form(v, [w * w for w in own])),
        "The points count by the squares of the responsibilities.",
        "点的权重用了响应度的平方。"),
    Misconception("hard", spread(hard_form),
        "Each point counts only for its most responsible component; it counts for all, by its responsibilities.",
        "每个点只算给了响应度最大的分量；它应按响应度算给所有分量。"),
    Misconception("tied", spread(pooled),
        "All components have the same variances, those within the components on average; each should have its own.",
        "所有分量用了同样的方差，即分量内方差的平均；应当各有各的。"),
    Misconception("absolute deviations", spread(lambda v, own, r: mean([abs(u - mean(v, own)) for u in v], own)),
        "These are mean absolute deviations; the deviations are to be squared.",
        "这是平均绝对偏差；偏差应当平方。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "mixtures-variances": Exercise(variances, variances_inputs, VARIANCES),
}
