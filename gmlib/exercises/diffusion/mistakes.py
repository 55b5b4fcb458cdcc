"""The mistakes that people make in the first exercises of the chapter ``diffusion``: the noising chain and its posterior.

Each computes exactly what the mistake would, so that an answer can be recognised by its numbers.
"""

from __future__ import annotations

from math import copysign, inf, log, nan, prod, sqrt

from gmlib.exercises.exercise import Misconception

Vector = list[float]
Matrix = list[Vector]


def over(a: float, b: float) -> float:
    """a / b as floating point has it."""
    if b:
        return a / b
    return copysign(inf, a) if a else nan


def root(v: float) -> float:
    return sqrt(v) if v >= 0 else nan


def alpha_bars(beta: Vector) -> Vector:
    return [prod(1 - b for b in beta[: t + 1]) for t in range(len(beta))]


# --- the noising chain ----------------------------------------------------------------------------------


def mixed(weights=lambda a: (sqrt(a), sqrt(1 - a)), of=lambda beta, t: alpha_bars(beta)[t]):
    """``weights`` of x_0 and of the noise, from what ``of`` takes for alpha-bar_t."""

    def wrong(x0: Matrix, t: list[int], beta: Vector, eps: Matrix) -> Matrix:
        both = [weights(of(beta, now)) for now in t]
        return [[w * u + s * e for u, e in zip(row, noise)] for row, noise, (w, s) in zip(x0, eps, both)]

    return wrong


def by_both(weights):
    """``weights`` of the two from alpha-bar_t and beta_t."""
    return mixed(lambda pair: weights(*pair), lambda beta, t: (alpha_bars(beta)[t], beta[t]))


NOISED = (
    Misconception("one step", mixed(of=lambda beta, t: 1 - beta[t]),
        "alpha_t stands where alpha-bar_t belongs: that is one step of the chain, from x_{t-1}, and not t of them from x_0.",
        "该用 alpha-bar_t 的地方用了 alpha_t：那是链从 x_{t-1} 走的一步，而不是从 x_0 走的 t 步。"),
    Misconception("step before", mixed(of=lambda beta, t: alpha_bars(beta)[t - 1]),
        "This is x_{t-1}: entry t of a table belongs to time t here, entry 0 being the data.",
        "这是 x_{t-1}：这里表的第 t 项属于时刻 t，第 0 项是数据。"),
    Misconception("end of the chain", mixed(of=lambda beta, t: alpha_bars(beta)[-1]),
        "All examples were taken to the end of the chain, time T; each has its own t.",
        "所有样本都走到了链的末端，即时刻 T；每个样本各有自己的 t。"),
    Misconception("one time for all", lambda x0, t, beta, eps: mixed()(x0, [t[0]] * len(t), beta, eps),
        "The whole batch has the time of the first example; each has its own t.",
        "整个批量都用了第一个样本的时刻；每个样本各有自己的 t。"),
    Misconception("sum of the betas", mixed(lambda a: (root(a), root(1 - a)), lambda beta, t: 1 - sum(beta[: t + 1])),
        "The betas were added up; what is kept of the signal's variance is a product, that of all 1 - beta.",
        "把各个 beta 相加了；信号方差保留下来的部分是乘积，即各个 1 - beta 的乘积。"),
    Misconception("product of the betas", mixed(of=lambda beta, t: prod(beta[: t + 1])),
        "The product runs over beta; it should run over 1 - beta.",
        "连乘的是 beta；应当是 1 - beta。"),
    Misconception("no root on the noise", mixed(lambda a: (sqrt(a), 1 - a)),
        "The noise is multiplied by its variance; it needs the root, the standard deviation.",
        "噪声乘的是方差；应当乘方差的平方根，即标准差。"),
    Misconception("no root on the signal", mixed(lambda a: (a, sqrt(1 - a))),
        "x_0 is multiplied by alpha-bar_t; it needs the root.",
        "x_0 乘的是 alpha-bar_t；应当乘它的平方根。"),
    Misconception("no roots", mixed(lambda a: (a, 1 - a)),
        "Both roots are missing: the squares of the two weights should add up to 1, and not the weights.",
        "两个平方根都漏了：和为 1 的应是两个权重的平方，而不是权重本身。"),
    Misconception("signal not scaled", mixed(lambda a: (1.0, sqrt(1 - a))),
        "Noise is added, but x_0 is not made smaller: this chain keeps a variance of 1, and does both.",
        "加了噪声，x_0 却没有缩小：这条链要保持方差为 1，两样都要做。"),
    Misconception("roots exchanged", mixed(lambda a: (sqrt(1 - a), sqrt(a))),
        "The two weights are exchanged: with growing t the signal must fade.",
        "两个权重放反了：t 增大时，信号应当减弱。"),
    Misconception("noise of one step", by_both(lambda a, b: (sqrt(a), sqrt(b))),
        "The noise is that of the last step alone, with variance beta_t; those of the earlier steps are in x_t as well.",
        "噪声只是最后一步的，方差为 beta_t；x_t 里还有前面各步的噪声。"),
    Misconception("no noise", mixed(lambda a: (sqrt(a), 0.0)),
        "This is the mean of x_t; the noise is missing.",
        "这是 x_t 的均值；漏了噪声。"),
    Misconception("noise subtracted", mixed(lambda a: (sqrt(a), -sqrt(1 - a))),
        "The noise was subtracted. The law is the same, but eps is then minus what a network is to find.",
        "减去了噪声。分布没有变，但这样网络要预测的就成了 -eps。"),
)  # fmt: skip


