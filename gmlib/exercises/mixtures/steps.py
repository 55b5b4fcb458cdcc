"""The exercise of the chapter ``mixtures`` on the M-step.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.mixtures`. Points x are (N, D), responsibilities r (N, K), old means mu
(K, D).
"""

from __future__ import annotations

from math import exp, nan
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table
from gmlib.exercises.mixtures.mistakes import columns

Vector = list[float]
Matrix = list[Vector]


@specification
def m_step(x: Matrix, r: Matrix, mu: Matrix) -> Matrix:
    """A row a component: n_k / N, the mean weighted by r, and the covariance around that mean; eq-mixtures-m-step.

    A component without points has the mean and the covariance of all.
    """
    out = []
    for k in range(len(mu)):
        n = sum(row[k] for row in r)
        own = [row[k] if n > 0 else 1.0 for row in r]
        total = sum(own)
        c = [sum(w * v for w, v in zip(own, values)) / total for values in zip(*x)]
        d = [[v - m for v, m in zip(point, c)] for point in x]
        scatter = [[sum(w * row[i] * row[j] for w, row in zip(own, d)) / total for j in range(len(c))] for i in range(len(c))]
        out.append([n / len(x), *c, *(v for row in scatter for v in row)])
    return out


def m_step_inputs(rng: Random, number: int) -> dict:
    """Soft responsibilities; in every third case a component has less than one point in all, in another third one has none."""
    K, D, N = 2 + number % 2, 2 + number // 2 % 2, 5 + number % 3
    K, factor = (K, K + 1, K + 1)[number % 3], (1.0, 0.05, 0.0)[number % 3]
    which = rng.randrange(K)
    r = [[exp(rng.gauss(0, 1)) * (factor if k == which else 1.0) for k in range(K)] for _ in range(N)]
    r = [[v / sum(row) for v in row] for row in r]
    return {"x": table(rng, N, D, mean=0.9, scale=1.5), "r": r, "mu": table(rng, K, D, mean=0.9, scale=1.5)}


# --- mistakes -----------------------------------------------------------------------------------------------


def of_all(x: Matrix) -> Vector:
    """A mean and a covariance in one row: those of all points."""
    mean = [sum(column) / len(x) for column in columns(x)]
    return [*mean, *(sum((p[i] - m) * (p[j] - c) for p in x) / len(x) for i, m in enumerate(mean) for j, c in enumerate(mean))]


def stepped(weight=lambda n, N: n / N, by=lambda n, N: n, own=lambda row, k: row[k], centre=lambda mean, old, everywhere: mean,
            average=lambda n, N: n, empty=lambda old, x: [0.0, *of_all(x)]):  # fmt: skip
    """The scatter around ``centre`` divided ``by`` something; a component without points has the row ``empty``."""

    def wrong(x: Matrix, r: Matrix, mu: Matrix) -> Matrix:
        out, N = [], len(x)
        for k, old in enumerate(mu):
            w = [own(row, k) for row in r]
            n, total = sum(row[k] for row in r), sum(w)
            if n == 0:
                out.append(empty(old, x))
                continue
            mean = [sum(a * b for a, b in zip(w, column)) / average(total, N) for column in columns(x)]
            c, size = centre(mean, old, of_all(x)[: len(old)]), by(total, N)
            S = [sum(a * (p[i] - u) * (p[j] - v) for a, p in zip(w, x)) / size for i, u in enumerate(c) for j, v in enumerate(c)]
            out.append([weight(n, N), *mean, *S])
        return out

    return wrong


def sharpest(row: Vector, k: int) -> float:
    return float(row[k] == max(row))


def hard_step(x: Matrix, r: Matrix, mu: Matrix) -> Matrix:
    labels = [[sharpest(row, k) for k in range(len(row))] for row in r]
    return stepped()(x, labels, mu)


def diagonals(x: Matrix, r: Matrix, mu: Matrix) -> Matrix:
    D = len(x[0])
    kept = [1.0] * (1 + D) + [float(i == j) for i in range(D) for j in range(D)]
    return [[v * keep for v, keep in zip(row, kept)] for row in stepped()(x, r, mu)]


