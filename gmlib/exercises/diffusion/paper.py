"""The exercise of the chapter ``diffusion`` that is worked out on paper: which variance the step back should have.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.diffusion`. beta holds beta_1, beta_2 and beta_3; data are Gaussian of
one dimension, with variance v or w.
"""

from __future__ import annotations

from math import log, sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]
NAMES = ("alpha_bar", "tilde", "best", "best_wide", "bits", "weight")


@specification
def variances(beta: Vector, v: float, w: float) -> Vector:
    """eq-diffusion-closed, eq-diffusion-posterior, eq-diffusion-best-variance (twice), eq-diffusion-step-kl, eq-diffusion-noise-weight."""
    return right_numbers(beta, v, w)


def right_numbers(beta: Vector, v: float, w: float) -> Vector:
    before = (1 - beta[0]) * (1 - beta[1])
    return numbers_of(before * (1 - beta[2]), before, 1 - beta[2], v, w)


def numbers_of(a: float, b: float, alpha: float, v: float, w: float) -> Vector:
    """alpha-bar_3, three standard deviations, bits and a weight, from alpha-bar_3, alpha-bar_2 and alpha_3."""
    tilde, best = spread(a, b, alpha), best_of(a, b, alpha, v)
    wide = best_of(a, b, alpha, w)
    return [a, sqrt(tilde), sqrt(best), sqrt(wide), loss(tilde, best) / log(2), (1 - alpha) / (2 * alpha * (1 - a))]


def spread(a: float, b: float, alpha: float) -> float:
    """beta-tilde_3."""
    return (1 - alpha) * (1 - b) / (1 - a)


def best_of(a: float, b: float, alpha: float, v: float) -> float:
    """The variance of x_2 given x_3, both Gaussian with x_0 of variance v."""
    return (1 - alpha) * (b * v + 1 - b) / (a * v + 1 - a)


def loss(s: float, best: float) -> float:
    """What the bound loses by the variance s, in nats."""
    return (best / s - 1 - log(best / s)) / 2


def variances_inputs(rng: Random, number: int) -> dict:
    """Two decimals each, all different; no mistake comes near a right number, and no right one near another or a small whole number."""
    while True:
        beta = [rng.randint(*bounds) / 100 for bounds in ((4, 16), (4, 16), (50, 75))]
        v, w = rng.randint(40, 90) / 100, rng.randint(150, 800) / 100
        if beta[0] != beta[1] and distinct(beta, v, w):
            return {"beta": beta, "v": v, "w": w}


def distinct(beta: Vector, v: float, w: float) -> bool:
    right = right_numbers(beta, v, w)
    wrong = [m.compute(beta, v, w) for m in VARIANCES]
    near = any(1e-9 < abs(p - q) < 0.06 for numbers in wrong for p, q in zip(numbers, right))
    alike = any(apart(one, other) < 0.06 for i, one in enumerate(wrong) for other in [right, *wrong[:i]])
    values = sorted([*right, 0.0, 1.0, 2.0, 3.0])
    return not near and not alike and min(q - p for p, q in zip(values, values[1:])) > 0.015


def apart(one: Vector, other: Vector) -> float:
    return max(abs(p - q) for p, q in zip(one, other))


def paper(**places):
    """The right numbers but for those named, each a function of alpha-bar_3, alpha-bar_2, alpha_3, v and w."""

    def wrong(beta: Vector, v: float, w: float) -> Vector:
        alpha = 1 - beta[2]
        b = (1 - beta[0]) * (1 - beta[1])
        a = b * alpha
        numbers = dict(zip(NAMES, numbers_of(a, b, alpha, v, w)))
        return [places[name](a, b, alpha, v, w) if name in places else number for name, number in numbers.items()]

    return wrong


def both(rule):
    """A wrong rule for the best variance, of alpha-bar_3, alpha-bar_2, alpha_3 and the data's variance, and what follows from it."""
    return paper(
        best=lambda a, b, alpha, v, w: sqrt(rule(a, b, alpha, v)),
        best_wide=lambda a, b, alpha, v, w: sqrt(rule(a, b, alpha, w)),
        bits=lambda a, b, alpha, v, w: loss(spread(a, b, alpha), rule(a, b, alpha, v)) / log(2),
    )


