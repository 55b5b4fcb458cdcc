"""Every model that claims a capability keeps its law; for each law, a wrong model is caught."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

from gmlib import autoregressive, core, data, mixtures, overview, targets, vae
from gmlib.nn import BernoulliNet, GaussianNet, mlp
from tests.laws import laws

F64 = torch.float64


def t(*values):
    return torch.tensor(values, dtype=F64)


def correlated():
    return targets.Gaussian(t(1.0, -0.5), t([2.0, 0.9], [0.9, 1.0]))


def three():
    Sigma = torch.stack([0.3 * torch.eye(2, dtype=F64), t([1.0, 0.8], [0.8, 1.0]), t([0.5, 0.0], [0.0, 2.0])])
    return targets.GaussianMixture(t(0.2, 0.5, 0.3), t([0.0, 0.0], [2.0, -1.0], [-2.0, 1.0]), Sigma)


def one_dimensional():
    return targets.GaussianMixture(t(0.7, 0.3), t([-1.0], [2.0]), t([[0.5]], [[1.5]]))


def linear_gaussian():
    return vae.LinearGaussian(t([1.0, 0.3], [-0.4, 0.8]), t(0.5, -1.0), t(0.7).squeeze())


def gaussian_classes():
    m = three()
    return overview.GaussianDiscriminant(m.pi.log(), m.mu, m.Sigma)


DENSITIES = {f.__name__: f for f in (correlated, three, one_dimensional, linear_gaussian, gaussian_classes)}
DENSITIES["ring"] = lambda: data.ring(5, dtype=F64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(params=DENSITIES.values(), ids=DENSITIES.keys())
def model(request):
    return request.param()


def test_density(model, generator):
    assert isinstance(model, core.HasLogProb) and isinstance(model, core.CanSample)
    x = model.sample((6,), generator=generator)
    laws.density_integrates_to_one(model, dim=x.shape[-1])
    laws.log_prob_ignores_batch_shape(model, x)
    laws.sample_agrees_with_log_prob(model, generator)
    laws.sample_is_reproducible(model)


@pytest.mark.parametrize("make", [correlated, three, one_dimensional, DENSITIES["ring"]])
def test_score(make, generator):
    model = make()
    assert isinstance(model, core.HasScore)
    laws.score_is_the_gradient(model, model.sample((20,), generator=generator))
    laws.score_has_mean_zero(model, generator)


def wrong(model, **methods):
    kept = {name: getattr(model, name) for name in ("log_prob", "sample", "score") if hasattr(model, name)}
    return SimpleNamespace(**{**kept, **methods})


PLANTED = {
    "a constant is dropped": (
        lambda m, g: laws.density_integrates_to_one(wrong(m, log_prob=lambda x: m.log_prob(x) + 1e-6), 2)
    ),
    "the covariance is used for its square root": lambda m, g: laws.sample_agrees_with_log_prob(
        wrong(m, sample=lambda s, generator: m.mu + torch.randn(*s, 2, generator=generator, dtype=F64) @ m.Sigma), g
    ),
    "the mean is off": lambda m, g: laws.sample_agrees_with_log_prob(
        wrong(m, sample=lambda s, generator: m.sample(s, generator) + 0.08), g
    ),
    "the first axis is summed": lambda m, g: laws.log_prob_ignores_batch_shape(
        wrong(m, log_prob=lambda x: m.log_prob(x).sum(0, keepdim=True).expand(x.shape[:-1])), m.sample((6,), g)
    ),
    "the generator is ignored": lambda m, g: laws.sample_is_reproducible(
        wrong(m, sample=lambda s, generator: torch.randn(*s, 2))
    ),
    "the score has the wrong sign": lambda m, g: laws.score_is_the_gradient(
        wrong(m, score=lambda x: -m.score(x)), m.sample((6,), g)
    ),
    "the score is a little large": lambda m, g: laws.score_has_mean_zero(
        wrong(m, score=lambda x: 1.05 * m.score(x)), g
    ),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("law", PLANTED.values(), ids=PLANTED.keys())
def test_a_wrong_model_is_caught(law, seed):
    with pytest.raises(AssertionError):
        law(correlated(), torch.Generator().manual_seed(seed))


@pytest.fixture
def bounded():
    """A VAE on the linear-Gaussian model, whose evidence and whose exact ELBO are known."""
    torch.manual_seed(0)
    model = vae.VAE(vae.LinearEncoder(3, 2), vae.LinearDecoder(2, 3)).double()
    parameters = model.decoder.map.weight, model.decoder.map.bias, model.decoder.log_sigma.exp()
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=F64)
    with torch.no_grad():
        q = model.encoder(x)
        exact = vae.linear.elbo(x, q.mean, torch.diag_embed(q.variance), *parameters)
        evidence = vae.LinearGaussian(*(p.detach() for p in parameters)).log_prob(x)
    return model, x, exact, evidence


def test_elbo(bounded, generator):
    model, x, exact, evidence = bounded
    assert isinstance(model, core.HasElbo) and isinstance(model, core.CanEstimateLogProb)
    laws.bound_is_unbiased(model, x, exact, generator)
    laws.bound_stays_below(model, x, evidence, generator)
    laws.sample_is_reproducible(model)


@pytest.mark.parametrize(
    "error",
    [lambda v: v + 0.2, lambda v: 0.9 * v],
    ids=["too high", "shrunk"],
)
def test_a_wrong_bound_is_caught(bounded, error, generator):
    model, x, exact, evidence = bounded
    faulty = SimpleNamespace(
        elbo=lambda *a: error(model.elbo(*a)),
        estimate_log_prob=lambda *a: core.Estimate(error(model.estimate_log_prob(*a).value), "lower"),
    )
    with pytest.raises(AssertionError):
        laws.bound_is_unbiased(faulty, x, exact, generator)


def test_a_bound_above_the_evidence_is_caught(bounded, generator):
    model, x, exact, evidence = bounded
    faulty = SimpleNamespace(elbo=lambda *a: model.elbo(*a) - exact + evidence + 0.2)
    with pytest.raises(AssertionError):
        laws.bound_stays_below(faulty, x, evidence, generator)


def test_vae_samples_have_the_model_moments(bounded, generator):
    """Ancestral samples with the decoder's noise; a draw of the means alone has too small a covariance."""
    model = bounded[0]
    with torch.no_grad():
        W, mu, s = model.decoder.map.weight, model.decoder.map.bias, model.decoder.log_sigma.exp()
        exact = MultivariateNormal(mu, W @ W.mT + s**2 * torch.eye(3, dtype=F64))
        x = model.sample((200_000,), generator)
        laws.assert_same_mean(x, expected=mu)
        laws.assert_same_mean((x - mu) ** 2, expected=exact.variance)
        means = model.decode_prior((200_000,), generator).mean
    with pytest.raises(AssertionError):
        laws.assert_same_mean((means - mu) ** 2, expected=exact.variance)


