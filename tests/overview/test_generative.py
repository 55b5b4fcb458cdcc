"""The equations of the notebook `generative`, each against enumeration, quadrature, SciPy or another way."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from gmlib import overview, vae
from gmlib.overview.discriminant import GaussianDiscriminant
from gmlib.targets import Gaussian, GaussianMixture

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
SIGMAS = 6.0  # for normal means a false alarm of 2e-9 for each comparison; about 60 here


def t(*values):
    return torch.tensor(values, dtype=F64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def line():
    """Three classes on the line, so that SciPy's quadrature can do every integral."""
    Sigma = t(0.3, 1.0, 2.0).reshape(3, 1, 1)
    return GaussianDiscriminant(t(0.2, 0.5, 0.3).log(), t([-2.0], [0.5], [3.0]), Sigma)


def joint(x):
    """p(x, y) of that model, by SciPy."""
    return [p * stats.norm(m, math.sqrt(v)).pdf(x) for p, m, v in ((0.2, -2.0, 0.3), (0.5, 0.5, 1.0), (0.3, 3.0, 2.0))]


def integral(f):
    return integrate.quad(f, -15, 20, epsabs=1e-12, epsrel=1e-12, limit=400, points=[-2.0, 0.5, 3.0])[0]


def assert_mean(draws, expected):
    error = (draws.mean(0) - expected).abs()
    assert (error <= SIGMAS * draws.std(0) / math.sqrt(len(draws)) + 1e-12).all()


@pytest.mark.equation("eq-overview-product", "eq-overview-sum", "eq-overview-bayes")
def test_rules_on_a_table():
    """A two-by-three table of fractions, counted out in 60 equal cases; the library's logarithms agree."""
    counts = {"sa": 12, "sb": 3, "sc": 9, "ha": 2, "hb": 13, "hc": 21}
    cases = [tuple(pair) for pair, n in counts.items() for _ in range(n)]
    table = torch.tensor([[cases.count((y, x)) for y in "sh"] for x in "abc"], dtype=F64) / 60
    log_prior, log_lik = table.sum(0).log(), (table / table.sum(0)).log()
    for i, j in product(range(3), range(2)):
        among_x = [y for y, x in cases if x == "abc"[i]]
        posterior = Fraction(among_x.count("sh"[j]), len(among_x))
        by_bayes = (log_prior + log_lik)[i].log_softmax(-1)[j].exp().item()
        assert by_bayes == pytest.approx(float(posterior), abs=1e-15)
        assert float(posterior * Fraction(len(among_x), 60)) == pytest.approx(table[i, j].item(), abs=1e-15)
    inverse = overview.log_conditional(table.div(table.sum(1, keepdim=True)).log(), table.sum(1).log(), log_prior)
    torch.testing.assert_close(inverse, log_lik, **close)


@pytest.mark.equation("eq-overview-sum", "eq-overview-mass")
def test_continuous_sums(line):
    """p(y) is the integral of p(x, y) dx, and p(x) and each p(x|y) have total mass one."""
    at = lambda f: lambda x: f(t([x])).exp()[0]  # noqa: E731
    for c, p in enumerate((0.2, 0.5, 0.3)):
        assert integral(lambda x, c=c: at(line.log_joint)(x)[c].item()) == pytest.approx(p, abs=1e-9)
        assert integral(lambda x, c=c: at(line.log_lik)(x)[c].item()) == pytest.approx(1, abs=1e-9)
    assert integral(lambda x: at(line.log_prob)(x).item()) == pytest.approx(1, abs=1e-9)
    far = t(-1e3, -3.0, 0.0, 1e3).unsqueeze(-1)
    torch.testing.assert_close(line.log_posterior(far).logsumexp(-1), torch.zeros(4, dtype=F64), **close)


