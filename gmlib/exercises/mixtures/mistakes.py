"""The mistakes that people make in the exercises on densities of the chapter ``mixtures``: responsibilities and the log-likelihood.

Each computes exactly what the mistake would, so that an answer can be recognised by its numbers.
"""

from __future__ import annotations

from math import exp, inf, log, nan, pi

from gmlib.exercises.exercise import Misconception

Vector = list[float]
Matrix = list[Vector]


def eliminated(A: Matrix, d: Vector) -> tuple[float, float]:
    """log det A and d^T A^-1 d of a positive definite A, by Cholesky's factor."""
    L, y = [], []
    for i, row in enumerate(A):
        L.append([])
        for j in range(i):
            L[i].append((row[j] - sum(a * b for a, b in zip(L[i], L[j]))) / L[j][j])
        L[i].append((row[i] - sum(a * a for a in L[i])) ** 0.5)
        y.append((d[i] - sum(a * b for a, b in zip(L[i], y))) / L[i][i])
    return 2 * sum(log(row[-1]) for row in L), sum(v * v for v in y)


def ln(v: float) -> float:
    return log(v) if v > 0 else -inf


def log_normal(d: Vector, S: Matrix, root=0.5, half=0.5, inverse=True, two_pi=log(2 * pi)) -> float:
    """log N(d; 0, S), with the power of the determinant and the factor of the square that a mistake has."""
    log_det, squared = eliminated(S, d)
    if not inverse:
        squared = sum(a * b * v for a, row in zip(d, S) for b, v in zip(d, row))
    return -root * log_det - half * squared - 0.5 * len(d) * two_pi


def log_joint(x: Matrix, weights: Vector, mu: Matrix, Sigma: list[Matrix], weigh=True, **form) -> Matrix:
    """(N, K)."""
    return [[(ln(p) if weigh else 0.0) + log_normal([a - b for a, b in zip(point, m)], S, **form)
             for p, m, S in zip(weights, mu, Sigma)] for point in x]  # fmt: skip


def softmax(row: Vector) -> Vector:
    e = [exp(v - max(row)) for v in row]
    return [v / sum(e) for v in e]


def log_sum(row: Vector) -> float:
    return max(row) + log(sum(exp(v - max(row)) for v in row))


def columns(rows: Matrix) -> Matrix:
    return [list(column) for column in zip(*rows)]


# --- responsibilities ---------------------------------------------------------------------------------------


def responsible(finish=lambda joint: [softmax(row) for row in joint], **form):
    """What ``finish`` makes of the logarithms of weight times density."""

    def wrong(x: Matrix, weights: Vector, mu: Matrix, Sigma: list[Matrix]) -> Matrix:
        return finish(log_joint(x, weights, mu, Sigma, **form))

    return wrong


def diagonals(Sigma: list[Matrix]) -> list[Matrix]:
    return [[[v if i == j else 0.0 for j, v in enumerate(row)] for i, row in enumerate(S)] for S in Sigma]


def over_points(joint: Matrix) -> Matrix:
    return columns([softmax(column) if max(column) > -inf else [nan] * len(column) for column in columns(joint)])


def over_all(joint: Matrix) -> Matrix:
    shares, K = softmax([v for row in joint for v in row]), len(joint[0])
    return [shares[i : i + K] for i in range(0, len(shares), K)]


RESPONSIBILITIES = (
    Misconception("over the points", responsible(over_points),
        "You normalised over the points: each component's responsibilities sum to one. They must sum to one over the components, "
        "for each point.",
        "你是对点归一化的：每个分量的响应度之和为一。应当对分量归一化，使每个点的响应度之和为一。"),
    Misconception("over everything", responsible(over_all),
        "You normalised over the whole table; each point has a sum of its own.",
        "你对整张表归一化了；每个点应各自归一。"),
    Misconception("weights left out", responsible(weigh=False),
        "The weights are left out: a component that is rare is less responsible, even for a point at which its density is high.",
        "漏了权重：稀少的分量，即使在某点的密度高，响应度也要小些。"),
    Misconception("no determinant", responsible(root=0.0),
        "The densities lack the factor with the determinant, which differs between the components and does not cancel.",
        "密度里漏了含行列式的因子；各分量的行列式不同，不会约去。"),
    Misconception("determinant without root", responsible(root=1.0),
        "The densities are divided by the determinant; it should be by its square root.",
        "密度除以了行列式；应当除以它的平方根。"),
    Misconception("no half", responsible(half=1.0),
        "In the exponent the factor one half is missing.",
        "指数里漏了二分之一。"),
    Misconception("covariance for precision", responsible(inverse=False),
        "In the exponent stands the covariance itself; its inverse belongs there.",
        "指数里用的是协方差本身；应当用它的逆。"),
    Misconception("diagonal only", lambda x, w, mu, Sigma: responsible()(x, w, mu, diagonals(Sigma)),
        "Only the diagonals of the covariances were used.",
        "只用了协方差的对角元素。"),
    Misconception("hard", responsible(lambda joint: [[float(v == max(row)) for v in row] for row in joint]),
        "Each point was given to its most likely component alone. That is what k-means does; a responsibility is a probability.",
        "每个点只归了最可能的那个分量。那是 k 均值的做法；响应度是概率。"),
    Misconception("softmax of densities", responsible(lambda joint: [softmax([exp(v) for v in row]) for row in joint]),
        "A softmax was taken of the densities; it takes the exponential itself, so give it their logarithms.",
        "softmax 用在了密度上；softmax 自己会取指数，应当给它对数。"),
    Misconception("not normalised", responsible(lambda joint: [[exp(v) for v in row] for row in joint]),
        "These are weight times density; divide by their sum over the components.",
        "这是权重乘密度；还要除以它们对分量的和。"),
    Misconception("logarithms", responsible(lambda joint: [[ln(v) for v in softmax(row)] for row in joint]),
        "These are the logarithms of the responsibilities.",
        "这是响应度的对数。"),
    Misconception("transposed", responsible(lambda joint: columns([softmax(row) for row in joint])),
        "The numbers are right, but a row should belong to a point and a column to a component.",
        "数都对，但一行应属于一个点，一列属于一个分量。"),
)  # fmt: skip


