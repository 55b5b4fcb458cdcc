"""The numbers of the explorable figure by adaptive quadrature, from densities written out in another way."""

import math
from functools import lru_cache

from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, norm

PRECISE = dict(epsabs=1e-12, epsrel=1e-12, limit=400)


def log_joint(decoder, z):
    """log p(z) + log p(x | z): the line sees x = 1.25 with noise 0.75, the curve x = (1, 0) with noise 0.4."""
    if decoder == "line":
        return norm.logpdf(z) + norm.logpdf(1.25, loc=z, scale=0.75)
    return norm.logpdf(z) + multivariate_normal.logpdf([1.0, 0.0], mean=[z * z - 1, z / 2], cov=0.16)


@lru_cache
def log_evidence(decoder):
    return math.log(sum(quad(lambda z: math.exp(log_joint(decoder, z)), a, a + 1, **PRECISE)[0] for a in range(-8, 8)))


def mean(f, mu, sigma):
    """Of f(z) for z ~ N(mu, sigma^2), one standard deviation after the other."""
    steps = ((mu + sigma * k, mu + sigma * (k + 1)) for k in range(-9, 9))
    return sum(quad(lambda z: norm.pdf(z, mu, sigma) * f(z), a, b, **PRECISE)[0] for a, b in steps)


@lru_cache
def bars(decoder, mu, sigma):
    """log p(x), the ELBO and KL(q || p(z|x)), each from its definition."""
    evidence = log_evidence(decoder)
    elbo = mean(lambda z: log_joint(decoder, z) - norm.logpdf(z, mu, sigma), mu, sigma)
    gap = mean(lambda z: norm.logpdf(z, mu, sigma) - (log_joint(decoder, z) - evidence), mu, sigma)
    return evidence, elbo, gap


def best(decoder, start):
    """The Gaussian with the smallest gap that is reached from mu = start: (mu, sigma)."""
    if decoder == "line":
        return 0.8, 0.6

    def loss(parameters):  # the moments of a Gaussian make the expectation exact; terms without q are left out
        m, s = parameters[0], math.exp(parameters[1])
        z2, z4 = m**2 + s**2, m**4 + 6 * m**2 * s**2 + 3 * s**4
        return z2 / 2 + (z4 - 4 * z2) / 0.32 + z2 / (8 * 0.16) - math.log(s)

    found = minimize(loss, [start, -1.5], method="Nelder-Mead", options=dict(xatol=1e-10, fatol=1e-15, maxiter=4000))
    return found.x[0], math.exp(found.x[1])
