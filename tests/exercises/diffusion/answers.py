"""Right answers to each exercise of ``diffusion``, of different shape: tensors, loops, NumPy, linear algebra, the library."""

import math

import numpy as np
import torch
from torch.distributions import Normal, kl_divergence
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gmlib import diffusion as library


def in_float32(answer):
    return lambda *case: answer(*(v.float() if v.is_floating_point() else v for v in case))


def noised_by_tensors(x0, t, beta, eps):
    kept = (1 - beta).cumprod(0)[t].unsqueeze(1)
    return kept.sqrt() * x0 + (1 - kept).sqrt() * eps


def noised_by_logarithms(x0, t, beta, eps):
    half = torch.log1p(-beta).cumsum(0)[t][:, None] / 2
    return half.exp() * x0 + (-torch.expm1(2 * half)).sqrt() * eps


def noised_by_loop(x0, t, beta, eps):
    rows = []
    for start, now, noise in zip(x0, t, eps):
        kept = math.prod((1 - beta[1 : now + 1]).tolist())
        rows.append((math.sqrt(kept) * start + math.sqrt(1 - kept) * noise).tolist())
    return rows


def alpha_bar(beta):
    return library.Schedule(beta[1:]).alpha_bar


NOISED = (
    noised_by_tensors,
    noised_by_logarithms,
    noised_by_loop,
    lambda x0, t, beta, eps: library.noised(x0, eps, alpha_bar(beta)[t]),
    lambda x0, t, beta, eps: np.stack([np.sqrt(k) * u + np.sqrt(1 - k) * e for k, u, e in zip(
        np.cumprod(1 - beta.numpy())[t], x0.numpy(), eps.numpy())])[None],
    in_float32(noised_by_tensors),
)  # fmt: skip


def posterior_by_library(x0, x, t, beta):
    table = alpha_bar(beta)
    mean, variance = library.posterior(x0, x, table[t], table[t - 1])
    return torch.cat([mean, variance], 1)


def posterior_by_tensors(x0, x, t, beta):
    table = (1 - beta).cumprod(0)
    a, b, step = table[t][:, None], table[t - 1][:, None], beta[t][:, None]
    mean = b.sqrt() * step / (1 - a) * x0 + (1 - step).sqrt() * (1 - b) / (1 - a) * x
    return torch.hstack([mean, step * (1 - b) / (1 - a)])


def posterior_by_regression(x0, x, t, beta):
    """x_{t-1} on x_t, both given x_0: covariance over variance."""
    rows = []
    for start, row, now in zip(x0.numpy(), x.numpy(), t.tolist()):
        b, alpha = np.prod(1 - beta.numpy()[:now]), 1 - beta[now].item()
        joint = np.array([[1 - b, np.sqrt(alpha) * (1 - b)], [0, alpha * (1 - b) + 1 - alpha]])
        slope = joint[0, 1] / joint[1, 1]
        rows.append([*(np.sqrt(b) * start + slope * (row - np.sqrt(alpha * b) * start)), joint[0, 0] - slope * joint[0, 1]])
    return rows


def posterior_by_noise(x0, x, t, beta):
    """By the noise that made x of x_0, as the sampler has it."""
    table = (1 - beta).cumprod(0)
    a, step = table[t][:, None], beta[t][:, None]
    eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
    before = (1 - table[t - 1]) / (1 - table[t])
    return torch.cat([(x - step / (1 - a).sqrt() * eps) / (1 - step).sqrt(), beta[t, None] * before[:, None]], 1)


POSTERIOR = (
    posterior_by_library,
    posterior_by_tensors,
    posterior_by_regression,
    posterior_by_noise,
    in_float32(posterior_by_tensors),
)


def langevin_by_loop(x, mu, v, h, z):
    for noise in z:
        x = x + h * (mu - x) / v + torch.sqrt(2 * h) * noise
    return x


def langevin_unrolled(x, mu, v, h, z):
    """The steps are linear: each noise shrinks by the factor 1 - h/v once for each later step."""
    K, factor = len(z), 1 - h / v
    weights = factor ** torch.arange(K - 1, -1, -1)
    return mu + factor**K * (x - mu) + (2 * h).sqrt() * torch.einsum("k,knd->nd", weights.to(z), z)


def langevin_by_autograd(x, mu, v, h, z):
    for noise in z:
        y = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(Normal(mu, v.sqrt()).log_prob(y).sum(), y)
        x = y.detach() + h * slope + math.sqrt(2 * h) * noise
    return x


def langevin_by_recursion(x, mu, v, h, z):
    if not len(z):
        return x
    before = langevin_by_recursion(x, mu, v, h, z[:-1])
    return before + h * (mu - before) / v + math.sqrt(2 * h.item()) * z[-1]


LANGEVIN = (
    langevin_by_loop,
    langevin_unrolled,
    langevin_by_autograd,
    langevin_by_recursion,
    lambda *case: langevin_by_loop(*case).numpy(),
    in_float32(langevin_by_loop),
)


