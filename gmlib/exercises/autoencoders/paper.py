"""The exercise of the chapter ``autoencoders`` that is worked out on paper: Gaussian data, where everything about denoising is known.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.autoencoders`. One dimension: data N(m, v0), noise of standard deviation
sigma, and a noisy point y.
"""

from __future__ import annotations

from math import sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]


@specification
def gaussian(m: float, v0: float, sigma: float, y: float) -> Vector:
    """eq-autoencoders-posterior, -residual, -least, the error on clean inputs, the spread of r, and eq-autoencoders-chain-variance."""
    s = sigma**2
    r = m + v0 / (v0 + s) * (y - m)
    return [r, (r - y) / s, v0 * s / (v0 + s), (s / (v0 + s)) ** 2 * v0, v0**2 / (v0 + s), v0**2 / (2 * v0 + s)]


def gaussian_inputs(rng: Random, number: int) -> dict:
    """Two decimals each; no mistake comes near a right number, and no right one near another or a small whole number."""
    while True:
        m, v0 = rng.choice((-1, 1)) * rng.randint(40, 190) / 100, rng.randint(40, 350) / 100
        sigma, y = rng.randint(40, 190) / 100, rng.randint(-420, 420) / 100
        if distinct(m, v0, sigma, y):
            return {"m": m, "v0": v0, "sigma": sigma, "y": y}


def distinct(m: float, v0: float, sigma: float, y: float) -> bool:
    right = right_numbers(m, v0, sigma**2, y)
    values = sorted([*right, 0.0, 1.0, 2.0, 3.0, -1.0])
    if min(w - u for u, w in zip(values, values[1:])) < 0.015:
        return False
    wrong = [mistake.compute(m, v0, sigma, y) for mistake in PAPER]
    near = any(1e-9 < abs(u - w) < 0.06 for numbers in wrong for u, w in zip(numbers, right))
    return not near and all(apart(one, other) > 0.03 for i, one in enumerate(wrong) for other in [right, *wrong[:i]])


def apart(one: Vector, other: Vector) -> float:
    return max(abs(u - w) for u, w in zip(one, other))


def numbers_of(m: float, v: float, s: float, y: float) -> dict[str, float]:
    """The six numbers, from the variances of the data and of the noise."""
    a = v / (v + s)
    return {
        "r": m + a * (y - m),
        "score": (m - y) / (v + s),
        "loss": a * s,
        "clean": (1 - a) ** 2 * v,
        "spread": a * v,
        "chain": v * v / (2 * v + s),
    }


def right_numbers(m: float, v: float, s: float, y: float) -> Vector:
    return list(numbers_of(m, v, s, y).values())


def paper(**places):
    """The right numbers but for those named, each a function of m, the variances v and s, and y."""

    def wrong(m: float, v0: float, sigma: float, y: float) -> Vector:
        case = (m, v0, sigma**2, y)
        return [places[name](*case) if name in places else number for name, number in numbers_of(*case).items()]

    return wrong


