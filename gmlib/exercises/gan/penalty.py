"""The exercise of the chapter ``gan`` on the gradient penalty of images, in which two bugs are to be found.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.gan`. Images real, fake are (N, C, H, W), random numbers u are
(L,), and the maps phi of the critic, half the sum of their squared inner products with the image, are (K, C, H, W).
"""

from __future__ import annotations

from math import sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, Numbers, specification, table
from gmlib.exercises.gan.mistakes import mean

Vector = list[float]
Image = list[list[Vector]]


def flat(values: Numbers) -> Vector:
    return [v for part in values for v in flat(part)] if isinstance(values, list) else [values]


def slopes(x: Vector, phi: list[Vector]) -> Vector:
    """The gradient at x of half the sum of the squared inner products with phi."""
    along = [sum(a * b for a, b in zip(x, row)) for row in phi]
    return [sum(a * row[j] for a, row in zip(along, phi)) for j in range(len(x))]


def norm(values: Vector) -> float:
    return sqrt(sum(v**2 for v in values))


def weights_of(u: Vector, i: int, shape: tuple[int, int, int]) -> Vector:
    """The one weight of image i, for each of its entries."""
    C, H, W = shape
    return [u[i]] * (C * H * W)


def gradients(real: list[Image], fake: list[Image], u: Vector, phi: list[Image], weights=weights_of) -> list[Vector]:
    """The critic's gradient at the interpolate of each image, flat: channel, then row, then column."""
    shape, maps, out = (len(real[0]), len(real[0][0]), len(real[0][0][0])), [flat(f) for f in phi], []
    for i, (one, other) in enumerate(zip(real, fake)):
        mixed = [w * a + (1 - w) * b for w, a, b in zip(weights(u, i, shape), flat(one), flat(other))]
        out.append(slopes(mixed, maps))
    return out


@specification
def penalty(real: list[Image], fake: list[Image], u: Vector, phi: list[Image]) -> float:
    """Mean of (norm - 1)^2 of the critic's gradient at one interpolate of each pair; eq-gan-interpolates, eq-gan-penalty."""
    return mean([(norm(g) - 1) ** 2 for g in gradients(real, fake, u, phi)])


def penalty_inputs(rng: Random, number: int) -> dict:
    """Norms on both sides of 1, one of them near 0.3, so that the wrong forms of the square differ."""
    N, C, H, W = 2 + number % 3, 2 + number % 2, 2 + number // 4 % 2, 2 + number % 2
    size = C * H * W
    while True:
        case = {"real": table(rng, N, C, H, W), "fake": table(rng, N, C, H, W),
                "u": [rng.random() for _ in range(N * size)], "phi": table(rng, 2, C, H, W, scale=0.8 / sqrt(size))}  # fmt: skip
        norms = sorted(norm(g) for g in gradients(*case.values()))
        if 0.2 < norms[0] < 0.6 and 1.3 < norms[-1] < 3:
            return case


def with_weights(weights):
    return lambda *case: mean([(norm(g) - 1) ** 2 for g in gradients(*case, weights)])


def per_pixel(u: Vector, i: int, shape: tuple[int, int, int]) -> Vector:
    size = shape[0] * shape[1] * shape[2]
    return u[i * size : (i + 1) * size]


def per_channel(u: Vector, i: int, shape: tuple[int, int, int]) -> Vector:
    C, H, W = shape
    return [u[i * C + c] for c in range(C) for _ in range(H * W)]


def from_norms(finish):
    """A function of the list of the norms of whole images."""
    return lambda *case: finish([norm(g) for g in gradients(*case)])


def by_parts(split, weights=weights_of):
    """The mean over the parts into which ``split`` cuts each gradient, by its numbers C and H W."""

    def wrong(real: list[Image], fake: list[Image], u: Vector, phi: list[Image]) -> float:
        C, area = len(real[0]), len(real[0][0]) * len(real[0][0][0])
        parts = [part for g in gradients(real, fake, u, phi, weights) for part in split(g, C, area)]
        return mean([(norm(part) - 1) ** 2 for part in parts])

    return wrong


def over_channels(g: Vector, C: int, area: int) -> list[Vector]:
    return [g[pixel::area] for pixel in range(area)]


def over_pixels(g: Vector, C: int, area: int) -> list[Vector]:
    return [g[c * area : (c + 1) * area] for c in range(C)]


def whole_batch(*case) -> float:
    return (norm(flat(gradients(*case))) - 1) ** 2


def root_mean_square(*case) -> float:
    return mean([(norm(g) / sqrt(len(g)) - 1) ** 2 for g in gradients(*case)])


