"""Data that comes with the dependencies or is made on the spot; only MNIST and Fashion-MNIST use the network, once."""

from gmlib.data.digits import Digits, Split, binarise, dequantise, digits
from gmlib.data.mnist import MNIST, fashion_mnist, mnist
from gmlib.data.patches import patches
from gmlib.data.shapes import Shapes, shapes
from gmlib.data.toys import checkerboard, checkerboard_log_prob, grid, moons, moons_log_prob, pinwheel, ring, spirals

__all__ = [
    "MNIST",
    "Digits",
    "Shapes",
    "Split",
    "binarise",
    "checkerboard",
    "checkerboard_log_prob",
    "dequantise",
    "digits",
    "fashion_mnist",
    "grid",
    "mnist",
    "moons",
    "moons_log_prob",
    "patches",
    "pinwheel",
    "ring",
    "shapes",
    "spirals",
]
