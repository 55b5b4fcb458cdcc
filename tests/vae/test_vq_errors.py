"""What the functions of the notebook `vq_vae` say about bad input."""

import math

import pytest
import torch

from gmlib import vae
from gmlib.nn import BernoulliNet, mlp
from gmlib.vae.vq import ema_codebook, ema_update, nearest, perplexity, revive, straight_through, vq_terms
from gmlib.vae.vq_prior import all_codes

e, z = torch.eye(3), torch.zeros(4, 3)
c = torch.zeros(4, dtype=torch.long)
nan = torch.full((1, 3), math.nan)


def small(positions=2):
    return vae.VQVAE(mlp(5, 4), BernoulliNet(4, 5), vae.CodePrior(positions, 3))


CASES = {
    "codebook must have shape (K, d), got (3,)": lambda: nearest(z, e[0]),
    "z_e must have shape (..., 3), got (4, 2)": lambda: nearest(z[:, :2], e),
    "z_e holds 3 NaN": lambda: nearest(nan, e),
    "codebook holds 3 NaN": lambda: nearest(z, nan),
    "z_e is empty": lambda: nearest(z[:0], e),
    "z_q must have shape (..., 4, 3), got (3, 3)": lambda: straight_through(z, e),
    "z_e must be a floating-point tensor": lambda: straight_through(c, c),
    "z_q must have shape (..., 4, 3), got (3, 3) ": lambda: vq_terms(z, e),
    "z_e must have shape (..., L, d), got (3,)": lambda: vq_terms(z[0], z[0]),
    "N and m must have shapes (K,) and (K, d), got (4,) and (3, 3)": lambda: ema_update(torch.ones(4), e, z, c, 0.9),
    "N and m must have shapes (K,) and (K, d), got (3,) and (3,)": lambda: ema_codebook(torch.ones(3), torch.ones(3)),
    "N holds 1 NaN": lambda: ema_update(nan[0, :1], e[:1], z, c, 0.9),
    "gamma must be from 0 to 1, got 1.1": lambda: ema_update(torch.ones(3), e, z, c, 1.1),
    "codes must be from 0 to 2, got 3 to 3": lambda: ema_update(torch.ones(3), e, z, c + 3, 0.9),
    "z_e must have shape (..., 4, 3), got (3, 3)": lambda: ema_update(torch.ones(3), e, e, c, 0.9),
    "eps must be positive": lambda: ema_codebook(torch.ones(3), e, 0.0),
    "z_e must have shape (..., 3), got (4, 2) ": lambda: revive(torch.ones(3), e, z[:, :2], 0.5),
    "codes must be from 0 to 3, got -1 to 0": lambda: perplexity(torch.tensor([0, -1]), 4),
    "size must be a whole number": lambda: perplexity(c, 0),
    "codes must be a tensor of dtype torch.int64, got torch.float32": lambda: small().prior.log_prob(torch.zeros(2)),
    "codes must be a tensor of dtype torch.int64, got list": lambda: small().decode([0, 1]),
    "codes must have shape (..., 2) and not be empty, got (3,)": lambda: small().decode(c[:3]),
    "codes must have shape (..., 2) and not be empty, got (0, 2)": lambda: small().prior.log_prob(c.reshape(2, 2)[:0]),
    "codes must be from 0 to 2, got 0 to 3": lambda: small().decode(torch.tensor([0, 3])),
    "positions must be a whole number": lambda: vae.CodePrior(0, 3),
    "size must be a whole number ": lambda: vae.CodePrior(3, 0),
    "hidden must be a whole number": lambda: vae.CodePrior(3, 3, -1),
    "16 ** 6 codes are too many to list": lambda: all_codes(6, 16),
    "3 positions do not divide the decoder's input size, 4": lambda: small(3),
    "x must have shape (..., 5), got (2, 4)": lambda: small().elbo(torch.zeros(2, 4)),
    "x holds 1 NaN": lambda: small().encode(torch.tensor([0.0, 0.0, 0.0, 0.0, math.nan])),
    "x is empty": lambda: vae.log_prob_by_enumeration(small(), torch.zeros(0, 5)),
    "num_samples must be a whole number": lambda: small().elbo(torch.zeros(5), 0),
    "chunk must be a whole number": lambda: vae.log_prob_by_enumeration(small(), torch.zeros(5), 0),
}


@pytest.mark.parametrize(("message", "call"), CASES.items(), ids=[" ".join(k.split()[:7]) for k in CASES])
def test_bad_input(message, call):
    with pytest.raises(ValueError) as caught:
        call()
    assert message.strip() in str(caught.value)
