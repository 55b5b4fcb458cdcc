"""The exercise of the chapter ``flows`` on Hutchinson's estimate of a trace.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.flows`. x is (N, D), A is (D, D), eps is (K, N, D); the field is
v(x) = tanh(A x).
"""

from __future__ import annotations

from math import tanh
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table
from gmlib.exercises.flows.mistakes import mean

Vector = list[float]
Matrix = list[Vector]


def times(A: Matrix, x: Vector) -> Vector:
    return [sum(a * v for a, v in zip(row, x)) for row in A]


def jacobian(x: Vector, A: Matrix) -> Matrix:
    """dv_i/dx_j of v = tanh(A x)."""
    return [[(1 - tanh(u) ** 2) * a for a in row] for u, row in zip(times(A, x), A)]


def transposed(J: Matrix) -> Matrix:
    return [list(column) for column in zip(*J)]


def dot(u: Vector, v: Vector) -> float:
    return sum(a * b for a, b in zip(u, v))


def quadratic(J: Matrix, e: Vector) -> float:
    return dot(e, times(J, e))


@specification
def hutchinson(x: Matrix, A: Matrix, eps: list[Matrix]) -> Vector:
    """The mean over the draws of eps^T J eps; in the book eq-flows-hutchinson."""
    return [mean([quadratic(jacobian(row, A), draw[n]) for draw in eps]) for n, row in enumerate(x)]


def hutchinson_inputs(rng: Random, number: int) -> dict:
    """Signs in every second case, normal numbers in the others; neither gives the trace itself."""
    K, N, D = 2 + number % 3, 2 + number % 2, 2 + number % 3
    eps = table(rng, K, N, D)
    if number % 2 == 0:
        eps = [[[1.0 if v > 0 else -1.0 for v in row] for row in draw] for draw in eps]
    return {"x": table(rng, N, D, scale=0.6), "A": table(rng, D, D), "eps": eps}


def estimate(term=quadratic, reduce=mean, at=jacobian, batch=lambda values: values):
    """``term`` of the Jacobian and of each draw, put together by ``reduce`` for each example and then over the examples."""
    return lambda x, A, eps: batch([reduce([term(at(row, A), draw[n]) for draw in eps]) for n, row in enumerate(x)])


def averaged_first(x: Matrix, A: Matrix, eps: list[Matrix]) -> Vector:
    means = [[mean(list(v)) for v in zip(*(draw[n] for draw in eps))] for n in range(len(x))]
    return [quadratic(jacobian(row, A), e) for row, e in zip(x, means)]


def draws_exchanged(x: Matrix, A: Matrix, eps: list[Matrix]) -> Vector:
    """One product with a draw, the other with the draw before it."""
    return [mean([dot(eps[k][n], times(jacobian(row, A), eps[k - 1][n])) for k in range(len(eps))]) for n, row in enumerate(x)]


def field_itself(x: Matrix, A: Matrix, eps: list[Matrix]) -> Vector:
    return [mean([dot([tanh(u) for u in times(A, row)], draw[n]) for draw in eps]) for n, row in enumerate(x)]


HUTCHINSON = (
    Misconception("column sums", estimate(lambda J, e: sum(map(sum, J))),
        "The gradient of the sum of v, added up, is the sum of all entries of J; eps does not come into it.",
        "先把 v 的各分量相加、求梯度再相加，得到的是 J 的全部元素之和；没有用到 eps。"),
    Misconception("trace", estimate(lambda J, e: sum(J[i][i] for i in range(len(J)))),
        "This is the exact trace, at the price of D backward passes; the estimate from eps is asked for.",
        "这是精确的迹，代价是 D 次反向传播；要求的是由 eps 得出的估计。"),
    Misconception("one product", estimate(lambda J, e: sum(times(transposed(J), e))),
        "eps^T J was added up; multiply it by eps once more before adding.",
        "把 eps^T J 的分量直接相加了；相加之前还要再乘一次 eps。"),
    Misconception("one product on the right", estimate(lambda J, e: sum(times(J, e))),
        "J eps was added up; multiply it by eps once more before adding.",
        "把 J eps 的分量直接相加了；相加之前还要再乘一次 eps。"),
    Misconception("two draws", draws_exchanged,
        "The two factors eps come from two draws, whose product has mean 0; the same eps must stand on both sides.",
        "左右两个 eps 来自两次抽取，它们乘积的均值为 0；两边必须是同一个 eps。"),
    Misconception("sum over the draws", estimate(reduce=sum),
        "The K draws are added up; they are repeats, so average them.",
        "把 K 次抽取相加了；它们是重复，应取平均。"),
    Misconception("first draw", estimate(reduce=lambda values: values[0]),
        "Only the first of the K draws was used.",
        "只用了 K 次抽取中的第一次。"),
    Misconception("averaged first", averaged_first,
        "eps was averaged over the draws before it was multiplied; average the products.",
        "先对各次的 eps 取平均再相乘了；应对乘积取平均。"),
    Misconception("mean over dimensions", estimate(lambda J, e: quadratic(J, e) / len(e)),
        "The products are averaged over the D dimensions; a trace is a sum.",
        "对 D 个维度取了平均；迹是和。"),
    Misconception("divided by the square of eps", estimate(lambda J, e: quadratic(J, e) / dot(e, e)),
        "The estimate was divided by |eps|^2, which is D on average; there is nothing to divide by.",
        "估计值除以了 |eps|^2，它平均为 D；这里不必除以任何数。"),
    Misconception("squared length", estimate(lambda J, e: dot(times(J, e), times(J, e))),
        "This is the squared length of J eps, which estimates the sum of the squares of all entries of J.",
        "这是 J eps 的长度平方，它估计的是 J 全部元素的平方和。"),
    Misconception("squared length on the left", estimate(lambda J, e: dot(times(transposed(J), e), times(transposed(J), e))),
        "This is the squared length of eps^T J, which estimates the sum of the squares of all entries of J.",
        "这是 eps^T J 的长度平方，它估计的是 J 全部元素的平方和。"),
    Misconception("absolute value", estimate(lambda J, e: abs(quadratic(J, e))),
        "The absolute value was taken; a divergence may be negative, where the field flows together.",
        "取了绝对值；向量场汇聚之处，散度可以为负。"),
    Misconception("no derivative", field_itself,
        "eps was multiplied by the field itself; it is the field's derivative that is wanted.",
        "eps 乘的是向量场本身；要的是它的导数。"),
    Misconception("slope of tanh forgotten", estimate(at=lambda x, A: A),
        "This is eps^T A eps; the Jacobian of the field at x has the slope of tanh in it.",
        "这是 eps^T A eps；向量场在 x 处的雅可比矩阵还含有 tanh 的斜率。"),
    Misconception("one number", estimate(batch=sum),
        "The examples are added up too; each has an estimate of its own.",
        "把各个样本也加起来了；每个样本应各有一个估计值。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "flows-hutchinson": Exercise(hutchinson, hutchinson_inputs, HUTCHINSON),
}
