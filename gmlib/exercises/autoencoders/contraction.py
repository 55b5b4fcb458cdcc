"""The exercise of the chapter ``autoencoders`` on how much a code of two layers moves with its input.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.autoencoders`. W is (H, D), b is (H,), V is (d, H), c is (d,).
"""

from __future__ import annotations

from math import exp, sqrt, tanh
from random import Random

from gmlib.exercises.autoencoders.linear import eigen
from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


@specification
def contraction(W: Matrix, b: Vector, V: Matrix, c: Vector, x: Matrix) -> Vector:
    """The sum of the squares of all entries of the Jacobian of tanh(V sigmoid(W x + b) + c); eq-autoencoders-contractive."""
    out = []
    for row in x:
        h = [1 / (1 + exp(-b_l - sum(w * v for w, v in zip(W_l, row)))) for W_l, b_l in zip(W, b)]
        z = [tanh(c_j + sum(v * u for v, u in zip(V_j, h))) for V_j, c_j in zip(V, c)]
        total = 0.0
        for z_j, V_j in zip(z, V):
            for i in range(len(row)):
                entry = (1 - z_j**2) * sum(V_j[l] * h[l] * (1 - h[l]) * W[l][i] for l in range(len(h)))
                total += entry**2
        out.append(total)
    return out


def contraction_inputs(rng: Random, number: int) -> dict:
    """All sizes differ. Units are neither saturated nor at the middle, where the derivatives' powers are far apart."""
    N, D, d, H = rng.sample((2, 3, 4, 5), 4)
    while True:
        case = {"W": table(rng, H, D), "b": table(rng, H), "V": table(rng, d, H, scale=1.2), "c": table(rng, d, scale=0.5)}
        case["x"] = table(rng, N, D)
        right = [moved()(*list(case.values())[:4], [row])[0] for row in case["x"]]
        if min(right) > 0.05:
            return case


def logistic(u: float) -> float:
    return 1 / (1 + exp(-u))


def layers(W: Matrix, b: Vector, V: Matrix, c: Vector, row: Vector) -> tuple[Vector, Vector]:
    h = [logistic(b_l + sum(w * v for w, v in zip(W_l, row))) for W_l, b_l in zip(W, b)]
    return h, [tanh(c_j + sum(v * u for v, u in zip(V_j, h))) for V_j, c_j in zip(V, c)]


def product(A: Matrix, B: Matrix) -> Matrix:
    return [[sum(u * v for u, v in zip(row, column)) for column in zip(*B)] for row in A]


def squares(J: Matrix) -> float:
    return sum(v * v for row in J for v in row)


def chained(outer: Matrix, inner: Matrix) -> float:
    return squares(product(outer, inner))


def moved(inner=lambda h: h * (1 - h), outer=lambda z: 1 - z * z, join=chained, batch=lambda values: values):
    """``join`` of the Jacobians of both layers, whose derivatives at the outputs are ``inner`` and ``outer``."""

    def wrong(W: Matrix, b: Vector, V: Matrix, c: Vector, x: Matrix):
        out = []
        for row in x:
            h, z = layers(W, b, V, c, row)
            first = [[inner(h_l) * w for w in W_l] for h_l, W_l in zip(h, W)]
            second = [[outer(z_j) * v for v in V_j] for z_j, V_j in zip(z, V)]
            out.append(join(second, first))
        return batch(out)

    return wrong


def of_jacobian(what):
    return lambda second, first: what(product(second, first))


def flat(J: Matrix) -> Vector:
    return [v for row in J for v in row]


def largest(J: Matrix) -> float:
    """The square of the largest singular value."""
    return eigen(product(J, [list(column) for column in zip(*J)]))[0][0]


