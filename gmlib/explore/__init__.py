"""Figures that the reader moves, on the site, in Jupyter and in Colab; and the numbers that they show."""

from gmlib.explore.figure import Explorable
from gmlib.explore.gap import Bars, Gap, bars, curve, line

__all__ = ["Bars", "Explorable", "Gap", "bars", "curve", "line"]
