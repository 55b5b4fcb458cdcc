"""Right answers to each exercise of ``flows``, of different shape: tensors, loops, autograd, SciPy, the library, NumPy."""

import math

import numpy as np
import torch
from scipy.linalg import ldl as scipy_ldl
from scipy.optimize import brentq
from scipy.stats import logistic
from torch import nn
from torch.autograd.functional import jacobian, jvp
from torch.distributions import AffineTransform, SigmoidTransform, TransformedDistribution, Uniform
from torch.nn.functional import logsigmoid, softplus

from gmlib import flows as library
from gmlib import metrics, ode


def single(answer):
    """The same answer in float32."""
    return lambda *arguments: answer(*(v.float() if v.is_floating_point() else v for v in arguments))


def affine_by_torch(x, mu, c):
    base = TransformedDistribution(Uniform(torch.zeros_like(mu), torch.ones_like(mu)), SigmoidTransform().inv)
    return TransformedDistribution(base, AffineTransform(mu, c)).log_prob(x)


def affine_by_autograd(x, mu, c):
    """The derivative of the distribution function."""
    x = x.clone().requires_grad_()
    below = ((x - mu) / c).sigmoid()
    return torch.autograd.grad(below.sum(), x)[0].abs().log()


def affine_by_loop(x, mu, c):
    out = []
    for v in x.tolist():
        z = (v - mu.item()) / c.item()
        out.append(-z - 2 * math.log(1 + math.exp(-z)) - math.log(abs(c.item())))
    return out


def affine(x, mu, c):
    z = (x - mu) / c
    return -z - 2 * softplus(-z) - c.abs().log()


AFFINE_LOG_PROB = (
    affine,
    affine_by_torch,
    affine_by_autograd,
    affine_by_loop,
    single(affine),
    lambda x, mu, c: logistic(mu.item(), abs(c.item())).logpdf(x),
    lambda x, mu, c: logsigmoid((x - mu) / c) + logsigmoid((mu - x) / c) - 0.5 * (c * c).log(),
    lambda x, mu, c: (library.StandardLogistic(1).log_prob(((x - mu) / c)[:, None]) - c.abs().log())[:, None],
)


def through(x, a, c):
    for p, q in zip(a, c):
        x = q * (x + p * x.sin())
    return x


def compose(x, a, c):
    total = 0
    for p, q in zip(a, c):
        total = total + (q * (1 + p * x.cos())).abs().log().sum(-1)
        x = q * (x + p * x.sin())
    return total


def compose_by_jacobian(x, a, c):
    """The determinant of the whole map's Jacobian."""
    return torch.stack([torch.linalg.slogdet(jacobian(lambda v: through(v, a, c), row)).logabsdet for row in x])


def compose_by_products(x, a, c):
    """The product of all slopes, and then its logarithm."""
    out = []
    for row in x.numpy():
        det = 1.0
        for v in row:
            for p, q in zip(a.numpy(), c.numpy()):
                v, det = q * (v + p * np.sin(v)), det * q * (1 + p * np.cos(v))
        out.append(np.log(abs(det)))
    return np.array(out)


class Wave(nn.Module):
    def __init__(self, p, q):
        super().__init__()
        self.p, self.q = p, q

    def forward(self, x):
        return self.q * (x + self.p * x.sin()), (self.q * (1 + self.p * x.cos())).abs().log().sum(-1)


COMPOSE = (
    compose,
    compose_by_jacobian,
    compose_by_products,
    single(compose),
    lambda x, a, c: library.Flow([Wave(p, q) for p, q in zip(a, c)], library.StandardNormal(x.shape[1])).f(x)[1],
    lambda x, a, c: -torch.stack([torch.linalg.inv(jacobian(lambda v: through(v, a, c), row)).det().abs().log() for row in x]),
)


def coupling(x, s, t):
    kept, moved = x.chunk(2, -1)
    return torch.cat([kept, moved * s.exp() + t, s.sum(-1, keepdim=True)], -1)


def coupling_by_loop(x, s, t):
    rows = []
    for n in range(len(x)):
        d = s.shape[1]
        row = [x[n, i].item() for i in range(d)]
        row += [x[n, d + i].item() * math.exp(s[n, i].item()) + t[n, i].item() for i in range(d)]
        rows.append([*row, s[n].sum().item()])
    return rows


