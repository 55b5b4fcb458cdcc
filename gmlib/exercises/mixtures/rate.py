"""The exercise of the chapter ``mixtures`` on how fast EM is.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.mixtures`. The truth is w N(mu, s^2) + (1 - w) N(-mu, s^2).
"""

from __future__ import annotations

from collections.abc import Callable
from math import cosh, exp, log, pi, sqrt, tanh
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

ROOT = sqrt(2 * pi)
STEP, REACH = 0.2, 8  # of the sums over a grid, in standard deviations: for such integrands exact to many more digits than asked for


@specification
def em_rate(mu: float, s: float, w: float) -> float:
    """E[x^2 sech^2(mu x / s^2 + b)] / s^2 with b = log(w / (1 - w)) / 2, by a sum over a fine grid; eq-mixtures-rate."""
    total, around = 0.0, log(w / (1 - w)) / 2
    for c, share in ((mu, w), (-mu, 1 - w)):
        for z in grid():
            x = c + s * z
            total += share * exp(-z * z / 2) / ROOT * STEP * (x / s / cosh(mu * x / s**2 + around)) ** 2
    return total


def grid() -> list[float]:
    return [STEP * i for i in range(round(-REACH / STEP), round(REACH / STEP) + 1)]


def em_rate_inputs(rng: Random, number: int) -> dict:
    """Weights far from even, s neither near 1 nor near mu; no mistake is near the right rate, nor near another mistake."""
    while True:
        mu, s = rng.uniform(0.5, 1.7), rng.uniform(0.6, 1.6)
        w = rng.uniform(0.15, 0.4) if number % 2 else rng.uniform(0.6, 0.85)
        right = rate()(mu, s, w)
        if min(abs(s - 1), abs(s - mu), abs(mu - 1), abs(mu - 2 * s)) > 0.08 and 0.02 < right < 0.9:
            wrong = [m.compute(mu, s, w) for m in RATE]
            if all(abs(u - v) > 2e-3 for i, u in enumerate([right, *wrong]) for v in wrong[i:]):
                return {"mu": mu, "s": s, "w": w}


# --- mistakes -----------------------------------------------------------------------------------------------


def sech(u: float) -> float:
    return 1 / cosh(u)


def half_log_odds(w: float) -> float:
    return log(w / (1 - w)) / 2


def rate(square: Callable = lambda x, mu: x * x, curve=lambda u: sech(u) ** 2, inside=lambda mu, x, s, w: mu * x / s**2 + half_log_odds(w),
         law=lambda mu, w: ((mu, w), (-mu, 1 - w)), finish=lambda v, s: v / s**2):  # fmt: skip
    """What ``finish`` makes of the mean of ``square`` times ``curve``, under the Gaussians that ``law`` names."""

    def wrong(mu: float, s: float, w: float) -> float:
        total = 0.0
        for c, share in law(mu, w):
            for z in grid():
                x = c + s * z
                total += share * exp(-z * z / 2) / ROOT * STEP * square(x, mu) * curve(inside(mu, x, s, w))
        return finish(total, s)

    return wrong


def centred(mu: float, s: float, w: float) -> float:
    mean = (2 * w - 1) * mu
    return rate(square=lambda x, _: (x - mean) ** 2)(mu, s, w)


