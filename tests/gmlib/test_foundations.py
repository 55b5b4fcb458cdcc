"""What all chapters share: data, training loop, metrics, pictures."""

import math

import matplotlib
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gmlib import data, metrics, plot
from gmlib.core import Estimate
from gmlib.nn import BernoulliNet, GaussianNet, draw, mlp
from gmlib.train import Step, averages, train

matplotlib.use("agg")


def test_digits_are_split_once_and_for_all():
    parts = data.digits()
    assert [len(p.x) for p in parts] == [1297, 250, 250]
    joined = torch.cat([p.x for p in parts]).numpy()
    theirs = load_digits().data
    assert sorted(map(bytes, joined.astype(np.uint8))) == sorted(map(bytes, theirs.astype(np.uint8)))  # none lost or twice
    assert torch.equal(parts.test.x, data.digits().test.x)
    assert parts.test.y[:10].tolist() == load_digits().target[np.random.RandomState(0).permutation(1797)[1547:1557]].tolist()
    assert data.digits(dtype=torch.float64).train.x.dtype == torch.float64


def test_labels_stay_with_their_images():
    theirs = {bytes(image.astype(np.uint8)): label for image, label in zip(*load_digits(return_X_y=True), strict=True)}
    for part in data.digits():
        assert [theirs[bytes(i)] for i in part.x.numpy().astype(np.uint8)] == part.y.tolist()


def test_binarise_and_dequantise():
    x = torch.arange(17.0)
    assert data.binarise(x).tolist() == [0.0] * 9 + [1.0] * 8
    u = data.dequantise(x.expand(20_000, 17), torch.Generator().manual_seed(0))
    assert torch.equal((u * 17).floor(), x.expand_as(u)) and u.max() < 1 and u.min() >= 0
    inside = u * 17 - x
    assert ((inside.mean(0) - 0.5).abs() < 6 / math.sqrt(12 * 20_000)).all()  # uniform in its cell


def test_grey_levels_of_another_data_set():
    """MNIST has 256: the middle lies between 127 and 128, and each level keeps its own cell."""
    x = torch.arange(256.0)
    assert data.binarise(x, levels=256).tolist() == [0.0] * 128 + [1.0] * 128
    u = data.dequantise(x.expand(50, 256), torch.Generator().manual_seed(0), levels=256)
    assert torch.equal((u.double() * 256).floor(), x.double().expand_as(u)) and u.max() < 1


def test_dequantisation_bounds_the_mass():
    """E_u[log p(x + u)] - log 17 is at most log P(x): equal for a density that is flat in each cell."""
    P = torch.rand(17, generator=torch.Generator().manual_seed(0), dtype=torch.float64).softmax(0)
    y = data.dequantise(torch.full((1000,), 5.0, dtype=torch.float64), torch.Generator().manual_seed(1))
    log_density = (17 * P[(y * 17).long()]).log()
    assert (log_density.mean() - math.log(17)).item() == pytest.approx(P[5].log().item(), abs=1e-12)
    assert metrics.bits_per_dim(log_density.mean(), 1, levels=17).item() == pytest.approx(-P[5].log2().item(), abs=1e-12)


