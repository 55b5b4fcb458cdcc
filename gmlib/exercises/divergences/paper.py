"""The exercise of the chapter ``divergences`` that is worked out on paper: what the penalty does to the nearest law.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.divergences`. sigma is a standard deviation; eta and the
large one are entropic weights, below and above 2 sigma^2.
"""

from __future__ import annotations

from math import log, sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]


@specification
def nearest(sigma: float, eta: float, eta_large: float) -> Vector:
    """Best variance and value with KL, best variance with entropy, and the first two for the large weight.

    In the book eq-divergences-shrinks and eq-divergences-blurs.
    """
    return right_numbers(sigma, eta)


def right_numbers(sigma: float, eta: float) -> Vector:
    return [sigma**2 - eta / 2, penalised(sigma**2, eta), sigma**2 + eta / 2, 0.0, sigma**2]


def penalised(variance: float, eta: float) -> float:
    """Transport eta/2 plus eta times the information, by the formula that holds for eta < 2 variance."""
    return eta / 2 + eta / 2 * log(2 * variance / eta)


def nearest_inputs(rng: Random, number: int) -> dict:
    """One decimal each, none 1 or 2; no mistake comes near a right number, and no right one near another or a small whole one."""
    while True:
        sigma, eta, eta_large = rng.randint(8, 17) / 10, rng.randint(4, 24) / 10, rng.randint(14, 90) / 10
        if {1.0, 2.0} & {sigma, eta, eta_large}:
            continue
        if eta < sigma**2 and 2.4 * sigma**2 < eta_large < 4 * sigma**2 and distinct(sigma, eta, eta_large):
            return {"sigma": sigma, "eta": eta, "eta_large": eta_large}


def distinct(*case: float) -> bool:
    right = right_numbers(*case[:2])
    wrong = [m.compute(*case) for m in NEAREST]
    near = [abs(a - b) < 0.06 and a != b for values in wrong for a, b in zip(values, right)]
    values = sorted([*right, 1.0, 2.0, 3.0, 4.0])
    return not any(near) and min(b - a for a, b in zip(values, values[1:])) > 0.03


def paper(**places):
    """The right numbers but for those named, each a function of sigma, eta and the large weight."""

    def wrong(sigma: float, eta: float, eta_large: float) -> Vector:
        names = ("variance", "value", "with_entropy", "large_variance", "large_value")
        numbers = zip(names, right_numbers(sigma, eta))
        return [places[name](sigma, eta, eta_large) if name in places else v for name, v in numbers]

    return wrong


