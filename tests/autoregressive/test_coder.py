"""The coder against exact fractions: each symbol's share, the interval of each message, and every message back again."""

import itertools
import math
import random
from fractions import Fraction

import pytest
import torch

from gmlib.autoregressive import (
    Categorical,
    Decoder,
    Encoder,
    LogisticMixture,
    PixelModel,
    PlainNet,
    compress,
    decompress,
    frequencies,
    narrow,
)
from tests.autoregressive.conftest import F64, shaken

TABLES = ([11, 4, 1], [7, 2, 7], [1, 14, 1], [5, 11])  # sums of 16: over seven symbols no interval of 32 bits is rounded


def encoded(tables, symbols):
    encoder = Encoder()
    for n, symbol in zip(tables, symbols, strict=True):
        encoder.put(n, symbol)
    return encoder.finish()


def decoded(tables, bits):
    decoder = Decoder(bits)
    return [decoder.get(n) for n in tables]


@pytest.mark.equation("eq-autoregressive-frequencies")
@pytest.mark.parametrize(("L", "bits"), [(3, 2), (5, 4), (17, 16), (6, 28), (8, 3)])
def test_frequencies_by_fractions(L, bits, generator):
    """Floors of exact products, one for everybody, and the rest to the largest."""
    p = torch.rand(20, L, generator=generator, dtype=F64) ** 4
    p = p / p.sum(1, keepdim=True)
    for row, n in zip(p.tolist(), frequencies(p, bits).tolist(), strict=True):
        expected = [math.floor((2**bits - L) * Fraction(v)) + 1 for v in row]
        expected[expected.index(max(expected))] += 2**bits - sum(expected)
        assert n == expected and sum(n) == 2**bits and min(n) >= 1


@pytest.mark.equation("eq-autoregressive-frequencies")
def test_frequencies_by_hand():
    """3 x 0.5 = 1.5, 3 x 0.3 = 0.9 and 3 x 0.2 = 0.6 are cut to 1, 0, 0; one each; the 2 that are missing go to the first."""
    assert frequencies(torch.tensor([0.5, 0.3, 0.2, 0.0, 0.0]), 3).tolist() == [4, 1, 1, 1, 1]
    assert frequencies(torch.tensor([[0.0, 1.0], [0.25, 0.75]]), 4).tolist() == [[1, 15], [4, 12]]
    assert frequencies(torch.tensor([0.5, 0.5])).sum() == 2**16
    impossible = frequencies(torch.eye(3), 28)
    assert impossible.min() == 1 and (impossible.sum(1) == 2**28).all()
    n = frequencies(torch.full((3, 1, 257), 1 / 257), 16)
    assert n.shape == (3, 1, 257) and n.dtype == torch.long


@pytest.mark.equation("eq-autoregressive-interval")
@pytest.mark.parametrize(("low", "high"), [(0, 2**32 - 1), (2**30 + 7, 3 * 2**30 + 11), (123, 123 + 2**30 + 1)])
@pytest.mark.parametrize("n", [[11, 4, 1], [1, 2, 3, 4, 7], [1, 2**28 - 2, 1], [9]])
def test_shares_are_exact_and_leave_nothing_out(low, high, n):
    """The ends are the floors of exact fractions; the shares lie side by side and none is empty."""
    size, total, ends = high - low + 1, sum(n), []
    for k in range(len(n)):
        a, b = narrow(low, high, n, k)
        assert a == low + math.floor(Fraction(size * sum(n[:k]), total)) and b >= a
        ends.append((a, b))
    assert ends[0][0] == low and ends[-1][1] == high
    assert all(b + 1 == a for (_, b), (a, _) in itertools.pairwise(ends))


def exact_interval(tables, symbols):
    low, width = Fraction(0), Fraction(1)
    for n, symbol in zip(tables, symbols, strict=True):
        low, width = low + width * Fraction(sum(n[:symbol]), sum(n)), width * Fraction(n[symbol], sum(n))
    return low, width


