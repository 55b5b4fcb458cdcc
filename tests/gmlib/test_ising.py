"""The small Ising model against loops over neighbours, transfer matrices, and derivatives of log Z."""

import itertools
import math

import numpy as np
import pytest
import torch

from gmlib import core
from gmlib.targets import Ising
from tests.laws import laws

F64 = torch.float64


def bonds(x, side):
    """The sum over neighbours of s_i s_j, pair by pair."""
    s = {(r, c): 2 * x[r * side + c] - 1 for r in range(side) for c in range(side)}
    return sum(s[r, c] * s.get((r + 1, c), 0) + s[r, c] * s.get((r, c + 1), 0) for r, c in s)


def log_Z(side, beta):
    """Row after row: a matrix whose entry is the weight of one row below another."""
    rows = np.array(list(itertools.product((-1, 1), repeat=side)))
    within = np.exp(beta * (rows[:, 1:] * rows[:, :-1]).sum(1))
    between = np.exp(beta * rows @ rows.T)
    v = within
    for _ in range(side - 1):
        v = within * (between @ v)
    return math.log(v.sum())


@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize("beta", [0.37, -0.62])
def test_masses_by_loops(side, beta):
    model = Ising(side, beta)
    images = list(itertools.product((0, 1), repeat=side**2))
    weights = [math.exp(beta * bonds(x, side)) for x in images]
    X = torch.tensor(images, dtype=F64)
    expected = torch.tensor(weights, dtype=F64) / sum(weights)
    torch.testing.assert_close(model.log_prob(X).exp(), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(model.log_prob(X.float()).exp(), expected, rtol=0, atol=1e-12)
    assert torch.equal(model.states, X)
    for x, p in zip(images, expected, strict=True):
        assert model.table[x].item() == pytest.approx(p.item(), abs=1e-12)
    assert model.entropy().item() == pytest.approx(-sum(p * math.log(p) for p in expected.tolist()), abs=1e-12)


@pytest.mark.parametrize(("beta", "entropy"), [(math.log(1 + math.sqrt(2)) / 2, 8.048059), (0.3, 9.841383), (0.7, 3.689180)])
def test_four_by_four_by_transfer_matrices(beta, entropy):
    """log p = beta bonds - log Z; the entropy is log Z - beta d log Z / d beta."""
    model = Ising(4, beta)
    X = torch.randint(2, (20, 16), generator=torch.Generator().manual_seed(0)).to(F64)
    expected = [beta * bonds(x, 4) - log_Z(4, beta) for x in X.tolist()]
    assert model.log_prob(X).tolist() == pytest.approx(expected, abs=1e-12)
    slope = (log_Z(4, beta + 1e-5) - log_Z(4, beta - 1e-5)) / 2e-5
    assert model.entropy().item() == pytest.approx(log_Z(4, beta) - beta * slope, abs=1e-7)
    assert model.entropy().item() == pytest.approx(entropy, abs=1e-6)
    assert model.log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_laws():
    model, generator = Ising(2, 0.55), torch.Generator().manual_seed(0)
    support = torch.tensor(list(itertools.product((0, 1), repeat=4)), dtype=F64)
    assert isinstance(model, core.HasLogProb) and isinstance(model, core.CanSample)
    laws.masses_sum_to_one(model, support)
    laws.log_prob_ignores_batch_shape(model, support)
    laws.samples_have_the_masses(model, support, generator)
    laws.sample_is_reproducible(model)


@pytest.mark.parametrize(("u", "state"), [(0.0, 0), (1.0, -1)])
def test_draws_at_the_ends_of_the_uniform_numbers(u, state, monkeypatch):
    """The first image at 0; and none beyond the last, where the sum of all masses is rounded down."""
    model = Ising(3, 0.4)
    monkeypatch.setattr(torch, "rand", lambda *shape, **options: torch.full(shape[0], u, dtype=F64))
    assert torch.equal(model.sample((2,))[1], model.states[state])


def test_dtype_of_the_table():
    model = Ising(2, 0.3, torch.float32)
    assert model.sample((3,)).dtype == model.table.dtype == torch.float32 and Ising(2, 0.3).table.dtype == F64


CASES = {
    "side must be at most 4, so that all images can be listed, got 5": lambda: Ising(5, 0.3),
    "side must be a whole number of at least 1, got 0": lambda: Ising(0, 0.3),
    "beta must be finite, got inf": lambda: Ising(2, math.inf),
    "beta must be finite, got nan": lambda: Ising(2, math.nan),
    "x must have shape (..., 4), got (3,)": lambda: Ising(2, 0.3).log_prob(torch.zeros(3)),
    "x must hold zeros and ones": lambda: Ising(2, 0.3).log_prob(torch.full((4,), 0.5)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
