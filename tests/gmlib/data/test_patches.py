"""Patches are found again in scikit-learn's photographs; on a picture whose values name their places, every place turns up."""

import importlib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from gmlib.data import patches

module = importlib.import_module("gmlib.data.patches")  # its function has the same name


def on(seed=0):
    return torch.Generator().manual_seed(seed)


def found(patch, photographs):
    """The places (photograph, row, column) at which a patch of shape (side, side, channels) stands."""
    side = len(patch)
    first = np.argwhere((photographs == patch[0, 0]).all(-1))
    return [(w, r, c) for w, r, c in first if np.array_equal(photographs[w, r : r + side, c : c + side], patch)]


@pytest.mark.parametrize("held_out", [False, True])
def test_patches_stand_in_the_photographs(held_out):
    photographs = np.stack(load_sample_images().images).astype(float)
    assert photographs.shape == (2, 427, 640, 3)
    x = patches(40, side=5, colour=True, held_out=held_out, generator=on())
    assert x.shape == (40, 75) and x.dtype == torch.float32
    places = [found(p, photographs) for p in x.double().reshape(40, 3, 5, 5).permute(0, 2, 3, 1).numpy()]
    columns = range(480, 636) if held_out else range(476)
    assert all(any(c in columns for _, _, c in place) for place in places)
    assert {w for place in places for w, _, _ in place} == {0, 1}


def test_grey_by_whole_numbers():
    """Thousandths of 299 R + 587 G + 114 B, rounded, which a rounding of halves leaves to either side."""
    grey, colours = (patches(60, side=3, colour=c, generator=on(3), dtype=torch.float64).reshape(60, -1, 9) for c in (False, True))
    R, G, B = colours.unbind(1)
    assert torch.equal(grey, grey.round()) and grey.shape == (60, 1, 9)
    assert ((1000 * grey[:, 0] - (299 * R + 587 * G + 114 * B)).abs() <= 500).all()
    assert grey.min() >= 0 and grey.max() <= 255 and grey.std() > 20


@pytest.mark.parametrize(("held_out", "first", "last"), [(False, 0, 479), (True, 480, 481)])
def test_every_place_turns_up_and_no_other(held_out, first, last, monkeypatch):
    """A picture of 4 x 482 whose values are 1000 row + column, in six versions for the photographs and the channels."""
    place = (1000 * torch.arange(4.0)[:, None] + torch.arange(482.0)).double()
    number = torch.arange(6.0).reshape(2, 3, 1, 1).double()
    monkeypatch.setattr(module, "_photographs", lambda: 10_000 * number + place)
    x = patches(40_000 if not held_out else 200, 2, True, held_out, on()).reshape(-1, 3, 2, 2)
    start = x[:, 0, 0, 0]
    offsets = 10_000 * torch.arange(3.0)[:, None, None] + torch.tensor([[0.0, 1.0], [1000.0, 1001.0]])
    assert torch.equal(x, start[:, None, None, None] + offsets)
    expected = {30_000 * w + 1000 * r + c for w in range(2) for r in range(3) for c in range(first, last)}
    assert set(start.int().tolist()) == expected


def test_generator_and_dtype():
    a, b, c = (patches(5, generator=on(s)) for s in (0, 0, 1))
    assert a.shape == (5, 64) and torch.equal(a, b) and not torch.equal(a, c)
    assert patches(1, side=160, held_out=True, dtype=torch.float64).dtype == torch.float64


CASES = {
    "n must be a whole number of at least 1, got 0": lambda: patches(0),
    "side must be a whole number of at least 1, got 0": lambda: patches(3, 0),
    "side must be at most 160, got 161": lambda: patches(3, side=161),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        CASES[message]()
    assert message in str(error.value)
