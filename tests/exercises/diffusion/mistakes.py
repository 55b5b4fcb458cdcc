"""Wrong answers to the exercises of ``diffusion``, as students write them, and what is needed to try the notebook."""

import math

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gmlib import diffusion as library
from tests.exercises.diffusion.answers import alpha_bar


def tables(beta, t):
    """alpha_t, alpha-bar_t and alpha-bar_{t-1} as columns."""
    kept = (1 - beta).cumprod(0)
    return (v[:, None] for v in (1 - beta[t], kept[t], kept[t - 1]))


def by_formula(mean, variance=lambda alpha, a, b: (1 - alpha) * (1 - b) / (1 - a)):
    def answer(x0, x, t, beta):
        case = tuple(tables(beta, t))
        return torch.cat([mean(x0, x, *case), variance(*case)], 1)

    return answer


def right_mean(x0, x, alpha, a, b):
    return (b.sqrt() * (1 - alpha) * x0 + alpha.sqrt() * (1 - b) * x) / (1 - a)


def by_weights(x0, x, t, beta):
    """Each weight divided by itself, so that a division by 0 shows in it alone."""
    alpha, a, b = tables(beta, t)
    mean = b.sqrt() * (1 - alpha) / (1 - a) * x0 + alpha.sqrt() * (1 - b) / (1 - a) * x
    return torch.cat([mean, (1 - alpha) * (1 - b) / (1 - a)], 1)


def padded_with_the_first(x0, x, t, beta):
    """The table of previous alpha-bars begins with alpha-bar_1, not with 1."""
    kept = (1 - beta[1:]).cumprod(0)
    previous = torch.cat([kept[:1], kept[:-1]])
    a, b, step = kept[t - 1][:, None], previous[t - 1][:, None], beta[t][:, None]
    return torch.cat([right_mean(x0, x, 1 - step, a, b), step * (1 - b) / (1 - a)], 1)


def walked(step):
    def answer(x, mu, v, h, z):
        for noise in z:
            x = step(x, (mu - x) / v, h, noise)
        return x

    return answer


def once(x, mu, v, h, z):
    for noise in z:
        x = x + h * (mu - x) / v + math.sqrt(2 * h) * noise
        return x


def fixed_score(x, mu, v, h, z):
    score = (mu - x) / v
    for noise in z:
        x = x + h * score + (2 * h).sqrt() * noise
    return x


def noise_then_score(x, mu, v, h, z):
    """The proposal's noise goes into the score, and then into the step."""
    for noise in z:
        push = (2 * h).sqrt() * noise
        x = x + h * (mu - (x + push)) / v + push
    return x


def jump(x, a, b, mu, v, noise):
    var_t, var_r = a * v + 1 - a, b * v + 1 - b
    slope = (a / b).sqrt() * var_r / var_t
    return b.sqrt() * mu + slope * (x - a.sqrt() * mu) + (var_r - slope**2 * var_t).clamp(min=0).sqrt() * noise


