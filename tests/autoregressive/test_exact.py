"""What networks can see, as sets of pixels by hand and as exact zeros of the Jacobian; and the price of not seeing, from tables."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from gmlib.autoregressive import (
    MADE,
    NADE,
    GatedNet,
    Logistic,
    PixelMLPs,
    PlainNet,
    dependence,
    entropy,
    gated_context,
    kernel_mask,
    kl_floor,
    plain_context,
)
from gmlib.targets import Ising
from tests.autoregressive.conftest import EXACT, F64, shaken

CRITICAL = math.log(1 + math.sqrt(2)) / 2


def table(sets, pixels):
    return torch.tensor([[a in sets[p] for a in pixels] for p in pixels])


def plain_sets(H, W, sizes):
    """The union over the taps of each layer, from the image up; the taps by hand."""
    pixels = list(itertools.product(range(H), range(W)))
    seen = {p: {p} for p in pixels}
    for i, size in enumerate(sizes):
        k = size // 2
        taps = [(dr, dc) for dr in range(-k, 1) for dc in range(-k, k + 1) if dr < 0 or dc < (i > 0)]
        seen = {(r, c): set().union(*(seen.get((r + dr, c + dc), set()) for dr, dc in taps)) for r, c in pixels}
    return table(seen, pixels)


def gated_sets(H, W, sizes):
    """Two stacks: v looks at its own row and those above; h at what v knows of the row above, and to the left."""
    pixels = list(itertools.product(range(H), range(W)))
    v = h = {p: {p} for p in pixels}
    for i, size in enumerate(sizes):
        k = size // 2
        down = {
            (r, c): set().union(*(v.get((r - dr, c + dc), set()) for dr in range(k + 1) for dc in range(-k, k + 1))) for r, c in pixels
        }
        left = {(r, c): set().union(*(h.get((r, c - dc), set()) for dc in range(0 if i else 1, k + 1))) for r, c in pixels}
        h = {(r, c): left[r, c] | down.get((r - 1, c), set()) for r, c in pixels}
        v = down
    return table(h, pixels)


def looked_at(net, H, W):
    images = torch.randn(2, 2, H, W, generator=torch.Generator().manual_seed(5), dtype=F64)
    return sum(dependence(net, image) for image in images) > 0


@pytest.mark.equation("eq-autoregressive-reach", "eq-autoregressive-jacobian")
@pytest.mark.parametrize(("H", "W", "sizes"), [(3, 4, [3]), (5, 4, [3, 3]), (4, 6, [5, 3, 3]), (5, 5, [3, 5]), (1, 4, [3]), (4, 1, [1, 3])])
def test_context_of_a_plain_stack(H, W, sizes):
    sets = plain_sets(H, W, sizes)
    assert torch.equal(plain_context(H, W, sizes), sets)
    if len(set(sizes[1:])) < 2:
        net = shaken(lambda: PlainNet(2, 5, 8, len(sizes) - 1, sizes[0], (sizes[1:] or [3])[0], activation=F.silu), scale=0.1)
        assert torch.equal(looked_at(net, H, W), sets)


@pytest.mark.equation("eq-autoregressive-gated-reach", "eq-autoregressive-jacobian")
@pytest.mark.parametrize(("H", "W", "sizes"), [
    (3, 4, [3]), (5, 4, [3, 3]), (4, 7, [5, 3]), (5, 5, [3, 5, 3]), (3, 2, [3, 1]), (6, 3, [3, 1, 3]),
])  # fmt: skip
def test_context_of_two_stacks(H, W, sizes):
    sets = gated_sets(H, W, sizes)
    assert torch.equal(gated_context(H, W, sizes), sets)
    assert torch.equal(looked_at(shaken(lambda: GatedNet(2, 5, 16, tuple(sizes)), scale=0.1), H, W), sets)


@pytest.mark.equation("eq-autoregressive-reach", "eq-autoregressive-gated-reach")
def test_blind_spot_of_the_digits():
    """Of 2,016 ordered pairs a 3 x 3 stack misses 322, however deep; two stacks see all where their reach is 7."""
    earlier = torch.ones(64, 64).tril(-1).bool()
    missed = {n: (earlier & ~plain_context(8, 8, [3] * n)).sum().item() for n in (7, 8, 14, 20)}
    assert missed[14] == missed[20] == 322 == sum((8 - d) ** 2 * (7 - d) for d in range(1, 8)) // 2
    assert missed[7] == missed[8] == 322 < (earlier & ~plain_context(8, 8, [3] * 6)).sum() and earlier.sum() == 2016
    assert torch.equal(gated_context(8, 8, (7, 3, 3, 3, 3)), earlier) and not torch.equal(gated_context(8, 8, (5, 3, 3, 3, 3)), earlier)
    blind = ~plain_context(9, 9, [3] * 4)[4 * 9 + 2].reshape(9, 9)
    expected = {(3, c) for c in range(4, 9)} | {(2, c) for c in range(5, 9)} | {(1, c) for c in range(6, 9)} | {(0, 7), (0, 8)}
    assert {(r, c) for r, c in map(tuple, blind.nonzero().tolist()) if (r, c) < (4, 2)} == expected


def test_a_second_mask_A_loses_what_lies_beside():
    """The first layer alone has mask A: with two of them neither pixel beside is seen."""
    twice = F.conv_transpose2d(kernel_mask(3, 3, "A")[None, None], kernel_mask(3, 3, "A")[None, None])[0, 0]
    assert twice[2, 1] == 0 and plain_context(3, 3, [3, 3])[4, 3] and plain_context(3, 3, [3, 3])[4, 1]


@pytest.mark.equation("eq-autoregressive-jacobian")
@pytest.mark.parametrize("net", [Logistic, lambda D: PixelMLPs(D, 3), lambda D: NADE(D, 5), lambda D: MADE(D, 40, 40)],
                         ids=["logistic", "neural", "nade", "made"])  # fmt: skip
def test_jacobian_of_vectors(net, generator):
    """Every earlier entry and no other; in the proportions of PyTorch's own Jacobian."""
    net, x = shaken(lambda: net(6)), torch.rand(6, generator=generator, dtype=F64)
    found, J = dependence(net, x), torch.autograd.functional.jacobian(lambda v: net(v[None])[0], x).abs()
    assert torch.equal(found > 0, torch.ones(6, 6).tril(-1).bool())
    torch.testing.assert_close(found * J[1, 0], J * found[1, 0], **EXACT)  # up to one factor