# --- the log-likelihood -------------------------------------------------------------------------------------


def likelihood(finish=lambda joint: sum(map(log_sum, joint)), **form):
    def wrong(x: Matrix, weights: Vector, mu: Matrix, Sigma: list[Matrix]) -> float:
        return finish(log_joint(x, weights, mu, Sigma, **form))

    return wrong


def without_entropy(joint: Matrix) -> float:
    return sum(r * v for row in joint for r, v in zip(softmax(row), row) if r > 0)


def weighted_logs(x: Matrix, weights: Vector, mu: Matrix, Sigma: list[Matrix]) -> float:
    return sum(p * v for row in log_joint(x, weights, mu, Sigma, weigh=False) for p, v in zip(weights, row))


LOG_LIKELIHOOD = (
    Misconception("densities rounded to zero", likelihood(lambda joint: sum(ln(sum(exp(v) for v in row)) for row in joint)),
        "Right near the components. For a point far from all of them each density is rounded to zero, whose logarithm is minus infinity: "
        "stay with logarithms, and add with logsumexp.",
        "在各分量附近是对的。离所有分量都很远的点，每个密度都舍入为零，其对数是负无穷：应当一直用对数，并用 logsumexp 相加。"),
    Misconception("without the entropy", likelihood(without_entropy),
        "This is the expected logarithm of weight times density, given the responsibilities; it lacks their entropy, which makes the bound "
        "equal to the log-likelihood.",
        "这是在响应度下，权重乘密度的对数的期望；还缺响应度的熵，加上它，下界才等于对数似然。"),
    Misconception("logarithms averaged", weighted_logs,
        "The weights average the logarithms of the densities; the logarithm belongs outside of the sum over components.",
        "权重平均的是密度的对数；对数应在对分量求和之外。"),
    Misconception("logarithms added", likelihood(lambda joint: sum(v for row in joint for v in row)),
        "The logarithms were added over the components, which multiplies their densities; add the densities, then take the logarithm.",
        "把各分量的对数相加了，那是把密度相乘；应当先把密度相加，再取对数。"),
    Misconception("best component only", likelihood(lambda joint: sum(map(max, joint))),
        "Only the most likely component of each point counts; the sum runs over all.",
        "每个点只算了最可能的那个分量；应当对所有分量求和。"),
    Misconception("weights left out", likelihood(weigh=False),
        "The weights are left out, so the densities do not integrate to one.",
        "漏了权重，于是密度的积分不是一。"),
    Misconception("no two pi", likelihood(two_pi=0.0),
        "The factor with two pi is missing. In responsibilities it cancels; here it counts.",
        "漏了含 2π 的因子。在响应度里它会约去，在这里却要算。"),
    Misconception("one root of two pi", 
        lambda x, w, mu, Sigma: likelihood(two_pi=0.0)(x, w, mu, Sigma) - 0.5 * log(2 * pi) * len(x),
        "The factor with two pi has the power of one dimension; it needs one root for each dimension.",
        "2π 的因子只算了一维的；每一维都要有一个平方根。"),
    Misconception("determinant without root", likelihood(root=1.0),
        "The densities are divided by the determinant; it should be by its square root.",
        "密度除以了行列式；应当除以它的平方根。"),
    Misconception("no determinant", likelihood(root=0.0),
        "The densities lack the factor with the determinant.",
        "密度里漏了含行列式的因子。"),
    Misconception("no half", likelihood(half=1.0),
        "In the exponent the factor one half is missing.",
        "指数里漏了二分之一。"),
    Misconception("over the points first", likelihood(lambda joint: log_sum([log_sum(row) for row in joint])),
        "The densities of the points were added; the points are independent, so their densities multiply and the logarithms add.",
        "把各点的密度相加了；各点独立，密度应当相乘，对数应当相加。"),
    Misconception("mean", likelihood(lambda joint: sum(map(log_sum, joint)) / len(joint)),
        "This is the mean over the points; the sum is asked for.",
        "这是对点的平均；要求的是总和。"),
    Misconception("sign", likelihood(lambda joint: -sum(map(log_sum, joint))),
        "The sign is wrong: this is what a loss would be.",
        "符号反了：这是作为损失时的值。"),
)  # fmt: skip