def test_binary_vae_samples_have_the_model_mass(generator):
    """On two pixels the mass of each of the four images is known by quadrature."""
    torch.manual_seed(1)
    model = vae.VAE(GaussianNet(2, 4, 1), BernoulliNet(1, 4, 2)).double()
    z = torch.linspace(-10, 10, 4001, dtype=F64)
    with torch.no_grad():
        p = model.decoder(z[:, None]).mean
        images = t([0, 0], [0, 1], [1, 0], [1, 1])
        joint = torch.where(images[:, None].bool(), p, 1 - p).prod(-1) * Normal(0.0, 1.0).log_prob(z).exp()
    mass = torch.trapezoid(joint, z)
    x = model.sample((200_000,), generator)
    laws.assert_same_mean((x[:, None] == images).all(-1).to(F64), expected=mass)
    assert set(x.unique().tolist()) == {0.0, 1.0}


@pytest.fixture
def quantised():
    """A VQ-VAE with six pixels and 27 codes, and weights that make its prior far from uniform."""
    torch.manual_seed(0)
    model = vae.VQVAE(mlp(6, 8, 6), BernoulliNet(6, 8, 6), vae.CodePrior(3, 3, hidden=4)).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.8)
    return model.requires_grad_(False)


def test_prior_over_codes(quantised, generator):
    prior, codes = quantised.prior, vae.all_codes(3, 3)
    assert isinstance(prior, core.HasLogProb) and isinstance(prior, core.CanSample)
    laws.masses_sum_to_one(prior, codes)
    laws.log_prob_ignores_batch_shape(prior, codes[:6])
    laws.samples_have_the_masses(prior, codes, generator)
    laws.sample_is_reproducible(prior)


