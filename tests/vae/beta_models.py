"""What the tests of the notebook `beta_vae` share: tables, posteriors in the plane, a small model; in float64."""

import math

import torch
from torch.distributions import Bernoulli, Normal

from gmlib import vae
from gmlib.nn import BernoulliNet, GaussianNet

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


def make():
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
