"""The prior over codes of the notebook `vq_vae`, and the whole model: against tables, frequencies and the laws."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Categorical

from gmlib import core, vae
from gmlib.nn import BernoulliNet, mlp
from gmlib.train import train
from gmlib.vae.vq_prior import all_codes
from tests.laws import laws
from tests.vae.vq_models import D, F64, K, L, all_images, close, make, randn


@pytest.fixture
def model():
    return make()


@pytest.fixture
def images():
    return all_images()


@pytest.mark.equation("eq-vae-vq-prior")
@pytest.mark.parametrize(("positions", "size", "hidden"), [(3, 4, 5), (4, 3, 2), (1, 6, 3), (3, 4, 0)])
def test_prior_sums_to_one_and_keeps_the_order(positions, size, hidden):
    torch.manual_seed(0)
    prior = vae.CodePrior(positions, size, hidden).double()
    with torch.no_grad():
        for i, p in enumerate(prior.parameters()):
            p.copy_(randn(*p.shape, seed=i))
    codes = all_codes(positions, size)
    assert len(codes.unique(dim=0)) == size**positions
    torch.testing.assert_close(prior.log_prob(codes).exp().sum(), torch.ones((), dtype=F64), **close)
    one_hot = torch.rand(positions, size, dtype=F64, generator=torch.Generator().manual_seed(1))
    J = torch.autograd.functional.jacobian(prior.logits, one_hot)  # (L, K, L, K)
    depends = (J != 0).any(3).any(1)
    assert torch.equal(depends, torch.ones(positions, positions).tril(-1).bool() & bool(hidden))


@pytest.mark.equation("eq-vae-vq-prior")
def test_prior_is_the_product_of_its_conditionals():
    """Each conditional by summing the joint table, against the softmax of its logits."""
    prior = make().prior
    with torch.no_grad():
        table = prior.log_prob(all_codes(L, K)).exp().reshape(K, K, K)
        for c in ((0, 1, 3), (2, 2, 0)):
            logits = prior.logits(torch.nn.functional.one_hot(torch.tensor(c), K).to(F64)).softmax(-1)
            torch.testing.assert_close(logits[0], table.sum((1, 2)), **close)
            torch.testing.assert_close(logits[1], table[c[0]].sum(1) / table[c[0]].sum(), **close)
            torch.testing.assert_close(logits[2], table[c[0], c[1]] / table[c[0], c[1]].sum(), **close)


@pytest.mark.parametrize("hidden", [0, 3])
def test_prior_samples_have_the_masses(hidden):
    """64 frequencies in 200,000 draws, z below 6; a mass that is off by 0.007 or more is seen."""
    prior = make(hidden).prior
    drawn = prior.sample((200_000,), torch.Generator().manual_seed(0))
    codes = all_codes(L, K)
    frequency = (drawn @ torch.tensor([K * K, K, 1])).bincount(minlength=K**L) / len(drawn)
    with torch.no_grad():
        p = prior.log_prob(codes).exp()
    assert ((frequency - p).abs() < 6 * (p * (1 - p) / len(drawn)).sqrt() + 1e-12).all()
    laws.sample_is_reproducible(prior)
    laws.log_prob_ignores_batch_shape(prior, codes)
    assert isinstance(prior, core.HasLogProb) and isinstance(prior, core.CanSample)


def test_model_keeps_the_laws(model, images):
    assert isinstance(model, core.HasElbo) and isinstance(model, core.CanSample)
    assert not isinstance(model, core.HasLogProb) and not isinstance(model, core.CanEstimateLogProb)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        exact, evidence = model.elbo(images), vae.log_prob_by_enumeration(model, images)
    laws.sample_is_reproducible(model)
    laws.bound_is_unbiased(model, images, exact, generator, n=20)
    both = SimpleNamespace(elbo=model.elbo, estimate_log_prob=lambda x, *a: core.Estimate(model.elbo(x), "lower"))
    laws.bound_stays_below(both, images, evidence, generator, n=20)


def test_samples_have_the_models_mass(model, images):
    """32 frequencies against the exact masses, z below 6."""
    x = model.sample((200_000,), torch.Generator().manual_seed(0))
    with torch.no_grad():
        mass = vae.log_prob_by_enumeration(model, images).exp()
    laws.assert_same_mean((x[:, None] == images).all(-1).to(F64), expected=mass)
    assert model.sample().shape == (D,) and model.sample((2, 3)).shape == (2, 3, D)


def test_training_learns_a_planted_code():
    """Four images, a code of two positions: both losses tell them apart, and a fitted prior knows their frequencies."""
    images = torch.tensor([[1, 1, 0, 0, 0, 1], [0, 0, 1, 1, 0, 1], [1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 1, 0]]).float()
    x = images.repeat_interleave(torch.tensor([40, 40, 80, 160]), 0)
    entropy = Categorical(torch.tensor([1.0, 1.0, 2.0, 4.0])).entropy()
    for loss in (vae.vq_loss, partial(vae.vq_ema_loss, gamma=0.9, threshold=0.2)):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        model = vae.VQVAE(mlp(6, 16, 4), BernoulliNet(4, 16, 6), vae.CodePrior(2, 8, 8))
        for objective, group in ((loss, model), (vae.prior_loss, model.prior)):
            adam = torch.optim.Adam(group.parameters(), lr=2e-2)
            for _ in train(model, objective, x, epochs=30, batch_size=32, optimizer=adam, generator=generator):
                pass
        with torch.no_grad():
            bound = model.eval().elbo(x).mean()
        assert -entropy - 0.1 < bound <= -entropy + 1e-5
        assert (model.sample((200,), generator).unsqueeze(1) == images).all(-1).any(1).float().mean() > 0.9
