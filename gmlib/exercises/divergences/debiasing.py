"""The exercise of the chapter ``divergences`` on debiasing an entropic cost, in which two bugs are to be found.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.divergences`. Points x, y are (n,) and (m,), those of each
law having equal weights, and the cost is the squared distance.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, inf, log
from random import Random

from gmlib.exercises.divergences.mistakes import mean
from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]


def costs(x: Vector, y: Vector, eta: float) -> tuple[float, float]:
    """Mean squared distance and KL(plan || product) of the plan for which the first plus eta times the second is least."""
    return _costs(tuple(x), tuple(y), eta)


@lru_cache(maxsize=4096)  # every mistake needs the same plans
def _costs(x: tuple, y: tuple, eta: float) -> tuple[float, float]:
    K = [[exp(-((s - t) ** 2) / eta) for t in y] for s in x]
    u, old = [1.0] * len(x), []
    while any(abs(new / last - 1) > 1e-12 for new, last in zip(u, old or [inf] * len(x))):
        v = [len(x) / sum(a * b for a, b in zip(u, column)) for column in zip(*K)]
        old, u = u, [len(y) / sum(a * b for a, b in zip(v, row)) for row in K]
    cells = [(u[i] * K[i][j] * v[j], (s - t) ** 2) for i, s in enumerate(x) for j, t in enumerate(y)]
    return mean([r * C for r, C in cells]), mean([r * log(r) for r, _ in cells])


def penalised(x: Vector, y: Vector, eta: float) -> float:
    transport, kl = costs(x, y, eta)
    return transport + eta * kl


@specification
def debiased(x: Vector, y: Vector, eta: float) -> float:
    """OT(x, y) less half of OT(x, x) and of OT(y, y); in the book eq-divergences-debiased."""
    return penalised(x, y, eta) - penalised(x, x, eta) / 2 - penalised(y, y, eta) / 2


def debiased_inputs(rng: Random, number: int) -> dict:
    """A weight that is not small beside the costs: then a thousand steps suffice for any points.

    In one case of four y is x made narrower, at a large weight: there the two bugs together give a negative number.
    """
    n, m = 2 + number % 3, 2 + number % 4
    x, y = table(rng, n, scale=1.2), table(rng, m, scale=1.2)
    weight = rng.uniform(0.25, 0.6)
    if number % 4 == 1:
        factor, weight = rng.uniform(0.4, 0.7), rng.uniform(1.5, 3)
        y = [mean(x) + factor * (v - mean(x)) for v in x]
    return {"x": x, "y": y, "eta": (max(x + y) - min(x + y)) ** 2 * weight}


def combined(cost=penalised, own: float = 0.5, other: float = 0.5, whole: float = 1.0):
    """``whole`` times the cost between x and y, less ``own`` times that of x and ``other`` times that of y to itself."""
    return lambda x, y, eta: whole * cost(x, y, eta) - own * cost(x, x, eta) - other * cost(y, y, eta)


def transport_only(x: Vector, y: Vector, eta: float) -> float:
    return costs(x, y, eta)[0]


def both_bugs(x: Vector, y: Vector, eta: float) -> float:
    return combined(transport_only, 1, 0)(x, y, eta)


def one_count(x: Vector, y: Vector, eta: float) -> float:
    transport, kl = costs(x, y, eta)
    return transport + eta * (kl - log(len(y)))


def mean_of_entries(x: Vector, y: Vector, eta: float) -> float:
    transport, kl = costs(x, y, eta)
    return transport + eta * kl / (len(x) * len(y))


def penalty_weighted(weight):
    return lambda x, y, eta: costs(x, y, eta)[0] + weight(eta) * costs(x, y, eta)[1]


def without_penalty(x: Vector, y: Vector, eta: float) -> float:
    """The exact W_2^2: n m equal parts of each law, in order."""
    left, right = sorted(x * len(y)), sorted(y * len(x))
    return mean([(s - t) ** 2 for s, t in zip(left, right)])


DEBIASED = (
    Misconception("both bugs", both_bugs,
        "Both bugs are still there.",
        "两个错误都还在。"),
    Misconception("clamped", lambda *case: max(both_bugs(*case), 0.0),
        "Negative values were set to 0, which hides the bugs and mends neither.",
        "把负值改成 0，只是掩盖了错误，两个都没有改正。"),
    Misconception("absolute value", lambda *case: abs(both_bugs(*case)),
        "The absolute value was taken, which hides the bugs and mends neither.",
        "取了绝对值，只是掩盖了错误，两个都没有改正。"),
    Misconception("transport only", combined(transport_only),
        "Both self-terms are there now; each of the three values still lacks eta KL, which the plan minimises together with "
        "the transport.",
        "两个自身项都有了；但三个值都还缺 eta KL，方案使最小的正是它与传输代价之和。"),
    Misconception("one self-term", combined(own=1, other=0),
        "The penalty is there now; but x alone is taken off, so the result still can be negative. Take off half of each.",
        "惩罚项有了；但只减去了 x 的自身项，结果仍可能为负。应当各减一半。"),
    Misconception("half a self-term", combined(other=0),
        "Half of the self-term of x is taken off; that of y is missing.",
        "减去了 x 的自身项的一半；漏了 y 的自身项。"),
    Misconception("no halves", combined(own=1, other=1),
        "The two self-terms are taken off whole: then a law and itself are at minus OT(x, x), and not at 0.",
        "两个自身项都整个减去了：这样，一个分布与它自己之间的值是 -OT(x, x)，而不是 0。"),
    Misconception("doubled", combined(own=1, other=1, whole=2),
        "This is twice the debiased cost, as one paper defines it; the chapter's equation is asked for.",
        "这是去偏代价的两倍，有一篇论文这样定义；要求的是本章的公式。"),
    Misconception("not debiased", combined(own=0, other=0),
        "The penalised cost is right; the self-terms are not taken off yet.",
        "带惩罚的代价对了；还没有减去自身项。"),
    Misconception("penalty without eta", combined(penalty_weighted(lambda eta: 1.0)),
        "The penalty is KL without its weight eta.",
        "惩罚项里的 KL 没有乘权重 eta。"),
    Misconception("one count", combined(one_count),
        "KL compares the plan with the product, whose entries are 1/(n m) each; one of the two numbers of points is left out.",
        "KL 是方案与乘积分布相比，后者每个元素都是 1/(n m)；两个点数漏了一个。"),
    Misconception("mean of the entries", combined(mean_of_entries),
        "The terms of KL are averaged over the entries of the plan; the plan is a weight already, so add them up.",
        "对方案的各个元素求了 KL 各项的平均；方案本身就是权重，各项应相加。"),
    Misconception("sign of the penalty", combined(penalty_weighted(lambda eta: -eta)),
        "The penalty is subtracted; KL is added, and entropy would be subtracted.",
        "减去了惩罚项；KL 应当加上，换成熵才是减去。"),
    Misconception("no penalty at all", without_penalty,
        "This is the exact W_2^2, without any penalty.",
        "这是精确的 W_2^2，完全没有惩罚项。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "divergences-debiased": Exercise(debiased, debiased_inputs, DEBIASED),
}
