"""E- and M-steps against scipy, NumPy and plain loops; whole runs against scikit-learn; what must rise rises; what breaks is told."""

import math
import sys
import warnings

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from gmlib.mixtures import (
    Parameters,
    Prior,
    bound,
    diagonal,
    e_step,
    em,
    full,
    log_joint,
    log_prior,
    m_step,
    spherical,
    start,
    tied,
)
from tests.mixtures.conftest import EXACT, F64, clusters, covariances, parameters

BLOCK = sys.modules["gmlib.mixtures.em"].BLOCK
SHAPES = {"full": full, "tied": tied, "diag": diagonal, "spherical": spherical}  # the names are scikit-learn's
PRIOR = Prior(0.7, 5.5)
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def responsibilities(R, K, N, generator):
    return torch.randn(R, K, N, generator=generator, dtype=F64).softmax(1)


def table(x, theta):
    """log pi_k + log N(x_n; mu_k, Sigma_k) by scipy."""
    return torch.from_numpy(np.array([
        [math.log(p) + scipy.stats.multivariate_normal(m, S).logpdf(x.numpy()) for p, m, S in zip(*one, strict=True)]
        for one in zip(*(t.numpy() for t in theta), strict=True)
    ]))  # fmt: skip


@pytest.mark.equation("eq-mixtures-joint")
@pytest.mark.parametrize("N", [7, 2 * BLOCK + 77])
def test_joint_by_scipy(N, generator):
    theta, x = parameters(2, 3, 4, generator), 3 + 2 * torch.randn(N, 4, generator=generator, dtype=F64)
    torch.testing.assert_close(log_joint(x, theta), table(x, theta), **EXACT)
    torch.testing.assert_close(theta.mixture(1).log_prob(x), table(x, theta)[1].logsumexp(0), **EXACT)


@pytest.mark.equation("eq-mixtures-responsibility")
def test_responsibilities_by_loops(generator):
    theta, x = parameters(2, 3, 2, generator), torch.randn(6, 2, generator=generator, dtype=F64)
    log_r, log_p = e_step(x, theta)
    for i, joint in enumerate(table(x, theta).exp().tolist()):
        evidence = [sum(joint[k][n] for k in range(3)) for n in range(6)]
        expected = torch.tensor([[joint[k][n] / evidence[n] for n in range(6)] for k in range(3)], dtype=F64)
        torch.testing.assert_close(log_r[i].exp(), expected, **EXACT)
        assert log_p[i].item() == pytest.approx(sum(map(math.log, evidence)) / 6, abs=1e-11)


def test_far_from_all_components(generator):
    """Densities that are zero in float64 still have a quotient; a weight of zero takes nothing."""
    theta = Parameters(torch.tensor([[0.3, 0.7, 0.0]], dtype=F64), torch.tensor([[[0.0], [2.0], [90.0]]], dtype=F64), torch.ones(1, 3, 1, 1, dtype=F64))
    log_r, log_p = e_step(torch.tensor([[101.0]], dtype=F64), theta)
    odds = math.log(0.7 / 0.3) + (101**2 - 99**2) / 2
    assert (log_r[0, 1] - log_r[0, 0]).item() == pytest.approx(odds, abs=1e-9)
    assert log_r[0, 2] == -math.inf and log_p.item() == pytest.approx(math.log(0.7) - 99**2 / 2 - math.log(2 * math.pi) / 2)


@pytest.mark.equation("eq-mixtures-bound")
def test_bound_by_loops(generator):
    """At any r: expected log joint plus entropy, which is the log-likelihood minus KL(r || posterior); at the E-step's r nothing is lost."""
    theta, x, r = parameters(2, 3, 2, generator), torch.randn(5, 2, generator=generator, dtype=F64), responsibilities(2, 3, 5, generator)
    joint, found = table(x, theta), bound(x, r.log(), theta)
    for i in range(2):
        by_hand = sum(
            r[i, k, n].item() * (joint[i, k, n].item() - math.log(r[i, k, n])) for k in range(3) for n in range(5)
        )
        assert found[i].item() == pytest.approx(by_hand / 5, abs=1e-11)
        gap = scipy.stats.entropy(r[i].numpy(), joint[i].exp().numpy()).mean()
        assert joint[i].logsumexp(0).mean().item() - found[i].item() == pytest.approx(gap, abs=1e-11) and gap > 0.1
    log_r, log_p = e_step(x, theta)
    torch.testing.assert_close(bound(x, log_r, theta), log_p, **EXACT)


