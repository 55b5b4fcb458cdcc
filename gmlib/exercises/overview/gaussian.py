"""The exercises of the chapter ``overview`` on Gaussian classes: their shared covariance and its linear classifier.

Specifications, inputs and mistakes, as in :mod:`gmlib.exercises.overview`. Shapes: x is (N, D), y is (N,), classes
numbered from 0; mu_0 and mu_1 are (2,), Sigma is (2, 2).
"""

from __future__ import annotations

from math import log, log10
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


def mean(values: Vector) -> float:
    return sum(values) / len(values)


# --- the covariance that the classes share -------------------------------------------------------------


@specification
def shared_covariance(x: Matrix, y: list[int]) -> Matrix:
    """The maximum-likelihood covariance that all classes share: (1/N) sum_n (x_n - mu_{y_n})(x_n - mu_{y_n})^T."""
    N, D = len(x), len(x[0])
    mu = {c: [sum(v[j] for v, k in zip(x, y) if k == c) / y.count(c) for j in range(D)] for c in y}
    rest = [[a - m for a, m in zip(v, mu[c])] for v, c in zip(x, y)]
    return [[sum(r[i] * r[j] for r in rest) / N for j in range(D)] for i in range(D)]


def shared_covariance_inputs(rng: Random, number: int) -> dict:
    """Classes of clearly different sizes and spreads, far apart, in random order."""
    C, D = 2 + number % 3, 2 + number % 2
    y = [c for c in range(C) for _ in range(2 + 3 * c + rng.randint(0, 1))]
    rng.shuffle(y)
    mu = table(rng, C, D, scale=3)
    return {"x": [[m + (1 + c) * rng.gauss(0, 1) for m in mu[c]] for c in y], "y": y}


def scatter(points, centre, weight=1.0):
    """The weighted sum of (x - centre)(x - centre)^T."""
    rest = [[a - m for a, m in zip(v, centre)] for v in points]
    D = range(len(centre))
    return [[weight * sum(r[i] * r[j] for r in rest) for j in D] for i in D]


def added(matrices):
    return [[sum(entries) for entries in zip(*rows)] for rows in zip(*matrices)]


def centre(points):
    return [mean(column) for column in zip(*points)]


def by_class(weight):
    """The classes' scatter matrices with weights that depend on n_c, N and C, added up."""

    def wrong(x, y):
        groups = [[v for v, k in zip(x, y) if k == c] for c in sorted(set(y))]
        return added([scatter(g, centre(g), weight(len(g), len(x), len(groups))) for g in groups])

    return wrong


def between(x, y):
    groups = [[v for v, k in zip(x, y) if k == c] for c in sorted(set(y))]
    return added([scatter([centre(g)], centre(x), len(g) / len(x)) for g in groups])


def diagonal(x, y):
    right = by_class(lambda n, N, C: 1 / N)(x, y)
    return [[v * (i == j) for j, v in enumerate(row)] for i, row in enumerate(right)]


SHARED_COVARIANCE = (
    Misconception("overall mean", lambda x, y: scatter(x, centre(x), 1 / len(x)),
        "This is the covariance of all the data together: it includes the distances between the classes. Centre each "
        "example by the mean of its own class.",
        "这是全部数据合在一起的协方差，其中含有类别之间的距离。每个样本应减去它所属类别的均值。"),
    Misconception("overall mean, less one", lambda x, y: scatter(x, centre(x), 1 / (len(x) - 1)),
        "The data are centred by their overall mean, as torch.cov does, and divided by N - 1; each class has a mean "
        "of its own.",
        "像 torch.cov 那样减去了总均值，又除以 N - 1；而每个类别都有自己的均值。"),
    Misconception("classes weigh alike", by_class(lambda n, N, C: 1 / (n * C)),
        "The classes' covariances are averaged as if the classes were of one size; weigh each by its number of "
        "examples.",
        "对各类别的协方差取了平均，好像各类别一样大；应按各自的样本数加权。"),
    Misconception("classes weigh alike, less one", by_class(lambda n, N, C: 1 / ((n - 1) * C)),
        "This is the plain mean of what torch.cov gives for the classes: it divides by the class size less one, and "
        "lets small classes weigh as much as large ones.",
        "这是把 torch.cov 对各类别算出的结果直接平均：它除以类别样本数减一，又让小类别与大类别权重相同。"),
    Misconception("class size less one", by_class(lambda n, N, C: n / (N * (n - 1))),
        "The weights are right, but each covariance is divided by its class size less one (torch.cov does so unless "
        "told otherwise); maximum likelihood divides by the class size.",
        "权重是对的，但每个协方差除的是类别样本数减一（torch.cov 默认如此）；最大似然除以类别样本数。"),
    Misconception("less the classes", by_class(lambda n, N, C: 1 / (N - C)),
        "Divided by N less the number of classes, which makes it unbiased; maximum likelihood divides by N.",
        "除以 N 减类别数，得到的是无偏估计；最大似然除以 N。"),
    Misconception("divided by the classes", by_class(lambda n, N, C: 1 / C),
        "The sum over the examples is divided by the number of classes; it is a mean over the examples.",
        "对样本求和之后除以了类别数；它应当是对样本的平均。"),
    Misconception("not divided", by_class(lambda n, N, C: 1.0),
        "This is the sum over the examples; it still has to be divided.",
        "这是对样本的总和，还没有做除法。"),
    Misconception("between classes", between,
        "This is how the class means scatter; asked for is how the examples scatter about them.",
        "这是各类别均值的散布；要求的是样本围绕各自均值的散布。"),
    Misconception("variances only", diagonal,
        "The entries off the diagonal are zero: these are the variances alone.",
        "非对角元为零：这里只有方差。"),
)  # fmt: skip


