"""The exercises of the chapter ``flows`` in which a bug is to be found: a masked flow's inverse, and an interleaved coupling.

Specifications, inputs and mistakes, as in :mod:`gmlib.exercises.flows`. x and z are (N, D), w is (4,); a result is (N, D + 1),
the log-determinant last.
"""

from __future__ import annotations

from math import exp, sin
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table
from gmlib.exercises.flows.mistakes import mean

Vector = list[float]
Matrix = list[Vector]


# --- the inverse of a masked autoregressive layer -------------------------------------------------------


def conditioner(before: float, w: Vector) -> tuple[float, float]:
    """m and a of one dimension, from the sum of those before it."""
    return w[0] * before + w[1], w[2] * sin(2 * before) + w[3]


def drawn(z: Vector, w: Vector, move=lambda v, m, a: v * exp(a) + m) -> tuple[Vector, Vector]:
    """x, one dimension after the other, and all a."""
    x: Vector = []
    scales: Vector = []
    for v in z:
        m, a = conditioner(sum(x), w)
        x.append(move(v, m, a))
        scales.append(a)
    return x, scales


@specification
def maf_inverse(z: Matrix, w: Vector) -> Matrix:
    """x_i = z_i exp(a_i) + m_i and the sum of a; in the book eq-flows-maf-inverse."""
    return [[*x, sum(a)] for x, a in (drawn(row, w) for row in z)]


def maf_inverse_inputs(rng: Random, number: int) -> dict:
    """a is well away from 0 and depends on the dimensions before."""
    w = [rng.uniform(low, high) * rng.choice((-1, 1)) for low, high in ((0.4, 0.7), (0.2, 0.6), (0.3, 0.6), (0.15, 0.4))]
    return {"z": table(rng, 1 + number % 3, 3 + number % 3), "w": w}


def inverted(log_det=sum, move=lambda v, m, a: v * exp(a) + m):
    return lambda z, w: [[*x, log_det(a)] for x, a in (drawn(row, w, move) for row in z)]


def at_points(where, move=lambda v, m, a: v * exp(a) + m, sign: int = 1):
    """As if m and a were known at the points that ``where`` gives."""

    def wrong(z: Matrix, w: Vector) -> Matrix:
        out = []
        for row in z:
            points = where(row, w)
            both = [conditioner(sum(points[:i]), w) for i in range(len(row))]
            out.append([*(move(v, m, a) for v, (m, a) in zip(row, both)), sign * sum(a for _, a in both)])
        return out

    return wrong


def zeros(z: Vector, w: Vector) -> Vector:
    return [0.0] * len(z)


def log_det_at(where):
    """The right x, and the sum of a at another point."""

    def wrong(z: Matrix, w: Vector) -> Matrix:
        out = []
        for row in z:
            points = where(row, w)
            out.append([*drawn(row, w)[0], sum(conditioner(sum(points[:i]), w)[1] for i in range(len(row)))])
        return out

    return wrong


def from_the_last(z: Matrix, w: Vector) -> Matrix:
    out = []
    for row in z:
        x, a = drawn(row[::-1], w)
        out.append([*x[::-1], sum(a)])
    return out


def batch_sum(z: Matrix, w: Vector) -> Matrix:
    total = sum(v for row in z for v in drawn(row, w)[1])
    return [[*drawn(row, w)[0], total] for row in z]


MAF_INVERSE = (
    Misconception("sign", inverted(lambda a: -sum(a)),
        "The bug is still there: -sum(a) is the log-determinant of x to z. z to x multiplies by exp(a).",
        "错误还在：-sum(a) 是由 x 到 z 的对数行列式。由 z 到 x 乘的是 exp(a)。"),
    Misconception("density direction", at_points(lambda z, w: z, move=lambda v, m, a: (v - m) * exp(-a), sign=-1),
        "This is the other direction, from x to z, with its log-determinant.",
        "这是另一个方向，即由 x 到 z，连同它的对数行列式。"),
    Misconception("conditioned on z", at_points(lambda z, w: z),
        "m and a were computed from z in one pass; they depend on the x that come before.",
        "m 和 a 由 z 一次算出了；它们取决于前面各个 x。"),
    Misconception("log-det from z", log_det_at(lambda z, w: z),
        "x is right. For the log-determinant a was computed from z; it belongs to x.",
        "x 是对的。求对数行列式时，a 由 z 算出了；a 应由 x 算出。"),
    Misconception("one pass", at_points(zeros),
        "One pass only: m and a were computed while all of x still was 0.",
        "只算了一遍：算 m 和 a 时，x 还全是 0。"),
    Misconception("a of the first pass", log_det_at(zeros),
        "x is right. The log-determinant has the a of the first pass, when x still was 0.",
        "x 是对的。对数行列式用的是第一遍的 a，那时 x 还是 0。"),
    Misconception("last a", inverted(lambda a: a[-1]),
        "x is right. Only the last dimension's a was kept; they add up over all dimensions.",
        "x 是对的。只留下了最后一维的 a；应对所有维相加。"),
    Misconception("mean", inverted(mean),
        "x is right. a is averaged over the dimensions; the log-scales add up.",
        "x 是对的。对各维的 a 取了平均；对数缩放应当相加。"),
    Misconception("sum of the scales", inverted(lambda a: sum(exp(v) for v in a)),
        "x is right. The scales exp(a) were added; the logarithm of their product is the sum of a.",
        "x 是对的。把缩放因子 exp(a) 相加了；它们乘积的对数是 a 之和。"),
    Misconception("no logarithm", inverted(lambda a: exp(sum(a))),
        "x is right. This is the determinant; its logarithm is asked for.",
        "x 是对的。这是行列式；要求的是它的对数。"),
    Misconception("over the batch", batch_sum,
        "x is right. The log-determinants of all examples are added up; each example has its own.",
        "x 是对的。把所有样本的对数行列式加在一起了；每个样本应各有一个。"),
    Misconception("exponent", inverted(move=lambda v, m, a: v * exp(-a) + m),
        "z was multiplied by exp(-a); that is what x to z does.",
        "z 乘的是 exp(-a)；那是由 x 到 z 的做法。"),
    Misconception("shift first", inverted(move=lambda v, m, a: (v + m) * exp(a)),
        "m was added before the scale; x to z takes it off first, so z to x adds it last.",
        "先加 m 再缩放了；由 x 到 z 先减 m，所以由 z 到 x 要最后加 m。"),
    Misconception("from the last", from_the_last,
        "The dimensions were computed from the last to the first; the conditioner looks at those with a smaller number.",
        "从最后一维往前算了；条件网络看的是编号更小的维。"),
)  # fmt: skip


