"""The exercises of the chapter on autoencoders: notebooks/exercises/autoencoders.ipynb.

Examples x are (N, D). The first exercise has its specification, inputs and mistakes here; ``linear``, ``bugs``, ``contraction``,
``denoiser`` and ``paper`` hold the others.
"""

from __future__ import annotations

from random import Random
from types import MappingProxyType

from gmlib.exercises.autoencoders import bugs, contraction, denoiser, linear, paper
from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


@specification
def score(x: Matrix, x_tilde: Matrix, r: Matrix, sigma: Vector) -> Matrix:
    """The residual over the variance of the noise, in each coordinate its own; eq-autoencoders-residual. The clean x is not needed."""
    return [[(back - noisy) / s**2 for back, noisy, s in zip(*rows, sigma)] for rows in zip(r, x_tilde)]


def score_inputs(rng: Random, number: int) -> dict:
    """Standard deviations on both sides of 1 and not near it, all different; never as many examples as coordinates."""
    D = 3 + number % 2
    N = 2 if number % 3 else D + 1
    sigma = [rng.uniform(0.3, 0.5), rng.uniform(0.6, 0.75), rng.uniform(1.4, 1.6), rng.uniform(1.8, 2.2)][:D]
    rng.shuffle(sigma)
    x, r = table(rng, N, D), table(rng, N, D, scale=0.8)
    return {"x": x, "x_tilde": [[v + s * rng.gauss(0, 1) for v, s in zip(row, sigma)] for row in x], "r": r, "sigma": sigma}


def of_each(rule):
    """A rule for each coordinate, of the clean number, the noisy one, the reconstruction, sigma, and the variances of all."""

    def wrong(x: Matrix, x_tilde: Matrix, r: Matrix, sigma: Vector) -> Matrix:
        every = [s * s for s in sigma]
        return [[rule(*numbers, every) for numbers in zip(*rows, sigma)] for rows in zip(x, x_tilde, r)]

    return wrong


SCORE = (
    Misconception("divided by sigma", of_each(lambda x, y, r, s, every: (r - y) / s),
        "You have sigma for sigma^2: the residual is divided by the variance of the noise.",
        "你用 sigma 代替了 sigma^2：残差要除以噪声的方差。"),
    Misconception("clean input", of_each(lambda x, y, r, s, every: (r - x) / s**2),
        "The clean x was subtracted; the score is taken at the noisy point, and the residual is what the denoiser adds to its own input.",
        "减去的是干净的 x；得分是在带噪的点处取的，残差是去噪器在它自己的输入上加的东西。"),
    Misconception("no denoiser", of_each(lambda x, y, r, s, every: (x - y) / s**2),
        "This goes from the noisy point to its own clean one, which only training knows. r stands for the mean of all clean points that it "
        "may have come from.",
        "这是从带噪的点指向它自己的那个干净点，只有训练时才知道。r 代表它可能来自的所有干净点的均值。"),
    Misconception("sign", of_each(lambda x, y, r, s, every: (y - r) / s**2),
        "The sign is wrong: the denoiser moves uphill, in the direction of the score.",
        "符号反了：去噪器是往上坡走的，与得分同方向。"),
    Misconception("not divided", of_each(lambda x, y, r, s, every: r - y),
        "This is the residual; it must still be divided by the variance of the noise.",
        "这是残差；还要除以噪声的方差。"),
    Misconception("multiplied", of_each(lambda x, y, r, s, every: (r - y) * s**2),
        "The residual was multiplied by the variance; it is the score that is multiplied, so divide.",
        "残差乘了方差；乘方差的是得分，所以这里应当除。"),
    Misconception("half", of_each(lambda x, y, r, s, every: (r - y) / (2 * s**2)),
        "The factor one half is too much: the derivative of the square in the Gaussian's exponent has cancelled it.",
        "多了系数二分之一：对高斯指数里的平方求导时，它已经约去了。"),
    Misconception("one variance", of_each(lambda x, y, r, s, every: (r - y) / (sum(every) / len(every))),
        "All coordinates were divided by one mean variance; each has noise of its own.",
        "所有坐标除以了同一个平均方差；每个坐标的噪声各不相同。"),
    Misconception("total variance", of_each(lambda x, y, r, s, every: (r - y) / sum(every)),
        "All coordinates were divided by the sum of the variances; each has noise of its own.",
        "所有坐标除以了方差之和；每个坐标的噪声各不相同。"),
    Misconception("reconstruction alone", of_each(lambda x, y, r, s, every: r / s**2),
        "The reconstruction was divided, not the residual: the noisy input must be subtracted first.",
        "除的是重构，不是残差：应当先减去带噪的输入。"),
    Misconception("from the origin", of_each(lambda x, y, r, s, every: -y / s**2),
        "This is the score of a Gaussian about 0, whatever the data are; what is known of them is in r.",
        "这是以 0 为中心的高斯分布的得分，与数据无关；关于数据的信息在 r 里。"),
)  # fmt: skip

EXERCISES = MappingProxyType({
    "autoencoders-score": Exercise(score, score_inputs, SCORE),
    **linear.EXERCISES,
    **bugs.SPARSITY_EXERCISE,
    **contraction.EXERCISES,
    **bugs.DENOISING_EXERCISE,
    **denoiser.EXERCISES,
    **paper.EXERCISES,
})  # fmt: skip
