"""What the notebook on PixelCNN adds: paths through masks, the blind spot's size, two stacks, prices, classes, colours and two scales."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import sympy
import torch
from scipy.special import expit, logsumexp

from gmlib.autoregressive import (
    Categorical,
    GatedLayer,
    GatedNet,
    LogisticMixture,
    MaskedConv2d,
    Multiscale,
    PixelModel,
    PlainNet,
    binned_logistic,
    dependence,
    gate,
    gated_context,
    kernel_mask,
    kl_floor,
    logistic_mixture,
    plain_context,
)
from gmlib.targets import Ising
from tests.autoregressive.conftest import F64, all_images, shaken

CRITICAL = 0.5 * math.log1p(2**0.5)


def close(a, b, atol=1e-9):
    torch.testing.assert_close(torch.as_tensor(a, dtype=F64), torch.as_tensor(b, dtype=F64), rtol=0, atol=atol)


def places(N):
    return [(r, c) for r in range(N) for c in range(N)]


def offsets(size, kind):
    """Where a masked kernel looks, from the words: the rows above, the own row to the left, with B the place itself."""
    h = size // 2
    around = itertools.product(range(-h, h + 1), repeat=2)
    return {(a, b) for a, b in around if a < 0 or (a == 0 and (b < 0 or (b == 0 and kind == "B")))}


def walked(N, place, layers):
    """The pixels that paths from the output reach, layer by layer, inside the image."""
    seen = {place}
    for allowed in reversed(layers):
        seen = {(r + a, c + b) for r, c in seen for a, b in allowed if 0 <= r + a < N and 0 <= c + b < N}
    return seen


def as_sets(table, N):
    return {place: {places(N)[j] for j in row.nonzero().flatten().tolist()} for place, row in zip(places(N), table, strict=True)}


@pytest.mark.equation("eq-autoregressive-masks")
@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_masks_by_their_words(size, generator):
    h = size // 2
    for kind, count in (("A", (size**2 - 1) // 2), ("B", (size**2 + 1) // 2)):
        ones = {(a - h, b - h) for a, b in kernel_mask(size, size, kind).nonzero().tolist()}
        assert ones == offsets(size, kind) and len(ones) == count
        conv = MaskedConv2d(2, 3, size, kind).to(F64).requires_grad_(False)
        x = torch.randn(2, 5, 4, generator=generator, dtype=F64)
        for r, c in itertools.product(range(5), range(4)):
            by_hand = conv.bias.clone()
            for a, b in ones:
                if 0 <= r + a < 5 and 0 <= c + b < 4:
                    by_hand += conv.weight[:, :, h + a, h + b] @ x[:, r + a, c + b]
            close(conv(x[None])[0, :, r, c], by_hand)


@pytest.mark.equation("eq-autoregressive-masks")
def test_first_b_leaks_and_a_twice_loses_two_neighbours(generator):
    x = torch.randn(2, 7, 7, generator=generator, dtype=F64)

    def seen(kinds):
        first, second = (MaskedConv2d(i, 6, 3, kind).to(F64) for i, kind in zip((2, 6), kinds, strict=True))
        return as_sets(dependence(lambda v: second(first(v).tanh()), x) > 0, 7)[3, 3]

    right, leaky, blind = seen("AB"), seen("BB"), seen("AA")
    assert leaky == right | {(3, 3)}
    assert right - blind == {(3, 2), (2, 4)}


@pytest.mark.equation("eq-autoregressive-reach")
@pytest.mark.parametrize(("N", "size", "layers"), [(8, 3, 1), (8, 3, 3), (6, 3, 7), (7, 5, 1), (8, 5, 2), (9, 7, 2)])
def test_reach_by_walking(N, size, layers, generator):
    h = size // 2
    kinds = [offsets(size, "A")] + [offsets(size, "B")] * (layers - 1)
    library = as_sets(plain_context(N, N, [size] * layers), N)
    for r, c in places(N):
        formula = set()
        for a, b in places(N):
            d, j = r - a, b - c
            if (d == 0 and -h * layers <= j <= -1) or (1 <= d <= h * layers and -h * layers <= j <= h * min(d, layers)):
                formula.add((a, b))
        assert walked(N, (r, c), kinds) == formula == library[r, c]


@pytest.mark.equation("eq-autoregressive-blind")
def test_size_of_the_blind_spot():
    for N, h in itertools.product(range(2, 9), (1, 2, 3)):
        layers = -(-(N - 1) // h)
        lost = N**2 * (N**2 - 1) // 2 - plain_context(N, N, [2 * h + 1] * layers).sum().item()
        assert lost == sum((N - d) * sum(range(1, N - h * d)) for d in range(1, N))
        deeper = plain_context(N, N, [2 * h + 1] * (layers + 3)).sum().item()
        assert lost == N**2 * (N**2 - 1) // 2 - deeper
    assert 2016 - plain_context(8, 8, [3] * 7).sum() == 322
    m, N = sympy.symbols("m N", positive=True)
    total = sympy.summation((m**3 - m**2) / 2, (m, 1, N - 1))
    assert sympy.simplify(total - N * (N - 1) * (N - 2) * (3 * N - 1) / 24) == 0
    assert sympy.limit(total / (N**2 * (N**2 - 1) / 2), N, sympy.oo) == sympy.Rational(1, 4)


@pytest.mark.equation("eq-autoregressive-stacks", "eq-autoregressive-gate")
@pytest.mark.parametrize(("size", "kind"), [(3, "A"), (3, "B"), (5, "A"), (5, "B")])
def test_a_gated_layer_by_loops(size, kind, generator):
    h = size // 2
    layer = shaken(lambda: GatedLayer(4, 4, size, kind))
    v, row = torch.randn(2, 4, 4, 5, generator=generator, dtype=F64)
    out_v, out_h = layer(v[None], row[None])

    def at(x, r, c):
        return x[:, r, c] if 0 <= r < 4 and 0 <= c < 5 else torch.zeros(4, dtype=F64)

    def u(r, c):
        if r < 0:
            return torch.zeros(8, dtype=F64)
        terms = (layer.down.weight[:, :, a + h, b + h] @ at(v, r + a, c + b) for a in range(-h, 1) for b in range(-h, h + 1))
        return layer.down.bias + sum(terms)

    def phi(a):
        return a[:4].tanh() / (1 + (-a[4:]).exp())

    for r, c in itertools.product(range(4), range(5)):
        left = [b for b in range(-h, 1) if b < 0 or kind == "B"]
        a = layer.right.bias + sum(layer.right.weight[:, :, 0, b + h] @ at(row, r, c + b) for b in left)
        a = a + layer.across.weight[:, :, 0, 0] @ u(r - 1, c) + layer.across.bias
        by_hand = layer.out.weight[:, :, 0, 0] @ phi(a) + layer.out.bias
        close(out_h[0, :, r, c], by_hand + (row[:, r, c] if kind == "B" else 0))
        close(out_v[0, :, r, c], phi(u(r, c)))


@pytest.mark.equation("eq-autoregressive-gated-reach", "eq-autoregressive-stacks")
@pytest.mark.parametrize("sizes", [(3,), (5, 3), (3, 5), (3, 3, 3), (7, 3, 3)])
def test_two_stacks_by_walking(sizes, generator):
    """Sets of pixels, layer by layer as the formula of the stacks has them; the library's; and the Jacobian."""
    N = 6
    v = {place: {place} for place in places(N)}
    h = dict(v)
    for number, size in enumerate(sizes):
        k = size // 2
        below = {
            (r, c): set().union(*(v.get((r + a, c + b), set()) for a in range(-k, 1) for b in range(-k, k + 1)))
            for r, c in places(N)
        }  # fmt: skip
        h = {
            (r, c): set().union(*(h.get((r, c + b), set()) for b in range(-k, 0 if number == 0 else 1)), below.get((r - 1, c), set()))
            for r, c in places(N)
        }  # fmt: skip
        v = below
    R = sum(size // 2 for size in sizes)
    for r, c in places(N):
        above = {(a, b) for a, b in places(N) if 1 <= r - a <= R + 1 and abs(c - b) <= R}
        assert h[r, c] == above | {(r, b) for b in range(max(c - R, 0), c)}
    assert as_sets(gated_context(N, N, sizes), N) == h
    assert all(len(h[place]) == i for i, place in enumerate(places(N))) == (R >= N - 1)
    net = shaken(lambda: GatedNet(2, 3, 6, sizes), 0.2)

    def run(x):
        a = b = x
        for layer in net.layers:
            a, b = layer(a, b)
        return b

    assert as_sets(dependence(run, torch.randn(2, N, N, generator=generator, dtype=F64)) > 0, N) == h


@pytest.mark.equation("eq-autoregressive-gate", "eq-autoregressive-product")
def test_gate_by_sympy(generator):
    a, b, e = sympy.symbols("a b e")
    phi = sympy.tanh(a) / (1 + sympy.exp(-b))
    values = torch.randn(6, 2, generator=generator, dtype=F64)
    sigmoid = 1 / (1 + sympy.exp(-b))
    by_a, by_b = (1 - sympy.tanh(a) ** 2) * sigmoid, sympy.tanh(a) * sigmoid * (1 - sigmoid)
    for one, other in values.tolist():
        at = {a: one, b: other}
        close(gate(torch.tensor([[[[one]], [[other]]]], dtype=F64)).item(), float(phi.subs(at)))
        close(float(sympy.diff(phi, a).subs(at)), float(by_a.subs(at)))
        close(float(sympy.diff(phi, b).subs(at)), float(by_b.subs(at)))
    near = sympy.series(phi.subs({a: e * a, b: e * b}), e, 0, 3).removeO()
    assert sympy.simplify(near - (e * a / 2 + e**2 * a * b / 4)) == 0


@pytest.mark.equation("eq-autoregressive-floor")
def test_divergence_is_floor_and_conditionals(generator):
    """In NumPy, for contexts at random and conditionals at random; and the last N pixels are all that counts."""
    p = Ising(3, 0.47).table.numpy()
    rng = np.random.default_rng(0)
    contexts = [sorted(j for j in range(i) if rng.random() < 0.5) for i in range(9)]
    log_q, floor, excess = np.zeros_like(p), (p * np.log(p)).sum(), 0.0
    for i, C in enumerate(contexts):
        joint = p.sum(tuple(set(range(9)) - {i, *C}), keepdims=True)
        true = joint / joint.sum(i, keepdims=True)
        one = rng.uniform(0.2, 0.8, [1 if j == i or j not in C else 2 for j in range(9)])
        q = np.concatenate([1 - one, one], i)
        log_q = log_q + np.log(q)
        floor -= (joint * np.log(true)).sum()
        excess += (joint * np.log(true / q)).sum()
    close(kl_floor(torch.tensor(p), contexts), floor)
    close((p * (np.log(p) - log_q)).sum(), floor + excess)
    assert floor > 0.01 and excess > 0.1
    for beta in (0.3, CRITICAL, 0.7):
        close(kl_floor(Ising(3, beta).table, [range(max(i - 3, 0), i) for i in range(9)]), 0)
        assert kl_floor(Ising(3, beta).table, [range(max(i - 2, 0), i) for i in range(9)]) > 1e-3


@pytest.mark.equation("eq-autoregressive-floor")
@pytest.mark.parametrize(
    ("sizes", "critical", "cold"),
    [([3] * 6, 0.012552, 0.034269), ([3, 3], 0.012728, 0.035334), ([3], 0.016390, 0.053022), ([5], 0.001290, 0.005135)],
)
def test_floors_of_four_contexts(sizes, critical, cold):
    contexts = [row.nonzero().flatten().tolist() for row in plain_context(4, 4, sizes)]
    close(kl_floor(Ising(4, CRITICAL).table, contexts), critical, atol=1e-6)
    close(kl_floor(Ising(4, 0.7).table, contexts), cold, atol=1e-6)


@pytest.mark.equation("eq-autoregressive-shared")
@pytest.mark.parametrize(("black", "critical", "cold"), [(-1, 0.023411, 0.086759), (0, 0.471527, 0.989028)])
def test_price_of_shared_weights_by_dictionaries(black, critical, cold):
    """One table for all positions, counted image by image on 3 x 3; no other table does better; and the values on 4 x 4."""

    def patches(world, N):
        image = np.pad(np.where(world.states.numpy().reshape(-1, N, N) == 1, 1, black), ((0, 0), (1, 1), (1, 1)))
        return np.stack([image[:, r + a, c + b] for a, b in ((0, 0), (0, 1), (0, 2), (1, 0)) for r, c in places(N)], 1).reshape(
            len(image), 4, N * N
        )

    def floor(world, N):
        p, x, seen = world.log_p.exp().numpy(), world.states.numpy().astype(int), patches(world, N)
        code = ((seen + 1) * np.array([1, 3, 9, 27])[:, None]).sum(1)
        counts = np.zeros((81, 2))
        np.add.at(counts, (code, x), p[:, None])
        law = counts / np.maximum(counts.sum(1, keepdims=True), 1e-300)
        log_q = np.log(law[code, x]).sum(1)
        return (p * (np.log(p) - log_q)).sum(), law, code

    world = Ising(3, 0.53)
    least, law, code = floor(world, 3)
    p, x = world.log_p.exp().numpy(), world.states.numpy().astype(int)
    for seed in range(5):
        moved = np.clip(law[:, 1] + 0.05 * np.random.default_rng(seed).standard_normal(81), 1e-3, 1 - 1e-3)
        other = np.stack([1 - moved, moved], 1)
        assert (p * (np.log(p) - np.log(other[code, x]).sum(1))).sum() > least
    assert least > kl_floor(world.table, [row.nonzero().flatten().tolist() for row in plain_context(3, 3, [3])])
    close(floor(Ising(4, CRITICAL), 4)[0], critical, atol=1e-6)
    close(floor(Ising(4, 0.7), 4)[0], cold, atol=1e-6)


@pytest.mark.equation("eq-autoregressive-class", "eq-autoregressive-told")
def test_classes_are_a_mixture_and_a_classifier():
    model = shaken(lambda: PixelModel(GatedNet(2, 2, 4, (3, 3), classes=4), (1, 2, 3), Categorical(2)), 0.8)
    x, prior = all_images(2, 6), np.array([0.4, 0.3, 0.2, 0.1])
    given = np.stack([model.log_prob(x, torch.full((64,), y)).numpy() for y in range(4)])
    close(np.exp(given).sum(1), np.ones(4))
    joint = given + np.log(prior)[:, None]
    log_p = logsumexp(joint, 0)
    close(np.exp(log_p).sum(), 1)
    assert (-log_p[None] <= -given + np.log(1 / prior)[:, None]).all()
    posterior = np.exp(joint - log_p)
    close(posterior.sum(0), np.ones(64))
    gain = (np.exp(joint) * (given - log_p)).sum()
    assert 0.05 < gain < -(prior * np.log(prior)).sum()
    first, second = model.net.layers[0], model.net.layers[0].condition.classes.weight
    inside = model.inputs(x[:5].reshape(-1, 1, 2, 3))
    told = first(inside, inside, torch.full((5,), 2))
    first.down.bias += second[2]  # the same vector at every pixel, before both gates
    first.right.bias += second[2]
    untold = first.across.bias.clone()
    first.across.bias -= first.across.weight[:, :, 0, 0] @ second[2]  # what goes across has not been told
    second.zero_()
    again = first(inside, inside, torch.full((5,), 2))
    first.across.bias.copy_(untold)
    for one, other in zip(told, again, strict=True):
        close(one[..., 1:, :], other[..., 1:, :])


@pytest.mark.equation("eq-autoregressive-logistic", "eq-autoregressive-stable")
@pytest.mark.parametrize(("mu", "s", "levels"), [(0.37, 0.21, 17), (-1.4, 0.08, 9), (0.21, 0.004, 17), (0.9, 2.3, 2)])
def test_bins_by_mpmath(mu, s, levels):
    with mpmath.workdps(300):
        delta, total = mpmath.mpf(1) / (levels - 1), 0
        for x in range(levels):
            a, b = ((2 * delta * x - 1 + sign * delta - mpmath.mpf(mu)) / mpmath.mpf(s) for sign in (1, -1))
            upper = 1 if x == levels - 1 else 1 / (1 + mpmath.exp(-a))
            lower = 0 if x == 0 else 1 / (1 + mpmath.exp(-b))
            total += upper - lower
            true = float(mpmath.log(upper - lower))
            ours = binned_logistic(*(torch.tensor(t, dtype=F64) for t in (float(x), mu, math.log(s))), levels).item()
            assert abs(ours - true) <= 1e-9 * max(1, abs(true))
            if 0 < x < levels - 1:
                stable = mpmath.log(1 / (1 + mpmath.exp(-a))) + mpmath.log(1 / (1 + mpmath.exp(b))) + mpmath.log(1 - mpmath.exp(b - a))
                assert abs(stable - mpmath.log(upper - lower)) < mpmath.mpf(10) ** -100
        assert abs(total - 1) < mpmath.mpf(10) ** -100


@pytest.mark.equation("eq-autoregressive-mixture", "eq-autoregressive-logistic")
def test_mixture_values_and_what_the_edges_hold():
    pi, mu, s = np.array([0.3, 0.7]), np.array([-0.9, 0.55]), np.array([0.25, 0.4])
    tensors = [torch.tensor(t) for t in (pi, mu, s)]
    log_p = logistic_mixture(torch.arange(17, dtype=F64), *tensors, 17)
    close(log_p[[0, 5, 16]], [-1.862051, -3.423092, -1.646188], atol=5e-7)
    close(log_p.exp().sum(), 1)
    edges = (np.arange(18) - 0.5) / 8 - 1
    F_edges = (pi * expit((edges[:, None] - mu) / s)).sum(1)
    close(np.diff(F_edges).sum(), 0.732640, atol=5e-7)
    close(log_p.exp()[1:-1], np.diff(F_edges)[1:-1])
    close(log_p.exp()[[0, 16]], [F_edges[1], 1 - F_edges[16]])


@pytest.mark.equation("eq-autoregressive-rgb", "eq-autoregressive-mixture")
def test_colours_by_sums_over_all(generator):
    """In NumPy from the outputs' places; sums; the order by what the first channel's law moves with; a draw follows the law."""
    levels, K = 4, 3
    head = LogisticMixture(levels, K, 3)
    out = torch.randn(1, head.outputs, generator=generator, dtype=F64)
    flat = out[0].numpy()
    pi = np.exp(flat[:K]) / np.exp(flat[:K]).sum()
    mu, s = flat[K : 4 * K].reshape(K, 3), np.exp(flat[4 * K : 7 * K].reshape(K, 3))
    gr, br, bg = np.tanh(flat[7 * K :].reshape(K, 3)).T

    def P(x, mean, scale):
        up = 1 if x == levels - 1 else expit(((2 * x + 1) / (levels - 1) - 1 - mean) / scale)
        return up - (0 if x == 0 else expit(((2 * x - 1) / (levels - 1) - 1 - mean) / scale))

    def law(order=(0, 1, 2)):
        p = np.zeros([levels] * 3)
        for x in itertools.product(range(levels), repeat=3):
            first, second, third = (x[c] for c in order)
            m1, m2 = 2 * first / (levels - 1) - 1, 2 * second / (levels - 1) - 1
            for k in range(K):
                means = mu[k] + np.array([0, gr[k] * m1, br[k] * m1 + bg[k] * m2])
                p[x] += pi[k] * math.prod(P(v, mean, t) for v, mean, t in zip((first, second, third), means, s[k], strict=True))
        return p

    pixel = all_images(levels, 3)
    ours = head.log_prob(out[:, :, None].expand(-1, -1, len(pixel)), pixel.T[None])[0].exp()
    close(ours, law().ravel())
    close(law().sum(), 1)
    close(law((2, 1, 0)).sum(), 1)
    assert np.abs(law((2, 1, 0)) - law()).max() > 1e-3
    red = law().sum((1, 2))
    close(red, sum(pi[k] * np.array([P(x, mu[k, 0], s[k, 0]) for x in range(levels)]) for k in range(K)))
    drawn = head.sample(out.expand(40_000, -1), generator)
    seen = torch.stack([(drawn[:, 0] == x).double().mean() for x in range(levels)])
    assert (seen - torch.tensor(red)).abs().max() < 6 * 0.5 / 200


@pytest.mark.equation("eq-autoregressive-multiscale", "eq-autoregressive-means")
def test_two_scales_count_each_pixel_once():
    """All 81 images of 2 x 2 pixels with 3 levels: the right sum, its factors as conditionals of the table, and three wrong sums."""
    small = shaken(lambda: PixelModel(PlainNet(2, 3, 4, 0, first=3), (1, 1, 1), Categorical(3)))
    large = shaken(lambda: PixelModel(GatedNet(2, 3, 4, (3, 3), planes=2), (1, 2, 2), Categorical(3)))
    both, x = Multiscale(small, large), all_images(3, 4)
    p = both.log_prob(x).exp()
    close(p.sum(), 1)
    of_small = small.log_prob(all_images(3, 1)).exp()
    close(p.reshape(3, 27).sum(1), of_small)  # the first pixel's law is the small model's
    others = large.pixel_log_prob(x, both.known(x[:, :1].reshape(-1, 1, 1, 1))).flatten(1)
    table = p.reshape(3, 3, 3, 3)
    conditional = table.sum((2, 3)) / table.sum((1, 2, 3))[:, None]  # the second given the first
    close(others[:, 1].exp().reshape(3, 3, 9)[..., 0], conditional)
    close((others[:, 1:].sum(1)).exp().sum(), 3)
    assert (of_small.repeat_interleave(27) * others.sum(1).exp()).sum() < 0.95
    of_sums = shaken(lambda: PixelModel(PlainNet(2, 9, 4, 0, first=3), (1, 1, 1), Categorical(9)))  # 0 to 8, four pixels

    def told(m):
        y = torch.zeros(len(m), 2, 2, 2, dtype=F64)
        y[..., :1, :1] = of_sums.inputs(m.reshape(-1, 1, 1, 1))
        return y

    m = x.sum(1, keepdim=True)
    total = (of_sums.log_prob(m) + large.log_prob(x, told(m))).exp().sum()
    obeyed = sum(
        of_sums.log_prob(torch.tensor([float(v)], dtype=F64)).exp()
        * large.log_prob(x, told(torch.full((81, 1), float(v), dtype=F64))).exp()[m[:, 0] == v].sum()
        for v in range(9)
    )
    close(total, obeyed)
    assert total < 0.9


@pytest.mark.equation("eq-autoregressive-gated-reach")
def test_short_cuts_see_no_more(generator):
    views = []
    for short_cuts in (False, True):
        net = shaken(lambda s=short_cuts: GatedNet(2, 3, 16, (3,) * 5, short_cuts=s), 0.1)
        views.append(sum(dependence(net, torch.randn(2, 4, 5, generator=generator, dtype=F64)) for _ in range(4)) > 0)
    assert torch.equal(*views) and torch.equal(views[0], gated_context(4, 5, (3,) * 5))
