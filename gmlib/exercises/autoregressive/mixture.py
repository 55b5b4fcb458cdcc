"""The exercise of the chapter ``autoregressive`` on the discretised mixture of logistics.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.autoregressive`. Levels x are (N,), whole numbers from 0 to levels - 1;
weights pi, means mu and scales s are (K,).
"""

from __future__ import annotations

from math import erf, exp, inf, log, sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]


@specification
def log_mass(x: list[int], pi: Vector, mu: Vector, s: Vector, levels: int) -> Vector:
    """The bin of each level under each component, the first and the last bin with the tails; eq-autoregressive-mixture."""
    out = []
    for level in x:
        centre, mass = 2 * level / (levels - 1) - 1, 0.0
        for weight, mean, scale in zip(pi, mu, s):
            upper = sigmoid((centre + 1 / (levels - 1) - mean) / scale)
            lower = sigmoid((centre - 1 / (levels - 1) - mean) / scale)
            if level == levels - 1:
                upper = 1.0
            if level == 0:
                lower = 0.0
            mass += weight * (upper - lower)
        out.append(log(mass))
    return out


def sigmoid(u: float) -> float:
    return 1 / (1 + exp(-u))


def log_mass_inputs(rng: Random, number: int) -> dict:
    """Both ends of the range are among the levels, and each end has a component near it, so that the tails count."""
    K, levels, N = 2 + number % 2, rng.randint(7, 18), 3 + number % 3
    x = [0, levels - 1, *rng.sample(range(1, levels - 1), N - 2)]
    rng.shuffle(x)
    mu = [rng.uniform(-0.95, -0.5), rng.uniform(0.35, 0.8), rng.uniform(-0.2, 0.2)][:K]
    share = [rng.uniform(0.25, 1) for _ in mu]
    return {"x": x, "pi": [v / sum(share) for v in share], "mu": mu, "s": [rng.uniform(0.22, 0.45) for _ in mu], "levels": levels}


def half_bin(levels: int) -> float:
    return 1 / (levels - 1)


def scaled(level: int, levels: int) -> float:
    return 2 * level / (levels - 1) - 1


def logarithm(v: float) -> float:
    """Minus infinity for a bin that floating point leaves empty."""
    return log(v) if v > 0 else -inf


def of_bins(half=half_bin, centre=scaled, ends=lambda level, levels: (level == 0, level == levels - 1), by=lambda u, s: u / s,
            cdf=sigmoid, join=lambda pi, masses: logarithm(sum(w * m for w, m in zip(pi, masses)))):  # fmt: skip
    """A mixture of bins; ``ends`` says whether the level has the lower and the upper tail, ``join`` makes a logarithm of the masses."""

    def wrong(x: list[int], pi: Vector, mu: Vector, s: Vector, levels: int) -> Vector:
        out = []
        for level in x:
            low, high = ends(level, levels)
            at, h = centre(level, levels), half(levels)
            masses = [(1.0 if high else cdf(by(at + h - m, k))) - (0.0 if low else cdf(by(at - h - m, k))) for m, k in zip(mu, s)]
            out.append(join(pi, masses))
        return out

    return wrong


def of_density(width):
    """The density at the level, times ``width`` of the number of levels."""

    def wrong(x: list[int], pi: Vector, mu: Vector, s: Vector, levels: int) -> Vector:
        def density(u: float, k: float) -> float:
            return sigmoid(u / k) * sigmoid(-u / k) / k

        at = [scaled(level, levels) for level in x]
        return [log(width(levels) * sum(w * density(v - m, k) for w, m, k in zip(pi, mu, s))) for v in at]

    return wrong


