"""The exercise of the chapter ``vae`` that is worked out on paper: the best diagonal Gaussian.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.vae`. Shapes: P is (2, 2). Values are in nats.
"""

from __future__ import annotations

from math import log, log2, log10, sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]
Matrix = list[Vector]


@specification
def mean_field(P: Matrix) -> Vector:
    """The two variances of the best diagonal Gaussian, and its gap; in the book eq-vae-meanfield."""
    (a, c), (_, b) = P
    return [1 / a, 1 / b, (log(a) + log(b) - log(a * b - c**2)) / 2]


def mean_field_inputs(rng: Random, number: int) -> dict:
    """A precision with one decimal and no entry 1 or 2, whose off-diagonal one matters and leaves it well conditioned.

    The three numbers asked for differ.
    """
    while True:
        a, b, c = (rng.randint(*bounds) / 10 for bounds in ((10, 40), (10, 40), (-30, 30)))
        if 0.3 < c**2 / (a * b) < 0.8 and not {1.0, 2.0} & {a, b, abs(c)}:
            low, middle, high = sorted([1 / a, 1 / b, -log(1 - c**2 / (a * b)) / 2])
            if min(middle - low, high - middle) > 0.01:
                return {"P": [[a, c], [c, b]]}


def paper(function):
    """A wrong answer as a function of the diagonal of P, its determinant and the right gap."""

    def wrong(P):
        (a, c), (_, b) = P
        det = a * b - c**2
        return function(a, b, det, log(a * b / det) / 2)

    return wrong


# A mistake of one number comes before those that change it and others too.
MEAN_FIELD = (
    Misconception("gap the other way round", paper(lambda a, b, det, gap: [1 / a, 1 / b, a * b / det - 1 - gap]),
        "The gap is the divergence of p from q; the one of q from p is asked for.",
        "差距的方向反了：这是 p 相对于 q 的散度；要求的是 q 相对于 p 的。"),
    Misconception("marginal variances", paper(lambda a, b, det, gap: [b / det, a / det, gap]),
        "These are the posterior's own variances, the diagonal of the inverse of P; the best q is narrower.",
        "这是后验自身的方差，即 P 的逆矩阵的对角元；最优的 q 更窄。"),
    Misconception("marginal variances and their gap", paper(lambda a, b, det, gap: [b / det, a / det, a * b / det - 1 - gap]),
        "These are the posterior's own variances with the gap that they leave; other variances leave a smaller one.",
        "这是后验自身的方差以及它们留下的差距；换一组方差，差距会更小。"),
    Misconception("precisions", paper(lambda a, b, det, gap: [a, b, gap]),
        "These are precisions; a variance is one over a precision.",
        "这是精度；方差是精度的倒数。"),
    Misconception("standard deviations", paper(lambda a, b, det, gap: [1 / sqrt(a), 1 / sqrt(b), gap]),
        "These are standard deviations; the variances are asked for.",
        "这是标准差；要求的是方差。"),
    Misconception("no half", paper(lambda a, b, det, gap: [1 / a, 1 / b, 2 * gap]),
        "The gap lacks the factor one half.",
        "差距漏了系数二分之一。"),
    Misconception("sign", paper(lambda a, b, det, gap: [1 / a, 1 / b, -gap]),
        "A gap is never negative.",
        "差距从不为负。"),
    Misconception("bits", paper(lambda a, b, det, gap: [1 / a, 1 / b, log2(a * b / det) / 2]),
        "The gap is in bits, with the logarithm to base 2; it is asked for in nats.",
        "差距以比特为单位，用了以 2 为底的对数；要求以奈特为单位。"),
    Misconception("decimal logarithm", paper(lambda a, b, det, gap: [1 / a, 1 / b, log10(a * b / det) / 2]),
        "A gap in nats needs the natural logarithm.",
        "以奈特为单位的差距要用自然对数。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    # one matrix for each student, and numbers that were rounded by hand
    "vae-mean-field": Exercise(mean_field, mean_field_inputs, MEAN_FIELD, cases=1, tolerance=2e-3),
}