@pytest.mark.equation("eq-overview-inverse", "eq-overview-bayes")
def test_both_ways_round(line):
    x = torch.linspace(-4, 7, 23, dtype=F64).unsqueeze(-1)
    marginal = torch.tensor(np.sum(joint(x[:, 0].numpy()), 0))
    posterior = torch.tensor(np.stack(joint(x[:, 0].numpy()), -1)) / marginal[:, None]
    torch.testing.assert_close(line.log_posterior(x), posterior.log(), **close)
    inverse = overview.log_conditional(posterior.log(), marginal.log(), line.log_prior)
    for c, (m, v) in enumerate(((-2.0, 0.3), (0.5, 1.0), (3.0, 2.0))):
        exact = torch.tensor(stats.norm(m, math.sqrt(v)).logpdf(x[:, 0].numpy()))
        torch.testing.assert_close(inverse[:, c], exact, **close)


@pytest.mark.equation("eq-overview-prior")
def test_implied_prior(line, generator):
    """Unbiased for the integral of p(y|x) p(x), of a classifier and a marginal that were never fitted together."""
    other = Gaussian(t(1.0), t([4.0]))
    estimate = overview.implied_prior(line.log_posterior(other.sample((200_000,), generator)))
    for c in range(3):
        exact = integral(lambda x, c=c: joint(x)[c] / sum(joint(x)) * stats.norm(1.0, 2.0).pdf(x))
        assert abs(estimate.value[c] - exact) < SIGMAS * estimate.standard_error[c]
    assert estimate.kind == "unbiased" and estimate.value.sum().item() == pytest.approx(1, abs=1e-12)
    p = line.log_posterior(other.sample((50,), generator)).exp()
    by_scipy = torch.tensor(stats.sem(p.numpy()))
    torch.testing.assert_close(overview.implied_prior(p.log()).standard_error, by_scipy, **close)


@pytest.mark.equation("eq-overview-prior", "eq-overview-inverse")
def test_a_wrong_prior_gives_no_density(line):
    """The mass of p(y|x) p(x) / pi is p(y) / pi: one only for the prior that classifier and marginal imply."""
    for pi in (0.2, 0.4):
        f = lambda x, pi=pi: overview.log_conditional(  # noqa: E731
            line.log_posterior(t([x])), line.log_prob(t([x])), t(pi, 0.5, 0.3).log()
        )[0, 0].exp()
        assert integral(lambda x, f=f: f(x).item()) == pytest.approx(0.2 / pi, abs=1e-9)


@pytest.mark.equation("eq-overview-accept")
@pytest.mark.parametrize("batch_size", [64, 1000])
def test_rejection_gives_the_conditional(line, generator, batch_size):
    """Kolmogorov-Smirnov against the exact law; a p-value below 1e-7 is one false alarm in ten million."""
    accepted, drawn = overview.sample_conditional(4000, 2, line.sample, line.log_posterior, generator, batch_size)
    assert accepted.shape == (4000, 1)
    law = stats.norm(3.0, math.sqrt(2.0)).cdf
    assert stats.kstest(accepted[:, 0].numpy(), law).pvalue > 1e-7
    assert stats.kstest(line.sample((4000,), generator)[:, 0].numpy(), law).pvalue < 1e-7  # nothing was rejected
    squared = lambda x: (2 * line.log_posterior(x)).log_softmax(-1)  # noqa: E731
    wrong, _ = overview.sample_conditional(4000, 2, line.sample, squared, generator)
    assert stats.kstest(wrong[:, 0].numpy(), law).pvalue < 1e-7  # an over-confident classifier
    spread = math.sqrt(4000 * 0.7) / 0.3  # of the negative binomial number of draws
    assert abs(drawn - 4000 / 0.3) < SIGMAS * spread


@pytest.mark.equation("eq-overview-accept")
def test_the_number_of_draws_is_negative_binomial(line, generator):
    """Its mean and variance over 2,000 runs of 5 acceptances; a count of whole batches would be far off."""
    runs = [overview.sample_conditional(5, 0, line.sample, line.log_posterior, generator, 40)[1] for _ in range(2000)]
    drawn, exact = torch.tensor(runs, dtype=F64), stats.nbinom(5, 0.2)
    assert_mean(drawn, exact.mean() + 5)
    assert_mean((drawn - exact.mean() - 5).square(), exact.var())