@pytest.mark.parametrize("toy", [data.moons, data.spirals, data.checkerboard, data.pinwheel])
def test_toys(toy):
    a, b, c = (toy(500, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert a.shape == (500, 2) and torch.equal(a, b) and not torch.equal(a, c)
    assert 0.3 < a.std() < 3 and a.mean(0).abs().max() < 0.4


def test_checkerboard_is_uniform_on_its_squares():
    cell = (data.checkerboard(80_000, torch.Generator().manual_seed(0)) + 2).floor().long()
    counts = torch.zeros(4, 4).index_put_((cell[:, 0], cell[:, 1]), torch.ones(80_000), accumulate=True)
    dark = (torch.arange(4)[:, None] + torch.arange(4)) % 2 == 0
    assert (counts[~dark] == 0).all()
    assert ((counts[dark] - 10_000).abs() < 6 * math.sqrt(80_000 / 8 * 7 / 8)).all()


def test_ring_puts_its_modes_on_a_circle():
    ring = data.ring(8, radius=2.0)
    torch.testing.assert_close(ring.mu.norm(dim=1), torch.full((8,), 2.0))
    assert ring.log_prob(ring.mu).std() < 1e-5


def test_heads_are_normalised_distributions():
    q = GaussianNet(3, 5, 2)(torch.randn(4, 3))
    p = BernoulliNet(2, 5, 3)(torch.randn(4, 2))
    assert q.batch_shape == p.batch_shape == (4,) and q.event_shape == (2,) and p.event_shape == (3,)
    head, x = GaussianNet(3, 5, 2), torch.randn(4, 3)
    mu, log_sigma = head.net(x).chunk(2, dim=-1)
    assert torch.equal(head(x).mean, mu) and torch.equal(head(x).stddev, log_sigma.exp())  # not the log-variance
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    torch.testing.assert_close(p.log_prob(images[:, None]).exp().sum(0), torch.ones(4))
    assert len(mlp(3, 5)) == 1 and mlp(3, 4, 5)[-1].out_features == 5


@pytest.mark.parametrize("net", [GaussianNet, BernoulliNet])
def test_draw_has_the_moments_of_the_head(net):
    torch.manual_seed(0)
    p = net(3, 5, 2)(torch.randn(3)[None].expand(100_000, 3))
    x = draw(p, torch.Generator().manual_seed(1)).detach()
    assert ((x.mean(0) - p.mean[0]).abs() < 6 * p.stddev[0] / math.sqrt(100_000)).all()
    fourth = ((x - p.mean[0]) ** 2 - p.variance[0]).std(0)
    assert ((x.var(0) - p.variance[0]).abs() < 6 * fourth / math.sqrt(100_000) + 1e-4).all()


def count_loss(model, x, generator):
    model.seen.append(x.squeeze(1).tolist())
    value = model(x).mean()
    return value, {"twice": 2 * value}


def test_each_epoch_visits_every_example_once():
    model = torch.nn.Linear(1, 1)
    model.seen = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    x = torch.arange(10.0)[:, None]
    steps = list(train(model, count_loss, x, epochs=2, batch_size=4, optimizer=optimizer, generator=torch.Generator().manual_seed(0)))
    assert [s.step for s in steps] == [1, 2, 3, 4, 5, 6]
    assert [len(b) for b in model.seen] == [4, 4, 2, 4, 4, 2]
    first, second = sum(model.seen[:3], []), sum(model.seen[3:], [])
    assert sorted(first) == sorted(second) == list(range(10)) and first != second
    assert steps[0].terms["twice"] == 2 * steps[0].loss and not steps[0].loss.requires_grad


def test_training_can_be_left_at_any_step():
    model = torch.nn.Linear(1, 1)
    model.seen = []
    steps = train(model, count_loss, torch.ones(8, 1), epochs=5, batch_size=4, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    before = model.bias.item()
    next(steps)
    steps.close()
    assert len(model.seen) == 1 and model.bias.item() == pytest.approx(before - 0.1)


def test_averages_of_groups():
    steps = [Step(i, torch.tensor(float(i)), {"a": torch.tensor(10.0 * i)}) for i in range(1, 6)]
    assert list(averages(steps, 2)) == [
        {"step": 2, "loss": 1.5, "a": 15.0}, {"step": 4, "loss": 3.5, "a": 35.0}, {"step": 5, "loss": 5.0, "a": 50.0},
    ]  # fmt: skip


def test_average_covers_the_truth_as_often_as_it_says():
    """The 95% interval of 4,000 repetitions: its coverage is binomial; 6 standard deviations is 2%."""
    x = torch.randn(4000, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    estimates = [metrics.average(row, "unbiased") for row in x]
    covered = sum(abs(e.value) < 2.0096 * e.standard_error for e in estimates) / 4000  # t, 49 degrees of freedom
    assert abs(covered - 0.95) < 6 * math.sqrt(0.95 * 0.05 / 4000)
    assert metrics.average(Estimate(torch.tensor([1.0, 3.0]), "lower")).kind == "lower"


def test_bits_per_dim_of_uniform_levels():
    assert metrics.bits_per_dim(torch.tensor(0.0), dims=64, levels=16).item() == pytest.approx(4.0)  # density 1 on [0, 1)


def test_in_batches_equals_all_at_once():
    x = torch.randn(11, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(metrics.in_batches(lambda v: v.sum(1), x, 4), x.sum(1))


def test_pictures_show_what_they_are_given():
    import matplotlib.pyplot as plt

    plot.use_style()
    x = torch.zeros(3, 4)
    x[1] = torch.tensor([0.1, 0.2, 0.3, 0.4])  # the second image
    shown = plot.images(x, side=2, columns=2, ax=plt.figure().subplots()).get_images()[0].get_array()
    np.testing.assert_allclose(shown[:2, 3:5], [[0.1, 0.2], [0.3, 0.4]], rtol=1e-6)
    assert shown.shape == (5, 5)
    patch = plot.ellipse(torch.zeros(2), torch.diag(torch.tensor([4.0, 9.0])), plt.gca())
    assert sorted([patch.width, patch.height]) == pytest.approx([4.0, 6.0])  # two standard deviations across
    longest = max((patch.width, patch.angle), (patch.height, patch.angle + 90))
    assert longest[1] % 180 == pytest.approx(90)  # the longer axis is vertical
    ax = plot.density(data.ring(4).log_prob, (-3, 3, -3, 3), plt.figure().subplots())
    assert len(ax.collections) >= 1
    plt.close("all")