def test_bound_where_a_responsibility_is_zero(generator):
    theta, x = parameters(1, 2, 2, generator), torch.randn(5, 2, generator=generator, dtype=F64)
    log_r = torch.tensor([0.0, -math.inf], dtype=F64)[None, :, None].expand(1, 2, 5)
    torch.testing.assert_close(bound(x, log_r, theta), table(x, theta)[:, 0].mean(1), **EXACT)


def by_numpy(x, r, shape):
    """The covariances of one restart from weighted moments of NumPy."""
    n = r.sum(1)
    each = [np.cov(x.T, aweights=w, ddof=0) for w in r]
    pooled = sum(w * S for w, S in zip(n, each)) / len(x)
    return {
        full: lambda: each,
        tied: lambda: [pooled] * len(r),
        diagonal: lambda: [np.diag(np.diag(S)) for S in each],
        spherical: lambda: [np.trace(S) / len(S) * np.eye(len(S)) for S in each],
    }[shape]()


@pytest.mark.equation("eq-mixtures-m-step")
@each_shape
@pytest.mark.parametrize("N", [9, 2 * BLOCK + 77])
def test_m_step_by_numpy(N, shape, generator):
    x, r = clusters(N, generator), responsibilities(2, 4, N, generator)
    theta = m_step(x, r, shape)
    for i, w in enumerate(r.numpy()):
        torch.testing.assert_close(theta.pi[i], torch.from_numpy(w.mean(1)), **EXACT)
        torch.testing.assert_close(theta.mu[i], torch.from_numpy(np.stack([np.average(x, 0, v) for v in w])), **EXACT)
        torch.testing.assert_close(theta.Sigma[i], torch.from_numpy(np.stack(by_numpy(x.numpy(), w, shape))), **EXACT)
    torch.testing.assert_close(theta.pi.sum(1), torch.ones(2, dtype=F64), **EXACT)
    ridged = m_step(x, r, shape, ridge=0.37)
    torch.testing.assert_close(ridged.Sigma - theta.Sigma, (0.37 * torch.eye(3, dtype=F64)).expand(2, 4, 3, 3), **EXACT)
    assert torch.equal(ridged.Sigma, ridged.Sigma.mT)


def unconstrained(theta, shape):
    """Numbers that may move freely, with those of theta as their present values, and the way back."""
    L = torch.linalg.cholesky(theta.Sigma)
    if shape is tied:
        L = L[:, :1]
    if shape in (diagonal, spherical):
        L = L.diagonal(dim1=-2, dim2=-1)
    if shape is spherical:
        L = L[..., :1]
    free = [t.clone().requires_grad_() for t in (theta.pi.log(), theta.mu, L)]

    def back(logits, mu, L):
        if shape in (diagonal, spherical):
            L = torch.diag_embed(L.expand_as(mu))
        return Parameters(logits.softmax(1), mu, (L @ L.mT).expand(*mu.shape, mu.shape[-1]))

    return free, back


@pytest.mark.equation("eq-mixtures-m-step", "eq-mixtures-map")
@each_shape
@pytest.mark.parametrize("prior", [None, PRIOR], ids=["likelihood", "prior"])
def test_m_step_is_where_the_gradient_vanishes(prior, shape, generator):
    """Of the bound, times N, plus the prior; and a little away from there it is lower, in every direction that was tried."""
    x, r = clusters(40, generator), responsibilities(1, 3, 40, generator)
    free, back = unconstrained(m_step(x, r, shape, prior), shape)

    def objective(*free):
        theta = back(*free)
        return (40 * bound(x, r.log(), theta) + (0 if prior is None else log_prior(theta, prior))).sum()

    best = objective(*free)
    for gradient in torch.autograd.grad(best, free):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-9)
    for _ in range(5):
        moved = [t.detach() + 0.03 * torch.randn(t.shape, generator=generator, dtype=F64) for t in free]
        assert objective(*moved) < best - 1e-4


@pytest.mark.equation("eq-mixtures-map")
def test_prior_is_the_inverse_wishart_of_scipy(generator):
    """Up to a constant: two sets of covariances are compared."""
    a, b = (covariances(2, 3, D=3, generator=generator) for _ in range(2))
    law = scipy.stats.invwishart(PRIOR.nu, PRIOR.psi * np.eye(3))
    theirs = [[sum(law.logpdf(S) for S in of_one.numpy()) for of_one in Sigma] for Sigma in (a, b)]
    ours = [log_prior(Parameters(torch.ones(2, 3) / 3, torch.zeros(2, 3, 3), Sigma), PRIOR) for Sigma in (a, b)]
    torch.testing.assert_close(ours[1] - ours[0], torch.tensor(theirs[1], dtype=F64) - torch.tensor(theirs[0], dtype=F64), **EXACT)


