"""The exercise of the chapter ``autoencoders`` on the linear autoencoder with weight decay.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.autoencoders`. X is (N, D), the data; y is (M, D), new points.
"""

from __future__ import annotations

from math import atan2, cos, sin, sqrt
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


@specification
def decayed(X: Matrix, y: Matrix, k: int, weight: float) -> Matrix:
    """The mean, and of each of the first k directions 1 - weight / variance, or nothing where that is negative; eq-autoencoders-decay."""
    centre = [sum(column) / len(column) for column in zip(*X)]
    rows = [[v - m for v, m in zip(row, centre)] for row in X]
    C = [[sum(row[i] * row[j] for row in rows) / len(rows) for j, _ in enumerate(centre)] for i, _ in enumerate(centre)]
    out = []
    for point in y:
        back = list(centre)
        for variance, direction in eigen(C)[:k]:
            kept = 1 - weight / variance if variance > weight else 0.0
            along = sum(d * (v - m) for d, v, m in zip(direction, point, centre))
            back = [b + kept * along * d for b, d in zip(back, direction)]
        out.append(back)
    return out


def eigen(C: Matrix) -> list[tuple[float, Vector]]:
    """Eigenvalues, falling, each with its eigenvector, by Jacobi's rotations: each makes one entry off the diagonal zero."""
    D = len(C)
    A, V = [list(row) for row in C], [[float(i == j) for j in range(D)] for i in range(D)]
    pairs, sweeps = [(i, j) for i in range(D) for j in range(i)], 0
    while sweeps < 12 and max(abs(A[i][j]) for i, j in pairs) > 1e-14 * max(A[i][i] for i in range(D)):
        sweeps += 1
        for i, j in pairs:
            angle = atan2(2 * A[i][j], A[i][i] - A[j][j]) / 2
            c, s = cos(angle), sin(angle)
            for M in (A, V):  # columns
                for row in M:
                    row[i], row[j] = c * row[i] + s * row[j], c * row[j] - s * row[i]
            A[i], A[j] = [c * u + s * v for u, v in zip(A[i], A[j])], [c * v - s * u for u, v in zip(A[i], A[j])]
    return sorted(((A[i][i], [row[i] for row in V]) for i in range(D)), reverse=True)


# --- inputs -------------------------------------------------------------------------------------------------


def decayed_inputs(rng: Random, number: int) -> dict:
    """Data far from the origin. In odd cases the weight is larger than the last of the k variances: that direction is given up. In
    every other even case it is smaller than all, so that a direction too many would show."""
    D, N, k, M = 4 + number % 2, 7 + number % 3, 2 + number // 2 % 2, 2 + number % 2
    while True:
        mix, centre = table(rng, D, D, scale=0.7), [rng.choice((-1, 1)) * rng.uniform(0.7, 3) for _ in range(D)]
        X = [[c + sum(u * m for u, m in zip(z, column)) for c, column in zip(centre, mix)] for z in table(rng, N, D)]
        variances = [v for v, _ in eigen(covariance(X))]
        last = variances[-1] if number % 4 == 0 else variances[k - 1]
        weight = last * rng.uniform(1.3, 2.0) if number % 2 else last * rng.uniform(0.3, 0.7)
        apart = all(u > 1.25 * v for u, v in zip(variances[:k], variances[1:]))
        if apart and variances[-1] > (0.1 if number % 4 == 0 else 0.02) and weight < 0.75 * variances[k - 2]:
            return {"X": X, "y": [[c + rng.gauss(0, 1.5) for c in centre] for _ in range(M)], "k": k, "weight": weight}


# --- mistakes -----------------------------------------------------------------------------------------------


def mean_of(X: Matrix) -> Vector:
    return [sum(column) / len(column) for column in zip(*X)]


def covariance(X: Matrix, about=mean_of, over=len) -> Matrix:
    centre = about(X)
    rows = [[v - m for v, m in zip(row, centre)] for row in X]
    return [[sum(row[i] * row[j] for row in rows) / over(rows) for j in range(len(centre))] for i in range(len(centre))]


def shrunk(weight: float, variance: float) -> float:
    return max(0.0, 1 - weight / variance)


def rebuilt(factor=lambda weight, variance, N: shrunk(weight, variance), spread=covariance, among=lambda pairs, k: pairs[:k],
            before=mean_of, after=mean_of):  # fmt: skip
    """``before`` is subtracted from a point, ``after`` added; ``among`` chooses directions, ``factor`` is what is kept of each."""

    def wrong(X: Matrix, y: Matrix, k: int, weight: float) -> Matrix:
        pairs, out = among(eigen(spread(X)), k), []
        for point in y:
            centred, back = [v - m for v, m in zip(point, before(X))], after(X)
            for variance, d in pairs:
                along = factor(weight, variance, len(X)) * sum(u * v for u, v in zip(d, centred))
                back = [b + along * v for b, v in zip(back, d)]
            out.append(back)
        return out

    return wrong


def origin(X: Matrix) -> Vector:
    return [0.0 for _ in X[0]]