RATE = (
    Misconception("what is seen", rate(finish=lambda v, s: 1 - v / s**2),
        "This is one minus the rate, the share of the information that is seen; EM is slow by the share that is missing.",
        "这是一减去速率，即看得到的信息所占的份额；EM 的慢取决于缺失的那一份。"),
    Misconception("weights forgotten in tanh", rate(inside=lambda mu, x, s, w: mu * x / s**2),
        "The half log-odds b of the weights is missing inside of sech.",
        "sech 里漏了权重的对数几率之半 b。"),
    Misconception("log-odds not halved", rate(inside=lambda mu, x, s, w: mu * x / s**2 + 2 * half_log_odds(w)),
        "Inside of sech stand the log-odds of the weights; half of them belong there.",
        "sech 里加的是权重的对数几率；应当加它的一半。"),
    Misconception("log-odds upside down", rate(inside=lambda mu, x, s, w: mu * x / s**2 - half_log_odds(w)),
        "The log-odds have the wrong sign: w is the weight of the component at mu.",
        "对数几率的符号反了：w 是位于 mu 的那个分量的权重。"),
    Misconception("mixed evenly", rate(law=lambda mu, w: ((mu, 0.5), (-mu, 0.5))),
        "The expectation was taken under even weights.",
        "期望是在权重相等的混合下取的。"),
    Misconception("one component", rate(law=lambda mu, w: ((mu, 1.0),)),
        "The expectation was taken under the component at mu alone. With even weights that is enough, by symmetry; with others it is not.",
        "期望只在位于 mu 的分量下取了。权重相等时由对称性这就够了；权重不等时不够。"),
    Misconception("around zero", rate(law=lambda mu, w: ((0.0, 1.0),)),
        "The expectation was taken under a Gaussian around zero; the data come from the mixture.",
        "期望是在以零为中心的高斯分布下取的；数据来自混合分布。"),
    Misconception("no square", rate(curve=sech),
        "The hyperbolic secant must be squared: the derivative of tanh is sech squared.",
        "双曲正割要平方：tanh 的导数是 sech 的平方。"),
    Misconception("no x squared", rate(square=lambda x, mu: 1.0, finish=lambda v, s: v),
        "This is the mean of sech squared alone; the derivative with respect to m brings out another x, and the update has one already.",
        "这只是 sech 平方的平均；对 m 求导又得出一个 x，而更新式里已有一个。"),
    Misconception("x not squared", rate(square=lambda x, mu: x),
        "The factor before sech squared is x; it should be x squared: one x of the update, one from the derivative.",
        "sech 平方前的因子是 x；应当是 x 的平方：一个来自更新式，一个来自求导。"),
    Misconception("centred", centred,
        "The mean of x was subtracted before squaring; the square is that of x itself.",
        "平方之前减去了 x 的均值；应当是 x 本身的平方。"),
    Misconception("tanh squared", rate(curve=lambda u: tanh(u) ** 2),
        "The square of tanh stands where that of sech belongs, which is one minus it.",
        "该用 sech 平方的地方用了 tanh 的平方；前者是一减去后者。"),
    Misconception("s not squared", rate(inside=lambda mu, x, s, w: mu * x / s + half_log_odds(w)),
        "Inside of sech, mu x is divided by s; it should be by the variance.",
        "sech 里 mu x 除以了 s；应当除以方差。"),
    Misconception("s left out", rate(inside=lambda mu, x, s, w: mu * x + half_log_odds(w)),
        "Inside of sech, mu x must be divided by the variance.",
        "sech 里的 mu x 要除以方差。"),
    Misconception("argument halved", rate(inside=lambda mu, x, s, w: mu * x / s**2 / 2 + half_log_odds(w)),
        "Inside of sech, mu x over the variance was halved: the log-odds are twice that, and tanh takes half of them.",
        "sech 里的 mu x 除以方差后又取了一半：对数几率是它的两倍，tanh 取的是对数几率的一半。"),
    Misconception("argument doubled", rate(inside=lambda mu, x, s, w: 2 * (mu * x / s**2 + half_log_odds(w))),
        "Inside of sech stand the whole log-odds of the label; half of them belong there.",
        "sech 里是标签的整个对数几率；应当取一半。"),
    Misconception("not divided by the variance", rate(finish=lambda v, s: v),
        "The mean must still be divided by the variance: the derivative brings out x over the variance.",
        "这个平均还要除以方差：求导得出的是 x 除以方差。"),
    Misconception("divided by s", rate(finish=lambda v, s: v / s),
        "The mean was divided by the standard deviation; it should be by the variance.",
        "平均除以了标准差；应当除以方差。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "mixtures-rate": Exercise(em_rate, em_rate_inputs, RATE),
}
