"""Shapes with known factors: what is drawn has the area, the place, the angle and the kind that its factors say."""

import itertools
import math

import numpy as np
import pytest
import torch

from gmlib import data

F64 = torch.float64


@pytest.fixture(scope="module")
def large():
    """Pictures fine enough that pixels do not matter."""
    return data.shapes(size=64, scales=3, orientations=4, positions=3, dtype=F64)


def moments(pictures, size):
    """Mass, centroid and second moments of each picture, in parts of its side; x to the right, y downwards."""
    p = pictures.numpy().reshape(-1, size, size) / size**2
    t = (np.arange(size) + 0.5) / size
    mass = p.sum((1, 2))
    x, y = np.einsum("nyx,x->n", p, t) / mass, np.einsum("nyx,y->n", p, t) / mass
    dx, dy = t - x[:, None], t - y[:, None]
    one = np.ones_like(dx)
    second = [np.einsum("nyx,ny,nx->n", p, a, b) / mass for a, b in ((one, dx**2), (dy**2, one), (dy, dx))]
    return mass, x, y, *second


def test_every_combination_once():
    shapes = data.shapes(size=16, scales=2, orientations=3, positions=4)
    rows = [tuple(row) for row in shapes.factors.tolist()]
    assert rows == list(itertools.product(range(3), range(2), range(3), range(4), range(4)))
    assert shapes.x.shape == (len(rows), 256) and shapes.names == ("shape", "scale", "orientation", "x", "y")
    assert len(data.shapes().x.unique(dim=0)) == len(data.shapes().x) == 3 * 3 * 4 * 8 * 8  # no two pictures alike


@pytest.mark.parametrize("size", [16, 32])
def test_grey_levels(size):
    """Between 0 and 1, with true greys; nothing is cut off: the edge of the picture is nearly empty."""
    shapes = data.shapes(size=size)
    assert shapes.x.min() == 0 and shapes.x.max() == 1 and ((shapes.x > 0) & (shapes.x < 1)).any(1).all()
    mass, *_ = moments(shapes.x, size)
    np.testing.assert_allclose(mass, shapes.values[:, 1] ** 2, rtol=0.08)  # at size 16, 10 to 33 pixels


def test_area_and_centroid(large):
    mass, x, y, *_ = moments(large.x, 64)
    np.testing.assert_allclose(mass, large.values[:, 1] ** 2, rtol=0.015)
    np.testing.assert_allclose(x, large.values[:, 3], atol=0.1 / 64)
    np.testing.assert_allclose(y, large.values[:, 4], atol=0.1 / 64)


def test_orientation(large):
    """The long axis of rectangle and ellipse, by second moments; the triangle points at minus a right angle."""
    *_, xx, yy, xy = moments(large.x, 64)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    kind, turn = large.factors[:, 0].numpy(), large.values[:, 2].numpy()
    difference = (angle - turn + math.pi / 2) % math.pi - math.pi / 2
    assert np.abs(difference[kind != 2]).max() < 0.02
    p = large.x.numpy().reshape(-1, 64, 64)[kind == 2]
    t = (np.arange(64) + 0.5) / 64
    place, turn = large.values[:, 3:].numpy()[kind == 2], turn[kind == 2]
    u, v = np.sin(turn), -np.cos(turn)  # towards the apex
    dx, dy = (t - place[:, :1]) * u[:, None], (t - place[:, 1:]) * v[:, None]
    assert (np.einsum("nyx,nyx->n", p, (dx[:, None, :] + dy[:, :, None]) ** 3) > 0).all()  # the thin end is far out


def test_kind(large):
    """Second moments of unit area along the axes: rectangle 2 by 1, ellipse 2 by 1, triangle as high as wide."""
    *_, xx, yy, xy = moments(large.x, 64)
    area = large.values[:, 1].numpy() ** 2
    trace, determinant = (xx + yy) / area, (xx * yy - xy**2) / area**2
    b2 = 1 / (2 * math.pi)
    expected = {0: (2 / 12 + 0.5 / 12, 1 / 144), 1: (5 * b2 / 4, 4 * b2**2 / 16), 2: (2 / 18 + 2 / 24, 4 / (18 * 24))}
    for kind, (t, d) in expected.items():
        chosen = large.factors[:, 0].numpy() == kind
        np.testing.assert_allclose(trace[chosen], t, rtol=0.02)
        np.testing.assert_allclose(determinant[chosen], d, rtol=0.04)


def test_values_belong_to_factors():
    shapes = data.shapes(size=8, scales=3, orientations=4, positions=5, dtype=F64)
    place = [0.34, 0.42, 0.5, 0.58, 0.66]
    angle = [i * math.pi / 4 for i in range(4)]
    for j, levels in enumerate(([0, 1, 2], [0.2, 0.28, 0.36], angle, place, place)):
        torch.testing.assert_close(shapes.values[:, j], torch.tensor(levels, dtype=F64)[shapes.factors[:, j]])
    assert shapes.x.dtype == shapes.values.dtype == F64 and not shapes.factors.is_floating_point()
    assert torch.equal(shapes.x, data.shapes(8, 3, 4, 5, F64).x)


@pytest.mark.parametrize("argument", ["size", "scales", "orientations", "positions"])
def test_bad_counts(argument):
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match=f"{argument} must be a whole number of at least 1"):
            data.shapes(**{argument: wrong})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_same_pictures_on_a_gpu():
    on_gpu = data.shapes(dtype=F64, device="cuda")
    assert on_gpu.x.is_cuda and torch.equal(on_gpu.factors.cpu(), data.shapes().factors)
    assert (on_gpu.x.cpu() - data.shapes(dtype=F64).x).abs().max() <= 8 / 64  # a subpixel or two exactly on an edge