def centred_by_row(X: Matrix, y: Matrix, k: int, weight: float) -> Matrix:
    """Each example loses the mean of its own coordinates, and gets it back."""
    own = [sum(row) / len(row) for row in y]
    rows, points = ([[v - sum(row) / len(row) for v in row] for row in M] for M in (X, y))
    pairs, out = eigen(covariance(rows, about=origin))[:k], []
    for point, mean in zip(points, own):
        along = [shrunk(weight, variance) * sum(u * v for u, v in zip(d, point)) for variance, d in pairs]
        out.append([mean + sum(a * d[i] for a, (_, d) in zip(along, pairs)) for i in range(len(point))])
    return out


DECAY = (
    Misconception("no decay", rebuilt(lambda weight, variance, N: 1.0),
        "This is plain PCA. With the decay, direction i comes back only by the factor 1 - weight / variance_i.",
        "这是普通的 PCA。有权重衰减时，方向 i 只还原 1 - weight / variance_i 倍。"),
    Misconception("root", rebuilt(lambda weight, variance, N: sqrt(shrunk(weight, variance))),
        "The root is the singular value of one matrix; a point goes through both, encoder and decoder, so the factor is its square.",
        "平方根只是一个矩阵的奇异值；一个点要经过编码器和解码器两个矩阵，所以因子是它的平方。"),
    Misconception("squared", rebuilt(lambda weight, variance, N: shrunk(weight, variance) ** 2),
        "The factor was squared; 1 - weight / variance is already the product of both matrices.",
        "因子多平方了一次；1 - weight / variance 已经是两个矩阵之积。"),
    Misconception("negative factors", rebuilt(lambda weight, variance, N: 1 - weight / variance),
        "Where a variance is smaller than the weight your factor is negative, and the direction comes back turned over. The best is 0 "
        "there.",
        "方差小于 weight 时，你的因子是负的，这个方向还原时反了过来。那里最好的是 0。"),
    Misconception("ridge", rebuilt(lambda weight, variance, N: variance / (variance + weight)),
        "variance / (variance + weight) is the best encoder for a decoder of length 1; here the decoder pays for its length too.",
        "variance / (variance + weight) 是解码器长度为 1 时最好的编码器；这里解码器也要为自己的长度付代价。"),
    Misconception("standard deviation", rebuilt(lambda weight, variance, N: shrunk(weight, sqrt(variance))),
        "You have the standard deviation of a direction for its variance.",
        "你用方向上的标准差代替了方差。"),
    Misconception("singular values of the data", rebuilt(lambda weight, variance, N: shrunk(weight, sqrt(N * variance))),
        "These are the singular values of the centred data; the variance is the square of one, divided by N.",
        "这是中心化数据的奇异值；方差是它的平方除以 N。"),
    Misconception("sum for mean", rebuilt(lambda weight, variance, N: shrunk(weight, N * variance)),
        "The covariance was not divided by N, so that the decay counts too little: the loss is a mean over examples.",
        "协方差没有除以 N，衰减的作用就太小了：损失是对样本取平均。"),
    Misconception("N - 1", rebuilt(spread=lambda X: covariance(X, over=lambda rows: len(rows) - 1)),
        "The covariance was divided by N - 1; the loss is a mean over N examples.",
        "协方差除以了 N - 1；损失是对 N 个样本取平均。"),
    Misconception("data not centred", rebuilt(spread=lambda X: covariance(X, about=origin)),
        "The directions come from the data as they are, about the origin; subtract their mean first.",
        "求方向时数据没有中心化，是相对于原点的；应当先减去均值。"),
    Misconception("nothing centred", rebuilt(spread=lambda X: covariance(X, about=origin), before=origin, after=origin),
        "Nothing was centred. An autoencoder with biases subtracts the mean of the data, and adds it again at the end.",
        "什么都没有中心化。带偏置的自编码器先减去数据的均值，最后再加回来。"),
    Misconception("mean not added", rebuilt(after=origin),
        "The mean must be added again at the end.",
        "最后还要把均值加回来。"),
    Misconception("points not centred", rebuilt(before=origin),
        "The mean of the data must be subtracted from the new points, too, before they are encoded.",
        "新的点在编码之前也要减去数据的均值。"),
    Misconception("mean left out at both ends", rebuilt(before=origin, after=origin),
        "The mean is neither subtracted from the new points nor added at the end.",
        "新的点既没有减去均值，最后也没有加回来。"),
    Misconception("mean of each row", centred_by_row,
        "Each example has lost the mean of its own coordinates; it is the mean over the examples that must go.",
        "每个样本减去的是自己各坐标的平均；应当减去的是对样本取的均值。"),
    Misconception("smallest variances", rebuilt(among=lambda pairs, k: pairs[-k:]),
        "These are the directions of the smallest variances: eigh and its like sort upwards.",
        "这是方差最小的方向：eigh 之类的函数按升序排列。"),
    Misconception("all directions", rebuilt(among=lambda pairs, k: pairs),
        "All directions are kept; the code has only k numbers.",
        "保留了所有方向；编码只有 k 个数。"),
    Misconception("one direction more", rebuilt(among=lambda pairs, k: pairs[: k + 1]),
        "One direction too many is kept.",
        "多保留了一个方向。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "autoencoders-decay": Exercise(decayed, decayed_inputs, DECAY),
}
