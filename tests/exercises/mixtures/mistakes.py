"""Wrong answers to the exercises of ``mixtures``, as students write them, and what is needed to try the notebook."""

import math

import torch
from torch.distributions import MultivariateNormal, Normal

from gmlib import mixtures as library
from tests.exercises.mixtures.answers import log_joint, log_normals, on_paper, packed


def diagonal_only(x, pi, mu, Sigma):
    return log_joint(x, pi, mu, torch.diag_embed(Sigma.diagonal(dim1=-2, dim2=-1))).softmax(1)


def quadratic(x, mu, P):
    d = x[:, None] - mu
    return torch.einsum("nki,kij,nkj->nk", d, P, d)


def by_hand(root=0.5, half=0.5, inverse=torch.linalg.inv, two_pi=math.log(2 * math.pi), finish=lambda v: v.softmax(1)):
    """The density written out, with one thing wrong."""

    def answer(x, pi, mu, Sigma):
        square = quadratic(x, mu, inverse(Sigma))
        return finish(pi.log() - half * square - root * Sigma.logdet() - 0.5 * x.shape[1] * two_pi)

    return answer


def summed(joint):
    return joint.logsumexp(1).sum()


def m_step(centre=lambda mu, mean: mean, by=lambda n: n, weight=lambda n, N: n / N):
    def answer(x, r, mu):
        n, here = r.sum(0), r.sum(0) > 0
        mean = torch.where(here[:, None], r.T @ x / n[:, None], x.mean(0))
        d = x - centre(mu, mean)[:, None]
        S = torch.einsum("nk,kni,knj->kij", r, d, d) / by(n)[:, None, None]
        return packed(weight(n, len(x)), mean, torch.where(here[:, None, None], S, x.T.cov(correction=0)))

    return answer


def with_nan(x, r, mu):
    n = r.sum(0)
    mean = r.T @ x / n[:, None]
    d = x - mean[:, None]
    return packed(n / len(x), mean, torch.einsum("nk,kni,knj->kij", r, d, d) / n[:, None, None])


def clamped(x, r, mu):
    n = r.sum(0)
    safe = n.clamp(min=1e-12)
    mean = r.T @ x / safe[:, None]
    d = x - mean[:, None]
    return packed(n / len(x), mean, torch.einsum("nk,kni,knj->kij", r, d, d) / safe[:, None, None])


def rate(curve=lambda u: 1 / torch.cosh(u) ** 2, inside=lambda mu, x, s, b: mu * x / s**2 + b, half=0.5, finish=lambda v, s: v / s**2,
         square=torch.square, law=None):  # fmt: skip
    def answer(mu, s, w):
        t = torch.linspace(-25, 25, 20001, dtype=torch.float64)
        p = w * Normal(mu, s).log_prob(t).exp() + (1 - w) * Normal(-mu, s).log_prob(t).exp() if law is None else law(t, mu, s)
        return finish((p * square(t) * curve(inside(mu, t, s, half * torch.logit(w)))).sum() * (t[1] - t[0]), s)

    return answer


def buggy_variances(x, r):
    n = r.sum(0)[:, None]
    mean = r.T @ x / n
    return r.T @ x**2 / n - mean**2


def by_einsum(x, r):
    share = r.T[..., None]
    n = share.sum(1)
    square, mean = (share * x * x).sum(1) / n, (share * x).sum(1) / n
    return square - 2 * mean * mean + mean * mean


def deviations(finish=lambda S, n, N: S / n, weigh=lambda r: r, power=torch.square):
    def answer(x, r):
        own = weigh(r)
        n = own.sum(0)[:, None]
        return finish((own.T[..., None] * power(x - (own.T @ x / n)[:, None])).sum(1), n, len(x))

    return answer


def em(x, mu):
    r = log_normals(x, mu).softmax(1)
    return x @ r / r.sum(0)


def value(x, mu):
    return log_normals(x, mu).logsumexp(1).sum()


def buggy_best(x, starts, steps):
    highest = -math.inf
    for mu in starts:
        for _ in range(steps):
            bound = value(x, mu)
            mu = em(x, mu)
        if bound > highest:
            highest, best = bound, mu
    return torch.cat([best, bound[None]])


def half_mended(x, starts, steps):
    """The number of the best start, but of its means before the last step."""
    highest = -math.inf
    for mu in starts:
        for _ in range(steps):
            bound = value(x, mu)
            mu = em(x, mu)
        if bound > highest:
            highest, best = bound, mu
    return torch.cat([best, highest[None]])


def ends(x, starts, steps):
    out = []
    for mu in starts:
        for _ in range(steps):
            mu = em(x, mu)
        out.append(torch.cat([mu, value(x, mu)[None]]))
    return torch.stack(out)


def by_argmax(x, starts, steps):
    found = ends(x, starts, steps)
    return found[found[:, -1].argmax()]


def of_last(x, starts, steps):
    found = ends(x, starts, steps)
    best = found[found[:, -1].nan_to_num(-math.inf).argmax()]
    return torch.cat([best[:-1], found[-1, -1:]])


