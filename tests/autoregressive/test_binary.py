"""Binary models against loops over units, all 2^9 vectors, and conditionals read off the table of the joint law."""

import math

import pytest
import torch

from gmlib import core
from gmlib.autoregressive import MADE, NADE, BinaryModel, Logistic, PixelMLPs, negative_log_prob
from gmlib.autoregressive.binary import check_bits
from tests.autoregressive.conftest import EXACT, F64, all_images, shaken

NETS = {
    "logistic": Logistic,
    "neural": lambda D: PixelMLPs(D, 3),
    "nade": lambda D: NADE(D, 6),
    "made": lambda D: MADE(D, 13, 11),
    "made without direct": lambda D: MADE(D, 13, direct=False),
}
ORDER = torch.tensor([3, 0, 4, 1, 2])


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def by_loops(name, net, x):
    """The logits for one vector x, unit by unit."""
    p = {k: v.tolist() for k, v in net.named_parameters()}
    D, logits = len(x), []
    for i in range(D):
        if name == "logistic":
            logits.append(p["b"][i] + sum(p["W"][i][j] * x[j] for j in range(i)))
        elif name == "neural":
            a = [sum(p["first.weight"][3 * i + u][j] * x[j] for j in range(i)) + p["first.bias"][3 * i + u] for u in range(3)]
            logits.append(p["b"][i] + sum(v * math.tanh(a_u) for v, a_u in zip(p["V"][i], a, strict=True)))
        else:
            a = [c + sum(p["W"][j][u] * x[j] for j in range(i)) for u, c in enumerate(p["c"])]
            logits.append(p["b"][i] + sum(v * sigmoid(a_u) for v, a_u in zip(p["V"][i], a, strict=True)))
    return logits


@pytest.mark.equation("eq-autoregressive-chain", "eq-autoregressive-fvbn", "eq-autoregressive-neural", "eq-autoregressive-nade")
@pytest.mark.parametrize("name", ["logistic", "neural", "nade"])
def test_logits_and_log_prob_by_loops(name, generator):
    net = shaken(lambda: NETS[name](5))
    model, X = BinaryModel(net, 5), torch.randint(2, (6, 5), generator=generator).to(F64)
    for x, logits, log_p in zip(X.tolist(), model.logits(X).tolist(), model.log_prob(X).tolist(), strict=True):
        theirs = by_loops(name, net, x)
        assert logits == pytest.approx(theirs, abs=1e-12)
        assert log_p == pytest.approx(sum(math.log(sigmoid(a if v else -a)) for v, a in zip(x, theirs, strict=True)), abs=1e-12)


@pytest.mark.equation("eq-autoregressive-made")
def test_made_by_degrees(generator):
    """Each unit's degree by hand, a connection where degrees do not fall, at the output where they rise."""
    D, hidden = 4, (7, 5)
    net, x = shaken(lambda: MADE(D, *hidden)), torch.rand(D, generator=generator, dtype=F64).tolist()
    degrees = [range(D), *([u % (D - 1) for u in range(n)] for n in hidden), range(D)]
    layers = [m for m in net.net.net if hasattr(m, "weight")]
    h = x
    for k, layer in enumerate(layers):
        last, W, b = k == len(layers) - 1, layer.weight.tolist(), layer.bias.tolist()
        if k:
            h = [max(v, 0) for v in h]
        h = [
            b[u] + sum(W[u][v] * h[v] for v in range(len(h)) if (degrees[k][v] < d if last else degrees[k][v] <= d))
            for u, d in enumerate(degrees[k + 1])
        ]
    W, b = net.direct.weight.tolist(), net.direct.bias.tolist()
    direct = [b[i] + sum(W[i][j] * x[j] for j in range(i)) for i in range(D)]
    found = net(torch.tensor([x], dtype=F64))[0].tolist()
    assert found == pytest.approx([a + c for a, c in zip(h, direct, strict=True)], abs=1e-12)
    assert MADE(D, *hidden, direct=False).direct is None


@pytest.mark.equation("eq-autoregressive-chain")
@pytest.mark.parametrize("name", NETS)
def test_the_512_vectors_of_nine_bits(name):
    net = shaken(lambda: NETS[name](9))
    for order in (None, torch.tensor([4, 0, 8, 2, 6, 1, 5, 7, 3])):
        log_p = BinaryModel(net, 9, order).log_prob(all_images(2, 9))
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12) and log_p.std() > 1


