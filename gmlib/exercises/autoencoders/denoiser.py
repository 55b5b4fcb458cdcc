"""The exercise of the chapter ``autoencoders`` on the best denoiser of a mixture, and how wrong even that one is.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.autoencoders`. A mixture of K round Gaussians: weights pi (K,), means mu
(K, D), standard deviations sd (K,). Noise of standard deviation sigma makes x_tilde, (N, D).
"""

from __future__ import annotations

from math import exp
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


@specification
def best(x_tilde: Matrix, pi: Vector, mu: Matrix, sd: Vector, sigma: float) -> Matrix:
    """The mean of x given the noisy point, and the mean squared distance of x from it; eq-autoencoders-posterior."""
    out, s = [], sigma**2
    for y in x_tilde:
        D, weights, means, spreads = len(y), [], [], []
        for share, centre, width in zip(pi, mu, sd):
            v = width**2
            distance = sum((a - m) ** 2 for a, m in zip(y, centre))
            weights.append(share * exp(-distance / (2 * (v + s))) / (v + s) ** (D / 2))  # 2 pi cancels
            means.append([m + v / (v + s) * (a - m) for a, m in zip(y, centre)])
            spreads.append(D * v * s / (v + s))
        weights = [w / sum(weights) for w in weights]
        r = [sum(w * m for w, m in zip(weights, column)) for column in zip(*means)]
        error = sum(w * (spread + sum((m - b) ** 2 for m, b in zip(at, r))) for w, spread, at in zip(weights, spreads, means))
        out.append([*r, error])
    return out


def best_inputs(rng: Random, number: int) -> dict:
    """Two or three components of different width; each noisy point may have come from more than one. No mistake is near."""
    D, K, N = 2 + number % 2, 2 + number // 2 % 2, 2 + number // 3 % 3
    N += N == D
    while True:
        share = [rng.uniform(0.25, 1) for _ in range(K)]
        pi = [v / sum(share) for v in share]
        mu, sd = table(rng, K, D, scale=0.9), [rng.uniform(0.35, 0.55), rng.uniform(0.65, 0.85), rng.uniform(1.2, 1.5)][:K]
        rng.shuffle(sd)
        sigma = rng.uniform(1.15, 1.5) if number % 4 == 3 else rng.uniform(0.45, 0.8)
        case = {"x_tilde": table(rng, N, D, scale=1.3), "pi": pi, "mu": mu, "sd": sd, "sigma": sigma}
        if all(min(weights_of(y, pi, mu, sd, sigma)) > 0.05 for y in case["x_tilde"]):
            right = denoised()(*case.values())
            if all(apart(right, m.compute(*case.values())) > 0.004 for m in BEST):
                return case


def apart(right: Matrix, wrong: Matrix) -> float:
    return max(abs(u - v) for rows in zip(right, wrong) for u, v in zip(*rows))


# --- mistakes -----------------------------------------------------------------------------------------------


def density(distance: float, variance: float, D: int) -> float:
    return exp(-distance / (2 * variance)) / variance ** (D / 2)


def weights_of(y, pi, mu, sd, sigma, law=lambda distance, v, s, D: density(distance, v + s, D), choose=lambda w: w, shares=lambda pi: pi):
    distances = [sum((a - m) ** 2 for a, m in zip(y, centre)) for centre in mu]
    weights = [p * law(d, width**2, sigma**2, len(y)) for p, d, width in zip(shares(pi), distances, sd)]
    return choose([w / sum(weights) for w in weights])


def winner(weights: Vector) -> Vector:
    return [float(w == max(weights)) for w in weights]


def within_and_between(weights: Vector, within: Vector, means: Matrix, r: Vector) -> float:
    between = [sum((m - b) ** 2 for m, b in zip(mean, r)) for mean in means]
    return sum(w * (u + v) for w, u, v in zip(weights, within, between))


def denoised(gain=lambda v, s: v / (v + s), spread=lambda v, s, D: D * v * s / (v + s), error=within_and_between, **options):
    """``gain`` of a component, ``spread`` within it, and how the ``error`` is put together; ``options`` go to the weights."""

    def wrong(x_tilde: Matrix, pi: Vector, mu: Matrix, sd: Vector, sigma: float) -> Matrix:
        out, s = [], sigma**2
        for y in x_tilde:
            weights = weights_of(y, pi, mu, sd, sigma, **options)
            means = [[m + gain(width**2, s) * (a - m) for a, m in zip(y, centre)] for centre, width in zip(mu, sd)]
            r = [sum(w * m for w, m in zip(weights, column)) for column in zip(*means)]
            out.append([*r, error(weights, [spread(width**2, s, len(y)) for width in sd], means, r)])
        return out

    return wrong


def with_other(change):
    """The right function of other widths or another sigma."""
    return lambda x_tilde, pi, mu, sd, sigma: denoised()(x_tilde, pi, mu, *change(sd, sigma))


