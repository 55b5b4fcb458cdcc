"""What the notebook on the chain rule states: products in any order, divergences, logistic conditionals, degrees, draws."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy import optimize, special, stats
from sklearn.metrics import log_loss

from gmlib import autoregressive as ar
from gmlib.nn import MaskedLinear, MaskedMLP

F64 = torch.float64
TAU = torch.tensor([2, 0, 3, 1])  # which variable comes first, second, ...
close = partial(torch.testing.assert_close, rtol=0, atol=1e-9)


def shaken(net, seed=0):
    g = torch.Generator().manual_seed(seed)
    net = net.to(F64)
    for p in net.parameters():
        p.data = torch.randn(p.shape, generator=g, dtype=F64)
    return net


NETS = {
    "logistic": lambda D: shaken(ar.Logistic(D)),
    "MLPs": lambda D: shaken(ar.PixelMLPs(D, 3)),
    "NADE": lambda D: shaken(ar.NADE(D, 5)),
    "MADE": lambda D: shaken(ar.MADE(D, 9, 7)),
}


def states(D):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=D)), dtype=F64)


def given(table, x, known, i):
    """p(x_i | x_known) by the definition, from a table with one axis for each variable; None where undefined."""
    before = {key: mass for key, mass in np.ndenumerate(table) if all(key[j] == x[j] for j in known)}
    total = sum(before.values())
    return sum(mass for key, mass in before.items() if key[i] == x[i]) / total if total > 0 else None


@pytest.mark.equation("eq-autoregressive-chain", "eq-autoregressive-order")
def test_product_in_every_order_of_a_table_with_zeros():
    table = np.random.default_rng(0).random((2, 3, 2))
    table[0, 1] = table[1, 2, 0] = table[0, 0, 1] = 0
    table /= table.sum()
    for tau in itertools.permutations(range(3)):
        for x, mass in np.ndenumerate(table):
            factors = [given(table, x, tau[:k], tau[k]) for k in range(3)]
            value = math.prod(0.37 if f is None else f for f in factors)
            assert abs(value - mass) < 1e-12


@pytest.mark.equation("eq-autoregressive-normalised", "eq-autoregressive-chain")
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("order", [None, TAU])
def test_all_images_sum_to_one_and_the_logits_are_its_conditionals(name, order):
    model, x = ar.BinaryModel(NETS[name](4), 4, order), states(4)
    mass = model.log_prob(x).exp().detach()
    close(mass.sum(), torch.tensor(1.0, dtype=F64))
    table, tau = mass.reshape(2, 2, 2, 2).numpy(), range(4) if order is None else order.tolist()
    one = model.logits(x).sigmoid()
    for row in (3, 8, 14):
        for k, i in enumerate(tau):
            value = given(table, [*x[row, :i].int().tolist(), 1, *x[row, i + 1 :].int().tolist()], tau[:k], i)
            assert abs(value - one[row, i].item()) < 1e-9


@pytest.mark.equation("eq-autoregressive-count")
def test_free_numbers_of_the_conditionals():
    for D in range(1, 9):
        prefixes = [p for i in range(D) for p in itertools.product((0, 1), repeat=i)]
        assert len(prefixes) == len(list(itertools.product((0, 1), repeat=D))) - 1


@pytest.mark.equation("eq-autoregressive-kl", "eq-autoregressive-tv")
def test_divergence_is_the_sum_at_the_prefixes_of_the_data():
    """SciPy's entropies, prefix by prefix; total variation as the best of all 256 events."""
    p, q = ar.BinaryModel(NETS["NADE"](3), 3), ar.BinaryModel(NETS["logistic"](3), 3)
    x = states(3)
    P, Q = (m.log_prob(x).exp().detach().numpy() for m in (p, q))
    a, b = (m.logits(x).sigmoid().detach().numpy() for m in (p, q))
    whole = stats.entropy(P, Q)
    terms = [sum(P[n] * stats.entropy([1 - a[n, i], a[n, i]], [1 - b[n, i], b[n, i]]) for n in range(8)) for i in range(3)]
    assert abs(sum(terms) - whole) < 1e-12
    own = sum(Q[n] * stats.entropy([1 - a[n, i], a[n, i]], [1 - b[n, i], b[n, i]]) for n in range(8) for i in range(3))
    assert abs(own - whole) > 0.01
    events = np.array(list(itertools.product((0, 1), repeat=8)))
    best = np.abs(events @ (P - Q)).max()
    assert abs(best - np.abs(P - Q).sum() / 2) < 1e-12
    assert best <= math.sqrt(sum(terms) / 2)