def coins():
    """Naive Bayes with three classes on four pixels, one of them always on in the second class."""
    theta = t([0.9, 0.2, 0.5, 0.7], [0.1, 1.0, 0.5, 0.3], [0.35, 0.8, 0.15, 0.95])
    return overview.BernoulliNaiveBayes(t(0.5, 0.3, 0.2).log(), theta)


def test_naive_bayes(generator):
    model, pictures = coins(), vae.all_codes(4, 2).to(F64)
    assert isinstance(model, core.HasLogProb) and isinstance(model, core.CanSample)
    laws.masses_sum_to_one(model, pictures)
    laws.log_prob_ignores_batch_shape(model, pictures[:6])
    laws.samples_have_the_masses(model, pictures, generator)
    laws.sample_is_reproducible(model)


def pixel_model(net, shape, head):
    """A model of tiny images whose net is made for the image's channels, one more of ones, and the head's outputs."""
    return autoregressive.PixelModel(net(shape[0] + 1, head.outputs), shape, head)


def plain(inputs, outputs):
    return autoregressive.PlainNet(inputs, outputs, 4, layers=1, first=3)


def gated(inputs, outputs):
    return autoregressive.GatedNet(inputs, outputs, 4, (3, 3))


def masses(model, levels, D):
    return model, torch.cartesian_prod(*[torch.arange(levels, dtype=F64)] * D)


def several_scales():
    large = autoregressive.PixelModel(autoregressive.GatedNet(2, 3, 4, (3, 3), planes=2), (1, 2, 2), LEVELS)
    return autoregressive.Multiscale(pixel_model(plain, (1, 1, 1), LEVELS), large)


ORDER = torch.tensor([2, 0, 3, 1])
LEVELS, COLOUR = autoregressive.Categorical(3), autoregressive.LogisticMixture(3, 2, 3)
MASSES = {
    "Bernoulli mixture": lambda: masses(mixtures.BernoulliMixture(t(0.25, 0.45, 0.3), t([0.9, 0.2, 0.4], [0.1, 0.7, 0.6], [0.5, 0.3, 1.0])), 2, 3),
    "fully visible": lambda: masses(autoregressive.BinaryModel(autoregressive.Logistic(4), 4), 2, 4),
    "neural fully visible": lambda: masses(autoregressive.BinaryModel(autoregressive.PixelMLPs(4, 3), 4, ORDER), 2, 4),
    "NADE": lambda: masses(autoregressive.BinaryModel(autoregressive.NADE(4, 5), 4, ORDER), 2, 4),
    "MADE": lambda: masses(autoregressive.BinaryModel(autoregressive.MADE(4, 9, 9), 4, ORDER), 2, 4),
    "PixelCNN": lambda: masses(pixel_model(plain, (1, 2, 2), LEVELS), 3, 4),
    "gated PixelCNN": lambda: masses(pixel_model(gated, (1, 2, 2), LEVELS), 3, 4),
    "logistics": lambda: masses(pixel_model(gated, (1, 2, 2), autoregressive.LogisticMixture(3, 2)), 3, 4),
    "colour": lambda: masses(pixel_model(plain, (3, 1, 1), COLOUR), 3, 3),
    "Row LSTM": lambda: masses(pixel_model(lambda *n: autoregressive.RecurrentNet(*n, "row", 4, first=3), (1, 2, 2), LEVELS), 3, 4),
    "Diagonal BiLSTM": lambda: masses(
        pixel_model(lambda *n: autoregressive.RecurrentNet(*n, "diagonal", 4, first=3), (1, 2, 2), LEVELS), 3, 4
    ),
    "several scales": lambda: masses(several_scales(), 3, 4),
}


