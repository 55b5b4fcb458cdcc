"""The mistakes that people make in the exercises of ``overview``: what each computes, and what to say about it.

Each computes exactly what the mistake would, so that an answer can be recognised by its numbers.
"""

from __future__ import annotations

from math import exp, inf, log, nan

from gmlib.exercises.exercise import Misconception


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def each(function):
    """Of the prior, the probability of an alarm for the ill, and that for the healthy, of each case."""
    return lambda *arguments: [function(prior, found, 1 - cleared) for prior, found, cleared in zip(*arguments)]


BASE_RATE = (
    Misconception("conditional reversed", each(lambda p, s, f: s),
        "This is P(positive | ill), the sensitivity; the question runs the other way, from the result to the illness.",
        "这是 P(阳性 | 患病)，即灵敏度；题目问的方向相反：由检测结果推断是否患病。"),
    Misconception("evidence forgotten", each(lambda p, s, f: s * p),
        "This is the joint probability of being ill and positive; it is not yet divided by the probability of a "
        "positive test.",
        "这是既患病又呈阳性的联合概率，还没有除以检测呈阳性的概率。"),
    Misconception("prior left out", each(lambda p, s, f: s / (s + f)),
        "The prior is left out: this holds only where half of all people are ill.",
        "漏了先验：只有在一半人患病时才是这个值。"),
    Misconception("prior in the numerator only", each(lambda p, s, f: s * p / (s + f)),
        "The prior weighs the numerator and not the evidence; there the ill and the healthy each need their share.",
        "先验只乘在了分子上；分母的证据里，患病者和健康者也要各按其比例加权。"),
    Misconception("specificity for false alarms", each(lambda p, s, f: s * p / (s * p + (1 - f) * (1 - p))),
        "The specificity is the probability that a healthy person tests negative; the evidence needs that of a false "
        "alarm.",
        "特异度是健康者检测呈阴性的概率；证据里需要的是误报的概率。"),
    Misconception("one minus prior forgotten", each(lambda p, s, f: s * p / (s * p + f)),
        "In the evidence the false alarms are not weighted; only a share 1 - prior of all people is healthy.",
        "证据里的误报没有加权；健康者只占人群的 1 - prior。"),
    Misconception("healthy", each(lambda p, s, f: f * (1 - p) / (s * p + f * (1 - p))),
        "This is the probability of being healthy after a positive test.",
        "这是检测呈阳性后仍然健康的概率。"),
    Misconception("negative test", each(lambda p, s, f: (1 - s) * p / ((1 - s) * p + (1 - f) * (1 - p))),
        "This is the probability of being ill after a negative test.",
        "这是检测呈阴性后患病的概率。"),
    Misconception("odds", each(lambda p, s, f: s * p / (f * (1 - p))),
        "These are the odds, ill against healthy; a probability compares with the whole.",
        "这是患病对健康的几率；概率则是与总体相比。"),
)  # fmt: skip


def counted(function):
    """Of the counts by class and value (sources summed out), the sizes, and alpha."""

    def wrong(counts, alpha):
        n = [[sum(column) for column in zip(*of_class)] for of_class in counts]
        return function(n, alpha, len(counts), len(counts[0]), len(counts[0][0]))

    return wrong


def smoothed(numerator, denominator):
    """``numerator`` counts more in each cell, ``denominator`` more in each class, as functions of alpha, C, S, V."""

    def by_class(n, alpha, *sizes):
        return [[(v + numerator(alpha, *sizes)) / (sum(row) + denominator(alpha, *sizes)) for v in row] for row in n]

    return counted(by_class)


def other_conditional(n, alpha, *sizes):
    totals = [sum(column) + alpha * len(n) for column in zip(*n)]
    return [[(v + alpha) / t for v, t in zip(row, totals)] for row in n]


def joint_table(n, alpha, C, S, V):
    return [[(v + alpha) / (sum(map(sum, n)) + alpha * C * V) for v in row] for row in n]


def wrong_axis(counts, alpha):
    n = [[sum(row) + alpha for row in of_class] for of_class in counts]
    return [[v / sum(row) for v in row] for row in n]


def mean_over_sources(counts, alpha):
    tables = [[[(v + alpha) / (sum(row) + alpha * len(row)) for v in row] for row in of_class] for of_class in counts]
    return [[mean(column) for column in zip(*of_class)] for of_class in tables]