@pytest.mark.equation("eq-mixtures-map")
def test_map_covariance_by_loops(generator):
    x, r = clusters(11, generator), responsibilities(1, 2, 11, generator)
    theta = m_step(x, r, prior=PRIOR)
    for k, w in enumerate(r[0].numpy()):
        S = sum(w) * np.cov(x.numpy().T, aweights=w, ddof=0) + 0.7 * np.eye(3)
        torch.testing.assert_close(theta.Sigma[0, k], torch.from_numpy(S / (sum(w) + 5.5 + 3 + 1)), **EXACT)


# Whole runs.


@pytest.mark.equation("eq-mixtures-responsibility", "eq-mixtures-m-step")
@pytest.mark.parametrize("ridge", [0.0, 0.03])
@pytest.mark.parametrize("name", SHAPES)
def test_equals_scikit_learn(name, ridge, generator):
    """From the same start, after as many steps; K = 4, N = 600."""
    shape, x = SHAPES[name], clusters(600, generator)
    theta = m_step(x, e_step(x, start(x, 4, 1, generator))[0].exp(), shape)
    *_, last = em(x, theta, 25, shape, ridge=ridge)
    P = torch.linalg.inv(theta.Sigma[0])
    precisions = {"full": P, "tied": P[0], "diag": P.diagonal(dim1=1, dim2=2), "spherical": P[:, 0, 0]}[name]
    theirs = GaussianMixture(
        4, covariance_type=name, reg_covar=ridge, tol=0, max_iter=25, weights_init=(theta.pi[0] / theta.pi[0].sum()).numpy(),
        means_init=theta.mu[0].numpy(), precisions_init=precisions.numpy(),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(x.numpy())
    S = torch.from_numpy(theirs.covariances_)
    S = {"full": lambda: S, "tied": lambda: S.expand(4, 3, 3), "diag": lambda: torch.diag_embed(S),
         "spherical": lambda: S[:, None, None] * torch.eye(3, dtype=F64)}[name]()  # fmt: skip
    for ours, expected in zip(last.theta, (torch.from_numpy(theirs.weights_), torch.from_numpy(theirs.means_), S), strict=True):
        torch.testing.assert_close(ours[0], expected, rtol=0, atol=1e-9)
    assert last.log_prob.item() == pytest.approx(theirs.score(x.numpy()), abs=1e-9)
    assert (last.theta.mu - theta.mu).abs().max() > 0.01


def log_probs(steps):
    return torch.stack([step.log_prob for step in steps])


@pytest.mark.equation("eq-mixtures-bound")
@each_shape
def test_likelihood_never_falls(shape, generator):
    x = clusters(150, generator)
    theta = m_step(x, e_step(x, start(x, 3, 4, generator))[0].exp(), shape)
    steps = list(em(x, theta, 60, shape))
    assert len(steps) == 61 and (log_probs(steps).diff(dim=0) > -1e-12).all()
    assert steps[0].theta is theta and log_probs(steps)[-1].min() > log_probs(steps)[0].max() - 1
    for step in (steps[0], steps[3]):  # the likelihood of the parameters beside it
        torch.testing.assert_close(step.log_prob[2], step.theta.mixture(2).log_prob(x).mean(), **EXACT)


def flat_clusters(generator):
    """Two flat clusters one above the other, and a ball."""
    scale = torch.tensor([[1.5, 0.1], [1.5, 0.1], [0.15, 0.15]], dtype=F64).repeat(100, 1)
    centre = torch.tensor([[0.0, 0.0], [0.0, 0.6], [2.5, 1.5]], dtype=F64).repeat(100, 1)
    return centre + scale * torch.randn(300, 2, generator=generator, dtype=F64)


def test_likelihood_falls_with_a_constant_added_afterwards(generator):
    x = flat_clusters(generator)
    theta = start(x, 3, 10, generator)
    change = {ridge: log_probs(em(x, theta, 60, ridge=ridge)).diff(dim=0) for ridge in (0.0, 0.1)}
    assert change[0.0].min() > -1e-12 and change[0.1].min() < -1e-3


@pytest.mark.equation("eq-mixtures-map")
@each_shape
def test_penalised_likelihood_never_falls(shape, generator):
    """The plain one does, with the same steps."""
    x, prior = flat_clusters(generator), Prior(5.0, 4.0)
    steps = list(em(x, m_step(x, e_step(x, start(x, 3, 10, generator))[0].exp(), shape), 60, shape, prior))
    penalised = log_probs(steps) + torch.stack([log_prior(s.theta, prior) for s in steps]) / 300
    assert penalised.diff(dim=0).min() > -1e-12 and penalised.diff(dim=0).max() > 0.01
    if shape is full:
        assert log_probs(steps).diff(dim=0).min() < -1e-3


# What breaks, or nearly.


def test_float32_far_from_zero():
    """0, 1, 2 at 10,000 have the variance 2/3; a difference of moments would give anything."""
    x = 10_000 + torch.tensor([[0.0], [1.0], [2.0]])
    for shape in SHAPES.values():
        theta = m_step(x, torch.ones(1, 1, 3), shape)
        assert theta.mu.item() == 10_001 and theta.Sigma.item() == pytest.approx(2 / 3, rel=1e-6)
    log_p = e_step(x, theta)[1].item()
    assert log_p == pytest.approx(-0.5 * (math.log(2 * math.pi * 2 / 3) + 1), abs=1e-6)


def test_float32_run_far_from_zero(generator):
    """The steps that float64 takes near zero, to the digits that the data keep."""
    x = clusters(500, generator).float()
    moved = x + 4096  # some bits of x are lost here, so that both runs begin with what is left
    near = (moved - 4096).double()
    theta = start(near, 4, 1, generator)
    far = Parameters(theta.pi.float(), (theta.mu + 4096).float(), theta.Sigma.float())
    *_, a = em(near, theta, 10)
    *_, b = em(moved, far, 10)
    torch.testing.assert_close(b.theta.Sigma.double(), a.theta.Sigma, rtol=0, atol=1e-3)
    torch.testing.assert_close(b.log_prob.double(), a.log_prob, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (F64, 1e-11)])
