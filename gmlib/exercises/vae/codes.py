"""The exercises of the chapter ``vae`` on codes: total correlation from a minibatch, and vector quantisation.

Specifications, inputs and mistakes, as in :mod:`gmlib.exercises.vae`. Shapes: log_q is (M, M, k), by point, example
and latent dimension; z_e and grad are (L, d), codebook is (K, d). Values are in nats.
"""

from __future__ import annotations

from math import exp, log, pi
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Matrix = list[list[float]]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


# --- total correlation from a minibatch ---------------------------------------------------------------


def stratified(i: int, m: int, M: int, N: float) -> float:
    """The weight of example m for the point that was drawn from example i."""
    return 1 / N if m == i else (N - 1) / (N * (M - 1))


def correlation_at(i: int, log_q: list[Matrix], weights: list[float], times: int = 1) -> float:
    """log q(z_i) - sum_j log q(z_ij) for one point; the joint has each weight ``times`` times."""
    k = len(log_q[0][0])
    joint = log(sum(w**times * exp(sum(row)) for w, row in zip(weights, log_q[i])))
    return joint - sum(log(sum(w * exp(row[j]) for w, row in zip(weights, log_q[i]))) for j in range(k))


def by_point(weight=stratified, **options):
    """The list over the points, by the weight that example m has for point i."""

    def at_each(log_q: list[Matrix], N: float) -> list[float]:
        M = len(log_q)
        return [correlation_at(i, log_q, [weight(i, m, M, N) for m in range(M)], **options) for i in range(M)]

    return at_each


@specification
def total_correlation(log_q: list[Matrix], N: float) -> float:
    """The mean over the points of log q(z_i) - sum_j log q(z_ij), each estimated with the weights eq-vae-stratified."""
    return mean(by_point()(log_q, N))


def total_correlation_inputs(rng: Random, number: int) -> dict:
    M, k = 2 + number % 3, 2 + number % 2
    mu, eps = table(rng, M, k), table(rng, M, k)
    sigma = [[exp(v) for v in row] for row in table(rng, M, k, scale=0.3)]
    z = [[m + s * e for m, s, e in zip(*row)] for row in zip(mu, sigma, eps)]
    log_q = [[[-(((v - m) / s) ** 2) / 2 - log(s) - log(2 * pi) / 2 for v, m, s in zip(point, *example)]
              for example in zip(mu, sigma)] for point in z]  # fmt: skip
    return {"log_q": log_q, "N": float(M + rng.randint(2, 40))}


def mutual_information(log_q: list[Matrix], N: float) -> float:
    M = len(log_q)
    joint = [log(sum(stratified(i, m, M, N) * exp(sum(log_q[i][m])) for m in range(M))) for i in range(M)]
    return mean([sum(log_q[i][i]) - joint[i] for i in range(M)])


def once_per_dimension(log_q: list[Matrix], N: float) -> float:
    return mean(by_point(times=len(log_q[0][0]))(log_q, N))


def unweighted(joint: bool):
    """Plain sums in the joint or else in the marginals, and weights in the other."""

    def wrong(log_q: list[Matrix], N: float) -> float:
        values = []
        for i, rows in enumerate(log_q):
            own, plain = [stratified(i, m, len(log_q), N) for m in range(len(log_q))], [1.0] * len(log_q)
            of_joint, of_marginals = (plain, own) if joint else (own, plain)
            product = [sum(w * exp(v) for w, v in zip(of_marginals, column)) for column in zip(*rows)]
            values.append(log(sum(w * exp(sum(row)) for w, row in zip(of_joint, rows))) - sum(map(log, product)))
        return mean(values)

    return wrong


def averaged(weight):
    return lambda log_q, N: mean(by_point(weight)(log_q, N))