# --- on paper: the weights of the logistic function ----------------------------------------------------


@specification
def logit_weights(mu_0: Vector, mu_1: Vector, Sigma: Matrix, pi_1: float) -> Vector:
    """w_1, w_2 and b, such that p(y=1 | x) = 1 / (1 + exp(-w.x - b)) for two Gaussian classes of one covariance."""
    (a, c), (_, b) = Sigma
    det = a * b - c**2

    def by_inverse(v: Vector) -> Vector:
        return [(b * v[0] - c * v[1]) / det, (a * v[1] - c * v[0]) / det]

    one, zero = by_inverse(mu_1), by_inverse(mu_0)
    squares = sum(m * v for m, v in zip(mu_1, one)) - sum(m * v for m, v in zip(mu_0, zero))
    return [one[0] - zero[0], one[1] - zero[1], log(pi_1) - log(1 - pi_1) - squares / 2]


def logit_weights_inputs(rng: Random, number: int) -> dict:
    """Small whole numbers, the means' all different, for which each known mistake gives numbers of its own.

    No mean or variance is 0 or 1, c^2 is not 2 c, and the entries of Sigma^-1 mu differ: there wrong forms are right by chance.
    """
    while True:
        means = [float(v) for v in rng.sample((-4, -3, -2, 2, 3, 4), 4)]
        mu_0, mu_1 = means[:2], means[2:]
        a, b, c = rng.randint(2, 5), rng.randint(2, 5), rng.choice((-2, -1, 3))
        case = {"mu_0": mu_0, "mu_1": mu_1, "Sigma": [[float(a), float(c)], [float(c), float(b)]],
                "pi_1": rng.choice((1, 2, 3, 4, 6, 7, 8, 9)) / 10}  # fmt: skip
        if a * b - c**2 not in (2, 3, 4, 5, 6, 8):
            continue
        parts = sorted(abs(sum(p * m for p, m in zip(row, mu))) for mu in (mu_0, mu_1) for row in inverse(case["Sigma"]))
        if min(q - p for p, q in zip([0.0, *parts], parts)) < 0.05:
            continue
        results = [right := weights()(**case), [right[1], right[0], right[2]], *(m.compute(**case) for m in LOGIT_WEIGHTS)]
        if all(max(abs(p - q) for p, q in zip(r, s)) > 0.05 for i, r in enumerate(results) for s in results[:i]):
            return case


def identity(Sigma):
    return Sigma


def inverse(Sigma):
    (a, c), (_, b) = Sigma
    det = a * b - c**2
    return [[b / det, -c / det], [-c / det, a / det]]


def form(u, P, v):
    return sum(u[i] * P[i][j] * v[j] for i in range(2) for j in range(2))


def adjugate(Sigma):
    (a, c), (_, b) = Sigma
    return [[b, -c], [-c, a]]


def difference_in_b(mu_0, mu_1, Sigma, pi_1):
    *w, _ = weights()(mu_0, mu_1, Sigma, pi_1)
    return [*w, log(pi_1 / (1 - pi_1)) - sum(v * (one - zero) for v, one, zero in zip(w, mu_1, mu_0)) / 2]


