"""The numbers of the figure of two classes by another way: lines across the plane instead of rays from the centres."""

import math
from functools import lru_cache

import numpy as np
from scipy.stats import multivariate_normal, norm

# pi1, centres, standard deviations: at the level of 99% one round island, or two islands or a crooked one
ROUND = [
    (0.5, ((-1.5, -0.5), (1.5, 0.5)), ((1.0, 1.0), (1.0, 1.0))),
    (0.3, ((0.0, 1.0), (1.0, -0.5)), ((1.5, 0.8), (0.6, 1.2))),
    (0.75, ((-1.0, 0.0), (0.5, 1.0)), ((0.5, 0.9), (2.0, 1.6))),
    (0.5, ((0.0, 0.0), (0.0, 0.0)), ((2.0, 1.0), (1.0, 2.0))),
]
APART = [
    (0.95, ((0.0, 0.0), (4.0, 0.0)), ((1.0, 1.0), (0.3, 0.3))),
    (0.4, ((-3.0, 2.0), (3.0, -1.0)), ((2.5, 0.3), (0.4, 1.4))),
]


def log_joint(x, setting):
    """log p(x, y=1) and log p(x, y=2), of one point or of many."""
    pi1, mu, sigma = setting
    return np.array([math.log(pi) + multivariate_normal.logpdf(x, m, np.diag(np.square(s)))
                     for pi, m, s in zip((pi1, 1 - pi1), mu, sigma)])  # fmt: skip


def point(x, setting):
    """p(y=1|x), p(y=2|x) and log p(x)."""
    joint = np.exp(log_joint(x, setting))
    return joint[0] / joint.sum(), joint[1] / joint.sum(), math.log(joint.sum())


@lru_cache
def share_below(level, setting):
    """P(log p(X) <= level). On a line of constant x_2 the mass above the level is exact once its ends are found; over
    x_2 it is integrated from one line on which the number of ends changes to the next, by Gauss and Legendre's rule in
    an angle, which takes away the square roots that the mass has there."""
    pi1, (m, n), (s, t) = setting[0], np.transpose(setting[1]), np.transpose(setting[2])
    pi = np.array([pi1, 1 - pi1])
    across, along = (np.unique(np.concatenate([c + w * np.linspace(-8, 8, k) for c, w in zip(*pair)]))
                     for pair, k in (((m, s), 801), ((n, t), 161)))  # fmt: skip

    def above(x, y):
        squares = ((x[..., None] - m) / s) ** 2 + ((y[..., None] - n) / t) ** 2
        return (pi / (2 * math.pi * s * t) * np.exp(-squares / 2)).sum(-1) > math.exp(level)

    def inside(y):
        return above(across, np.asarray(y)[..., None])

    def count(y):
        at = inside(y)
        return (at[..., 1:] != at[..., :-1]).sum(-1)

    def change(a, b):
        """The line between a and b on which the number of ends changes."""
        few = count(a)
        for _ in range(45):
            a, b = ((a + b) / 2, b) if count((a + b) / 2) == few else (a, (a + b) / 2)
        return a

    def mass(y):
        at = inside(y)
        line, place = np.nonzero(at[:, 1:] != at[:, :-1])
        a, b, first = across[place], across[place + 1], at[line, place]
        for _ in range(50):
            same = above((a + b) / 2, y[line]) == first
            a, b = np.where(same, (a + b) / 2, a), np.where(same, b, (a + b) / 2)
        each = (pi * norm.pdf(y[line][:, None], n, t) * norm.cdf(a[:, None], m, s)).sum(-1)
        return np.bincount(line, np.where(first, each, -each), len(y))

    steps = np.flatnonzero(np.diff(count(along)))
    breaks = [change(*along[i : i + 2]) for i in steps]
    nodes, weights = np.polynomial.legendre.leggauss(16)
    angle = (np.arange(40)[:, None] + (nodes + 1) / 2).ravel() * math.pi / 40
    weights = np.tile(weights, 40) * math.pi / 80
    total = 0.0
    for a, b in zip(breaks, breaks[1:]):
        y, slope = a + (b - a) * (1 - np.cos(angle)) / 2, (b - a) * np.sin(angle) / 2
        total += (weights * slope * mass(y)).sum()
    return 1 - total


def log_odds(setting):
    """A, b and c of log p(x, y=1) - log p(x, y=2) = x A x + b x + c."""
    pi1, mu, sigma = setting
    P, mu = [np.diag(1 / np.square(s)) for s in sigma], np.array(mu)
    top = [math.log(pi) - math.log(s[0] * s[1]) for pi, s in zip((pi1, 1 - pi1), sigma)]
    constant = top[0] - top[1] - (mu[0] @ P[0] @ mu[0] - mu[1] @ P[1] @ mu[1]) / 2
    return (P[1] - P[0]) / 2, P[0] @ mu[0] - P[1] @ mu[1], constant


def conic(setting):
    """What the boundary is, told by determinants as in any textbook on conics."""
    A, b, c = log_odds(setting)
    whole = np.linalg.det(np.block([[A, b[:, None] / 2], [b[None] / 2, np.array([[c]])]]))
    degenerate = abs(whole) < 1e-12
    if not A.any():
        return "line" if b.any() else "none"
    if A[0, 0] * A[1, 1] > 0:
        return "ellipse" if np.trace(A) * whole < 0 else "none"
    if A[0, 0] * A[1, 1] < 0:
        return "lines" if degenerate else "hyperbola"
    return "parabola" if not degenerate else "lines" if 4 * np.trace(A) * c < (b**2).sum() else "none"
