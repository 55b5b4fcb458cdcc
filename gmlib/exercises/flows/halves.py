"""The exercise of the chapter ``flows`` on a coupling of the two halves of its input.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.flows`. x is (N, D), s and t are (N, D/2); a result is (N, D + 1),
the log-determinant last.
"""

from __future__ import annotations

from math import exp, log, log1p
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table
from gmlib.exercises.flows.mistakes import mean

Vector = list[float]
Matrix = list[Vector]


@specification
def coupling(x: Matrix, s: Matrix, t: Matrix) -> Matrix:
    """The first half of x, the second one scaled by exp(s) and shifted by t, and the sum of s; in the book eq-flows-affine."""
    d = len(s[0])
    moved = [[v * exp(p) + q for v, p, q in zip(row[d:], ps, qs)] for row, ps, qs in zip(x, s, t)]
    return [[*row[:d], *z, sum(ps)] for row, z, ps in zip(x, moved, s)]


def coupling_inputs(rng: Random, number: int) -> dict:
    N, d = 1 + number % 3, 2 + number % 2
    return {"x": table(rng, N, 2 * d), "s": table(rng, N, d, scale=0.7), "t": table(rng, N, d)}


def couple(z=lambda v, s, t: v * exp(s) + t, log_det=sum, place=lambda kept, moved: [*kept, *moved]):
    """A coupling with another move, another log-determinant of the row of s, or other places of the halves."""

    def wrong(x: Matrix, s: Matrix, t: Matrix) -> Matrix:
        d = len(s[0])
        moved = [[z(*one) for one in zip(row[d:], ps, qs)] for row, ps, qs in zip(x, s, t)]
        return [[*place(row[:d], new), log_det(ps)] for row, new, ps in zip(x, moved, s)]

    return wrong


def first_half_moved(x: Matrix, s: Matrix, t: Matrix) -> Matrix:
    d = len(s[0])
    return [[*(v * exp(p) + q for v, p, q in zip(row, ps, qs)), *row[d:], sum(ps)] for row, ps, qs in zip(x, s, t)]


def over_the_batch(x: Matrix, s: Matrix, t: Matrix) -> Matrix:
    return [[*row[:-1], sum(v for ps in s for v in ps)] for row in couple()(x, s, t)]


COUPLING = (
    Misconception("minus", couple(log_det=lambda s: -sum(s)),
        "z is right. The log-determinant has the sign of the inverse: x is multiplied by exp(s), so it is plus the sum of s.",
        "z 是对的。对数行列式的符号是逆映射的：x 乘以 exp(s)，所以应是 s 之和，取正号。"),
    Misconception("sum of the scales", couple(log_det=lambda s: sum(exp(v) for v in s)),
        "z is right. The scales themselves were added; the logarithm of their product is the sum of s.",
        "z 是对的。把缩放因子本身相加了；它们乘积的对数是 s 之和。"),
    Misconception("no logarithm", couple(log_det=lambda s: exp(sum(s))),
        "z is right. This is the determinant; its logarithm is asked for.",
        "z 是对的。这是行列式；要求的是它的对数。"),
    Misconception("log of s", couple(log_det=lambda s: sum(log(abs(v)) for v in s)),
        "z is right. log|s| was taken, but s is a logarithm already: the scale is exp(s).",
        "z 是对的。又对 s 取了 log|s|，而 s 已经是对数：缩放因子是 exp(s)。"),
    Misconception("mean", couple(log_det=mean),
        "z is right. s is averaged over the dimensions; the log-scales add up.",
        "z 是对的。对各维的 s 取了平均；对数缩放应当相加。"),
    Misconception("over the batch", over_the_batch,
        "z is right. The log-determinants of all examples are added up; each example has its own.",
        "z 是对的。把所有样本的对数行列式加在一起了；每个样本应各有一个。"),
    Misconception("volume kept", couple(log_det=lambda s: 0.0),
        "z is right. A log-determinant of 0 belongs to the additive coupling; this one scales.",
        "z 是对的。对数行列式为 0 的是加性耦合层；这里有缩放。"),
    Misconception("s for the scale", couple(lambda v, s, t: v * s + t),
        "x was multiplied by s, which is the logarithm of the scale and may be 0: then nothing could be inverted.",
        "x 乘的是 s，而 s 是缩放因子的对数，可以为 0，那时就不可逆了。"),
    Misconception("s for the scale, consistently", couple(lambda v, s, t: v * s + t, lambda s: sum(log(abs(v)) for v in s)),
        "s was taken for the scale itself, in z and in the log-determinant; here it is the scale's logarithm.",
        "在 z 和对数行列式里都把 s 当成了缩放因子本身；这里它是缩放因子的对数。"),
    Misconception("shift first", couple(lambda v, s, t: (v + t) * exp(s)),
        "x was shifted before it was scaled, so t is scaled too; scale first. The log-determinant is right.",
        "先平移再缩放了，t 也被缩放；应当先缩放。对数行列式是对的。"),
    Misconception("shift subtracted", couple(lambda v, s, t: v * exp(s) - t),
        "t was subtracted; it is added. The log-determinant is right.",
        "减去了 t；应当加上。对数行列式是对的。"),
    Misconception("sigmoid", couple(lambda v, s, t: v / (1 + exp(-s)) + t, lambda s: -sum(log1p(exp(-v)) for v in s)),
        "The scale was made by a sigmoid, as some code does; here it is exp(s).",
        "缩放因子是用 sigmoid 得出的，有些代码这样写；这里它是 exp(s)。"),
    Misconception("shift subtracted first", couple(lambda v, s, t: (v - t) * exp(s)),
        "t was taken off before the scale, which is half of the inverse; scale first, then add t. The log-determinant is right.",
        "先减去 t 再缩放了，这像是逆映射的一半；应当先缩放，再加上 t。对数行列式是对的。"),
    Misconception("inverse", couple(lambda v, s, t: (v - t) * exp(-s), lambda s: -sum(s)),
        "This is the whole inverse, from z to x.",
        "这完全是逆映射，即由 z 到 x。"),
    Misconception("inverse with its sign forgotten", couple(lambda v, s, t: (v - t) * exp(-s)),
        "This goes from z to x, with the log-determinant of the other direction.",
        "这是由 z 到 x，对数行列式却是另一个方向的。"),
    Misconception("scale upside down", couple(lambda v, s, t: v * exp(-s) + t),
        "x was multiplied by exp(-s); the log-determinant is that of exp(s).",
        "x 乘的是 exp(-s)；对数行列式却是 exp(s) 的。"),
    Misconception("first half moved", first_half_moved,
        "The first half was moved; it is to pass, and the second one is moved.",
        "变动的是前一半；应当让前一半不变，变动后一半。"),
    Misconception("halves exchanged", couple(place=lambda kept, moved: [*moved, *kept]),
        "The halves are exchanged in the result; each stays at its place.",
        "结果里两半的位置换了；各自应留在原处。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "flows-coupling": Exercise(coupling, coupling_inputs, COUPLING),
}