def jumps_by_tensors(x, beta, z, mu, v):
    table = (1 - beta).cumprod(0)[:: (len(beta) - 1) // len(z)].flip(0)
    for a, b, noise in zip(table, table[1:], z):
        var_t, var_r = a * v + 1 - a, b * v + 1 - b
        slope = (a / b).sqrt() * var_r / var_t
        x = b.sqrt() * mu + slope * (x - a.sqrt() * mu) + (var_r - slope**2 * var_t).sqrt() * noise
    return x


def jumps_by_denoiser(x, beta, z, mu, v):
    """The posterior for the best guess of x_0, and the variance that is best beside it."""
    table, times = alpha_bar(beta), library.spaced(len(beta) - 1, len(z))
    for t, r, noise in zip(times, times[1:], z):
        a, b = table[t], table[r]
        guess = mu + a.sqrt() * v / (a * v + 1 - a) * (x - a.sqrt() * mu)
        mean, tilde = library.posterior(guess, x, a, b)
        c = b.sqrt() * (1 - a / b) / (1 - a)
        x = mean + (tilde + c**2 * v * (1 - a) / (a * v + 1 - a)).sqrt() * noise
    return x


def jumps_by_conditioning(x, beta, z, mu, v):
    """The joint law of (x_r, x_t) of each coordinate, conditioned by NumPy."""
    x, kept, S = x.numpy(), np.cumprod(1 - beta.numpy()), len(z)
    times = np.linspace(len(beta) - 1, 0, S + 1).round().astype(int)
    for t, r, noise in zip(times, times[1:], z.numpy()):
        step = kept[t] / kept[r]
        var_r = kept[r] * v.item() + 1 - kept[r]
        joint = np.array([[var_r, np.sqrt(step) * var_r], [np.sqrt(step) * var_r, step * var_r + 1 - step]])
        precision = np.linalg.inv(joint)
        mean = np.sqrt(kept[r]) * mu.numpy() - precision[0, 1] / precision[0, 0] * (x - np.sqrt(kept[t]) * mu.numpy())
        x = mean + noise / np.sqrt(precision[0, 0])
    return x


JUMPS = (
    jumps_by_tensors,
    jumps_by_denoiser,
    jumps_by_conditioning,
    lambda *case: jumps_by_tensors(*case)[:, None],
    in_float32(jumps_by_tensors),
)


def decays(K, decay):
    return [min(float(decay), (1 + k) / (10 + k)) for k in range(1, K + 1)]


def average_by_loop(w, decay):
    a = w[0].clone()
    for d, row in zip(decays(len(w) - 1, decay), w[1:]):
        a.mul_(d).add_(row, alpha=1 - d)
    return a


def average_by_weights(w, decay):
    """What each row counts in the end: its own share, times all later decays."""
    d = torch.tensor([0.0, *decays(len(w) - 1, decay)], dtype=w.dtype)
    later = torch.cat([d.flip(0).cumprod(0).flip(0)[1:], torch.ones(1, dtype=w.dtype)])
    return ((1 - d) * later) @ w


def average_by_pytorch(w, decay):
    """By the function that torch.optim.swa_utils averages with."""
    held = [w[0].clone()]
    for k, row in enumerate(w[1:], 1):
        get_ema_multi_avg_fn(min(decay.item(), (1 + k) / (10 + k)))(held, [row.clone()], k)
    return held[0]


AVERAGE = (
    average_by_loop,
    average_by_weights,
    average_by_pytorch,
    lambda w, decay: average_by_loop(w, decay).numpy()[None],
    in_float32(average_by_loop),
)


def on_paper(beta, v, w):
    before, kept = (1 - beta[:2]).prod(), (1 - beta).prod()
    tilde = beta[2] * (1 - before) / (1 - kept)
    best = [beta[2] * (before * s + 1 - before) / (kept * s + 1 - kept) for s in (v, w)]
    bits = (best[0] / tilde - 1 - (best[0] / tilde).log()) / (2 * math.log(2))
    return torch.stack([kept, tilde.sqrt(), *(s.sqrt() for s in best), bits, beta[2] / (2 * (1 - beta[2]) * (1 - kept))])


def on_paper_by_library(beta, v, w):
    schedule = library.Schedule(beta)
    a, c = schedule.alpha_bar, library.weight_of_x0(schedule)
    best = [library.best_variance(s * (1 - a) / (a * s + 1 - a), schedule)[3] for s in (v, w)]
    error = v * (1 - a[3]) / (a[3] * v + 1 - a[3])
    terms = [library.step_kl(error, s, schedule.beta_tilde[3], c[3], D=1) for s in (schedule.beta_tilde[3], best[0])]
    bits = (terms[0] - terms[1]) / math.log(2)
    return [a[3], *(s.sqrt() for s in (schedule.beta_tilde[3], *best)), bits, library.noise_weight(schedule, schedule.beta)[3]]


def on_paper_by_divergence(beta, v, w):
    """The true reverse step is Gaussian; the loss is PyTorch's divergence between two Gaussians of one mean."""
    kept = (1 - beta).cumprod(0)
    a, b, alpha = kept[2], kept[1], 1 - beta[2]
    tilde = 1 / (1 / (1 - b) + alpha / beta[2])
    best = [1 / (1 / (b * s + 1 - b) + alpha / beta[2]) for s in (v, w)]
    loss = kl_divergence(Normal(0.0, best[0].sqrt()), Normal(0.0, tilde.sqrt())) / math.log(2)
    return a, tilde.sqrt(), *(s.sqrt() for s in best), loss, beta[2] ** 2 / (2 * beta[2] * alpha * (1 - a))


PAPER = (
    on_paper,
    on_paper_by_library,
    on_paper_by_divergence,
    lambda *case: [round(v, 3) for v in on_paper(*case).tolist()],
    in_float32(on_paper),
)

RIGHT = {
    "diffusion-noised": NOISED,
    "diffusion-posterior": POSTERIOR,
    "diffusion-langevin": LANGEVIN,
    "diffusion-jumps": JUMPS,
    "diffusion-average": AVERAGE,
    "diffusion-paper": PAPER,
}