CONDITIONAL_TABLE = (
    Misconception("normalised over the wrong axis", counted(other_conditional),
        "Each column sums to one, so this is p(y | x) under the class frequencies of the table; for p(x | y) each "
        "row does.",
        "每一列之和为 1，所以这是按表中类别频率得到的 p(y | x)；求 p(x | y) 应使每一行之和为 1。"),
    Misconception("joint", counted(joint_table),
        "The whole table sums to one: this is the joint p(x, y), not yet divided by p(y).",
        "整张表之和为 1：这是联合分布 p(x, y)，还没有除以 p(y)。"),
    Misconception("wrong axis summed", wrong_axis,
        "The values were summed out and the sources kept; it is the source that has to go.",
        "对取值求了和，把它消去了，却留下了来源；要消去的是来源。"),
    Misconception("mean over sources", mean_over_sources,
        "A table for each source was averaged, as if all sources were equally frequent; add the counts first.",
        "先对每个来源各算一张表再取平均，等于假定各来源同样常见；应当先把计数相加。"),
    Misconception("alpha before summing", smoothed(lambda a, C, S, V: a * S, lambda a, C, S, V: a * S * V),
        "alpha was added before the sources were summed out, so that it counts once for each source; sum first, then add it.",
        "在对来源求和之前就加了 alpha，于是每个来源都加了一次；应当先求和，再加 alpha。"),
    Misconception("alpha before summing, total after", smoothed(lambda a, C, S, V: a * S, lambda a, C, S, V: a * V),
        "alpha was added to the counts before the sources were summed out, once for each source, and to the total as if after it; "
        "sum first, then add it.",
        "计数在对来源求和之前就加了 alpha，每个来源一次，总数却是按求和之后加的；应当先求和，再加 alpha。"),
    Misconception("alpha in the numerator only", smoothed(lambda a, *_: a, lambda a, *_: 0),
        "alpha is added to the counts but not to their total, so the rows sum to more than one.",
        "alpha 加到了计数上，却没有加到总数上，所以每行之和大于 1。"),
    Misconception("alpha once in the total", smoothed(lambda a, *_: a, lambda a, *_: a),
        "The total grows by alpha once; each of the values received one.",
        "总数只加了一个 alpha；而每一种取值都各加了一个。"),
    Misconception("alpha for the classes", smoothed(lambda a, *_: a, lambda a, C, S, V: a * C),
        "The total grows by alpha times the number of classes; what is smoothed are the values of x within a class.",
        "总数加的是 alpha 乘类别数；需要平滑的是一个类别之内 x 的各种取值。"),
    Misconception("no smoothing", smoothed(lambda a, *_: 0, lambda a, *_: 0),
        "alpha is not used: a value that was never seen with a class gets the probability zero.",
        "没有用到 alpha：某个类别里没出现过的取值，概率成了零。"),
)  # fmt: skip


def by_row(function, joint=lambda a, b: a + b):
    """Apply a function to the list of the classes' log-joints, for each x."""
    return lambda log_prior, log_lik: [function([joint(a, b) for a, b in zip(log_prior, row)]) for row in log_lik]


def log_sum_exp(values):
    return max(values) + log(sum(exp(v - max(values)) for v in values))


def normalised(values):
    return [v - log_sum_exp(values) for v in values]


def floating_exp(v):
    return inf if v > 709 else exp(v)


def floating_log(p):
    return nan if p != p or p < 0 else -inf if p == 0 else log(p)


def floating_quotient(values):
    """What floating-point numbers make of log( exp(v) / sum exp(v) )."""
    e = [floating_exp(v) for v in values]
    return [floating_log(v / sum(e) if sum(e) else nan) for v in e]


def floating_difference(values):
    """What they make of v - log sum exp(v)."""
    return [v - floating_log(sum(floating_exp(w) for w in values)) for v in values]


def floating_softmax(values):
    return [floating_log(exp(v - log_sum_exp(values))) for v in values]


def over_the_batch(log_prior, log_lik):
    columns = zip(*by_row(list)(log_prior, log_lik))
    return [list(row) for row in zip(*(normalised(list(column)) for column in columns))]


def over_everything(log_prior, log_lik):
    joint = by_row(list)(log_prior, log_lik)
    whole = log_sum_exp([v for row in joint for v in row])
    return [[v - whole for v in row] for row in joint]


LOG_POSTERIOR = (
    Misconception("prior left out", by_row(normalised, lambda a, b: b),
        "The prior is left out: this is the posterior for classes that are equally frequent.",
        "漏了先验：这是各类别同样常见时的后验。"),
    Misconception("prior not as a logarithm", by_row(normalised, lambda a, b: exp(a) + b),
        "A probability was added to a log-likelihood; the prior comes in as its logarithm.",
        "把概率加到了对数似然上；先验应以对数的形式加进来。"),
    Misconception("not normalised", by_row(list),
        "This is the log-joint; the evidence has not been taken off.",
        "这是联合概率的对数，还没有减去证据的对数。"),
    Misconception("normalised over the batch", over_the_batch,
        "It is normalised over the examples of the batch; for each example the classes have to sum to one.",
        "这里沿批量中的样本归一化了；应当对每个样本使各类别之和为 1。"),
    Misconception("normalised over everything", over_everything,
        "The whole table was normalised at once; each example has an evidence of its own.",
        "整张表一起归一化了；每个样本各有自己的证据。"),
    Misconception("overflow", by_row(floating_quotient),
        "Right on paper, but exp comes first here and gives 0/0 or inf/inf: stay with logarithms.",
        "纸面上正确，但这里先取了 exp，得到 0/0 或 inf/inf：应一直用对数计算。"),
    Misconception("overflow in the evidence", by_row(floating_difference),
        "The evidence itself overflows, or becomes zero: take out the largest log-joint before exp.",
        "证据本身溢出或变成了零：应在取 exp 之前提出最大的联合对数概率。"),
    Misconception("logarithm of the softmax", by_row(floating_softmax),
        "The posterior is right, and its logarithm comes too late: an unlikely class has become exactly zero before "
        "it.",
        "后验是对的，但对数取得太晚：不太可能的类别在此之前已经变成了零。"),
    Misconception("posterior", by_row(lambda v: [exp(w) for w in normalised(v)]),
        "This is the posterior; its logarithm is asked for.",
        "这是后验；要求的是它的对数。"),
    Misconception("largest taken off", by_row(lambda v: [w - max(v) for w in v]),
        "The largest log-joint was taken off, which prevents overflow; it still has to be normalised.",
        "减去最大的联合对数概率只能防止溢出；还需要归一化。"),
    Misconception("evidence", by_row(log_sum_exp),
        "This is the log-evidence, one number for each example; the log-posterior has one for each class.",
        "这是证据的对数，每个样本一个数；对数后验对每个类别各有一个数。"),
)  # fmt: skip
