"""Right answers to each exercise of ``gan``, of different shape: tensors, loops, autograd, SciPy, the library."""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist, jensenshannon
from scipy.special import expit, log_expit
from torch.nn import functional as F

from gmlib import gan as library
from gmlib.divergences import js
from gmlib.metrics import mmd2


def losses_by_library(real, fake):
    return [library.discriminator_loss(real, fake), library.saturating_loss(fake), library.nonsaturating_loss(fake)]


def losses_by_bce(real, fake):
    ones, zeros = torch.ones_like(fake), torch.zeros_like(fake)
    of_fake = F.binary_cross_entropy_with_logits(fake, zeros)
    of_real = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    return torch.stack([of_real + of_fake, -of_fake, F.binary_cross_entropy_with_logits(fake, ones)])


def losses_by_logaddexp(real, fake):
    of_fake = np.logaddexp(0, fake).mean()
    return np.array([np.logaddexp(0, -real).mean() + of_fake, -of_fake, np.logaddexp(0, -fake).mean()])


LOSSES = (
    losses_by_library,
    losses_by_bce,
    lambda real, fake: losses_by_bce(real.float(), fake.float()),
    lambda real, fake: (-log_expit(real.numpy()).mean() - log_expit(-fake.numpy()).mean(), log_expit(-fake.numpy()).mean(),
                        -log_expit(fake.numpy()).mean()),
    lambda real, fake: losses_by_logaddexp(real.numpy(), fake.numpy())[:, None],
)  # fmt: skip


def value_by_search(p_data, p_theta):
    """The best D of each outcome as what it is defined as, and the value that it reaches."""
    found = [minimize_scalar(lambda o, p=p, q=q: -p * log_expit(o) - q * log_expit(-o), bounds=(-60, 60), method="bounded",
                             options={"xatol": 1e-10}) for p, q in zip(p_data.tolist(), p_theta.tolist())]  # fmt: skip
    return [*(expit(f.x) for f in found), -sum(f.fun for f in found)]


def value_by_js(p_data, p_theta):
    D = p_data / (p_data + p_theta)
    return torch.cat([D, 2 * js(p_data, p_theta)[None] - math.log(4)])


VALUE = (
    value_by_search,
    value_by_js,
    lambda p_data, p_theta: [*(D := library.optimal_discriminator(p_data, p_theta)), library.value(D, p_data, p_theta)],
    lambda p_data, p_theta: value_by_js(p_data.float(), p_theta.float()).unsqueeze(0),
    lambda p_data, p_theta: np.append(p_data / (p_data + p_theta), 2 * jensenshannon(p_data, p_theta) ** 2 - np.log(4)),
    lambda p_data, p_theta: torch.cat([
        D := p_data / (p_data + p_theta), (torch.xlogy(p_data, D) + torch.xlogy(p_theta, 1 - D)).sum(0, keepdim=True)]),
)  # fmt: skip


def penalty_by_autograd(real, fake, u, phi):
    weight = u[: len(real), None, None, None]
    x = (weight * real + (1 - weight) * fake).requires_grad_()
    value = 0.5 * torch.einsum("nchw,kchw->nk", x, phi).square().sum()
    (gradient,) = torch.autograd.grad(value, x)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def penalty_by_hand(real, fake, u, phi):
    """The gradient of the critic is known: no autograd."""
    real, fake, phi = (v.flatten(1) for v in (real, fake, phi))
    x = torch.lerp(fake, real, u[: len(real), None])
    return ((x @ phi.T @ phi).square().sum(1).sqrt() - 1).pow(2).mean()


def penalty_by_loop(real, fake, u, phi):
    total = 0.0
    for i in range(len(real)):
        x = fake[i] + u[i] * (real[i] - fake[i])
        gradient = sum((x * one).sum() * one for one in phi)
        total += (gradient.pow(2).sum().item() ** 0.5 - 1) ** 2
    return total / len(real)


def penalty_by_numpy(real, fake, u, phi):
    real, fake, phi, u = real.numpy(), fake.numpy(), phi.numpy(), u.numpy()[: len(real)].reshape(-1, 1, 1, 1)
    along = np.tensordot(u * real + (1 - u) * fake, phi, axes=([1, 2, 3], [1, 2, 3]))
    return [np.mean((np.linalg.norm(np.tensordot(along, phi, axes=1).reshape(len(real), -1), axis=1) - 1) ** 2)]


PENALTY = (
    penalty_by_autograd,
    penalty_by_hand,
    penalty_by_loop,
    penalty_by_numpy,
    lambda real, fake, u, phi: (library.gradient_norms(
        lambda x: torch.einsum("nchw,kchw->nk", x, phi).square().sum(1) / 2,
        fake + u[: len(real)].view(-1, 1, 1, 1) * (real - fake)) - 1).square().mean(),
    lambda real, fake, u, phi: penalty_by_hand(*(v.float() for v in (real, fake, u, phi))),
)  # fmt: skip


def round_by_optimisers(real, z, A, w, eta):
    A, w = A.clone().requires_grad_(), w.clone().requires_grad_()
    of_d, of_g = (torch.optim.SGD([v], lr=float(eta)) for v in (w, A))
    d_loss = F.softplus(-(real @ w)).mean() + F.softplus((z @ A).detach() @ w).mean()
    d_loss.backward()
    of_d.step()
    F.softplus(-(z @ A @ w)).mean().backward()
    of_g.step()
    return torch.cat([A, w[None]])


