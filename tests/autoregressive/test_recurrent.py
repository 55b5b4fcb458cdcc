"""Recurrent layers pixel by pixel: PyTorch's own LSTM cell, recursions over rows and diagonals, sets of pixels by hand."""

import itertools

import pytest
import torch

from gmlib.autoregressive import (
    DiagonalBiLSTM,
    DiagonalLSTM,
    MaskedConv2d,
    RecurrentNet,
    RowLSTM,
    combine,
    dependence,
    lstm_step,
    skew,
    unskew,
)
from tests.autoregressive.conftest import EXACT, F64, shaken

H, W = 3, 4


@pytest.mark.equation("eq-autoregressive-skew")
@pytest.mark.parametrize(("height", "width"), [(3, 4), (4, 2), (1, 3), (3, 1)])
def test_skew_by_loops(height, width, generator):
    x = torch.randn(2, height, width, generator=generator, dtype=F64)
    s = torch.zeros(2, height, width + height - 1, dtype=F64)
    for r, c in itertools.product(range(height), range(width)):
        s[:, r, r + c] = x[:, r, c]
    assert torch.equal(skew(x), s) and torch.equal(unskew(s), x) and torch.equal(unskew(skew(x[0, None, None])), x[0, None, None])
    noise = torch.randn(s.shape, generator=generator, dtype=F64)  # what lies beside the diagonals is left out
    expected = torch.stack([noise[:, r, r : r + width] for r in range(height)], 1)
    assert torch.equal(unskew(noise), expected)


@pytest.mark.equation("eq-autoregressive-lstm")
def test_step_is_that_of_pytorch(generator):
    """PyTorch has the gates in the order input, forget, content, output."""
    cell = shaken(lambda: torch.nn.LSTMCell(5, 3))
    x, h, c = (torch.randn(4, n, generator=generator, dtype=F64) for n in (5, 3, 3))
    i, f, g, o = (x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh).split(3, 1)
    found, expected = lstm_step(torch.cat([o, f, i, g], 1), c), cell(x, (h, c))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)
    gates = torch.stack([torch.cat([o, f, i, g], 1)] * 2, 2)  # places stand on the last axis
    torch.testing.assert_close(lstm_step(gates, torch.stack([c, c], 2))[0][..., 1], expected[0], **EXACT)


def step(gates, c):
    """One LSTM step for a vector of gates, written out."""
    o, f, i, g = gates.chunk(4)
    c = c / (1 + (-f).exp()) + g.tanh() / (1 + (-i).exp())
    return c.tanh() / (1 + (-o).exp()), c


@pytest.mark.parametrize("size", [1, 3, 5])
def test_row_lstm_by_loops(size, generator):
    layer, k, d = shaken(lambda: RowLSTM(2, size)), size // 2, 2
    x = torch.randn(d, H, W, generator=generator, dtype=F64)
    h, c = torch.zeros(2, d, H + 1, W + 2 * k, dtype=F64)  # a row of zeros above, zeros to both sides
    wide = torch.nn.functional.pad(x, (k, 0))
    for row, column in itertools.product(range(H), range(W)):
        gates = layer.from_input.bias + sum(layer.from_input.weight[:, :, 0, j] @ wide[:, row, column + j] for j in range(k + 1))
        gates = gates + sum(layer.from_state.weight[:, :, j] @ h[:, row, column + j] for j in range(size))
        h[:, row + 1, column + k], c[:, row + 1, column + k] = step(gates, c[:, row, column + k])
    torch.testing.assert_close(layer(x[None])[0], h[:, 1:, k : k + W], **EXACT)
    torch.testing.assert_close(layer(x[None, :, :1])[0], h[:, 1:2, k : k + W], **EXACT)


