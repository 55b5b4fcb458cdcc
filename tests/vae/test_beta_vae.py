"""The equations of the notebook `beta_vae`, each against enumeration, quadrature, closed form or autograd."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, MultivariateNormal, Normal

from gmlib import vae
from gmlib.nn import BernoulliNet, GaussianNet
from gmlib.vae import disentangle
from gmlib.vae import linear as lg

close = dict(rtol=0, atol=1e-9)
exactly = dict(rtol=0, atol=1e-12)
F64 = torch.float64
SIGMAS = 6  # for normal means a false alarm of 2e-9 each; about 150 comparisons here


def assert_mean(draws, expected):
    standard_error = draws.std(0) / math.sqrt(len(draws))
    assert ((draws.mean(0) - expected).abs() <= SIGMAS * standard_error + 1e-12).all()


def masses(generator, *shape):
    """Random distributions, the first axis counts them."""
    p = torch.rand(shape, generator=generator, dtype=F64) ** 3 + 0.01
    return p / p.flatten(1).sum(1).reshape(-1, *[1] * (len(shape) - 1))


@pytest.fixture
def table(generator):
    """q(z|x_n) for five examples, z on a 3 x 4 x 2 table, and three priors."""
    return masses(generator, 5, 3, 4, 2), [masses(generator, 1, K)[0] for K in (3, 4, 2)]


def by_loops(q, priors):
    """The three terms from their definitions, entry by entry in NumPy."""
    q, priors = q.numpy(), [p.numpy() for p in priors]
    q_z, terms = q.mean(0), np.zeros(3)
    marginals = [q_z.sum(tuple(i for i in range(q_z.ndim) if i != j)) for j in range(q_z.ndim)]
    for at in itertools.product(*map(range, q_z.shape)):
        product = math.prod(m[i] for m, i in zip(marginals, at, strict=True))
        prior = math.prod(p[i] for p, i in zip(priors, at, strict=True))
        terms[0] += sum(q_n[at] * math.log(q_n[at] / q_z[at]) for q_n in q) / len(q)
        terms[1] += q_z[at] * math.log(q_z[at] / product)
        terms[2] += q_z[at] * math.log(product / prior)
    return torch.from_numpy(terms)


def average_kl(q, prior):
    return (q * (q / prior).log()).sum() / len(q)


@pytest.mark.equation("eq-vae-kl-three", "eq-vae-aggregate")
def test_three_terms_of_a_table(table):
    q, priors = table
    terms = torch.stack(vae.kl_decomposition(q, priors))
    torch.testing.assert_close(terms, by_loops(q, priors), **exactly)
    prior = torch.einsum("a,b,c->abc", *priors)
    torch.testing.assert_close(terms.sum(), average_kl(q, prior), **exactly)
    assert (terms > 0.01).all()


@pytest.mark.equation("eq-vae-surgery")
def test_two_terms_for_any_prior(table, generator):
    """With a prior that does not factorise the two-term form holds, and the three terms no longer add up to it."""
    q, _ = table
    prior = masses(generator, 1, 3, 4, 2)[0]
    marginals = [prior.sum((1, 2)), prior.sum((0, 2)), prior.sum((0, 1))]
    q_z = q.mean(0)
    mi, tc, dwkl = vae.kl_decomposition(q, marginals)
    torch.testing.assert_close(mi + (q_z * (q_z / prior).log()).sum(), average_kl(q, prior), **exactly)
    assert abs(mi + tc + dwkl - average_kl(q, prior)) > 0.01
    assert 0 < mi < math.log(5)


@pytest.mark.equation("eq-vae-surgery")
def test_mutual_information_reaches_its_ends():
    one_each = torch.eye(6, dtype=F64).reshape(6, 3, 2)
    priors = [torch.full((3,), 1 / 3, dtype=F64), torch.full((2,), 0.5, dtype=F64)]
    log_6 = torch.tensor(math.log(6), dtype=F64)
    torch.testing.assert_close(vae.kl_decomposition(one_each, priors)[0], log_6, **exactly)
    same = one_each.mean(0, keepdim=True).expand(6, 3, 2)
    torch.testing.assert_close(torch.stack(vae.kl_decomposition(same, priors)), torch.zeros(3, dtype=F64), **exactly)


class Codes:
    """Five Gaussian posteriors in the plane, and quadrature over it."""

    def __init__(self):
        self.mu = torch.tensor([[-1.2, -1.0], [-0.4, -0.6], [0.3, 0.2], [0.9, 1.1], [1.2, -0.3]], dtype=F64)
        self.sigma = torch.tensor([[0.5, 0.6], [0.7, 0.4], [0.45, 0.8], [0.6, 0.5], [0.4, 0.7]], dtype=F64)
        self.t = torch.linspace(-9, 9, 361, dtype=F64)
        self.step = self.t[1] - self.t[0]
        self.z = torch.cartesian_prod(self.t, self.t)
        log_q = Normal(self.mu[:, None], self.sigma[:, None]).log_prob(self.t[:, None])  # 5, 361, 2
        self.density = log_q[:, :, None, 0].exp() * log_q[:, None, :, 1].exp()
        self.prior = Normal(0.0, 1.0).log_prob(self.t).exp() * self.step

    def terms(self):
        return vae.kl_decomposition(self.density * self.step**2, [self.prior, self.prior])

    def mean(self, values):
        """E over n and z of values given at each n and each z of the grid."""
        return (self.density.flatten(1) * self.step**2 * values).sum() / len(self.mu)


@pytest.fixture(scope="module")
def codes():
    return Codes()


@pytest.mark.equation("eq-vae-kl-three", "eq-vae-aggregate")
def test_three_terms_of_gaussians_add_up_to_the_closed_form(codes):
    terms = torch.stack(codes.terms())
    torch.testing.assert_close(terms.sum(), vae.kl_to_standard_normal(codes.mu, codes.sigma).mean(), **close)
    assert (terms > 0.05).all()


@pytest.mark.equation("eq-vae-kl-split", "eq-vae-aggregate")
def test_integrands(codes):
    """Their means by quadrature are the terms; at each z they add up to the log-ratio; the aggregate is a mixture."""
    log_q = disentangle.pairwise_log_prob(codes.z, codes.mu, codes.sigma)
    by_torch = Normal(codes.mu, codes.sigma).log_prob(codes.z[:, None])
    torch.testing.assert_close(log_q, by_torch, **close)
    joint, marginals = disentangle.log_aggregate(log_q, torch.full((1,), -math.log(5), dtype=F64))
    torch.testing.assert_close(joint, by_torch.sum(-1).exp().mean(1).log(), **close)
    torch.testing.assert_close(marginals, by_torch.exp().mean(1).log(), **close)
    split = [disentangle.kl_integrands(codes.z, log_q[:, n].sum(-1), joint, marginals) for n in range(5)]
    for term, exact in zip(zip(*split, strict=True), codes.terms(), strict=True):
        torch.testing.assert_close(codes.mean(torch.stack(term)), exact, **close)
    ratio = by_torch.sum(-1)[:, 0] - Normal(0.0, 1.0).log_prob(codes.z).sum(-1)
    torch.testing.assert_close(sum(split[0]), ratio, **close)


@pytest.mark.equation("eq-vae-distortion")
def test_reconstruction_is_limited_by_the_mutual_information(table, generator):
    q, priors = table
    mi = vae.kl_decomposition(q, priors)[0]
    for _ in range(50):  # any decoder: masses of the five examples and of one more image at each z
        decoder = masses(generator, 24, 6).T[:5].reshape(5, 3, 4, 2)
        assert (q * decoder.log()).sum() / 5 <= mi - math.log(5) + 1e-12
    best = q / q.sum(0)
    torch.testing.assert_close((q * best.log()).sum() / 5, mi - math.log(5), **exactly)


@pytest.mark.equation("eq-vae-beta-bound", "eq-vae-elbo-kl")
def test_the_weighted_objective_is_below_the_bound(linear, x, q, grid):
    """By quadrature, for a q that is nobody's posterior; below beta = 1 it can be above log p(x)."""
    log_q = grid.log_q(*q)
    reconstruction = -grid.integrate(log_q.exp() * grid.log_lik(x, *linear))
    kl = grid.integrate(log_q.exp() * (log_q - grid.log_prior()))
    elbo, evidence = lg.elbo(x, *q, *linear), vae.LinearGaussian(*linear).log_prob(x)
    for beta in (1.0, 1.5, 4.0):
        torch.testing.assert_close(-(reconstruction + beta * kl), elbo - (beta - 1) * kl, **close)
        assert (elbo - (beta - 1) * kl <= elbo + 1e-12).all() and (elbo <= evidence).all()
    m, S = lg.posterior(x, *linear)
    half = 0.5 * vae.kl_gaussians(m, S, torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64))
    loss = -lg.expected_log_lik(x, m, S, *linear) + half
    assert (-loss > evidence).all()