def round_by_hand(real, z, A, w, eta):
    fake = z @ A
    slope_real, slope_fake = -torch.sigmoid(-real @ w) / len(real), torch.sigmoid(fake @ w) / len(z)
    w = w - eta * (slope_real @ real + slope_fake @ fake)
    A = A + eta * torch.outer(z.T @ torch.sigmoid(-fake @ w) / len(z), w)
    return torch.vstack([A, w])


def round_by_library(real, z, A, w, eta):
    """By the losses of the library, and gradients by autograd."""
    A, w = A.clone().requires_grad_(), w.clone().requires_grad_()
    (of_w,) = torch.autograd.grad(library.discriminator_loss(real @ w, z @ A @ w), w)
    w = (w - eta * of_w).detach()
    (of_A,) = torch.autograd.grad(library.nonsaturating_loss(z @ A @ w), A)
    return [*(A - eta * of_A), w]


def round_by_numpy(real, z, A, w, eta):
    real, z, A, w, eta = (v.numpy() for v in (real, z, A, w, eta))
    w = w + eta * ((expit(-real @ w)[:, None] * real).mean(0) - (expit(z @ A @ w)[:, None] * (z @ A)).mean(0))
    return np.concatenate([A + eta * np.mean([expit(-row @ A @ w) * np.outer(row, w) for row in z], axis=0), w[None]])


ROUND = (
    round_by_optimisers,
    round_by_hand,
    round_by_library,
    round_by_numpy,
    lambda real, z, A, w, eta: round_by_hand(*(v.float() for v in (real, z, A, w, eta))),
)


def mmd2_by_loop(x, y, s):
    def k(a, b):
        return math.exp(-((a - b) ** 2).sum().item() / (2 * s.item() ** 2))

    n, m = len(x), len(y)
    within = sum(k(x[i], x[j]) for i in range(n) for j in range(i)) * 2 / (n * (n - 1))
    within += sum(k(y[i], y[j]) for i in range(m) for j in range(i)) * 2 / (m * (m - 1))
    return within - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def mmd2_by_mask(x, y, s):
    points = torch.cat([x, y])
    K = (-(points[:, None] - points).square().sum(-1) / (2 * s**2)).exp()
    n, m = len(x), len(y)
    own = [K[:n, :n][~torch.eye(n, dtype=torch.bool)].mean(), K[n:, n:][~torch.eye(m, dtype=torch.bool)].mean()]
    return sum(own) - 2 * K[:n, n:].mean()


def mmd2_by_scipy(x, y, s):
    def K(a, b):
        return np.exp(-cdist(a, b, "sqeuclidean") / (2 * s.item() ** 2))

    own = [(K(a, a).sum() - len(a)) / (len(a) * (len(a) - 1)) for a in (x.numpy(), y.numpy())]
    return [sum(own) - 2 * K(x.numpy(), y.numpy()).mean()]


MMD2 = (
    mmd2_by_loop,
    mmd2_by_mask,
    mmd2_by_scipy,
    lambda x, y, s: mmd2(x, y, bandwidth=s.item()),
    lambda x, y, s: mmd2_by_mask(x.float(), y.float(), s.float()),
)


def moduli(step):
    return torch.linalg.eigvals(step.double()).abs().max().item()


def on_paper(eta, eta_large, gamma, gamma_large, d, lam):
    spread = (eta_large**4 - 4 * eta_large**2).sqrt()
    slow = (gamma_large - (gamma_large**2 - 1).sqrt()) / 2
    slope = 1 + d / lam / 2
    return torch.stack([(1 + eta**2).sqrt(), torch.ones_like(eta), (eta_large**2 - 2 + spread) / 2, gamma / 2, slow, slope, d * slope])


def on_paper_by_matrices(eta, eta_large, gamma, gamma_large, d, lam):
    """Eigenvalues of the steps and of the flow's Jacobian, and the best slope by search."""

    def rate(weight):
        J = torch.autograd.functional.jacobian(lambda state: library.dirac_gan(state, weight.item()), torch.zeros(2).double())
        return -torch.linalg.eigvals(J).real.max().item()

    best = minimize_scalar(lambda s: -s * d.item() + lam.item() * (abs(s) - 1) ** 2, bounds=(0, 50), method="bounded",
                           options={"xatol": 1e-10}).x  # fmt: skip
    return [moduli(library.simultaneous_steps(eta)), moduli(library.alternating_steps(eta)), moduli(library.alternating_steps(eta_large)),
            rate(gamma), rate(gamma_large), best, best * d.item()]  # fmt: skip


PAPER = (
    on_paper,
    on_paper_by_matrices,
    lambda *case: [round(v, 3) for v in on_paper(*case).tolist()],
    lambda *case: on_paper(*(v.float() for v in case)),
)

RIGHT = {
    "gan-losses": LOSSES,
    "gan-value": VALUE,
    "gan-penalty": PENALTY,
    "gan-round": ROUND,
    "gan-mmd": MMD2,
    "gan-paper": PAPER,
}
