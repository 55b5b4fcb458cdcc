"""Wrong answers to the exercises of ``gan``, as students write them, and what is needed to try the notebook."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from gmlib import gan as library
from gmlib.divergences import js
from gmlib.metrics import mmd2


def by_D(real, fake):
    D_real, D_fake = torch.sigmoid(real), torch.sigmoid(fake)
    return -D_real.log().mean() - (1 - D_fake).log().mean(), (1 - D_fake).log().mean(), -D_fake.log().mean()


def by_bce(real, fake, bce=F.binary_cross_entropy):
    D_real, D_fake = torch.sigmoid(real), torch.sigmoid(fake)
    ones, zeros = torch.ones_like, torch.zeros_like
    of_fake = bce(D_fake, zeros(D_fake))
    return [bce(D_real, ones(D_real)) + of_fake, -of_fake, bce(D_fake, ones(D_fake))]


def by_epsilon(real, fake, eps=1e-8):
    D_real, D_fake = torch.sigmoid(real), torch.sigmoid(fake)
    of_fake = torch.log(1 - D_fake + eps).mean()
    return -torch.log(D_real + eps).mean() - of_fake, of_fake, -torch.log(D_fake + eps).mean()


def right_losses(real, fake):
    return torch.stack([library.discriminator_loss(real, fake), library.saturating_loss(fake), library.nonsaturating_loss(fake)])


def right_D(p, q):
    return p / (p + q)


def ratio(p, q):
    D = p / q
    return torch.cat([D, (torch.xlogy(p, D) + torch.xlogy(q, 1 - D)).sum()[None]])


def penalised(real, fake, weight, phi, norm):
    x = (weight * real + (1 - weight) * fake).requires_grad_()
    gradient = torch.autograd.grad(torch.einsum("nchw,kchw->nk", x, phi).square().sum() / 2, x)[0]
    return (norm(gradient) - 1).square().mean()


def each(u, real):
    return u[: len(real)].view(-1, 1, 1, 1)


def whole(gradient):
    return gradient.flatten(1).norm(dim=1)


def players(real, z, A, w, eta, *, detach_d=True, detach_g=False, zero=True, d_moves="w", g_moves="A", anew=True, saturating=False):
    """A round with PyTorch's optimisers, with the slips that people make in it."""
    held = {"A": A.clone().requires_grad_(), "w": w.clone().requires_grad_()}
    of_d, of_g = (torch.optim.SGD([held[name] for name in names], lr=float(eta)) for names in (d_moves, g_moves))
    A, w = held["A"], held["w"]
    old_w = w.detach().clone()
    fake = (z @ A).detach() if detach_d else z @ A
    (F.softplus(-(real @ w)).mean() + F.softplus(fake @ w).mean()).backward()
    of_d.step()
    if zero:
        of_d.zero_grad(), of_g.zero_grad()
    fake = (z @ A).detach() if detach_g else z @ A
    o = fake @ (w if anew else old_w)
    (-F.softplus(o) if saturating else F.softplus(-o)).mean().backward()
    of_g.step()
    return torch.cat([A, w[None]])


def squared_distances(a, b):
    return (a[:, None] - b).square().sum(-1)


def kernels(x, y, s):
    return ((-squared_distances(a, b) / (2 * s**2)).exp() for a, b in ((x, x), (y, y), (x, y)))


def v_statistic(x, y, s):
    K_x, K_y, K_xy = kernels(x, y, s)
    return K_x.mean() + K_y.mean() - 2 * K_xy.mean()


def zeroed_diagonal(x, y, s):
    K_x, K_y, K_xy = kernels(x, y, s)
    return K_x.fill_diagonal_(0).mean() + K_y.fill_diagonal_(0).mean() - 2 * K_xy.mean()


def modulus(step):
    return torch.linalg.eigvals(step).abs().max()