@pytest.mark.equation("eq-vae-beta-optimum")
@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_best_posterior_of_the_weighted_objective(linear, x, grid, beta):
    """The least loss by quadrature, against a search over Gaussians, which hold the tempered posterior here."""
    W, mu, sigma = linear
    log_z = (grid.log_prior() + grid.log_lik(x, *linear) / beta).logsumexp(-1) + grid.cell.log()
    least = -beta * log_z
    m, S = lg.posterior(x, W, mu, sigma * math.sqrt(beta))

    def loss(m, S):
        prior = torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64)
        return -lg.expected_log_lik(x, m, S, *linear) + beta * vae.kl_gaussians(m, S, *prior)

    torch.testing.assert_close(loss(m, S), least, **close)
    free, L = (m + 0.3).requires_grad_(), (1.4 * torch.linalg.cholesky(S)).contiguous().requires_grad_()
    search = torch.optim.LBFGS([free, L], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-12)

    def total():
        search.zero_grad()
        value = loss(free, L @ L.mT).sum()
        value.backward()
        return value

    search.step(total)
    torch.testing.assert_close(loss(free, L @ L.mT).detach(), least, **close)
    torch.testing.assert_close(free.detach(), m, rtol=0, atol=1e-4)
    log_q = grid.log_q(m, S)
    tempered = grid.log_prior() + grid.log_lik(x, *linear) / beta - log_z[:, None]
    near = log_q > -60
    torch.testing.assert_close(log_q[near], tempered[near], **close)
    gap = vae.LinearGaussian(*linear).log_prob(x) + least  # log p(x) minus the greatest value of the objective
    assert (gap.sign() == (beta > 1) - (beta < 1)).all() if beta != 1 else (gap.abs() < 1e-9).all()


