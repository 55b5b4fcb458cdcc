"""Normalizing flows: invertible layers with a cheap determinant, and models with exact density and exact draws."""

from gmlib.flows.autoregressive import MaskedAffine
from gmlib.flows.base import Compose, Flow, Scaling, StandardLogistic, StandardNormal
from gmlib.flows.continuous import Continuous
from gmlib.flows.coupling import AdditiveCoupling, AffineCoupling, Coupling, SplineCoupling, alternating
from gmlib.flows.images import ChannelCoupling, Glow, Squeeze
from gmlib.flows.linear import ActNorm, LULinear, PixelCDF, UnitTriangular
from gmlib.flows.spline import rational_quadratic
from gmlib.flows.topology import LeastKL, SlopeLimited, bridge_mass, least_kl

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AffineCoupling",
    "ChannelCoupling",
    "Compose",
    "Continuous",
    "Coupling",
    "Flow",
    "Glow",
    "LULinear",
    "LeastKL",
    "MaskedAffine",
    "PixelCDF",
    "Scaling",
    "SlopeLimited",
    "SplineCoupling",
    "Squeeze",
    "StandardLogistic",
    "StandardNormal",
    "UnitTriangular",
    "alternating",
    "bridge_mass",
    "least_kl",
    "rational_quadratic",
]
