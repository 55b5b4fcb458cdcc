"""The dictionary by loops, dead units that come back and what Adam remembers of them, matching by enumeration."""

import itertools
import math

import pytest
import torch

from gmlib.autoencoders import SparseCoder, dead_units, matched_cosines, revive, sparse_loss

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}


def coder(D=3, units=5, dead=(), seed=2):
    """In float64, all weights moved; the units named are 0 wherever x is near 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SparseCoder(D, units).to(F64)
        for p in model.parameters():
            p.data += 0.4 * torch.randn_like(p)
        x = torch.randn(30, D, dtype=F64)
    model.b.data[list(dead)] = -50.0
    return model, x


@pytest.mark.equation("eq-autoencoders-dictionary")
def test_coder_by_loops():
    model, x = coder()
    A, W, b, c = (p.tolist() for p in (model.A, model.W, model.b, model.c))
    for row, code, back in zip(x.tolist(), model.encoder(x).tolist(), model(x).tolist(), strict=True):
        z = [max(0.0, b[u] + sum(W[u][d] * (row[d] - c[d]) for d in range(3))) for u in range(5)]
        assert code == pytest.approx(z, abs=1e-12)
        r = [c[d] + sum(z[u] * A[u][d] / math.hypot(*A[u]) for u in range(5)) for d in range(3)]
        assert back == pytest.approx(r, abs=1e-12)
    assert (model.encoder(x) == 0).any() and (model.encoder(x) > 0).any()
    torch.testing.assert_close(model.decoder(torch.zeros(2, 5, dtype=F64)), model.c.expand(2, 3), **EXACT)


@pytest.mark.equation("eq-autoencoders-dictionary")
def test_atoms_have_length_one_whatever_training_does():
    model, x = coder()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.3)
    for _ in range(5):
        optimizer.zero_grad()
        sparse_loss(model, x)[0].backward()
        optimizer.step()
    torch.testing.assert_close(model.atoms.norm(dim=1), torch.ones(5, dtype=F64), **EXACT)
    assert (model.A.norm(dim=1) - 1).abs().max() > 0.1


def test_start():
    """The encoder begins as the dictionary, without biases; each unit with a direction of its own."""
    model = SparseCoder(7, 4)
    assert torch.equal(model.A, model.W) and not model.b.any() and not model.c.any()
    torch.testing.assert_close(model.A.norm(dim=1), torch.ones(4))
    model.W.data += 1
    assert not torch.equal(model.A, model.W)
    assert {name: tuple(p.shape) for name, p in model.named_parameters()} == {"A": (4, 7), "c": (7,), "W": (4, 7), "b": (4,)}


def test_dead_units_by_loops():
    model, x = coder(units=6, dead=(1, 4))
    rare = model.W[3].detach() @ (x - model.c.detach()).T
    model.b.data[3] = -rare.sort().values[-2:].mean()  # active for one example: not dead
    expected = [all(model.encoder(row[None])[0, u] == 0 for row in x) for u in range(6)]
    assert dead_units(model, x).tolist() == expected and expected[1] and expected[4] and not expected[3]
    sparse_loss(model, x)[0].backward()
    gone = dead_units(model, x)
    for p in (model.A, model.W, model.b):
        assert (p.grad[gone] == 0).all() and (p.grad[3] != 0).any()


def trained(dead=(1, 4)):
    """A coder after a few steps of Adam, with which every parameter has moments; then some units die."""
    model, x = coder(units=6)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, amsgrad=True)
    for _ in range(4):
        optimizer.zero_grad()
        sparse_loss(model, x)[0].backward()
        optimizer.step()
    model.b.data[list(dead)] = -50.0
    for p in model.parameters():
        for name in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
            optimizer.state[p][name] += 0.5  # nowhere 0
    return model, x, optimizer


def test_revive():
    """The dead units, and they alone, get the direction of an example's residual; Adam forgets them, and nothing else."""
    model, x, optimizer = trained()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    moments = {p: {k: v.clone() for k, v in optimizer.state[p].items()} for p in model.parameters()}
    residual = (x - model(x)).detach()
    assert revive(model, x, optimizer, torch.Generator().manual_seed(0)) == 2
    alive = [0, 2, 3, 5]
    for name, p in model.named_parameters():
        kept = slice(None) if name == "c" else alive
        assert torch.equal(p[kept], before[name][kept])
    for unit in (1, 4):
        cosines = torch.nn.functional.cosine_similarity(residual, model.atoms[unit][None])
        assert cosines.max() > 1 - 1e-12
        torch.testing.assert_close(model.W[unit], residual[cosines.argmax()] / residual[cosines.argmax()].norm() / 2, **EXACT)
        torch.testing.assert_close(model.A[unit].norm(), torch.ones((), dtype=F64), **EXACT)
        assert model.b[unit] == 0
    for p in model.parameters():
        for name, value in optimizer.state[p].items():
            old = moments[p][name]
            if p is model.c or name == "step":
                assert torch.equal(value, old)
            else:
                assert not value[[1, 4]].any() and torch.equal(value[alive], old[alive]) and old[[1, 4]].all()
    assert model.A.requires_grad and model.A.is_leaf


