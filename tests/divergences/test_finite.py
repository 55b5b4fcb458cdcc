"""Divergences of tables against SciPy, enumeration of events, and bad input."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy

from gmlib import divergences as dv
from gmlib.divergences.finite import check_law, check_pair

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64


@pytest.fixture
def pair(generator):
    return [torch.rand(4, 6, generator=generator, dtype=F64).pow(2).softmax(-1) for _ in range(2)]


@pytest.mark.equation("eq-divergences-kl")
def test_entropy_and_kl_equal_scipys(pair):
    p, q = pair
    torch.testing.assert_close(dv.entropy(p), torch.tensor(scipy_entropy(p, axis=-1)), **close)
    torch.testing.assert_close(dv.kl(p, q), torch.tensor(scipy_entropy(p, q, axis=-1)), **close)
    assert ((dv.kl(p, q) - dv.kl(q, p)).abs() > 1e-4).all()


@pytest.mark.equation("eq-divergences-js")
def test_js_equals_the_square_of_scipys_root(pair):
    p, q = pair
    torch.testing.assert_close(dv.js(p, q), torch.tensor(jensenshannon(p, q, axis=-1) ** 2), **close)


@pytest.mark.equation("eq-divergences-tv")
def test_total_variation_is_the_largest_difference_of_an_event(pair):
    p, q = pair
    events = torch.tensor(list(product((0.0, 1.0), repeat=6)), dtype=F64)
    torch.testing.assert_close(dv.total_variation(p, q), ((p - q) @ events.T).amax(-1), **close)


def test_supports():
    p, q, r = (torch.tensor(v, dtype=F64) for v in ([0.7, 0.3, 0.0, 0.0], [0.2, 0.5, 0.3, 0.0], [0.0, 0.0, 0.4, 0.6]))
    assert dv.kl(q, p) == torch.inf
    expected = 0.7 * np.log(0.7 / 0.2) + 0.3 * np.log(0.3 / 0.5)
    assert dv.kl(p, q).item() == pytest.approx(expected, abs=1e-12)
    assert dv.js(p, r).item() == pytest.approx(np.log(2), abs=1e-12) and dv.total_variation(p, r) == 1


def test_leading_axes_broadcast(pair):
    p, q = pair
    table = dv.kl(p[:, None], q)
    assert table.shape == (4, 4)
    torch.testing.assert_close(table[1, 2], dv.kl(p[1], q[2]), **close)


half = torch.tensor([0.5, 0.5])
CASES = {
    "p must be non-negative and sum to one, got a sum of 0.9": lambda: dv.entropy(torch.tensor([0.5, 0.4])),
    "p must be non-negative and sum to one, got -0.5": lambda: dv.kl(torch.tensor([1.5, -0.5]), half),
    "q must be non-negative and sum to one, got a sum of 2": lambda: dv.js(half, 2 * half),
    "q must have shape (..., 2), got (3,)": lambda: dv.total_variation(half, torch.ones(3) / 3),
    "p must be a floating-point tensor": lambda: dv.entropy([0.5, 0.5]),
    "p holds 1 NaN": lambda: dv.entropy(torch.tensor([0.5, torch.nan])),
    "prior must be non-negative and sum to one, got a sum of 1.5": lambda: check_law(3 * half / 2, "prior"),
    "q must be non-negative and sum to one, got a sum of 0.5": lambda: check_pair(half, half / 2),
    "p must have shape (..., K), got ()": lambda: dv.entropy(torch.tensor(1.0)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
