"""The mistakes that people make in the exercises of ``vae``: what each computes, and what to say about it.

Each computes exactly what the mistake would, so that an answer can be recognised by its numbers.
"""

from __future__ import annotations

from math import exp, inf, log, log1p, sqrt

from gmlib.exercises.exercise import Misconception


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def kl(m: float, s: float) -> float:
    return (m**2 + s**2 - 1 - 2 * log(s)) / 2


def reversed_kl(m: float, s: float) -> float:
    return ((1 + m**2) / s**2 - 1 + 2 * log(s)) / 2


def rows(term, reduce=sum):
    """``term`` of the entries of two matrices, put together by ``reduce`` in each row."""
    return lambda one, two: [reduce([term(a, b) for a, b in zip(*row)]) for row in zip(one, two)]


GAUSSIAN_KL = (
    Misconception("no half", rows(lambda m, s: 2 * kl(m, s)),
        "This is twice the divergence: the factor one half is missing.",
        "这是散度的两倍：漏了系数二分之一。"),
    Misconception("variance for standard deviation", rows(lambda m, s: kl(m, sqrt(s))),
        "sigma was taken for a variance; it is a standard deviation.",
        "把 sigma 当成了方差，它是标准差。"),
    Misconception("reversed", rows(reversed_kl),
        "This is the divergence the wrong way round, of the prior from q.",
        "方向反了：这是先验相对于 q 的散度。"),
    Misconception("log sigma once", rows(lambda m, s: kl(m, s) + log(s) / 2),
        "The formula has log sigma^2, which is twice log sigma.",
        "公式里是 log sigma^2，即 log sigma 的两倍。"),
    Misconception("sigma for log-variance", rows(lambda m, s: kl(m, exp(s / 2))),
        "sigma was taken for a log-variance; it is a standard deviation.",
        "把 sigma 当成了对数方差，它是标准差。"),
    Misconception("one forgotten", rows(lambda m, s: kl(m, s) + 1 / 2),
        "The -1 is missing; without it the divergence of the prior from itself is not 0.",
        "漏了 -1；没有它，先验相对于自身的散度就不是 0。"),
    Misconception("sign", rows(lambda m, s: -kl(m, s)),
        "This is minus the divergence, the form in which the original paper prints it.",
        "这是散度的相反数，原论文印的就是这种形式。"),
    Misconception("mean over dimensions", rows(kl, mean),
        "Independent dimensions add up; this is their mean.",
        "各维独立，应当相加；这里取了平均。"),
    Misconception("not summed", rows(kl, list),
        "These are the terms of the single dimensions; add them up over the last axis.",
        "这是各维单独的项，还要沿最后一轴相加。"),
    Misconception("batch summed", lambda mu, sigma: rows(kl)(zip(*mu), zip(*sigma)),
        "The sum runs over the batch, the first axis; it should run over the latent dimensions, the last one.",
        "求和沿的是批量所在的第一轴；应当沿潜变量维度所在的最后一轴。"),
    Misconception("one number", lambda mu, sigma: sum(rows(kl)(mu, sigma)),
        "The batch was added up too; each of its rows has a value of its own.",
        "把批量也加起来了；每一行应各有一个值。"),
)  # fmt: skip


def entries(function):
    return lambda *matrices: [[function(*t) for t in zip(*row)] for row in zip(*matrices)]


REPARAMETERISE = (
    Misconception("variance for standard deviation", entries(lambda m, v, e: m + exp(v) * e),
        "The noise is multiplied by the variance; it needs the standard deviation, exp(log_var / 2).",
        "噪声乘的是方差；应当乘标准差 exp(log_var / 2)。"),
    Misconception("log-variance for standard deviation", entries(lambda m, v, e: m + v * e),
        "The logarithm of the variance was used as if it were the standard deviation; it may even be negative.",
        "把方差的对数当成标准差来用了；它甚至可能是负数。"),
    Misconception("half after exp", entries(lambda m, v, e: m + exp(v) / 2 * e),
        "The variance is halved; its logarithm should be, before exp, which takes the square root.",
        "减半的是方差；应当在取 exp 之前把它的对数减半，这才是开平方。"),
    Misconception("no sigma", entries(lambda m, v, e: m + e),
        "The noise is not scaled: sigma is missing.",
        "噪声没有缩放：漏了 sigma。"),
    Misconception("no noise", entries(lambda m, v, e: m),
        "This is the mean and not a draw: eps is missing.",
        "这是均值，不是样本：漏了 eps。"),
    Misconception("mean scaled", entries(lambda m, v, e: exp(v / 2) * (m + e)),
        "sigma multiplies the noise only, not the mean.",
        "sigma 只乘噪声，不乘均值。"),
)  # fmt: skip


