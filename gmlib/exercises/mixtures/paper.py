"""The exercise of the chapter ``mixtures`` that is worked out on paper: one step of EM on three points, and a gap.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.mixtures`. Points x are (3,); pi, mu and s are (2,), s being standard
deviations.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log, sqrt, tau
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]
Matrix = list[Vector]
ROOT = sqrt(tau)


@specification
def three_points(x: Vector, pi: Vector, mu: Vector, s: Vector) -> Vector:
    """Of the first component: eq-mixtures-responsibility for the middle point, and weight, mean, variance by eq-mixtures-m-step; then the
    log-likelihood before the step, and what the bound lacks if all responsibilities are one half, eq-mixtures-gap."""
    joint = [[p * exp(-((v - m) ** 2) / (2 * t**2)) / (t * ROOT) for p, m, t in zip(pi, mu, s)] for v in x]
    r = [row[0] / sum(row) for row in joint]
    n = sum(r)
    c = sum(q * v for q, v in zip(r, x)) / n
    variance = sum(q * (v - c) ** 2 for q, v in zip(r, x)) / n
    gap = -sum(log(4 * q * (1 - q)) for q in r) / 2
    return [r[1], n / len(x), c, variance, sum(log(sum(row)) for row in joint), gap]


def three_points_inputs(rng: Random, number: int) -> dict:
    """One or two decimals; no mistake comes near a right number, and no right one near another, an input, a half or a whole number."""
    while True:
        x = [rng.randint(-35, -12) / 10, rng.randint(-7, 12) / 10, rng.randint(17, 40) / 10]
        w = rng.choice([*range(15, 41), *range(60, 86)]) / 100
        mu, s = [rng.randint(-25, -3) / 10, rng.randint(6, 27) / 10], [rng.randint(7, 22) / 10 for _ in range(2)]
        case = {"x": x, "pi": [w, round(1 - w, 2)], "mu": mu, "s": s}
        if 1.0 not in s and abs(s[0] - s[1]) > 0.35 and distinct(*map(tuple, case.values())):
            return case


@lru_cache(maxsize=4096)  # the same numbers are drawn, and refused, at each check of a student
def distinct(x: Vector, pi: Vector, mu: Vector, s: Vector) -> bool:
    r = [row[0] for row in over_components(densities(x, pi, mu, s))]
    if not (0.15 < r[1] < 0.4 or 0.6 < r[1] < 0.85) or not 0.015 < min(r) < max(r) < 0.985:
        return False
    right = right_numbers(x, pi, mu, s)
    marks = [*right, *x, *pi, *mu, *s, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0]
    if any(abs(u - v) < 0.015 for i, u in enumerate(right) for v in marks[i + 1 :]):
        return False
    wrong = []
    for m in reversed(PAPER):  # those that are most often near come first
        wrong.append(m.compute(x, pi, mu, s))
        if any(1e-9 < abs(u - v) < 0.055 for u, v in zip(wrong[-1], right)):
            return False
        if any(abs(u - v) < 0.006 for i, u in enumerate(wrong[-1]) for j, v in enumerate(right) if i != j):
            return False
    return all(apart(one, other) > 0.01 for i, one in enumerate(wrong) for other in [right, *wrong[:i]])


def apart(one: Vector, other: Vector) -> float:
    return max(abs(u - w) for u, w in zip(one, other))


# --- mistakes -----------------------------------------------------------------------------------------------


def densities(x: Vector, pi: Vector, mu: Vector, s: Vector, weigh=True, half=0.5, scale=lambda t: t, var=lambda t: t**2) -> Matrix:
    return [[(p if weigh else 1.0) * exp(-half * (v - m) ** 2 / var(t)) / (scale(t) * ROOT) for p, m, t in zip(pi, mu, s)] for v in x]


def over_components(joint: Matrix) -> Matrix:
    return [[v / sum(row) for v in row] for row in joint]


def over_points(joint: Matrix) -> Matrix:
    totals = [sum(column) for column in zip(*joint)]
    return [[v / t for v, t in zip(row, totals)] for row in joint]


def weighted(r: Vector, values: Vector) -> float:
    return sum(q * v for q, v in zip(r, values)) / sum(r)


def around(r: Vector, x: Vector, c: float) -> float:
    return weighted(r, [(v - c) ** 2 for v in x])


def paper(weight=lambda r: sum(r) / len(r), mean=weighted, variance=lambda r, x, mean, mu: around(r, x, mean), own=0,
          likelihood=None, gap=lambda r, value: halves(r)):  # fmt: skip
    """The six numbers, with one thing done otherwise."""

    def wrong(x: Vector, pi: Vector, mu: Vector, s: Vector) -> Vector:
        joint = densities(x, pi, mu, s)
        r = [row[own] for row in over_components(joint)]
        value = of_sums(joint, pi)
        shown = likelihood(joint, pi) if likelihood else value
        return [r[1], weight(r), mean(r, x), variance(r, x, weighted(r, x), mu), shown, gap(r, value)]

    return wrong


def halves(r: Vector) -> float:
    return sum(-log(2) - 0.5 * log(q * (1 - q)) for q in r)


def middle(share=over_components, **form):
    """The right numbers but for the first; whoever goes on with a wrong one has others wrong too."""

    def wrong(x: Vector, pi: Vector, mu: Vector, s: Vector) -> Vector:
        return [share(densities(x, pi, mu, s, **form))[1][0], *right_numbers(x, pi, mu, s)[1:]]

    return wrong


def of_sums(joint: Matrix, pi: Vector) -> float:
    return sum(log(sum(row)) for row in joint)


def right_numbers(x: Vector, pi: Vector, mu: Vector, s: Vector) -> Vector:
    return paper()(x, pi, mu, s)


def without_weights(joint: Matrix, pi: Vector) -> float:
    return sum(log(sum(v / p for v, p in zip(row, pi))) for row in joint)


def expected(joint: Matrix, pi: Vector) -> float:
    return sum(q * log(v) for row, shares in zip(joint, over_components(joint)) for v, q in zip(row, shares))


# A mistake of one number comes before those that change it and others too.
PAPER = (
    Misconception("n_k for the weight", paper(weight=sum),
        "The second number is the sum of the responsibilities; the weight is their mean.",
        "第二个数是响应度之和；权重是它们的平均。"),
    Misconception("mean by all points", paper(mean=lambda r, x: sum(q * v for q, v in zip(r, x)) / len(x)),
        "The mean is divided by the number of points; it should be by the sum of the component's responsibilities.",
        "均值除以了点数；应当除以该分量响应度之和。"),
    Misconception("mean not divided", paper(mean=lambda r, x: sum(q * v for q, v in zip(r, x))),
        "The mean is still a sum; divide it by the sum of the component's responsibilities.",
        "均值还只是和；要除以该分量响应度之和。"),
    Misconception("old mean", paper(variance=lambda r, x, mean, mu: around(r, x, mu[0])),
        "The variance is around the old mean; it should be around the new one.",
        "方差用的是旧均值；应当用新均值。"),
    Misconception("standard deviation", paper(variance=lambda r, x, mean, mu: sqrt(around(r, x, mean))),
        "The fourth number is the standard deviation; the variance is asked for.",
        "第四个数是标准差；要求的是方差。"),
    Misconception("variance by all points", paper(variance=lambda r, x, mean, mu: around(r, x, mean) * sum(r) / len(r)),
        "The variance is divided by the number of points; it should be by the sum of the component's responsibilities.",
        "方差除以了点数；应当除以该分量响应度之和。"),
    Misconception("not centred", paper(variance=lambda r, x, mean, mu: around(r, x, 0.0)),
        "The variance is the mean of the squares; the mean must be subtracted from the points first.",
        "方差取成了平方的平均；应当先从各点减去均值。"),
    Misconception("logarithms averaged", paper(likelihood=expected),
        "The fifth number is the mean of the logarithms of weight times density, under the responsibilities; the log-likelihood has the sum "
        "over components inside of the logarithm.",
        "第五个数是权重乘密度的对数按响应度的平均；对数似然中，对分量的求和在对数里面。"),
    Misconception("weights missing", paper(likelihood=without_weights),
        "In the log-likelihood the weights are missing.",
        "对数似然里漏了权重。"),
    Misconception("no two pi", paper(likelihood=lambda joint, w: of_sums(joint, w) + len(joint) * log(ROOT)),
        "In the log-likelihood the root of two pi is missing; it cancels in responsibilities only.",
        "对数似然里漏了 2π 的平方根；它只在响应度里会约去。"),
    Misconception("mean over the points", paper(likelihood=lambda joint, w: of_sums(joint, w) / len(joint)),
        "The log-likelihood is a mean over the points; the sum is asked for.",
        "对数似然取成了对点的平均；要求的是总和。"),
    Misconception("bits", paper(likelihood=lambda joint, w: of_sums(joint, w) / log(2)),
        "The log-likelihood is in bits; nats are asked for.",
        "对数似然以比特为单位；要求用奈特。"),
    Misconception("density of the sum", paper(likelihood=lambda joint, w: log(sum(map(sum, joint)))),
        "The fifth number is the logarithm of the sum of the points' densities; the logarithm belongs to each point.",
        "第五个数是各点密度之和的对数；应当对每个点分别取对数。"),
    Misconception("sign of the gap", paper(gap=lambda r, value: -halves(r)),
        "The gap has the wrong sign: the bound lies below, and no divergence is negative.",
        "差距的符号反了：下界在下方，散度绝不为负。"),
    Misconception("the other way round", paper(gap=lambda r, value: sum(log(2) + q * log(q) + (1 - q) * log(1 - q) for q in r)),
        "The gap is the divergence from the other side: the mean must be taken under the halves that the bound was given.",
        "差距取成了反方向的散度：应当在代入下界的一半对一半之下求平均。"),
    Misconception("gap in bits", paper(gap=lambda r, value: halves(r) / log(2)),
        "The gap is in bits; nats are asked for.",
        "差距以比特为单位；要求用奈特。"),
    Misconception("gap of one point", paper(gap=lambda r, value: halves(r[1:2])),
        "The gap is that of the middle point alone; those of all points add up.",
        "差距只算了中间的点；各点的差距要相加。"),
    Misconception("no half in the gap", paper(gap=lambda r, value: 2 * halves(r)),
        "The gap is twice too large: each of the two logarithms has the weight one half.",
        "差距大了一倍：两个对数各有权重二分之一。"),
    Misconception("the bound", paper(gap=lambda r, value: value - halves(r)),
        "The last number is the bound itself; what it lacks is asked for.",
        "最后一个数是下界本身；要求的是它差多少。"),
    Misconception("other component", paper(own=1),
        "These are the numbers of the second component; those of the first are asked for.",
        "这些是第二个分量的数；要求的是第一个分量的。"),
    Misconception("over the points", middle(over_points),
        "You normalised over the points: the three responsibilities of a component sum to one. They must sum to one over the components, "
        "for each point.",
        "你是对点归一化的：一个分量的三个响应度之和为一。应当对分量归一化，使每个点的响应度之和为一。"),
    Misconception("weights left out", middle(weigh=False),
        "In the responsibilities the weights are left out.",
        "响应度里漏了权重。"),
    Misconception("no standard deviation before", middle(scale=lambda t: 1.0),
        "In the responsibilities the densities are not divided by their standard deviations, which differ and do not cancel.",
        "响应度里，密度没有除以各自的标准差；标准差不同，不会约去。"),
    Misconception("standard deviation for variance", middle(var=lambda t: t),
        "In the exponent of the responsibilities stands the standard deviation; its square belongs there.",
        "响应度的指数里用的是标准差；应当用它的平方。"),
    Misconception("no half", middle(half=1.0),
        "In the exponent of the responsibilities the factor one half is missing.",
        "响应度的指数里漏了二分之一。"),
    Misconception("hard", middle(lambda joint: [[float(v == max(row)) for v in row] for row in joint]),
        "The middle point was given to its most likely component alone, as k-means does; a responsibility is a probability.",
        "中间的点只归了最可能的那个分量，像 k 均值那样；响应度是概率。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    # three points for each student, and numbers that were rounded by hand
    "mixtures-paper": Exercise(three_points, three_points_inputs, PAPER, cases=1, tolerance=2e-3),
}