def slow(gamma):
    return (gamma - (gamma**2 - 1).sqrt()) / 2


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("gan-losses", "unstable"): by_D,
    ("gan-losses", "clamped"): by_bce,
    ("gan-losses", "epsilon"): by_epsilon,
    ("gan-losses", "sigmoid twice"): lambda real, fake: by_bce(real, fake, F.binary_cross_entropy_with_logits),
    ("gan-losses", "labels exchanged"): lambda real, fake: [
        F.softplus(real).mean() + F.softplus(-fake).mean(), *right_losses(real, fake)[1:]],
    ("gan-losses", "one mean over both"): lambda real, fake: [
        F.binary_cross_entropy_with_logits(torch.cat([real, fake]), torch.cat([torch.ones_like(real), torch.zeros_like(fake)])),
        *right_losses(real, fake)[1:]],
    ("gan-losses", "logarithm of the mean"): lambda real, fake: [
        -real.sigmoid().mean().log() - (1 - fake.sigmoid()).mean().log(), (1 - fake.sigmoid()).mean().log(),
        -fake.sigmoid().mean().log()],
    ("gan-losses", "smoothed"): lambda real, fake: [
        library.discriminator_loss(real, fake, smooth=0.9), *right_losses(real, fake)[1:]],
    ("gan-losses", "halved"): lambda real, fake: right_losses(real, fake) / torch.tensor([2.0, 1.0, 1.0]),
    ("gan-losses", "minus the saturating loss"): lambda real, fake: [
        *right_losses(real, fake)[:2], F.softplus(fake).mean()],
    ("gan-value", "laws exchanged"): lambda p, q: torch.cat([right_D(q, p), 2 * js(p, q)[None] - math.log(4)]),
    ("gan-value", "density ratio"): ratio,
    ("gan-value", "undecided D"): lambda p, q: torch.full((len(p) + 1,), 0.5).index_fill(0, torch.tensor(len(p)), -math.log(4)),
    ("gan-value", "one JS"): lambda p, q: [*right_D(p, q), js(p, q) - math.log(4)],
    ("gan-value", "JS without half"): lambda p, q: [
        *(D := right_D(p, q)), -math.log(4) + 2 * (torch.xlogy(p, 2 * D) + torch.xlogy(q, 2 - 2 * D)).sum()],
    ("gan-value", "NaN at zero"): lambda p, q: [*(D := right_D(p, q)), (p * D.log() + q * (1 - D).log()).sum()],
    ("gan-value", "both under p_data"): lambda p, q: [*(D := right_D(p, q)), (torch.xlogy(p, D) + torch.xlogy(p, 1 - D)).sum()],
    ("gan-value", "bits"): lambda p, q: [*right_D(p, q), 2 * js(p, q) / math.log(2) - 2],
    ("gan-value", "unweighted"): lambda p, q: [*(D := right_D(p, q)), D.log().mean() + (1 - D).log().mean()],
    ("gan-penalty", "both bugs"): lambda real, fake, u, phi: penalised(
        real, fake, u[: real.numel()].view_as(real), phi, lambda g: g.norm(2, dim=1)),
    ("gan-penalty", "weight per pixel"): lambda real, fake, u, phi: penalised(
        real, fake, u[: real.numel()].view_as(real), phi, whole),
    ("gan-penalty", "norm over the channels"): lambda real, fake, u, phi: penalised(
        real, fake, each(u, real), phi, lambda g: g.norm(2, dim=1)),
    ("gan-penalty", "norm per channel"): lambda real, fake, u, phi: penalised(
        real, fake, each(u, real), phi, lambda g: g.norm(dim=(2, 3))),
    ("gan-penalty", "norm of the batch"): lambda real, fake, u, phi: penalised(real, fake, each(u, real), phi, torch.norm),
    ("gan-penalty", "weight per channel"): lambda real, fake, u, phi: penalised(
        real, fake, u[: real.shape[:2].numel()].view(*real.shape[:2], 1, 1), phi, whole),
    ("gan-penalty", "one weight for the batch"): lambda real, fake, u, phi: penalised(real, fake, u[0], phi, whole),
    ("gan-penalty", "weights exchanged"): lambda real, fake, u, phi: penalised(fake, real, each(u, real), phi, whole),
    ("gan-penalty", "squared norm"): lambda real, fake, u, phi: penalised(
        real, fake, each(u, real), phi, lambda g: g.square().sum((1, 2, 3))),
    ("gan-round", "still detached"): lambda *case: players(*case, detach_g=True),
    ("gan-round", "generator's loss moves w"): lambda *case: players(*case, g_moves="Aw"),
    ("gan-round", "discriminator's loss moves A"): lambda *case: players(*case, detach_d=False, d_moves="wA"),
    ("gan-round", "gradients added up"): lambda *case: players(*case, detach_d=False, zero=False),
    ("gan-round", "old discriminator"): lambda *case: players(*case, anew=False),
    ("gan-round", "saturating"): lambda *case: players(*case, saturating=True),
    ("gan-mmd", "V-statistic"): v_statistic,
    ("gan-mmd", "divided by n squared"): zeroed_diagonal,
    ("gan-mmd", "bandwidth without two"): lambda x, y, s: mmd2(x, y, s.item() / math.sqrt(2)),
    ("gan-mmd", "clamped"): lambda x, y, s: mmd2(x, y, s.item()).clamp(min=0),
    ("gan-mmd", "root"): lambda x, y, s: mmd2(x, y, s.item()).sqrt(),
    ("gan-mmd", "distance of the means"): lambda x, y, s: np.sum((x.numpy().mean(0) - y.numpy().mean(0)) ** 2),
    ("gan-paper", "formula beyond the limit"): lambda e, E, g, G, d, lam: [
        modulus(library.simultaneous_steps(e)), 1, 1, g / 2, slow(G), 1 + d / (2 * lam), library.penalised_points(d, lam).difference],
    ("gan-paper", "objective for the difference"): lambda e, E, g, G, d, lam: [
        modulus(library.simultaneous_steps(e)), 1, modulus(library.alternating_steps(E)), g / 2, slow(G), 1 + d / (2 * lam),
        library.penalised_points(d, lam).objective],
}  # fmt: skip