def columns(function):
    """Apply a function to the K log-weights of each example."""
    return lambda log_w: [function(list(column)) for column in zip(*log_w)]


def log_mean_exp(values: list[float]) -> float:
    return max(values) + log(mean([exp(v - max(values)) for v in values]))


def naive_log_mean_exp(values: list[float]) -> float:
    """What floating-point numbers make of the formula as it stands."""
    total = mean([inf if v > 709 else exp(v) for v in values])
    return log(total) if total > 0 else -inf


IMPORTANCE_BOUND = (
    Misconception("mean of the logarithms", columns(mean),
        "This is the mean of the logarithms, a draw of the ELBO; average the weights first, then take the logarithm.",
        "这是对数的平均，即 ELBO 的一次抽样；应当先平均权重，再取对数。"),
    Misconception("no log K", columns(lambda w: log_mean_exp(w) + log(len(w))),
        "This is the logarithm of the sum of the weights; the mean is log K below it.",
        "这是权重之和的对数；改成平均要再减去 log K。"),
    Misconception("batch size for K", lambda log_w: [log_mean_exp(w) + log(len(w) / len(log_w[0])) for w in zip(*log_w)],
        "The sum of the weights is divided by the number of examples; it is a mean over the K draws.",
        "权重之和除以了样本数；这里是对 K 次抽样取平均，应当除以 K。"),
    Misconception("unstable", columns(naive_log_mean_exp),
        "Right on paper, but exp becomes 0 or infinite here: take out the largest log-weight first.",
        "纸面上正确，但 exp 在这里会变成 0 或无穷大：应先提出最大的对数权重。"),
    Misconception("maximum not put back", columns(lambda w: log_mean_exp(w) - max(w)),
        "The largest log-weight was taken out and never put back.",
        "提出了最大的对数权重，却没有加回去。"),
    Misconception("wrong axis", lambda log_w: [log_mean_exp(row) for row in log_w],
        "The mean goes over the draws, which is the first axis; here it went over the examples.",
        "平均应沿抽样所在的第一轴进行；这里沿样本所在的轴平均了。"),
)  # fmt: skip


def pixel(t: float, logit: float) -> float:
    """-log p(x_j | z) of a pixel."""
    return log1p(exp(-logit if t else logit))


def loss(pixels, dimensions, batch_of_pixels=mean, batch_of_dimensions=mean, weight=1):
    """A loss, by how its pixels, its latent dimensions, and the examples of each part are put together."""

    def wrong(x, logits, mu, log_var):
        reconstruction = batch_of_pixels(rows(pixel, pixels)(x, logits))
        return reconstruction + weight * batch_of_dimensions(rows(lambda m, v: kl(m, exp(v / 2)), dimensions)(mu, log_var))

    return wrong


LOSS = (
    Misconception("mean over pixels", loss(mean, sum),
        "The pixels are still averaged; the log-likelihood of an image is the sum over them.",
        "像素仍被平均；一幅图像的对数似然是各像素之和。"),
    Misconception("means everywhere", loss(mean, mean),
        "Both parts are averaged within an example; pixels and latent dimensions add up.",
        "两部分在样本内部都取了平均；像素与潜变量的各维都应相加。"),
    Misconception("mean over dimensions", loss(sum, mean),
        "The pixels are right; but now the divergence is averaged over the latent dimensions, which add up.",
        "像素对了；但散度对潜变量的各维取了平均，应当相加。"),
    Misconception("batch summed in one part", loss(sum, sum, sum, mean),
        "The reconstruction is summed over the examples and the divergence is averaged: treat them alike.",
        "重构项对样本求和，散度却对样本平均：两者应当一致。"),
    Misconception("batch summed", loss(sum, sum, sum, sum),
        "The examples are added up too; their mean is asked for, so that the loss does not grow with the batch.",
        "连样本也加起来了；要求的是对样本平均，这样损失才不随批量变大。"),
    Misconception("divergence subtracted", loss(sum, sum, weight=-1),
        "The divergence is subtracted; the bound has it with a minus, so minus the bound has it with a plus.",
        "散度被减去了；它在下界里带负号，所以在负的下界里应带正号。"),
    Misconception("no divergence", loss(sum, sum, weight=0),
        "The divergence is missing: this is the reconstruction alone.",
        "漏了散度：这里只有重构项。"),
    Misconception("sign", lambda *arguments: -loss(sum, sum)(*arguments),
        "This is the bound; the loss is minus the bound.",
        "这是下界；损失是下界的相反数。"),
)  # fmt: skip

