"""Masks by raster order, layers by loops over pixels and taps, and what each output depends on."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from gmlib.autoregressive import GatedLayer, GatedNet, MaskedConv2d, PlainNet, gate, kernel_mask
from gmlib.autoregressive.convolution import Condition
from tests.autoregressive.conftest import EXACT, F64, shaken

H, W = 4, 5
PIXELS = list(itertools.product(range(H), range(W)))


def at(x, r, c):
    """The channels of one image at a place, zeros beyond its edges."""
    inside = 0 <= r < x.shape[1] and 0 <= c < x.shape[2]
    return x[:, r, c] if inside else x.new_zeros(len(x))


def convolved(x, weight, bias, taps):
    """The sum over taps (dr, dc, row and column in the kernel), at each pixel by itself."""
    out = x.new_empty(len(weight), H, W)
    for r, c in PIXELS:
        out[:, r, c] = bias + sum(weight[:, :, i, j] @ at(x, r + dr, c + dc) for dr, dc, i, j in taps)
    return out


def masked_taps(k, kind):
    offsets = itertools.product(range(-(k // 2), k // 2 + 1), repeat=2)
    return [(dr, dc, dr + k // 2, dc + k // 2) for dr, dc in offsets if dr < 0 or (dr == 0 and dc < (kind == "B"))]


@pytest.mark.equation("eq-autoregressive-masks")
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 3), (3, 5), (5, 3), (7, 1), (1, 5)])
def test_masks_by_raster_order(height, width):
    for kind in "AB":
        expected = [
            [float((r, c) < (height // 2, width // 2) or (kind == "B" and (r, c) == (height // 2, width // 2))) for c in range(width)]
            for r in range(height)
        ]
        assert kernel_mask(height, width, kind).tolist() == expected


@pytest.mark.equation("eq-autoregressive-masks")
def test_masks_by_hand():
    assert kernel_mask(3, 5, "A").tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert kernel_mask(3, 3, "A").sum() == 4 and kernel_mask(3, 3, "B").sum() == 5
    assert kernel_mask(5, 5, "A").sum() == 12 and kernel_mask(5, 5, "B").sum() == 13


@pytest.mark.equation("eq-autoregressive-masks")
@pytest.mark.parametrize(("size", "kind"), [(3, "A"), (3, "B"), (5, "A")])
def test_masked_convolution_by_loops(size, kind, generator):
    conv, x = shaken(lambda: MaskedConv2d(2, 3, size, kind)), torch.randn(2, 2, H, W, generator=generator, dtype=F64)
    for image, out in zip(x, conv(x), strict=True):
        torch.testing.assert_close(out, convolved(image, conv.weight, conv.bias, masked_taps(size, kind)), **EXACT)
    assert "mask" in conv.state_dict()


def test_hidden_weights_get_no_gradient(generator):
    conv = MaskedConv2d(2, 3, 3, "A")
    conv(torch.randn(1, 2, 4, 4, generator=generator)).square().sum().backward()
    assert torch.equal(conv.weight.grad != 0, (conv.mask > 0).expand_as(conv.weight))


@pytest.mark.equation("eq-autoregressive-gate")
def test_gate_by_loops(generator):
    x = torch.randn(2, 6, 3, generator=generator, dtype=F64)
    for n, c, i in itertools.product(range(2), range(3), range(3)):
        a, b = x[n, c, i].item(), x[n, c + 3, i].item()
        assert gate(x)[n, c, i].item() == pytest.approx(math.tanh(a) / (1 + math.exp(-b)), abs=1e-12)


@pytest.mark.equation("eq-autoregressive-gate")
@pytest.mark.parametrize(("kind", "size", "inputs"), [("A", 3, 2), ("A", 5, 2), ("B", 3, 4), ("B", 5, 4)])
def test_gated_layer_by_loops(kind, size, inputs, generator):
    """The rows above through the vertical stack; in the row the pixels to the left, and the pixel itself with B only."""
    layer, k, channels = shaken(lambda: GatedLayer(inputs, 4, size, kind, classes=3)), size // 2, 4
    v, h = torch.randn(2, 1, inputs, H, W, generator=generator, dtype=F64)
    told = layer.condition.classes.weight[2][:, None, None]
    down = [(dr, dc, dr + k, dc + k) for dr in range(-k, 1) for dc in range(-k, k + 1)]
    right = [(0, dc, 0, dc + k) for dc in range(-k, 1 if kind == "B" else 0)]
    below = convolved(v[0], layer.down.weight, layer.down.bias, down)
    row = convolved(h[0], layer.right.weight, layer.right.bias, right)
    new_h = torch.empty(channels, H, W, dtype=F64)
    for r, c in PIXELS:
        across = layer.across.weight[:, :, 0, 0] @ at(below, r - 1, c) + layer.across.bias
        a, b = (row[:, r, c] + across + told[:, 0, 0]).split(channels)
        new_h[:, r, c] = layer.out.weight[:, :, 0, 0] @ (a.tanh() / (1 + (-b).exp())) + layer.out.bias
    found_v, found_h = layer(v, h, torch.tensor([2]))
    a, b = (below + told).split(channels)
    torch.testing.assert_close(found_v[0], a.tanh() / (1 + (-b).exp()), **EXACT)
    torch.testing.assert_close(found_h[0], new_h if kind == "A" else h[0] + new_h, **EXACT)


def test_dropout_is_on_the_way_to_the_horizontal_stack(generator):
    """With probability 1 nothing is added; when not training nothing is dropped."""
    layer = shaken(lambda: GatedLayer(3, 3, 3, "B", dropout=1.0))
    v, h = torch.randn(2, 1, 3, H, W, generator=generator, dtype=F64)
    assert layer.dropout.p == 1 and torch.equal(layer.train()(v, h)[1], h) and not torch.equal(layer.eval()(v, h)[1], h)
    for net, p in ((GatedNet(2, 5, 4, dropout=0.3), 0.3), (GatedNet(2, 5, 4), 0), (GatedLayer(2, 4, 3, "A"), 0)):
        assert {m.p for m in net.modules() if isinstance(m, torch.nn.Dropout2d)} == {p}


def test_a_map_is_seen_from_everywhere_near(generator):
    condition = shaken(lambda: Condition(3, planes=2))
    y = torch.randn(1, 2, H, W, generator=generator, dtype=F64)
    taps = [(dr, dc, dr + 2, dc + 2) for dr, dc in itertools.product(range(-2, 3), repeat=2)]
    torch.testing.assert_close(condition(y)[0], convolved(y[0], condition.planes.weight, condition.planes.bias, taps), **EXACT)


@pytest.mark.parametrize("positions", [None, (H, W)])
@pytest.mark.parametrize("activation", [F.relu, F.silu])
def test_plain_net_layer_by_layer(positions, activation, generator):
    net = shaken(lambda: PlainNet(2, 6, 4, layers=2, first=5, classes=3, positions=positions, activation=activation))
    x, y = torch.randn(2, 2, H, W, generator=generator, dtype=F64), torch.tensor([2, 0])
    bias = list(net.positions) or [0.0] * 4
    for image, label, out in zip(x, y, net(x, y), strict=True):
        told = [c.classes.weight[label][:, None, None] for c in net.conditions]
        h = convolved(image, net.first.weight, net.first.bias, masked_taps(5, "A")) + told[0] + bias[0]
        for i, conv in enumerate(net.blocks, 1):
            h = h + convolved(activation(h), conv.weight, conv.bias, masked_taps(3, "B")) + told[i] + bias[i]
        for conv in net.heads:
            h = torch.einsum("oi,ihw->ohw", conv.weight[:, :, 0, 0], activation(h)) + conv.bias[:, None, None]
        torch.testing.assert_close(out, h + bias[3], **EXACT)
    assert len(net.conditions) == 3 and len(net.blocks) == 2
    assert all(p.eq(0).all() for p in PlainNet(2, 6, positions=(H, W)).positions)


SHORT_CUTS = {4: {3: 0}, 5: {3: 1, 4: 0}, 6: {4: 1, 5: 0}, 7: {4: 2, 5: 1, 6: 0}}  # which layer also gets what


@pytest.mark.parametrize("layers", SHORT_CUTS)
def test_gated_net_layer_by_layer(layers, generator):
    sizes = (5, 3, 3, 5, 3, 3, 3)[:layers]
    x = torch.randn(2, 2, H, W, generator=generator, dtype=F64)
    for short_cuts in (False, True):
        net = shaken(lambda: GatedNet(2, 5, 4, sizes, planes=3, **({"short_cuts": True} if short_cuts else {})))
        y = torch.randn(2, 3, H, W, generator=generator, dtype=F64)
        v, h, seen = x, x, []
        for i, layer in enumerate(net.layers):
            assert layer.kind == ("B" if i else "A") and layer.down.weight.shape[-1] == sizes[i]
            if short_cuts and i in SHORT_CUTS[layers]:
                partner = seen[SHORT_CUTS[layers][i]]
                v, h = v + partner[0], h + partner[1]
            v, h = layer(v, h, y)
            seen.append((v, h))
        for conv in net.heads:
            h = torch.einsum("oi,nihw->nohw", conv.weight[:, :, 0, 0], h.clamp(min=0)) + conv.bias[:, None, None]
        torch.testing.assert_close(net(x, y), h, **EXACT)


def test_numbers_of_parameters():
    """As measured with the recipes of the chapter; the plain net's masked weights count."""
    def count(net):
        return sum(p.numel() for p in net.parameters())

    a, b, heads = 2 * 32 * 25 + 32, 32 * 32 * 9 + 32, 32 * 32 + 32 + 32 * 17 + 17
    assert count(PlainNet(2, 17)) == a + 4 * b + heads == 40_241
    gated = count(GatedNet(2, 17))
    assert gated == 25_889 and count(GatedNet(2, 15)) == gated - 34 and count(GatedNet(2, 17, classes=10)) == gated + 5 * 10 * 32
    assert count(PlainNet(2, 17, layers=3, first=3)) == 29_969