# --- a coupling of every second dimension -------------------------------------------------------------------


def scale_and_shift(a: Vector, w: Vector) -> tuple[Vector, Vector]:
    return [w[0] * sin(v) + w[1] for v in a[::-1]], [w[2] * v + w[3] for v in a]


def woven(one: Vector, other: Vector) -> Vector:
    return [v for pair in zip(one, other) for v in pair]


def alternate(place=woven, log_det=sum, take=lambda x: (x[::2], x[1::2]), of_moved: bool = False, inverse: bool = False):
    """The coupling of the dimensions 0, 2, 4, … with the others, but for what is named."""

    def answer(x: Matrix, w: Vector) -> Matrix:
        out = []
        for row in x:
            kept, rest = take(row)
            s, t = scale_and_shift(rest if of_moved else kept, w)
            if inverse:
                moved = [(v - q) * exp(-p) for v, p, q in zip(rest, s, t)]
            else:
                moved = [v * exp(p) + q for v, p, q in zip(rest, s, t)]
            out.append([*place(kept, moved), log_det(s)])
        return out

    return answer


@specification
def interleaved(x: Matrix, w: Vector) -> Matrix:
    """The dimensions 0, 2, 4, … pass, the others are scaled and shifted at their places; eq-flows-affine."""
    return alternate()(x, w)


def interleaved_inputs(rng: Random, number: int) -> dict:
    w = [rng.uniform(low, high) * rng.choice((-1, 1)) for low, high in ((0.3, 0.6), (0.2, 0.4), (0.4, 0.8), (0.2, 0.5))]
    return {"x": table(rng, 1 + number % 3, 4 + 2 * (number % 2)), "w": w}


def interleaved_over_the_batch(x: Matrix, w: Vector) -> Matrix:
    rows = alternate()(x, w)
    return [[*row[:-1], sum(other[-1] for other in rows)] for row in rows]


INTERLEAVED = (
    Misconception("concatenated", alternate(lambda kept, moved: [*kept, *moved]),
        "The bug is still there: the parts are put one after the other, though they were taken from every second place.",
        "错误还在：两部分是隔一个取一个得来的，放回时却一前一后接在了一起。"),
    Misconception("halves", alternate(lambda kept, moved: [*kept, *moved], take=lambda x: (x[: len(x) // 2], x[len(x) // 2 :])),
        "Taking and putting back agree now, but this couples two halves; the dimensions 0, 2, 4, … are to pass.",
        "取出与放回一致了，但这是把前一半与后一半耦合；应当不变的是第 0、2、4……维。"),
    Misconception("swapped", alternate(lambda kept, moved: woven(moved, kept)),
        "The parts are woven together the wrong way round: what passes belongs at the places 0, 2, 4, ….",
        "两部分交错放回时放反了：不变的那部分应在第 0、2、4……位。"),
    Misconception("odd places pass", alternate(lambda kept, moved: woven(moved, kept), take=lambda x: (x[1::2], x[::2])),
        "Right but for the parity: the dimensions 1, 3, 5, … pass here, and 0, 2, 4, … are to.",
        "除奇偶之外都对：这里不变的是第 1、3、5……维，应当是第 0、2、4……维。"),
    Misconception("network of the moved part", alternate(of_moved=True),
        "s and t were computed from the part that is moved; then nobody can compute them on the way back.",
        "s 和 t 由变动的那部分算出了；那样，返回时就没法算出它们。"),
    Misconception("minus", alternate(log_det=lambda s: -sum(s)),
        "z is right now; the log-determinant has the sign of the inverse.",
        "z 对了；对数行列式的符号却是逆映射的。"),
    Misconception("mean", alternate(log_det=mean),
        "z is right now; s is averaged, though the log-scales add up.",
        "z 对了；但对 s 取了平均，对数缩放应当相加。"),
    Misconception("sum of the scales", alternate(log_det=lambda s: sum(exp(v) for v in s)),
        "z is right now; the scales exp(s) were added in place of s.",
        "z 对了；但相加的是缩放因子 exp(s)，应当是 s。"),
    Misconception("over the batch", interleaved_over_the_batch,
        "z is right now; the log-determinants of all examples are added up, though each has its own.",
        "z 对了；但把所有样本的对数行列式加在了一起，每个样本应各有一个。"),
    Misconception("inverse", alternate(log_det=lambda s: -sum(s), inverse=True),
        "This is the inverse, from z to x, put back as it should be.",
        "这是逆映射，即由 z 到 x，放回的方式倒是对的。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "flows-maf-inverse": Exercise(maf_inverse, maf_inverse_inputs, MAF_INVERSE),
    "flows-interleaved": Exercise(interleaved, interleaved_inputs, INTERLEAVED),
}
