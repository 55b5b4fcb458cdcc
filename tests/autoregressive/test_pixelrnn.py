"""What the notebook on PixelRNN adds: contexts and their price, the gradient of a memory, which pixels are seen, and in how many rounds."""

import itertools
import math
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import log_softmax
from torch import nn
from torch.autograd.functional import jacobian

from gmlib.autoregressive import (
    Categorical,
    DiagonalBiLSTM,
    DiagonalLSTM,
    PixelModel,
    RecurrentNet,
    RowLSTM,
    dependence,
    kl_floor,
    lstm_step,
    skew,
    unskew,
)
from gmlib.metrics import bits_per_dim
from gmlib.targets import Ising
from tests.autoregressive.conftest import F64, all_images, assert_law, shaken

SIZES = [(3, 5), (5, 3), (4, 4), (1, 6), (6, 1)]


def close(a, b, atol=1e-9):
    torch.testing.assert_close(torch.as_tensor(a, dtype=F64), torch.as_tensor(b, dtype=F64), rtol=0, atol=atol)


def places(H, W):
    return [(r, c) for r in range(H) for c in range(W)]


def context(r, c, H, W):
    """All pixels before (r, c)."""
    return {(a, b) for a, b in places(H, W) if a < r or (a == r and b < c)}


def rectangle(r, c, H, W):
    return {(a, b) for a, b in places(H, W) if a <= r and b <= c} - {(r, c)}


@pytest.fixture(scope="module")
def model():
    """Binary images of 2 x 3 pixels, far from uniform."""
    return shaken(lambda: PixelModel(RecurrentNet(2, 2, "diagonal", 5, first=3), (1, 2, 3), Categorical(2)), 0.9)