# --- one step back, x_0 known -----------------------------------------------------------------------------


def of_x0(alpha: float, a: float, b: float) -> float:
    return over(sqrt(b) * (1 - alpha), 1 - a)


def of_x(alpha: float, a: float, b: float) -> float:
    return over(sqrt(alpha) * (1 - b), 1 - a)


def spread(alpha: float, a: float, b: float) -> float:
    return over((1 - alpha) * (1 - b), 1 - a)


def stepped(of_x0=of_x0, of_x=of_x, spread=spread, entries=lambda t: (t, t - 1), put=lambda mean, v: [*mean, v]):
    """Both weights and the variance as functions of alpha_t, alpha-bar_t and alpha-bar_{t-1}, from those entries of the tables."""

    def wrong(x0: Matrix, x: Matrix, t: list[int], beta: Vector) -> Matrix:
        table, out = alpha_bars(beta), []
        for start, row, now in zip(x0, x, t):
            i, j = entries(now)
            case = 1 - beta[i], table[i], table[j]
            out.append(put([of_x0(*case) * u + of_x(*case) * v for u, v in zip(start, row)], spread(*case)))
        return out

    return wrong


POSTERIOR = (
    Misconception("weights exchanged", stepped(of_x0=of_x, of_x=of_x0),
        "The two weights are exchanged: where t is large the mean should lie near x_t.",
        "两个权重放反了：t 大的时候，均值应当离 x_t 近。"),
    Misconception("alpha-bar of t on x_0", stepped(of_x0=lambda alpha, a, b: over(sqrt(a) * (1 - alpha), 1 - a)),
        "In the weight of x_0 the root is that of alpha-bar_t; it should be that of alpha-bar_{t-1}, the time that the mean is for.",
        "x_0 的权重里用了 alpha-bar_t 的平方根；应当用 alpha-bar_{t-1} 的，因为均值属于那个时刻。"),
    Misconception("no root on x_0", stepped(of_x0=lambda alpha, a, b: over(b * (1 - alpha), 1 - a)),
        "In the weight of x_0 alpha-bar_{t-1} needs a root.",
        "x_0 的权重里，alpha-bar_{t-1} 要开平方根。"),
    Misconception("no root on x_t", stepped(of_x=lambda alpha, a, b: over(alpha * (1 - b), 1 - a)),
        "In the weight of x_t alpha_t needs a root.",
        "x_t 的权重里，alpha_t 要开平方根。"),
    Misconception("alpha-bar on x_t", stepped(of_x=lambda alpha, a, b: over(sqrt(a) * (1 - b), 1 - a)),
        "In the weight of x_t stands the root of alpha-bar_t; it is one step from x_{t-1} to x_t, so alpha_t belongs there.",
        "x_t 的权重里用了 alpha-bar_t 的平方根；从 x_{t-1} 到 x_t 只有一步，应当用 alpha_t。"),
    Misconception("factor lost", stepped(of_x=lambda alpha, a, b: over(sqrt(alpha), 1 - a)),
        "The weight of x_t lacks the factor 1 - alpha-bar_{t-1}.",
        "x_t 的权重漏了因子 1 - alpha-bar_{t-1}。"),
    Misconception("divided by the standard deviation", stepped(
        lambda alpha, a, b: sqrt(b) * (1 - alpha) / sqrt(1 - a), lambda alpha, a, b: sqrt(alpha) * (1 - b) / sqrt(1 - a)),
        "Both weights were divided by the root of 1 - alpha-bar_t; no root belongs there.",
        "两个权重除以的都是 1 - alpha-bar_t 的平方根；那里不应开方。"),
    Misconception("weights that add up to one", stepped(of_x=lambda alpha, a, b: 1 - of_x0(alpha, a, b)),
        "The weight of x_t was taken as what is left to 1; the two weights do not add up to 1, as the mean of x_t is nearer 0 "
        "than that of x_{t-1}.",
        "x_t 的权重取成了 1 减去另一个权重；两个权重之和并不是 1，因为 x_t 的均值比 x_{t-1} 的更接近 0。"),
    Misconception("noise for x_0", stepped(
        lambda alpha, a, b: -(1 - alpha) / sqrt((1 - a) * alpha), lambda alpha, a, b: 1 / sqrt(alpha)),
        "This is the formula for a given noise eps, with x_0 put in its place.",
        "这是已知噪声 eps 时的公式，却把 x_0 代到了 eps 的位置。"),
    Misconception("x_t not used", stepped(lambda alpha, a, b: sqrt(b), lambda alpha, a, b: 0.0, lambda alpha, a, b: 1 - b),
        "This is the law of x_{t-1} given x_0 alone; x_t tells something too.",
        "这是只给定 x_0 时 x_{t-1} 的分布；x_t 也带有信息。"),
    Misconception("x_0 not used", stepped(
        lambda alpha, a, b: 0.0, lambda alpha, a, b: 1 / sqrt(alpha), lambda alpha, a, b: (1 - alpha) / alpha),
        "Only the last step was turned round, x_t over the root of alpha_t; x_0 says before the step where x_{t-1} is.",
        "只把最后一步倒了过来，即 x_t 除以 alpha_t 的平方根；而 x_0 事先就已给出 x_{t-1} 的分布。"),
    Misconception("variance beta", stepped(spread=lambda alpha, a, b: 1 - alpha),
        "The mean is right. The variance is beta_t, that of the step forward; knowing x_0 makes it smaller.",
        "均值对了。方差用了 beta_t，即前向那一步的方差；知道 x_0 之后方差会变小。"),
    Misconception("ratio upside down", stepped(spread=lambda alpha, a, b: over((1 - alpha) * (1 - a), 1 - b)),
        "The mean is right. In the variance the ratio stands upside down: it should make beta_t smaller.",
        "均值对了。方差里的比值颠倒了：它应当使 beta_t 变小。"),
    Misconception("not divided", stepped(spread=lambda alpha, a, b: (1 - alpha) * (1 - b)),
        "The mean is right. The variance must still be divided by 1 - alpha-bar_t.",
        "均值对了。方差还要除以 1 - alpha-bar_t。"),
    Misconception("ratio of the signals", stepped(spread=lambda alpha, a, b: (1 - alpha) * b / a),
        "The mean is right. The variance has the ratio of the alpha-bars; it should have that of the noises, 1 - alpha-bar.",
        "均值对了。方差里用了 alpha-bar 之比；应当用噪声方差 1 - alpha-bar 之比。"),
    Misconception("standard deviation", stepped(spread=lambda *case: root(spread(*case))),
        "The mean is right. The last column is the standard deviation; the variance is asked for.",
        "均值对了。最后一列是标准差；要求的是方差。"),
    Misconception("precision", stepped(spread=lambda *case: over(1.0, spread(*case))),
        "The mean is right. The last column is the precision, one over the variance.",
        "均值对了。最后一列是精度，即方差的倒数。"),
    Misconception("log-variance", stepped(spread=lambda *case: log(v) if (v := spread(*case)) > 0 else -inf if v == 0 else nan),
        "The mean is right. The last column is the logarithm of the variance.",
        "均值对了。最后一列是方差的对数。"),
    Misconception("no entry for the data", stepped(entries=lambda t: (t, max(t - 1, 1))),
        "Right from t = 2 on; at t = 1 the time before is the data, whose alpha-bar is 1.",
        "t 从 2 起都对；t = 1 时，前一个时刻就是数据，它的 alpha-bar 是 1。"),
    Misconception("one step early", stepped(entries=lambda t: (t - 1, t - 2)),
        "All tables were read one entry too early: entry t belongs to time t here, entry 0 being the data.",
        "各表都早读了一项：这里第 t 项属于时刻 t，第 0 项是数据。"),
    Misconception("variance first", stepped(put=lambda mean, v: [v, *mean]),
        "The numbers are right, but the variance belongs after the mean.",
        "数都对，但方差应放在均值之后。"),
)  # fmt: skip
