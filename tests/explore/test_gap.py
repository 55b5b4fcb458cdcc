"""The numbers behind the explorable figure, against adaptive quadrature and closed forms."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from gmlib import vae
from gmlib.explore import Gap, bars, curve, line
from tests.explore import oracle

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
DECODERS = {"line": line, "curve": curve}
SETTINGS = [("line", 0.0, 1.0), ("line", 0.8, 0.6), ("line", -3.0, 0.1), ("line", 2.5, 2.0),
            ("curve", 0.0, 1.0), ("curve", 1.3, 0.15), ("curve", -1.3, 0.15), ("curve", 3.0, 2.0),
            ("curve", 0.0, 0.1)]  # fmt: skip


@pytest.mark.equation("eq-vae-evidence", "eq-vae-elbo", "eq-vae-elbo-gap")
@pytest.mark.parametrize("decoder, mu, sigma", SETTINGS)
def test_bars_agree_with_adaptive_quadrature(decoder, mu, sigma):
    expected = torch.tensor(oracle.bars(decoder, mu, sigma), dtype=F64)
    torch.testing.assert_close(torch.stack(bars(mu, sigma, DECODERS[decoder])), expected, rtol=1e-11, atol=1e-9)


@pytest.mark.equation("eq-vae-elbo-gap")
@pytest.mark.parametrize("decoder, mu, sigma", SETTINGS)
def test_the_gap_is_the_whole_difference(decoder, mu, sigma):
    log_evidence, elbo, gap = bars(mu, sigma, DECODERS[decoder])
    torch.testing.assert_close(elbo + gap, log_evidence, rtol=1e-12, atol=1e-12)
    assert gap > -1e-12


@pytest.mark.equation("eq-vae-elbo-gap", "eq-vae-lg-posterior", "eq-vae-lg-marginal")
def test_line_has_a_gaussian_posterior():
    """The closed forms of the linear-Gaussian model and PyTorch's divergence of two Gaussians."""
    W, zero, noise, x = torch.ones(1, 1, dtype=F64), torch.zeros(1, dtype=F64), torch.tensor(0.75, dtype=F64), 1.25
    mu, sigma = torch.tensor([0.0, 0.8, -1.0], dtype=F64), torch.tensor([1.0, 0.6, 0.3], dtype=F64)
    log_evidence, elbo, gap = bars(mu, sigma)
    exact = vae.LinearGaussian(W, zero, noise).log_prob(torch.full((3, 1), x, dtype=F64))
    posterior = Normal(torch.tensor(0.8, dtype=F64), torch.tensor(0.6, dtype=F64))
    torch.testing.assert_close(log_evidence, exact, **close)
    torch.testing.assert_close(gap, kl_divergence(Normal(mu, sigma), posterior), **close)
    m, S = vae.linear.posterior(torch.tensor([x], dtype=F64), W, zero, noise)
    torch.testing.assert_close(torch.cat([m, S.sqrt().flatten()]), torch.tensor([0.8, 0.6], dtype=F64), **close)


def test_curve_has_two_equal_modes_and_one_gaussian_leaves_out_the_other():
    z = torch.linspace(-3, 3, 6001, dtype=F64)
    log_p = curve(z)
    torch.testing.assert_close(log_p, log_p.flip(0), **close)
    peaks = z[1:-1][(log_p[1:-1] > log_p[:-2]) & (log_p[1:-1] > log_p[2:])]
    assert len(peaks) == 2
    mu, sigma = oracle.best("curve", 1.0)
    assert abs(mu - peaks[1]) < 0.05
    assert abs(bars(mu, sigma, curve).gap - math.log(2)) < 0.02
    assert bars(mu, 1.05 * sigma, curve).gap > bars(mu, sigma, curve).gap < bars(1.05 * mu, sigma, curve).gap


def test_shape_dtype_and_any_other_model():
    mu, sigma = torch.zeros(3, 2), torch.ones(3, 2)
    assert [v.shape for v in bars(mu, sigma)] == 3 * [(3, 2)]
    assert {v.dtype for v in bars(mu, sigma)} == {torch.float32}
    exact = bars(0.3, 0.5, Normal(torch.tensor(0.3, dtype=F64), torch.tensor(0.5, dtype=F64)).log_prob)
    torch.testing.assert_close(torch.stack(exact), torch.zeros(3, dtype=F64), **close)


BAD = {
    "sigma must be positive and finite, got a tensor": lambda: bars(torch.zeros(2), torch.tensor([1.0, 0.0])),
    "sigma must be positive and finite, got -1.0": lambda: bars(0.0, -1.0),
    "sigma holds 1 NaN": lambda: bars(0.0, math.nan),
    "mu holds 1 NaN": lambda: bars(math.nan, 1.0),
    "mu is empty": lambda: bars(torch.zeros(0), torch.ones(1)),
    "sigma must have the shape of mu, (2,), got (3,)": lambda: bars(torch.zeros(2), torch.ones(3)),
    "mu must be a floating-point tensor": lambda: bars(torch.zeros(2, dtype=torch.int64), torch.ones(2)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("decoder", DECODERS)
def test_figure_shows_the_numbers_of_its_decoder(decoder):
    figure = Gap(decoder=decoder, mu=1.25, sigma=0.2)
    assert figure.bars() == bars(1.25, 0.2, DECODERS[decoder])
