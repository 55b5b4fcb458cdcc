"""gmlib: the library that the book teaches from."""

__version__ = "0.1.0"
