"""The exercises of the chapter ``autoencoders`` in which a bug is to be found: a sparsity penalty, and a denoising loss.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.autoencoders`. Activations a are (B, H), between 0 and 1.
"""

from __future__ import annotations

from math import inf, log, sqrt, tanh
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


# --- the sparsity penalty ---------------------------------------------------------------------------------


@specification
def sparsity(a: Matrix, rho: float, eps: float) -> float:
    """The divergence at the mean over the batch, summed over units; eq-autoencoders-kl-sparsity."""
    total = 0.0
    for unit in zip(*a):
        busy = min(max(sum(unit) / len(unit), eps), 1 - eps)
        total += rho * log(rho / busy) + (1 - rho) * log((1 - rho) / (1 - busy))
    return total


def sparsity_inputs(rng: Random, number: int) -> dict:
    """Some activations are nearer to 0 or 1 than eps. From case to case one unit is dead, one never rests, both, or neither."""
    B, H = rng.sample((3, 4, 5, 6), 2)
    eps = rng.uniform(0.01, 0.03)
    a = [[rng.random() ** 2 for _ in range(H)] for _ in range(B)]
    for row in a:
        row[0] = rng.choice((0.0, eps / 3, 1 - eps / 4, rng.uniform(0.2, 0.8)))
    a[0][0], a[1][0] = eps / 3, rng.uniform(0.3, 0.8)
    for row in a:
        row[1] = 0.0 if number % 4 in (1, 3) else row[1]
        row[2] = 1.0 if number % 4 in (2, 3) else row[2]
    return {"a": a, "rho": rng.uniform(0.06, 0.3), "eps": eps}


def logarithm(v: float) -> float:
    return log(v) if v > 0 else -inf


def divergence(rho: float, m: float) -> float:
    return rho * (log(rho) - logarithm(m)) + (1 - rho) * (log(1 - rho) - logarithm(1 - m))


def clamped(m: float, eps: float) -> float:
    return min(max(m, eps), 1 - eps)