@pytest.mark.equation("eq-autoregressive-chain")
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("order", [None, ORDER], ids=["own order", "another"])
def test_conditionals_are_those_of_the_joint_table(name, order, generator):
    """p(x_i | before) as a quotient of sums over the 32 probabilities; and the draws follow it, bit by bit."""
    model = BinaryModel(shaken(lambda: NETS[name](5)), 5, order)
    order = torch.arange(5) if order is None else order
    X = all_images(2, 5)
    table = model.log_prob(X).exp()
    said, u = model.logits(X).sigmoid(), torch.rand(5, generator=torch.Generator().manual_seed(8), dtype=F64)
    drawn = model.sample((), torch.Generator().manual_seed(8))
    own = torch.zeros(5, dtype=F64)
    for t, i in enumerate(order.tolist()):
        before = order[:t]
        for k, x in enumerate(X):
            agrees = (X[:, before] == x[before]).all(1)
            one = table[agrees & (X[:, i] == 1)].sum() / table[agrees].sum()
            torch.testing.assert_close(said[k, i], one, **EXACT)
        agrees = (X[:, before] == own[before]).all(1)
        own[i] = float(u[t] < table[agrees & (X[:, i] == 1)].sum() / table[agrees].sum())
    assert torch.equal(drawn, own)


def test_draws_have_the_dtype_of_the_weights_and_any_shape(generator):
    model = BinaryModel(NADE(3, 4), 3)
    assert model.sample((2, 0), generator).shape == (2, 0, 3) and model.sample((4,), generator).dtype == torch.float32
    assert isinstance(model, core.HasLogProb) and isinstance(model, core.CanSample) and not hasattr(model, "elbo")
    assert not model.sample((2,), generator).requires_grad


def test_weights_begin_small():
    """Standard deviations of the first weights, within 6 standard errors; the linear model begins with fair coins."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        nade, mlps = NADE(300, 50), PixelMLPs(300, 50)
    for W, expected in ((nade.W, 300**-0.5), (nade.V, 50**-0.5), (mlps.V, 50**-0.5)):
        assert abs(W.std().item() / expected - 1) < 6 / math.sqrt(2 * W.numel())
    assert BinaryModel(Logistic(3), 3).log_prob(torch.tensor([1.0, 0.0, 1.0])).item() == pytest.approx(-3 * math.log(2), abs=1e-6)
    assert nade.b.eq(0).all() and nade.c.eq(0).all() and mlps.b.eq(0).all()


def test_numbers_of_parameters():
    """As measured with the recipes of the chapter, D = 64: weights behind a mask count."""
    made = {"logistic": Logistic(64), "neural": PixelMLPs(64, 8), "nade": NADE(64, 50), "made": MADE(64, 128)}
    count = {k: sum(p.numel() for p in m.parameters()) for k, m in made.items()}
    dead = {"logistic": 64 * 65 // 2, "neural": 8 * 64 * 65 // 2, "made": 64 * 65 // 2}  # of the square matrices on x
    assert count["logistic"] - dead["logistic"] == 64 * 63 // 2 + 64 == 2080
    assert count["neural"] - dead["neural"] == 8 * 64 * 63 // 2 + 8 * 64 + 8 * 64 + 64 == 17_216
    assert count["nade"] == 64 * 50 * 2 + 50 + 64 == 6514
    assert count["made"] == (64 * 128 + 128) + (128 * 64 + 64) + (64 * 64 + 64) == 20_672 + 64


def test_loss_is_minus_the_mean(generator):
    model, x = BinaryModel(shaken(lambda: NADE(4, 3)), 4), torch.randint(2, (7, 4), generator=generator).to(F64)
    loss, terms = negative_log_prob(model, x)
    assert loss.item() == pytest.approx(-sum(model.log_prob(x).tolist()) / 7, abs=1e-12) and terms == {}


LOGISTIC = BinaryModel(Logistic(3), 3)
CASES = {
    "D must be a whole number of at least 1, got 0": lambda: BinaryModel(Logistic(3), 0),
    "D must be a whole number of at least 1, got 2.0": lambda: BinaryModel(Logistic(3), 2.0, torch.tensor([1, 0])),
    "order must be a permutation of 0 to 2, got [0, 2, 2]": lambda: BinaryModel(Logistic(3), 3, torch.tensor([0, 2, 2])),
    "order must be a permutation of 0 to 2, got [1, 0]": lambda: BinaryModel(Logistic(3), 3, torch.tensor([1, 0])),
    "x must have shape (..., 3), got (2,)": lambda: LOGISTIC.log_prob(torch.zeros(2)),
    "x must hold zeros and ones, got values from 0.0 to 0.5": lambda: LOGISTIC.log_prob(torch.tensor([0.0, 0.5, 0.0])),
    "x holds 1 NaN": lambda: check_bits(torch.tensor([0.0, math.nan]), 2),
    "D must be a whole number of at least 1, got 0 ": lambda: Logistic(0),
    "D must be a whole number of at least 1, got 0  ": lambda: PixelMLPs(0, 3),
    "hidden must be a whole number of at least 1, got 0": lambda: PixelMLPs(3, 0),
    "D must be a whole number of at least 1, got -1": lambda: NADE(-1, 3),
    "hidden must be a whole number of at least 1, got 1.5": lambda: NADE(3, 1.5),
    "D must be a whole number of at least 1, got 0   ": lambda: MADE(0, 3),
    "each hidden size must be a whole number of at least 1, got 0": lambda: MADE(3, 0),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
