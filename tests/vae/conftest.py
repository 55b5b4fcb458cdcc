"""Small models of which everything is known, in float64."""

import pytest
import torch

from gmlib import vae


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def linear(generator):
    """A linear-Gaussian model with D = 4, k = 2 and correlated latent directions; and three points of it."""
    W = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    W[:, 1] += 0.7 * W[:, 0]
    mu = torch.randn(4, generator=generator, dtype=torch.float64)
    sigma = torch.tensor(0.8, dtype=torch.float64)
    return W, mu, sigma


@pytest.fixture
def x(linear, generator):
    return vae.LinearGaussian(*linear).sample((3,), generator)


@pytest.fixture
def q(generator):
    """A Gaussian over z that is nobody's posterior: mean (3, 2), covariance (2, 2)."""
    m = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    A = torch.randn(2, 2, generator=generator, dtype=torch.float64)
    return m, 0.3 * A @ A.mT + 0.1 * torch.eye(2, dtype=torch.float64)


class Grid:
    """Quadrature on a square of the latent plane: the sum is exact to rounding for smooth densities."""

    def __init__(self, reach=11.0, n=331):
        t = torch.linspace(-reach, reach, n, dtype=torch.float64)
        self.z = torch.cartesian_prod(t, t)
        self.cell = (t[1] - t[0]) ** 2

    def integrate(self, values):
        return values.sum(-1) * self.cell

    def log_prior(self):
        return torch.distributions.Normal(0.0, 1.0).log_prob(self.z).sum(-1)

    def log_lik(self, x, W, mu, sigma):
        return torch.distributions.Normal(self.z @ W.mT + mu, sigma).log_prob(x.unsqueeze(-2)).sum(-1)

    def log_joint(self, x, W, mu, sigma):
        return self.log_prior() + self.log_lik(x, W, mu, sigma)

    def log_q(self, m, S):
        return torch.distributions.MultivariateNormal(m.unsqueeze(-2), S).log_prob(self.z)


@pytest.fixture(scope="session")
def grid():
    return Grid()
