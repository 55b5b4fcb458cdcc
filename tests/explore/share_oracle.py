"""The numbers of the figure of two components over twelve points, from scipy's densities and each definition as it stands."""

import numpy as np
from scipy.special import expit, logsumexp, xlogy
from scipy.stats import norm

POINTS = np.array([-29, -24, -21, -17, -12, -6, 4, 11, 15, 19, 23, 32]) / 10


def theta(state):
    """Means, standard deviations and weights."""
    (means, sds), weight = np.transpose([state["one"], state["two"]]), state["weight"]
    return means, sds, np.array([weight, 1 - weight])


def log_joint(state, x=POINTS):
    means, sds, weights = theta(state)
    return np.log(weights)[:, None] + norm.logpdf(np.asarray(x), means[:, None], sds[:, None])


def shares(state):
    """r_nk at hand."""
    o = np.array(state["odds"])
    return np.stack([expit(o), expit(-o)])


def numbers(state):
    """Log-likelihood, bound, and the sum of KL(r_n || p(z_n | x_n))."""
    joint, r = log_joint(state), shares(state)
    log_p = logsumexp(joint, axis=0)
    bound = (r * joint).sum() - xlogy(r, r).sum()
    return log_p.sum(), bound, xlogy(r, r).sum() - (r * (joint - log_p)).sum()


def e_step(state):
    joint = log_joint(state)
    return {**state, "odds": list(joint[0] - joint[1])}


def m_step(state):
    """Weighted means, deviations and weights, at the end of their range where they lie beyond it; without points, those of all."""
    r = shares(state)
    n = r.sum(1)
    r = np.where(n[:, None] > 0, r, 1)
    means = [np.average(POINTS, weights=row) for row in r]
    sds = [np.clip(np.average((POINTS - mean) ** 2, weights=row) ** 0.5, 0.02, 3) for mean, row in zip(means, r)]
    one, two = zip(means, sds)
    return {**state, "one": one, "two": two, "weight": np.clip(n[0] / 12, 0.01, 0.99)}


START = dict(one=(-0.3, 1.0), two=(0.5, 1.0), weight=0.5, odds=[0.0] * 12)


def after(state, steps):
    """The state after some steps, such as "em"."""
    for step in steps:
        state = {"e": e_step, "m": m_step}[step](state)
    return state