@pytest.mark.equation("eq-vae-rotation")
def test_a_rotation_of_the_code_changes_only_the_split(codes, linear, x):
    """The evidence, the information and the divergence of q(z) stay; total correlation and its rest trade places."""
    W, mu, sigma = linear
    c, s = math.cos(0.6), math.sin(0.6)
    R = torch.tensor([[c, -s], [s, c]], dtype=F64)
    rotated = vae.LinearGaussian(W @ R.T, mu, sigma)
    torch.testing.assert_close(rotated.log_prob(x), vae.LinearGaussian(*linear).log_prob(x), **close)

    def terms(means):  # round posteriors, which a rotation leaves round
        log_q = Normal(means[:, None], 0.5).log_prob(codes.t[:, None])
        density = log_q[:, :, None, 0].exp() * log_q[:, None, :, 1].exp() * codes.step**2
        return vae.kl_decomposition(density, [codes.prior, codes.prior])

    before, after = terms(codes.mu), terms(codes.mu @ R.T)
    torch.testing.assert_close(after.mi, before.mi, **close)
    torch.testing.assert_close(after.tc + after.dwkl, before.tc + before.dwkl, **close)
    assert abs(after.tc - before.tc) > 0.01


# ---- minibatches

N, M = 6, 3


@pytest.fixture
def six(generator):
    """Six posteriors, draws of the second, and all 10 minibatches of three that hold the second, which comes first."""
    mu = torch.randn(N, 2, generator=generator, dtype=F64)
    sigma = 0.3 + torch.rand(N, 2, generator=generator, dtype=F64)
    z = mu[1] + sigma[1] * torch.randn(7, 2, generator=generator, dtype=F64)
    batches = [(1, *rest) for rest in itertools.combinations([n for n in range(N) if n != 1], M - 1)]
    return Normal(mu, sigma).log_prob(z[:, None]), batches


def mean_over_batches(log_q, batches, log_w):
    """E of q(z) and of q(z_j) over the minibatches, for points drawn from the first of each."""
    values = [disentangle.log_aggregate(log_q[:, list(batch)], log_w) for batch in batches]
    return [torch.stack([v[i].exp() for v in values]).mean(0) for i in (0, 1)]