def test_components_far_apart_keep_their_digits(dtype, tolerance, generator):
    """Spread 1 on either side, 3000 from the mean: its square would cost seven digits, and in float32 leave none."""
    x = (torch.randn(2, 2000, 4, generator=generator, dtype=F64) + torch.tensor([3000.0, -3000.0])[:, None, None]).to(dtype)
    r = torch.eye(2, dtype=dtype).repeat_interleave(2000, 1)[None]
    found = m_step(x.reshape(-1, 4), r).Sigma[0].double()
    expected = torch.stack([torch.cov(part.double().T, correction=0) for part in x])
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_symmetric_whatever_the_scale(dtype, generator):
    x = 1e4 * torch.randn(300, 5, generator=generator).to(dtype)
    theta = m_step(x, responsibilities(3, 4, 300, generator).to(dtype))
    assert torch.equal(theta.Sigma, theta.Sigma.mT)
    theta.mixture(0)


@each_shape
@pytest.mark.parametrize("prior", [None, PRIOR], ids=["likelihood", "prior"])
def test_a_component_that_has_no_points(prior, shape, generator):
    """It keeps the weight 0, lies at the mean of x, and the others are as without it; nothing falls."""
    x, r = clusters(80, generator), responsibilities(1, 2, 80, generator)
    two = m_step(x, r, shape, prior)
    three = m_step(x, torch.cat([r[:, :1], torch.zeros(1, 1, 80, dtype=F64), r[:, 1:]], 1), shape, prior)
    assert three.pi[0, 1] == 0
    torch.testing.assert_close(three.mu[0, 1], x.mean(0), **EXACT)
    torch.testing.assert_close(three.pi[:, ::2], two.pi, **EXACT)
    torch.testing.assert_close(three.mu[:, ::2], two.mu, **EXACT)
    if shape is tied and prior:
        expected = (two.Sigma * (80 + 2 * 9.5) + 0.7 * torch.eye(3, dtype=F64)) / (80 + 3 * 9.5)
    else:
        expected = two.Sigma
    torch.testing.assert_close(three.Sigma[:, ::2], expected, **EXACT)
    if prior and shape is not tied:
        alone = 0.7 / 9.5 * torch.eye(3, dtype=F64)
    elif shape is tied:
        alone = three.Sigma[0, 0]
    else:
        alone = torch.from_numpy(by_numpy(x.numpy(), np.ones((1, 80)), shape)[0])
    torch.testing.assert_close(three.Sigma[0, 1], alone, **EXACT)
    steps = list(em(x, three, 20, shape, prior))
    assert (steps[-1].theta.pi[0, 1] == 0) and not steps[-1].log_prob.isnan().any()
    penalised = log_probs(steps) + (0 if prior is None else torch.stack([log_prior(s.theta, prior) for s in steps]) / 80)
    assert (penalised.diff(dim=0) > -1e-12).all()


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_component_that_starts_where_no_points_are(dtype, generator):
    """Its responsibilities are zero to the last digit: the run goes on with the others."""
    x = clusters(60, generator).to(dtype)
    mu = torch.cat([x[:2], x.new_full((1, 3), 1e4)])[None]
    *_, last = em(x, Parameters(x.new_ones(1, 3) / 3, mu, torch.eye(3, dtype=dtype).expand(1, 3, 3, 3)), 8)
    *_, two = em(x, Parameters(x.new_ones(1, 2) / 2, mu[:, :2], torch.eye(3, dtype=dtype).expand(1, 2, 3, 3)), 8)
    assert last.theta.pi[0, 2] == 0
    torch.testing.assert_close(last.log_prob, two.log_prob, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-10)


