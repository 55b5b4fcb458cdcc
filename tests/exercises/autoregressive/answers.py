"""Right answers to each exercise of ``autoregressive``, of different shape: tensors, loops, NumPy, enumeration, the library."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import entropy, logistic
from torch.distributions import Bernoulli

from gmlib import autoregressive as library


def in_float32(answer):
    return lambda *case: answer(*(v.float() if v.is_floating_point() else v for v in case))


def mask_by_slices(height, width, own):
    mask = torch.ones(height, width)
    mask[height // 2, width // 2 + own :] = 0
    mask[height // 2 + 1 :] = 0
    return mask


def mask_by_loop(height, width, own):
    rows = []
    for r in range(height):
        rows.append([1 if r < height // 2 or (r == height // 2 and c < width // 2 + own) else 0 for c in range(width)])
    return rows


def mask_by_numpy(height, width, own):
    mask = np.zeros(height.item() * width.item(), dtype=bool)
    mask[: len(mask) // 2 + own.item()] = True
    return mask.reshape(height, width)


MASK = (
    mask_by_slices,
    mask_by_loop,
    mask_by_numpy,
    lambda height, width, own: library.kernel_mask(height.item(), width.item(), "AB"[own]),
    lambda *case: mask_by_slices(*case)[None, None],
)


def fvbn_by_tensors(W, b, x):
    return -F.binary_cross_entropy_with_logits(b + x @ W.tril(-1).T, x, reduction="none").sum(1)


def fvbn_by_loop(W, b, x):
    out = []
    for row in x.tolist():
        total = 0.0
        for i in range(len(row)):
            o = b[i].item()
            for j in range(i):
                o += W[i, j].item() * row[j]
            total -= math.log1p(math.exp(-o if row[i] else o))
        out.append(total)
    return out


def fvbn_by_library(W, b, x):
    net = library.Logistic(len(b)).double()
    net.W.data, net.b.data = W, b
    return library.BinaryModel(net, len(b)).log_prob(x)


def fvbn_by_distribution(W, b, x):
    before = np.tril(np.ones(W.shape), -1)
    logits = torch.tensor([[b[i].item() + (before[i] * W[i].numpy() * row.numpy()).sum() for i in range(len(b))] for row in x])
    return Bernoulli(logits=logits).log_prob(x).sum(-1)


FVBN = (
    fvbn_by_tensors,
    fvbn_by_loop,
    fvbn_by_library,
    fvbn_by_distribution,
    lambda W, b, x: fvbn_by_tensors(W, b, x)[:, None].numpy(),
    in_float32(fvbn_by_tensors),
)


def mixture_by_tensors(x, pi, mu, s, levels):
    x = x[:, None].to(mu)
    at, half = 2 * x / (levels - 1) - 1, 1 / (levels - 1)
    upper = torch.where(x == levels - 1, 1.0, ((at + half - mu) / s).sigmoid())
    lower = torch.where(x == 0, 0.0, ((at - half - mu) / s).sigmoid())
    return ((upper - lower) * pi).sum(1).log()


def mixture_by_edges(x, pi, mu, s, levels):
    """The distribution function at all edges, then its differences."""
    L = levels.item()
    edges = np.concatenate([[-np.inf], np.linspace(-1, 1, L)[:-1] + 1 / (L - 1), [np.inf]])
    cdf = sum(w * logistic.cdf(edges, m, k) for w, m, k in zip(pi.numpy(), mu.numpy(), s.numpy()))
    return np.log(np.diff(cdf))[x.numpy()]


def mixture_by_loop(x, pi, mu, s, levels):
    def cdf(v, m, k):
        return 1 / (1 + math.exp(-(v - m) / k))

    out = []
    for value in x.tolist():
        centre, half = 2 * value / (levels.item() - 1) - 1, 1 / (levels.item() - 1)
        terms = []
        for w, m, k in zip(pi.tolist(), mu.tolist(), s.tolist()):
            high = 1.0 if value == levels - 1 else cdf(centre + half, m, k)
            terms.append(w * (high - (cdf(centre - half, m, k) if value else 0.0)))
        out.append(math.log(math.fsum(terms)))
    return out


def mixture_by_library(x, pi, mu, s, levels):
    return library.logistic_mixture(x.to(mu), pi, mu, s, levels.item())


MIXTURE = (
    mixture_by_tensors,
    mixture_by_edges,
    mixture_by_loop,
    mixture_by_library,
    lambda *case: mixture_by_tensors(*case)[None],
    in_float32(mixture_by_tensors),
    in_float32(mixture_by_library),
)


def combine_by_slices(left, mirrored):
    out = left.clone()
    out[1:] += mirrored.flip(1)[:-1]
    return out


def combine_by_loop(left, mirrored):
    H, W = left.shape
    return [[(left[r, c] + (mirrored[r - 1, W - 1 - c] if r else 0)).item() for c in range(W)] for r in range(H)]


def combine_by_matrices(left, mirrored):
    """The shift and the turn as matrices."""
    H, W = left.shape
    return left.numpy() + np.eye(H, k=-1) @ mirrored.numpy() @ np.eye(W)[::-1]


COMBINE = (
    combine_by_slices,
    combine_by_loop,
    combine_by_matrices,
    lambda left, mirrored: library.combine(left, mirrored.flip(-1)),
    lambda left, mirrored: left + F.pad(mirrored.fliplr(), (0, 0, 1, 0))[:-1],
    lambda *case: combine_by_slices(*case)[None],
    in_float32(combine_by_slices),
)


def stacks_by_convolutions(x, down, right, across, out):
    v = h = x[None, None]
    for i, kernel in enumerate(down):
        v = F.conv2d(F.pad(v, (1, 1, 1, 0)), kernel[None, None]).tanh()
        above = F.conv2d(F.pad(v, (0, 0, 1, 0))[:, :, :-1], across[i].reshape(1, 1, 1, 1))
        mask = library.kernel_mask(1, 3, "B" if i else "A").to(right)
        row = F.conv2d(F.pad(h, (1, 1)), (right[i] * mask)[None, None])
        new = F.conv2d((row + above).tanh(), out[i].reshape(1, 1, 1, 1))
        h = h + new if i else new
    return h[0, 0]


def stacks_by_shifts(x, down, right, across, out):
    """No convolution: the map moved, and added up."""

    def moved(y, r, c):
        return F.pad(y, (1 + c, 1 - c, 1 + r, 1 - r))[1:-1, 1:-1]

    v, h = x, torch.zeros_like(x)
    for i in range(len(down)):
        v = sum(down[i, 1 - a, 1 - t] * moved(v, a, t) for a in (0, 1) for t in (-1, 0, 1)).tanh()
        left = right[i, 0] * moved(h if i else x, 0, 1) + (right[i, 1] * h if i else 0)
        h = h + out[i] * (left + across[i] * moved(v, 1, 0)).tanh()
    return h


def stacks_by_numpy(x, down, right, across, out):
    x, down, right, across, out = (v.numpy() for v in (x, down, right, across, out))
    H, W = x.shape
    v, h = x, np.zeros((H, W))
    for i in range(len(down)):
        wide, new = np.pad(v, ((1, 0), (1, 1))), np.zeros((H, W))
        v = np.array([[np.tanh((down[i] * wide[r : r + 2, c : c + 3]).sum()) for c in range(W)] for r in range(H)])
        for r, c in itertools.product(range(H), range(W)):
            before = (x if i == 0 else h)[r, c - 1] if c else 0.0
            own = 0.0 if i == 0 else h[r, c]
            above = v[r - 1, c] if r else 0.0
            new[r, c] = out[i] * np.tanh(right[i, 0] * before + right[i, 1] * own + across[i] * above)
        h = h + new
    return h


STACKS = (
    stacks_by_convolutions,
    stacks_by_shifts,
    stacks_by_numpy,
    lambda *case: stacks_by_convolutions(*case)[None, None],
    in_float32(stacks_by_convolutions),
)


def floor_by_entropies(p, sees):
    def H(keep):
        rest = [j for j in range(p.ndim) if j not in keep]
        return torch.special.entr(p.sum(rest) if rest else p).sum()

    contexts = [row.nonzero().flatten().tolist() for row in sees]
    return sum(H([*C, i]) - H(C) for i, C in enumerate(contexts)) - H(range(p.ndim))


def floor_by_the_best_model(p, sees):
    """Multiply the conditionals, and take the divergence from the table."""
    p, q = p.numpy(), np.ones(tuple(p.shape))
    for i, row in enumerate(sees.tolist()):
        joint = p.sum(tuple(j for j in range(p.ndim) if j != i and not row[j]), keepdims=True)
        q = q * joint / joint.sum(i, keepdims=True)
    return entropy(p.ravel(), q.ravel())


def floor_by_information(p, sees):
    """The sum of what each variable shares with the unseen ones before it, given those that it sees."""
    def H(keep):
        totals = {}
        for x in itertools.product(*(range(n) for n in p.shape)):
            key = tuple(x[j] for j in keep)
            totals[key] = totals.get(key, 0.0) + p[x].item()
        return -math.fsum(v * math.log(v) for v in totals.values())

    terms = []
    for i, row in enumerate(sees.tolist()):
        seen, everything = [j for j in range(i) if row[j]], list(range(i))
        terms.append(H([*seen, i]) - H(seen) - H([*everything, i]) + H(everything))
    return math.fsum(terms)


FLOOR = (
    floor_by_entropies,
    floor_by_the_best_model,
    floor_by_information,
    lambda p, sees: library.kl_floor(p, [row.nonzero()[:, 0].tolist() for row in sees]),
    lambda *case: floor_by_entropies(*case)[None],
    in_float32(floor_by_entropies),
)


def on_paper(p, v):
    def H(law):
        return -(law * law.log2()).sum()

    one, two = p.sum(1), p.sum(0)
    q = one[:, None] * torch.stack([1 - v, v])
    return torch.stack([H(one), H(p) - H(one), H(p) / 2, H(one) + H(two) - H(p), -(one[1] * two[0]).log2(), (p * (p / q).log2()).sum()])


def on_paper_by_library(p, v):
    first, both = (library.entropy(p, keep) / math.log(2) for keep in ([0], [0, 1]))
    floor = library.kl_floor(p, [[], []]) / math.log(2)
    left = torch.tensor(entropy(p.sum(0).numpy(), [1 - v.item(), v.item()], base=2))
    return first, both - first, both / 2, floor, -p.sum(1)[1].log2() - p.sum(0)[0].log2(), floor + left


def on_paper_by_rows(p, v):
    """The conditionals of each row, and a divergence for each."""
    rows = p.sum(1).tolist()
    laws = [(p[r] / p[r].sum()).numpy() for r in range(2)]
    second, margin = sum(w * entropy(law, base=2) for w, law in zip(rows, laws)), p.sum(0).numpy()
    floor = sum(w * entropy(law, margin, base=2) for w, law in zip(rows, laws))
    kl = sum(w * entropy(law, [1 - v.item(), v.item()], base=2) for w, law in zip(rows, laws))
    first = entropy(rows, base=2)
    return [first, second, (first + second) / 2, floor, -math.log2(rows[1] * margin[0]), kl]


PAPER = (
    on_paper,
    on_paper_by_library,
    on_paper_by_rows,
    lambda *case: [round(v, 3) for v in on_paper(*case).tolist()],
    in_float32(on_paper),
)

RIGHT = {
    "autoregressive-mask": MASK,
    "autoregressive-fvbn": FVBN,
    "autoregressive-mixture": MIXTURE,
    "autoregressive-combine": COMBINE,
    "autoregressive-stacks": STACKS,
    "autoregressive-floor": FLOOR,
    "autoregressive-paper": PAPER,
}
