"""Wrong answers to the exercises of ``autoregressive``, as students write them, and what is needed to try the notebook."""

import math

import torch
import torch.nn.functional as F

from gmlib import autoregressive as library
from tests.exercises.autoregressive.answers import on_paper


def corner(height, width, own):
    """Open above and to the left only."""
    mask = torch.zeros(height, width)
    mask[: height // 2 + 1, : width // 2 + 1] = 1
    mask[height // 2, width // 2] = own
    return mask


def one_row_closed(height, width, own):
    mask = torch.ones(height, width)
    mask[height // 2] = 0
    mask[height // 2, width // 2] = own
    return mask


def only_the_row(height, width, own):
    mask = torch.ones(height, width)
    mask[height // 2, width // 2 + own :] = 0
    return mask


def upside_down(height, width, own):
    mask = library.kernel_mask(height.item(), width.item(), "A").flip(0, 1)
    mask[height // 2, width // 2] = own
    return mask


def by_logits(logits):
    return lambda W, b, x: -F.binary_cross_entropy_with_logits(logits(W, b, x), x, reduction="none").sum(1)


def fed_with_means(W, b, x):
    means = torch.zeros_like(x)
    for i in range(len(b)):
        means[:, i] = (b[i] + means[:, :i] @ W[i, :i]).sigmoid()
    return torch.where(x > 0, means, 1 - means).log().sum(1)


def masses(x, mu, s, levels, half=None, tails=True, scale=lambda d, s: d / s):
    x = x[:, None].to(mu)
    at, half = 2 * x / (levels - 1) - 1, 1 / (levels - 1) if half is None else half
    upper, lower = scale(at + half - mu, s).sigmoid(), scale(at - half - mu, s).sigmoid()
    if tails:
        upper, lower = torch.where(x == levels - 1, 1.0, upper), torch.where(x == 0, 0.0, lower)
    return upper - lower


def mixture(**options):
    return lambda x, pi, mu, s, levels: (masses(x, mu, s, levels, **options) @ pi).log()


def summed_over_components(x, pi, mu, s, levels):
    """As the line of code for colour images does it, where the last axis is another one."""
    log_probs = masses(x, mu, s, levels).log()
    return (log_probs.sum(-1, keepdim=True) + pi.log()).logsumexp(-1)


def two_directions(move, turn=lambda y: y.flip(1)):
    return lambda left, mirrored: left + move(turn(mirrored))


def zeros_below(y):
    return torch.cat([y[:-1], torch.zeros_like(y[:1])])


def two_stacks(one_by_one=lambda w, kind: w, kinds=lambda i: "B" if i else "A", above=lambda v: F.pad(v, (0, 0, 1, 0))[:-1],
               residual=lambda i: i > 0, row_mask=None):  # fmt: skip
    def answer(x, down, right, across, out):
        v = h = x
        for i in range(len(down)):
            mask = library.kernel_mask(1, 3, kinds(i)).to(x) if row_mask is None else row_mask
            v = F.conv2d(F.pad(v, (1, 1, 1, 0))[None, None], down[i][None, None])[0, 0].tanh()
            row = F.conv2d(F.pad(h, (1, 1))[None, None], (right[i] * mask)[None, None])[0, 0]
            new = one_by_one(out[i], kinds(i)) * (row + one_by_one(across[i], kinds(i)) * above(v)).tanh()
            h = h + new if residual(i) else new
        return h

    return answer


def masked(w, kind):
    return w * library.kernel_mask(1, 1, kind).item()


def information(p, sees, context=lambda i, row: [j for j in range(i) if row[j]], finish=lambda terms, H: sum(terms) - H):
    rows = enumerate(sees.tolist())
    terms = [library.entropy(p, sorted({*context(i, row), i})) - library.entropy(p, context(i, row)) for i, row in rows]
    return finish(terms, library.entropy(p, range(p.ndim)))


def reversed_divergence(p, sees):
    q = torch.ones_like(p)
    for i, row in enumerate(sees.tolist()):
        rest = [j for j in range(p.ndim) if j != i and not row[j]]
        joint = p.sum(rest, keepdim=True) if rest else p
        q = q * joint / joint.sum(i, keepdim=True)
    return (q * (q / p).log()).sum()


def instead(number, value):
    """The right numbers on paper but for one, counted from 1."""

    def answer(p, v):
        numbers = on_paper(p, v)
        numbers[number - 1] = value(p, v)
        return numbers

    return answer


def H(law):
    return -(law * law.log2()).sum()


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("autoregressive-mask", "always A"): lambda height, width, own: library.kernel_mask(height.item(), width.item(), "A"),
    ("autoregressive-mask", "always B"): lambda height, width, own: library.kernel_mask(height.item(), width.item(), "B"),
    ("autoregressive-mask", "kinds exchanged"): lambda height, width, own: library.kernel_mask(height.item(), width.item(), "BA"[own]),
    ("autoregressive-mask", "upper left rectangle"): corner,
    ("autoregressive-mask", "centre row closed"): one_row_closed,
    ("autoregressive-mask", "rows below open"): only_the_row,
    ("autoregressive-mask", "flipped"): upside_down,
    ("autoregressive-mask", "sides exchanged"): lambda height, width, own: library.kernel_mask(width.item(), height.item(), "AB"[own]),
    ("autoregressive-fvbn", "no mask"): by_logits(lambda W, b, x: F.linear(x, W, b)),
    ("autoregressive-fvbn", "diagonal open"): by_logits(lambda W, b, x: F.linear(x, W.tril(), b)),
    ("autoregressive-fvbn", "upper triangle"): by_logits(lambda W, b, x: F.linear(x, W.triu(1), b)),
    ("autoregressive-fvbn", "transposed"): by_logits(lambda W, b, x: F.linear(x, W.T.tril(-1), b)),
    ("autoregressive-fvbn", "transposed upper triangle"): by_logits(lambda W, b, x: x @ W.tril(-1) + b),
    ("autoregressive-fvbn", "ones only"): lambda W, b, x: (x * (b + x @ W.tril(-1).T).sigmoid().log()).sum(1),
    ("autoregressive-fvbn", "own means"): fed_with_means,
    ("autoregressive-fvbn", "signs fed"): by_logits(lambda W, b, x: F.linear(2 * x - 1, W.tril(-1), b)),
    ("autoregressive-fvbn", "no bias"): by_logits(lambda W, b, x: x @ W.tril(-1).T),
    ("autoregressive-fvbn", "mean over pixels"): lambda W, b, x: -F.binary_cross_entropy_with_logits(
        b + x @ W.tril(-1).T, x, reduction="none").mean(1),
    ("autoregressive-fvbn", "sum over the batch"): lambda W, b, x: -F.binary_cross_entropy_with_logits(
        b + x @ W.tril(-1).T, x, reduction="sum"),
    ("autoregressive-mixture", "no tails"): mixture(tails=False),
    ("autoregressive-mixture", "double bins"): lambda *case: mixture(half=2 / (case[-1] - 1))(*case),
    ("autoregressive-mixture", "bins of 1 / levels"): lambda *case: mixture(half=1 / case[-1])(*case),
    ("autoregressive-mixture", "logarithm of the scale"): mixture(scale=lambda d, log_s: d * (-log_s).exp()),
    ("autoregressive-mixture", "times the scale"): mixture(scale=torch.mul),
    ("autoregressive-mixture", "logarithms averaged"): lambda x, pi, mu, s, levels: masses(x, mu, s, levels).log() @ pi,
    ("autoregressive-mixture", "no weights"): lambda x, pi, mu, s, levels: masses(x, mu, s, levels).sum(1).log(),
    ("autoregressive-mixture", "logarithms summed over components"): summed_over_components,
    ("autoregressive-combine", "zeros at the end"): two_directions(zeros_below),
    ("autoregressive-combine", "not moved"): two_directions(lambda y: y),
    ("autoregressive-combine", "moved up"): two_directions(lambda y: F.pad(y, (0, 0, 0, 1))[1:]),
    ("autoregressive-combine", "rolled"): two_directions(lambda y: y.roll(1, 0)),
    ("autoregressive-combine", "moved to the right"): two_directions(lambda y: F.pad(y, (1, 0))[:, :-1]),
    ("autoregressive-combine", "not turned back"): two_directions(lambda y: F.pad(y, (0, 0, 1, 0))[:-1], lambda y: y),
    ("autoregressive-stacks", "output masked"): two_stacks(masked),
    ("autoregressive-stacks", "A for all 1 x 1"): two_stacks(lambda w, kind: 0 * w),
    ("autoregressive-stacks", "no mask"): two_stacks(row_mask=torch.ones(1, 3).double()),
    ("autoregressive-stacks", "B from the start"): two_stacks(kinds=lambda i: "B"),
    ("autoregressive-stacks", "A throughout"): two_stacks(kinds=lambda i: "A"),
    ("autoregressive-stacks", "rows not moved"): two_stacks(above=lambda v: v),
    ("autoregressive-stacks", "residual connection from the start"): two_stacks(residual=lambda i: True),
    ("autoregressive-stacks", "no residual connection"): two_stacks(residual=lambda i: False),
    ("autoregressive-stacks", "1 x 1 left out"): two_stacks(lambda w, kind: 1.0),
    ("autoregressive-floor", "bits"): lambda p, sees: information(p, sees) / math.log(2),
    ("autoregressive-floor", "entropy not subtracted"): lambda p, sees: information(p, sees, finish=lambda terms, H: sum(terms)),
    ("autoregressive-floor", "marginals"): lambda p, sees: information(p, sees, lambda i, row: []),
    ("autoregressive-floor", "everything before"): lambda p, sees: information(p, sees, lambda i, row: list(range(i))),
    ("autoregressive-floor", "transposed"): lambda p, sees: information(p, sees.T, lambda i, row: [j for j in range(len(row)) if row[j]]),
    ("autoregressive-floor", "reversed"): reversed_divergence,
    ("autoregressive-paper", "nats"): lambda p, v: on_paper(p, v) * math.log(2),
    ("autoregressive-paper", "rows for columns"): lambda p, v: on_paper(p.T, v),
    ("autoregressive-paper", "second alone"): instead(2, lambda p, v: H(p.sum(0))),
    ("autoregressive-paper", "both together"): instead(2, lambda p, v: H(p)),
    ("autoregressive-paper", "condition exchanged"): instead(2, lambda p, v: H(p) - H(p.sum(0))),
    ("autoregressive-paper", "not divided"): instead(3, lambda p, v: H(p)),
    ("autoregressive-paper", "code of the true law"): instead(5, lambda p, v: -p[1, 0].log2()),
    ("autoregressive-paper", "cross-entropy"): instead(6, lambda p, v: -(p * (p.sum(1)[:, None] * torch.stack([1 - v, v])).log2()).sum()),
}  # fmt: skip

# What students hand in, and what the checker has to say about it.
WRONG = {
    "autoregressive-mask": (
        "def mask_of(height, width, own):\n    mask = torch.zeros(height, width)\n"
        "    mask[: height // 2 + 1, : width // 2 + 1] = 1\n    mask[height // 2, width // 2] = own\n    return mask",
        "Your mask is open above and to the left only", "你的掩码只有左上方开着"),
    "autoregressive-mixture": (
        "def log_mass(x, pi, mu, s, levels):\n    at = 2 * x[:, None] / (levels - 1) - 1\n    half = 1 / (levels - 1)\n"
        "    mass = ((at + half - mu) / s).sigmoid() - ((at - half - mu) / s).sigmoid()\n    return (mass @ pi).log()",
        "the masses do not add up to 1", "概率加起来不到 1"),
    "autoregressive-combine": (
        "def mended_combine(left, mirrored):\n    right = mirrored.flip(1)\n"
        "    return left + torch.cat([right[1:], torch.zeros_like(right[:1])])",
        "The second direction was moved up", "第二个方向移到了上面"),
    "autoregressive-stacks": (
        "def mended_stacks(x, down, right, across, out):\n    v = h = x\n    for i in range(len(down)):\n"
        "        v = over(v, down[i]).tanh()\n        above = across[i] * F.pad(v, (0, 0, 1, 0))[:-1]\n"
        "        new = out[i] * (over(h, right[i].reshape(1, 3)) + above).tanh()\n        h = h + new if i else new\n    return h",
        "All masks are gone", "掩码全去掉了"),
}  # fmt: skip
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("autoregressive-fvbn", "def log_prob(W, b, x):\n    return x.sum(1)")
# What is made smaller so that the notebook runs quickly.
QUICK = (("epochs, images_to_code = 12, 100", "epochs, images_to_code = 1, 4"),)

# Changes of a specification that no input can show: it never reads the row below the image.
EQUIVALENT = {"autoregressive-stacks": {"at: 0 <= r < len(x) -> 0 <= r <= len(x)"}}