@pytest.mark.equation("eq-overview-accept")
@pytest.mark.parametrize("batch_size", [1, 5, 21, 100])
def test_rejection_counts_to_the_last_one_kept(batch_size):
    """Where a classifier is sure nothing is random: of 0, 1, 2, ... every third is kept, the seventh is number 21."""
    stream = iter(torch.arange(1000, dtype=F64))
    sample = lambda shape, generator: torch.stack([next(stream) for _ in range(*shape)]).unsqueeze(1)  # noqa: E731
    sure = lambda x: torch.cat([x % 3 == 2, x % 3 != 2], 1).to(F64).log()  # noqa: E731
    kept, drawn = overview.sample_conditional(7, 0, sample, sure, batch_size=batch_size)
    assert drawn == 21 and kept[:, 0].tolist() == [2, 5, 8, 11, 14, 17, 20]


def test_rejection_gives_up():
    never = lambda x: t(0.0, -math.inf).expand(len(x), 2)  # noqa: E731
    with pytest.raises(RuntimeError, match="only 0 of 3 were accepted in 250 draws: class 1 is too rare"):
        overview.sample_conditional(3, 1, Gaussian(t(0.0), t([1.0])).sample, never, batch_size=100, max_draws=250)


@pytest.mark.equation("eq-overview-weights")
def test_weights(line, generator):
    """Exact on a grid, where the weighted mean is a quadrature; and consistent on draws."""
    x = torch.linspace(-15, 20, 20_001, dtype=F64)
    p = torch.tensor(np.stack(joint(x.numpy()), -1))
    w = overview.class_weights(p.log())  # uniform draws of x: p(y|x) is proportional to the joint
    torch.testing.assert_close(w.mT @ x, t(-2.0, 0.5, 3.0), **close)
    torch.testing.assert_close(w.sum(0), torch.ones(3, dtype=F64), **close)
    draws = line.sample((200_000,), generator)
    w = overview.class_weights(line.log_posterior(draws))
    error = w * (draws - line.mu[:, 0])  # its sum is the error of the weighted mean
    assert (error.sum(0).abs() <= SIGMAS * error.square().sum(0).sqrt()).all()


@pytest.mark.equation("eq-overview-compatible")
def test_two_conditionals(line):
    """Of one joint, they give its marginal; of two joints, something that is no density."""
    x = torch.linspace(-4, 7, 23, dtype=F64).unsqueeze(-1)
    marginal = torch.tensor(np.sum(joint(x[:, 0].numpy()), 0))
    found = overview.marginal_from_conditionals(line.log_posterior(x), line.log_lik(x))
    torch.testing.assert_close(found, marginal.log(), **close)
    shifted = GaussianDiscriminant(line.log_prior, line.mu + 0.5, line.Sigma)

    def wrong(x):
        conditionals = line.log_posterior(t([x])), shifted.log_lik(t([x]))
        return overview.marginal_from_conditionals(*conditionals).exp().item()

    assert abs(integral(wrong) - 1) > 0.01


@pytest.mark.equation("eq-overview-threshold")
@pytest.mark.parametrize(
    ("h", "delta", "k"), [(9, 0.3, 3), (9, 0.29, 2), (99, 0.29, 29), (99, 0.01, 1), (999, 0.01, 10), (20, 0.5, 10)]
)
def test_false_alarm_rate(h, delta, k, generator):
    """The rate for uniform scores is the threshold itself; its mean over calibration sets is k / (h + 1)."""
    scores = torch.rand(20_000, h, generator=generator, dtype=F64)
    rates = torch.stack([overview.rejection_threshold(s, delta) for s in scores])
    assert_mean(rates, k / (h + 1))
    assert stats.kstest(rates.numpy(), stats.beta(k, h + 1 - k).cdf).pvalue > 1e-7
    with pytest.raises(AssertionError):
        assert_mean(scores.sort(1).values[:, k], k / (h + 1))  # one rank too high


@pytest.mark.equation("eq-overview-typical")
@pytest.mark.parametrize("D", [1, 10, 60])
def test_typical_density(D, generator):
    """How far log p(x) lies below its peak: half a chi-square variable, whatever the covariance."""
    A = torch.randn(D, D, generator=generator, dtype=F64)
    p = Gaussian(torch.ones(D, dtype=F64), A @ A.mT + torch.eye(D, dtype=F64))
    gap = p.log_prob(p.mu) - p.log_prob(p.sample((4000,), generator))
    assert stats.kstest(gap.numpy(), stats.chi2(D, scale=0.5).cdf).pvalue > 1e-7
    assert stats.kstest(gap.numpy(), stats.chi2(D).cdf).pvalue < 1e-7  # without the half
    assert_mean(gap, D / 2)
    assert_mean((gap - D / 2).square(), D / 2)


