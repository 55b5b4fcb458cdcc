"""The networks' distributions and the compiled losses: PyTorch's own answers from quicker code."""

from functools import partial

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from gmlib import vae
from gmlib.nn import BernoulliNet, GaussianNet

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return vae.VAE(GaussianNet(5, 4, 2), BernoulliNet(2, 4, 5)).double()


def log_prob_of(p, x):
    """log p(x), and its gradient in the logits."""
    log_p = p.log_prob(x)
    return log_p, torch.autograd.grad(log_p.sum(), p.base_dist.logits, retain_graph=True)[0]


@pytest.mark.equation("eq-vae-bernoulli")
@pytest.mark.parametrize("batch", [(7,), (3, 7), (3, 1), (), (1,)])
def test_log_mass_of_pixels(model, batch):
    """Values and gradients, for grey pixels too; images have fewer axes than the logits, as many, or more."""
    z, x = 30 * randn(7, 2), randn(*batch, 5, seed=1).sigmoid()
    p = model.decoder(z)
    theirs = Independent(Bernoulli(logits=p.base_dist.logits, validate_args=False), 1)
    for values in (x, x.round()):
        torch.testing.assert_close(log_prob_of(p, values), log_prob_of(theirs, values), **close)


@pytest.mark.equation("eq-vae-encoder", "eq-vae-bernoulli")
def test_heads_are_whole_distributions(model):
    """All that PyTorch's own can do, on the same parameters."""
    x, z = randn(3, 7, 5), randn(3, 7, 2)
    q, p = model.encoder(x), model.decoder(z)
    mu, log_sigma = model.encoder.net(x).chunk(2, -1)
    q_by_torch = Independent(Normal(mu, log_sigma.exp()), 1)
    p_by_torch = Independent(Bernoulli(logits=model.decoder.net(z)), 1)
    prior = Independent(Normal(torch.zeros(2, dtype=F64), 1.0), 1)
    for ours, theirs in ((q, q_by_torch), (p, p_by_torch)):
        assert ours.batch_shape == theirs.batch_shape == (3, 7) and ours.event_shape == theirs.event_shape
        for name in ("mean", "variance", "stddev"):
            torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), **close)
        torch.testing.assert_close(ours.entropy(), theirs.entropy(), **close)
        torch.manual_seed(1)
        drawn = ours.expand((2, 3, 7)).sample((4,))
        torch.manual_seed(1)
        assert torch.equal(drawn, theirs.expand((2, 3, 7)).sample((4,))) and drawn.shape[:4] == (4, 2, 3, 7)
        torch.testing.assert_close(ours.log_prob(drawn), theirs.log_prob(drawn), **close)
    assert p.base_dist.param_shape == p_by_torch.base_dist.param_shape
    torch.testing.assert_close(kl_divergence(q, prior), kl_divergence(q_by_torch, prior), **close)


@pytest.mark.parametrize("loss", [vae.negative_elbo, vae.beta_vae_loss(3.0), vae.beta_tcvae_loss(4.0, 20)])
def test_compiled_losses_are_the_same(model, loss, monkeypatch):
    """Traced in one piece, for two sizes of batch, and run without a C++ compiler: values, gradients and draws."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager", fullgraph=True))
    quick, parameters = vae.compiled(loss), list(model.parameters())
    for size in (12, 7):
        x = randn(size, 5).sigmoid().round()
        source, again = (torch.Generator().manual_seed(size) for _ in range(2))
        (value, terms), (plain, plain_terms) = quick(model, x, source), loss(model, x, again)
        torch.testing.assert_close(value, plain, **close)
        torch.testing.assert_close(terms, plain_terms, **close)
        gradients = (torch.autograd.grad(v, parameters) for v in (value, plain))
        torch.testing.assert_close(*gradients, **close)
        assert torch.equal(source.get_state(), again.get_state())


@pytest.mark.parametrize("bound", [vae.VAE.elbo, vae.VAE.sampled_elbo, lambda *a: vae.VAE.estimate_log_prob(*a, 3)])
def test_an_overflowing_encoder_is_said(model, bound):
    """log sigma = 1000: sigma is infinite, the divergence inf - inf."""
    x = torch.ones(4, 5, dtype=F64)
    assert not getattr(found := bound(model, x), "value", found).isnan().any()
    with torch.no_grad():
        model.encoder.net[-1].bias[-1] = 1000.0
    with pytest.raises(FloatingPointError, match="is not a number for 4 of 4 values: sigma of .* overflows in torch.float64"):
        bound(model, x)


BAD = {"loss must be a function of a model, a batch and a generator, got 3": lambda: vae.compiled(3)}


@pytest.mark.parametrize(("message", "call"), BAD.items())
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)
