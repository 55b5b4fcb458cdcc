"""The exercise of the chapter ``autoregressive`` that is worked out on paper: two pixels, and a model that sees no other pixel.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.autoregressive`. The table p is (2, 2), rows for x_1; v is a probability.
"""

from __future__ import annotations

from math import log, log2
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]
Matrix = list[Vector]
NAMES = ("first", "second", "rate", "floor", "image", "kl")


@specification
def two_pixels(p: Matrix, v: float) -> Vector:
    """eq-autoregressive-chain (entropies), bits per dimension, eq-autoregressive-floor, a code length, and what a model loses."""
    rows, columns = [sum(row) for row in p], [sum(column) for column in zip(*p)]
    model = [[row * (1 - v), row * v] for row in rows]
    first = -sum(q * log2(q) for q in rows)
    joint = -sum(q * log2(q) for row in p for q in row)
    blind = -sum(q * log2(q) for q in columns)
    kl = sum(q * log2(q / m) for row, of_model in zip(p, model) for q, m in zip(row, of_model))
    return [first, joint - first, joint / 2, first + blind - joint, -log2(rows[1] * columns[0]), kl]


def two_pixels_inputs(rng: Random, number: int) -> dict:
    """Two decimals each; no mistake comes near a right number, and no right one near another or a small whole number."""
    while True:
        a, b, c = rng.randint(50, 70), rng.randint(2, 6), rng.randint(10, 20)
        p = [[a / 100, b / 100], [c / 100, (100 - a - b - c) / 100]]
        v = rng.randint(15, 85) / 100
        if 100 - a - b - c > 9 and len({b, c, 100 - a - b - c}) == 3 and distinct(p, v):
            return {"p": p, "v": v}


def distinct(p: Matrix, v: float) -> bool:
    right = right_numbers(p, v)
    values = sorted([*right, 0.0, 1.0, 2.0, 3.0])
    if min(w - u for u, w in zip(values, values[1:])) < 0.015:
        return False
    wrong = [m.compute(p, v) for m in PAPER]
    near = any(1e-9 < abs(u - w) < 0.06 for numbers in wrong for u, w in zip(numbers, right))
    return not near and all(apart(one, other) > 0.03 for i, one in enumerate(wrong) for other in [right, *wrong[:i]])


def apart(one: Vector, other: Vector) -> float:
    return max(abs(u - w) for u, w in zip(one, other))


def H(law: Vector) -> float:
    return -sum(q * log2(q) for q in law)


def margins(p: Matrix) -> tuple[Vector, Vector]:
    return [sum(row) for row in p], [sum(column) for column in zip(*p)]


def given_first(p: Matrix) -> float:
    rows, _ = margins(p)
    return H([q for row in p for q in row]) - H(rows)


def shared(p: Matrix) -> float:
    """What the two pixels tell of each other, in bits."""
    return H(margins(p)[1]) - given_first(p)


def divergence(one: Vector, other: Vector) -> float:
    return sum(q * log2(q / m) for q, m in zip(one, other))


def numbers_of(p: Matrix, v: float) -> dict[str, float]:
    rows, columns = margins(p)
    return {
        "first": H(rows),
        "second": given_first(p),
        "rate": (H(rows) + given_first(p)) / 2,
        "floor": shared(p),
        "image": -log2(rows[1]) - log2(columns[0]),
        "kl": shared(p) + divergence(columns, [1 - v, v]),
    }


def right_numbers(p: Matrix, v: float) -> Vector:
    return list(numbers_of(p, v).values())


def paper(**places):
    """The right numbers but for those named, each a function of the table and v."""

    def wrong(p: Matrix, v: float) -> Vector:
        return [places[name](p, v) if name in places else number for name, number in numbers_of(p, v).items()]

    return wrong


def nats(name: str):
    return lambda p, v: numbers_of(p, v)[name] * log(2)


def transposed(p: Matrix, v: float) -> Vector:
    return right_numbers([list(column) for column in zip(*p)], v)


def against(p: Matrix, v: float) -> float:
    """KL(q || p) of the model whose second pixel is 1 with probability v."""
    rows, _ = margins(p)
    model = [q * w for q in rows for w in (1 - v, v)]
    return divergence(model, [q for row in p for q in row])