@pytest.mark.equation("eq-overview-labels")
@pytest.mark.parametrize("labels", [1, 3, 9])
def test_what_a_few_labels_buy(labels):
    """Enumerated over every outcome of the labels, where R is a fraction."""
    R, wrong = Fraction(1, 10), Fraction(0)
    for outcome in product((0, 1), repeat=labels):
        chance = math.prod(R if bad else 1 - R for bad in outcome)
        wrong += chance * (1 - R if sum(outcome) > labels / 2 else R)
    assert overview.error_with_labels(0.1, labels) == pytest.approx(float(wrong), abs=1e-14)
    if labels == 1:
        assert wrong == 2 * R * (1 - R)


def test_many_labels_leave_the_bayes_error():
    errors = [overview.error_with_labels(0.2, n) for n in range(1, 90, 2)]
    assert all(a > b for a, b in zip(errors, errors[1:], strict=False)) and errors[-1] - 0.2 < 1e-5
    assert overview.error_with_labels(0.5, 7) == pytest.approx(0.5) and overview.error_with_labels(0.0, 1) == 0
    tail = stats.binom(9, 0.2).sf(4)
    assert overview.error_with_labels(0.2, 9) == pytest.approx(0.2 + 0.6 * tail, abs=1e-12)


@pytest.mark.equation("eq-overview-kl", "eq-overview-ml")
def test_likelihood_and_divergence():
    """Closed form for Gaussians; and over a grid of means the two optima coincide."""
    p, a, b = stats.norm(0.3, 0.8), t(0.3), t([0.64])
    gaps = []
    for m, s in product((-0.4, 0.3, 1.0), (0.5, 0.8, 1.4)):
        cross = integral(lambda x, m=m, s=s: p.pdf(x) * stats.norm(m, s).logpdf(x))
        kl = vae.kl_gaussians(a, b, t(m), t([s * s]))
        assert -p.entropy() - cross == pytest.approx(kl.item(), abs=1e-9)
        gaps.append((cross, -kl.item(), m, s))
    assert max(gaps)[2:] == max(gaps, key=lambda g: g[1])[2:] == (0.3, 0.8)


@pytest.mark.equation("eq-overview-latent", "eq-overview-bound")
def test_latent_integral_and_bound():
    """The linear-Gaussian model by quadrature over z: the evidence, and a bound whose gap is the divergence."""
    W, mu, sigma, x = t([1.3]), t(0.4), t(0.7).squeeze(), t([1.9])
    prior, lik = stats.norm(), lambda z: stats.norm(1.3 * z + 0.4, 0.7).logpdf(1.9)
    evidence = integral(lambda z: math.exp(prior.logpdf(z) + lik(z)))
    exact = vae.LinearGaussian(W, mu, sigma).log_prob(x).item()
    assert math.log(evidence) == pytest.approx(exact, abs=1e-9)
    q = stats.norm(0.2, 0.6)
    bound = integral(lambda z: q.pdf(z) * (prior.logpdf(z) + lik(z) - q.logpdf(z)))
    ours = vae.linear.elbo(x, t([0.2]), t([0.36]), W, mu, sigma).item()
    assert bound == pytest.approx(ours, abs=1e-9) and bound < math.log(evidence)
    m, S = vae.linear.posterior(x, W, mu, sigma)
    gap = vae.kl_gaussians(t([0.2]), t([0.36]), m, S).item()
    assert math.log(evidence) - bound == pytest.approx(gap, abs=1e-9)