TOTAL_CORRELATION = (
    Misconception("weight once per dimension", once_per_dimension,
        "In the joint density the weight was added once for each latent dimension: sum over the dimensions first, then "
        "add the log-weight once.",
        "联合密度里，每一维都加了一次权重：应先对各维求和，再把对数权重加一次。"),
    Misconception("weights on a column", averaged(lambda i, m, M, N: stratified(0, m, M, N)),
        "The weight 1/N stands on a column; it belongs to each point's own example, on the diagonal.",
        "权重 1/N 放在了一列上；它属于每个点自己的样本，应在对角线上。"),
    Misconception("no weights", averaged(lambda i, m, M, N: 1.0),
        "There are no weights: a density is a mean over examples, not a sum.",
        "没有加权重：密度是对样本的平均，不是总和。"),
    Misconception("mean over the batch", averaged(lambda i, m, M, N: 1 / M),
        "The batch is treated as the whole data set: each point's own example, where the density is highest, counts "
        "1/M instead of 1/N.",
        "把小批量当成了整个数据集：每个点在自己的样本处密度最高，该样本的权重应为 1/N，这里成了 1/M。"),
    Misconception("joint without weights", unweighted(joint=True),
        "The marginals have their weights; the joint is still a plain sum over the examples and needs the same weights.",
        "各边缘密度已经加权；联合密度却仍是对样本直接求和，也应乘同样的权重。"),
    Misconception("marginals without weights", unweighted(joint=False),
        "The joint has its weights; the marginals are still plain sums over the examples and need the same weights.",
        "联合密度已经加权；各边缘密度却仍是对样本直接求和，也应乘同样的权重。"),
    Misconception("weights 1/(NM)", averaged(lambda i, m, M, N: 1 / (N * M)),
        "These are the weights 1/(NM) of minibatch-weighted sampling, which do not even sum to one; the stratified ones "
        "are asked for.",
        "这是小批量加权采样的权重 1/(NM)，其和甚至不是 1；要求的是分层权重。"),
    Misconception("weights exchanged", averaged(lambda i, m, M, N: 1 / N if m != i else (N - 1) / (N * (M - 1))),
        "The two weights are exchanged: 1/N goes to the point's own example.",
        "两种权重放反了：1/N 应给每个点自己的样本。"),
    Misconception("mutual information", mutual_information,
        "This is the mutual information, log q(z|x) - log q(z); total correlation compares q(z) with its marginals.",
        "这是互信息 log q(z|x) - log q(z)；总相关比较的是 q(z) 与其边缘分布。"),
    Misconception("sign", lambda log_q, N: -mean(by_point()(log_q, N)),
        "The sign is wrong: the joint comes first, the marginals are taken off.",
        "符号反了：应由联合密度的对数减去各边缘密度的对数。"),
    Misconception("not averaged", by_point(),
        "These are the values at the single points; their mean is asked for.",
        "这是各个点上的值；要求的是它们的平均。"),
    Misconception("sum over points", lambda log_q, N: sum(by_point()(log_q, N)),
        "The points are to be averaged, not added up.",
        "各个点应取平均，而不是相加。"),
)  # fmt: skip


# --- the gradient that reaches the encoder of a VQ-VAE --------------------------------------------------


def squared_distance(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b))


def manhattan(a: list[float], b: list[float]) -> float:
    return sum(abs(x - y) for x, y in zip(a, b))


def largest_coordinate(a: list[float], b: list[float]) -> float:
    return max(abs(x - y) for x, y in zip(a, b))


def inner_product(a: list[float], b: list[float]) -> float:
    return -sum(x * y for x, y in zip(a, b))


def encoder_gradient(commitment=lambda beta, size: 2 * beta, copied=1.0, far=squared_distance):
    """``copied`` times the decoder's gradient, plus ``commitment`` times the distance from the chosen code vector."""

    def gradient(z_e: Matrix, codebook: Matrix, grad: Matrix, beta: float) -> Matrix:
        factor, rows = commitment(beta, len(z_e) * len(z_e[0])), []
        for z, g in zip(z_e, grad):
            e = min(codebook, key=lambda e: far(z, e))
            rows.append([copied * g_i + factor * (z_i - e_i) for z_i, e_i, g_i in zip(z, e, g)])
        return rows

    return gradient