# A mistake of one number comes before those that change it and others too.
PAPER = (
    Misconception("first in nats", paper(first=nats("first")),
        "The first entropy is in nats; for bits, take logarithms to the base 2.",
        "第一个熵以奈特为单位；要用比特，应取以 2 为底的对数。"),
    Misconception("other pixel", paper(first=lambda p, v: H(margins(p)[1])),
        "The first number is the entropy of the second pixel: the rows of the table belong to the first one, so add along the rows.",
        "第一个数成了第二个像素的熵：表的行属于第一个像素，应当按行相加。"),
    Misconception("second alone", paper(second=lambda p, v: H(margins(p)[1])),
        "The second number is the entropy of the second pixel alone; it must be given the first one.",
        "第二个数是第二个像素单独的熵；应当以第一个像素为条件。"),
    Misconception("both together", paper(second=lambda p, v: given_first(p) + H(margins(p)[0])),
        "The second number is the entropy of both pixels together; take off that of the first.",
        "第二个数是两个像素的联合熵；还要减去第一个像素的熵。"),
    Misconception("rows alike", paper(second=lambda p, v: sum(H([q / sum(row) for q in row]) for row in p) / 2),
        "In the second number both rows count alike; each counts with its probability.",
        "第二个数里，两行的权重取成一样了；应当按各自的概率加权。"),
    Misconception("condition exchanged", paper(second=lambda p, v: given_first(p) + H(margins(p)[0]) - H(margins(p)[1])),
        "The second number has the condition the wrong way round: it is the entropy of the first pixel, given the second.",
        "第二个数的条件放反了：这是已知第二个像素时第一个像素的熵。"),
    Misconception("not divided", paper(rate=lambda p, v: given_first(p) + H(margins(p)[0])),
        "The third number is that of the whole image; for bits per dimension, divide by the number of pixels.",
        "第三个数是整幅图像的；每维比特数还要除以像素的个数。"),
    Misconception("rate of the blind model", paper(rate=lambda p, v: sum(map(H, margins(p))) / 2),
        "The third number is reached by a model that sees no other pixel; the best of all models was meant.",
        "第三个数是看不到别的像素的模型能达到的；要求的是所有模型中最好的。"),
    Misconception("floor in nats", paper(floor=nats("floor")),
        "The floor is in nats; bits are asked for.",
        "下限以奈特为单位；要求用比特。"),
    Misconception("entropy not subtracted", paper(floor=lambda p, v: sum(map(H, margins(p)))),
        "The floor is the whole cross-entropy of the blind model; subtract the entropy of the image.",
        "下限成了看不到别的像素的模型的整个交叉熵；应当减去图像的熵。"),
    Misconception("floor of each pixel", paper(floor=lambda p, v: shared(p) / 2),
        "The floor was divided by the number of pixels; that of the whole image is asked for.",
        "下限除以了像素的个数；要求的是整幅图像的。"),
    Misconception("floor with the wrong sign", paper(floor=lambda p, v: -shared(p)),
        "The floor has the wrong sign: no divergence is negative.",
        "下限的符号反了：散度绝不为负。"),
    Misconception("code of the true law", paper(image=lambda p, v: -log2(p[1][0])),
        "The fifth number is the code length under the true law; the model that sees no other pixel multiplies its two margins.",
        "第五个数是真实分布下的码长；看不到别的像素的模型，用的是两个边缘概率之积。"),
    Misconception("code in nats", paper(image=nats("image")),
        "The code length is in nats; bits are asked for.",
        "码长以奈特为单位；要求用比特。"),
    Misconception("other image", paper(image=lambda p, v: -log2(margins(p)[0][0]) - log2(margins(p)[1][1])),
        "The code length is that of the other image, in which the first pixel is dark and the second one bright.",
        "码长是另一幅图像的，即第一个像素暗、第二个像素亮的那幅。"),
    Misconception("opposite conditional", paper(image=lambda p, v: -log2(margins(p)[0][1]) - log2(p[1][0] / margins(p)[1][0])),
        "In the code length the second factor is a conditional, and the wrong one; this model's factors are the two margins.",
        "码长的第二个因子用了条件概率，而且用错了；这个模型的两个因子都是边缘概率。"),
    Misconception("without the floor", paper(kl=lambda p, v: divergence(margins(p)[1], [1 - v, v])),
        "The last number is only what the wrong margin costs; not to see the first pixel costs the floor besides.",
        "最后一个数只是边缘概率取错的代价；看不到第一个像素，还要再付出下限那么多。"),
    Misconception("the other way round", paper(kl=against),
        "The last number is the divergence from the other side: the mean must be taken under p, not under the model.",
        "最后一个数是反方向的散度：应当在 p 下求平均，而不是在模型下。"),
    Misconception("v for dark", paper(kl=lambda p, v: shared(p) + divergence(margins(p)[1], [v, 1 - v])),
        "In the last number v was taken for the probability of a dark second pixel; it is that of a bright one.",
        "最后一个数里把 v 当成了第二个像素暗的概率；它是亮的概率。"),
    Misconception("divergence in nats", paper(kl=nats("kl")),
        "The last divergence is in nats; bits are asked for.",
        "最后一个散度以奈特为单位；要求用比特。"),
    Misconception("cross-entropy", paper(
        kl=lambda p, v: shared(p) + divergence(margins(p)[1], [1 - v, v]) + given_first(p) + H(margins(p)[0])),
        "The last number is the cross-entropy; the entropy of the image has not been taken off.",
        "最后一个数是交叉熵；还没有减去图像的熵。"),
    Misconception("nats", lambda p, v: [number * log(2) for number in right_numbers(p, v)],
        "All numbers are in nats; bits are asked for.",
        "所有的数都以奈特为单位；要求用比特。"),
    Misconception("rows for columns", transposed,
        "Rows and columns of the table are exchanged: its rows belong to the first pixel.",
        "表的行与列放反了：行属于第一个像素。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    # one table for each student, and numbers that were rounded by hand
    "autoregressive-paper": Exercise(two_pixels, two_pixels_inputs, PAPER, cases=1, tolerance=2e-3),
}