def left_over(a: float, v: float) -> float:
    """The variance of x_0 given x_3."""
    return v * (1 - a) / (a * v + 1 - a)


def pull(a: float, b: float, alpha: float) -> float:
    """c_3, the weight of x_0 in the posterior's mean."""
    return sqrt(b) * (1 - alpha) / (1 - a)


# A mistake of one number comes before those that change it and others too.
VARIANCES = (
    Misconception("root of alpha-bar", paper(alpha_bar=lambda a, b, alpha, v, w: sqrt(a)),
        "The first number is the root of alpha-bar, the weight of x_0 in x_3.",
        "第一个数是 alpha-bar 的平方根，即 x_3 里 x_0 的权重。"),
    Misconception("variance of the noise", paper(alpha_bar=lambda a, b, alpha, v, w: 1 - a),
        "The first number is the noise's variance; what is left of the signal is asked for.",
        "第一个数是噪声的方差；要求的是信号剩下的部分。"),
    Misconception("signal of time 2", paper(alpha_bar=lambda a, b, alpha, v, w: b),
        "The first product stops one step early: the last beta belongs to alpha-bar_3.",
        "第一个乘积少了一步：alpha-bar_3 应包含最后一个 beta。"),
    Misconception("betas added up", paper(alpha_bar=lambda a, b, alpha, v, w: alpha - 1 + b),
        "In the first number the last beta was taken off; alpha-bar is a product, of all 1 - beta.",
        "第一个数里减去了最后一个 beta；alpha-bar 是乘积，即各个 1 - beta 的乘积。"),
    Misconception("ratio upside down", paper(tilde=lambda a, b, alpha, v, w: sqrt((1 - alpha) * (1 - a) / (1 - b))),
        "In the posterior's variance the ratio stands upside down: knowing x_0 should make it smaller than beta.",
        "后验方差里的比值颠倒了：知道 x_0 之后它应当小于 beta。"),
    Misconception("not divided", paper(tilde=lambda a, b, alpha, v, w: sqrt((1 - alpha) * (1 - b))),
        "The posterior's variance must still be divided by the noise's variance at time 3.",
        "后验方差还要除以时刻 3 的噪声方差。"),
    Misconception("variances", paper(
        tilde=lambda a, b, alpha, v, w: spread(a, b, alpha), best=lambda a, b, alpha, v, w: best_of(a, b, alpha, v),
        best_wide=lambda a, b, alpha, v, w: best_of(a, b, alpha, w)),
        "The numbers 2 to 4 are variances; standard deviations are asked for, which multiply the noise.",
        "第 2 到第 4 个数是方差；要求的是标准差，它才是噪声的系数。"),
    Misconception("beta as a limit", paper(best_wide=lambda a, b, alpha, v, w: sqrt(1 - alpha)),
        "The fourth number was taken to be the root of beta_3 at most; that limit holds only for data of variance 1 or less.",
        "第四个数取成了以 beta_3 的平方根为上限；只有数据的方差不超过 1 时，这个上限才成立。"),
    Misconception("nats", paper(bits=lambda a, b, alpha, v, w: loss(spread(a, b, alpha), best_of(a, b, alpha, v))),
        "The loss is in nats; a number in bits is divided by log 2.",
        "损失以奈特为单位；以比特为单位要除以 log 2。"),
    Misconception("no half", paper(bits=lambda a, b, alpha, v, w: 2 * loss(spread(a, b, alpha), best_of(a, b, alpha, v)) / log(2)),
        "In the loss the factor one half of the Gaussian divergence is missing.",
        "损失里漏了高斯散度的系数二分之一。"),
    Misconception("other way round", paper(bits=lambda a, b, alpha, v, w: loss(best_of(a, b, alpha, v), spread(a, b, alpha)) / log(2)),
        "In the loss the two variances are exchanged: the one that the model uses stands below.",
        "损失里两个方差放反了：模型所用的那个应在分母。"),
    Misconception("logarithm alone", paper(
        bits=lambda a, b, alpha, v, w: log(best_of(a, b, alpha, v) / spread(a, b, alpha)) / (2 * log(2))),
        "The loss is more than the difference of the logarithms: too small a variance also makes the squared error count for more.",
        "损失不只是对数之差：方差取得太小，还会使平方误差的权重变大。"),
    Misconception("beta for beta-tilde", paper(bits=lambda a, b, alpha, v, w: loss(1 - alpha, best_of(a, b, alpha, v)) / log(2)),
        "The loss is that of beta; the one of beta-tilde is asked for.",
        "这是用 beta 的损失；要求的是用 beta-tilde 的。"),
    Misconception("weight without half", paper(weight=lambda a, b, alpha, v, w: (1 - alpha) / (alpha * (1 - a))),
        "In the last number the factor one half is missing.",
        "最后一个数漏了系数二分之一。"),
    Misconception("weight with sigma", paper(weight=lambda a, b, alpha, v, w: (1 - alpha) / (2 * alpha * sqrt(1 - a))),
        "In the last number stands the noise's standard deviation in place of its variance.",
        "最后一个数里用了噪声的标准差，应当用方差。"),
    Misconception("weight with alpha-bar", paper(weight=lambda a, b, alpha, v, w: (1 - alpha) / (2 * a * (1 - a))),
        "In the last number stands alpha-bar where alpha belongs.",
        "最后一个数里，该用 alpha 的地方用了 alpha-bar。"),
    Misconception("weight without alpha", paper(weight=lambda a, b, alpha, v, w: (1 - alpha) / (2 * (1 - a))),
        "In the last number alpha is missing below.",
        "最后一个数的分母漏了 alpha。"),
    Misconception("weight by beta-tilde", paper(
        weight=lambda a, b, alpha, v, w: (1 - alpha) ** 2 / (2 * spread(a, b, alpha) * alpha * (1 - a))),
        "The last number is the weight for the variance beta-tilde; the one for beta is asked for.",
        "最后一个数是方差取 beta-tilde 时的权重；要求的是取 beta 时的。"),
    Misconception("beta squared", paper(weight=lambda a, b, alpha, v, w: (1 - alpha) ** 2 / (2 * alpha * (1 - a))),
        "In the last number beta stands squared: one factor cancels with the step's variance.",
        "最后一个数里 beta 多了一次方：有一个因子要与这一步的方差约去。"),
    Misconception("error without its weight", both(lambda a, b, alpha, v: spread(a, b, alpha) + left_over(a, v)),
        "In the best variance the error of x_0 has no weight; it counts with the square of its weight in the posterior's mean.",
        "最优方差里，x_0 的误差没有乘权重；应当乘以它在后验均值中的权重的平方。"),
    Misconception("weight not squared", both(lambda a, b, alpha, v: spread(a, b, alpha) + pull(a, b, alpha) * left_over(a, v)),
        "In the best variance the weight of x_0 must be squared.",
        "最优方差里，x_0 的权重应当平方。"),
    Misconception("variance before the look", both(lambda a, b, alpha, v: spread(a, b, alpha) + pull(a, b, alpha) ** 2 * v),
        "In the best variance stands the whole variance of the data; x_3 tells much of x_0, and only what is then left counts.",
        "最优方差里用了数据的整个方差；x_3 已经透露了 x_0 的许多信息，只有剩下的那部分方差才算。"),
    Misconception("error alone", both(lambda a, b, alpha, v: pull(a, b, alpha) ** 2 * left_over(a, v)),
        "The best variance lacks the posterior's own: even with x_0 known the step back has noise.",
        "最优方差漏了后验自身的方差：即使知道 x_0，往回一步仍有噪声。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    # one schedule for each student, and numbers that were rounded by hand
    "diffusion-paper": Exercise(variances, variances_inputs, VARIANCES, cases=1, tolerance=2e-3),
}