@pytest.mark.equation("eq-overview-pushforward")
def test_pushforward(generator):
    """Of the inverse-cdf map of a mixture, whose density is known: probabilities of intervals, and expectations."""
    p = GaussianMixture(t(0.4, 0.6), t([-1.5], [1.0]), t([[0.25]], [[0.64]]))
    cdf = lambda x: 0.4 * stats.norm(-1.5, 0.5).cdf(x) + 0.6 * stats.norm(1.0, 0.8).cdf(x)  # noqa: E731
    grid = np.linspace(-6, 6, 60_001)
    z = torch.randn(200_000, generator=generator, dtype=F64).numpy()
    x = np.interp(stats.norm.cdf(z), cdf(grid), grid)
    for low, high in ((-2.0, -1.0), (0.0, 0.5), (2.0, 9.0)):
        inside = torch.tensor((x > low) & (x < high), dtype=F64)
        assert_mean(inside, integrate.quad(lambda v: p.log_prob(t([v])).exp().item(), low, high)[0])
    assert_mean(torch.tensor(np.cos(x)), integral(lambda v: math.cos(v) * p.log_prob(t([v])).exp().item()))


half = torch.full((4, 2), 0.5).log()


def coin(x):
    return torch.full((len(x), 2), 0.5).log()


def uniform(shape, generator=None):
    return torch.rand(*shape, 3, generator=generator)


CASES = {
    "log_posterior must have shape (*batch, C), got ()": lambda: (
        overview.log_conditional(torch.tensor(0.0), torch.tensor(0.0), half[0])
    ),
    "log_marginal must have shape (..., 4), got (3,)": lambda: overview.log_conditional(half, torch.zeros(3), half[0]),
    "log_prior must have shape (..., 2), got (3,)": lambda: overview.log_conditional(half, half[:, 0], torch.zeros(3)),
    "log_posterior holds 1 NaN": lambda: (
        overview.log_conditional(torch.tensor([[0.0, math.nan]]), half[0, :1], half[0])
    ),
    "log_prior must be finite": lambda: overview.log_conditional(half, half[:, 0], torch.tensor([0.0, -math.inf])),
    "log_posterior must have shape (N, C) with N at least 2, got (1, 2)": lambda: overview.implied_prior(half[:1]),
    "log_posterior must have shape (N, C) with N at least 2, got (4,)": lambda: overview.class_weights(half[:, 0]),
    "log_posterior must be above -inf at some draw": lambda: (
        overview.class_weights(torch.tensor([[0.0, -math.inf], [0.0, -math.inf]]))
    ),
    "n must be a whole number of at least 1, got 0": lambda: overview.sample_conditional(0, 0, uniform, coin),
    "batch_size must be a whole number": lambda: overview.sample_conditional(3, 0, uniform, coin, batch_size=-1),
    "max_draws must be a whole number": lambda: overview.sample_conditional(3, 0, uniform, coin, max_draws=0.5),
    "y must be one of 2 classes, counted from 0, got 2": lambda: overview.sample_conditional(3, 2, uniform, coin),
    "y must be one of 2 classes, counted from 0, got -1": lambda: overview.sample_conditional(3, -1, uniform, coin),
    "log_posterior must have shape (N, C) with N at least 1, got (1000,)": lambda: (
        overview.sample_conditional(3, 0, uniform, lambda x: coin(x)[:, 0])
    ),
    "log_lik must have shape (..., 4, 2), got (2,)": lambda: overview.marginal_from_conditionals(half, half[0]),
    "log_lik must be finite": lambda: overview.marginal_from_conditionals(half, half - math.inf),
    "scores must have shape (h,), got (4, 2)": lambda: overview.rejection_threshold(half, 0.1),
    "scores holds 1 NaN": lambda: overview.rejection_threshold(torch.tensor([math.nan, 0.0]), 0.5),
    "delta must be in (0, 1), got 1.0": lambda: overview.rejection_threshold(half[:, 0], 1.0),
    "scores must be at least 99 for delta = 0.01, got 98": lambda: overview.rejection_threshold(torch.rand(98), 0.01),
    "bayes_error must be in [0, 0.5], got 0.6": lambda: overview.error_with_labels(0.6, 1),
    "num_labels must be odd, so that there is a majority, got 4": lambda: overview.error_with_labels(0.1, 4),
    "num_labels must be a whole number": lambda: overview.error_with_labels(0.1, 0),
}  # fmt: skip


@pytest.mark.parametrize(("message", "call"), CASES.items(), ids=[" ".join(m.split()[:9]) for m in CASES])
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)