def shared(x: Matrix, r: Matrix, mu: Matrix) -> Matrix:
    """The covariances weighted by n_k / N and added, in each row."""
    rows, D = stepped()(x, r, mu), len(x[0])
    pooled = [sum(row[0] * row[i] for row in rows) for i in range(1 + D, len(rows[0]))]
    return [[*row[: 1 + D], *pooled] for row in rows]


M_STEP = (
    Misconception("old means", stepped(centre=lambda mean, old, everywhere: old),
        "The covariances are around the old means; the maximum of the bound has the new ones in them.",
        "协方差用的是旧均值；下界的最大点处应当用新均值。"),
    Misconception("mean of all", stepped(centre=lambda mean, old, everywhere: everywhere),
        "The covariances are around the mean of all points; each component has a mean of its own.",
        "协方差用的是全体点的均值；每个分量有自己的均值。"),
    Misconception("not centred", stepped(centre=lambda mean, old, everywhere: [0.0] * len(mean)),
        "The covariances are mean products of the points themselves; subtract the component's mean first.",
        "协方差取成了点本身乘积的均值；要先减去该分量的均值。"),
    Misconception("n_k for the weight", stepped(weight=lambda n, N: n),
        "The weights do not sum to one: n_k must still be divided by the number of points.",
        "权重之和不是一：n_k 还要除以点数。"),
    Misconception("even weights", lambda x, r, mu: [[1 / len(mu), *row[1:]] for row in stepped()(x, r, mu)],
        "All weights are alike; a weight is the mean of the component's responsibilities.",
        "所有权重都取成了一样；权重是该分量响应度的平均。"),
    Misconception("one less", stepped(by=lambda n, N: n - 1),
        "The covariances are divided by n_k less one; that corrects a bias of an estimate, but it does not maximise the bound.",
        "协方差除以的是 n_k 减一；那是修正估计的偏差，并不使下界最大。"),
    Misconception("covariance by all points", stepped(by=lambda n, N: N),
        "The covariances are divided by the number of all points; each by its own n_k.",
        "协方差除以的是总点数；应当各除以自己的 n_k。"),
    Misconception("covariance not divided", stepped(by=lambda n, N: 1.0),
        "The covariances are sums; divide each by its n_k.",
        "协方差还只是和；应当各除以自己的 n_k。"),
    Misconception("means by all points", stepped(average=lambda n, N: N),
        "The means are divided by the number of all points; each by its own n_k.",
        "均值除以的是总点数；应当各除以自己的 n_k。"),
    Misconception("means not divided", stepped(average=lambda n, N: 1.0),
        "The means are sums; divide each by its n_k.",
        "均值还只是和；应当各除以自己的 n_k。"),
    Misconception("hard", hard_step,
        "Each point counts only for its most responsible component, as in k-means; it counts for all, by its responsibilities.",
        "每个点只算给响应度最大的分量，像 k 均值那样；它应按响应度算给所有分量。"),
    Misconception("squares of responsibilities", stepped(own=lambda row, k: row[k] ** 2),
        "The points count by the squares of the responsibilities.",
        "点的权重用了响应度的平方。"),
    Misconception("diagonal only", diagonals,
        "Off the diagonal the covariances are zero; full ones are asked for.",
        "协方差在对角线外都是零；要求的是全协方差。"),
    Misconception("tied", shared,
        "All components have the same covariance; each should have its own.",
        "所有分量用了同一个协方差；应当各有各的。"),
    Misconception("nothing divided by nothing", stepped(empty=lambda old, x: [0.0] + [nan] * (len(old) + len(old) ** 2)),
        "Right where each component has points. One without any divides zero by zero; it should get the mean and the covariance of all "
        "points.",
        "各分量都有点时是对的。没有点的分量在用零除零；它应当取全体点的均值与协方差。"),
    Misconception("zeros for an empty component", stepped(empty=lambda old, x: [0.0] * (1 + len(old) + len(old) ** 2)),
        "Right where each component has points. One without any lies at zero here, with a covariance of zero, which the next E-step cannot "
        "invert; it should get the mean and the covariance of all points.",
        "各分量都有点时是对的。没有点的分量落在了零点，协方差也为零，下一个 E 步无法求逆；它应当取全体点的均值与协方差。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "mixtures-m-step": Exercise(m_step, m_step_inputs, M_STEP),
}
