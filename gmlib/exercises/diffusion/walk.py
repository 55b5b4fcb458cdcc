"""The exercise of the chapter ``diffusion`` on Langevin's steps.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.diffusion`. Points x are (N, D), noise z is (K, N, D), one for each
step; the law is N(mu, v) in each dimension, with mu of shape (D,).
"""

from __future__ import annotations

from math import sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


def score(row: Vector, mu: Vector, v: float) -> Vector:
    return [(m - u) / v for u, m in zip(row, mu)]


@specification
def langevin(x: Matrix, mu: Vector, v: float, h: float, z: list[Matrix]) -> Matrix:
    """x + h s(x) + sqrt(2 h) z, again and again; in the book eq-diffusion-langevin."""
    for noise in z:
        x = [[u + h * s + sqrt(2 * h) * e for u, s, e in zip(row, score(row, mu, v), own)] for row, own in zip(x, noise)]
    return x


def langevin_inputs(rng: Random, number: int) -> dict:
    """Steps well below v, and h far from 1/2 and 1, where wrong scales of the noise are right by chance."""
    N, D, K = 1 + number % 3, 1 + number % 4, 2 + number % 3
    v = rng.choice((rng.uniform(0.5, 0.8), rng.uniform(1.4, 2.2)))
    case = {"x": table(rng, N, D, scale=1.5), "mu": table(rng, D, mean=0.6), "v": v, "h": rng.uniform(0.12, 0.34)}
    return case | {"z": table(rng, K, N, D)}


def steps(drift=lambda h: h, scale=lambda h: sqrt(2 * h), noises=lambda z: z, at=lambda start, row, own, k: row):
    """Steps with ``drift`` and ``scale`` of h, with the score at a point that ``at`` gives."""

    def wrong(x: Matrix, mu: Vector, v: float, h: float, z: list[Matrix]) -> Matrix:
        first = x
        for noise in noises(z):
            x = [[u + drift(h) * s + scale(h) * e for u, s, e in zip(row, score(at(start, row, own, scale(h)), mu, v), own)]
                 for start, row, own in zip(first, x, noise)]  # fmt: skip
        return x

    return wrong


def last_without_noise(x: Matrix, mu: Vector, v: float, h: float, z: list[Matrix]) -> Matrix:
    x = steps()(x, mu, v, h, z[:-1])
    return steps(scale=lambda h: 0.0)(x, mu, v, h, z[-1:])


LANGEVIN = (
    Misconception("noise without two", steps(scale=sqrt),
        "The noise is multiplied by the root of h; with the whole drift h it needs the root of 2 h. As it is, the spread comes "
        "out too small.",
        "噪声乘的是 h 的平方根；漂移取整个 h 时，应当乘 2 h 的平方根。现在这样，得到的散布太小。"),
    Misconception("root of two alone", steps(scale=lambda h: sqrt(2) * h),
        "The root runs over the 2 alone, and h stands outside: small steps then have next to no noise.",
        "只对 2 开了平方根，h 在根号外：步长小时，几乎就没有噪声了。"),
    Misconception("variance for standard deviation", steps(scale=lambda h: 2 * h),
        "The noise is multiplied by 2 h, its variance; it needs the root of it.",
        "噪声乘的是 2 h，即它的方差；应当乘方差的平方根。"),
    Misconception("noise proportional to h", steps(scale=lambda h: h),
        "The noise is multiplied by h; its variance should grow like the step, so its size like the root of the step.",
        "噪声乘的是 h；随步长成正比的应是噪声的方差，所以噪声的大小要取步长的平方根。"),
    Misconception("noise not scaled", steps(scale=lambda h: 1.0),
        "The noise is not multiplied by anything; it needs the root of 2 h.",
        "噪声没有乘任何系数；应当乘 2 h 的平方根。"),
    Misconception("half drift", steps(drift=lambda h: h / 2),
        "The drift is half as large as it should be beside the noise's root of 2 h: the spread comes out too large.",
        "噪声乘的是 2 h 的平方根，相比之下漂移只有应有的一半：得到的散布太大。"),
    Misconception("half drift and noise to match", steps(drift=lambda h: h / 2, scale=sqrt),
        "Half the drift, and the root of h for the noise: this is a Langevin step too, the one with h / 2; the step asked for is h.",
        "漂移减半，噪声乘 h 的平方根：这也是朗之万步，不过步长是 h / 2；要求的步长是 h。"),
    Misconception("double drift", steps(drift=lambda h: 2 * h),
        "The 2 belongs under the root of the noise alone; the drift is h times the score.",
        "2 只应出现在噪声的根号里；漂移是 h 乘以得分。"),
    Misconception("sign", steps(drift=lambda h: -h),
        "The steps go downhill, away from where the density is high: the score is to be added.",
        "步子走向了密度低处：得分应当加上。"),
    Misconception("no noise", steps(scale=lambda h: 0.0),
        "The noise is missing: these steps climb to the nearest mode and stay there.",
        "漏了噪声：这样的步子只会爬到最近的峰，然后停在那里。"),
    Misconception("no drift", steps(drift=lambda h: 0.0),
        "The score is missing: this is a random walk, which spreads without end.",
        "漏了得分：这是随机游走，会无止境地散开。"),
    Misconception("same noise each time", steps(noises=lambda z: [z[0]] * len(z)),
        "Each step uses the first noise; every step needs a new one.",
        "每一步都用了第一个噪声；每一步都要用新的。"),
    Misconception("one step", steps(noises=lambda z: z[:1]),
        "Only one step was made: is the `return` inside the loop?",
        "只走了一步：return 是不是写在循环里了？"),
    Misconception("score of the start", steps(at=lambda start, row, own, k: start),
        "The score was computed once, at the start; it belongs to the point where the chain is.",
        "得分只在起点算了一次；应当在链当前所在的点处计算。"),
    Misconception("noise before the score", steps(at=lambda start, row, own, k: [u + k * e for u, e in zip(row, own)]),
        "The score was computed after the noise had been added; it belongs to the point before the step.",
        "先加了噪声再算得分；得分应在这一步之前的点处计算。"),
    Misconception("last step without noise", last_without_noise,
        "The last step has no noise. The sampler of a diffusion model does so; these steps are all alike.",
        "最后一步没有加噪声。扩散模型的采样器是这样做的；这里各步都相同。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "diffusion-langevin": Exercise(langevin, langevin_inputs, LANGEVIN),
}