@specification
def straight_through(z_e: Matrix, codebook: Matrix, grad: Matrix, beta: float) -> Matrix:
    """What back-propagation gives for z_e: the decoder's gradient, and that of the commitment; eq-vae-vq-loss."""
    return encoder_gradient()(z_e, codebook, grad, beta)


def straight_through_inputs(rng: Random, number: int) -> dict:
    """One position at least has another code vector by L1, by the largest coordinate or by the inner product, in turns."""
    L, d, K = 1 + number % 3, 2 + number % 2, 2 + number % 4
    while True:
        points = {"z_e": table(rng, L, d), "codebook": table(rng, K, d, scale=1.5), "grad": table(rng, L, d)}
        if nearest(**points) != nearest(**points, far=(manhattan, largest_coordinate, inner_product)[number % 3]):
            return {**points, "beta": exp(table(rng, mean=-1.0, scale=0.5))}


def nearest(z_e: Matrix, codebook: Matrix, grad: Matrix, far=squared_distance) -> Matrix:
    return [min(codebook, key=lambda e: far(z, e)) for z in z_e]


STRAIGHT_THROUGH = (
    Misconception("nothing comes through", encoder_gradient(copied=0.0),
        "Only the commitment reaches the encoder here; the straight-through step copies the decoder's gradient as well.",
        "这里只有承诺项的梯度到达编码器；直通一步还要把解码器的梯度照样传过来。"),
    Misconception("no commitment", encoder_gradient(lambda beta, size: 0.0),
        "This is the decoder's gradient alone: the commitment term moves the encoder too.",
        "这只是解码器的梯度：承诺项也会推动编码器。"),
    Misconception("beta on the codebook term", encoder_gradient(lambda beta, size: 2.0),
        "beta is missing here, so it stands on the codebook term; it weighs the commitment, which moves the encoder.",
        "这里没有 beta，说明它乘在了码本项上；它应当乘在推动编码器的承诺项上。"),
    Misconception("no stop-gradient", encoder_gradient(lambda beta, size: 2 + 2 * beta),
        "The codebook term moves the encoder as well: its stop-gradient on z_e is missing.",
        "码本项也在推动编码器：其中漏了对 z_e 停止梯度。"),
    Misconception("no factor two", encoder_gradient(lambda beta, size: beta),
        "The derivative of the square has a factor two.",
        "平方的导数有系数二。"),
    Misconception("sign of the commitment", encoder_gradient(lambda beta, size: -2 * beta),
        "The sign of the commitment is wrong: a step against this gradient would lead away from the code vector.",
        "承诺项的符号反了：沿这个梯度的反方向走，会远离码向量。"),
    Misconception("mean of the squares", encoder_gradient(lambda beta, size: 2 * beta / size),
        "The squares are averaged; the loss here sums them over positions and dimensions.",
        "平方取了平均；这里的损失对位置和维度求和。"),
    Misconception("largest inner product", encoder_gradient(far=inner_product),
        "The code vector was chosen by its inner product with z_e; the nearest one is asked for.",
        "选码向量时用的是与 z_e 的内积；要求的是距离最近的码向量。"),
    Misconception("nearest by L1", encoder_gradient(far=manhattan),
        "The code vector was chosen by the sum of the absolute differences; the nearest one has the smallest sum of squares.",
        "选码向量时用的是各坐标之差的绝对值之和；最近应以平方和衡量。"),
    Misconception("nearest by the largest coordinate", encoder_gradient(far=largest_coordinate),
        "The code vector was chosen by the largest difference of a coordinate; the nearest one has the smallest sum of squares.",
        "选码向量时只看了差得最多的那个坐标；最近应以平方和衡量。"),
    Misconception("farthest", encoder_gradient(far=lambda a, b: -squared_distance(a, b)),
        "The farthest code vector was chosen: argmax for argmin.",
        "选成了最远的码向量：argmin 写成了 argmax。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "vae-total-correlation": Exercise(total_correlation, total_correlation_inputs, TOTAL_CORRELATION),
    "vae-straight-through": Exercise(straight_through, straight_through_inputs, STRAIGHT_THROUGH),
}