# A mistake of one number comes before those that change it and others too.
PAPER = (
    Misconception("gain exchanged", paper(r=lambda m, v, s, y: m + s / (v + s) * (y - m)),
        "In the first number the share is upside down: little noise should leave the point nearly where it is.",
        "第一个数里的份额放反了：噪声小时，点应当几乎不动。"),
    Misconception("towards the origin", paper(r=lambda m, v, s, y: v / (v + s) * y),
        "In the first number the point was drawn towards 0; the data lie about m.",
        "第一个数里，点被拉向 0；数据是以 m 为中心的。"),
    Misconception("gain of the chain", paper(r=lambda m, v, s, y: m + v / (2 * v + s) * (y - m)),
        "In the first number the share has twice the variance of the data below; that belongs to the chain.",
        "第一个数的份额，分母里是数据方差的两倍；那属于链的公式。"),
    Misconception("score of the data", paper(score=lambda m, v, s, y: (m - y) / v),
        "The second number is the score of the data's density; the one that a denoiser tells of is smoothed, and wider.",
        "第二个数是数据密度的得分；去噪器透露的是平滑之后的，更宽。"),
    Misconception("score with the wrong sign", paper(score=lambda m, v, s, y: (y - m) / (v + s)),
        "The second number has the wrong sign: a score points to where the density is higher.",
        "第二个数的符号反了：得分指向密度更高的一边。"),
    Misconception("score by sigma", paper(score=lambda m, v, s, y: (m - y) / (v + s) * sqrt(s)),
        "For the second number the residual was divided by sigma; you have sigma for sigma^2.",
        "第二个数是残差除以 sigma 得到的：你用 sigma 代替了 sigma^2。"),
    Misconception("residual", paper(score=lambda m, v, s, y: (m - y) / (v + s) * s),
        "The second number is the residual; divide it by the variance of the noise.",
        "第二个数是残差；要除以噪声的方差。"),
    Misconception("score of the noise", paper(score=lambda m, v, s, y: (m - y) / s),
        "The second number is the score of the noise about m; the data vary, too.",
        "第二个数是以 m 为中心的噪声的得分；数据自己也有方差。"),
    Misconception("identity's loss", paper(loss=lambda m, v, s, y: s),
        "The third number is what the identity loses; the best denoiser loses less.",
        "第三个数是恒等映射的损失；最好的去噪器损失更小。"),
    Misconception("variance of the noise after the gain", paper(loss=lambda m, v, s, y: (v / (v + s)) ** 2 * s),
        "The third number counts only the noise that is left; the best denoiser also pulls true deviations back, and that is an error too.",
        "第三个数只算了留下的噪声；最好的去噪器也会把真实的偏离拉回来，这也是误差。"),
    Misconception("loss as a root", paper(loss=lambda m, v, s, y: sqrt(v * s / (v + s))),
        "The third number is a root; the loss is a mean of squares.",
        "第三个数开了平方根；损失是平方的均值。"),
    Misconception("precisions added", paper(loss=lambda m, v, s, y: 1 / v + 1 / s),
        "The third number is a precision, 1 / v0 + 1 / sigma^2; take its inverse.",
        "第三个数是精度 1 / v0 + 1 / sigma^2；还要取倒数。"),
    Misconception("loss on clean inputs", paper(clean=lambda m, v, s, y: v * s / (v + s)),
        "The fourth number is the loss again; on clean inputs there is no noise, only the pull towards m, and its share is squared.",
        "第四个数又是损失；输入干净时没有噪声，只有向 m 的拉动，而它的份额要平方。"),
    Misconception("pull on the noise", paper(clean=lambda m, v, s, y: (s / (v + s)) ** 2 * s),
        "In the fourth number the pull towards m acts on the variance of the noise; on clean inputs it acts on that of the data.",
        "第四个数里，向 m 的拉动乘的是噪声的方差；输入干净时，应当乘数据的方差。"),
    Misconception("gain for pull", paper(clean=lambda m, v, s, y: (v / (v + s)) ** 2 * v),
        "The fourth number has the square of what is kept; the error is what is taken away.",
        "第四个数用的是保留部分的平方；误差是去掉的部分。"),
    Misconception("no error on clean inputs", paper(clean=lambda m, v, s, y: 0.0),
        "The fourth number is not 0: the denoiser cannot know that its input is clean.",
        "第四个数不是 0：去噪器不知道输入是干净的。"),
    Misconception("noise forgotten", paper(spread=lambda m, v, s, y: (v / (v + s)) ** 2 * v),
        "The fifth number leaves out the noise of the inputs: before the gain their variance is v0 + sigma^2.",
        "第五个数漏了输入里的噪声：乘份额之前，输入的方差是 v0 + sigma^2。"),
    Misconception("spread of the data", paper(spread=lambda m, v, s, y: v),
        "The fifth number is the variance of the data; reconstructions are means, and vary less: the share must be squared.",
        "第五个数是数据的方差；重构是均值，变化更小：份额要平方。"),
    Misconception("spread of the rest", paper(spread=lambda m, v, s, y: v * s / (v + s)),
        "The fifth number is what is still unknown of x; the reconstructions have the rest of the variance of the data.",
        "第五个数是 x 仍然未知的那部分方差；数据方差中其余的部分才是重构的。"),
    Misconception("chain that draws", paper(chain=lambda m, v, s, y: v),
        "The last number is what the chain keeps that draws; the one that takes the mean loses some variance in every step.",
        "最后一个数是抽样的链保持的方差；取均值的链每一步都丢失一些方差。"),
    Misconception("limit of small noise", paper(chain=lambda m, v, s, y: v / 2),
        "The last number is the limit for small noise; your sigma is not small.",
        "最后一个数是噪声很小时的极限；你的 sigma 并不小。"),
    Misconception("after the noise", paper(chain=lambda m, v, s, y: v * v / (2 * v + s) + s),
        "The last number is the variance after the noise; the one after decoding is asked for.",
        "最后一个数是加噪之后的方差；要求的是解码之后的。"),
    Misconception("one step", paper(chain=lambda m, v, s, y: v * v / (v + s)),
        "The last number is the variance after one step from the data; go on until it no longer changes.",
        "最后一个数是从数据出发走一步之后的方差；要一直走到它不再变化。"),
    Misconception("two steps", paper(chain=lambda m, v, s, y: (v / (v + s)) ** 2 * (v * v / (v + s) + s)),
        "The last number is the variance after two steps; go on until it no longer changes.",
        "最后一个数是走两步之后的方差；要一直走到它不再变化。"),
    Misconception("standard data", paper(chain=lambda m, v, s, y: 1 / (2 + s)),
        "The last number is that of data with variance 1.",
        "最后一个数是数据方差为 1 时的。"),
    Misconception("sigma for variance", lambda m, v0, sigma, y: right_numbers(m, v0, sigma, y),
        "You have sigma for sigma^2 everywhere: the standard deviation of the noise in place of its variance.",
        "你处处用 sigma 代替了 sigma^2：噪声的标准差代替了方差。"),
    Misconception("v0 squared", lambda m, v0, sigma, y: right_numbers(m, v0 * v0, sigma * sigma, y),
        "v0 was squared everywhere; it is already a variance.",
        "你处处把 v0 平方了；它已经是方差。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    # one law for each student, and numbers that were rounded by hand
    "autoencoders-paper": Exercise(gaussian, gaussian_inputs, PAPER, cases=1, tolerance=2e-3),
}