@pytest.mark.equation("eq-autoregressive-regressions")
def test_maximum_likelihood_is_a_log_loss_for_each_variable():
    model = ar.BinaryModel(NETS["MADE"](4), 4, TAU)
    x = torch.randint(0, 2, (50, 4), generator=torch.Generator().manual_seed(1)).to(F64)
    p = model.logits(x).sigmoid().detach().numpy()
    total = sum(log_loss(x[:, i].numpy(), p[:, i], labels=[0, 1]) for i in range(4))
    assert abs(-model.log_prob(x).mean().item() - total) < 1e-9


@pytest.mark.equation("eq-autoregressive-pile-up")
@pytest.mark.parametrize("afterwards", [0.5, 0.83, 0.1])
def test_errors_of_a_copier_pile_up(afterwards):
    """All 2^6 strings, told bit by bit; what happens after the first error changes neither number."""
    D, e = 6, 0.13
    kl = tv = 0.0
    for x in itertools.product((0, 1), repeat=D):
        q, clean = 0.5, True
        for before, now in itertools.pairwise(x):
            stay = 1 - e if clean else afterwards
            q *= stay if now == before else 1 - stay
            clean = clean and now == before
        p = 0.5 if len(set(x)) == 1 else 0.0
        kl += special.rel_entr(p, q)
        tv += abs(p - q) / 2
    assert abs(kl + (D - 1) * math.log(1 - e)) < 1e-12
    assert abs(tv - (1 - (1 - e) ** (D - 1))) < 1e-12


@pytest.mark.equation("eq-autoregressive-fvbn", "eq-autoregressive-fvbn-gradient")
def test_gradient_of_the_logistic_model_by_complex_steps():
    rng = np.random.default_rng(3)
    D, h = 4, 1e-30
    W, b, x = rng.normal(size=(D, D)), rng.normal(size=D), np.array([1.0, 0.0, 1.0, 1.0])

    def log_p(W, b):
        logit = [b[i] + sum(W[i, j] * x[j] for j in range(i)) for i in range(D)]
        return sum(x[i] * logit[i] - np.log(1 + np.exp(logit[i])) for i in range(D))

    net = ar.Logistic(D).to(F64)
    net.W.data, net.b.data = torch.tensor(W), torch.tensor(b)
    model = ar.BinaryModel(net, D)
    value = model.log_prob(torch.tensor(x))
    assert abs(value.item() - log_p(W, b)) < 1e-12
    by_autograd = torch.autograd.grad(value, [net.W, net.b])
    p = special.expit(b + np.tril(W, -1) @ x)
    for i, j in itertools.product(range(D), repeat=2):
        step = np.zeros((D, D), dtype=complex)
        step[i, j] = 1j * h
        derivative = log_p(W + step, b).imag / h
        assert abs(derivative - (x[i] - p[i]) * x[j] * (j < i)) < 1e-12
        assert abs(by_autograd[0][i, j].item() - derivative) < 1e-12
    for i in range(D):
        derivative = log_p(W, b + 1j * h * np.eye(D)[i]).imag / h
        assert abs(derivative - (x[i] - p[i])) < 1e-12 and abs(by_autograd[1][i].item() - derivative) < 1e-12


@pytest.mark.equation("eq-autoregressive-xor")
@pytest.mark.parametrize("e", [0.04, 0.23])
def test_floor_of_exclusive_or_by_an_optimiser(e):
    x = np.array(list(itertools.product((0, 1), repeat=3)))
    p = np.where(x[:, 2] == (x[:, 0] ^ x[:, 1]), 1 - e, e) / 4

    def divergence(w):
        logit = w[0] + x[:, :2] @ w[1:]
        return np.sum(p * (np.log(p) - np.log(0.25) + np.logaddexp(0, -(2 * x[:, 2] - 1) * logit)))

    found = optimize.minimize(divergence, [0.7, -1.3, 2.1], method="BFGS", options={"gtol": 1e-10})
    assert abs(found.fun - (math.log(2) + e * math.log(e) + (1 - e) * math.log(1 - e))) < 1e-9


@pytest.mark.equation("eq-autoregressive-neural", "eq-autoregressive-nade", "eq-autoregressive-nade-sum")
def test_conditionals_of_mlps_and_nade_one_at_a_time():
    x = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    mlps, nade = NETS["MLPs"](5), NETS["NADE"](5)
    W, c, V, b = (p.detach().numpy() for p in (mlps.first.weight, mlps.first.bias, mlps.V, mlps.b))
    for i in range(5):
        hidden = [math.tanh(c[3 * i + h] + W[3 * i + h, :i] @ x[:i]) for h in range(3)]
        assert abs(mlps(torch.tensor(x)[None])[0, i].item() - (b[i] + np.dot(V[i], hidden))) < 1e-12
    W, c, V, b = (getattr(nade, name).detach().numpy() for name in "WcVb")
    a = c.copy()
    for i in range(5):
        assert np.abs(a - c - W[:i].T @ x[:i]).max() < 1e-12
        logit = b[i] + V[i] @ special.expit(a)
        assert abs(nade(torch.tensor(x)[None])[0, i].item() - logit) < 1e-12
        a = a + x[i] * W[i]