def by_clean_score(x_tilde: Matrix, pi: Vector, mu: Matrix, sd: Vector, sigma: float) -> Matrix:
    """x_tilde plus sigma^2 times the score of the data's density, not of the smoothed one."""
    right, out = denoised()(x_tilde, pi, mu, sd, sigma), []
    for y, row in zip(x_tilde, right):
        w = weights_of(y, pi, mu, sd, sigma, law=lambda distance, v, s, D: density(distance, v, D))
        slope = [sum(p * (centre[i] - y[i]) / width**2 for p, centre, width in zip(w, mu, sd)) for i in range(len(y))]
        out.append([*(a + sigma**2 * g for a, g in zip(y, slope)), row[-1]])
    return out


BEST = (
    Misconception("clean responsibilities", denoised(law=lambda distance, v, s, D: density(distance, v, D)),
        "The weights are those of clean points: a noisy point from component k has the variance sd_k^2 + sigma^2.",
        "权重用的是干净点的：来自分量 k 的带噪点，方差是 sd_k^2 + sigma^2。"),
    Misconception("prior weights", denoised(law=lambda distance, v, s, D: 1.0),
        "The components are weighted by pi alone; the noisy point tells which of them it may have come from.",
        "各分量只用 pi 加权了；带噪的点本身也透露它可能来自哪个分量。"),
    Misconception("equal priors", denoised(shares=lambda pi: [1.0 for _ in pi]),
        "The weights pi are missing from the responsibilities.",
        "响应度里漏了权重 pi。"),
    Misconception("no normaliser", denoised(law=lambda distance, v, s, D: exp(-distance / (2 * (v + s)))),
        "In the responsibilities the factor in front of the exponential is missing; components of different width have different ones.",
        "响应度里漏了指数前面的因子；各分量的宽度不同，这个因子也不同。"),
    Misconception("normaliser of one dimension", denoised(law=lambda distance, v, s, D: exp(-distance / (2 * (v + s))) / (v + s) ** 0.5),
        "In the responsibilities stands the factor of a Gaussian in one dimension; in D dimensions its power is D / 2.",
        "响应度里用了一维高斯的因子；在 D 维中，指数是 D / 2。"),
    Misconception("nearest component", denoised(choose=winner),
        "Only the likeliest component counts; average over all, each with its probability.",
        "只算了可能性最大的分量；应当按概率对所有分量取平均。"),
    Misconception("gain exchanged", denoised(lambda v, s: s / (v + s)),
        "The share is upside down: little noise should leave the point nearly where it is.",
        "份额放反了：噪声小时，点应当几乎不动。"),
    Misconception("means alone", denoised(lambda v, s: 0.0),
        "The components' means were averaged; each must first move towards the noisy point.",
        "只对各分量的均值取了平均；每个还要先向带噪的点移动。"),
    Misconception("sigma for variance", with_other(lambda sd, sigma: (sd, sigma**0.5)),
        "You have sigma for sigma^2: the noise's standard deviation in place of its variance.",
        "你用 sigma 代替了 sigma^2：噪声的标准差代替了方差。"),
    Misconception("sd for variance", with_other(lambda sd, sigma: ([width**0.5 for width in sd], sigma)),
        "You have sd for sd^2: the components' standard deviations in place of their variances.",
        "你用 sd 代替了 sd^2：各分量的标准差代替了方差。"),
    Misconception("score of the data", by_clean_score,
        "This is x_tilde + sigma^2 times the score of the data's own density; the residual holds that of the smoothed one.",
        "这是 x_tilde 加上 sigma^2 乘以数据自身密度的得分；残差里是平滑后密度的得分。"),
    Misconception("within alone", denoised(error=lambda w, within, means, r: sum(u * v for u, v in zip(w, within))),
        "The error lacks a part: which component it was is not known either, and their means differ from r.",
        "误差少了一部分：来自哪个分量也不知道，而各分量的均值与 r 不同。"),
    Misconception("between alone", denoised(spread=lambda v, s, D: 0.0),
        "The error lacks a part: even with the component known, x is not.",
        "误差少了一部分：即使知道是哪个分量，也还不知道 x。"),
    Misconception("one coordinate", denoised(spread=lambda v, s, D: v * s / (v + s)),
        "In the error, the variance within a component is that of one coordinate; the squared distance has D of them.",
        "误差里，分量内的方差只算了一个坐标；距离的平方有 D 个坐标。"),
    Misconception("variance before the look", denoised(spread=lambda v, s, D: D * v),
        "In the error stands the whole variance of a component; the noisy point has told much of x, and less is left.",
        "误差里用了分量的整个方差；带噪的点已经透露了 x 的许多信息，剩下的更少。"),
    Misconception("gain squared", denoised(spread=lambda v, s, D: D * (v / (v + s)) ** 2 * s),
        "In the error the variance within a component is that of r for a fixed x; that of x for a fixed noisy point is asked for.",
        "误差里，分量内用的是 x 固定时 r 的方差；要求的是带噪的点固定时 x 的方差。"),
    Misconception("root of the error", denoised(error=lambda *parts: within_and_between(*parts) ** 0.5),
        "The last column is a root; the mean squared distance is asked for.",
        "最后一列开了平方根；要求的是距离平方的均值。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "autoencoders-denoiser": Exercise(best, best_inputs, BEST),
}
