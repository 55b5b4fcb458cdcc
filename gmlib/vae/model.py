"""The variational autoencoder: an encoder q(z|x), a decoder p(x|z), a prior N(0, I)."""

from __future__ import annotations

import math
from functools import wraps

import torch
from torch import Tensor, nn

from gmlib.core import Estimate, check_batch, check_count
from gmlib.nn import draw
from gmlib.train import Loss
from gmlib.vae.bounds import iwae, reparameterise, sgvb_a, sgvb_b
from gmlib.vae.gaussian import kl_terms


class VAE(nn.Module):
    """A variational autoencoder with a Gaussian encoder and a standard normal prior.

    Args:
        encoder: maps x of shape ``(*batch, D)`` to an ``Independent(Normal)`` over z; its
            ``input_shape`` is ``(D,)``, its ``event_size`` the number k of latent dimensions.
        decoder: maps z of shape ``(*batch, k)`` to a distribution over x.

    Example:
        >>> from gmlib.nn import BernoulliNet, GaussianNet
        >>> model = VAE(GaussianNet(64, 100, 2), BernoulliNet(2, 100, 64))
        >>> model.elbo(torch.zeros(5, 64)).shape
        torch.Size([5])
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.latent_dim = encoder.event_size

    def elbo(self, x: Tensor, num_samples: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """An unbiased draw of the evidence lower bound, with the divergence in closed form.

        Args:
            x: shape ``(*batch, D)``.
            num_samples: draws of z for each x, averaged.
            generator: on the device of x.

        Returns:
            Nats, shape ``batch``.

        Raises:
            ValueError: on an empty batch, a NaN, another shape than the networks take, or
                ``num_samples`` below one.
            FloatingPointError: where the networks overflow, so that the bound is not a number.

        Source: Kingma and Welling 2014, equation 7; in the book eq-vae-sgvb-b.
        """
        check_batch(x, "x", *self.encoder.input_shape)
        log_lik, kl = self.terms(x, num_samples, generator)
        return _number(sgvb_b(log_lik, kl.sum(-1)), "the ELBO")

    def estimate_log_prob(
        self, x: Tensor, num_samples: int, generator: torch.Generator | None = None, chunk: int = 100
    ) -> Estimate:
        """The importance-weighted bound with ``num_samples`` draws for each x.

        Args:
            x: shape ``(*batch, D)``.
            num_samples: K; the bound is the ELBO at 1 and tends to log p(x).
            generator: on the device of x.
            chunk: how many of the draws are held in memory at once.

        Returns:
            A lower bound in nats, shape ``batch``. The standard error is that of the logarithm of
            a mean to first order. It means something only where the weights have a finite variance,
            which an encoder narrower than the posterior's tails does not give; with one draw there
            is none.

        Source: Burda, Grosse and Salakhutdinov 2016; in the book eq-vae-iwae.
        """
        check_batch(x, "x", *self.encoder.input_shape)
        check_count(num_samples, "num_samples")
        sizes = [min(chunk, num_samples - done) for done in range(0, num_samples, check_count(chunk, "chunk"))]
        log_w = torch.cat([self.log_weights(x, s, generator) for s in sizes])
        value = _number(iwae(log_w), "the bound")
        if num_samples == 1:
            return Estimate(value, "lower")
        relative = (log_w - value).exp().std(0)
        return Estimate(value, "lower", relative / math.sqrt(num_samples))

    def log_weights(self, x: Tensor, num_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """log p(x, z_s) - log q(z_s|x) for draws z_s of q, shape ``(num_samples, *batch)``."""
        log_joint, log_q = self._log_joint_and_q(x, num_samples, generator)
        return log_joint - log_q  # eq-vae-weight

    def sampled_elbo(self, x: Tensor, num_samples: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """As :meth:`elbo`, with the divergence sampled instead of exact (eq-vae-sgvb-a)."""
        check_batch(x, "x", *self.encoder.input_shape)
        return _number(sgvb_a(*self._log_joint_and_q(x, num_samples, generator)), "the ELBO")

    @torch.no_grad()
    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws of the model by ancestral sampling: z from the prior, then x given z.

        Returns:
            Shape ``(*sample_shape, D)``. Draws of x, with the decoder's noise, not its means.
        """
        return draw(self.decode_prior(sample_shape, generator), generator)

    def decode_prior(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None):
        """The decoder's distributions at latent points drawn from the prior."""
        like = next(self.parameters())
        z = torch.randn(*sample_shape, self.latent_dim, generator=generator, dtype=like.dtype, device=like.device)
        return self.decoder(z)

    def terms(self, x: Tensor, num_samples: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """log p(x|z_s), shape ``(K, *batch)``, and the divergence by latent dimension, ``(*batch, k)``."""
        q, z = self._encode(x, generator, check_count(num_samples, "num_samples"))
        return self.decoder(z).log_prob(x), kl_terms(q.base_dist.loc, q.base_dist.scale)

    def _log_joint_and_q(self, x: Tensor, num_samples: int, generator: torch.Generator | None):
        q, z = self._encode(x, generator, check_count(num_samples, "num_samples"))
        log_prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
        return self.decoder(z).log_prob(x) + log_prior, q.log_prob(z)  # eq-vae-joint

    def _encode(self, x: Tensor, noise: torch.Generator | Tensor | None, *samples: int):
        """q(z|x), and draws of it, shape ``(*samples, *batch, k)``; ``noise`` is its source, or draws of N(0, I)."""
        q = self.encoder(x)
        mu, sigma = q.base_dist.loc, q.base_dist.scale
        if not isinstance(noise, Tensor):
            noise = torch.randn(*samples, *mu.shape, generator=noise, dtype=mu.dtype, device=mu.device)
        return q, reparameterise(mu, sigma, noise)


def _number(bound: Tensor, name: str) -> Tensor:
    if bad := int(bound.isnan().sum()):
        raise FloatingPointError(
            f"{name} is not a number for {bad} of {bound.numel()} values: "
            f"sigma of q(z|x), or what the decoder says, overflows in {bound.dtype}"
        )
    return bound


def negative_elbo(
    model: VAE, x: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a VAE on a batch: minus the mean ELBO, with one draw of z for each example.

    Returns:
        The scalar, and its terms: ``reconstruction`` (minus the mean log p(x|z)) and ``kl``.

    Source: Kingma and Welling 2014, equation 8 divided by N; in the book eq-vae-minibatch.
    """
    q, z = model._encode(x, generator)
    log_lik = model.decoder(z).log_prob(x).mean()
    kl = kl_terms(q.base_dist.loc, q.base_dist.scale).sum(-1).mean()
    return kl - log_lik, {"reconstruction": -log_lik.detach(), "kl": kl}  # eq-vae-minibatch


def compiled(loss: Loss) -> Loss:
    """A loss of this chapter through ``torch.compile``: the same numbers to rounding, sooner once it has been compiled.

    It needs a C++ compiler (g++ or clang), on a GPU Triton too. The first batch, and the first of another size, take
    seconds. The noise is drawn outside of what is compiled, from the same generator in the same order.

    Args:
        loss: for a :class:`VAE`, with one draw of z for each example, as those of this chapter.

    Raises:
        ValueError: on what cannot be called.
    """
    if not callable(loss):
        raise ValueError(f"loss must be a function of a model, a batch and a generator, got {loss!r}")
    quick = torch.compile(loss)

    @wraps(loss)
    def with_noise(model: VAE, x: Tensor, generator: torch.Generator | None = None):
        eps = torch.randn(len(x), model.latent_dim, generator=generator, dtype=x.dtype, device=x.device)
        return quick(model, x, eps)

    return with_noise