def test_revive_without_dead_units_or_without_an_optimiser():
    model, x, optimizer = trained(dead=())
    before = [p.detach().clone() for p in model.parameters()]
    assert not dead_units(model, x).any() and revive(model, x, optimizer) == 0
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
    assert all((optimizer.state[p]["exp_avg"] != 0).all() for p in model.parameters())
    model, x = coder(dead=(0,))
    assert revive(model, x) == 1 and model.b[0] == 0 and not dead_units(model, x)[0]


def test_examples_are_drawn_by_their_squared_error():
    """20,000 dead units and errors 1, 2 and 3 in three directions: shares 1/14, 4/14, 9/14, within 6 standard errors."""
    model, n = SparseCoder(3, 20_000).to(F64), 20_000
    model.b.data.fill_(-50.0)
    model.c.data = torch.tensor([0.3, -0.7, 0.2], dtype=F64)
    x = model.c.data + torch.diag(torch.tensor([1.0, -2.0, 3.0], dtype=F64))
    assert revive(model, x, generator=torch.Generator().manual_seed(0)) == n
    for direction, share in zip(torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, 1]], dtype=F64), (1, 4, 9), strict=True):
        p = share / 14
        count = (model.atoms @ direction > 0.999).sum().item()
        assert abs(count - n * p) < 6 * math.sqrt(n * p * (1 - p))


@pytest.mark.parametrize(("units", "M"), [(4, 4), (5, 3), (3, 1)])
def test_matched_cosines_by_enumeration(units, M):
    """The largest sum over all ways to match, one to one; neither length nor order matters, the sign does."""
    g = torch.Generator().manual_seed(units)
    atoms, truth = torch.randn(units, 2, dtype=F64, generator=g), torch.randn(M, 2, dtype=F64, generator=g)
    cosine = torch.tensor([[a @ t / (a.norm() * t.norm()) for a in atoms] for t in truth])
    best = max(itertools.permutations(range(units), M), key=lambda s: sum(cosine[m, u] for m, u in enumerate(s)))
    expected = torch.stack([cosine[m, u] for m, u in enumerate(best)])
    torch.testing.assert_close(matched_cosines(atoms, truth), expected, **EXACT)
    torch.testing.assert_close(matched_cosines(3.7 * atoms.flip(0), 0.2 * truth), expected, **EXACT)
    torch.testing.assert_close(matched_cosines(-truth, -truth), torch.ones(M, dtype=F64), **EXACT)
    assert matched_cosines(-truth[:1], truth[:1]).item() == pytest.approx(-1)


def test_an_atom_is_matched_once():
    """Two atoms of the truth lie near the same one; the second must take what is left."""
    truth = torch.tensor([[1.0, 0.0], [1.0, 0.1]], dtype=F64)
    found = matched_cosines(torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=F64, requires_grad=True), truth)
    assert found.tolist() == pytest.approx([1.0, 0.1 / math.hypot(1, 0.1)])


wide, small = torch.ones(2, 3), SparseCoder(3, 4)

CASES = {
    "units must be a whole number of at least 1, got 0": lambda: SparseCoder(3, 0),
    "D must be a whole number of at least 1, got 2.5": lambda: SparseCoder(2.5, 3),
    "x must have shape (..., 3), got (5, 1)": lambda: small.encoder(torch.ones(5, 1)),
    "z must have shape (..., 4), got (2, 3)": lambda: small.decoder(wide),
    "x must have shape (..., 3), got (2, 4)": lambda: dead_units(small, torch.ones(2, 4)),
    "x must have shape (N, 3), got (3,)": lambda: dead_units(small, torch.ones(3)),
    "x holds 1 NaN": lambda: revive(small, torch.tensor([[math.nan, 0.0, 0.0]])),
    "x must have shape (N, 3), got (2, 2, 3)": lambda: revive(small, torch.ones(2, 2, 3)),
    "atoms must be a matrix with at least 4 rows, got (2, 4)": lambda: matched_cosines(torch.ones(2, 4), torch.eye(4)),
    "atoms must have shape (..., 3), got (4, 4)": lambda: matched_cosines(torch.eye(4), wide),
    "atoms must be a matrix with at least 3 rows, got (3,)": lambda: matched_cosines(torch.ones(3), torch.ones(3)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
