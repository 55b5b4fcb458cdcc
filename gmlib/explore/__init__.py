"""Figures that the reader moves, on the site, in Jupyter and in Colab; and the numbers that they show."""

from gmlib.explore.bend import Bend, Bent, bent, bent_map
from gmlib.explore.boundary import Boundary, Reading, lowest, reading, share_below
from gmlib.explore.denoise import Denoise, Denoised, denoised
from gmlib.explore.duel import Duel, Play, best_play
from gmlib.explore.fade import Fade, Faded, faded, faded_paths
from gmlib.explore.figure import Explorable
from gmlib.explore.gap import Bars, Gap, bars, curve, line
from gmlib.explore.reach import Reach, Reached, reached
from gmlib.explore.share import Share, Shared, odds_of, refitted, shared
from gmlib.explore.shift import Distances, Shift, shifted_normals, shifted_uniforms

__all__ = [
    "Bars",
    "Bend",
    "Bent",
    "Boundary",
    "Denoise",
    "Denoised",
    "Distances",
    "Duel",
    "Explorable",
    "Fade",
    "Faded",
    "Gap",
    "Play",
    "Reach",
    "Reached",
    "Reading",
    "Share",
    "Shared",
    "Shift",
    "bars",
    "bent",
    "bent_map",
    "best_play",
    "curve",
    "denoised",
    "faded",
    "faded_paths",
    "line",
    "lowest",
    "odds_of",
    "reached",
    "reading",
    "refitted",
    "share_below",
    "shared",
    "shifted_normals",
    "shifted_uniforms",
]
