"""Data that comes with the dependencies or is made on the spot: nothing here uses the network."""

from gmlib.data.digits import Digits, Split, binarise, dequantise, digits
from gmlib.data.shapes import Shapes, shapes
from gmlib.data.toys import checkerboard, moons, pinwheel, ring, spirals

__all__ = [
    "Digits",
    "Shapes",
    "Split",
    "binarise",
    "checkerboard",
    "dequantise",
    "digits",
    "moons",
    "pinwheel",
    "ring",
    "shapes",
    "spirals",
]
