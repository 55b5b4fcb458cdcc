"""Figures that the reader moves, on the site, in Jupyter and in Colab; and the numbers that they show."""

from gmlib.explore.boundary import Boundary, Reading, lowest, reading, share_below
from gmlib.explore.figure import Explorable
from gmlib.explore.gap import Bars, Gap, bars, curve, line

__all__ = ["Bars", "Boundary", "Explorable", "Gap", "Reading", "bars", "curve", "line", "lowest", "reading", "share_below"]
