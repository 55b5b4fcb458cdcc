"""What the notebook on sampling and coding adds: counts of products, when a draw can differ, code lengths, and one path for both sides."""

import heapq
import itertools
import math
import random
from fractions import Fraction
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from scipy.integrate import quad
from torch import nn
from torch.autograd.functional import jacobian
from torch.utils.flop_counter import FlopCounterMode

from gmlib.autoregressive import (
    Categorical,
    Decoder,
    Encoder,
    PixelModel,
    PlainNet,
    cached_sample,
    frequencies,
    kernel_mask,
    narrow,
    plain_context,
)
from tests.autoregressive.conftest import F64, all_images, shaken


def products(function):
    """Multiplications of matrix products and convolutions, by PyTorch's counter of operations."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() // 2


NETS = [  # H, W, levels, channels, layers, first, size
    (3, 5, 4, 6, 2, 5, 3),
    (4, 2, 3, 5, 1, 3, 5),
    (2, 3, 5, 7, 0, 7, 3),
    (1, 6, 2, 3, 3, 3, 1),
]


def make(H, W, levels, channels, layers, first, size, **options):
    return PixelModel(PlainNet(2, levels, channels, layers, first, size, **options), (1, H, W), Categorical(levels))


@pytest.mark.equation("eq-autoregressive-pass", "eq-autoregressive-cost")
@pytest.mark.parametrize("net", NETS, ids=str)
def test_products_of_a_draw(net, generator):
    """A weight at a place is one product: all of the kernel in a pass, those before the centre (and it) with a cache."""
    H, W, levels, channels, layers, first, size = net
    model = shaken(lambda: make(*net))
    kernels = [("A", first, 2, channels)] + [("B", size, channels, channels)] * layers
    dense = kept = channels * channels + channels * levels
    for kind, k, d_in, d_out in kernels:
        before = [(u, v) for u, v in itertools.product(range(k), repeat=2) if (u, v) < (k // 2, k // 2)]
        dense += k * k * d_in * d_out
        kept += (len(before) + (kind == "B")) * d_in * d_out
        t = (k * k - 1) // 2 if kind == "A" else (k * k + 1) // 2
        assert t == len(before) + (kind == "B")
    images = torch.zeros(3, 2, H, W, dtype=F64)
    assert products(lambda: model.net(images)) == 3 * H * W * dense
    assert products(lambda: model.sample((3,), generator)) == 3 * (H * W) ** 2 * dense
    assert products(lambda: cached_sample(model, (3,), generator)) == 3 * H * W * kept
    largest = max([1.0, 2 * first**2 / (first**2 - 1), 2 * size**2 / (size**2 + 1)])
    assert H * W < H * W * dense / kept < largest * H * W + 1e-9 and largest <= 9 / 4


@pytest.mark.equation("eq-autoregressive-cost")
@pytest.mark.parametrize(("k", "kind"), [(3, "A"), (3, "B"), (5, "A"), (7, "B")])
def test_products_inside_the_image(k, kind):
    """Without zeros: a tap at distance (u, v) meets the image (H - |u|)(W - |v|) times, so a pass repeats a cache's work H W times."""
    H, W, mask = 6, 5, kernel_mask(k, k, kind)
    counted = sum(
        bool(mask[u, v]) for r, c in itertools.product(range(H), range(W)) for u, v in itertools.product(range(k), repeat=2)
        if 0 <= r + u - k // 2 < H and 0 <= c + v - k // 2 < W
    )  # fmt: skip
    taps = (mask.nonzero() - k // 2).tolist()
    assert counted == sum(max(H - abs(u), 0) * max(W - abs(v), 0) for u, v in taps)


@pytest.mark.equation("eq-autoregressive-unchanged")
@pytest.mark.parametrize("net", NETS[:3], ids=str)
def test_no_layer_looks_at_its_own_pixel_or_later(net, generator):
    H, W, *_ = net
    model = shaken(lambda: make(*net, activation=torch.tanh))
    seen = []
    hooks = [conv.register_forward_hook(lambda _, args, out: seen.append(out)) for conv in (model.net.first, *model.net.blocks)]

    def layers(v):
        seen.clear()
        out = model.net(torch.stack([v, torch.ones_like(v)]).reshape(1, 2, H, W))
        return tuple(t.flatten(2).sum(1)[0] for t in (*seen, out))

    for J in jacobian(layers, torch.randn(H * W, generator=generator, dtype=F64)):
        assert (J.triu() == 0).all() and J.abs().max() > 0
    for hook in hooks:
        hook.remove()


@pytest.mark.equation("eq-autoregressive-rounding")
@pytest.mark.parametrize(("dtype", "u"), [(torch.float32, 24), (torch.float16, 11)])
def test_error_of_a_sum_in_any_order(dtype, u):
    """Against exact fractions, for numbers of one sign and of both, in orders of several kinds."""
    u, n, worst = Fraction(1, 2**u), 60, 0
    gamma = n * u / (1 - n * u)
    for seed, shift in itertools.product(range(4), (0, 1)):
        w, v = torch.randn(2, n, generator=torch.Generator().manual_seed(seed)).abs().add(shift).to(dtype)
        w[::2] *= 1 if shift else -1
        terms = [Fraction(a) * Fraction(b) for a, b in zip(w.tolist(), v.tolist(), strict=True)]
        for order in (range(n), reversed(range(n)), (w * v).argsort().tolist()):
            total = torch.zeros((), dtype=dtype)
            for j in order:
                total = total + w[j] * v[j]
            error = abs(Fraction(total.item()) - sum(terms)) / sum(map(abs, terms))
            assert error <= gamma
            worst = max(worst, error)
    assert worst > u / 2  # the rounding is there


def moved_law(L, eta, generator, scale=1.0):
    a = scale * torch.randn(L, generator=generator, dtype=F64)
    return a.softmax(0), (a + eta * (2 * torch.rand(L, generator=generator, dtype=F64) - 1)).softmax(0)


@pytest.mark.equation("eq-autoregressive-flip")
@pytest.mark.parametrize("eta", [1e-3, 0.1, 2.0])
def test_draws_by_cumulated_sums_differ_rarely(eta, generator):
    """The uniform numbers whose levels differ, measured exactly between all ends."""
    for L in (2, 5, 17):
        p, moved = moved_law(L, eta, generator)
        ends = [law.cumsum(0)[:-1] for law in (p, moved)]
        cuts = torch.cat([torch.tensor([0.0, 1.0], dtype=F64), *ends]).sort().values
        middle = (cuts[1:] + cuts[:-1]) / 2
        levels = [torch.searchsorted(end, middle) for end in ends]
        differ = cuts.diff()[levels[0] != levels[1]].sum()
        gaps = (ends[0] - ends[1]).abs()
        assert 0 < differ <= gaps.sum() + 1e-12 and gaps.max() <= eta / 2 and gaps.sum() <= (L - 1) * eta / 2
    pair = [torch.tensor([s * eta, -s * eta], dtype=F64).softmax(0)[0] for s in (-0.5, 0.5)]
    assert abs(pair[1] - pair[0] - math.tanh(eta / 2)) < 1e-12 and math.tanh(eta / 2) <= eta / 2  # the bound is reached as eta falls


@pytest.mark.equation("eq-autoregressive-race")
def test_draws_by_a_race(generator):
    """The integral over the winner's time, and PyTorch's own draws from the same random numbers."""
    for L, eta in ((2, 0.3), (4, 0.05), (5, 1.5)):
        p, moved = moved_law(L, eta, generator)
        total = 0
        for m in range(L):
            rates = torch.maximum(p / p[m], moved / moved[m])
            rates[m] = 0
            both = quad(lambda t, r=rates: math.exp(-t) * math.prod(math.exp(-t * x) for x in r.tolist()), 0, math.inf)[0]
            assert abs(both - 1 / torch.maximum(p / p[m], moved / moved[m]).sum().item()) < 1e-9
            total += both
        assert 0 < 1 - total <= 1 - math.exp(-2 * eta) <= 2 * eta
        draws = [torch.multinomial(law.expand(50_000, L), 1, generator=torch.Generator().manual_seed(8)) for law in (p, moved)]
        assert abs((draws[0] != draws[1]).double().mean() - (1 - total)) < 5 * math.sqrt(total * (1 - total) / 50_000)


@pytest.mark.equation("eq-autoregressive-attention")
@pytest.mark.parametrize(("d", "D"), [(6, 9), (4, 13)])
def test_products_of_a_transformer_layer(d, D):
    """PyTorch's own attention and two linear maps, over a prefix and for its last pixel alone, then summed by hand."""
    attend, up, down = nn.MultiheadAttention(d, 1, batch_first=True), nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
    sums = [0, 0]
    for n in range(1, D + 1):
        x = torch.randn(1, n, d)
        prefix = products(lambda x=x: down(up(attend(x, x, x)[0])))
        assert prefix == 12 * n * d**2 + 2 * n**2 * d
        # its last pixel alone also makes keys and values of all: 2 d^2 for each of the n - 1 that a cache keeps
        last = products(lambda x=x: down(up(attend(x[:, -1:], x, x)[0]))) - (n - 1) * 2 * d**2
        assert last == 12 * d**2 + 2 * n * d
        sums = [sums[0] + prefix, sums[1] + last]
    assert sums == [6 * D * (D + 1) * d**2 + D * (D + 1) * (2 * D + 1) * d // 3, 12 * D * d**2 + D * (D + 1) * d]


def longest_chain(H, W, sizes, heads=2):
    """Of layers and draws that need each other: a layer at a place, two heads, the draw."""
    contexts = [plain_context(H, W, [size]) for size in sizes]
    levels = []
    for i in range(H * W):
        at = [max([levels[j][-1] for j in range(i) if contexts[0][i, j]], default=0) + 1]
        for context in contexts[1:]:
            at.append(max([levels[j][len(at) - 1] for j in range(i) if context[i, j]] + [at[-1]]) + 1)
        at += [at[-1] + step for step in range(1, heads + 2)]
        levels.append(at)
    return max(at[-1] for at in levels)


@pytest.mark.equation("eq-autoregressive-waiting")
def test_one_after_another(generator):
    """Both samplers take every layer and every draw in turn, and with the whole context nothing shorter is possible."""
    model = shaken(lambda: make(3, 4, 3, 5, 2, 7, 3))
    for sampler, name in ((model.sample, "torch.nn.functional.conv2d"), (lambda *a: cached_sample(model, *a), "torch.addmm")):
        function = F.conv2d if name.endswith("conv2d") else torch.addmm
        with patch(name, wraps=function) as layer, patch("torch.multinomial", wraps=torch.multinomial) as draw:
            sampler((2,), generator)
        assert draw.call_count == 12 and layer.call_count + draw.call_count == 12 * (5 + 1)
    assert longest_chain(3, 4, [7, 3, 3]) == 12 * (5 + 1)
    assert longest_chain(5, 5, [3, 3, 3]) < 25 * (5 + 1)  # a blind spot: some pixels could be drawn side by side


def optimal(p):
    """Mean length of Huffman's code: the sum of all joined probabilities."""
    heap, total = sorted(p), 0.0
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        total += joined
        heapq.heappush(heap, joined)
    return total


@pytest.mark.equation("eq-autoregressive-kraft")
def test_lengths_of_prefix_codes():
    """Lengths up to 3 for four words: some prefix code has them, found among all choices of words, just if the sum is at most 1."""
    words = ["".join(w) for n in (1, 2, 3) for w in itertools.product("01", repeat=n)]

    def exists(lengths, chosen=()):
        if len(chosen) == len(lengths):
            return True
        return any(
            exists(lengths, (*chosen, w)) for w in words if len(w) == lengths[len(chosen)]
            and not any(w.startswith(c) or c.startswith(w) for c in chosen)
        )  # fmt: skip

    for lengths in itertools.combinations_with_replacement((1, 2, 3), 4):
        assert exists(lengths) == (sum(Fraction(1, 2**n) for n in lengths) <= 1)


@pytest.mark.equation("eq-autoregressive-source", "eq-autoregressive-wrong-model")
def test_mean_lengths(generator):
    """The best code by trying all lengths; Shannon's; and lengths from another law."""
    for scale in (0.3, 1.0, 3.0):
        p, q = (scale * torch.randn(2, 5, generator=generator, dtype=F64)).softmax(1)
        tried = torch.tensor([n for n in itertools.product(range(1, 6), repeat=5) if sum(2.0**-k for k in n) <= 1], dtype=F64)
        least, H_2 = (tried @ p).min(), -(p * p.log2()).sum()
        assert abs(least - optimal(p.tolist())) < 1e-12 and H_2 <= least < H_2 + 1
        cross = -(p * q.log2()).sum()
        KL_2 = F.kl_div(q.log(), p, reduction="sum") / math.log(2)
        lengths = (-q.log2()).ceil()
        assert abs(cross - H_2 - KL_2) < 1e-12 and (2.0**-lengths).sum() <= 1
        assert H_2 + KL_2 <= (p * lengths).sum() < H_2 + KL_2 + 1


@pytest.mark.equation("eq-autoregressive-elias")
def test_shortest_word_in_an_interval():
    chance, largest = random.Random(3), 0
    for _ in range(400):
        w = Fraction(chance.randrange(1, 2**20), 2 ** chance.choice((20, 23, 31)))
        a = Fraction(chance.randrange(2**31), 2**31) * (1 - w)
        length = next(n for n in range(60) if any(a <= Fraction(m, 2**n) and Fraction(m + 1, 2**n) <= a + w
                      for m in range(int(a * 2**n), int(a * 2**n) + 3)))  # fmt: skip
        assert -math.log2(w) <= length <= math.ceil(-math.log2(w)) + 1
        largest = max(largest, length + math.log2(w))
    assert 1 < largest < 2


@pytest.mark.equation("eq-autoregressive-nested")
def test_nested_intervals_of_a_model(generator):
    """All 81 images of 2 x 2 pixels: side by side in the order of a dictionary, as long as the model says."""
    model = shaken(lambda: make(2, 2, 3, 5, 1, 3, 3))
    images = all_images(3, 4)
    p = model.head.probs(model.net(model.inputs(model.check(images))).flatten(2).transpose(1, 2).flatten(0, 1)).reshape(81, 4, 3)
    a, w = torch.zeros(81, dtype=F64), torch.ones(81, dtype=F64)
    for i in range(4):
        before = torch.arange(3) < images[:, i, None]
        a, w = a + w * (p[:, i] * before).sum(1), w * p[torch.arange(81), i, images[:, i].long()]
    law = model.log_prob(images).exp()
    torch.testing.assert_close(w, law, rtol=0, atol=1e-12)
    torch.testing.assert_close(a, law.cumsum(0) - law, rtol=0, atol=1e-12)


@pytest.mark.equation("eq-autoregressive-renormalise", "eq-autoregressive-pending")
def test_window_by_exact_doubling():
    """A window of exact fractions, doubled by the same three cases, stands where the coder's whole numbers stand."""
    chance, cases = random.Random(5), set()
    for n in ([1, 2, 1], [300, 1, 211], [3, 1, 7, 5]):
        encoder, low, high = Encoder(), Fraction(0), Fraction(1)
        for _ in range(60):
            symbol = chance.choice((1, 1, 1, *range(len(n))))
            start, end = narrow(encoder.low, encoder.high, n, symbol)
            scale = (high - low) / (encoder.high - encoder.low + 1)
            low, high = low + scale * (start - encoder.low), low + scale * (end + 1 - encoder.low)
            encoder.put(n, symbol)
            m, q = len(encoder.bits), encoder.pending
            B = sum((Fraction(bit, 2 ** (i + 1)) for i, bit in enumerate(encoder.bits)), Fraction(0))
            for y, exact in ((encoder.low, low), (encoder.high + 1, high)):
                y = Fraction(y, 2**32)
                assert B + Fraction(1, 2**m) * (Fraction(1, 2) - Fraction(1, 2 ** (q + 1)) + y / 2**q) == exact
            assert encoder.high - encoder.low + 1 > 2**30
            cases.add(q > 0)
    assert cases == {True, False}


@pytest.mark.equation("eq-autoregressive-decode")
def test_whose_share_a_number_is_in():
    chance = random.Random(6)
    for _ in range(40):
        n = [chance.randrange(1, 9) for _ in range(chance.randrange(2, 6))]
        total, R, low = sum(n), chance.randrange(sum(n), 300), chance.randrange(100)
        for k in range(len(n)):
            first, last = narrow(low, low + R - 1, n, k)
            for z in range(R):
                place = ((z + 1) * total - 1) // R
                assert (first <= low + z <= last) == (sum(n[:k]) <= place < sum(n[: k + 1]))


@pytest.mark.equation("eq-autoregressive-length")
@pytest.mark.parametrize("bits", [6, 16, 26, 28])
def test_length_of_a_code(bits):
    """Within two bits and the rounding that was derived, for improbable symbols too."""
    chance, D = random.Random(bits), 50
    rounding = -D * math.log2(1 - 2.0 ** (bits - 30))
    for _ in range(20):
        rows = torch.tensor([[chance.random() ** 8 for _ in range(5)] for _ in range(D)], dtype=F64)
        tables, encoder, ideal = frequencies(rows / rows.sum(1, keepdim=True), bits).tolist(), Encoder(), 0.0
        for n in tables:
            symbol = chance.randrange(5) if chance.random() < 0.3 else n.index(max(n))
            encoder.put(n, symbol)
            ideal += bits - math.log2(n[symbol])
        assert -rounding - 1e-9 < len(encoder.finish()) - ideal < 2 + rounding + 1e-9


@pytest.mark.equation("eq-autoregressive-quantised")
@pytest.mark.parametrize(("L", "bits"), [(17, 16), (17, 12), (3, 2), (5, 28)])
def test_cost_of_whole_frequencies(L, bits, generator):
    """For each level, in exact fractions, and hence for the divergence."""
    bound = Fraction(2**bits, 2**bits - L)
    p = (5 * torch.randn(100, L, generator=generator, dtype=F64)).softmax(1)
    for row, n in zip(p.tolist(), frequencies(p, bits).tolist(), strict=True):
        ratios = [Fraction(v) * 2**bits / k for v, k in zip(row, n, strict=True)]
        assert max(ratios) < bound
        assert sum(v * math.log2(r) for v, r in zip(row, ratios, strict=True) if v) < math.log2(bound) + 1e-12


@pytest.mark.equation("eq-autoregressive-same-path")
def test_the_coded_share_is_what_must_agree():
    """Tables that differ in other levels decode the message; one whose share of a coded level moves by one loses most of what follows."""
    chance, lost = random.Random(7), 0
    for _ in range(40):
        tables = [[chance.randrange(2, 30) for _ in range(6)] for _ in range(60)]
        tables = [[*n[:-1], 2**8 - sum(n[:-1])] for n in tables]
        symbols = [chance.randrange(1, 4) for _ in tables]
        encoder = Encoder()
        for n, k in zip(tables, symbols, strict=True):
            encoder.put(n, k)
        word = encoder.finish()
        others = [[*n[:4], n[4] + 1, n[5] - 1] for n in tables]  # 4 and 5 are not coded
        decoder = Decoder(word)
        assert [decoder.get(n) for n in others] == symbols
        others[3] = list(tables[3])
        k = symbols[3]
        others[3][k - 1], others[3][k] = others[3][k - 1] + 1, others[3][k] - 1
        decoder = Decoder(word)
        lost += [decoder.get(n) for n in others] != symbols
    assert lost > 30
