"""The numbers of the figure of D* and a generator, from JS, KL and W_1 by Gauss's quadrature and their slopes: with D* held the
slope of the saturating loss is that of 2 JS, and the slopes of both losses add up to that of KL(p_theta || p_data)."""

import math

import numpy as np

from tests.explore import shift_oracle

NAMES = ("value", "js", "w1", "saturating", "nonsaturating", "critic")


def play(d):
    """V(D*, G), JS, W_1, and three slopes."""
    (_, _, js, _, w1), (_, kl_slope, js_slope, _, w1_slope) = shift_oracle.values("normals", d), shift_oracle.slopes("normals", d)
    return np.array([2 * js - math.log(4), js, w1, 2 * js_slope, kl_slope - 2 * js_slope, w1_slope])