def coupling_by_library(x, s, t):
    """A network that gives the parameters whatever it is asked; the clamp is far away."""
    d = s.shape[1]
    both = torch.stack([s, t], -1).flatten(1)

    class Given(nn.Module):
        def forward(self, a):
            return both

    layer = library.AffineCoupling(torch.arange(2 * d) < d, Given(), clamp=1e5)
    z, log_det = layer(x)
    return torch.cat([z, log_det[:, None]], 1)


def coupling_by_jacobian(x, s, t):
    def f(v, s, t):
        return torch.cat([v[: len(s)], v[len(s) :] * s.exp() + t])

    return [[*f(*row).tolist(), jacobian(f, row)[0].det().log().item()] for row in zip(x, s, t)]


def coupling_by_numpy(x, s, t):
    x, s, t = x.numpy(), s.numpy(), t.numpy()
    d = s.shape[1]
    return np.hstack([x[:, :d], x[:, d:] * np.exp(s) + t, s.sum(1, keepdims=True)])


COUPLING = (
    coupling,
    coupling_by_loop,
    coupling_by_library,
    coupling_by_jacobian,
    single(coupling),
    coupling_by_numpy,
)


def bits_by_loop(log_p, D, levels):
    out = []
    for row in log_p.tolist():
        density_of_levels = [v - D.item() * math.log(levels.item()) for v in row]
        out.append(-sum(density_of_levels) / len(row) / math.log(2) / D.item())
    return out


BITS_PER_DIM = (
    bits_by_loop,
    lambda log_p, D, levels: math.log2(levels) - log_p.mean(1) / D / math.log(2),
    lambda log_p, D, levels: metrics.bits_per_dim(log_p, D.item(), levels.item()).mean(-1),
    lambda log_p, D, levels: np.log2(levels.item()) - np.mean(log_p.numpy(), axis=1, keepdims=True) * np.log2(np.e) / D.item(),
    lambda log_p, D, levels: -(log_p.float() - D * levels.log()).mean(-1) / (D * math.log(2)),
)


def conditioner(x, w):
    before = x.cumsum(-1) - x
    return w[0] * before + w[1], w[2] * (2 * before).sin() + w[3]


def maf_inverse(z, w):
    x = torch.zeros_like(z)
    for i in range(z.shape[-1]):
        m, a = conditioner(x, w)
        x[:, i] = z[:, i] * a[:, i].exp() + m[:, i]
    return torch.cat([x, a.sum(-1, keepdim=True)], -1)


def maf_by_fixed_point(z, w):
    """All dimensions at once, D times."""
    x = torch.zeros_like(z)
    for _ in range(z.shape[-1] + 1):
        m, a = conditioner(x, w)
        x = z * a.exp() + m
    return torch.cat([x, conditioner(x, w)[1].sum(-1, keepdim=True)], -1)


def maf_by_search(z, w):
    """Each x is where the forward map gives z; the log-determinant is that of the inverse Jacobian."""
    w, rows = w.tolist(), []
    for row in z.tolist():
        x, log_det = [], 0.0
        for v in row:
            before = sum(x)
            m, a = w[0] * before + w[1], w[2] * math.sin(2 * before) + w[3]
            x.append(brentq(lambda u: (u - m) * math.exp(-a) - v, -1e4, 1e4, xtol=1e-12))  # noqa: B023
            log_det += a
        rows.append([*x, log_det])
    return rows


def maf_by_jacobian(z, w):
    x = maf_inverse(z, w)[:, :-1]

    def forward(v):
        m, a = conditioner(v, w)
        return (v - m) * (-a).exp()

    log_det = torch.stack([-torch.linalg.slogdet(jacobian(forward, row)).logabsdet for row in x])
    return torch.cat([x, log_det[:, None]], -1)


def maf_by_library(z, w):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.order = torch.arange(z.shape[-1])

        def forward(self, x):
            return torch.stack(conditioner(x, w), -1)

    x, log_det = library.MaskedAffine(Network(), clamp=1e5).inverse(z)
    return torch.cat([x, log_det[:, None]], 1).numpy()


MAF_INVERSE = (
    maf_inverse,
    maf_by_fixed_point,
    maf_by_search,
    maf_by_jacobian,
    maf_by_library,
    single(maf_inverse),
)


def scale_and_shift(a, w):
    return w[0] * a.flip(-1).sin() + w[1], w[2] * a + w[3]


def interleaved(x, w):
    s, t = scale_and_shift(x[:, ::2], w)
    z = x.clone()
    z[:, 1::2] = x[:, 1::2] * s.exp() + t
    return torch.cat([z, s.sum(-1, keepdim=True)], -1)