CONTRACTION = (
    Misconception("first layer", moved(join=lambda second, first: squares(first)),
        "This is the Jacobian of the first layer; the code is behind the second one.",
        "这是第一层的雅可比矩阵；编码在第二层之后。"),
    Misconception("second layer", moved(join=lambda second, first: squares(second)),
        "This is how the code moves with the hidden layer; it must be taken by the input.",
        "这是编码随隐藏层的变化；应当对输入求导。"),
    Misconception("norms multiplied", moved(join=lambda second, first: squares(second) * squares(first)),
        "The norms of the two layers were multiplied: that is an upper bound only. Multiply the matrices, then take the norm.",
        "把两层的范数相乘了：那只是上界。应当先把矩阵相乘，再取范数。"),
    Misconception("norms added", moved(join=lambda second, first: squares(second) + squares(first)),
        "The penalties of the two layers were added; the code is a function of a function, so their Jacobians are multiplied.",
        "把两层的惩罚相加了；编码是复合函数，两个雅可比矩阵应当相乘。"),
    Misconception("squared before multiplied", moved(join=lambda second, first: sum(flat(product(*(
        [[v * v for v in row] for row in M] for M in (second, first)))))),
        "The entries of both layers were squared before the sum over hidden units, as if paths through different units could not cancel. "
        "Sum over the hidden units, then square.",
        "在对隐藏单元求和之前，两层的元素就各自平方了，好像经过不同单元的路径不会抵消。应当先对隐藏单元求和，再平方。"),
    Misconception("summed before squared", moved(join=of_jacobian(lambda J: sum(sum(row) ** 2 for row in J))),
        "Each row of the Jacobian was summed and then squared; square every entry, and then sum.",
        "先把雅可比矩阵的每一行相加再平方了；应当每个元素先平方，再相加。"),
    Misconception("mean of the Jacobian", moved(join=of_jacobian(lambda J: sum(flat(J)) / len(flat(J)))),
        "This is the mean of the entries, with their signs; the sum of their squares is asked for.",
        "这是各元素连同符号的平均；要求的是它们的平方和。"),
    Misconception("mean of squares", moved(join=of_jacobian(lambda J: squares(J) / len(flat(J)))),
        "The squares were averaged over the entries; they are summed.",
        "对各元素的平方取了平均；应当求和。"),
    Misconception("norm", moved(join=of_jacobian(lambda J: sqrt(squares(J)))),
        "This is the Frobenius norm; its square is asked for.",
        "这是弗罗贝尼乌斯范数；要求的是它的平方。"),
    Misconception("largest singular value", moved(join=of_jacobian(largest)),
        "This is the square of the largest singular value, the spectral norm; the Frobenius norm takes all of them.",
        "这是最大奇异值的平方，即谱范数；弗罗贝尼乌斯范数要用所有奇异值。"),
    Misconception("magnitudes", moved(join=of_jacobian(lambda J: sum(map(abs, flat(J))))),
        "These are the magnitudes of the entries, added up; their squares are asked for.",
        "这是各元素绝对值之和；要求的是平方和。"),
    Misconception("no derivatives", moved(lambda h: 1.0, lambda z: 1.0),
        "Only the weights were multiplied: the derivatives of sigmoid and tanh are missing.",
        "只把权重相乘了：漏了 sigmoid 与 tanh 的导数。"),
    Misconception("no derivative of tanh", moved(outer=lambda z: 1.0),
        "The derivative of tanh is missing.",
        "漏了 tanh 的导数。"),
    Misconception("no derivative of sigmoid", moved(lambda h: 1.0),
        "The derivative of the sigmoid is missing.",
        "漏了 sigmoid 的导数。"),
    Misconception("z(1 - z)", moved(outer=lambda z: z * (1 - z)),
        "z (1 - z) is the derivative of a sigmoid; that of tanh is 1 - z^2.",
        "z (1 - z) 是 sigmoid 的导数；tanh 的导数是 1 - z^2。"),
    Misconception("1 - z", moved(outer=lambda z: 1 - z),
        "The derivative of tanh is 1 - z^2; the square is missing.",
        "tanh 的导数是 1 - z^2；漏了平方。"),
    Misconception("1 - h^2", moved(lambda h: 1 - h * h),
        "1 - h^2 is the derivative of tanh; that of the sigmoid is h (1 - h).",
        "1 - h^2 是 tanh 的导数；sigmoid 的导数是 h (1 - h)。"),
    Misconception("derivatives by the outputs twice", moved(lambda h: logistic(h) * (1 - logistic(h))),
        "The sigmoid was applied to h once more before its derivative was taken: h is already its output.",
        "求导之前又对 h 用了一次 sigmoid：h 已经是它的输出。"),
    Misconception("mean over examples", moved(batch=lambda values: sum(values) / len(values)),
        "The mean over the examples was taken; one number for each is asked for.",
        "对样本取了平均；要求每个样本一个数。"),
    Misconception("sum over examples", moved(batch=sum),
        "The sum over the examples was taken; one number for each is asked for.",
        "对样本求了和；要求每个样本一个数。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "autoencoders-contraction": Exercise(contraction, contraction_inputs, CONTRACTION),
}
