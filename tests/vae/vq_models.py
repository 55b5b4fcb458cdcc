"""A small VQ-VAE of which everything can be listed: 64 codes, 32 binary images."""

import itertools

import torch

from gmlib import vae
from gmlib.nn import BernoulliNet, mlp

close = dict(rtol=0, atol=1e-9)
F64 = torch.float64
L, K, d, D = 3, 4, 2, 5  # 64 codes, 32 binary images


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def make(hidden=3, seed=0):
    """A small model whose networks are not at a special point; its prior is neither uniform nor independent."""
    torch.manual_seed(seed)
    model = vae.VQVAE(mlp(D, 6, L * d), BernoulliNet(L * d, 6, D), vae.CodePrior(L, K, hidden)).double()
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(0.9 * randn(*p.shape, seed=100 * seed + i))
        model.encoder[0].bias.copy_(-0.5 * model.encoder[0].weight.sum(1))  # the images' mean goes to the origin
        model.encoder[2].bias.zero_()
        model.m.copy_(model.codebook)
    return model


def all_images():
    """All 32 binary images of five pixels."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=D)), dtype=F64)


def log_lik_by_hand(model, x, c):
    """log p(x | c) for one image and one code, from the decoder's weights."""
    h = torch.cat([model.codebook[k] for k in c])
    first, _, last = model.decoder.net
    rho = torch.sigmoid(last.weight @ torch.tanh(first.weight @ h + first.bias) + last.bias)
    return sum(torch.log(r if v else 1 - r) for r, v in zip(rho, x, strict=True))