# What students hand in, and what the checker has to say about it.
WRONG = {
    "gan-losses": (
        "def losses(real, fake):\n    D_real, D_fake = torch.sigmoid(real), torch.sigmoid(fake)\n"
        "    of_fake = (1 - D_fake).log().mean()\n"
        "    return -D_real.log().mean() - of_fake, of_fake, -D_fake.log().mean()",
        "for a large logit the sigmoid is 0 or 1", "sigmoid 在浮点数里等于 0 或 1"),
    "gan-penalty": (
        "def mended_penalty(real, fake, u, phi):\n    weight = take(u, len(real), 1, 1, 1)\n"
        "    x = (weight * real + (1 - weight) * fake).requires_grad_()\n"
        "    (grad,) = torch.autograd.grad(critic(x, phi).sum(), x)\n    return ((grad.norm(2, dim=1) - 1) ** 2).mean()",
        "the norm still runs over the channels alone", "范数仍只对通道计算"),
    "gan-mmd": (
        "def mmd_squared(x, y, s):\n    def k(a, b):\n        return (-torch.cdist(a, b).square() / (2 * s**2)).exp().mean()\n"
        "    return k(x, x) + k(y, y) - 2 * k(x, y)",
        "The pairs of a draw with itself count as well", "每个样本与自己配成的对也算进去了"),
}  # fmt: skip
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("gan-value", "def best(p_data, p_theta):\n    return p_data")
# What is made smaller so that the notebook runs quickly.
QUICK = (("600, (5", "4, (2"),)

# Changes of a specification that no input can show, with the reason.
EQUIVALENT = {
    # both formulas hold near 0
    "gan-losses": {"minus_log_sigmoid: o > 0 -> o >= 0", "minus_log_sigmoid: o > 0 -> o > 1"},
    # all images are of one shape
    "gan-penalty": {
        "gradients: real[0] -> real[1]", "gradients: real[0][0] -> real[0][1]", "gradients: real[0][0][0] -> real[0][0][1]",
    },
}  # fmt: skip
