"""The numbers of the figure of data that fade into noise by other means: SciPy's densities, a root search, adaptive quadrature,
integers of any size for the noise, Bayes' rule in precisions for a step back, and an ODE solver for the flow."""

import math
from functools import lru_cache

import numpy as np
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq, fsolve
from scipy.stats import norm

NAMES = ("alpha", "sigma", "kl", "low", "dip", "high")
TIMES = np.arange(1, 100) / 100
STATES = (0.01, 0.08, 0.2, 0.3, 0.42, 0.43, 0.6, 0.77, 0.78, 0.99)
GROUPS = ((0.35, -1.3, 0.3), (0.65, 0.9, 0.45))
MASK = 2**32 - 1


def scales(t):
    return math.sin(math.pi * (1 - t) / 2), math.cos(math.pi * (1 - t) / 2)


def laws(t):
    """Weight, mean and standard deviation of the two groups at time t."""
    alpha, sigma = scales(t)
    return [(pi, alpha * mean, math.hypot(alpha * sd, sigma)) for pi, mean, sd in GROUPS]


def pdf(x, t):
    return sum(pi * norm.pdf(x, mean, sd) for pi, mean, sd in laws(t))


def cdf(x, t):
    return sum(pi * norm.cdf(x, mean, sd) for pi, mean, sd in laws(t))


def slope(x, t):
    """The derivative of the density."""
    return sum(-pi * (x - mean) / sd**2 * norm.pdf(x, mean, sd) for pi, mean, sd in laws(t))


def score(x, t):
    return slope(x, t) / pdf(x, t)


def zeros(t):
    """Of the score, from left to right."""
    grid = np.linspace(-4, 4, 1999)
    values = slope(grid, t)
    return [brentq(slope, a, b, args=(t,), xtol=1e-14)
            for a, b, u, v in zip(grid, grid[1:], values, values[1:]) if u * v < 0]  # fmt: skip


def kl(t):
    """Of the law of x_t from N(0, 1)."""
    def part(x):
        return pdf(x, t) * (math.log(pdf(x, t)) - norm.logpdf(x))

    return sum(quad(part, a, a + 0.5, epsabs=1e-13, epsrel=1e-11)[0] for a in np.arange(-8, 8, 0.5))


@lru_cache
def faded(t):
    """As `gmlib.explore.faded`, without what is not there."""
    at = zeros(t)
    return dict(zip(NAMES, (*scales(t), kl(t)))) | dict(zip(("low", "dip", "high")[-len(at):], at))


def merging():
    """Where and when the lower mode and the dip meet: the first two derivatives of the density are zero."""
    def both(point):
        x, t = point
        return slope(x, t), sum(pi * ((x - mean) ** 2 / sd**4 - sd**-2) * norm.pdf(x, mean, sd) for pi, mean, sd in laws(t))

    return fsolve(both, (-0.68, 0.42), xtol=1e-13)


def flow(x, start, times):
    """The probability flow from (start, x): beta(t) = -2 d log(alpha) / dt = pi tan(pi t / 2)."""
    def field(t, x):
        return -0.5 * math.pi * math.tan(math.pi * t / 2) * (x + score(x, t))

    found = solve_ivp(field, (start, times[-1]), x, t_eval=times, method="DOP853", rtol=1e-10, atol=1e-11)
    return found.y


def uniform(seed, n):
    """mulberry32, with integers that do not overflow."""
    a = (seed * 0x9E3779B9 + (n + 1) * 0x6D2B79F5) & MASK
    b = (a ^ a >> 15) * (a | 1) & MASK
    b ^= b + ((b ^ b >> 7) * (b | 61) & MASK) & MASK
    return ((b ^ b >> 14) + 0.5) / 2**32


def start(t, i, count=8):
    return brentq(lambda x: cdf(x, t) - (i + 0.5) / count, -8, 8, xtol=1e-14)


def step(x, s, t, back, u, v, choose):
    """From s to t > s, or back."""
    z = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
    a = scales(t)[0] / scales(s)[0]
    noise = scales(t)[1] ** 2 - a**2 * scales(s)[1] ** 2
    if not back:
        return a * x + math.sqrt(noise) * z
    (pi, *later), _ = laws(t)
    _, mean, sd = laws(s)[0 if choose < pi * norm.pdf(x, *later) / pdf(x, t) else 1]
    precision = sd**-2 + a**2 / noise
    return (mean / sd**2 + a * x / noise) / precision + z / math.sqrt(precision)


def path(kind, seed, i):
    """Number i of eight, at TIMES."""
    if kind == "flow":
        return np.array([start(t, i) for t in TIMES])
    times = TIMES[::-1] if kind == "reverse" else TIMES
    x = [start(times[0], i)]
    for j, (before, after) in enumerate(zip(times, times[1:])):
        draws = [uniform(seed, 3 * (98 * i + j) + c) for c in range(3)]
        x.append(step(x[-1], *sorted((before, after)), kind == "reverse", *draws))
    return np.array(x[::-1] if kind == "reverse" else x)