def interleaved_by_stack(x, w):
    s, t = scale_and_shift(x[:, ::2], w)
    z = torch.stack([x[:, ::2], x[:, 1::2] * s.exp() + t], -1).flatten(1)
    return torch.cat([z, s.sum(-1)[:, None]], -1)


def interleaved_by_library(x, w):
    class Network(nn.Module):
        def forward(self, a):
            return torch.stack(scale_and_shift(a, w), -1).flatten(1)

    layer = library.AffineCoupling(torch.arange(x.shape[1]) % 2 == 0, Network(), clamp=1e5)
    z, log_det = layer(x)
    return torch.cat([z, log_det[:, None]], 1)


def interleaved_by_mask(x, w):
    """A mask instead of slices, in NumPy."""
    x, w = x.numpy(), w.numpy()
    mask = np.arange(x.shape[1]) % 2
    beside = np.repeat(x[:, ::2], 2, axis=1)
    s = mask * (w[0] * np.sin(np.repeat(x[:, ::2][:, ::-1], 2, axis=1)) + w[1])
    t = mask * (w[2] * beside + w[3])
    return np.concatenate([x * np.exp(s) + t, s.sum(1, keepdims=True)], axis=1).tolist()


INTERLEAVED = (
    interleaved,
    interleaved_by_stack,
    interleaved_by_library,
    interleaved_by_mask,
    single(interleaved),
)


def field(x, A):
    return (x @ A.mT).tanh()


def hutchinson(x, A, eps):
    x = x.expand_as(eps).clone().requires_grad_()
    (product,) = torch.autograd.grad(field(x, A), x, eps)
    return (product * eps).sum(-1).mean(0)


def hutchinson_by_jacobian(x, A, eps):
    out = []
    for n, row in enumerate(x):
        J = jacobian(lambda v: field(v, A), row)
        out.append(torch.stack([e @ J @ e for e in eps[:, n]]).mean())
    return out


def hutchinson_by_jvp(x, A, eps):
    products = torch.stack([jvp(lambda v: field(v, A), x, e)[1] for e in eps])
    return torch.einsum("knd,knd->n", products, eps) / len(eps)


def hutchinson_by_moments(x, A, eps):
    """The trace of J times the mean of eps eps^T, in NumPy."""
    x, A, eps = x.numpy(), A.numpy(), eps.numpy()
    J = (1 - np.tanh(x @ A.T) ** 2)[:, :, None] * A
    second = np.einsum("kni,knj->nij", eps, eps) / len(eps)
    return np.einsum("nij,nij->n", J, second)


HUTCHINSON = (
    hutchinson,
    hutchinson_by_jacobian,
    hutchinson_by_jvp,
    hutchinson_by_moments,
    single(hutchinson),
    lambda x, A, eps: sum(ode.hutchinson(e)(lambda v, t: field(v, A), x, torch.zeros(()))[1] for e in eps) / len(eps),
)


def ldl(Sigma, r):
    (a, c), (_, b) = Sigma
    rest = b - c**2 / a
    log_det = -(a.log() + rest.log()) / 2
    return torch.stack([c / a, a.rsqrt(), rest.rsqrt(), log_det, log_det.exp() / r])


def ldl_by_cholesky(Sigma, r):
    L = np.linalg.cholesky(Sigma.numpy())
    S = np.diag(1 / np.diag(L))
    return [L[1, 0] / L[0, 0], S[0, 0], S[1, 1], np.log(np.linalg.det(S)), 1 / (r.item() * np.prod(np.diag(L)))]


def ldl_by_scipy(Sigma, r):
    L, D, _ = scipy_ldl(Sigma.numpy(), lower=True)
    return (L[1, 0], D[0, 0] ** -0.5, D[1, 1] ** -0.5, -0.5 * np.log(np.linalg.det(Sigma)), np.linalg.det(D) ** -0.5 / r)


LDL = (
    ldl,
    ldl_by_cholesky,
    ldl_by_scipy,
    single(ldl),
    lambda Sigma, r: [round(v, 3) for v in ldl(Sigma, r).tolist()],
)

RIGHT = {
    "flows-affine-log-prob": AFFINE_LOG_PROB,
    "flows-compose": COMPOSE,
    "flows-coupling": COUPLING,
    "flows-bits-per-dim": BITS_PER_DIM,
    "flows-maf-inverse": MAF_INVERSE,
    "flows-interleaved": INTERLEAVED,
    "flows-hutchinson": HUTCHINSON,
    "flows-ldl": LDL,
}
