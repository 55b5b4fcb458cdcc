"""What a pixel of a 9 x 9 image can depend on: layer by layer, each output holds the pixels that its inputs hold."""

from functools import cache
from itertools import product

SIDE = 9
PIXELS = tuple(product(range(SIDE), repeat=2))  # row, column
ORDER = {pixel: i for i, pixel in enumerate(PIXELS)}


def _joined(held, rows, columns):
    """A convolution: what is held at the offsets ``rows`` x ``columns``, or at the pairs ``rows`` where there are no columns."""
    offsets = rows if columns is None else tuple(product(rows, columns))
    return {(r, c): frozenset().union(*(held.get((r + dr, c + dc), ()) for dr, dc in offsets)) for r, c in PIXELS}


@cache
def contexts(kernel: int, layers: int, stacks: str) -> dict:
    """The set of pixels that each pixel sees."""
    h, own = kernel // 2, {pixel: frozenset([pixel]) for pixel in PIXELS}
    vertical, found = own, own
    for layer in range(layers):
        left = tuple((0, dc) for dc in range(-h, 1 if layer else 0))  # mask A in the first layer, B later
        if stacks == "one":
            found = _joined(found, left + tuple(product(range(-h, 0), range(-h, h + 1))), None)
        else:
            vertical = _joined(vertical, range(-h, 1), range(-h, h + 1))
            row = _joined(found, left, None)
            found = {(r, c): row[r, c] | vertical.get((r - 1, c), frozenset()) for r, c in PIXELS}
    return found


def split(row: int, column: int, kernel: int, layers: int, stacks: str) -> tuple[set, set]:
    """The earlier pixels that are seen, and those that are not."""
    seen = contexts(kernel, layers, stacks)[row, column]
    before = set(PIXELS[: ORDER[row, column]])
    assert seen <= before
    return set(seen), before - seen