@pytest.mark.equation("eq-autoregressive-made", "eq-autoregressive-paths")
@pytest.mark.parametrize("place", [None, torch.tensor([3, 0, 4, 1, 2])])
def test_masks_follow_the_degrees_and_their_product_counts_paths(place):
    """Walk along every path; degrees as in the book, from 1."""
    D, widths = 5, (7, 6)
    net = MaskedMLP(D, *widths, order=place)
    inputs = [i + 1 for i in (range(D) if place is None else place.tolist())]
    degrees = [inputs, *([n % (D - 1) + 1 for n in range(w)] for w in widths)]
    masks = [layer.mask for layer in net.modules() if isinstance(layer, MaskedLinear)]
    count = torch.zeros(D, D)
    for j, first, second, i in itertools.product(range(D), range(widths[0]), range(widths[1]), range(D)):
        open_ = degrees[0][j] <= degrees[1][first] <= degrees[2][second] < inputs[i]
        assert open_ == bool(masks[0][first, j] * masks[1][second, first] * masks[2][i, second])
        count[i, j] += open_
    for layer, (low, high) in enumerate(itertools.pairwise(degrees)):
        for k, j in itertools.product(range(len(high)), range(len(low))):
            assert bool(masks[layer][k, j]) == (high[k] >= low[j])
    assert torch.equal(masks[2] @ masks[1] @ masks[0], count)
    assert all((count[i, j] > 0) == (inputs[j] < inputs[i]) for i in range(D) for j in range(D))


@pytest.mark.equation("eq-autoregressive-jacobian")
@pytest.mark.parametrize("name", NETS)
def test_zeros_of_the_jacobian_are_exact_and_a_later_bit_changes_nothing(name):
    model = ar.BinaryModel(NETS[name](4), 4, TAU)
    place = TAU.argsort()
    before = place[None, :] < place[:, None]
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(2), dtype=F64)
    J = torch.stack([torch.autograd.functional.jacobian(model.logits, row) for row in x])
    assert (J[:, ~before] == 0).all() and (J[:, before] != 0).any(0).all()
    for j in range(4):
        y = x.clone()
        y[:, j] += 0.7
        change = (model.logits(y) - model.logits(x)).abs()
        assert (change[:, ~before[:, j]] < 1e-12).all()
        assert (change[:, before[:, j]] > 1e-6).any(0).all()


@pytest.mark.equation("eq-autoregressive-sampling")
def test_a_draw_fills_a_box_of_the_unit_cube(monkeypatch):
    """Random numbers on a grid: each x comes out as often as its box has grid points, counted exactly."""
    n, order = 30, torch.tensor([1, 2, 0])
    model = ar.BinaryModel(NETS["NADE"](3), 3, order)
    middles = (torch.arange(n, dtype=F64) + 0.5) / n
    columns = iter(torch.cartesian_prod(middles, middles, middles).T)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: next(columns))
    x = model.sample((n**3,))
    for row in states(3):
        expected = 1
        one = model.logits(row).sigmoid()
        for i in order.tolist():
            below = int((middles < one[i]).sum())
            expected *= below if row[i] == 1 else n - below
        assert int((x == row).all(1).sum()) == expected


@pytest.mark.equation("eq-autoregressive-scheduled")
@pytest.mark.parametrize("r", [0.0, 0.3, 0.85, 1.0])
def test_scheduled_sampling_moves_the_minimum(r):
    """Every way in which a value is shown and an answer asked, counted; the best answer is their conditional law."""
    p = np.random.default_rng(5).random((3, 4)) + 0.1
    p /= p.sum()
    joint = np.zeros((3, 4))
    for first, own, second in itertools.product(range(3), range(3), range(4)):
        weight = p[first, second] * p.sum(1)[own]
        joint[first, second] += r * weight
        joint[own, second] += (1 - r) * weight
    best = joint / joint.sum(1, keepdims=True)
    assert np.abs(best - (r * p / p.sum(1, keepdims=True) + (1 - r) * p.sum(0))).max() < 1e-12
    cost = -np.sum(joint * np.log(best))
    for seed in range(5):
        other = best * np.exp(0.1 * np.random.default_rng(seed).normal(size=(3, 4)))
        assert -np.sum(joint * np.log(other / other.sum(1, keepdims=True))) > cost