PENALTY = (
    Misconception("both bugs", by_parts(over_channels, per_pixel),
        "Both bugs are still there.",
        "两个错误都还在。"),
    Misconception("weight per pixel", with_weights(per_pixel),
        "The norm is right now; but each pixel still has a weight of its own, so the points lie off the segment between the two images.",
        "范数对了；但每个像素仍各有一个权重，所以这些点不在两幅图像之间的线段上。"),
    Misconception("norm over the channels", by_parts(over_channels),
        "The weights are right now; but the norm still runs over the channels alone, with one norm for each pixel.",
        "权重对了；但范数仍只对通道计算，每个像素各有一个范数。"),
    Misconception("norm per channel", by_parts(over_pixels),
        "The norm runs over the pixels of one channel; it must run over the channels as well.",
        "范数是在单个通道的像素上算的；还应把各个通道一并算进去。"),
    Misconception("norm of the batch", whole_batch,
        "One norm was taken of the whole batch; each image has a norm of its own.",
        "整批图像只算了一个范数；每幅图像应各有一个范数。"),
    Misconception("root mean square", root_mean_square,
        "The squares were averaged over the entries of the image; a norm adds them up.",
        "对图像各元素的平方取了平均；范数应把它们相加。"),
    Misconception("weight per channel", with_weights(per_channel),
        "Each channel has a weight of its own; an image has one weight for all its entries.",
        "每个通道各有一个权重；一幅图像的所有元素应共用一个权重。"),
    Misconception("one weight for the batch", with_weights(lambda u, i, shape: [u[0]] * (shape[0] * shape[1] * shape[2])),
        "The whole batch has one weight. That is not biased, only noisier; each pair of images is to have its own.",
        "整批图像共用一个权重。这没有偏差，只是噪声更大；应当每对图像各有一个权重。"),
    Misconception("weights exchanged", with_weights(lambda u, i, shape: [1 - w for w in weights_of(u, i, shape)]),
        "u weighs the generated image here. The law of the points is the same, but the equation gives u to the real one.",
        "这里 u 乘在了生成的图像上。点的分布没有变，但公式里 u 是真实图像的权重。"),
    Misconception("at the real images", with_weights(lambda u, i, shape: [1.0] * (shape[0] * shape[1] * shape[2])),
        "The gradient was taken at the real images; it belongs at the points between them and the generated ones.",
        "梯度是在真实图像处求的；应当在真实图像与生成图像之间的点上求。"),
    Misconception("at the generated images", with_weights(lambda u, i, shape: [0.0] * (shape[0] * shape[1] * shape[2])),
        "The gradient was taken at the generated images; it belongs at the points between them and the real ones.",
        "梯度是在生成的图像处求的；应当在生成图像与真实图像之间的点上求。"),
    Misconception("sum of the slopes", lambda *case: mean([(sum(map(abs, g)) - 1) ** 2 for g in gradients(*case)]),
        "The absolute slopes were added up, which is another norm; add their squares and take the root.",
        "把各偏导数的绝对值相加了，那是另一种范数；应当把平方相加再开方。"),
    Misconception("times ten", from_norms(lambda norms: 10 * mean([(n - 1) ** 2 for n in norms])),
        "The weight 10 of the paper is already in; it is asked for without that factor.",
        "已经乘上了论文中的权重 10；要求的是不含这个系数的值。"),
    Misconception("absolute value", from_norms(lambda norms: mean([abs(n - 1) for n in norms])),
        "The distance of the norm from 1 must be squared.",
        "范数与 1 的差要平方。"),
    Misconception("one-sided", from_norms(lambda norms: mean([max(n - 1, 0.0) ** 2 for n in norms])),
        "Norms below 1 cost nothing here: that is the one-sided penalty.",
        "这里小于 1 的范数不受惩罚：那是单侧惩罚。"),
    Misconception("squared norm", from_norms(lambda norms: mean([(n**2 - 1) ** 2 for n in norms])),
        "The squared norm was compared with 1: the root is missing.",
        "与 1 比较的是范数的平方：漏了开方。"),
    Misconception("zero-centred", from_norms(lambda norms: mean([n**2 for n in norms])),
        "The norm is pulled to 0 here, as in R1; this penalty wants it to be 1.",
        "这里把范数拉向 0，像 R1 那样；本题的惩罚要它等于 1。"),
    Misconception("square of the mean", from_norms(lambda norms: (mean(norms) - 1) ** 2),
        "The norms were averaged before the square, so that large ones and small ones cancel.",
        "先对范数取平均再平方，大的和小的就互相抵消了。"),
    Misconception("sum over the images", from_norms(lambda norms: sum((n - 1) ** 2 for n in norms)),
        "The images were added up; take their mean.",
        "对各幅图像求了和；应当取平均。"),
    Misconception("not averaged", from_norms(lambda norms: [(n - 1) ** 2 for n in norms]),
        "These are the values of the single images; their mean is asked for.",
        "这是各幅图像的值；要求的是它们的平均。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "gan-penalty": Exercise(penalty, penalty_inputs, PENALTY),
}
