"""Our VAE and beta-TCVAE beside pythae's: the same networks, data, batches, epochs and learning rate.

Two networks: that of this book's notebook, which pythae gets through encoder and decoder classes of one's own, and
pythae's default, with its own classes. pythae trains with its own trainer. What is timed of that is ``train_step``,
an epoch: its data loader (no workers), its models, the loss read back and checked after each batch. Its copy of the
best model after each epoch, its files and its log are not timed; progress bars are off.
Of ours all of :func:`gmlib.train.train` is timed. Each begins with PyTorch's default weights. Adam is PyTorch's:
``fused=True`` is how this book calls it, ``fused=None`` is its default and pythae's; both are run with both.
``compiled`` is ours with ``fused=True`` and the loss through :func:`gmlib.vae.compiled`. Its first epoch of the first
run holds the time to compile; nothing of it is kept on disk from one command to the next.

The peer's conventions. Its reconstruction loss is set to ``bce``, since its default, ``mse``, is no likelihood
of binary pixels. It adds over pixels and averages over the batch, as we do. It takes logarithms of sigmoids where we
keep logits, and log-variances where we keep the logarithm of the standard deviation. All weights of the
beta-TCVAE are 1: then both losses have minus the ELBO as their mean, and the bounds can be compared. For
another beta they could not: pythae 0.1.2 sets the stratified weights on two columns, not on the diagonal.

pythae comes with ``pip install -e ".[bench-vae]"``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal

from gmlib.bench import peer
from gmlib.bench.contest import Epochs
from gmlib.data import binarise, digits
from gmlib.nn import BernoulliNet, GaussianNet
from gmlib.train import Loss, train
from gmlib.vae import VAE, beta_tcvae_loss, compiled, negative_elbo


class Network(NamedTuple):
    """Hidden units, latent dimensions and activation; and the learning rate."""

    hidden: int
    latent: int
    activation: type[nn.Module]
    rate: float

    def __str__(self) -> str:
        h, k = self.hidden, self.latent
        return f"{D}-{h}-{k}-{h}-{D}, {self.activation.__name__}, learning rate {self.rate}"


D, BATCH, EPOCHS, DRAWS = 64, 64, 60, 100
NETWORKS = {"the book's network": Network(200, 8, nn.Tanh, 2e-3), "pythae's network": Network(512, 10, nn.ReLU, 1e-3)}
PEERS = ("pythae",)
INSTALL = 'pip install -e ".[bench-vae]"'
JOB = {
    "data": "scikit-learn's digits 8x8, binarised: 1297 to train on, 250 to test on",
    **{name: str(network) for name, network in NETWORKS.items()},
    "batch_size": BATCH,
    "optimizer": "Adam",
    "scores": f"nats a test image, summed over pixels, {DRAWS} draws for each, in float64; the higher the better",
    "epochs": EPOCHS,
}


def contests() -> Iterator[Epochs]:
    """The VAE and the beta-TCVAE with each network, trained by us and, where it can be imported, by pythae."""
    parts = digits()
    x, score = binarise(parts.train.x), partial(bounds, x=binarise(parts.test.x))
    here, quick = peer("pythae", INSTALL), can_compile()
    for where, network in NETWORKS.items():
        for title, loss, name in (("VAE", negative_elbo, "VAE"), ("β-TCVAE", beta_tcvae_loss(1.0, len(x)), "BetaTCVAE")):
            entrants = {"gmlib, compiled": partial(ours, compiled(loss), x, EPOCHS, True, network)} if quick else {}
            for fused in (True, None):
                entrants[f"gmlib, fused={fused}"] = partial(ours, loss, x, EPOCHS, fused, network)
            if here:
                for fused in (True, None):
                    entrants[f"pythae, fused={fused}"] = partial(theirs, name, x, EPOCHS, fused, network)
            torch.compiler.reset()  # what an earlier contest compiled
            yield Epochs(f"{title}, {where}", entrants, score, "pythae, fused=None", EPOCHS)


def can_compile() -> bool:
    """Whether ``torch.compile`` works here, which needs a C++ compiler; if it does not, say why."""
    try:
        torch.compile(torch.neg)(torch.ones(2))
    except Exception as error:  # of many kinds
        print(f"torch.compile does not work here ({error}): what needs it is left out", file=sys.stderr)
        return False
    return True


def ours(loss: Loss, x: Tensor, epochs: int, fused: bool | None, network: Network, seed: int) -> Iterator[VAE]:
    """Train with our loop; yield the model after each epoch."""
    torch.manual_seed(seed)
    hidden, latent, activation, rate = network
    encoder = GaussianNet(D, hidden, latent, activation=activation)
    model = VAE(encoder, BernoulliNet(latent, hidden, D, activation=activation))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=fused)
    generator = torch.Generator().manual_seed(seed)
    batches = math.ceil(len(x) / BATCH)
    for step in train(model, loss, x, epochs=epochs, batch_size=BATCH, optimizer=optimizer, generator=generator):
        if step.step % batches == 0:
            yield model


def theirs(name: str, x: Tensor, epochs: int, fused: bool | None, network: Network, seed: int) -> Iterator[VAE]:
    """Train pythae's model ``name`` with its trainer; yield it after each epoch, as a model of ours."""
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    torch.manual_seed(seed)
    model = pythae_model(name, network)
    view = VAE(EncoderView(model.encoder, network.latent), DecoderView(model.decoder))
    with TemporaryDirectory() as folder:
        options = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            per_device_train_batch_size=BATCH,
            learning_rate=network.rate,
            optimizer_params={"fused": fused},
            seed=seed,
            no_cuda=True,
        )
        trainer = BaseTrainer(model, BaseDataset(x, torch.zeros(len(x))), training_config=options)
        trainer.prepare_training()
        for epoch in range(1, epochs + 1):
            trainer.train_step(epoch)
            yield view


def pythae_model(name: str, network: Network) -> nn.Module:
    """pythae's model of that name: with its own classes where the network is its default, else with two like them."""
    from pythae import models
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    hidden, latent, activation, _ = network
    config = getattr(models, f"{name}Config")(input_dim=(D,), latent_dim=latent, reconstruction_loss="bce")
    if network is NETWORKS["pythae's network"]:
        return getattr(models, name)(config)

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Sequential(nn.Linear(D, hidden), activation())
            self.embedding, self.log_var = nn.Linear(hidden, latent), nn.Linear(hidden, latent)

        def forward(self, x):
            h = self.hidden(x)
            return ModelOutput(embedding=self.embedding(h), log_covariance=self.log_var(h))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(latent, hidden), activation(), nn.Linear(hidden, D), nn.Sigmoid())

        def forward(self, z):
            return ModelOutput(reconstruction=self.net(z))

    return getattr(models, name)(config, encoder=Encoder(), decoder=Decoder())


class EncoderView(nn.Module):
    """pythae's encoder, which gives means and log-variances, as one that returns a distribution."""

    input_shape = (D,)

    def __init__(self, net: nn.Module, latent: int):
        super().__init__()
        self.net, self.event_size = net, latent

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