@pytest.mark.equation("eq-vae-stratified")
def test_stratified_estimate_is_unbiased_for_the_density(six):
    log_q, batches = six
    joint, marginals = mean_over_batches(log_q, batches, vae.stratified_log_weights(M, N, log_q)[0])
    torch.testing.assert_close(joint, log_q.sum(-1).exp().mean(1), **exactly)
    torch.testing.assert_close(marginals, log_q.exp().mean(1), **exactly)


@pytest.mark.equation("eq-vae-stratified")
def test_stratified_weights_are_the_only_unbiased_ones(six):
    """Own weight a, b for each other: E is linear in (a, b); demanding q(z) at seven points leaves one solution."""
    log_q, batches = six
    q = log_q.sum(-1).exp()
    others = torch.stack([q[:, list(batch[1:])].sum(1) for batch in batches]).mean(0)
    solved = torch.linalg.lstsq(torch.stack([q[:, 1], others], 1), q.mean(1, keepdim=True))
    assert torch.linalg.matrix_rank(torch.stack([q[:, 1], others], 1)) == 2
    w = vae.stratified_log_weights(M, N, log_q).exp()
    torch.testing.assert_close(solved.solution[:, 0], w[0, :2], **close)
    torch.testing.assert_close(w.sum(1), torch.ones(M, dtype=F64), **exactly)
    torch.testing.assert_close(w.diagonal(), torch.full((M,), 1 / N, dtype=F64), **exactly)
    all_of_them = vae.stratified_log_weights(N, N, log_q).exp()
    torch.testing.assert_close(all_of_them, torch.full((N, N), 1 / N, dtype=F64), **exactly)


@pytest.mark.equation("eq-vae-stratified")
def test_stratified_estimate_is_the_mean_of_the_published_one_over_orders(six):
    """Chen et al. 2018, appendix C.2: 1/N own, 1/M' all others but one, (N - M')/(N M') that one, for M' others."""
    log_q, batches = six
    q, others = log_q.sum(-1).exp(), M - 1
    ours, theirs = [], []
    for own, *rest in batches:
        log_w = vae.stratified_log_weights(M, N, log_q)[0]
        ours.append(disentangle.log_aggregate(log_q[:, [own, *rest]], log_w)[0].exp())
        for order in itertools.permutations(rest):
            w = [1 / N, *[1 / others] * (others - 1), (N - others) / (N * others)]
            theirs.append(q[:, [own, *order]] @ torch.tensor(w, dtype=F64))
    ours, theirs = torch.stack(ours), torch.stack(theirs)
    torch.testing.assert_close(theirs.reshape(len(ours), -1, 7).mean(1), ours, **exactly)
    assert (ours.var(0, correction=0) < theirs.var(0, correction=0)).all()


@pytest.mark.equation("eq-vae-weighted")
def test_weighted_estimate_is_too_low(six):
    log_q, batches = six
    w = torch.full((M,), -math.log(N * M), dtype=F64)
    q = log_q.sum(-1).exp()
    joint, _ = mean_over_batches(log_q, batches, w)
    formula = ((N - M) * q[:, 1] + N * (M - 1) * q.mean(1)) / (N * M * (N - 1))
    torch.testing.assert_close(joint, formula, **exactly)
    assert (joint <= q.mean(1) / M).all()


@pytest.mark.equation("eq-vae-minibatch-bias")
def test_bias_of_the_terms(codes, generator):
    """The expectation over n, z and the minibatch of M = 3 of N = 5, by quadrature and enumeration."""
    log_q, exact = disentangle.pairwise_log_prob(codes.z, codes.mu, codes.sigma), codes.terms()
    log_w = vae.stratified_log_weights(3, 5, log_q)[0]
    expected = []
    for n in range(5):
        rest = [m for m in range(5) if m != n]
        values = [disentangle.log_aggregate(log_q[:, [n, *r]], log_w) for r in itertools.combinations(rest, 2)]
        split = [disentangle.kl_integrands(codes.z, log_q[:, n].sum(-1), *v) for v in values]
        expected.append([torch.stack(term).mean(0) for term in zip(*split, strict=True)])
    mi, tc, dwkl = (codes.mean(torch.stack(term)) for term in zip(*expected, strict=True))
    assert mi > exact.mi + 0.01 and dwkl < exact.dwkl - 0.01
    torch.testing.assert_close(mi + tc + dwkl, sum(exact), **close)

    draws = []
    for _ in range(4000):
        batch = torch.randperm(5, generator=generator)[:3]
        mu, sigma = codes.mu[batch], codes.sigma[batch]
        z = mu + sigma * torch.randn(3, 2, generator=generator, dtype=F64)
        terms = vae.minibatch_kl_terms(z, mu, sigma, vae.stratified_log_weights(3, 5, z))
        draws.append(torch.stack([t.mean() for t in terms]))
    assert_mean(torch.stack(draws), torch.stack([mi, tc, dwkl]))


