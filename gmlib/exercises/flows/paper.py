"""The exercise of the chapter ``flows`` that is worked out on paper: the linear NICE of a Gaussian.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.flows`. Sigma is (2, 2); r is a scale that somebody
wants for the first dimension. s is the scale itself here, not its logarithm.
"""

from __future__ import annotations

from math import log, log2, sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification

Vector = list[float]
Matrix = list[Vector]


@specification
def ldl(Sigma: Matrix, r: float) -> Vector:
    """The shear l, the scales s_1 and s_2, log|det J_f|, and the s_2 that goes with s_1 = r; in the book eq-flows-ldl."""
    return right_numbers(Sigma, r)


def right_numbers(Sigma: Matrix, r: float) -> Vector:
    (a, c), (_, b) = Sigma
    rest, det = b - c**2 / a, a * b - c**2
    return [c / a, 1 / sqrt(a), 1 / sqrt(rest), -log(det) / 2, 1 / (r * sqrt(det))]


def ldl_inputs(rng: Random, number: int) -> dict:
    """One decimal each, none 1 or 2; no mistake comes near a right number, and no right one near another, r or a small whole one."""
    while True:
        a, b, c = (rng.randint(*bounds) / 10 for bounds in ((12, 45), (12, 45), (-30, 30)))
        r = rng.randint(3, 19) / 10
        if 0.15 < c**2 / (a * b) < 0.7 and not {1.0, 2.0} & {a, b, abs(c), r} and distinct([[a, c], [c, b]], r):
            return {"Sigma": [[a, c], [c, b]], "r": r}


def distinct(Sigma: Matrix, r: float) -> bool:
    right = right_numbers(Sigma, r)
    wrong = [m.compute(Sigma, r) for m in LDL]
    near = any(1e-9 < abs(u - v) < 0.06 for numbers in wrong for u, v in zip(numbers, right))
    alike = any(apart(one, other) < 0.06 for i, one in enumerate(wrong) for other in [right, *wrong[:i]])
    values = sorted([*right, r, -1.0, 0.0, 1.0, 2.0, 3.0])
    return not near and not alike and min(v - u for u, v in zip(values, values[1:])) > 0.03


def apart(one: Vector, other: Vector) -> float:
    return max(abs(u - v) for u, v in zip(one, other))


def paper(**places):
    """The right numbers but for those named, each a function of both variances, the covariance, the rest, det and r.

    With ``scales``, a function that gives both, the numbers that follow from them change as well.
    """

    def wrong(Sigma: Matrix, r: float) -> Vector:
        (a, c), (_, b) = Sigma
        case = (a, b, c, b - c**2 / a, a * b - c**2, r)
        numbers = dict(zip(("l", "s_1", "s_2", "log_det", "other"), right_numbers(Sigma, r)))
        if "scales" in places:
            s_1, s_2 = places["scales"](*case)
            numbers |= {"s_1": s_1, "s_2": s_2, "log_det": log(s_1 * s_2), "other": s_1 * s_2 / r}
        return [places[name](*case) if name in places else v for name, v in numbers.items()]

    return wrong


def eigenvalues(a: float, b: float, c: float) -> tuple[float, float]:
    """Of Sigma, the greater one first."""
    half = sqrt(((a - b) / 2) ** 2 + c**2)
    return (a + b) / 2 + half, (a + b) / 2 - half