def averaged(x, starts, steps):
    found = ends(x, starts, steps)
    mu = found[~found[:, -1].isnan(), :-1].mean(0)
    return torch.cat([mu, value(x, mu)[None]])


def not_reset(x, starts, steps):
    mu = starts[0]
    for _ in starts:
        for _ in range(steps):
            mu = em(x, mu)
    return torch.cat([mu, value(x, mu)[None]])


def instead(number, f):
    """The right numbers on paper but for one, counted from 1."""

    def answer(*case):
        numbers = on_paper(*case)
        numbers[number - 1] = f(*case)
        return numbers

    return answer


def table(x, pi, mu, s):
    return pi.log() + Normal(mu, s).log_prob(x[:, None])


def own_mean(x, pi, mu, s):
    r = table(x, pi, mu, s).softmax(1)[:, 0]
    return r, r @ x / r.sum()


def around_old(x, pi, mu, s):
    r, _ = own_mean(x, pi, mu, s)
    return r @ (x - mu[0]) ** 2 / r.sum()


def expected(x, pi, mu, s):
    joint = table(x, pi, mu, s)
    return (joint.softmax(1) * joint).sum()


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("mixtures-responsibilities", "over the points"): lambda *case: log_joint(*case).softmax(0),
    ("mixtures-responsibilities", "weights left out"): lambda x, pi, mu, Sigma: log_joint(x, torch.ones_like(pi), mu, Sigma).softmax(1),
    ("mixtures-responsibilities", "no determinant"): by_hand(root=0),
    ("mixtures-responsibilities", "determinant without root"): by_hand(root=1),
    ("mixtures-responsibilities", "no half"): by_hand(half=1),
    ("mixtures-responsibilities", "covariance for precision"): by_hand(inverse=lambda S: S),
    ("mixtures-responsibilities", "diagonal only"): diagonal_only,
    ("mixtures-responsibilities", "softmax of densities"): lambda *case: log_joint(*case).exp().softmax(1),
    ("mixtures-responsibilities", "logarithms"): lambda *case: log_joint(*case).log_softmax(1),
    ("mixtures-responsibilities", "transposed"): lambda *case: log_joint(*case).softmax(1).T,
    ("mixtures-m-step", "old means"): m_step(lambda mu, mean: mu),
    ("mixtures-m-step", "n_k for the weight"): m_step(weight=lambda n, N: n),
    ("mixtures-m-step", "one less"): m_step(by=lambda n: n - 1),
    ("mixtures-m-step", "nothing divided by nothing"): with_nan,
    ("mixtures-m-step", "zeros for an empty component"): clamped,
    ("mixtures-log-likelihood", "densities rounded to zero"): lambda *case: log_joint(*case).exp().sum(1).log().sum(),
    ("mixtures-log-likelihood", "weights left out"): lambda x, pi, mu, Sigma: summed(MultivariateNormal(mu, Sigma).log_prob(x[:, None])),
    ("mixtures-log-likelihood", "logarithms averaged"): lambda x, pi, mu, S: (MultivariateNormal(mu, S).log_prob(x[:, None]) @ pi).sum(),
    ("mixtures-log-likelihood", "logarithms added"): lambda *case: log_joint(*case).sum(),
    ("mixtures-log-likelihood", "best component only"): lambda *case: log_joint(*case).max(1)[0].sum(),
    ("mixtures-log-likelihood", "no two pi"): by_hand(two_pi=0, finish=summed),
    ("mixtures-log-likelihood", "determinant without root"): by_hand(root=1, finish=summed),
    ("mixtures-log-likelihood", "over the points first"): lambda *case: log_joint(*case).flatten().logsumexp(0),
    ("mixtures-log-likelihood", "mean"): lambda *case: log_joint(*case).logsumexp(1).mean(),
    ("mixtures-rate", "what is seen"): rate(finish=lambda v, s: 1 - v / s**2),
    ("mixtures-rate", "weights forgotten in tanh"): rate(half=0),
    ("mixtures-rate", "log-odds not halved"): rate(half=1),
    ("mixtures-rate", "no square"): rate(lambda u: 1 / torch.cosh(u)),
    ("mixtures-rate", "x not squared"): rate(square=lambda t: t),
    ("mixtures-rate", "one component"): rate(law=lambda t, mu, s: Normal(mu, s).log_prob(t).exp()),
    ("mixtures-rate", "around zero"): rate(law=lambda t, mu, s: Normal(0.0, s).log_prob(t).exp()),
    ("mixtures-rate", "s not squared"): rate(inside=lambda mu, x, s, b: mu * x / s + b),
    ("mixtures-rate", "not divided by the variance"): rate(finish=lambda v, s: v),
    ("mixtures-variances", "difference of moments"): buggy_variances,
    ("mixtures-variances", "shifted, not centred"): lambda x, r: (r / r.sum(0)).T @ (x - x[0]) ** 2,
    ("mixtures-variances", "standard deviation"): lambda *case: deviations()(*case).sqrt(),
    ("mixtures-variances", "one less"): deviations(lambda S, n, N: S / (n - 1)),
    ("mixtures-variances", "all points"): deviations(lambda S, n, N: S / N),
    ("mixtures-variances", "not divided"): deviations(lambda S, n, N: S),
    ("mixtures-variances", "responsibilities left out"): lambda x, r: x.var(0, correction=0).expand(r.shape[1], -1),
    ("mixtures-variances", "squares of responsibilities"): deviations(weigh=torch.square),
    ("mixtures-variances", "tied"): lambda x, r: library.m_step(x, r.T[None], library.tied).Sigma[0].diagonal(dim1=-2, dim2=-1),
    ("mixtures-variances", "absolute deviations"): deviations(power=torch.abs),
    ("mixtures-best", "both bugs"): buggy_best,
    ("mixtures-best", "value before the last step"): half_mended,
    ("mixtures-best", "value of the last start"): of_last,
    ("mixtures-best", "last start"): lambda *case: ends(*case)[-1],
    ("mixtures-best", "first start"): lambda *case: ends(*case)[0],
    ("mixtures-best", "NaN taken for the largest"): by_argmax,
    ("mixtures-best", "means averaged"): averaged,
    ("mixtures-best", "one chain"): not_reset,
    ("mixtures-paper", "over the points"): instead(1, lambda *case: table(*case).softmax(0)[1, 0]),
    ("mixtures-paper", "weights left out"): instead(1, lambda x, pi, mu, s: Normal(mu, s).log_prob(x[:, None]).softmax(1)[1, 0]),
    ("mixtures-paper", "standard deviation for variance"): instead(
        1, lambda x, pi, mu, s: (pi.log() - (x[1] - mu) ** 2 / (2 * s) - s.log()).softmax(0)[0]),
    ("mixtures-paper", "n_k for the weight"): instead(2, lambda *case: own_mean(*case)[0].sum()),
    ("mixtures-paper", "mean by all points"): instead(3, lambda *case: own_mean(*case)[0] @ case[0] / 3),
    ("mixtures-paper", "old mean"): instead(4, around_old),
    ("mixtures-paper", "logarithms averaged"): instead(5, expected),
    ("mixtures-paper", "density of the sum"): instead(5, lambda *case: table(*case).exp().sum().log()),
    ("mixtures-paper", "the bound"): instead(6, lambda *case: 0.5 * (table(*case) - math.log(0.5)).sum()),
    ("mixtures-paper", "other component"): lambda x, pi, mu, s: on_paper(x, pi.flip(0), mu.flip(0), s.flip(0)),
}  # fmt: skip

