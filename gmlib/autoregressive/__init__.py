"""Autoregressive models: the chain rule with networks, images pixel by pixel, and what their likelihood is good for."""

from gmlib.autoregressive.binary import MADE, NADE, BinaryModel, Logistic, PixelMLPs
from gmlib.autoregressive.cached import PixelCache, cached_sample
from gmlib.autoregressive.coder import Decoder, Encoder, compress, decompress, frequencies, narrow
from gmlib.autoregressive.convolution import GatedLayer, GatedNet, MaskedConv2d, PlainNet, gate, kernel_mask
from gmlib.autoregressive.exact import dependence, entropy, gated_context, kl_floor, plain_context
from gmlib.autoregressive.heads import Categorical, LogisticMixture, binned_logistic, logistic_mixture
from gmlib.autoregressive.pixels import Multiscale, PixelModel, negative_class_log_prob, negative_log_prob
from gmlib.autoregressive.recurrent import (
    DiagonalBiLSTM,
    DiagonalLSTM,
    RecurrentNet,
    RowLSTM,
    combine,
    lstm_step,
    skew,
    unskew,
)

__all__ = [
    "MADE",
    "NADE",
    "BinaryModel",
    "Categorical",
    "Decoder",
    "DiagonalBiLSTM",
    "DiagonalLSTM",
    "Encoder",
    "GatedLayer",
    "GatedNet",
    "Logistic",
    "LogisticMixture",
    "MaskedConv2d",
    "Multiscale",
    "PixelCache",
    "PixelMLPs",
    "PixelModel",
    "PlainNet",
    "RecurrentNet",
    "RowLSTM",
    "binned_logistic",
    "cached_sample",
    "combine",
    "compress",
    "decompress",
    "dependence",
    "entropy",
    "frequencies",
    "gate",
    "gated_context",
    "kernel_mask",
    "kl_floor",
    "logistic_mixture",
    "lstm_step",
    "narrow",
    "negative_class_log_prob",
    "negative_log_prob",
    "plain_context",
    "skew",
    "unskew",
]