@pytest.mark.equation("eq-autoregressive-interval")
@pytest.mark.parametrize("tables", [[n] * 5 for n in TABLES] + [list(TABLES[:3]) + list(TABLES[2::-1])], ids=str)
def test_every_message_lies_in_its_interval(tables):
    """All messages of five or six symbols: the bits name a part of the exact interval, at most 2 longer than its logarithm."""
    codes = set()
    for symbols in itertools.product(*(range(len(n)) for n in tables)):
        bits = encoded(tables, symbols)
        low, width = exact_interval(tables, symbols)
        value = sum(Fraction(bit, 2 ** (i + 1)) for i, bit in enumerate(bits))
        assert low <= value and value + Fraction(1, 2 ** len(bits)) <= low + width
        assert 2 ** len(bits) * width <= 4  # the length is at most -log2 of the width, plus 2
        assert decoded(tables, bits) == list(symbols)
        codes.add(tuple(bits))
    assert not any(a != b and b[: len(a)] == a for a, b in itertools.pairwise(sorted(codes)))  # no code begins another


@pytest.mark.equation("eq-autoregressive-interval")
def test_bits_that_follow_do_no_harm():
    chance = random.Random(1)
    for n in TABLES:
        symbols = chance.choices(range(len(n)), k=30)
        bits = encoded([n] * 30, symbols)
        for tail in ([1] * 40, [0] * 40, [chance.randrange(2) for _ in range(40)]):
            assert decoded([n] * 30, bits + tail) == symbols


@pytest.mark.equation("eq-autoregressive-interval")
@pytest.mark.parametrize("n", [[1, 1], [1, 3], [3, 1], [1, 2, 1]])
def test_the_last_number_of_a_share_is_the_share_s(n):
    """A symbol, then the last one again and again: all bits are ones, as far as the coder looks; and then all zeros."""
    for first in range(len(n)):
        for then in (0, len(n) - 1):
            symbols = [first] + [then] * 50
            assert decoded([n] * 51, encoded([n] * 51, symbols)) == symbols


def test_pending_bits():
    """The middle third again and again: no bit is settled until the end, and then all are."""
    encoder, n = Encoder(), [1, 2, 1]
    for k in range(1, 61):
        encoder.put(n, 1)
        assert encoder.bits == [] and encoder.pending == k and (encoder.low, encoder.high) == (0, 2**32 - 1)
    encoder.put(n, 2)
    assert encoder.bits == [1] + [0] * 60 + [1]  # 1/2 + 2^-62, the first end of what is left
    assert decoded([n] * 61, encoder.finish()) == [1] * 60 + [2]
    assert Encoder().finish() == [0, 1] and decoded([n], []) == [0]


@pytest.mark.equation("eq-autoregressive-interval")
@pytest.mark.parametrize("bits", [3, 12, 16, 28])
def test_long_messages_come_back(bits):
    """400 symbols, a table of its own for each, some all but certain: lossless, and within 2.1 bits of the tables' logarithms."""
    chance = random.Random(bits)
    for _ in range(4):
        rows = torch.tensor([[chance.random() ** 9 for _ in range(6)] for _ in range(400)], dtype=F64)
        tables = frequencies(rows / rows.sum(1, keepdim=True), bits).tolist()
        symbols = [chance.choices(range(6), n if chance.random() < 0.9 else None)[0] for n in tables]
        code = encoded(tables, symbols)
        ideal = sum(bits - math.log2(n[k]) for n, k in zip(tables, symbols, strict=True))
        assert decoded(tables, code) == symbols
        rounding = 400 * 2.0 ** (bits - 29)  # each end is cut by less than 1 in a range of 2^30
        assert -rounding - 1e-9 <= len(code) - ideal <= 2 + rounding


@pytest.mark.equation("eq-autoregressive-interval")
def test_decoder_goes_through_the_same_intervals():
    """Halves and quarters first, which put ends on the thresholds, then among shares that are rounded."""
    chance, even = random.Random(4), ([1, 1], [1, 3], [3, 1], [1, 2, 1])
    for _ in range(60):
        tables = chance.choices(even, k=5) + chance.choices([*even, [3, 4], [11, 4, 1], [5, 1, 1]], k=20)
        symbols, states, encoder = [chance.randrange(len(n)) for n in tables], [], Encoder()
        for n, symbol in zip(tables, symbols, strict=True):
            encoder.put(n, symbol)
            states.append((encoder.low, encoder.high))
            assert 0 <= encoder.low and encoder.high < 2**32 and encoder.high - encoder.low >= 2**30
        decoder = Decoder(encoder.finish())
        for n, symbol, state in zip(tables, symbols, states, strict=True):
            assert decoder.get(n) == symbol and (decoder.low, decoder.high) == state


