"""The vector-quantised variational autoencoder (VQ-VAE): a code of L positions, a decoder, a prior over codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmlib.core import check_batch, check_count
from gmlib.nn import draw
from gmlib.vae.vq import _ema_update, _nearest, ema_codebook, revive, straight_through, vq_terms
from gmlib.vae.vq_prior import CodePrior, all_codes, check_codes


class VQVAE(nn.Module):
    """p(x) = sum over codes c of p(c) p(x | e_c), with q(c|x) = 1 at the code that the encoder picks.

    Args:
        encoder: maps x of shape ``(*batch, D)`` to shape ``(*batch, L * d)``.
        decoder: maps shape ``(*batch, L * d)`` to a distribution over x; its ``input_shape`` is ``(L * d,)``,
            its ``event_size`` is D.
        prior: a :class:`CodePrior`, which says L and K; uniform until it is fitted.

    Raises:
        ValueError: if L does not divide the decoder's input size.

    Example:
        >>> from gmlib.nn import BernoulliNet, mlp
        >>> model = VQVAE(mlp(64, 100, 8), BernoulliNet(8, 100, 64), CodePrior(4, 16))
        >>> model.codebook.shape, model.encode(torch.zeros(5, 64)).shape
        (torch.Size([16, 2]), torch.Size([5, 4]))
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: CodePrior):
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.positions, self.size = prior.positions, prior.size
        (width,) = decoder.input_shape
        if width % self.positions:
            raise ValueError(f"{self.positions} positions do not divide the decoder's input size, {width}")
        self.codebook = nn.Parameter(torch.randn(self.size, width // self.positions))
        self.register_buffer("N", torch.ones(self.size))
        self.register_buffer("m", self.codebook.detach().clone())

    def encode(self, x: Tensor) -> Tensor:
        """The code c(x), shape ``(*batch, L)``.

        Raises:
            ValueError: on an empty batch, a NaN, or another shape than the networks take.
        """
        return self.quantise(check_batch(x, "x", self.decoder.event_size))[1]

    def quantise(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z_e, shape ``(*batch, L, d)``; the code c, shape ``(*batch, L)``; and z_q, the code's vectors."""
        z_e = self.encoder(x).unflatten(-1, (self.positions, -1))
        codes = _nearest(z_e, self.codebook)
        return z_e, codes, self.codebook[codes]

    def decode(self, codes: Tensor):
        """The decoder's distributions at ``codes``, shape ``(*batch, L)``."""
        return self.decoder(self.codebook[check_codes(codes, self.positions, self.size)].flatten(-2))

    def elbo(self, x: Tensor, num_samples: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """The evidence lower bound under the model's prior: log p(x | c(x)) + log p(c(x)).

        The one-hot q leaves nothing to chance: every draw is the bound itself, whatever ``num_samples``.

        Args:
            x: shape ``(*batch, D)``.
            num_samples, generator: as for other models; they change nothing.

        Returns:
            Nats, shape ``batch``.

        Raises:
            ValueError: on an empty batch, a NaN, another shape than the networks take, or
                ``num_samples`` below one.

        Source: van den Oord, Vinyals and Kavukcuoglu 2017, section 3.2; in the book eq-vae-vq-elbo.
        """
        check_count(num_samples, "num_samples")
        codes = self.encode(x)
        return self.decode(codes).log_prob(x) + self.prior.log_prob(codes)  # eq-vae-vq-elbo

    @torch.no_grad()
    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws of the model: a code from the prior, then x given the code; shape ``(*sample_shape, D)``."""
        return draw(self.decode(self.prior.sample(sample_shape, generator)), generator)

    @torch.no_grad()
    def update_codebook(
        self, z_e: Tensor, codes: Tensor, gamma: float, threshold: float, generator: torch.Generator | None = None
    ) -> None:
        """Set the codebook by the exponential averages of one batch, and revive codes below ``threshold``."""
        N, m = _ema_update(self.N, self.m, z_e, codes, gamma)
        N, m = revive(N, m, z_e, threshold, generator)
        self.N.copy_(N), self.m.copy_(m)
        self.codebook.copy_(ema_codebook(N, m))


def log_prob_by_enumeration(model: VQVAE, x: Tensor, chunk: int = 256) -> Tensor:
    """Exact log p(x): the sum over all K ** L codes, for models small enough to list them.

    Args:
        x: shape ``(*batch, D)``.
        chunk: how many codes are decoded at once.

    Returns:
        Nats, shape ``batch``.

    Raises:
        ValueError: on a bad x, or where there are more than 2 ** 20 codes.

    Source: in the book eq-vae-vq-evidence.
    """
    check_batch(x, "x", model.decoder.event_size)
    codes = all_codes(model.positions, model.size, x.device)
    total = x.new_full(x.shape[:-1], -torch.inf)
    for c in codes.split(check_count(chunk, "chunk")):
        log_joint = model.prior.log_prob(c) + model.decode(c).log_prob(x.unsqueeze(-2))
        total = torch.logaddexp(total, log_joint.logsumexp(-1))  # eq-vae-vq-evidence
    return total


def vq_loss(
    model: VQVAE, x: Tensor, generator: torch.Generator | None = None, beta: float = 0.25
) -> tuple[Tensor, dict[str, Tensor]]:
    """The three-term loss.

    Squares are summed over positions and dimensions: like the reconstruction, all terms are totals per example.

    Args:
        beta: weight of the commitment term.

    Returns:
        The scalar, and its terms before weighting: ``reconstruction`` (moves decoder and encoder),
        ``codebook`` (the code vectors), ``commitment`` (the encoder).

    Source: van den Oord, Vinyals and Kavukcuoglu 2017, equation 3; in the book eq-vae-vq-loss.
    """
    z_e, _, z_q = model.quantise(x)
    reconstruction = -model.decoder(straight_through(z_e, z_q).flatten(-2)).log_prob(x).mean()
    codebook, commitment = (term.mean() for term in vq_terms(z_e, z_q))
    loss = reconstruction + codebook + beta * commitment  # eq-vae-vq-loss
    return loss, {"reconstruction": reconstruction, "codebook": codebook, "commitment": commitment}


def vq_ema_loss(
    model: VQVAE,
    x: Tensor,
    generator: torch.Generator | None = None,
    beta: float = 0.25,
    gamma: float = 0.99,
    threshold: float = 0.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss without the codebook term; the codebook follows the averages instead.

    In training mode each call updates the codebook, as batch normalisation updates its averages.

    Args:
        beta: weight of the commitment term.
        gamma: how much of the past the averages keep.
        threshold: codes with fewer vectors a batch than this, on average, are revived; 0 for none.

    Source: van den Oord, Vinyals and Kavukcuoglu 2017, appendix A.1; in the book eq-vae-vq-ema.
    """
    z_e, codes, z_q = model.quantise(x)
    reconstruction = -model.decoder(straight_through(z_e, z_q).flatten(-2)).log_prob(x).mean()
    commitment = vq_terms(z_e, z_q)[1].mean()
    if model.training:
        model.update_codebook(z_e.detach(), codes, gamma, threshold, generator)
    return reconstruction + beta * commitment, {"reconstruction": reconstruction, "commitment": commitment}


def prior_loss(
    model: VQVAE, x: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Minus the mean log-probability of the codes of x under the prior: the second stage of training.

    Only the prior gets gradients. With the rest of the model fixed, less of this is as much more ELBO.

    Source: van den Oord, Vinyals and Kavukcuoglu 2017, section 3.3; in the book eq-vae-vq-prior-cost.
    """
    with torch.no_grad():
        codes = model.quantise(x)[1]
    loss = -model.prior._log_prob(codes).mean()  # eq-vae-vq-prior-cost
    return loss, {"codes": loss}