@pytest.mark.equation("eq-autoregressive-jacobian")
def test_jacobian_of_images(generator):
    """Magnitudes summed over the channels of the input, of one direction of the channels of the output, known up to sign."""
    net, x = shaken(lambda: GatedNet(3, 2, 4, (3, 3))), torch.randn(3, 2, 3, generator=generator, dtype=F64)
    J = torch.autograd.functional.jacobian(lambda v: net(v[None])[0], x).reshape(2, 6, 3, 6)
    direction = torch.randn(2, 1, generator=torch.Generator().manual_seed(0), dtype=F64)[:, 0]
    torch.testing.assert_close(dependence(net, x), torch.einsum("k,koci->oci", direction, J).abs().sum(1), **EXACT)
    assert x.grad is None and not x.requires_grad
    opposite = dependence(lambda v: torch.cat([v[:, :1], -v[:, :1]], 1), x)  # channels that a plain sum would cancel
    assert torch.equal(opposite > 0, torch.eye(6).bool())


def conditional_table(p, i, context):
    """p(x_i | x_C) for every x, by sums over all states, one at a time."""
    shape, out = p.shape, torch.empty_like(p)
    states = list(itertools.product(*map(range, shape)))
    for x in states:
        same = [s for s in states if all(s[j] == x[j] for j in context)]
        out[x] = sum(p[s] for s in same if s[i] == x[i]) / sum(p[s] for s in same)
    return out