# ---- losses


@pytest.fixture
def small():
    """A VAE on three binary pixels with two latent dimensions, and its eight images."""
    torch.manual_seed(1)
    model = vae.VAE(GaussianNet(3, 5, 2), BernoulliNet(2, 5, 3)).double()
    last = model.encoder.net[-1]
    with torch.no_grad():
        torch.nn.init.normal_(last.weight, std=0.15)
        last.weight[:2] += torch.randn(5, dtype=F64)  # both means move together: total correlation
        last.bias[2:] -= 0.5  # sigma is about 0.6
    torch.nn.init.normal_(model.decoder.net[-1].weight, std=1.5)
    return model, torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=F64)] * 3)


def exact_parts(model, x):
    """Reconstruction and the three terms of the data set x, by quadrature that autograd can go through."""
    t = torch.linspace(-8, 8, 161, dtype=F64)
    step = t[1] - t[0]
    mu, log_sigma = model.encoder.net(x).chunk(2, -1)
    marginal = Normal(mu[:, None], log_sigma.exp()[:, None]).log_prob(t[:, None]).exp() * step
    q = torch.einsum("na,nb->nab", marginal[..., 0], marginal[..., 1])
    log_lik = Bernoulli(logits=model.decoder.net(torch.cartesian_prod(t, t))).log_prob(x[:, None]).sum(-1)
    prior = Normal(0.0, 1.0).log_prob(t).exp() * step
    return -(q.flatten(1) * log_lik).sum() / len(x), *vae.kl_decomposition(q, [prior, prior])


@pytest.mark.equation("eq-vae-beta-loss")
def test_weighted_loss_by_hand(small):
    model, x = small
    loss, terms = vae.beta_vae_loss(3.0)(model, x, torch.Generator().manual_seed(4))
    eps = torch.randn(1, 8, 2, generator=torch.Generator().manual_seed(4), dtype=F64)[0]
    mu, log_sigma = model.encoder.net(x).chunk(2, -1)
    reconstruction = -Bernoulli(logits=model.decoder.net(mu + log_sigma.exp() * eps)).log_prob(x).sum(-1).mean()
    kl = vae.kl_to_standard_normal(mu, log_sigma.exp()).mean()
    torch.testing.assert_close(loss, reconstruction + 3 * kl, **close)
    torch.testing.assert_close((terms["reconstruction"], terms["kl"]), (reconstruction, kl), **close)
    plain = vae.negative_elbo(model, x, torch.Generator().manual_seed(4))[0]
    torch.testing.assert_close(vae.beta_vae_loss(1.0)(model, x, torch.Generator().manual_seed(4))[0], plain, **exactly)


@pytest.mark.equation("eq-vae-tcvae-loss", "eq-vae-kl-three")
def test_total_correlation_loss_is_unbiased_on_the_whole_data_set(small, generator):
    """With M = N the aggregate posterior is exact: loss, terms and gradient against quadrature and autograd."""
    model, x = small
    parameters = list(model.parameters())
    reconstruction, mi, tc, dwkl = exact_parts(model, x)
    assert min(mi, tc, dwkl) > 0.01
    exact = reconstruction + 0.5 * mi + 4 * tc + 2 * dwkl
    gradient = torch.autograd.grad(exact, parameters)
    weighted = vae.beta_tcvae_loss(4.0, 8, alpha=0.5, gamma=2.0)
    losses, terms, gradients = [], [], []
    for _ in range(3000):
        loss, named = weighted(model, x, generator)
        losses.append(loss.detach())
        terms.append(torch.stack([named[k].detach() for k in ("reconstruction", "mi", "tc", "dwkl")]))
        gradients.append(torch.autograd.grad(loss, parameters))
    assert_mean(torch.stack(losses), exact.detach())
    assert_mean(torch.stack(terms), torch.stack([reconstruction, mi, tc, dwkl]).detach())
    for draws, g in zip(zip(*gradients, strict=True), gradient, strict=True):
        assert_mean(torch.stack(draws), g)


