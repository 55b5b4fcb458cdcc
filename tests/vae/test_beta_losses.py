"""The losses of the notebook `beta_vae`, by hand, by quadrature and autograd; bad input; on a GPU."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, MultivariateNormal, Normal

from gmlib import vae
from gmlib.train import train
from tests.vae.beta_models import F64, SIGMAS, assert_mean, close, exact_parts, exactly, make


@pytest.fixture
def small():
    return make()


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


def test_only_the_total_correlation_is_weighted_by_default(small):
    model, x = small
    loss, terms = vae.beta_tcvae_loss(3.4, 8)(model, x, torch.Generator().manual_seed(4))
    expected = terms["reconstruction"] + terms["mi"] + 3.4 * terms["tc"] + terms["dwkl"]
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)


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


@pytest.mark.parametrize("wrapped", [vae.compiled, lambda loss: loss], ids=["compiled", "plain"])
def test_a_last_batch_of_one_is_said_before_the_work_begins(small, wrapped, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda loss: loss)
    model, x = small
    before = [p.clone() for p in model.parameters()]
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="got 7: of 8 examples the last batch holds 1"):
        next(train(model, wrapped(vae.beta_tcvae_loss(2.0, 8)), x, epochs=1, batch_size=7, optimizer=sgd))
    assert all(map(torch.equal, before, model.parameters()))


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