def weights(inverse=inverse, half=0.5, log_odds=lambda p: log(p / (1 - p)), of_w=1, of_b=1):
    """A wrong answer, by what was done with the covariance, the squares, the prior and the signs."""

    def wrong(mu_0, mu_1, Sigma, pi_1):
        P = inverse(Sigma)
        w = [sum(P[i][j] * (mu_1[j] - mu_0[j]) for j in range(2)) for i in range(2)]
        b = -half * (form(mu_1, P, mu_1) - form(mu_0, P, mu_0)) + log_odds(pi_1)
        return [*(of_w * v for v in w), of_b * b]

    return wrong


LOGIT_WEIGHTS = (
    Misconception("sign of b", weights(of_b=-1),
        "The sign of b is wrong: the density of class 1 stands in the numerator.",
        "b 的符号反了：类别 1 的密度在分子上。"),
    Misconception("half dropped", weights(half=1.0),
        "In b the squares of the means have lost the one half from the exponent of the Gaussian.",
        "b 中均值的平方项丢了高斯指数里的二分之一。"),
    Misconception("sign of the squares", weights(half=-0.5),
        "In b the squares of the means come in with the wrong sign: a far mean makes its class less "
        "likely at 0.",
        "b 中均值平方项的符号反了：均值离 0 越远，该类别在 0 处越不可能。"),
    Misconception("prior left out", weights(log_odds=lambda p: 0.0),
        "The prior is missing from b: the classes are not equally frequent.",
        "b 中没有先验：两个类别并不同样常见。"),
    Misconception("prior's odds reversed", weights(log_odds=lambda p: log((1 - p) / p)),
        "In b the odds of the prior are those of class 0.",
        "b 中先验的几率用成了类别 0 的。"),
    Misconception("log prior for log odds", weights(log_odds=log),
        "In b stands the logarithm of the prior of class 1 alone: the prior of class 0 divides it.",
        "b 中只有类别 1 的先验的对数：它还要除以类别 0 的先验。"),
    Misconception("odds without logarithm", weights(log_odds=lambda p: p / (1 - p)),
        "In b the odds of the prior stand without their logarithm.",
        "b 中先验的几率没有取对数。"),
    Misconception("decimal logarithm", weights(log_odds=lambda p: log10(p / (1 - p))),
        "In b the logarithm is decimal: the logistic function wants the natural one.",
        "b 中用了常用对数：逻辑斯谛函数要用自然对数。"),
    Misconception("classes exchanged", weights(of_w=-1, of_b=-1),
        "The sign is reversed, as in the weights for p(y=0 | x).",
        "符号反了，成了 p(y=0 | x) 的权重的符号。"),
    Misconception("covariance not inverted", weights(inverse=identity),
        "The covariance multiplies where its inverse should: a direction with much spread counts for less, not for "
        "more.",
        "乘的是协方差，应当乘它的逆：散布大的方向应当更不重要，而不是更重要。"),
    Misconception("inverse entry by entry", weights(inverse=lambda S: [[1 / v for v in row] for row in S]),
        "Each entry of the covariance was inverted on its own; the inverse of a matrix is something else.",
        "对协方差的每个元素分别取了倒数；矩阵的逆不是这样。"),
    Misconception("determinant left out", weights(inverse=adjugate),
        "The inverse of the covariance is not divided by its determinant.",
        "协方差的逆漏了除以行列式。"),
    Misconception("difference for a sum", difference_in_b,
        "In b stands the difference of the means where their sum belongs: a difference of two squares is a sum times a difference.",
        "b 中该用均值之和的地方用了均值之差：两个平方之差等于和乘以差。"),
    Misconception("off-diagonal left out", weights(inverse=lambda S: [[1 / S[0][0], 0.0], [0.0, 1 / S[1][1]]]),
        "The entry off the diagonal was left out, as naive Bayes would; here the dimensions are correlated.",
        "漏了非对角元，朴素贝叶斯才这样做；这里两个维度是相关的。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "overview-shared-covariance": Exercise(shared_covariance, shared_covariance_inputs, SHARED_COVARIANCE),
    # worked out on paper: one case for each student, and numbers that were rounded by hand
    "overview-logit-weights": Exercise(logit_weights, logit_weights_inputs, LOGIT_WEIGHTS, cases=1, tolerance=2e-3),
}