DIVERGENCE = (
    Misconception("both bugs", rows(lambda m, v: reversed_kl(m, exp(v))),
        "Both bugs are still there.",
        "两个错误都还在。"),
    Misconception("reversed", rows(lambda m, v: reversed_kl(m, exp(v / 2))),
        "The scale is right; the divergence is still the wrong way round: q comes first.",
        "尺度对了；散度的方向还是反的：q 应当在前。"),
    Misconception("variance for standard deviation", rows(lambda m, v: kl(m, exp(v))),
        "The direction is right; Normal still gets a variance where it takes a standard deviation.",
        "方向对了；但传给 Normal 的仍是方差，它要的是标准差。"),
    Misconception("mean over dimensions", rows(lambda m, v: kl(m, exp(v / 2)), mean),
        "Both bugs are gone; but the latent dimensions add up, and this is their mean.",
        "两个错误都改好了；但潜变量的各维应当相加，这里取了平均。"),
    Misconception("not summed", rows(lambda m, v: kl(m, exp(v / 2)), list),
        "Both bugs are gone; the latent dimensions are still to be added up.",
        "两个错误都改好了；还要把潜变量的各维相加。"),
    Misconception("one number", lambda mu, log_var: sum(rows(lambda m, v: kl(m, exp(v / 2)))(mu, log_var)),
        "Both bugs are gone; but the batch was added up too, and each of its rows has a value of its own.",
        "两个错误都改好了；但把批量也加起来了，每一行应各有一个值。"),
)  # fmt: skip


def by_mu(d: float, s: float) -> float:
    return d / s**2


def by_sigma(d: float, s: float) -> float:
    return (d**2 / s**2 - 1) / s


def gradient(by_mu=by_mu, by_sigma=by_sigma, weight=lambda f, b: f - b, reduce=mean):
    """The pair of means of ``weight`` times a derivative of log q; the derivatives take z - mu and sigma."""

    def wrong(f, z, mu, sigma, b):
        return [reduce([weight(v, b) * score(x - mu, sigma) for v, x in zip(f, z)]) for score in (by_mu, by_sigma)]

    return wrong


def baseline_off_the_gradient(f, z, mu, sigma, b):
    return [g - b for g in gradient(weight=lambda f, b: f)(f, z, mu, sigma, b)]


SCORE_GRADIENT = (
    Misconception("no baseline", gradient(weight=lambda f, b: f),
        "The baseline is not used.",
        "没有用到基线。"),
    Misconception("baseline off the gradient", baseline_off_the_gradient,
        "The baseline was taken off the gradient, which shifts its mean; take it off f.",
        "基线是从梯度里减去的，这会改变它的均值；应当从 f 中减去。"),
    Misconception("baseline added", gradient(weight=lambda f, b: f + b),
        "The baseline is added; it should be taken off.",
        "基线被加上了；应当减去。"),
    Misconception("sigma for its square", gradient(by_mu=lambda d, s: d / s),
        "The derivative by mu divides by sigma^2, not by sigma.",
        "对 mu 的导数应除以 sigma^2，而不是 sigma。"),
    Misconception("normaliser dropped", gradient(by_sigma=lambda d, s: d**2 / s**3),
        "In the derivative by sigma the term of the normalising constant, -1/sigma, is missing.",
        "对 sigma 的导数漏了归一化常数贡献的一项 -1/sigma。"),
    Misconception("by the variance", gradient(by_sigma=lambda d, s: by_sigma(d, s) / (2 * s)),
        "The second entry is the derivative by the variance; the one by sigma is asked for.",
        "第二项是对方差的导数；要求的是对 sigma 的导数。"),
    Misconception("by log sigma", gradient(by_sigma=lambda d, s: s * by_sigma(d, s)),
        "The second entry is the derivative by log sigma; the one by sigma is asked for.",
        "第二项是对 log sigma 的导数；要求的是对 sigma 的导数。"),
    Misconception("sum over draws", gradient(reduce=sum),
        "The draws are to be averaged, not added up.",
        "各次抽样应取平均，而不是相加。"),
    Misconception("not averaged", gradient(reduce=list),
        "These are the values of the single draws; their mean is asked for.",
        "这是每次抽样各自的值；要求的是它们的平均。"),
    Misconception("sign", gradient(weight=lambda f, b: b - f),
        "The sign is wrong: this is the gradient of the expectation of -f.",
        "符号反了：这是 -f 的期望的梯度。"),
)  # fmt: skip
