"""Which pixels the figure of contexts shows as seen, against sets that grow layer by layer."""

from itertools import product

import pytest
import torch
import traitlets
from matplotlib.figure import Figure

from gmlib.explore import Reach, reached
from tests.explore import reach_oracle as oracle

SETTINGS = list(product((3, 5, 7), range(1, 9), ("one", "two")))


def cells(grid):
    assert grid.shape == (9, 9) and grid.dtype == torch.int64 and set(grid.unique().tolist()) <= {0, 1}
    return {tuple(at) for at in grid.nonzero().tolist()}


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_seen_and_unseen_agree_with_sets_that_grow_layer_by_layer(setting):
    for row, column in ((0, 7), (3, 8), (5, 3), (8, 2)):
        assert tuple(map(cells, reached(row, column, *setting))) == oracle.split(row, column, *setting)


def test_every_pixel_of_one_setting():
    for row, column in oracle.PIXELS:
        assert tuple(map(cells, reached(row, column, 5, 2))) == oracle.split(row, column, 5, 2, "one")


def test_what_the_figure_is_there_to_show():
    """One stack has a blind spot that no number of layers opens; two have none once the layers reach far enough."""
    for layers in (4, 8, 30):
        assert len(oracle.split(4, 2, 3, layers, "one")[1]) == 14
    assert reached(4, 2).unseen.sum() == 14 and not reached(4, 2, 3, 6, "two").unseen.any()
    assert (reached(4, 2).unseen[:4] == torch.tensor([[c > 2 + 4 - r for c in range(9)] for r in range(4)])).all()


BAD = {
    "row must be a whole number from 0 to 8, got 9": lambda: reached(9, 0),
    "row must be a whole number from 0 to 8, got True": lambda: reached(True, 0),
    "row must be a whole number from 0 to 8, got 1.0": lambda: reached(1.0, 0),
    "column must be a whole number from 0 to 8, got -1": lambda: reached(0, -1),
    "kernel must be one of (3, 5, 7), got 4": lambda: reached(0, 0, 4),
    "layers must be": lambda: reached(0, 0, layers=0),
    "layers must be at most 8, got 9": lambda: reached(0, 0, layers=9),
    "stacks must be one of ('one', 'two'), got 'three'": lambda: reached(0, 0, stacks="three"),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError) as error:
        BAD[message]()
    assert str(error.value).startswith(message)


# --- the figure -------------------------------------------------------------------------------------------------------

SHOWN = [dict(pixel=[7, 3], kernel="5", layers=1, stacks="one"), dict(pixel=[2, 6], kernel="3", layers=3, stacks="two")]


@pytest.mark.parametrize("state", SHOWN)
def test_picture_has_the_grid_the_crosses_and_the_pixel(state):
    figure = Figure()
    Reach(**state).draw(figure)
    (ax,) = figure.axes
    column, row = state["pixel"]
    seen, unseen = oracle.split(row, column, int(state["kernel"]), state["layers"], state["stacks"])
    (image,) = ax.images
    kinds = image.get_array().tolist()
    assert {at for at in oracle.PIXELS if kinds[at[0]][at[1]] == 1} == seen
    assert {at for at in oracle.PIXELS if kinds[at[0]][at[1]] == 2} == unseen
    marks = {kind: {(line.get_ydata()[0], line.get_xdata()[0]) for line in ax.lines if line.get_marker() == kind} for kind in "xs"}
    assert marks == {"x": unseen, "s": {(row, column)}}
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row on top
    assert ax.get_xlabel() == f"{9 * row + column} pixels before: {len(seen)} seen, {len(unseen)} not (x)"
    assert ax.get_title() == f"{state['kernel']} × {state['kernel']}, layers: {state['layers']}, stacks: {state['stacks']}"


@pytest.mark.parametrize("state", SHOWN)
def test_figure_shows_what_its_pixel_sees(state):
    figure, (column, row) = Reach(**state), state["pixel"]
    assert tuple(map(cells, figure.reached())) == oracle.split(row, column, int(figure.kernel), figure.layers, figure.stacks)


def test_what_is_moved_in_the_browser_is_read_in_python():
    figure, seen = Reach(), []
    figure.observe(lambda change: seen.append(change.new), "pixel")
    figure.set_state({"pixel": [8, 1], "layers": 2})
    assert seen == [[8, 1]] and set(figure.state()) <= set(figure.keys)
    assert repr(figure) == "Reach(kernel='3', layers=2, pixel=[8, 1], stacks='one')"
    assert (figure.reached().seen + figure.reached().unseen).sum() == 17


@pytest.mark.parametrize("wrong", [{"pixel": [9, 0]}, {"pixel": [0, -1]}, {"pixel": [1]}, {"pixel": [0.5, 1]}, {"kernel": "4"},
                                   {"kernel": 3}, {"layers": 0}, {"layers": 9}, {"stacks": "three"}])  # fmt: skip
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(traitlets.TraitError):
        Reach(**wrong)
    with pytest.raises(traitlets.TraitError):
        Reach().set_trait(name, wrong[name])
