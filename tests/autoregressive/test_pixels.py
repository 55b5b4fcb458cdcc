"""Images pixel by pixel: conditionals and marginals read off the table of all small images, draws and completions against it."""

import itertools
import math

import pytest
import torch

from gmlib import core, data, metrics
from gmlib.autoregressive import (
    Categorical,
    GatedNet,
    LogisticMixture,
    Multiscale,
    PixelModel,
    PlainNet,
    RecurrentNet,
    negative_class_log_prob,
    negative_log_prob,
)
from gmlib.train import train
from tests.autoregressive.conftest import EXACT, F64, all_images, assert_law, shaken
from tests.laws import laws


def grey(levels=3, shape=(1, 2, 3), **options):
    return PixelModel(GatedNet(2, levels, 4, (5, 3), **options), shape, Categorical(levels))


def colour(levels=3, shape=(3, 1, 2), K=2):
    head = LogisticMixture(levels, K, 3)
    return PixelModel(PlainNet(4, head.outputs, 4, layers=1), shape, head)


def multiscale(levels=2, H=2, W=4):
    small = PixelModel(GatedNet(2, levels, 3, (3,)), (1, H // 2, W // 2), Categorical(levels))
    return Multiscale(small, PixelModel(GatedNet(2, levels, 4, (3, 3), planes=2), (1, H, W), Categorical(levels)))


MODELS = {
    "plain": lambda: PixelModel(PlainNet(2, 3, 4, layers=2), (1, 2, 3), Categorical(3)),
    "gated": grey,
    "gated, logistic": lambda: PixelModel(GatedNet(2, 6, 4, (3, 3)), (1, 3, 2), LogisticMixture(3, 2)),
    "row": lambda: PixelModel(RecurrentNet(2, 3, "row", 4, first=3), (1, 2, 3), Categorical(3)),
    "diagonal": lambda: PixelModel(RecurrentNet(2, 3, "diagonal", 4, first=3), (1, 3, 2), Categorical(3)),
    "colour": colour,
    "colour, categorical": lambda: PixelModel(PlainNet(4, 9, 4, layers=1), (3, 2, 1), Categorical(3, 3)),
}


@pytest.mark.equation("eq-autoregressive-image", "eq-autoregressive-rgb")
@pytest.mark.parametrize("name", MODELS)
def test_conditionals_are_those_of_the_joint_table(name):
    """For each pixel in raster order: the quotient of two sums over all 3^6 images."""
    model = shaken(MODELS[name])
    C, H, W = model.shape
    X = all_images(3, model.size)
    table, said = model.log_prob(X).exp(), model.pixel_log_prob(X)
    assert table.sum().item() == pytest.approx(1, abs=1e-12) and said.shape == (len(X), H, W)
    places = list(itertools.product(range(H), range(W)))
    assert model.places() == places
    channels = {p: [c * H * W + p[0] * W + p[1] for c in range(C)] for p in places}
    for k in (0, 88, 345, 701):
        agrees = torch.ones(len(X), dtype=torch.bool)
        for place in places:
            before = table[agrees].sum()
            agrees = agrees & (X[:, channels[place]] == X[k, channels[place]]).all(1)
            torch.testing.assert_close(said[k][place].exp(), table[agrees].sum() / before, **EXACT)


@pytest.mark.equation("eq-autoregressive-image")
def test_the_net_gets_scaled_pixels_and_ones(generator):
    model = shaken(lambda: colour(5))
    x = torch.randint(5, (2, 6), generator=generator).to(F64)
    got = model.inputs(x.reshape(2, 3, 1, 2))
    assert got[:, :3].flatten(1).tolist() == [[v / 2 - 1 for v in row] for row in x.tolist()] and got[:, 3].eq(1).all()
    said = model.head.log_prob(model.net(got, None), x.reshape(2, 3, 1, 2))
    torch.testing.assert_close(model.log_prob(x), said.sum((1, 2)), **EXACT)
    laws.log_prob_ignores_batch_shape(model, x)
    assert model.pixel_log_prob(x.reshape(1, 2, 6)).shape == (1, 2, 1, 2) and model.size == 6
    assert isinstance(model, core.HasLogProb) and isinstance(model, core.CanSample) and not hasattr(model, "elbo")


def test_draws_are_pixel_by_pixel(monkeypatch):
    """The most probable level each time: the draw is the path of maxima through the table."""
    model = shaken(lambda: grey(3, (1, 2, 3)))
    monkeypatch.setattr(torch, "multinomial", lambda p, n, generator=None: p.argmax(1, keepdim=True))
    X = all_images(3, 6)
    table, agrees, path = model.log_prob(X).exp(), torch.ones(3**6, dtype=torch.bool), []
    for i in range(6):
        path.append(max(range(3), key=lambda v: table[agrees & (X[:, i] == v)].sum().item()))
        agrees = agrees & (X[:, i] == path[-1])
    assert model.sample().tolist() == path and model.sample((2, 1)).tolist() == [[path]] * 2
    start = torch.tensor([[2.0, 0, 1, 0, 0, 0]], dtype=F64)
    kept, agrees = [2, 0], (X[:, 0] == 2) & (X[:, 1] == 0)
    for i in range(2, 6):
        kept.append(max(range(3), key=lambda v: table[agrees & (X[:, i] == v)].sum().item()))
        agrees = agrees & (X[:, i] == kept[-1])
    assert model.complete(start, 2).tolist() == [kept] and start.tolist() == [[2, 0, 1, 0, 0, 0]]


def test_completions_have_the_conditional_law(generator):
    """Of images whose first pixels are known: 20,000 of each of two, with their labels; channels of a known pixel stay."""
    model, X = shaken(lambda: grey(2, (1, 2, 2), classes=3)), all_images(2, 4)
    start, y = torch.tensor([[1.0, 0, 0, 0], [0.0, 1, 1, 1]], dtype=F64), torch.tensor([2, 0])
    drawn = model.complete(start.repeat(20_000, 1, 1), 2, generator, y.repeat(20_000))
    assert drawn.shape == (20_000, 2, 4)
    for n in range(2):
        log_p = model.log_prob(X, y[n].expand(16))
        p = torch.where((X[:, :2] == start[n, :2]).all(1), log_p, -math.inf).softmax(0)
        assert_law(drawn[:, n], X, p)
    rgb, x = shaken(colour), torch.tensor([[2.0, 1, 0, 1, 1, 2]], dtype=F64)
    done = rgb.complete(x.expand(50, 6), 1, generator)
    assert (done[:, ::2] == x[:, ::2]).all() and done[:, 1::2].unique(dim=0).shape[0] > 5


@pytest.mark.equation("eq-autoregressive-image")
@pytest.mark.parametrize("make", [
    lambda: grey(3, (1, 2, 2), classes=3),
    lambda: PixelModel(PlainNet(2, 3, 4, classes=3, positions=(2, 2)), (1, 2, 2), Categorical(3)),
], ids=["gated", "plain"])  # fmt: skip
def test_each_class_has_a_law_of_its_own(make, generator):
    model, X = shaken(make), all_images(3, 4)
    table = torch.stack([model.log_prob(X, torch.full((81,), k)).exp() for k in range(3)])
    torch.testing.assert_close(table.sum(1), torch.ones(3, dtype=F64), **EXACT)
    assert all((table[i] - table[j]).abs().max() > 0.01 for i, j in ((0, 1), (0, 2), (1, 2)))
    drawn = model.sample((20_000,), generator, torch.tensor([1, 2]).repeat(10_000)).reshape(10_000, 2, 4)
    for n, k in enumerate((1, 2)):
        assert_law(drawn[:, n], X, table[k])


@pytest.mark.equation("eq-autoregressive-multiscale")
@pytest.mark.parametrize(("H", "W"), [(2, 4), (4, 2)])
def test_small_image_is_a_marginal_of_the_large(H, W):
    """All 2^8 images sum to one, and those with the same small image to its own probability."""
    model, X = shaken(lambda: multiscale(H=H, W=W)), all_images(2, 8)
    p = model.log_prob(X).exp()
    corners = [r * W + c for r in range(0, H, 2) for c in range(0, W, 2)]
    assert p.sum().item() == pytest.approx(1, abs=1e-12)
    for small in all_images(2, 2):
        marginal = p[(X[:, corners] == small).all(1)].sum()
        torch.testing.assert_close(marginal, model.small.log_prob(small).exp(), **EXACT)
    laws.log_prob_ignores_batch_shape(model, X[100:106])


@pytest.mark.parametrize(("H", "W"), [(2, 4), (4, 2)])
def test_draws_of_several_scales_have_the_law(H, W, generator):
    model, X = shaken(lambda: multiscale(2, H, W)), all_images(2, 8)
    assert_law(model.sample((20_000,), generator), X, model.log_prob(X).exp())


@pytest.mark.equation("eq-autoregressive-multiscale")
def test_multiscale_by_hand(generator):
    """Each other pixel given the small image and what lies before it, colours too."""
    head = LogisticMixture(4, 2, 3)
    small = lambda: PixelModel(PlainNet(4, head.outputs, 3, layers=0, first=3), (3, 1, 2), head)  # noqa: E731
    large = lambda: PixelModel(PlainNet(4, head.outputs, 3, layers=1, first=3, planes=4), (3, 2, 4), head)  # noqa: E731
    model = shaken(lambda: Multiscale(small(), large()))
    x = torch.randint(4, (2, 3, 2, 4), generator=generator).to(F64)
    known = torch.zeros(2, 4, 2, 4, dtype=F64)
    for c in (0, 2):
        known[:, :3, 0, c], known[:, 3, 0, c] = 2 * x[:, :, 0, c] / 3 - 1, 1
    assert torch.equal(model.known(x[:, :, ::2, ::2]), known)
    each = model.large.pixel_log_prob(x.flatten(1), known)
    expected = model.small.log_prob(x[:, :, :1, ::2].flatten(1))
    for place in itertools.product(range(2), range(4)):
        if place not in ((0, 0), (0, 2)):
            expected = expected + each[:, place[0], place[1]]
    torch.testing.assert_close(model.log_prob(x.flatten(1)), expected, **EXACT)
    assert isinstance(model, core.HasLogProb) and isinstance(model, core.CanSample)
    assert model.sample((2, 3), generator).shape == (2, 3, 24)


def test_losses_are_minus_the_mean(generator):
    model, X = shaken(lambda: grey(3, (1, 2, 2), classes=5)), all_images(3, 4)[20:27]
    y = torch.tensor([0, 4, 2, 2, 1, 3, 0])
    loss, terms = negative_class_log_prob(model, torch.cat([X, y[:, None].to(F64)], 1))
    expected = -sum(model.log_prob(x[None], k[None]).item() for x, k in zip(X, y, strict=True)) / 7
    assert loss.item() == pytest.approx(expected, abs=1e-12) and terms == {}
    model = shaken(lambda: grey(3, (1, 2, 2)))
    assert negative_log_prob(model, X)[0].item() == pytest.approx(-sum(model.log_prob(x).item() for x in X) / 7, abs=1e-12)


def test_training_beats_the_histograms():
    """Three passes over 900 digits, in bits per dimension: independent pixels need 2.43, the best nets of the chapter over 1.7."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = PixelModel(PlainNet(2, 17, 12, layers=1), (1, 8, 8), Categorical(17))
    parts = data.digits()
    adam = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in train(model, negative_log_prob, parts.train.x[:900], epochs=3, batch_size=30, optimizer=adam,
                   generator=torch.Generator().manual_seed(0)):  # fmt: skip
        pass
    with torch.no_grad():
        bits = metrics.bits_per_dim(model.log_prob(parts.test.x), 64)
    assert 1.7 < bits.mean() < 2.38, bits.mean()


MODEL, LARGE = grey(), PixelModel(GatedNet(2, 2, planes=2), (1, 4, 6), Categorical(2))
CASES = {
    "each size of shape must be a whole number of at least 1, got 0": lambda: grey(shape=(1, 0, 3)),
    "shape must be (C, H, W) with C = 1 as in head, got (2, 4)": lambda: grey(shape=(2, 4)),
    "shape must be (C, H, W) with C = 3 as in head, got (1, 2, 2)": lambda: PixelModel(PlainNet(2, 9), (1, 2, 2), Categorical(3, 3)),
    "x must have shape (..., 6), got (2, 5)": lambda: MODEL.check(torch.zeros(2, 5)),
    "x must have shape (..., 6), got (5,)": lambda: MODEL.log_prob(torch.zeros(5)),
    "x must hold whole numbers from 0 to 2": lambda: MODEL.log_prob(torch.full((6,), 3.0)),
    "x must hold whole numbers from 0 to 2 ": lambda: MODEL.pixel_log_prob(torch.full((6,), 0.5)),
    "x must hold whole numbers from 0 to 2  ": lambda: MODEL.complete(torch.full((6,), -1.0), 2),
    "x must be a floating-point tensor": lambda: MODEL.log_prob(torch.zeros(6, dtype=torch.long)),
    "x holds 6 NaN": lambda: MODEL.log_prob(torch.full((6,), math.nan)),
    "known must be a whole number of at least 1, got 0": lambda: MODEL.complete(torch.zeros(6), 0),
    "known must be below 6, the number of pixels, got 6": lambda: MODEL.complete(torch.zeros(6), 6),
    "y was given to a network without a condition": lambda: MODEL.sample((2,), y=torch.zeros(2, dtype=torch.long)),
    "y was given to a network without a condition ": lambda: (
        MODEL.fill(torch.zeros(2, 1, 2, 3), [(0, 0)], y=torch.zeros(2, dtype=torch.long))
    ),
    "x must have shape (..., 6), got (2, 4)": lambda: negative_log_prob(MODEL, torch.zeros(2, 4)),
    "x must have shape (..., 6), got (2, 4) ": lambda: negative_class_log_prob(MODEL, torch.zeros(2, 5)),
    "small must have shape (1, 2, 3) and large even sides, got (1, 2, 2)": lambda: Multiscale(grey(2, (1, 2, 2)), LARGE),
    "small must have shape (1, 1, 1) and large even sides": lambda: Multiscale(grey(2, (1, 1, 1)), grey(2, (1, 2, 3))),
    "small must have 2 levels as large, got 3": lambda: Multiscale(grey(3, (1, 2, 3)), LARGE),
    "x must have shape (..., 24)": lambda: Multiscale(grey(2, (1, 2, 3)), LARGE).log_prob(torch.zeros(23)),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message.strip() in str(error.value)