def sampler(times=lambda T, S: range(T, -1, -(T // S)), entries=lambda kept, t, r: (kept[t], kept[r]), noises=lambda z: z):
    def answer(x, beta, z, mu, v):
        kept, at = (1 - beta).cumprod(0), list(times(len(beta) - 1, len(z)))
        for t, r, noise in zip(at, at[1:], noises(z)):
            x = jump(x, *entries(kept, t, r), mu, v, noise)
        return x

    return answer


def linspace_times(T, S):
    return torch.linspace(0, T, S + 2)[:-1].int().tolist()[::-1]


def previous(kept, t, r):
    table = torch.cat([kept.new_ones(1), kept[:-1]])
    return table[t], table[r]


def mean_at_the_end(x, beta, z, mu, v):
    z = z.clone()
    z[-1] = 0
    return sampler()(x, beta, z, mu, v)


class BuggyAverage:
    def __init__(self, w, decay):
        self.value, self.decay, self.k = w.clone(), decay, 0

    def update(self, w):
        self.k += 1
        self.decay = 1 - min(self.decay, (1 + self.k) / (10 + self.k))
        self.value = self.value - self.decay * (self.value - w)


def by_class(w, decay):
    average = BuggyAverage(w[0], decay)
    for row in w[1:]:
        average.update(row)
    return average.value


def by_pytorch(w, decay):
    held = [w[0].clone()]
    for row in w[1:]:
        get_ema_multi_avg_fn(decay.item())(held, [row.clone()], 1)
    return held[0]


def averaged(rule, first=1, start=lambda w: w[0].clone()):
    def answer(w, decay):
        a = start(w)
        for k, row in enumerate(w[1:], first):
            d = rule(decay.item(), (1 + k) / (10 + k))
            a = d * a + (1 - d) * row
        return a

    return answer


def kept_smallest(w, decay):
    a = w[0]
    for k, row in enumerate(w[1:], 1):
        decay = min(decay, (1 + k) / (10 + k))
        a = decay * a + (1 - decay) * row
    return a


def on_paper(beta, s_2=None, bits=None):
    """The right numbers of a schedule, with a rule for the best variance or for the loss in its place."""

    def answer(betas, v, w):
        schedule = library.Schedule(betas)
        a, tilde, c = schedule.alpha_bar, schedule.beta_tilde[3], library.weight_of_x0(schedule)[3]
        left = [s * (1 - a[3]) / (a[3] * s + 1 - a[3]) for s in (v, w)]
        best = [(s_2 or (lambda tilde, c, e: tilde + c**2 * e))(tilde, c, e) for e in left]
        loss = (bits or (lambda s, best: (best / s - 1 - (best / s).log()) / 2 / math.log(2)))(tilde, best[0])
        return [a[3], tilde.sqrt(), *(s.sqrt() for s in best), loss, library.noise_weight(schedule, beta(schedule))[3]]

    return answer


def beta_of(schedule):
    return schedule.beta


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("diffusion-noised", "one step"): lambda x0, t, beta, eps: library.noised(x0, eps, 1 - beta[t]),
    ("diffusion-noised", "step before"): lambda x0, t, beta, eps: library.noised(x0, eps, alpha_bar(beta)[t - 1]),
    ("diffusion-noised", "end of the chain"): lambda x0, t, beta, eps: library.noised(x0, eps, (1 - beta).prod()),
    ("diffusion-noised", "one time for all"): lambda x0, t, beta, eps: library.noised(x0, eps, alpha_bar(beta)[t[0]]),
    ("diffusion-noised", "sum of the betas"): lambda x0, t, beta, eps: (
        (1 - beta.cumsum(0)[t, None]).sqrt() * x0 + beta.cumsum(0)[t, None].sqrt() * eps),
    ("diffusion-noised", "product of the betas"): lambda x0, t, beta, eps: library.noised(x0, eps, beta.cumprod(0)[t]),
    ("diffusion-noised", "no root on the noise"): lambda x0, t, beta, eps: (
        alpha_bar(beta)[t, None].sqrt() * x0 + (1 - alpha_bar(beta)[t, None]) * eps),
    ("diffusion-noised", "signal not scaled"): lambda x0, t, beta, eps: x0 + (1 - alpha_bar(beta)[t, None]).sqrt() * eps,
    ("diffusion-posterior", "weights exchanged"): by_formula(lambda x0, x, *case: right_mean(x, x0, *case)),
    ("diffusion-posterior", "alpha-bar of t on x_0"): by_formula(
        lambda x0, x, alpha, a, b: (a.sqrt() * (1 - alpha) * x0 + alpha.sqrt() * (1 - b) * x) / (1 - a)),
    ("diffusion-posterior", "variance beta"): by_formula(right_mean, lambda alpha, a, b: 1 - alpha),
    ("diffusion-posterior", "ratio upside down"): by_formula(right_mean, lambda alpha, a, b: (1 - alpha) * (1 - a) / (1 - b)),
    ("diffusion-posterior", "standard deviation"): by_formula(
        right_mean, lambda alpha, a, b: ((1 - alpha) * (1 - b) / (1 - a)).sqrt()),
    ("diffusion-posterior", "log-variance"): by_formula(
        right_mean, lambda alpha, a, b: ((1 - alpha) * (1 - b) / (1 - a)).log()),
    ("diffusion-posterior", "no entry for the data"): padded_with_the_first,
    ("diffusion-posterior", "noise for x_0"): by_formula(
        lambda x0, x, alpha, a, b: (x - (1 - alpha) / (1 - a).sqrt() * x0) / alpha.sqrt()),
    ("diffusion-posterior", "one step early"): lambda x0, x, t, beta: by_weights(x0, x, t - 1, beta),
    ("diffusion-posterior", "precision"): by_formula(right_mean, lambda alpha, a, b: 1 / (1 - b) + alpha / (1 - alpha)),
    ("diffusion-langevin", "noise without two"): walked(lambda x, s, h, noise: x + h * s + h.sqrt() * noise),
    ("diffusion-langevin", "root of two alone"): walked(lambda x, s, h, noise: x + h * s + math.sqrt(2) * h * noise),
    ("diffusion-langevin", "half drift and noise to match"): walked(lambda x, s, h, noise: x + h / 2 * s + h.sqrt() * noise),
    ("diffusion-langevin", "half drift"): walked(lambda x, s, h, noise: x + h * s / 2 + (2 * h).sqrt() * noise),
    ("diffusion-langevin", "one step"): once,
    ("diffusion-langevin", "score of the start"): fixed_score,
    ("diffusion-langevin", "noise before the score"): noise_then_score,
    ("diffusion-langevin", "no noise"): walked(lambda x, s, h, noise: x + h * s),
    ("diffusion-jumps", "both bugs"): sampler(linspace_times, previous),
    ("diffusion-jumps", "times"): sampler(linspace_times),
    ("diffusion-jumps", "shifted table"): sampler(entries=previous),
    ("diffusion-jumps", "one step of the chain"): sampler(entries=lambda kept, t, r: (kept[t], kept[t - 1])),
    ("diffusion-jumps", "wrapped index"): sampler(entries=lambda kept, t, r: (kept[t - 1], kept[r - 1])),
    ("diffusion-jumps", "stops early"): sampler(lambda T, S: range(T, 0, -(T // S))),
    ("diffusion-jumps", "last jump without noise"): mean_at_the_end,
    ("diffusion-average", "overwritten"): by_class,
    ("diffusion-average", "smallest kept"): kept_smallest,
    ("diffusion-average", "no warm-up"): by_pytorch,
    ("diffusion-average", "weights exchanged"): averaged(lambda decay, warm: 1 - min(decay, warm)),
    ("diffusion-average", "counts from zero"): averaged(min, first=0),
    ("diffusion-average", "counts from two"): averaged(min, first=2),
    ("diffusion-average", "larger of the two"): averaged(max),
    ("diffusion-average", "starts at zero"): averaged(min, start=lambda w: torch.zeros_like(w[0])),
    ("diffusion-average", "last step missing"): lambda w, decay: averaged(min)(w[:-1], decay),
    ("diffusion-average", "plain mean"): lambda w, decay: w.mean(0),
    ("diffusion-paper", "weight not squared"): on_paper(beta_of, s_2=lambda tilde, c, left: tilde + c * left),
    ("diffusion-paper", "error alone"): on_paper(beta_of, s_2=lambda tilde, c, left: c**2 * left),
    ("diffusion-paper", "nats"): on_paper(beta_of, bits=lambda s, best: (best / s - 1 - (best / s).log()) / 2),
    ("diffusion-paper", "other way round"): on_paper(
        beta_of, bits=lambda s, best: (s / best - 1 - (s / best).log()) / 2 / math.log(2)),
    ("diffusion-paper", "weight by beta-tilde"): on_paper(lambda schedule: schedule.beta_tilde),
}  # fmt: skip

# What students hand in, and what the checker has to say about it.
WRONG = {
    "diffusion-posterior": (
        "def one_step_back(x0, x, t, beta):\n    table = (1 - beta).cumprod(0)\n"
        "    a, b, step = table[t][:, None], table[t - 1][:, None], beta[t][:, None]\n"
        "    mean = b.sqrt() * step / (1 - a) * x0 + (1 - step).sqrt() * (1 - b) / (1 - a) * x\n"
        "    return torch.cat([mean, step], 1)",
        "The variance is beta_t, that of the step forward", "方差用了 beta_t"),
    "diffusion-langevin": (
        "def walk(x, mu, v, h, z):\n    for noise in z:\n"
        "        x = x + h * score(x, mu, v) + h.sqrt() * noise\n    return x",
        "it needs the root of 2 h", "应当乘 2 h 的平方根"),
    "diffusion-jumps": (
        "def mended_sampler(x, beta, z, mu, v):\n    alpha_bar = (1 - beta).cumprod(0)\n"
        "    times = torch.linspace(0, len(beta) - 1, len(z) + 2)[:-1].int().tolist()[::-1]\n"
        "    for t, r, noise in zip(times[:-1], times[1:], z):\n"
        "        x = jump(x, alpha_bar[t], alpha_bar[r], mu, v, noise)\n    return x",
        "the times do not begin at T", "时刻不是从 T 开始的"),
}  # fmt: skip
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("diffusion-noised", "def add_noise(x0, t, beta, eps):\n    return x0")
# What is made smaller so that the notebook runs quickly.
QUICK = (("epochs = 10", "epochs = 1"),)
EQUIVALENT = {"diffusion-average": {"average: decay < (1 + k) / (10 + k) -> decay <= (1 + k) / (10 + k)"}}  # where equal