@pytest.mark.parametrize("make", MASSES.values(), ids=MASSES.keys())
def test_models_of_vectors_and_images(make, generator):
    """Weights moved a little, so that every image is drawn many times."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, support = make()
        model = model.to(F64).requires_grad_(False)
        for p in model.parameters():
            p += 0.15 * torch.randn_like(p)
    assert isinstance(model, core.HasLogProb) and isinstance(model, core.CanSample) and not isinstance(model, core.HasElbo)
    laws.masses_sum_to_one(model, support)
    laws.log_prob_ignores_batch_shape(model, support[: len(support) // 2 * 2])
    laws.samples_have_the_masses(model, support, generator, n=20_000)
    laws.sample_is_reproducible(model)


def test_quantised_bound(quantised, generator):
    assert isinstance(quantised, core.HasElbo) and isinstance(quantised, core.CanSample)
    x = (torch.rand(4, 6, generator=generator, dtype=F64) < 0.5).double()
    own = (vae.all_codes(3, 3) == quantised.encode(x).unsqueeze(1)).all(-1)
    log_joint = quantised.decode(vae.all_codes(3, 3)).log_prob(x.unsqueeze(1)) + quantised.prior.log_prob(vae.all_codes(3, 3))
    laws.bound_is_unbiased(quantised, x, log_joint[own], generator, n=3)
    laws.bound_stays_below(quantised, x, vae.log_prob_by_enumeration(quantised, x), generator, n=3)
    laws.sample_is_reproducible(quantised)


DISCRETE = {
    "a constant is dropped": lambda m, codes, g: laws.masses_sum_to_one(
        SimpleNamespace(log_prob=lambda c: m.log_prob(c) + 1e-9), codes),
    "the order is lost": lambda m, codes, g: laws.samples_have_the_masses(
        SimpleNamespace(log_prob=m.log_prob, sample=lambda s, generator: m.sample(s, generator).flip(-1)), codes, g),
    "a value that does not exist": lambda m, codes, g: laws.samples_have_the_masses(
        SimpleNamespace(log_prob=m.log_prob, sample=lambda s, generator: m.sample(s, generator) + 1), codes, g),
}  # fmt: skip


@pytest.mark.parametrize("law", DISCRETE.values(), ids=DISCRETE.keys())
def test_a_wrong_discrete_model_is_caught(quantised, law, generator):
    with pytest.raises(AssertionError):
        law(quantised.prior, vae.all_codes(3, 3), generator)


def test_pytorch_distributions_satisfy_the_protocols():
    oracle = MultivariateNormal(torch.zeros(2), torch.eye(2))
    assert isinstance(oracle, core.HasLogProb) and isinstance(oracle, core.CanSample)
    assert not isinstance(oracle, core.HasElbo)


def test_density_of_known_points():
    """Against PyTorch's own, and a mixture written out by hand."""
    ours, x = correlated(), t([0.3, 2.0], [-5.0, 1.0])
    torch.testing.assert_close(ours.log_prob(x), MultivariateNormal(ours.mu, ours.Sigma).log_prob(x), rtol=0, atol=1e-12)
    m = one_dimensional()
    by_hand = math.log(
        0.7 * math.exp(-((0.4 + 1) ** 2) / 1.0) / math.sqrt(math.pi)
        + 0.3 * math.exp(-((0.4 - 2) ** 2) / 3.0) / math.sqrt(3 * math.pi)
    )
    assert m.log_prob(t(0.4)).item() == pytest.approx(by_hand, abs=1e-12)
