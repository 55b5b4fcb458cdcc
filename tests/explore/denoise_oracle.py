"""The best denoiser of the figure's mixture by other means: integrals over the plane, which are products of integrals over an axis,
by Gauss and Legendre; differences of SciPy's densities for the scores."""

import numpy as np
from scipy.stats import norm

GROUPS = ((0.5, (-1.5, 0.3), 0.35), (0.2, (1.2, 1.0), 0.5), (0.3, (0.4, -1.4), 0.25))
MEAN = (-0.39, -0.07)
NAMES = ("r1", "r2", "w1", "w2", "w3", "smooth1", "smooth2", "plain1", "plain2")
STATES = [((2.5, -0.2), 0.3), ((2.5, -0.2), 0.6), ((2.5, -0.2), 1.82), ((1.0, 0.2), 0.1), ((1.0, 0.2), 1.0), ((-2.45, 2.5), 0.7),
          ((0.0, -0.15), 0.3), ((-0.4, 0.0), 10.0), ((1.9, 2.5), 3.24), ((0.4, -1.4), 0.617), ((-2.2, -2.45), 0.214)]  # fmt: skip
Z, DZ = (8 * part for part in np.polynomial.legendre.leggauss(2000))  # an axis, as far as there are data


def on_axis(mean, sd, x, sigma):
    """Mass and first moment of N(z; mean, sd^2) N(x; z, sigma^2) over the axis of z."""
    part = norm.pdf(Z, mean, sd) * norm.pdf(x, Z, sigma) * DZ
    return part.sum(), (Z * part).sum()


def log_density(x, sigma):
    """Of x + noise; for sigma = 0 of the data."""
    return np.logaddexp.reduce([np.log(pi) + norm.logpdf(x, mu, np.hypot(sd, sigma)).sum() for pi, mu, sd in GROUPS])


def score(x, sigma, h=1e-3):
    """Central differences, of which two steps are combined so that the error is of order h^4."""
    def slope(d, h):
        step = h * np.eye(2)[d]
        return (log_density(x + step, sigma) - log_density(x - step, sigma)) / (2 * h)

    return [(4 * slope(d, h / 2) - slope(d, h)) / 3 for d in (0, 1)]


def denoised(x, sigma):
    """By name: E[z | z + noise = x], the probability of each group, and both scores."""
    mass, moment = [], []
    for pi, mu, sd in GROUPS:
        (m0, f0), (m1, f1) = (on_axis(mu[d], sd, x[d], sigma) for d in (0, 1))
        mass.append(pi * m0 * m1)
        moment.append((pi * f0 * m1, pi * m0 * f1))
    whole, x = sum(mass), np.array(x)
    r, w = np.sum(moment, 0) / whole, np.array(mass) / whole
    return dict(zip(NAMES, (*r, *w, *score(x, sigma), *score(x, 0.0))))


def cloud():
    """60 points, in each group along a spiral of golden angles, with squared radii of equal probability."""
    points = []
    for n, (_, mu, sd) in zip((30, 12, 18), GROUPS):
        for i in range(n):
            outside = 1 - (i + 0.5) / n  # the share of the group that is farther away
            z = sd * np.sqrt(-2 * np.log(outside)) * np.exp(2j * np.pi * i / ((1 + 5**0.5) / 2) ** 2)
            points.append((mu[0] + z.real, mu[1] + z.imag))
    return np.array(points)
