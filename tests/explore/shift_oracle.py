"""The numbers of the figure of two shifted laws by Gauss's quadrature, each from its definition with SciPy's laws; slopes
by a polynomial through values at both sides."""

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import rel_entr
from scipy.stats import norm, uniform

NAMES = ("kl", "reverse_kl", "js", "tv", "w1")
NODES, WEIGHTS = np.polynomial.legendre.leggauss(30)


def pair(laws, d):
    """Both laws, and places between which their densities and distribution functions are smooth."""
    if laws == "normals":
        steps = np.arange(-9, 10)
        return norm(0, 0.9), norm(d, 0.5), np.unique(np.concatenate([0.9 * steps, d + 0.5 * steps]))
    return uniform(0, 1), uniform(d, 1), np.unique([0, 1, d, d + 1])


def integral(f, places):
    """Of f between the first place and the last, by 30 nodes between each two."""
    middle, half = (places[1:] + places[:-1]) / 2, np.diff(places) / 2
    return half @ f(middle[:, None] + half[:, None] * NODES) @ WEIGHTS


def size(f, places):
    """The integral of |f|, with a place wherever f changes its sign."""
    x = np.unique(np.concatenate([np.linspace(a, b, 40) for a, b in zip(places[:-1], places[1:])]))
    (changes,) = np.nonzero(f(x[:-1]) * f(x[1:]) < 0)
    ends = [brentq(f, x[i], x[i + 1], xtol=1e-15) for i in changes]
    return integral(lambda x: np.abs(f(x)), np.unique(np.concatenate([places, ends])))


@lru_cache
def values(laws, d):
    """KL(p || q), KL(q || p), JS, TV and W_1."""
    p, q, places = pair(laws, d)

    def kl(a, b):
        if laws == "normals":
            return integral(lambda x: a.pdf(x) * (a.logpdf(x) - b.logpdf(x)), places)
        return integral(lambda x: rel_entr(a.pdf(x), b.pdf(x)), places)

    def to_middle(x):
        m = (p.pdf(x) + q.pdf(x)) / 2
        return (rel_entr(p.pdf(x), m) + rel_entr(q.pdf(x), m)) / 2

    tv = size(lambda x: p.pdf(x) - q.pdf(x), places) / 2
    w1 = size(lambda x: p.cdf(x) - q.cdf(x), places)
    return np.array([kl(p, q), kl(q, p), integral(to_middle, places), tv, w1])


@lru_cache
def slopes(laws, d):
    """Their derivatives by d; of the uniform laws as d grows, a NaN where a value is infinite."""
    if laws == "uniforms":  # piecewise linear, with a corner at d = 1
        with np.errstate(invalid="ignore"):
            return (values(laws, d + 1 / 32) - values(laws, d)) * 32
    nodes = 0.4 * np.polynomial.chebyshev.chebpts1(16)
    at = np.array([values(laws, abs(d + node)) for node in nodes])  # a shift to the left is as far as one to the right
    return np.array([np.polynomial.Chebyshev.fit(nodes, column, 15).deriv()(0.0) for column in at.T])
