"""On CUDA the library says what it says on the CPU. Skipped, with the reason shown, where there is no GPU."""

import pytest
import torch

from gmlib import data, targets, vae
from gmlib.nn import BernoulliNet, GaussianNet
from gmlib.train import train
from tests.laws import laws

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.fixture
def generator():
    return torch.Generator("cuda").manual_seed(0)


def test_targets(generator):
    cpu = data.ring(5, dtype=torch.float64)
    gpu = targets.GaussianMixture(cpu.pi.cuda(), cpu.mu.cuda(), cpu.Sigma.cuda())
    x = gpu.sample((1000,), generator)
    torch.testing.assert_close(gpu.log_prob(x).cpu(), cpu.log_prob(x.cpu()), rtol=0, atol=1e-9)
    torch.testing.assert_close(gpu.score(x).cpu(), cpu.score(x.cpu()), rtol=0, atol=1e-8)
    laws.sample_is_reproducible(gpu, "cuda")


def test_vae_bound_equals_the_cpu():
    torch.manual_seed(0)
    model = vae.VAE(GaussianNet(64, 50, 4), BernoulliNet(4, 50, 64)).double()
    x = data.binarise(data.digits(dtype=torch.float64).test.x)
    eps = torch.randn(3, 250, 4, dtype=torch.float64)

    def bound(model, x, eps):
        q = model.encoder(x).base_dist
        z = vae.reparameterise(q.loc, q.scale, eps)
        return vae.sgvb_b(model.decoder(z).log_prob(x), vae.kl_to_standard_normal(q.loc, q.scale))

    on_cpu = bound(model, x, eps)
    torch.testing.assert_close(bound(model.cuda(), x.cuda(), eps.cuda()).cpu(), on_cpu, rtol=0, atol=1e-9)


def test_vae_trains(generator):
    torch.manual_seed(0)
    x = data.binarise(data.digits(device="cuda").train.x)
    model = vae.VAE(GaussianNet(64, 100, 4), BernoulliNet(4, 100, 64)).cuda()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)
    steps = train(model, vae.negative_elbo, x, epochs=10, batch_size=64, optimizer=optimizer, generator=generator)
    losses = [s.loss for s in steps]
    assert losses[-1].is_cuda and losses[-1] < losses[0] - 10
    estimate = model.estimate_log_prob(x[:50], 100, generator)
    assert estimate.value.is_cuda and model.sample((3,), generator).shape == (3, 64)
    laws.sample_is_reproducible(model, "cuda")