@pytest.mark.equation("eq-vae-tcvae-loss", "eq-vae-beta-loss")
@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_equal_weights_give_the_weighted_divergence(small, generator, beta):
    """Then the estimates of the aggregate cancel, for a batch of any size: the mean loss is that of a beta-VAE."""
    model, x = small
    reconstruction, *terms = exact_parts(model, x)
    loss = vae.beta_tcvae_loss(beta, 8, alpha=beta, gamma=beta)
    with torch.no_grad():
        draws = [loss(model, x[torch.randperm(8, generator=generator)[:3]], generator)[0] for _ in range(4000)]
        plain = [vae.beta_vae_loss(beta)(model, x, generator)[0] for _ in range(2000)]
    exact = (reconstruction + beta * sum(terms)).detach()
    assert_mean(torch.stack(draws), exact)
    assert_mean(torch.stack(plain), exact)


@pytest.mark.equation("eq-vae-tcvae-loss", "eq-vae-stratified")
def test_total_correlation_loss_by_hand(small):
    """Five of the eight images: each term written out, point by point, with the weights 1/8 and 7/32."""
    model, x = small
    loss, named = vae.beta_tcvae_loss(4.0, 8, alpha=0.5, gamma=2.0)(model, x[2:7], torch.Generator().manual_seed(4))
    eps = torch.randn(1, 5, 2, generator=torch.Generator().manual_seed(4), dtype=F64)[0]
    mu, log_sigma = model.encoder.net(x[2:7]).chunk(2, -1)
    q, z = Normal(mu, log_sigma.exp()), mu + log_sigma.exp() * eps
    terms = torch.zeros(3, dtype=F64)
    for i in range(5):
        w = torch.tensor([1 / 8 if m == i else 7 / 32 for m in range(5)], dtype=F64)
        density = q.log_prob(z[i]).exp()
        joint, product = (w * density.prod(1)).sum(), (w[:, None] * density).sum(0).prod()
        prior = Normal(0.0, 1.0).log_prob(z[i]).exp().prod()
        terms += torch.stack([density[i].prod() / joint, joint / product, product / prior]).log() / 5
    reconstruction = -Bernoulli(logits=model.decoder.net(z)).log_prob(x[2:7]).sum(-1).mean()
    torch.testing.assert_close(torch.stack([named[k] for k in ("mi", "tc", "dwkl")]), terms, **close)
    torch.testing.assert_close(loss, reconstruction + 0.5 * terms[0] + 4 * terms[1] + 2 * terms[2], **close)


def test_losses_do_not_depend_on_the_order_of_the_batch(small):
    """Each point keeps the weight of its own example wherever it stands."""
    model, x = small
    mu, log_sigma = model.encoder.net(x[:5]).chunk(2, -1)
    z = mu + log_sigma.exp() * torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    order = torch.tensor([3, 0, 4, 2, 1])
    log_w = vae.stratified_log_weights(5, 8, z)
    terms = vae.minibatch_kl_terms(z, mu, log_sigma.exp(), log_w)
    permuted = vae.minibatch_kl_terms(z[order], mu[order], log_sigma.exp()[order], log_w)
    for a, b in zip(terms, permuted, strict=True):
        torch.testing.assert_close(a[order], b, **exactly)


@pytest.mark.equation("eq-vae-kl-three")
def test_terms_of_a_model_on_its_data(small, generator):
    model, x = small
    exact = exact_parts(model, x)[1:]
    terms = vae.aggregate_kl_terms(model, x, 40_000, generator, chunk=7_000)
    for estimate, truth in zip(terms, exact, strict=True):
        assert estimate.kind == "unbiased"
        assert abs(estimate.value - truth) < SIGMAS * estimate.standard_error
    few = [vae.aggregate_kl_terms(model, x, 100, generator) for _ in range(300)]
    spread = torch.stack([torch.stack([e.value for e in t]) for t in few]).std(0)
    claimed = torch.stack([torch.stack([e.standard_error for e in t]) for t in few]).mean(0)
    torch.testing.assert_close(spread, claimed, rtol=0.25, atol=0)  # 300 repetitions: 6 standard deviations are 25%