NEAREST = (
    Misconception("conventions exchanged", paper(variance=lambda s, e, _: s**2 + e / 2),
        "With KL the nearest law shrinks; it is the entropy of the plan that makes it wider.",
        "用 KL 时最近的分布变窄；使它变宽的是方案的熵。"),
    Misconception("entropy shrinks too", paper(with_entropy=lambda s, e, _: s**2 - e / 2),
        "The entropy of the plan rewards a wide law: the nearest one is wider than the given one, not narrower.",
        "方案的熵鼓励较宽的分布：最近的分布比给定的更宽，而不是更窄。"),
    Misconception("distance for variance", paper(variance=lambda s, e, _: e / 2),
        "This is the mean squared distance from x to y; the variance of y is what it leaves of the variance of x.",
        "这是 x 到 y 的均方距离；从 x 的方差中去掉它，剩下的才是 y 的方差。"),
    Misconception("transport alone for the entropy", paper(with_entropy=lambda s, e, _: s**2 - e**2 / (16 * s**2)),
        "This is where the transport cost alone is least; the entropy of the plan has its own part in the sum.",
        "这是只看传输代价时的最小点；总和中还有方案的熵那一项。"),
    Misconception("no half in the rate", paper(
        variance=lambda s, e, _: s**2 - e, value=lambda s, e, _: e + e * log(s**2 / e), with_entropy=lambda s, e, _: s**2 + e),
        "The change is twice too large: the information of two Gaussians is half a logarithm.",
        "变化量大了一倍：两个高斯变量的互信息是对数的一半。"),
    Misconception("half twice", paper(variance=lambda s, e, _: s**2 - e / 4, with_entropy=lambda s, e, _: s**2 + e / 4),
        "The change is half of what it should be: a factor one half was used twice.",
        "变化量只有应有的一半：系数二分之一用了两次。"),
    Misconception("standard deviations", paper(
        variance=lambda s, e, _: sqrt(s**2 - e / 2), with_entropy=lambda s, e, _: sqrt(s**2 + e / 2)),
        "These are standard deviations; the variances are asked for.",
        "这是标准差；要求的是方差。"),
    Misconception("sigma not squared", paper(
        variance=lambda s, e, _: s - e / 2, value=lambda s, e, _: penalised(s, e), with_entropy=lambda s, e, _: s + e / 2,
        large_value=lambda s, e, _: s),
        "sigma was taken for a variance; it is a standard deviation.",
        "把 sigma 当成了方差，它是标准差。"),
    Misconception("factor in the logarithm", paper(value=lambda s, e, _: penalised(s**2 / 2, e)),
        "The logarithm is of sigma^2 over the mean squared distance at the least value; a factor of 2 is missing in it.",
        "对数里应是 sigma^2 除以取最小值时的均方距离；里面漏了系数 2。"),
    Misconception("logarithm to base 2", paper(value=lambda s, e, _: e / 2 + (penalised(s**2, e) - e / 2) / log(2)),
        "The logarithm in this value is to base 2; in nats it is the natural one.",
        "这个值里的对数以 2 为底了；以奈特为单位要用自然对数。"),
    Misconception("value without the penalty", paper(value=lambda s, e, _: e / 2),
        "This value is the mean squared distance alone; the penalty belongs to it.",
        "这个值只是均方距离；还要加上惩罚项。"),
    Misconception("penalty without the transport", paper(value=lambda s, e, _: penalised(s**2, e) - e / 2),
        "This value is the penalty alone; the mean squared distance belongs to it.",
        "这个值只是惩罚项；还要加上均方距离。"),
    Misconception("best transport", paper(
        variance=lambda s, e, _: s**2 - e**2 / (16 * s**2), value=lambda s, e, _: e / 2 - e**2 / (16 * s**2)),
        "This is where the transport cost alone is least; here the sum with the penalty is to be least.",
        "这是只看传输代价时的最小点；这里要使它与惩罚项之和最小。"),
    Misconception("no bias", paper(
        variance=lambda s, e, _: s**2, value=lambda s, e, _: 0.0, with_entropy=lambda s, e, _: s**2),
        "The law was assumed to be nearest to itself, at no cost; with a penalty neither is so.",
        "以为最近的分布就是它自己，而且没有代价；有惩罚项时两者都不成立。"),
    Misconception("value beyond the limit", paper(large_value=lambda s, _, large: penalised(s**2, large)),
        "For the large weight the formula of the value no longer holds: with all mass at the mean there is no information "
        "to pay for.",
        "权重较大时，值的公式不再成立：质量全在均值处，没有信息要付代价。"),
    Misconception("nothing to move", paper(large_value=lambda *_: 0.0),
        "There is no information left to pay for, but all mass is moved to the mean, and that has its cost.",
        "没有信息要付代价了，但全部质量都要移到均值处，这是有代价的。"),
    Misconception("distance beyond the limit", paper(large_value=lambda s, _, large: large / 2),
        "Half the large weight is no possible best distance: with all mass at the mean the distance is smaller already.",
        "较大权重的一半不可能是最好的均方距离：质量全在均值处时，距离已经更小。"),
    Misconception("formula beyond the limit", paper(
        large_variance=lambda s, _, large: s**2 - large / 2, large_value=lambda s, _, large: penalised(s**2, large)),
        "For the large weight this variance is negative: the formula needs a weight below twice the variance.",
        "权重较大时，这个方差成了负数：公式要求权重小于方差的两倍。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    # one set of numbers for each student, and results that were rounded by hand
    "divergences-nearest": Exercise(nearest, nearest_inputs, NEAREST, cases=1, tolerance=2e-3),
}
