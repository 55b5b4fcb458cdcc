"""Our VAE and beta-TCVAE beside pythae's: the same networks, data, batches, epochs and learning rate.

Networks, latent size and batch size are pythae's defaults; it trains with its own trainer. What is timed of that is
``train_step``, an epoch: its data loader (no workers), its models, the loss read back and checked after each batch.
Its copy of the best model after each epoch, its files and its log are not timed; progress bars are off.
Of ours all of :func:`gmlib.train.train` is timed. Each begins with PyTorch's default weights. Adam is PyTorch's:
``fused=True`` is how this book calls it, ``fused=None`` is its default and pythae's; both are run with both.

The peer's conventions. Its reconstruction loss is set to ``bce``, since its default, ``mse``, is no likelihood
of binary pixels. It adds over pixels and averages over the batch, as we do. It takes logarithms of sigmoids where we
keep logits, and log-variances where we keep the logarithm of the standard deviation. All weights of the
beta-TCVAE are 1: then both losses have minus the ELBO as their mean, and the bounds can be compared. For
another beta they could not: pythae 0.1.2 sets the stratified weights on two columns, not on the diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal

from gmlib.bench.contest import Contest, peer
from gmlib.data import binarise, digits
from gmlib.nn import BernoulliNet, GaussianNet
from gmlib.train import Loss, train
from gmlib.vae import VAE, beta_tcvae_loss, negative_elbo

D, HIDDEN, LATENT = 64, 512, 10
BATCH, RATE, DRAWS = 64, 1e-3, 100
PEERS = ("pythae",)
JOB = {
    "data": "scikit-learn's digits 8x8, binarised: 1297 to train on, 250 to test on",
    "networks": f"{D}-{HIDDEN}-{LATENT}-{HIDDEN}-{D}, ReLU",
    "batch_size": BATCH,
    "optimizer": f"Adam, learning rate {RATE}",
    "scores": f"nats a test image, summed over pixels, {DRAWS} draws for each, in float64; the higher the better",
}


def contests(epochs: int) -> Iterator[Contest]:
    """The VAE and the beta-TCVAE, each trained by us and, where it can be imported, by pythae."""
    parts = digits()
    x, score = binarise(parts.train.x), partial(bounds, x=binarise(parts.test.x))
    here = peer("pythae")
    for title, loss, name in (("VAE", negative_elbo, "VAE"), ("β-TCVAE", beta_tcvae_loss(1.0, len(x)), "BetaTCVAE")):
        entrants = {f"gmlib, fused={fused}": partial(ours, loss, x, epochs, fused) for fused in (True, None)}
        if here:
            entrants |= {f"pythae, fused={fused}": partial(theirs, name, x, epochs, fused) for fused in (True, None)}
        yield Contest(title, entrants, score, reference="pythae, fused=None")


def ours(loss: Loss, x: Tensor, epochs: int, fused: bool | None, seed: int) -> Iterator[VAE]:
    """Train with our loop; yield the model after each epoch."""
    torch.manual_seed(seed)
    encoder = GaussianNet(D, HIDDEN, LATENT, activation=nn.ReLU)
    model = VAE(encoder, BernoulliNet(LATENT, HIDDEN, D, activation=nn.ReLU))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=fused)
    generator = torch.Generator().manual_seed(seed)
    for step in train(model, loss, x, epochs=epochs, batch_size=BATCH, optimizer=optimizer, generator=generator):
        if step.step % math.ceil(len(x) / BATCH) == 0:
            yield model


def theirs(name: str, x: Tensor, epochs: int, fused: bool | None, seed: int) -> Iterator[VAE]:
    """Train pythae's model ``name`` with its trainer; yield it after each epoch, as a model of ours."""
    from pythae import models
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    torch.manual_seed(seed)
    config = getattr(models, f"{name}Config")(input_dim=(D,), latent_dim=LATENT, reconstruction_loss="bce")
    model = getattr(models, name)(config)
    view = VAE(EncoderView(model.encoder), DecoderView(model.decoder))
    with TemporaryDirectory() as folder:
        options = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            optimizer_params={"fused": fused},
            seed=seed,
            no_cuda=True,
        )
        trainer = BaseTrainer(model, BaseDataset(x, torch.zeros(len(x))), training_config=options)
        trainer.prepare_training()
        for epoch in range(1, epochs + 1):
            trainer.train_step(epoch)
            yield view


class EncoderView(nn.Module):
    """pythae's encoder, which gives means and log-variances, as one that returns a distribution."""

    input_shape, event_size = (D,), LATENT

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Independent:
        out = self.net(x)
        return Independent(Normal(out.embedding, (0.5 * out.log_covariance).exp()), 1)


class DecoderView(nn.Module):
    """pythae's decoder, which takes one batch axis and gives probabilities, as one that returns a distribution."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Independent:
        p = self.net(z.flatten(0, -2)).reconstruction
        return Independent(Bernoulli(p.reshape(*z.shape[:-1], -1)), 1)


@torch.no_grad()
def bounds(model: VAE, x: Tensor) -> dict[str, float]:
    """Two lower bounds on the mean of log p(x), with the same noise for every model; the model becomes float64."""
    model.eval().double()
    x, generator = x.double(), torch.Generator().manual_seed(0)
    return {
        "ELBO": model.elbo(x, DRAWS, generator).mean().item(),
        f"IWAE, K={DRAWS}": model.estimate_log_prob(x, DRAWS, generator).value.mean().item(),
    }