@pytest.mark.equation("eq-autoregressive-floor")
@pytest.mark.parametrize("contexts", [[[], [], [], []], [[], [0], [1], [0, 2]], [[], [0], [0, 1], [0, 1, 2]], [[], [], [1, 0], [1, 1]]])
def test_floor_is_the_divergence_of_the_conditionals(contexts, generator):
    """KL(p || q) summed over all states, where q multiplies the tables p(x_i | x_C)."""
    p = torch.rand(2, 3, 2, 3, generator=generator, dtype=F64)
    p = p / p.sum()
    q = torch.stack([conditional_table(p, i, C) for i, C in enumerate(contexts)]).prod(0)
    expected = (p * (p / q).log()).sum()
    assert q.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(kl_floor(p, contexts), expected, **EXACT)
    assert (expected > 0.01) == (contexts[2:] != [[0, 1], [0, 1, 2]])
    for _ in range(5):  # no other q with these contexts comes nearer
        worse = torch.ones(())
        for i, C in enumerate(contexts):
            size = [p.shape[j] if j in (*C, i) else 1 for j in range(4)]
            tilt = (0.2 * torch.randn(size, generator=generator, dtype=F64)).exp() * conditional_table(p, i, C)
            worse = worse * tilt / tilt.sum(i, keepdim=True)
        assert (p * (p / worse).log()).sum() > expected


@pytest.mark.equation("eq-autoregressive-floor")
def test_entropy_by_sums(generator):
    p = torch.rand(2, 3, 4, generator=generator, dtype=F64)
    p[0, 1, 2] = 0
    p = p / p.sum()
    for keep in ([], [1], [0, 2], [2, 0], [0, 1, 2]):
        marginal = {}
        for x in itertools.product(range(2), range(3), range(4)):
            key = tuple(x[j] for j in keep)
            marginal[key] = marginal.get(key, 0.0) + p[x].item()
        expected = -sum(v * math.log(v) for v in marginal.values() if v > 0)
        assert entropy(p, keep).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.equation("eq-autoregressive-floor")
@pytest.mark.parametrize(("beta", "deep", "two", "one", "five"), [
    (CRITICAL, 0.012552, 0.012728, 0.016390, 0.001290),
    (0.3, 0.001810, 0.001817, 0.002083, 0.000091),
    (0.7, 0.034269, 0.035334, 0.053022, 0.005135),
])  # fmt: skip
def test_what_a_blind_spot_costs(beta, deep, two, one, five):
    """The Ising model on 4 x 4: the numbers of two programs; and the row before suffices, since the model is Markov."""
    p = Ising(4, beta).table
    for sizes, floor in (([3] * 6, deep), ([3, 3], two), ([3], one), ([5], five)):
        contexts = [row.nonzero().flatten().tolist() for row in plain_context(4, 4, sizes)]
        assert kl_floor(p, contexts).item() == pytest.approx(floor, abs=1e-6)
    assert kl_floor(p, [list(range(max(0, i - 4), i)) for i in range(16)]).item() == pytest.approx(0, abs=1e-9)


P = torch.full((2, 2), 0.25)
CASES = {
    "p must be non-negative and sum to one": lambda: kl_floor(2 * P, [[], []]),
    "p must be non-negative and sum to one ": lambda: kl_floor(P + torch.tensor([-0.5, 0.5]), [[], []]),
    "p holds 1 NaN": lambda: kl_floor(torch.tensor([math.nan, 1.0]), [[]]),
    "contexts must hold one for each of the 2 variables, got 1": lambda: kl_floor(P, [[]]),
    "the context of variable 0 must hold variables before it, got [1]": lambda: kl_floor(P, [[1], []]),
    "the context of variable 1 must hold variables before it, got [1]": lambda: kl_floor(P, [[], [1]]),
    "the context of variable 1 must hold variables before it, got [-1]": lambda: kl_floor(P, [[], [-1]]),
    "keep must hold axes of p, from 0 to 1, got [0, 2]": lambda: entropy(P, [0, 2]),
    "x must be a floating-point tensor": lambda: dependence(Logistic(2), torch.zeros(2, dtype=torch.long)),
    "x must have shape (D,) or (C, H, W), got (1, 2, 4, 4)": lambda: dependence(PlainNet(2, 3), torch.zeros(1, 2, 4, 4)),
    "H must be a whole number of at least 1, got 0": lambda: plain_context(0, 3, [3]),
    "W must be a whole number of at least 1, got -1": lambda: gated_context(2, -1, [3]),
    "sizes must hold odd numbers, got [3, 2]": lambda: plain_context(3, 3, [3, 2]),
    "sizes must hold odd numbers, got []": lambda: plain_context(3, 3, []),
    "sizes must hold odd numbers, got [4]": lambda: gated_context(3, 3, [4]),
    "each of sizes must be a whole number of at least 1, got 0": lambda: gated_context(3, 3, [0]),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
