"""The exercise of the chapter ``gan`` on the squared maximum mean discrepancy, estimated without bias.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.gan`. Points x are (n, d) and y are (m, d); s is the bandwidth of
the Gaussian kernel, in units of x.
"""

from __future__ import annotations

from math import exp, nan, sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table
from gmlib.exercises.gan.mistakes import mean

Vector = list[float]
Matrix = list[Vector]


@specification
def mmd2(x: Matrix, y: Matrix, s: float) -> float:
    """Mean kernel of two different draws of x, the same of y, less twice that of a draw of each; eq-gan-mmd."""

    def k(a: Vector, b: Vector) -> float:
        return exp(-sum((u - v) ** 2 for u, v in zip(a, b)) / (2 * s**2))

    within_x = [k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    within_y = [k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    return mean(within_x) + mean(within_y) - 2 * mean([k(a, b) for a in x for b in y])


def mmd2_inputs(rng: Random, number: int) -> dict:
    """In every third case both samples are of one law, and the estimate is negative."""
    d, one_law = 1 + number % 3, number % 3 == 0
    while True:
        x, y = table(rng, 2 + number % 3, d), table(rng, 2 + number % 4, d, mean=0.0 if one_law else 0.7)
        case = {"x": x, "y": y, "s": exp(table(rng, scale=0.3))}
        if not one_law or discrepancy()(**case) < -0.05:
            return case


def distance(a: Vector, b: Vector) -> float:
    return sqrt(sum((u - v) ** 2 for u, v in zip(a, b)))


def gaussian(a: Vector, b: Vector, s: float) -> float:
    return exp(-(distance(a, b) ** 2) / (2 * s**2))


def without_diagonal(total: float, n: int) -> float:
    return (total - n) / (n * (n - 1))


def discrepancy(kernel=gaussian, within=without_diagonal, cross=-2.0, finish=lambda v: v):
    """Both means within a sample, by ``within`` of the sum over all pairs, plus ``cross`` times the mean between them."""

    def wrong(x: Matrix, y: Matrix, s: float) -> float:
        own = sum(within(sum(kernel(a, b, s) for a in points for b in points), len(points)) for points in (x, y))
        return finish(own + cross * mean([kernel(a, b, s) for a in x for b in y]))

    return wrong


def paired_off(x: Matrix, y: Matrix, s: float) -> float:
    """The cross term without i = j too, as one may do only where both samples are of one size."""
    cross = [gaussian(a, b, s) for i, a in enumerate(x) for j, b in enumerate(y) if i != j]
    return discrepancy(cross=0)(x, y, s) - 2 * mean(cross)


def of_the_means(x: Matrix, y: Matrix, s: float) -> float:
    return sum((mean(u) - mean(v)) ** 2 for u, v in zip(zip(*x), zip(*y)))


MMD2 = (
    Misconception("V-statistic", discrepancy(within=lambda total, n: total / n**2),
        "The pairs of a draw with itself count as well, each with the kernel's value 1: that adds a bias, and the result is never negative.",
        "每个样本与自己配成的对也算进去了，它们的核函数值都是 1：这会带来偏差，结果也从不为负。"),
    Misconception("diagonal kept", discrepancy(within=lambda total, n: total / (n * (n - 1))),
        "The sum is divided by n (n - 1), but the pairs of a draw with itself are still in it.",
        "除以了 n (n - 1)，但总和里仍有每个样本与自己配成的对。"),
    Misconception("divided by n squared", discrepancy(within=lambda total, n: (total - n) / n**2),
        "The pairs of a draw with itself are left out, but the sum is still divided by n^2: only n (n - 1) pairs remain.",
        "去掉了每个样本与自己配成的对，却仍除以 n^2：剩下的只有 n (n - 1) 对。"),
    Misconception("no two", discrepancy(cross=-1.0),
        "The cross term has the factor 2, as in every square of a difference.",
        "交叉项有系数 2，任何差的平方都是如此。"),
    Misconception("sign of the cross term", discrepancy(cross=2.0),
        "The cross term is to be subtracted.",
        "交叉项应当减去。"),
    Misconception("no cross term", discrepancy(cross=0.0),
        "The cross term is missing, so nothing compares the two samples.",
        "漏了交叉项，这样就没有比较两组样本。"),
    Misconception("cross term added up", lambda x, y, s: discrepancy(cross=-2.0 * len(x) * len(y))(x, y, s),
        "The cross term is a sum over the pairs; take their mean.",
        "交叉项取了各对之和；应当取平均。"),
    Misconception("bandwidth as a factor", discrepancy(lambda a, b, s: exp(-s * distance(a, b) ** 2)),
        "The exponent was multiplied by s, as some libraries have it; here s is a width, and the exponent is divided by 2 s^2.",
        "指数乘了 s，有的程序库就是这样定义的；这里 s 是宽度，指数应除以 2 s^2。"),
    Misconception("bandwidth without two", discrepancy(lambda a, b, s: exp(-(distance(a, b) ** 2) / s**2)),
        "The kernel's exponent has the factor one half: the distance squared over 2 s^2.",
        "核函数的指数里有系数 1/2：距离的平方除以 2 s^2。"),
    Misconception("bandwidth not squared", discrepancy(lambda a, b, s: exp(-(distance(a, b) ** 2) / (2 * s))),
        "The bandwidth in the kernel is not squared.",
        "核函数里的带宽没有平方。"),
    Misconception("distance not squared", discrepancy(lambda a, b, s: exp(-distance(a, b) / (2 * s**2))),
        "The distance in the kernel is not squared.",
        "核函数里的距离没有平方。"),
    Misconception("root", discrepancy(finish=lambda v: sqrt(v) if v >= 0 else nan),
        "The root was taken; the square is asked for, whose estimate may be negative.",
        "开了平方根；要求的是平方，它的估计可以为负。"),
    Misconception("clamped", discrepancy(finish=lambda v: max(v, 0.0)),
        "Negative results were set to zero: that makes the estimate biased.",
        "把负的结果改成了零：这样估计就有偏了。"),
    Misconception("cross term without the diagonal", paired_off,
        "The pairs i = j are left out of the cross term too; there they are draws of two laws and belong in.",
        "交叉项也去掉了 i = j 的对；在那里它们是两个分布的样本，应当保留。"),
    Misconception("distance of the means", of_the_means,
        "This is the squared distance of the means, the MMD of a linear kernel; the Gaussian kernel is asked for.",
        "这是均值之差的平方，即线性核的 MMD；要求的是高斯核。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "gan-mmd": Exercise(mmd2, mmd2_inputs, MMD2),
}