@pytest.mark.equation("eq-autoregressive-image", "eq-autoregressive-categorical", "eq-autoregressive-bits")
def test_probability_and_bits_by_scipy():
    tiny = shaken(lambda: PixelModel(RecurrentNet(2, 4, "row", 5, first=3), (1, 2, 2), Categorical(4)))
    x = all_images(4, 4)
    a = tiny.net(tiny.inputs(x.reshape(-1, 1, 2, 2))).numpy()
    by_hand = np.zeros(len(x))
    for n, image in enumerate(x.int().tolist()):
        for i, level in enumerate(image):
            by_hand[n] += log_softmax(a[n, :, i // 2, i % 2])[level]
    close(tiny.log_prob(x), by_hand)
    close(np.exp(by_hand).sum(), 1)
    assert np.exp(by_hand).max() > 4 / 256
    close(bits_per_dim(tiny.log_prob(x), 4), -by_hand / np.log(2) / 4)
    close(bits_per_dim(torch.tensor([-371.3, -402.9], dtype=F64), 5 * 7 * 3), [5.101644, 5.535827], atol=5e-7)


@pytest.mark.equation("eq-autoregressive-before", "eq-autoregressive-union")
@pytest.mark.parametrize(("H", "W"), SIZES)
def test_contexts_as_sets(H, W):
    """Two rectangles make the whole context; it has r W + c pixels, those before in the list of all."""
    for i, (r, c) in enumerate(places(H, W)):
        assert context(r, c, H, W) == set(places(H, W)[:i]) and i == r * W + c
        right = {(a, b) for a, b in places(H, W) if a <= r - 1 and b >= c}
        assert rectangle(r, c, H, W) | right == context(r, c, H, W)


@pytest.mark.equation("eq-autoregressive-rectangle")
@pytest.mark.parametrize("beta", [0.3, 0.7])
def test_price_of_the_rectangle(beta):
    """The divergence from the product of the true conditionals given the rectangle, and the mutual informations, in NumPy."""
    world = Ising(3, beta)
    p, axes = world.table.numpy(), set(range(9))
    log_q, information = np.zeros_like(p), 0.0
    for i, (r, c) in enumerate(places(3, 3)):
        seen = {3 * a + b for a, b in rectangle(r, c, 3, 3)}
        before = set(range(i))

        def marginal(keep):
            return p.sum(tuple(axes - keep), keepdims=True)

        log_q = log_q + np.log(marginal(seen | {i}) / marginal(seen))
        joint = marginal(before | {i})
        ratio = joint * marginal(seen) / (marginal(seen | {i}) * marginal(before))
        information += (joint * np.log(ratio)).sum()
    floor = kl_floor(world.table, [[3 * a + b for a, b in rectangle(r, c, 3, 3)] for r, c in places(3, 3)])
    close(floor, (p * (np.log(p) - log_q)).sum())
    close(floor, information)


@pytest.mark.equation("eq-autoregressive-rectangle")
@pytest.mark.parametrize(("beta", "value"), [(0.5 * math.log1p(2**0.5), 0.122288), (0.3, 0.033124), (0.7, 0.222116)])
def test_price_at_four_by_four(beta, value):
    contexts = [[4 * a + b for a, b in rectangle(r, c, 4, 4)] for r, c in places(4, 4)]
    close(kl_floor(Ising(4, beta).table, contexts), value, atol=1e-6)


@pytest.mark.equation("eq-autoregressive-lstm", "eq-autoregressive-memory", "eq-autoregressive-forget")
def test_the_memory_and_its_derivatives(generator):
    """The step against PyTorch's cell; the derivative of one step, and of six with their gates fixed, by autograd."""
    n, T = 4, 6
    theirs = nn.LSTMCell(3, n).to(F64).requires_grad_(False)
    i, f, g, o = range(4)  # in the order of PyTorch
    W, U, b = (torch.cat([t.chunk(4)[k] for k in (o, f, i, g)]) for t in (theirs.weight_ih, theirs.weight_hh, theirs.bias_ih))
    b = b + torch.cat([theirs.bias_hh.chunk(4)[k] for k in (o, f, i, g)])
    h, c = torch.randn(2, n, generator=generator, dtype=F64)
    o_last = h / c.tanh()
    forgotten, gates = torch.ones(n, dtype=F64), []
    first = c
    for x in torch.randn(T, 3, generator=generator, dtype=F64):
        a = W @ x + U @ h + b
        new_h, new_c = theirs(x[None], (h[None], c[None]))
        for ours, other in zip(lstm_step(a[None], c[None]), (new_h, new_c), strict=True):
            close(ours, other)
        a_o, a_f, a_i, a_g = a.chunk(4)
        f_t, i_t, g_t = a_f.sigmoid(), a_i.sigmoid(), a_g.tanh()
        _, U_f, U_i, U_g = U.chunk(4)
        by_hand = f_t.diag() + (
            (c * f_t * (1 - f_t))[:, None] * U_f + (g_t * i_t * (1 - i_t))[:, None] * U_i + (i_t * (1 - g_t**2))[:, None] * U_g
        ) * (o_last * (1 - c.tanh() ** 2))
        by_autograd = jacobian(lambda v: theirs(x[None], ((o_last * v.tanh())[None], v[None]))[1][0], c)
        close(by_hand, by_autograd)
        forgotten, o_last = forgotten * f_t, a_o.sigmoid()
        gates.append(a)
        h, c = new_h[0], new_c[0]

    def last(v):
        for a in gates:
            v = lstm_step(a[None], v[None])[1][0]
        return v

    close(last(first), c)
    close(jacobian(last, first), forgotten.diag())


@pytest.mark.equation("eq-autoregressive-row")
@pytest.mark.parametrize("size", [1, 3, 5])
def test_row_lstm_by_recursion(size, generator):
    layer, R = shaken(lambda: RowLSTM(3, size)), size // 2
    v = torch.randn(3, 4, 5, generator=generator, dtype=F64)
    W, U = layer.from_input.weight[:, :, 0], layer.from_state.weight

    @cache
    def state(r, c):
        if r < 0 or not 0 <= c < 5:
            return torch.zeros(3, dtype=F64), torch.zeros(3, dtype=F64)
        a = layer.from_input.bias + sum(W[:, :, R - j] @ v[:, r, c - j] for j in range(R + 1) if c >= j)
        a = a + sum(U[:, :, R + j] @ state(r - 1, c + j)[0] for j in range(-R, R + 1))
        o, f, i, g = a.chunk(4)
        cell = f.sigmoid() * state(r - 1, c)[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell

    by_hand = torch.stack([state(r, c)[0] for r, c in places(4, 5)], 1).reshape(3, 4, 5)
    close(layer(v[None])[0], by_hand)


def reached(H, W, size, first, layers):
    """Which pixels a search along the Row LSTM's connections finds, from each pixel: no formula."""
    R, R_0 = size // 2, first // 2

    def inside(r, c):
        return 0 <= r < H and 0 <= c < W

    @cache
    def output(level, r, c):  # of the residual stack, level 0 being the first layer
        if level == 0:
            return {
                (r - a, c + b) for a in range(R_0 + 1) for b in range(-R_0, R_0 + 1)
                if (a > 0 or b < 0) and inside(r - a, c + b)
            }  # fmt: skip
        return output(level - 1, r, c) | state(level, r, c)

    @cache
    def state(level, r, c):
        found = set()
        for j in range(R + 1):
            if inside(r, c - j):
                found |= output(level - 1, r, c - j)
        for j in range(-R, R + 1):
            if inside(r - 1, c + j):
                found |= state(level, r - 1, c + j)
        return found

    return {place: output(layers, *place) for place in places(H, W)}


@pytest.mark.equation("eq-autoregressive-triangle", "eq-autoregressive-unseen")
@pytest.mark.parametrize(
    ("N", "size", "first", "layers"), [(8, 3, 5, 1), (8, 3, 5, 4), (7, 5, 3, 2), (6, 1, 3, 3), (9, 3, 3, 2), (5, 3, 7, 1)]
)
def test_triangle_by_search(N, size, first, layers):
    R, R_0 = size // 2, first // 2

    def T(n):
        return sum(range(1, n + 1))

    lost = 0
    for (r, c), seen in reached(N, N, size, first, layers).items():
        formula = set()
        for a, b in context(r, c, N, N):
            d, j = r - a, b - c
            low = -(layers * R + R_0) if d == 0 else -((d + layers) * R + R_0)
            high = -1 if d == 0 else (d - 1) * R + R_0
            if low <= j <= high:
                formula.add((a, b))
        assert seen == formula
        lost += r * N + c - len(seen)
    right = sum((N - d) * T(N - 1 - (d - 1) * R - R_0) for d in range(1, N))
    left = sum((N - d) * T(N - 1 - (d + layers) * R - R_0) for d in range(N))
    assert lost == right + left
    if (N, size, first) == (8, 3, 5):
        assert (lost, right) == ({1: 355, 4: 218}[layers], 210)


@pytest.mark.equation("eq-autoregressive-triangle")
@pytest.mark.parametrize("layers", [1, 2])
def test_triangle_by_the_jacobian(layers, generator):
    net = shaken(lambda: RecurrentNet(2, 3, "row", 16, layers), 0.2)
    seen = dependence(net, torch.randn(2, 8, 8, generator=generator, dtype=F64)) > 0
    expected = torch.zeros(64, 64, dtype=torch.bool)
    for (r, c), found in reached(8, 8, 3, 5, layers).items():
        for a, b in found:
            expected[8 * r + c, 8 * a + b] = True
    assert torch.equal(seen, expected)


@pytest.mark.equation("eq-autoregressive-diagonal", "eq-autoregressive-steps")
@pytest.mark.parametrize(("H", "W"), SIZES)
def test_diagonal_lstm_by_recursion(H, W, generator, monkeypatch):
    layer = shaken(lambda: DiagonalLSTM(3, 2))
    v = torch.randn(3, H, W, generator=generator, dtype=F64)
    W_in, b = layer.from_input.weight[:, :, 0, 0], layer.from_input.bias
    U_up, U_left = layer.from_state.weight.unbind(2)
    depth = {}

    @cache
    def state(r, c):
        if r < 0 or c < 0:
            return torch.zeros(2, dtype=F64), torch.zeros(2, dtype=F64)
        a = W_in @ v[:, r, c] + b + U_left @ state(r, c - 1)[0] + U_up @ state(r - 1, c)[0]
        depth[r, c] = 1 + max(depth.get((r, c - 1), 0), depth.get((r - 1, c), 0))
        o, f, i, g = a.chunk(4)
        cell = f.sigmoid() * state(r, c - 1)[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell

    by_hand = torch.stack([state(r, c)[0] for r, c in places(H, W)], 1).reshape(2, H, W)
    calls = []

    def counted(*arguments):
        calls.append(1)
        return lstm_step(*arguments)

    monkeypatch.setattr("gmlib.autoregressive.recurrent.lstm_step", counted)
    close(layer(v[None])[0], by_hand)
    assert len(calls) == max(depth.values()) == H + W - 1  # no fewer: the longest chain of states


@pytest.mark.equation("eq-autoregressive-skew", "eq-autoregressive-reshape")
@pytest.mark.parametrize(("H", "W"), SIZES)
def test_skew_by_numpy(H, W, generator):
    v = torch.randn(2, H, W, generator=generator, dtype=F64)
    by_numpy = np.stack([[np.roll(np.pad(row, (0, H - 1)), r) for r, row in enumerate(image)] for image in v.numpy()])
    close(skew(v), by_numpy)
    close(unskew(skew(v)), v, atol=0)
    flat = np.pad(v[0].numpy(), ((0, 0), (0, H))).ravel()
    for r, c in places(H, W):
        assert divmod(r * (W + H) + c, W + H - 1) == (r, c + r)
        assert flat[r * (W + H - 1) + (c + r)] == v[0, r, c]
    outside = torch.randn(2, H, W + H - 1, generator=generator, dtype=F64)
    inside = skew(torch.ones(H, W, dtype=F64))
    close(skew(unskew(outside)), outside * inside, atol=0)


@pytest.mark.equation("eq-autoregressive-combine")
def test_both_directions_row_by_row(generator):
    layer = shaken(lambda: DiagonalBiLSTM(4, 2))
    h, x = (torch.randn(2, n, 3, 5, generator=generator, dtype=F64) for n in (4, 2))
    left, right = layer.left(h), layer.right(x.flip(-1)).flip(-1)
    out = layer(h, x)
    close(out[:, :, 0], left[:, :, 0])
    for r in (1, 2):
        close(out[:, :, r], left[:, :, r] + right[:, :, r - 1])


@pytest.mark.equation("eq-autoregressive-last", "eq-autoregressive-union")
@pytest.mark.parametrize(("H", "W", "first", "layers"), [(8, 8, 5, 1), (8, 8, 5, 2), (3, 6, 3, 1), (4, 5, 7, 1)])
def test_the_last_pixel_of_the_row_above(H, W, first, layers, generator):
    x = torch.randn(2, H, W, generator=generator, dtype=F64)
    before = torch.ones(H * W, H * W).tril(-1) > 0
    seen = dependence(shaken(lambda: RecurrentNet(2, 3, "diagonal", 16, layers, first), 0.2), x) > 0
    assert torch.equal(seen, before)
    seen = dependence(shaken(lambda: RecurrentNet(2, 3, "masked diagonal", 16, layers, first), 0.2), x) > 0
    lost = {(i // W, i % W, j // W, j % W) for i, j in (before & ~seen).nonzero().tolist()}
    assert lost == {(r, c, r - 1, W - 1) for r in range(1, H) for c in range(W) if c < W - 1 - first // 2}
    assert len(lost) == (H - 1) * (W - 1 - first // 2) and not (seen & ~before).any()


@pytest.mark.equation("eq-autoregressive-residual")
def test_residual_jacobian_term_by_term(generator):
    """One term for each set of layers, by its list of layers."""
    layers = [shaken(lambda: RowLSTM(2), seed=s) for s in range(4)]
    x = torch.randn(1, 2, 2, 3, generator=generator, dtype=F64)

    def stack(v):
        v = v.reshape(x.shape)
        for layer in layers:
            v = v + layer(v)
        return v.flatten()

    J, v = [], x
    for layer in layers:
        J.append(jacobian(lambda u, layer=layer: layer(u.reshape(x.shape)).flatten(), v.flatten()))
        v = v + layer(v)
    total = torch.zeros(12, 12, dtype=F64)
    for n in range(5):
        for chosen in itertools.combinations(range(4), n):
            term = torch.eye(12, dtype=F64)
            for k in chosen:
                term = J[k] @ term
            total += term
    close(jacobian(stack, x.flatten()), total)


def rounds(contexts):
    """Draw all that can be drawn, again and again."""
    done, count = set(), 0
    while len(done) < len(contexts):
        done |= {place for place, needs in contexts.items() if needs <= done}
        count += 1
    return count


@pytest.mark.equation("eq-autoregressive-rounds")
def test_rounds_by_drawing_all_that_can_be_drawn():
    for H, W, size, first, layers in ((8, 8, 3, 5, 1), (4, 7, 3, 5, 2), (7, 5, 5, 3, 2), (9, 4, 3, 3, 2), (3, 6, 1, 3, 3)):
        seen = reached(H, W, size, first, layers)
        level = {}
        for r, c in places(H, W):
            level[r, c] = 1 + max([level[other] for other in seen[r, c]], default=0)
            assert level[r, c] == c + 1 + r * (first // 2 + 1)
        assert rounds(seen) == max(level.values()) == W + (H - 1) * (first // 2 + 1)
    for H, W in SIZES:
        assert rounds({(r, c): context(r, c, H, W) for r, c in places(H, W)}) == H * W
        assert rounds({(r, c): rectangle(r, c, H, W) for r, c in places(H, W)}) == H + W - 1


@pytest.mark.equation("eq-autoregressive-diagonal-law")
def test_drawing_by_diagonals(model, generator):
    """A sampler that fills whole diagonals has the law of the formula, and not the model's."""
    x, H, W = all_images(2, 6), 2, 3

    def law(drawn, t):
        return model.net(model.inputs(drawn.reshape(-1, 1, H, W))).softmax(1)[:, 1].flatten(1)

    q = torch.ones(64, dtype=F64)
    for r, c in places(H, W):
        drawn = x.reshape(-1, H, W).clone()
        for a, b in places(H, W):
            if a + b >= r + c:
                drawn[:, a, b] = 0
        one = law(drawn, r + c)[:, W * r + c]
        q = q * torch.where(x[:, W * r + c] == 1, one, 1 - one)
    close(q.sum(), 1)
    draws = torch.zeros(20_000, 6, dtype=F64)
    for t in range(H + W - 1):
        p = law(draws, t)
        new = (torch.rand(p.shape, generator=generator, dtype=F64) < p).to(F64)
        for r, c in places(H, W):
            if r + c == t:
                draws[:, W * r + c] = new[:, W * r + c]
    assert_law(draws, x, q)
    log_p = model.log_prob(x)
    assert (log_p.exp() * (log_p - q.log())).sum() > 1e-3


@pytest.mark.equation("eq-autoregressive-complete")
def test_completion_by_the_table(model, generator):
    """Factors before m are the law of the first m pixels; completions follow the table's conditional."""
    x = all_images(2, 6)
    table = model.log_prob(x).exp().reshape([2] * 6)
    terms = model.pixel_log_prob(x).flatten(1)
    for m in (1, 2, 4):
        start = table.sum(tuple(range(m, 6)), keepdim=True).expand_as(table).flatten()
        close(terms[:, :m].sum(1), start.log())
        close(terms[:, m:].sum(1), (table.flatten() / start).log())
    known = x[43].repeat(4000, 1)
    completed = model.complete(known, 2, generator)
    assert torch.equal(completed[:, :2], known[:, :2])
    rest = table[tuple(known[0, :2].int())].flatten()
    assert_law(completed[:, 2:], all_images(2, 4), rest / rest.sum())


@pytest.mark.equation("eq-autoregressive-diagonal-law")
def test_one_direction_may_be_drawn_by_diagonals():
    """Its context lies on earlier diagonals, so the two laws agree."""

    class OneDirection(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.out = DiagonalLSTM(2, 4), nn.Conv2d(4, 2, 1)

        def forward(self, x, y=None):
            h = self.lstm(x)
            return self.out(F.pad(h, (1, 0))[..., :-1] + F.pad(h, (0, 0, 1, 0))[..., :-1, :])

    model = shaken(lambda: PixelModel(OneDirection(), (1, 2, 3), Categorical(2)))
    x = all_images(2, 6)
    log_q = torch.zeros(64, dtype=F64)
    diagonal = torch.tensor([0, 1, 2, 1, 2, 3])
    for t in range(4):
        out = model.net(model.inputs((x * (diagonal < t)).reshape(-1, 1, 2, 3)))
        log_q += model.head.log_prob(out, x.reshape(-1, 1, 2, 3)).flatten(1)[:, diagonal == t].sum(1)
    close(log_q, model.log_prob(x))