@each_shape
def test_a_broken_restart_leaves_the_others_as_they_are(shape, generator):
    """To the last digit: beside a restart whose covariances have collapsed, not positive definite, or NaN."""
    x, theta = clusters(90, generator), parameters(3, 3, 3, generator)
    sound = list(em(x, theta, 12, shape))
    for wrong in (torch.zeros(3, 3), -torch.eye(3), torch.full((3, 3), math.nan)):
        Sigma = theta.Sigma.clone()
        Sigma[1, 2] = wrong
        for a, b in zip(em(x, theta._replace(Sigma=Sigma), 12, shape), sound, strict=True):
            assert a.log_prob[1].isnan() and torch.equal(a.log_prob[::2], b.log_prob[::2])
            for ours, expected in zip(a.theta, b.theta, strict=True):
                assert torch.equal(ours[::2], expected[::2])


def few_points(generator):
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0], [2.0, 2.0]], dtype=F64)
    scale = torch.tensor([0.4, 0.6, 0.8, 1.0, 1.2], dtype=F64)
    return (centres + scale[:, None] * torch.randn(6, 5, 2, generator=generator, dtype=F64)).reshape(30, 2)


def test_restarts_that_break_down(generator):
    """Six full covariances on 30 points: many fall into an infinity; with a prior none does."""
    x = few_points(generator)
    theta = start(x, 6, 40, generator)
    *_, plain = em(x, theta, 100)
    *_, penalised = em(x, theta, 100, prior=Prior(0.5, 4.0))
    assert 5 < plain.log_prob.isnan().sum() < 40 and penalised.log_prob.isfinite().all()


def test_duplicates(generator):
    """All points the same: full covariances are zero, with a prior they are its mode."""
    x = torch.tensor([[1.3, -0.4]], dtype=F64).expand(7, 2)
    theta = Parameters(torch.tensor([[0.4, 0.6]], dtype=F64), x[None, :2] + 0.1, torch.eye(2, dtype=F64).expand(1, 2, 2, 2))
    *_, plain = em(x, theta, 2)
    *_, penalised = em(x, theta, 3, prior=Prior(0.9, 4.0))
    assert plain.log_prob.isnan().all() and penalised.log_prob.isfinite().all()
    torch.testing.assert_close(penalised.theta.mu, x[None, :2], **EXACT)
    expected = 0.9 / (7 * penalised.theta.pi + 4 + 3)
    torch.testing.assert_close(penalised.theta.Sigma, expected[..., None, None] * torch.eye(2, dtype=F64), **EXACT)


X, THETA = torch.randn(5, 2), Parameters(torch.ones(1, 2) / 2, torch.zeros(1, 2, 2), torch.eye(2).expand(1, 2, 2, 2))
CASES = {
    "x must have shape (..., 2), got (5, 3)": lambda: e_step(torch.zeros(5, 3), THETA),
    "x must have shape (N, D), got (1, 5, 2)": lambda: e_step(X[None], THETA),
    "x holds 1 NaN": lambda: e_step(torch.tensor([[0.0, math.nan]]), THETA),
    "x must have shape (N, D), got (2,)": lambda: bound(X[0], torch.zeros(1, 2, 5), THETA),
    "r must have shape (R, K, 5), got (2, 5)": lambda: m_step(X, torch.ones(2, 5)),
    "r must have shape (R, K, 5), got (1, 2, 4)": lambda: m_step(X, torch.ones(1, 2, 4)),
    "x must have shape (N, D), got (2,) ": lambda: m_step(X[0], torch.ones(1, 2, 2)),
    "x is empty": lambda: m_step(X[:0], torch.ones(1, 2, 0)),
    "steps must be a whole number of at least 1, got 0": lambda: list(em(X, THETA, 0)),
    "x must be a floating-point tensor": lambda: list(em(X.long(), THETA, 3)),
    "Sigma must be symmetric and positive definite": lambda: THETA._replace(Sigma=-THETA.Sigma).mixture(),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
