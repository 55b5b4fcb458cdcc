"""Mutual information and its gap, where the answer is known; the other metrics are in test_foundations."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from gmlib.metrics import mutual_information, mutual_information_gap

F64 = torch.float64
close = dict(rtol=0, atol=1e-12)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def factors():
    """All combinations of three factors, 4 x 5 x 3."""
    return torch.cartesian_prod(torch.arange(4), torch.arange(5), torch.arange(3))


def test_mutual_information_by_scikit_learn(generator):
    a = torch.randint(6, (300, 3), generator=generator)
    b = torch.stack([(a[:, 0] + torch.randint(3, (300,), generator=generator)) % 5, a[:, 1] // 2], 1)
    theirs = [[mutual_info_score(x, y) for y in b.T.numpy()] for x in a.T.numpy()]
    torch.testing.assert_close(mutual_information(a, b), torch.tensor(theirs, dtype=F64), rtol=0, atol=1e-9)
    torch.testing.assert_close(mutual_information(a, b), mutual_information(b, a).T, **close)


def test_mutual_information_of_independent_columns_is_as_biased_as_said(generator):
    """The mean of 2,000 repetitions, against (K - 1)(L - 1) / 2N; the rest of the series is a few per cent of it."""
    N, K, L = 400, 6, 4
    values = torch.stack([
        mutual_information(torch.randint(K, (N, 1), generator=generator), torch.randint(L, (N, 1), generator=generator))
        for _ in range(2000)
    ])  # fmt: skip
    bias = (K - 1) * (L - 1) / (2 * N)
    assert abs(values.mean() - bias) < 6 * values.std() / math.sqrt(2000) + 0.05 * bias


@pytest.mark.equation("eq-vae-mig")
@pytest.mark.parametrize("change", (lambda f: f, lambda f: 7 - 3 * f, lambda f: f.flip(1)))
def test_a_code_that_copies_the_factors(factors, change):
    z = change(factors.to(F64))
    torch.testing.assert_close(mutual_information_gap(z, factors), torch.ones(3, dtype=F64), **close)
    noise = torch.zeros(len(z), 2, dtype=F64)  # dimensions that carry nothing do no harm
    z = torch.cat([noise, z], 1)
    torch.testing.assert_close(mutual_information_gap(z, factors), torch.ones(3, dtype=F64), **close)


@pytest.mark.equation("eq-vae-mig")
def test_a_factor_that_stands_twice_has_no_gap(factors):
    z = torch.cat([factors, factors[:, :1]], 1).to(F64)
    torch.testing.assert_close(mutual_information_gap(z, factors), torch.tensor([0.0, 1.0, 1.0], dtype=F64), **close)


@pytest.mark.equation("eq-vae-mig")
def test_an_eighth_of_a_turn_leaves_no_gap():
    """Sum and difference of two factors say equally much about each; a quarter of a turn exchanges them: no harm."""
    factors = torch.cartesian_prod(torch.arange(8), torch.arange(8))
    a, b = (factors.to(F64) - 3.5).unbind(1)
    turned = torch.stack([a + b, a - b], 1)
    torch.testing.assert_close(mutual_information_gap(turned, factors, bins=15), torch.zeros(2, dtype=F64), **close)
    assert (mutual_information((turned + 7).long(), factors) > 0.4).all()  # although each says much
    quarter = torch.stack([-b, a], 1)
    torch.testing.assert_close(mutual_information_gap(quarter, factors), torch.ones(2, dtype=F64), **close)


@pytest.mark.equation("eq-vae-mig")
def test_an_angle_in_two_coordinates_has_no_gap():
    """A perfect code for an angle, cosine and sine, looks entangled: a limit of the measure."""
    factors = torch.arange(16)[:, None]
    angle = 2 * math.pi * factors.to(F64) / 16 + math.pi / 16
    z = torch.cat([angle.cos(), angle.sin()], 1)
    torch.testing.assert_close(mutual_information_gap(z, factors), torch.zeros(1, dtype=F64), **close)


@pytest.mark.equation("eq-vae-mig")
def test_gap_by_hand(generator):
    """Bins by NumPy's histogram, information by scikit-learn, on a noisy code of two factors."""
    factors = torch.stack([torch.randint(n, (2000,), generator=generator) for n in (4, 6)], 1)
    z = torch.randn(2000, 4, generator=generator, dtype=F64)
    z[:, 0] += 2 * factors[:, 0]
    z[:, 2] += 0.7 * factors[:, 1] + 0.5 * factors[:, 0]
    expected = []
    for f in factors.T.numpy():
        score = [mutual_info_score(np.digitize(c, np.histogram(c, 12)[1][1:-1]), f) for c in z.T.numpy()]
        best, second = sorted(score)[:-3:-1]
        expected.append((best - second) / mutual_info_score(f, f))
    gaps = mutual_information_gap(z, factors, bins=12)
    torch.testing.assert_close(gaps, torch.tensor(expected, dtype=F64), rtol=0, atol=1e-9)
    assert 0.1 < gaps.min() and gaps.max() < 0.9


def test_noise_has_no_gap(generator):
    """Only the plug-in bias is left, and its differences are smaller than it: (20 - 1)(4 - 1) / 2N over log 4."""
    factors = torch.randint(4, (20_000, 2), generator=generator)
    gaps = mutual_information_gap(torch.randn(20_000, 5, generator=generator), factors)
    assert (gaps >= 0).all() and gaps.max() < 19 * 3 / 40_000 / math.log(4)


two = torch.tensor([[0], [1]])
BAD = {
    "a must be a tensor of whole numbers of shape (N, columns)": lambda: mutual_information(torch.ones(3, 1), two),
    "b must be a tensor of whole numbers": lambda: mutual_information(two, torch.ones(2, dtype=torch.long)),
    "b must have 2 rows, got 3": lambda: mutual_information(two, torch.ones(3, 1, dtype=torch.long)),
    "a must hold whole numbers from 0, got -1": lambda: mutual_information(two - 1, two),
    "a must hold whole numbers from 0, got none": lambda: mutual_information(two[:0], two[:0]),
    "z must have shape (N, k) with k at least 2, got (2, 1)": lambda: mutual_information_gap(torch.ones(2, 1), two),
    "z holds 1 NaN": lambda: mutual_information_gap(torch.tensor([[0.0, math.nan], [1.0, 1.0]]), two),
    "factors must have 2 rows, got 4": lambda: mutual_information_gap(torch.ones(2, 2), two.repeat(2, 1)),
    "bins must be at least 2, got 1": lambda: mutual_information_gap(torch.ones(2, 2), two, bins=1),
    "each column of factors must take at least two values": lambda: mutual_information_gap(torch.ones(2, 2), 0 * two),
}


@pytest.mark.parametrize(("message", "call"), BAD.items(), ids=[" ".join(m.split()[:6]) for m in BAD])
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu(generator):
    factors = torch.randint(4, (500, 2), generator=generator)
    z = torch.randn(500, 3, generator=generator, dtype=F64) + factors[:, :1]
    on_gpu = mutual_information_gap(z.cuda(), factors.cuda())
    torch.testing.assert_close(on_gpu.cpu(), mutual_information_gap(z, factors), **close)