def ideal_lengths(model, x, bits):
    """-log2 under the quantised law, from whole passes of the network."""
    images = model.check(x)
    out = model.net(model.inputs(images))
    total = torch.zeros(len(x), dtype=F64)
    for r, c in model.places():
        n = frequencies(model.head.probs(out[:, :, r, c]), bits)
        total += bits - n.gather(1, images[:, 0, r, c].long()[:, None])[:, 0].double().log2()
    return total


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("head", [Categorical(5), LogisticMixture(5, 2)], ids=["categorical", "logistic"])
def test_images_come_back(bits, head, generator):
    """Draws of the model, and images that it holds to be all but impossible."""
    model = shaken(lambda: PixelModel(PlainNet(2, head.outputs, 6, layers=1, first=3), (1, 4, 5), head), scale=0.3)
    x = torch.cat([model.sample((12,), generator), torch.randint(5, (12, 20), generator=generator).to(F64)])
    codes = compress(model, x, bits)
    assert torch.equal(decompress(model, codes, bits), x)
    excess = torch.tensor([len(code) for code in codes]) - ideal_lengths(model, x, bits)
    assert excess.min() >= -0.001 and excess.max() <= 2.001
    assert {bit for code in codes for bit in code} == {0, 1}
    assert abs(ideal_lengths(model, x[:12], bits) + model.log_prob(x[:12]) / math.log(2)).max() < (0.1 if bits == 16 else 1)


def test_default_bits_and_dtypes(generator):
    """16 bits; float32 weights as well; and one image without a batch's axis is one code."""
    model = shaken(lambda: PixelModel(PlainNet(2, 3, 6, layers=1), (1, 3, 3), Categorical(3)), scale=0.3)
    x = model.sample((5,), generator)
    assert compress(model, x) == compress(model, x, 16) != compress(model, x, 6)
    assert compress(model, x[0]) == compress(model, x[:1])
    single = model.float()
    back = decompress(single, compress(single, x.float()))
    assert back.dtype == torch.float32 and torch.equal(back, x.float())


def rgb():
    head = LogisticMixture(3, 1, 3)
    return PixelModel(PlainNet(4, head.outputs), (3, 2, 2), head)


HALF = torch.tensor([0.5, 0.5])
GREY = PixelModel(PlainNet(2, 3), (1, 2, 2), Categorical(3))
CASES = {
    "bits must be from log2 of the 3 values to 28, got 1": lambda: frequencies(torch.ones(3) / 3, 1),
    "bits must be from log2 of the 2 values to 28, got 29": lambda: frequencies(HALF, 29),
    "bits must be a whole number of at least 1, got 0": lambda: frequencies(HALF, 0),
    "p must be non-negative and sum to one along the last axis": lambda: frequencies(2 * HALF),
    "p must be non-negative and sum to one along the last axis ": lambda: frequencies(torch.tensor([1.5, -0.5])),
    "p must be non-negative and sum to one along the last axis  ": lambda: frequencies(torch.tensor([[0.5, 0.5], [0.4, 0.4]])),
    "p holds 1 NaN": lambda: frequencies(torch.tensor([0.5, math.nan])),
    "model must be of grey images, got 3 channels": lambda: compress(rgb(), torch.zeros(2, 12)),
    "model must be of grey images, got 3 channels ": lambda: decompress(rgb(), [[0, 1]]),
    "x must hold whole numbers from 0 to 2": lambda: compress(GREY, torch.full((2, 4), 7.0)),
    "x must have shape (..., 4)": lambda: compress(GREY, torch.zeros(2, 5)),
    "bits must be from log2 of the 3 values to 28, got 30": lambda: decompress(GREY, [[0]], 30),
    "symbol must be from 0 to 2, got 3": lambda: narrow(0, 15, [11, 4, 1], 3),
    "symbol must be from 0 to 2, got -1": lambda: Encoder().put([11, 4, 1], -1),
    "n must be positive and sum to at most 268435456": lambda: Encoder().put([2**28, 1], 1),
    "n must be positive and sum to at most 268435456, got [0, 3]": lambda: Decoder([0, 1]).get([0, 3]),
    "bits must be zeros and ones, got 2": lambda: Decoder([0, 2]),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