# A mistake of one number comes before those that change it and others too.
LDL = (
    Misconception("wrong variance in the shear", paper(l=lambda a, b, c, rest, det, r: c / b),
        "The covariance was divided by the variance of x_2; the slope of x_2 on x_1 has the other one below.",
        "协方差除以的是 x_2 的方差；x_2 对 x_1 的斜率，分母是另一个方差。"),
    Misconception("sign of the shear", paper(l=lambda a, b, c, rest, det, r: -c / a),
        "The shear has the wrong sign: the formula of z_2 has a minus already.",
        "剪切的符号反了：z_2 的公式里已经有减号。"),
    Misconception("covariance for the shear", paper(l=lambda a, b, c, rest, det, r: c),
        "The covariance itself was taken for the shear; it must be divided by a variance.",
        "把协方差本身当成了剪切；它还要除以一个方差。"),
    Misconception("correlation", paper(l=lambda a, b, c, rest, det, r: c / sqrt(a * b)),
        "This shear is the correlation; the slope of x_2 on x_1 is asked for.",
        "这个剪切是相关系数；要求的是 x_2 对 x_1 的斜率。"),
    Misconception("sign of the log-det", paper(log_det=lambda a, b, c, rest, det, r: log(det) / 2),
        "The log-determinant is that of g; f goes the other way.",
        "这是 g 的对数行列式；f 的方向相反。"),
    Misconception("log-det of the covariance", paper(log_det=lambda a, b, c, rest, det, r: -log(det)),
        "The log-determinant lacks the factor one half: f has scales, the roots of precisions.",
        "对数行列式漏了系数二分之一：f 里的是尺度，即精度的平方根。"),
    Misconception("no logarithm", paper(log_det=lambda a, b, c, rest, det, r: 1 / sqrt(det)),
        "This is the determinant itself; its logarithm is asked for.",
        "这是行列式本身；要求的是它的对数。"),
    Misconception("bits", paper(log_det=lambda a, b, c, rest, det, r: -log2(det) / 2),
        "The log-determinant is in bits; a value in nats needs the natural logarithm.",
        "对数行列式以比特为单位了；以奈特为单位要用自然对数。"),
    Misconception("volume kept", paper(log_det=lambda a, b, c, rest, det, r: 0.0),
        "The shear keeps the volume, but the scales do not.",
        "剪切保持体积，缩放却不保持。"),
    Misconception("scale unchanged", paper(other=lambda a, b, c, rest, det, r: 1 / sqrt(rest)),
        "In the last number the second scale was left as it was; what shears leave fixed is the product of the scales.",
        "最后一个数仍是原来的第二个尺度；剪切保持体积，所以固定的是两个尺度的乘积。"),
    Misconception("ratio kept", paper(other=lambda a, b, c, rest, det, r: r * sqrt(a / rest)),
        "In the last number the ratio of the scales was kept; the volume fixes their product.",
        "最后一个数保持了两个尺度之比；体积固定的是它们的乘积。"),
    Misconception("product without its root", paper(other=lambda a, b, c, rest, det, r: 1 / (r * det)),
        "In the last number the product of the scales lacks a root.",
        "最后一个数里，两个尺度的乘积漏了开方。"),
    Misconception("product of the standard deviations", paper(other=lambda a, b, c, rest, det, r: sqrt(det) / r),
        "In the last number the product of the scales is that of the standard deviations.",
        "最后一个数里，两个尺度的乘积用成了标准差的乘积。"),
    Misconception("marginal variance", paper(scales=lambda a, b, c, rest, det, r: (1 / sqrt(a), 1 / sqrt(b))),
        "The second scale has the variance of x_2 itself; after the shear only the variance given x_1 is left.",
        "第二个尺度用的是 x_2 自身的方差；剪切之后剩下的只是给定 x_1 时的方差。"),
    Misconception("full conditionals", paper(scales=lambda a, b, c, rest, det, r: (1 / sqrt(det / b), 1 / sqrt(rest))),
        "Each scale has the variance of one dimension given the other; x_1 comes first and is given nothing.",
        "两个尺度都用了给定另一维时的方差；x_1 排在最前，没有给定的东西。"),
    Misconception("other order", paper(
        l=lambda a, b, c, rest, det, r: c / b, scales=lambda a, b, c, rest, det, r: (1 / sqrt(det / b), 1 / sqrt(b))),
        "This is the solution in which x_2 passes and x_1 is sheared; here it is x_1 that passes.",
        "这是让 x_2 不变、剪切 x_1 的解；这里不变的是 x_1。"),
    Misconception("standard deviations", paper(scales=lambda a, b, c, rest, det, r: (sqrt(a), sqrt(rest))),
        "These are the standard deviations, the scales of g; f divides by them.",
        "这是标准差，即 g 的尺度；f 要除以它们。"),
    Misconception("precisions", paper(scales=lambda a, b, c, rest, det, r: (1 / a, 1 / rest)),
        "One over a variance is a precision; a scale is one over the standard deviation.",
        "方差的倒数是精度；尺度是标准差的倒数。"),
    Misconception("variances", paper(scales=lambda a, b, c, rest, det, r: (a, rest)),
        "These are variances; a scale is one over the standard deviation.",
        "这是方差；尺度是标准差的倒数。"),
    Misconception("logarithms", paper(
        s_1=lambda a, b, c, rest, det, r: -log(a) / 2, s_2=lambda a, b, c, rest, det, r: -log(rest) / 2),
        "These are the logarithms of the scales; here s is the scale itself.",
        "这是尺度的对数；这里的 s 是尺度本身。"),
    Misconception("eigenvalues", paper(scales=lambda a, b, c, rest, det, r: tuple(1 / sqrt(v) for v in eigenvalues(a, b, c))),
        "These scales come from the eigenvalues; that needs a rotation, and a shear is not one.",
        "这些尺度来自特征值；那需要旋转，而剪切不是旋转。"),
    Misconception("covariance not squared", paper(
        scales=lambda a, b, c, rest, det, r: (1 / sqrt(a), 1 / sqrt(b - abs(c) / a))),
        "The variance given x_1 lacks a square: the shear takes off the squared covariance over the first variance.",
        "给定 x_1 时的方差少了平方：剪切减去的是协方差的平方除以第一个方差。"),
    Misconception("plus for minus", paper(scales=lambda a, b, c, rest, det, r: (1 / sqrt(a), 1 / sqrt(b + c**2 / a))),
        "Knowing x_1 was made to raise the variance of x_2; it lowers it.",
        "知道 x_1 之后，x_2 的方差被算大了；它应当变小。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    # one matrix for each student, and numbers that were rounded by hand
    "flows-ldl": Exercise(ldl, ldl_inputs, LDL, cases=1, tolerance=2e-3),
}
