"""The model: a network, what it predicts, and a schedule. Bound, score, samples and likelihood all come from its x_0."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gmlib.core import Estimate, check_batch, check_count, check_shape
from gmlib.diffusion.bound import binned_log_prob, end_kl, step_kl, weight_of_x0
from gmlib.diffusion.continuous import flow_log_prob, noise_variance
from gmlib.diffusion.forward import noised, step_beta_tilde
from gmlib.diffusion.parameterisation import VELOCITY, Parameterisation, noise_from_x0
from gmlib.diffusion.sampling import Variance, ancestral, spaced
from gmlib.diffusion.schedule import Schedule
from gmlib.ode import Divergence, exact_divergence


class Diffusion(nn.Module):
    """A diffusion model. Its likelihood is bounded, not known; the probability flow has one of its own.

    Args:
        net: of ``(x, t, y)``: x of shape ``(N, *event)``, t / T of shape ``(N,)``, labels of shape ``(N,)`` or ``None``.
        schedule: of T steps.
        event_shape: of one example.
        kind: what the network predicts: ``NOISE``, ``DATA`` or ``VELOCITY``.
        s2: variance of each reverse step in the bound, shape ``(T + 1,)``, entry 1 that of the decoder; beta without it.
        levels: for data on a grid of so many levels in [-1, 1], whose probability the bound then bounds; ``None`` for continuous data.
        clip: predicted x_0 is brought back to [-clip, clip]; ``None`` for no bound.

    Raises:
        ValueError: on an ``s2`` of another shape.

    Source: Ho, Jain and Abbeel 2020.

    Example:
        >>> from gmlib.diffusion import TimeMLP, cosine
        >>> model = Diffusion(TimeMLP(2), cosine(20), (2,))
        >>> model.sample((5,)).shape, model.elbo(torch.zeros(5, 2)).shape
        (torch.Size([5, 2]), torch.Size([5]))
    """

    def __init__(
        self,
        net: nn.Module,
        schedule: Schedule,
        event_shape: tuple[int, ...],
        kind: Parameterisation = VELOCITY,
        s2: Tensor | None = None,
        levels: int | None = None,
        clip: float | None = None,
    ):
        super().__init__()
        self.net, self.schedule, self.event_shape, self.kind = net, schedule, tuple(event_shape), kind
        self.s2 = schedule.beta if s2 is None else check_batch(s2, "s2", schedule.T + 1)
        self.levels, self.clip = levels, clip

    def predict(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """What the network says at times t of 1, …, T, shape ``(N,)``."""
        return self.net(x, t.to(x.dtype) / self.schedule.T, y)

    def denoise(self, x: Tensor, t: Tensor | int, y: Tensor | None = None) -> Tensor:
        """An estimate of E[x_0 | x_t = x], the shape of x; t is a number or has shape ``(N,)``, whole from 1 to T.

        Raises:
            ValueError: on an x that does not fit, or a number t outside 1 to T.
        """
        t = self._times(x, t)
        return self._x0(x, t, self._alpha_bar(t, x), y)

    def score(self, x: Tensor, t: Tensor | int, y: Tensor | None = None) -> Tensor:
        """An estimate of the gradient of log q(x_t), the shape of x: -eps / sigma_t (Tweedie).

        Raises:
            ValueError: on an x that does not fit, or a number t outside 1 to T.
        """
        t = self._times(x, t)
        return self._score(x, t, self._alpha_bar(t, x), y)

    def loss(self, x0: Tensor, y: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """The simple loss of each example, at a time of its own: the mean square error of what the network predicts.

        The times are spread evenly over the batch, which leaves the loss's mean and takes from its spread.

        Args:
            x0: shape ``(N, *event)``.
            y: labels, shape ``(N,)``.
            generator: on the device of x0.

        Returns:
            Shape ``(N,)``.

        Source: Ho, Jain and Abbeel 2020, equation 14; in the book eq-diffusion-simple.
        """
        check_batch(x0, "x0", *self.event_shape)
        N, T = len(x0), self.schedule.T
        u = torch.rand(N, generator=generator, dtype=x0.dtype, device=x0.device)
        u = (torch.arange(N, device=x0.device) + u) / N
        t = 1 + (T * u).long().clamp(max=T - 1)
        eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype, device=x0.device)
        a = self._alpha_bar(t, x0)
        error = self.predict(noised(x0, eps, a), t, y) - self.kind.target(x0, eps, a)
        return error.square().flatten(1).mean(1)  # eq-diffusion-simple

    def elbo(self, x0: Tensor, num_samples: int = 1, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """An unbiased draw of the bound on log p(x_0), shape ``(N,)``: T times one term at a random time, less the end's.

        Args:
            x0: shape ``(N, *event)``; levels in [-1, 1] where the model has ``levels``.
            num_samples: times and noises for each example, over which the mean is taken.
            generator: on the device of x0.
            y: labels, shape ``(N,)``; the bound is then on log p(x_0 | y).

        Raises:
            ValueError: on a count below one, or data that do not fit.
        """
        check_batch(x0, "x0", *self.event_shape)
        check_count(num_samples, "num_samples")
        total, T = x0.new_zeros(len(x0)), self.schedule.T
        for _ in range(num_samples):
            t = torch.randint(1, T + 1, (len(x0),), generator=generator, device=x0.device)
            total = total - T * self.term(x0, t, generator, y)
        return total / num_samples - end_kl(x0, self.schedule.alpha_bar[T])  # eq-diffusion-bound

    @torch.no_grad()
    def elbo_terms(self, x0: Tensor, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """All T + 1 terms L_0, …, L_T, a draw for each example, shape ``(N, T + 1)``; minus their sum is a draw of the bound."""
        check_batch(x0, "x0", *self.event_shape)
        N, T = len(x0), self.schedule.T
        terms = [self.term(x0, torch.full((N,), t, device=x0.device), generator, y) for t in range(1, T + 1)]
        return torch.stack([*terms, end_kl(x0, self.schedule.alpha_bar[T])], 1)

    def term(self, x0: Tensor, t: Tensor, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """A draw of L_{t-1}, shape ``(N,)``: the reverse step's divergence for t from 2, the decoder's -log p(x_0 | x_1) for t = 1."""
        eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype, device=x0.device)
        x0_hat = self.denoise(noised(x0, eps, self._alpha_bar(t, x0)), t, y)
        error = (x0 - x0_hat).square().flatten(1).sum(1)
        s2, beta_tilde, c = (self._at(table, t, x0) for table in (self.s2, self.schedule.beta_tilde, weight_of_x0(self.schedule)))
        D, first = x0[0].numel(), t == 1
        later = step_kl(error, s2, torch.where(first, s2, beta_tilde), c, D)
        s1 = self.s2[1].to(x0)
        if self.levels is None:
            decoder = error / (2 * s1) + D / 2 * (2 * math.pi * s1).log()
        else:
            decoder = -binned_log_prob(x0, x0_hat, s1.sqrt(), 2 / (self.levels - 1)).flatten(1).sum(1)
        return torch.where(first, decoder, later)

    @torch.no_grad()
    def mse(self, x0: Tensor, generator: torch.Generator | None = None, y: Tensor | None = None) -> Tensor:
        """Mean square error of the predicted x_0 at each time, a dimension, shape ``(T + 1,)``; entry 0 is 0."""
        check_batch(x0, "x0", *self.event_shape)
        errors = [x0.new_zeros(())]
        for t in range(1, self.schedule.T + 1):
            eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype, device=x0.device)
            x = noised(x0, eps, self.schedule.alpha_bar[t])
            errors.append((x0 - self.denoise(x, t, y)).square().mean())
        return torch.stack(errors)

    @torch.no_grad()
    def sample(
        self,
        sample_shape: tuple[int, ...] = (),
        generator: torch.Generator | None = None,
        y: Tensor | None = None,
        steps: int | None = None,
        variance: Variance = step_beta_tilde,
    ) -> Tensor:
        """Draws by :func:`~gmlib.diffusion.ancestral`, shape ``(*sample_shape, *event)``: of the model's chain where all T steps are made.

        Args:
            y: labels, of shape ``sample_shape``.
            steps: jumps from T to 0; all T without it.
            variance: of a step.

        Raises:
            ValueError: on more than T steps, or labels of another shape.
        """
        like, T = next(self.parameters()), self.schedule.T
        n = math.prod(sample_shape)
        x = torch.randn(n, *self.event_shape, generator=generator, dtype=like.dtype, device=like.device)
        if y is not None and y.shape != sample_shape:
            raise ValueError(f"y must have shape {tuple(sample_shape)}, got {tuple(y.shape)}")
        y = y if y is None else y.reshape(n)
        times = spaced(T, T if steps is None else steps)
        x = ancestral(lambda x, t: self.denoise(x, t, y), self.schedule, x, times, variance, generator)
        return x.reshape(*sample_shape, *self.event_shape)

    def estimate_log_prob(
        self, x0: Tensor, steps: int = 40, y: Tensor | None = None, divergence: Divergence = exact_divergence
    ) -> Estimate:
        """log-density of the probability flow, by its differential equation from time 1 to time T; x0 of shape ``(N, D)``.

        It is the density of data with the first step's noise, under the flow: "exact" but for the steps' error.

        Source: Song et al. 2021; in the book eq-diffusion-flow-likelihood.
        """
        check_batch(x0, "x0", *self.event_shape)
        table = self.schedule.log_rho

        def score(x: Tensor, log_rho: Tensor) -> Tensor:
            return self._score(x, self.schedule.time(log_rho).expand(len(x)), 1 - noise_variance(log_rho), y)

        with torch.no_grad():
            value = flow_log_prob(score, x0, table[1].item(), table[-1].item(), steps, divergence)
        return Estimate(value, "exact")

    def _times(self, x: Tensor, t: Tensor | int) -> Tensor:
        check_shape(x, "x", *self.event_shape)
        if isinstance(t, int) and not 1 <= t <= self.schedule.T:
            raise ValueError(f"t must be from 1 to {self.schedule.T}, got {t}")
        return torch.as_tensor(t, device=x.device).expand(len(x))

    def _x0(self, x: Tensor, t: Tensor, alpha_bar: Tensor, y: Tensor | None) -> Tensor:
        x0 = self.kind.x0(self.predict(x, t, y), x, alpha_bar)
        return x0 if self.clip is None else x0.clamp(-self.clip, self.clip)

    def _score(self, x: Tensor, t: Tensor, alpha_bar: Tensor, y: Tensor | None) -> Tensor:
        sigma = (1 - alpha_bar).sqrt()
        eps = noise_from_x0(self._x0(x, t, alpha_bar, y), x, alpha_bar)
        return -eps / (sigma.reshape(-1, *(1,) * (x.ndim - 1)) if sigma.ndim else sigma)  # eq-diffusion-score-noise

    def _alpha_bar(self, t: Tensor, x: Tensor) -> Tensor:
        return self._at(self.schedule.alpha_bar, t, x)

    @staticmethod
    def _at(table: Tensor, t: Tensor, x: Tensor) -> Tensor:
        """Entries t of a table, with the dtype and device of x."""
        return table.to(x.device)[t] if table.dtype == x.dtype else table.to(x)[t]


def labelled(x: Tensor, y: Tensor) -> Tensor:
    """Examples with their labels as one column more, so that a batch of them is one tensor: shape ``(N, D + 1)``.

    Raises:
        ValueError: on another number of labels than of examples.

    Example:
        >>> labelled(torch.zeros(2, 1), torch.tensor([3, 7]))
        tensor([[0., 3.],
                [0., 7.]])
    """
    if check_shape(x, "x").ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"x must have shape (N, D) and y (N,), got {tuple(x.shape)} and {tuple(y.shape)}")
    return torch.cat([x, y[:, None].to(x)], 1)


def class_loss(model: Diffusion, batch: Tensor, generator: torch.Generator | None = None, drop: float = 0.1):
    """The mean simple loss of :func:`labelled` examples, with the label left out at the rate ``drop``: for :func:`gmlib.train.train`.

    Returns:
        The loss, and no further terms.

    Raises:
        ValueError: where the network has no classes, or the batch does not fit.
    """
    if getattr(getattr(model.net, "condition", None), "classes", None) is None:
        raise ValueError("class_loss needs a network with classes")
    x, y = batch[:, :-1], batch[:, -1].long()
    none = model.net.condition.classes.num_embeddings - 1
    out = torch.rand(len(y), generator=generator, device=y.device) < drop
    return model.loss(x, torch.where(out, none, y), generator).mean(), {}


def simple_loss(model: Diffusion, batch: Tensor, generator: torch.Generator | None = None):
    """The mean simple loss of examples without labels: for :func:`gmlib.train.train`."""
    return model.loss(batch, None, generator).mean(), {}
