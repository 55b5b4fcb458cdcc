"""Reconstruction and the losses: plain loops, quadrature, PyTorch's Laplace law and Jacobians; and what an autoencoder cannot do."""

import math

import numpy as np
import pytest
import torch

from gmlib import core
from gmlib.autoencoders import (
    Autoencoder,
    SparseCoder,
    contractive_loss,
    denoising_loss,
    mean_activation_loss,
    reconstruction_loss,
    sparse_loss,
    squared_error,
)
from gmlib.nn import mlp
from gmlib.train import train

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}
LOSSES = (reconstruction_loss, denoising_loss, sparse_loss, mean_activation_loss, contractive_loss)


def made(activation=torch.nn.Tanh, seed=3):
    """An autoencoder of 3 numbers with a code of 2, and 5 examples."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Autoencoder(torch.nn.Sequential(mlp(3, 4, 2), activation()), mlp(2, 4, 3)).to(F64)
        return model, torch.randn(5, 3, dtype=F64)


@pytest.mark.parametrize("model", [made()[0], SparseCoder(3, 4)], ids=["Autoencoder", "SparseCoder"])
def test_it_claims_nothing_that_it_cannot_do(model):
    """Nothing says how codes are distributed, so there is no law to draw from or to evaluate."""
    for name in ("sample", "log_prob", "elbo", "energy", "free_energy", "score", "estimate_log_prob"):
        assert not hasattr(model, name)
    for claim in (core.CanSample, core.HasLogProb, core.HasElbo, core.HasScore, core.CanEstimateLogProb):
        assert not isinstance(model, claim)


@pytest.mark.equation("eq-autoencoders-reconstruction")
def test_reconstruction_by_loops():
    model, x = made()
    expected = []
    for row in x:
        r = model.decoder(model.encoder(row[None]))[0]
        expected.append(sum((a - b) ** 2 for a, b in zip(row.tolist(), r.tolist(), strict=True)))
    np.testing.assert_allclose(squared_error(x, model(x)).tolist(), expected, atol=1e-12)
    loss, terms = reconstruction_loss(model, x)
    assert loss.item() == pytest.approx(math.fsum(expected) / 5, abs=1e-12) and terms == {}
    assert squared_error(x.reshape(5, 1, 3), torch.zeros(5, 1, 3, dtype=F64)).shape == (5, 1)


@pytest.mark.equation("eq-autoencoders-denoising")
def test_denoising_loss_by_loops():
    """Noise on the input, none on the target; the noise is that of the generator."""
    model, x = made()
    sigma, generator = 0.6, torch.Generator().manual_seed(7)
    eps = torch.randn(5, 3, dtype=F64, generator=torch.Generator().manual_seed(7))
    total = 0.0
    for n in range(5):
        noisy = torch.tensor([[x[n, d].item() + sigma * eps[n, d].item() for d in range(3)]], dtype=F64)
        total += sum((x[n, d] - model(noisy)[0, d]).item() ** 2 for d in range(3))
    loss, terms = denoising_loss(model, x, generator, sigma=sigma)
    assert loss.item() == pytest.approx(total / 5, abs=1e-12) and terms == {}


@pytest.mark.equation("eq-autoencoders-denoising")
def test_denoising_loss_of_a_linear_map():
    """Its mean over the noise is ||x - B x||^2 + sigma^2 ||B||_F^2: within 6 standard errors, where sigma for sigma^2 is 200 off."""
    generator, sigma = torch.Generator().manual_seed(1), 0.35
    x = torch.randn(1, 3, dtype=F64, generator=generator)
    linear = torch.nn.Linear(3, 3, bias=False).to(F64)
    linear.weight.data = torch.tensor([[0.7, -0.4, 0.2], [0.3, 1.3, -0.6], [0.9, 0.1, 0.5]], dtype=F64)
    B, n = linear.weight.data, 100_000
    exact = (x - x @ B.T).square().sum() + sigma**2 * B.square().sum()
    with torch.no_grad():
        loss, _ = denoising_loss(linear, x.expand(n, 3), generator, sigma=sigma)
    variance = 4 * sigma**2 * ((x - x @ B.T) @ B).square().sum() + 2 * sigma**4 * (B.T @ B).square().sum()
    assert abs(loss - exact) < 6 * (variance / n).sqrt()
    assert (sigma - sigma**2) * B.square().sum() > 200 * (variance / n).sqrt()


@pytest.mark.equation("eq-autoencoders-l1")
def test_sparse_loss_is_minus_the_log_of_a_laplace_prior():
    """Up to the constant log(2 / weight) for each number of the code; sums over the code, means over the batch."""
    model, x = made()
    loss, terms = sparse_loss(model, x, weight=0.7)
    z = model.encoder(x)
    assert (z < 0).any()
    prior = torch.distributions.Laplace(torch.zeros((), dtype=F64), 1 / 0.7)
    expected = terms["reconstruction"] - prior.log_prob(z).sum(1).mean() - 2 * math.log(2 / 0.7)
    torch.testing.assert_close(loss, expected, **EXACT)
    torch.testing.assert_close(terms["reconstruction"], reconstruction_loss(model, x)[0], **EXACT)
    assert terms["sparsity"].item() == pytest.approx(sum(abs(v) for row in z.tolist() for v in row) / 5, abs=1e-12)


def test_rescaling_evades_the_penalty_of_a_free_decoder_only():
    model, x = made(torch.nn.Identity)
    before = sparse_loss(model, x)[1]
    last, first = model.encoder[0][-1], model.decoder[0]
    last.weight.data, last.bias.data, first.weight.data = last.weight.data / 7, last.bias.data / 7, 7 * first.weight.data
    after = sparse_loss(model, x)[1]
    torch.testing.assert_close(after["reconstruction"], before["reconstruction"], **EXACT)
    torch.testing.assert_close(after["sparsity"], before["sparsity"] / 7, **EXACT)

    coder = SparseCoder(3, 4).to(F64)
    before = sparse_loss(coder, x)[1]
    coder.A.data *= 7.0
    for name, value in sparse_loss(coder, x)[1].items():
        torch.testing.assert_close(value, before[name], **EXACT)
    coder.W.data, coder.b.data = coder.W.data / 7, coder.b.data / 7
    assert (coder.encoder(x).sum(1).mean() / before["sparsity"]).item() == pytest.approx(1 / 7)
    assert abs(sparse_loss(coder, x)[1]["reconstruction"] - before["reconstruction"]) > 0.01  # the small code costs error


def test_mean_activation_loss():
    model, x = made(torch.nn.Sigmoid)
    loss, terms = mean_activation_loss(model, x, rho=0.15, weight=0.4)
    mean = model.encoder(x).mean(0)
    laws = [torch.distributions.Bernoulli(p) for p in (torch.tensor(0.15, dtype=F64), mean)]
    penalty = torch.distributions.kl_divergence(*laws).sum()
    torch.testing.assert_close(terms["sparsity"], penalty, **EXACT)
    torch.testing.assert_close(loss, reconstruction_loss(model, x)[0] + 0.4 * penalty, **EXACT)


@pytest.mark.equation("eq-autoencoders-contractive")
def test_contractive_loss_by_jacobians():
    """Of the encoder alone: that of the whole reconstruction is another number."""
    model, x = made()
    total, other = 0.0, 0.0
    for row in x:
        total += torch.autograd.functional.jacobian(lambda v: model.encoder(v[None])[0], row).square().sum() / 5
        other += torch.autograd.functional.jacobian(lambda v: model(v[None])[0], row).square().sum() / 5
    loss, terms = contractive_loss(model, x, weight=0.3)
    torch.testing.assert_close(terms["contraction"], total, **EXACT)
    torch.testing.assert_close(loss, reconstruction_loss(model, x)[0] + 0.3 * total, **EXACT)
    assert abs(total - other) > 0.1 * total


def test_contractive_loss_has_the_gradient_of_finite_differences():
    model, x = made()
    weight = model.encoder[0][0].weight
    contractive_loss(model, x, weight=0.3)[0].backward()
    found, h = weight.grad[1, 2].item(), 1e-5
    ends = []
    for step in (h, -2 * h):
        weight.data[1, 2] += step
        ends.append(contractive_loss(model, x, weight=0.3)[0].item())
    assert found == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=[loss.__name__ for loss in LOSSES])
def test_every_loss_trains(loss):
    model, x = made(torch.nn.Sigmoid)
    before = [p.clone() for p in model.parameters()]
    steps = train(model, loss, x, epochs=2, batch_size=5, optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
                  generator=torch.Generator().manual_seed(0))  # fmt: skip
    assert len(list(steps)) == 2
    assert all((p != old).any() for p, old in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize(
    ("loss", "given"),
    [(denoising_loss, {"sigma": 0.3}), (sparse_loss, {"weight": 0.1}), (contractive_loss, {"weight": 0.1}),
     (mean_activation_loss, {"rho": 0.1, "weight": 1.0})],
)  # fmt: skip
def test_what_holds_if_nothing_is_said(loss, given):
    model, x = made(torch.nn.Sigmoid)
    plain, named = (loss(model, x, torch.Generator().manual_seed(0), **options)[0] for options in ({}, given))
    assert torch.equal(plain, named)


wide = Autoencoder(mlp(3, 2), mlp(2, 4))
ones = torch.ones(5, 3)

CASES = {
    "x must be a floating-point tensor": lambda: squared_error(torch.ones(2, 3, dtype=torch.long), torch.ones(2, 3)),
    "r must have the shape of x, (5, 3), got (3,)": lambda: squared_error(ones, torch.ones(3)),
    "r must have the shape of x, (5, 3), got (5, 4)": lambda: reconstruction_loss(wide, ones),
    "r must have the shape of x, (5, 3), got (5, 4) ": lambda: denoising_loss(wide, ones),
    "sigma must be positive and finite, got 0.0": lambda: denoising_loss(wide, ones, sigma=0.0),
    "r must have the shape of x, (5, 3), got (5, 4)  ": lambda: sparse_loss(wide, ones),
    "r must have the shape of x, (5, 3), got (5, 4)   ": lambda: contractive_loss(wide, ones),
    "rho must be in (0, 1), got 1.0": lambda: mean_activation_loss(made(torch.nn.Sigmoid)[0], ones.double(), rho=1.0),
    "a must be in [0, 1], got": lambda: mean_activation_loss(made(torch.nn.Identity)[0], 9 * ones.double()),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