X = torch.zeros(2, 2, 4, 4)
NO_LABEL = "y must hold a label for each example, shape (N,), dtype torch.int64"
NO_MAP = "y must be a map for each example, shape (N, planes, H, W)"
CASES = {
    "height must be odd, so that the kernel has a centre, got 2": lambda: kernel_mask(2, 3, "A"),
    "width must be odd, so that the kernel has a centre, got 4": lambda: kernel_mask(3, 4, "A"),
    "width must be a whole number of at least 1, got 0": lambda: kernel_mask(3, 0, "A"),
    "kind must be 'A' or 'B', got 'C'": lambda: kernel_mask(3, 3, "C"),
    "kind must be 'A' or 'B', got 'AB'": lambda: MaskedConv2d(2, 3, 3, "AB"),
    "height must be odd": lambda: GatedLayer(2, 3, 4, "A"),
    "kind must be 'A' or 'B', got 'a'": lambda: GatedLayer(2, 3, 3, "a"),
    "size must be at least 3 with kind 'A', got 1": lambda: GatedNet(2, 5, sizes=(1, 3)),
    "height must be odd ": lambda: PlainNet(2, 17, size=2),
    "height must be odd  ": lambda: GatedNet(2, 17, sizes=(3, 4)),
    "sizes must hold at least one kernel size": lambda: GatedNet(2, 17, sizes=()),
    NO_LABEL: lambda: PlainNet(2, 17, classes=3)(X),
    f"{NO_LABEL} ": lambda: PlainNet(2, 17, classes=3)(X, torch.zeros(2)),
    f"{NO_LABEL}  ": lambda: Condition(5, classes=3)(torch.zeros(2, 1, dtype=torch.long)),
    NO_MAP: lambda: GatedNet(2, 17, planes=3)(X),
    f"{NO_MAP} ": lambda: Condition(5, planes=3)(torch.zeros(3, 4, 4)),
    "y was given to a network without a condition": lambda: PlainNet(2, 17)(X, torch.zeros(2, dtype=torch.long)),
    "classes and planes exclude each other": lambda: Condition(5, classes=3, planes=2),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