# What students hand in, and what the checker has to say about it.
WRONG = {
    "mixtures-responsibilities": (
        "def responsibilities(x, pi, mu, Sigma):\n    joint = pi.log() + MultivariateNormal(mu, Sigma).log_prob(x[:, None])\n"
        "    return joint.softmax(0)",
        "You normalised over the points", "你是对点归一化的"),
    "mixtures-log-likelihood": (
        "def log_likelihood(x, pi, mu, Sigma):\n    p = pi * MultivariateNormal(mu, Sigma).log_prob(x[:, None]).exp()\n"
        "    return p.sum(1).log().sum()",
        "each density is rounded to zero", "每个密度都舍入为零"),
    "mixtures-variances": (
        "def mended_variances(x, r):\n    return buggy_variances(x, r).clamp(min=1e-9)",
        "The bug is still there", "错误还在"),
    "mixtures-best": (
        "def mended_best(x, starts, steps):\n    ends = []\n    for mu in starts:\n        for _ in range(steps):\n"
        "            mu = em_step(x, mu)\n        ends.append(torch.cat([mu, log_prob(x, mu)[None]]))\n"
        "    ends = torch.stack(ends)\n    return ends[ends[:, -1].argmax()]",
        "takes that for the largest", "把它当成最大的数"),
}  # fmt: skip
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("mixtures-m-step", "def m_step(x, r, mu):\n    return packed(r.mean(0), mu, 0 * x[0])")
# What is made smaller so that the notebook runs quickly.
QUICK = (("count, rounds = 3000, 25", "count, rounds = 300, 3"),)

# Changes of a specification that no input can show. All determinants, or all responsibilities, smaller by one factor: it cancels. The
# mean and the covariance of all points, each of them counted twice. A grid that is symmetric, run through from its other end, or cut off a step
# earlier or later, where nothing is left to add.
MINOR = "((-1) ** j * a * det([row[:j] + row[j + 1:] for row in A[1:]]) for j, a in enumerate(A[0]))"
EQUIVALENT = {
    "mixtures-responsibilities": {f"det: sum({MINOR}) -> mean({MINOR})"},
    "mixtures-m-step": {"m_step: row[k] if n > 0 else 1.0 -> row[k] if n > 0 else 2.0"},
    "mixtures-rate": {
        "em_rate: c + s * z -> c - s * z",
        "grid: round(REACH / STEP) + 1 -> round(REACH / STEP) - 1",
        "grid: round(REACH / STEP) + 1 -> round(REACH / STEP) + 2",
    },
    "mixtures-best": {"em_step: sum(row) -> mean(row)"},
}