BAD = {
    "q must have an axis for n and one for each of 2 priors": lambda: vae.kl_decomposition(
        torch.ones(3, 1), [torch.ones(1)] * 2
    ),
    "q holds 1 NaN": lambda: vae.kl_decomposition(torch.tensor([[math.nan, 1.0]]), [torch.ones(2) / 2]),
    "q is empty": lambda: vae.kl_decomposition(torch.zeros(0, 2), [torch.ones(2) / 2]),
    "q must be non-negative and sum to one, got sums near 2": lambda: vae.kl_decomposition(
        torch.ones(3, 2), [torch.ones(2) / 2]
    ),
    "q must be non-negative": lambda: vae.kl_decomposition(torch.tensor([[1.5, -0.5]]), [torch.ones(2) / 2]),
    "priors[0] must have shape (..., 2)": lambda: vae.kl_decomposition(torch.eye(2), [torch.ones(3) / 3]),
    "priors[0] must be non-negative and sum to one": lambda: vae.kl_decomposition(torch.eye(2), [torch.ones(2)]),
    "batch_size must be from 2 to num_examples = 10, got 1": lambda: vae.stratified_log_weights(1, 10),
    "batch_size must be from 2 to num_examples = 10, got 11": lambda: vae.stratified_log_weights(11, 10),
    "num_examples must be a whole number": lambda: vae.stratified_log_weights(3, 10.0),
    "beta must be positive": lambda: vae.beta_vae_loss(0.0),
    "beta must be a number of at least 0, got nan": lambda: vae.beta_tcvae_loss(math.nan, 10),
    "alpha must be a number of at least 0, got -1": lambda: vae.beta_tcvae_loss(1.0, 10, alpha=-1),
    "gamma must be a number of at least 0": lambda: vae.beta_tcvae_loss(1.0, 10, gamma=math.inf),
    "num_examples must be a whole number of at least 1, got 0": lambda: vae.beta_tcvae_loss(1.0, 0),
}


@pytest.mark.parametrize(("message", "call"), BAD.items(), ids=[" ".join(m.split()[:7]) for m in BAD])
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)


def test_bad_data_for_a_model(small):
    model, x = small
    for message, bad, options in (
        ("x must have shape (..., 3)", x[:, :2], {}),
        ("x is empty", x[:0], {}),
        ("num_samples must be at least 2, got 1", x, {"num_samples": 1}),
        ("chunk must be a whole number", x, {"chunk": 0}),
    ):
        with pytest.raises(ValueError) as caught:
            vae.aggregate_kl_terms(model, bad, **options)
        assert message in str(caught.value)
    with pytest.raises(ValueError, match="batch_size must be from 2 to num_examples = 8, got 1"):
        vae.beta_tcvae_loss(2.0, 8)(model, x[:1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu(small):
    """The terms of a minibatch and of a table equal the CPU's in float64, and the losses train there."""
    model, x = small
    q = MultivariateNormal(torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64)).sample((8, 2))
    mu, sigma = q[:, 0], q[:, 1].exp()
    log_w = vae.stratified_log_weights(8, 20, mu)
    cuda = [t.cuda() for t in (mu, mu, sigma)]
    on_gpu = vae.minibatch_kl_terms(*cuda, vae.stratified_log_weights(8, 20, cuda[0]))
    for a, b in zip(vae.minibatch_kl_terms(mu, mu, sigma, log_w), on_gpu, strict=True):
        torch.testing.assert_close(a, b.cpu(), **close)
    p = torch.full((2,), 0.5, dtype=F64)
    table = torch.eye(4, dtype=F64).reshape(4, 2, 2)
    on_gpu = torch.stack(vae.kl_decomposition(table.cuda(), [p.cuda()] * 2))
    torch.testing.assert_close(torch.stack(vae.kl_decomposition(table, [p, p])), on_gpu.cpu(), **exactly)
    generator = torch.Generator("cuda").manual_seed(0)
    model, x = model.cuda(), x.cuda()
    loss, terms = vae.beta_tcvae_loss(2.0, 8)(model, x, generator)
    loss.backward()
    assert loss.is_cuda and terms["tc"].is_cuda
    estimates = vae.aggregate_kl_terms(model, x, 20_000, generator)
    for estimate, truth in zip(estimates, exact_parts(model.cpu(), x.cpu())[1:], strict=True):
        assert abs(estimate.value.cpu() - truth) < SIGMAS * estimate.standard_error.cpu()