def diagonal_by_loops(layer, x):
    """From the state to the left and the state above; the cell state comes from the left."""
    d = layer.from_state.weight.shape[1]
    h, c = torch.zeros(2, d, H + 1, W + 1, dtype=F64)  # a row above and a column to the left, of zeros
    for row, column in itertools.product(range(H), range(W)):
        gates = layer.from_input.weight[:, :, 0, 0] @ x[:, row, column] + layer.from_input.bias
        gates = gates + layer.from_state.weight[:, :, 0] @ h[:, row, column + 1] + layer.from_state.weight[:, :, 1] @ h[:, row + 1, column]
        h[:, row + 1, column + 1], c[:, row + 1, column + 1] = step(gates, c[:, row + 1, column])
    return h[:, 1:, 1:]


@pytest.mark.equation("eq-autoregressive-skew", "eq-autoregressive-lstm")
def test_diagonal_lstm_by_loops(generator):
    layer, x = shaken(lambda: DiagonalLSTM(3, 2)), torch.randn(2, 3, H, W, generator=generator, dtype=F64)
    torch.testing.assert_close(layer(x), torch.stack([diagonal_by_loops(layer, image) for image in x]), **EXACT)


@pytest.mark.equation("eq-autoregressive-combine")
@pytest.mark.parametrize("image", [0, 3])
def test_both_directions_by_loops(image, generator):
    layer = shaken(lambda: DiagonalBiLSTM(2, image))
    h, x = (torch.randn(n, H, W, generator=generator, dtype=F64) for n in (2, 3))
    left, right = diagonal_by_loops(layer.left, h), diagonal_by_loops(layer.right, (x if image else h).flip(-1))
    out = layer(h[None], x[None])[0]
    for r, c in itertools.product(range(H), range(W)):
        expected = left[:, r, c] + (right[:, r - 1, W - 1 - c] if r else 0)
        torch.testing.assert_close(out[:, r, c], expected, **EXACT)


@pytest.mark.equation("eq-autoregressive-combine")
def test_combine_by_hand():
    left, right = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]), torch.tensor([[10.0, 20, 30], [40, 50, 60], [70, 80, 90]])
    assert combine(left, right).tolist() == [[1, 2, 3], [14, 25, 36], [47, 58, 69]]
    assert torch.equal(combine(left.expand(2, 1, 3, 3), right.expand(2, 1, 3, 3))[1, 0], combine(left, right))


@pytest.mark.parametrize("kind", ["row", "diagonal", "masked diagonal"])
def test_net_layer_by_layer(kind, generator):
    net, x = shaken(lambda: RecurrentNet(2, 5, kind, 4, layers=2, first=3)), torch.randn(2, 2, H, W, generator=generator, dtype=F64)
    assert isinstance(net.first, MaskedConv2d) and torch.equal(net.first.mask[1], torch.tensor([1.0, 0, 0], dtype=F64))
    h = net.first(x)
    for layer in net.layers:
        if kind == "row":
            h = h + layer(h)
        else:
            right = layer.right((x if kind == "diagonal" else h).flip(-1)).flip(-1)
            h = h + combine(layer.left(h), right)
    for conv in net.heads:
        h = torch.einsum("oi,nihw->nohw", conv.weight[:, :, 0, 0], h.clamp(min=0)) + conv.bias[:, None, None]
    torch.testing.assert_close(net(x), h, **EXACT)


def in_sets(kind, height, width, first, layers):
    """What each output can see, as sets of pixels: the layers' recursions with unions in the place of sums."""
    k, pixels = first // 2, list(itertools.product(range(height), range(width)))
    h = {
        (r, c): {(a, b) for a, b in pixels if (a, b) < (r, c) and r - a <= k and abs(c - b) <= k} for r, c in pixels
    }
    for _ in range(layers):
        new, left, right = {}, {}, {}
        for r, c in pixels:
            if kind == "row":
                near = [new.get((r - 1, b), set()) for b in (c - 1, c, c + 1)]
                new[r, c] = h[r, c] | h.get((r, c - 1), set()) | set().union(*near)
            else:
                left[r, c] = h[r, c] | left.get((r - 1, c), set()) | left.get((r, c - 1), set())
        if kind != "row":
            for r, c in itertools.product(range(height), reversed(range(width))):
                read = {(r, c)} if kind == "diagonal" else h[r, c]
                right[r, c] = read | right.get((r - 1, c), set()) | right.get((r, c + 1), set())
            new = {(r, c): left[r, c] | right.get((r - 1, c), set()) for r, c in pixels}
        h = {p: h[p] | new[p] for p in pixels}
    return torch.tensor([[a in h[p] for a in pixels] for p in pixels])