def average(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def at_means(term=divergence, keep=clamped, groups=lambda a: list(zip(*a)), join=sum):
    """``term`` at the mean of each group of activations, then joined."""

    def wrong(a: Matrix, rho: float, eps: float) -> float:
        return join(term(rho, keep(average(group), eps)) for group in groups(a))

    return wrong


def elements(a: Matrix) -> list[Vector]:
    return [[v] for row in a for v in row]


def clamped_first(a: Matrix, rho: float, eps: float) -> float:
    return sum(divergence(rho, average(clamped(v, eps) for v in unit)) for unit in zip(*a))


SPARSITY = (
    Misconception("each activation", at_means(groups=elements, join=average),
        "The bug is still there: each single activation is pulled towards rho, and then the penalties are averaged. Take the mean over "
        "the batch first, unit by unit, and the divergence of that.",
        "错误还在：每一个激活都被拉向 rho，然后才对惩罚取平均。应当先逐个单元对这批样本取平均，再算散度。"),
    Misconception("each activation, summed", at_means(groups=elements),
        "Each single activation is still pulled towards rho, now summed. Take the mean over the batch first.",
        "每一个激活仍然被拉向 rho，只是改成了求和。应当先对这批样本取平均。"),
    Misconception("each example", lambda a, rho, eps: at_means(groups=elements)(a, rho, eps) / len(a),
        "The sum over units is right, but the mean over the batch is taken of the penalties; take it of the activations, first.",
        "对单元求和是对的，但对这批样本取平均的是惩罚；应当先对激活取平均。"),
    Misconception("mean over units", at_means(join=average),
        "The penalties of the units were averaged; they are added up.",
        "对各单元的惩罚取了平均；应当相加。"),
    Misconception("wrong axis", at_means(groups=lambda a: a),
        "The mean was taken over the units of an example. It is taken over the batch, for each unit.",
        "均值是对一个样本的各单元取的。应当对每个单元在这批样本上取。"),
    Misconception("one mean", at_means(groups=lambda a: [[v for row in a for v in row]]),
        "All activations went into one mean; each unit has its own.",
        "所有激活取了同一个平均；每个单元应各有一个。"),
    Misconception("first term", at_means(lambda rho, m: rho * log(rho / m)),
        "The second term is missing; rho log(rho / mean) alone is no divergence: where a unit is too active it is negative, and rewards "
        "it.",
        "漏了第二项；单独的 rho log(rho / mean) 不是散度：单元过于活跃时它是负的，反而给了奖励。"),
    Misconception("second term", at_means(lambda rho, m: (1 - rho) * log((1 - rho) / (1 - m))),
        "The first term is missing, the one with rho.",
        "漏了含 rho 的第一项。"),
    Misconception("brackets", at_means(lambda rho, m: rho * log(rho) - log(m) + (1 - rho) * log(1 - rho) - (1 - rho) * log(1 - m)),
        "A bracket is missing: rho multiplies the logarithm of the mean, too, not only its own.",
        "漏了括号：rho 不仅要乘自己的对数，也要乘均值的对数。"),
    Misconception("reversed", at_means(lambda rho, m: divergence(m, rho)),
        "The two laws are exchanged: rho stands in front of the logarithms, and in the numerators.",
        "两个分布放反了：rho 应在对数前面，也在分子里。"),
    Misconception("cross-entropy", at_means(lambda rho, m: -rho * log(m) - (1 - rho) * log(1 - m)),
        "This is the cross-entropy; the entropy of rho must come off, so that the penalty is 0 at mean = rho.",
        "这是交叉熵；还要减去 rho 的熵，这样在均值等于 rho 时惩罚才是 0。"),
    Misconception("not clamped", at_means(keep=lambda m, eps: m),
        "A unit that is 0 or 1 for all examples makes this infinite: keep the mean between eps and 1 - eps.",
        "对所有样本都是 0 或都是 1 的单元会使它变成无穷大：要让均值保持在 eps 与 1 - eps 之间。"),
    Misconception("activations clamped", clamped_first,
        "The activations were clamped; it is their mean that must stay between eps and 1 - eps.",
        "截断的是激活；应当保持在 eps 与 1 - eps 之间的是它们的均值。"),
    Misconception("clamped from below", at_means(keep=lambda m, eps: max(m, eps)),
        "The mean is kept away from 0 only; a unit that is always 1 still makes the penalty infinite.",
        "均值只避开了 0；恒为 1 的单元仍会使惩罚变成无穷大。"),
    Misconception("bits", at_means(join=lambda terms: sum(terms) / log(2)),
        "This is in bits; nats are asked for.",
        "这是以比特为单位；要求用奈特。"),
    Misconception("sum of magnitudes", lambda a, rho, eps: sum(map(sum, a)) / len(a),
        "This is the other penalty, the mean magnitude of the code; the divergence from rho is asked for.",
        "这是另一种惩罚，即编码的平均幅度；要求的是与 rho 的散度。"),
)  # fmt: skip


# --- the denoising loss -----------------------------------------------------------------------------------


@specification
def denoising(x: Matrix, eps: Matrix, sigma: float, W: Matrix, V: Matrix) -> float:
    """The mean over examples of the squared distance of the clean x and what comes back from the noisy one; eq-autoencoders-denoising."""
    total = 0.0
    for clean, noise in zip(x, eps):
        noisy = [v + sigma * e for v, e in zip(clean, noise)]
        total += sum((v - u) ** 2 for v, u in zip(clean, through(noisy, W, V)))
    return total / len(x)


def through(x: Vector, W: Matrix, V: Matrix) -> Vector:
    """V tanh(W x)."""
    h = [tanh(sum(w * v for w, v in zip(row, x))) for row in W]
    return [sum(w * v for w, v in zip(row, h)) for row in V]


def denoising_inputs(rng: Random, number: int) -> dict:
    """Three different sizes, and sigma on either side of 1, not near it."""
    N, D, H = rng.sample((2, 3, 4, 5), 3)
    sigma = rng.uniform(1.4, 1.8) if number % 3 == 2 else rng.uniform(0.4, 0.7)
    case = {"x": table(rng, N, D), "eps": table(rng, N, D), "sigma": sigma}
    return case | {"W": table(rng, H, D, scale=0.7), "V": table(rng, D, H, scale=0.6)}


def lost(entry=lambda x, e, s: x + s * e, target=lambda x, e, s: x, out=lambda r, x, e, s: r, of_one=lambda d: sum(v * v for v in d),
         of_all=average):  # fmt: skip
    """What ``entry`` makes of x and the noise goes in, and what comes back, as ``out`` changes it, is compared with ``target``."""

    def wrong(x: Matrix, eps: Matrix, sigma: float, W: Matrix, V: Matrix) -> float:
        parts = []
        for clean, noise in zip(x, eps):
            r = through([entry(v, e, sigma) for v, e in zip(clean, noise)], W, V)
            parts.append(of_one([target(v, e, sigma) - out(u, v, e, sigma) for u, v, e in zip(r, clean, noise)]))
        return of_all(parts)

    return wrong


def dot(d: Vector) -> float:
    return sum(v * v for v in d)


DENOISING = (
    Misconception("clean input", lost(entry=lambda x, e, s: x),
        "The bug is still there: the noisy input is made and then overwritten, so that the network only ever sees clean ones.",
        "错误还在：造出了带噪的输入，随后又把它覆盖了，于是网络看到的始终是干净的输入。"),
    Misconception("noisy target", lost(target=lambda x, e, s: x + s * e),
        "Now the target is noisy, too: this is the plain reconstruction of noisy data, and the identity is best at it.",
        "现在目标也带了噪声：这成了对带噪数据的普通重构，恒等映射就是最好的。"),
    Misconception("exchanged", lost(entry=lambda x, e, s: x, target=lambda x, e, s: x + s * e),
        "Input and target are exchanged: this network is asked to make noise, not to remove it.",
        "输入与目标放反了：这样是要求网络制造噪声，而不是去掉它。"),
    Misconception("noise as target", lost(target=lambda x, e, s: e),
        "The target is the noise, as in many diffusion models; a denoising autoencoder gives back x.",
        "目标成了噪声，许多扩散模型这样做；去噪自编码器还原的是 x。"),
    Misconception("residual as target", lost(out=lambda r, x, e, s: x + s * e + r),
        "The network's output was added to its input; here it is the reconstruction itself.",
        "把网络的输出加到了输入上；这里输出本身就是重构。"),
    Misconception("noise alone", lost(entry=lambda x, e, s: s * e),
        "The input is nothing but noise; the noise is added to x.",
        "输入里只有噪声；噪声应当加到 x 上。"),
    Misconception("sigma squared", lost(entry=lambda x, e, s: x + s * s * e),
        "You have sigma^2 for sigma: noise of variance sigma^2 is sigma times epsilon.",
        "你用 sigma^2 代替了 sigma：方差为 sigma^2 的噪声是 sigma 乘 epsilon。"),
    Misconception("root of sigma", lost(entry=lambda x, e, s: x + sqrt(s) * e),
        "You have taken sigma for a variance: it is the standard deviation, so no root.",
        "你把 sigma 当成了方差：它是标准差，不用开方。"),
    Misconception("no sigma", lost(entry=lambda x, e, s: x + e),
        "The noise has standard deviation 1: multiply it by sigma.",
        "噪声的标准差成了 1：要乘以 sigma。"),
    Misconception("noise at the end", lost(entry=lambda x, e, s: x, out=lambda r, x, e, s: r + s * e),
        "The noise was added to the output; the network must see it in its input.",
        "噪声加到了输出上；应当让网络在输入里看到它。"),
    Misconception("mean over dimensions", lost(of_one=lambda d: dot(d) / len(d)),
        "The squares were averaged over the dimensions; they are summed, and only examples are averaged.",
        "对各维的平方取了平均；各维应当求和，只对样本取平均。"),
    Misconception("sum over the batch", lost(of_all=sum),
        "The errors of all examples were added up; take their mean.",
        "把所有样本的误差加了起来；应当取平均。"),
    Misconception("half", lost(of_one=lambda d: dot(d) / 2),
        "There is a factor one half too much.",
        "多了系数二分之一。"),
    Misconception("not squared", lost(of_one=lambda d: sqrt(dot(d))),
        "These are distances; their squares are asked for. The mean is best for squares only.",
        "这是距离；要求的是距离的平方。只有对平方，均值才是最好的。"),
    Misconception("errors averaged first", lambda *case: dot([average(column) for column in zip(*residuals(*case))]),
        "The errors were averaged over the batch before they were squared, so that they cancel: square first.",
        "误差在平方之前就对样本取了平均，于是互相抵消：应当先平方。"),
)  # fmt: skip


def residuals(x: Matrix, eps: Matrix, sigma: float, W: Matrix, V: Matrix) -> Matrix:
    noisy = [[v + sigma * e for v, e in zip(*rows)] for rows in zip(x, eps)]
    return [[v - u for v, u in zip(clean, through(row, W, V))] for clean, row in zip(x, noisy)]


SPARSITY_EXERCISE: dict[str, Exercise] = {"autoencoders-sparsity": Exercise(sparsity, sparsity_inputs, SPARSITY)}
DENOISING_EXERCISE: dict[str, Exercise] = {"autoencoders-denoising": Exercise(denoising, denoising_inputs, DENOISING)}