MIXTURE = (
    Misconception("no tails", of_bins(ends=lambda level, levels: (False, False)),
        "All levels have bins of one width, and the masses do not add up to 1: the first bin reaches down to minus infinity, the last "
        "one up to infinity.",
        "各级的区间都一样宽，概率加起来不到 1：第一个区间应向下伸到负无穷，最后一个应向上伸到正无穷。"),
    Misconception("lower tail only", of_bins(ends=lambda level, levels: (level == 0, False)),
        "The last level lacks its tail: its bin reaches up to infinity.",
        "最后一级漏了尾部：它的区间应向上伸到正无穷。"),
    Misconception("upper tail only", of_bins(ends=lambda level, levels: (False, level == levels - 1)),
        "Level 0 lacks its tail: its bin reaches down to minus infinity.",
        "第 0 级漏了尾部：它的区间应向下伸到负无穷。"),
    Misconception("tails exchanged", of_bins(ends=lambda level, levels: (level == levels - 1, level == 0)),
        "The two tails are exchanged: level 0 has the lower one, and the last level the upper one.",
        "两个尾部放反了：第 0 级取下方的，最后一级取上方的。"),
    Misconception("bins of 1 / levels", of_bins(lambda levels: 1 / levels),
        "Half a bin is 1 / (levels - 1): between -1 and 1 there are levels - 1 steps, so your bins leave gaps.",
        "半个区间应是 1 / (levels - 1)：从 -1 到 1 共有 levels - 1 步，你的区间之间留了空隙。"),
    Misconception("double bins", of_bins(lambda levels: 2 / (levels - 1)),
        "Each bin is twice as wide as it should be: 2 / (levels - 1) is the whole width, and half of it lies on either side.",
        "每个区间宽了一倍：2 / (levels - 1) 是整个宽度，两边各占一半。"),
    Misconception("density times width", of_density(lambda levels: 2 / (levels - 1)),
        "This is the density at the middle of the bin times its width: near the mass where the bin is narrow, and far from it at the "
        "ends. Take the difference of the sigmoids.",
        "这是区间中点的密度乘以宽度：区间窄时接近概率，两端则差得远。应当取两个 sigmoid 之差。"),
    Misconception("density", of_density(lambda levels: 1.0),
        "This is a density; a level has a probability, the mass of its bin.",
        "这是密度；每一级对应的是概率，即它那个区间的概率。"),
    Misconception("times the scale", of_bins(by=lambda u, s: u * s),
        "The distance to the mean was multiplied by s; it is divided by the scale.",
        "到均值的距离乘了 s；应当除以尺度。"),
    Misconception("logarithm of the scale", of_bins(by=lambda u, s: u / exp(s)),
        "s was taken for the logarithm of the scale, which is what networks put out; here it is the scale itself.",
        "把 s 当成了尺度的对数，网络输出的才是对数；这里它就是尺度。"),
    Misconception("logarithms averaged", of_bins(join=lambda pi, masses: sum(w * logarithm(m) for w, m in zip(pi, masses))),
        "The logarithms of the components were averaged; the logarithm must be taken after the sum.",
        "对各分量的对数取了平均；应当先求和再取对数。"),
    Misconception("no weights", of_bins(join=lambda pi, masses: logarithm(sum(masses))),
        "The weights pi are missing, so that the masses of all levels add up to the number of components.",
        "漏了权重 pi，于是所有级的概率之和等于分量的个数。"),
    Misconception("equal weights", of_bins(join=lambda pi, masses: logarithm(sum(masses) / len(masses))),
        "All components count alike; component k has the weight pi_k.",
        "各分量的权重取成一样了；分量 k 的权重应是 pi_k。"),
    Misconception("logarithms summed over components", of_bins(join=lambda pi, masses: sum(logarithm(m) for m in masses)),
        "The logarithms were summed over the components before the mixing: that is right over the channels of a pixel, and there are "
        "none here. It multiplies the components as if all had drawn the pixel at once.",
        "混合之前就把对数在各分量上相加了：对一个像素的各通道这样做才对，而这里没有通道。这等于把各分量相乘，好像它们同时抽出了这个像素。"),
    Misconception("not scaled", of_bins(centre=lambda level, levels: float(level)),
        "The level was taken as it stands; the means live on the scale from -1 to 1.",
        "直接用了级的编号；而均值用的是 -1 到 1 的尺度。"),
    Misconception("scaled to 0 and 1", of_bins(centre=lambda level, levels: level / (levels - 1)),
        "The levels were scaled to lie between 0 and 1; they lie between -1 and 1.",
        "各级缩放到了 0 与 1 之间；应在 -1 与 1 之间。"),
    Misconception("normal", of_bins(cdf=lambda u: (1 + erf(u / sqrt(2))) / 2),
        "These are the bins of normal distributions; the distribution function of a logistic law is the sigmoid.",
        "这是正态分布的区间；逻辑斯谛分布的分布函数是 sigmoid。"),
    Misconception("mass", of_bins(join=lambda pi, masses: sum(w * m for w, m in zip(pi, masses))),
        "This is the probability; its logarithm is asked for.",
        "这是概率；要求的是它的对数。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "autoregressive-mixture": Exercise(log_mass, log_mass_inputs, MIXTURE),
}