def looked_at(make, height, width):
    """Exact zeros of the Jacobian, at two images, since a ReLU may be off."""
    images = torch.randn(2, 2, height, width, generator=torch.Generator().manual_seed(5), dtype=F64)
    net = shaken(make, scale=0.1)
    return sum(dependence(net, image) for image in images) > 0


@pytest.mark.equation("eq-autoregressive-jacobian")
@pytest.mark.parametrize("kind", ["row", "diagonal", "masked diagonal"])
@pytest.mark.parametrize(("first", "layers"), [(3, 1), (5, 2)])
def test_contexts_are_those_of_the_sets(kind, first, layers):
    height, width = 4, 6
    sets = in_sets(kind, height, width, first, layers)
    assert torch.equal(looked_at(lambda: RecurrentNet(2, 5, kind, 24, layers, first), height, width), sets)
    earlier = torch.ones_like(sets).tril(-1)
    assert not (sets & ~earlier).any()  # nothing of the pixel itself, nor of what comes after
    assert torch.equal(sets, earlier) == (kind == "diagonal")


def test_unseen_pixels_of_a_digit():
    """Of the 2,016 pairs; with the second direction on the masked layer the end of the row above stays unseen."""
    unseen = {(kind, n): 2016 - in_sets(kind, 8, 8, 5, n).sum().item() for kind, n in itertools.product(("row", "masked diagonal"), (1, 4))}
    assert unseen == {("row", 1): 355, ("row", 4): 218, ("masked diagonal", 1): 35, ("masked diagonal", 4): 35}
    missing = torch.ones(64, 64).tril(-1).bool() & ~in_sets("masked diagonal", 8, 8, 5, 1)
    expected = {(8 * r + c, 8 * r - 1) for r in range(1, 8) for c in range(8 - 1 - 5 // 2)}
    assert set(map(tuple, missing.nonzero().tolist())) == expected
    assert in_sets("diagonal", 8, 8, 5, 1).sum() == 2016


def test_numbers_of_parameters():
    """Counted by hand; masked weights count."""
    def count(net):
        return sum(p.numel() for p in net.parameters())

    row, diagonal = count(RecurrentNet(2, 17, "row", 24, 2)), count(RecurrentNet(2, 17, "diagonal"))
    first, heads = 2 * 25 * 24 + 24, 24 * 24 + 24 + 24 * 17 + 17
    assert row == first + 2 * (24 * 96 * 2 + 96 + 24 * 96 * 3) + heads
    right = 2 * 64 + 64 + 16 * 64 * 2  # reads the image's two channels
    assert diagonal == 2 * 25 * 16 + 16 + (16 * 64 + 64 + 16 * 64 * 2) + right + 16 * 16 + 16 + 16 * 17 + 17


CASES = {
    "s must have shape (..., H, W + H - 1), got (2, 4, 3)": lambda: unskew(torch.zeros(2, 4, 3)),
    "size must be odd, got 4": lambda: RowLSTM(3, 4),
    "size must be a whole number of at least 1, got 0": lambda: RowLSTM(3, 0),
    "channels must be a whole number of at least 1, got 0": lambda: RecurrentNet(2, 5, "row", 0),
    "layers must be a whole number of at least 1, got 0": lambda: RecurrentNet(2, 5, "row", layers=0),
    "height must be odd": lambda: RecurrentNet(2, 5, "row", first=4),
    "kind must be one of ['row', 'diagonal', 'masked diagonal'], got 'column'": lambda: RecurrentNet(2, 5, "column"),
    "y was given to a network without a condition": lambda: (
        RecurrentNet(2, 5, "row")(torch.zeros(1, 2, 4, 4), torch.zeros(1, dtype=torch.long))
    ),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
