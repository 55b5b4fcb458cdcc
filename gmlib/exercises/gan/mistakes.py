"""The mistakes that people make in the first exercises of the chapter ``gan``: losses from logits, and D* on tables."""

from __future__ import annotations

from math import exp, inf, log, nan

from gmlib.exercises.exercise import Misconception

Vector = list[float]


def mean(values: Vector) -> float:
    return sum(values) / len(values)


def sigmoid(o: float) -> float:
    """As floating point has it: exactly 0 or 1 for a large logit."""
    return 1 / (1 + exp(-o)) if o > -700 else 0.0


def log_of(p: float) -> float:
    return log(p) if p > 0 else -inf


def log_D(o: float) -> float:
    """log sigmoid(o), also where the sigmoid is zero."""
    return -log(1 + exp(-abs(o))) + min(o, 0.0)


def log_not(o: float) -> float:
    return log_D(-o)


# --- losses from logits -------------------------------------------------------------------------------


def of_logits(of_D=log_D, of_not=log_not, reduce=mean, finish=lambda d, s, n: [d, s, n]):
    """The three losses by the two logarithms, put together by ``finish``."""

    def wrong(real: Vector, fake: Vector) -> Vector:
        on_real, on_fake = reduce([of_D(o) for o in real]), reduce([of_not(o) for o in fake])
        return finish(-on_real - on_fake, on_fake, -reduce([of_D(o) for o in fake]))

    return wrong


def by_mean_probability(real: Vector, fake: Vector) -> Vector:
    D_real, D_fake = mean([sigmoid(o) for o in real]), mean([sigmoid(o) for o in fake])
    not_fake = log_of(mean([1 - sigmoid(o) for o in fake]))
    return [-log_of(D_real) - not_fake, not_fake, -log_of(D_fake)]


def exchanged_labels(real: Vector, fake: Vector) -> Vector:
    return [of_logits()(fake, real)[0], *of_logits()(real, fake)[1:]]


def all_together(real: Vector, fake: Vector) -> Vector:
    terms = [-log_D(o) for o in real] + [-log_not(o) for o in fake]
    return [mean(terms), *of_logits()(real, fake)[1:]]


def smoothed(real: Vector, fake: Vector) -> Vector:
    d, *others = of_logits()(real, fake)
    return [d - 0.1 * mean([log_not(o) - log_D(o) for o in real]), *others]


def real_for_fake(real: Vector, fake: Vector) -> Vector:
    return [of_logits()(real, fake)[0], *of_logits()(real, real)[1:]]


LOSSES = (
    Misconception("unstable", of_logits(lambda o: log_of(sigmoid(o)), lambda o: log_of(1 - sigmoid(o))),
        "The formula is right, but for a large logit the sigmoid is 0 or 1 in floating point and its logarithm infinite: "
        "`F.softplus` works on the logits.",
        "公式是对的，但对数几率很大时，sigmoid 在浮点数里等于 0 或 1，其对数就成了无穷大：应当用 `F.softplus` 直接处理对数几率。"),
    Misconception("clamped", of_logits(lambda o: max(log_of(sigmoid(o)), -100.0), lambda o: max(log_of(1 - sigmoid(o)), -100.0)),
        "The formula is right, but for a large logit the logarithm was cut off at -100, as `F.binary_cross_entropy` does; "
        "start from the logits and not from D.",
        "公式是对的，但对数几率很大时，对数在 -100 处被截断了，`F.binary_cross_entropy` 就是这样做的；应当从对数几率而不是从 D 出发。"),
    Misconception("epsilon", of_logits(lambda o: log(sigmoid(o) + 1e-8), lambda o: log(1 - sigmoid(o) + 1e-8)),
        "The formula is right, but adding 1e-8 under the logarithm stops it at -18: large logits come out wrong, and give no gradient.",
        "公式是对的，但在对数里加上 1e-8，对数最多降到 -18：对数几率很大时结果不对，也不再有梯度。"),
    Misconception("sigmoid twice", of_logits(lambda o: log_D(sigmoid(o)), lambda o: log_not(sigmoid(o))),
        "The sigmoid was taken twice: a loss `…with_logits` takes it itself.",
        "sigmoid 取了两次：带 `with_logits` 的损失自己会取。"),
    Misconception("labels exchanged", exchanged_labels,
        "In the first loss real and generated examples are exchanged: it is least where D calls the real ones generated.",
        "第一个损失里真实样本与生成样本放反了：D 把真实样本判为生成样本时，它反而最小。"),
    Misconception("all called real", of_logits(finish=lambda d, s, n: [d + s + n, s, n]),
        "The first loss calls the generated examples real too: for them it needs -log(1 - D).",
        "第一个损失把生成样本也标成了真实：对它们应当用 -log(1 - D)。"),
    Misconception("real examples only", of_logits(finish=lambda d, s, n: [d + s, s, n]),
        "The first loss lacks the term of the generated examples.",
        "第一个损失漏了生成样本的那一项。"),
    Misconception("logits as probabilities", of_logits(lambda o: log(o) if o > 0 else nan, lambda o: log(1 - o) if o < 1 else nan),
        "The logits were taken for probabilities: D is the sigmoid of a logit.",
        "把对数几率当成了概率：D 是对数几率的 sigmoid。"),
    Misconception("value and not loss", of_logits(finish=lambda d, s, n: [-d, s, n]),
        "The first number is V itself, which the discriminator maximises; its loss is -V.",
        "第一个数是 V 本身，判别器要使它最大；它的损失是 -V。"),
    Misconception("one mean over both", all_together,
        "The mean of the first loss runs over real and generated examples together; each kind has a mean of its own.",
        "第一个损失对真实样本和生成样本一起取了平均；两者应当各自取平均。"),
    Misconception("halved", of_logits(finish=lambda d, s, n: [d / 2, s, n]),
        "The first loss is half of -V: its two parts are to be added, not averaged.",
        "第一个损失只有 -V 的一半：两部分应当相加，而不是取平均。"),
    Misconception("logarithm of the mean", by_mean_probability,
        "The logarithm was taken of the mean of D; take the mean of the logarithms.",
        "先对 D 取平均再取了对数；应当先取对数再取平均。"),
    Misconception("generator losses exchanged", of_logits(finish=lambda d, s, n: [d, n, s]),
        "The two losses of the generator stand in the wrong order: the saturating one, log(1 - D), comes first.",
        "生成器的两个损失次序反了：饱和损失 log(1 - D) 在前。"),
    Misconception("sign of the saturating loss", of_logits(finish=lambda d, s, n: [d, -s, n]),
        "The sign of the second number is wrong: minimising -log(1 - D) would make the generated examples easier to tell.",
        "第二个数的符号反了：使 -log(1 - D) 最小，生成样本就更容易被识破。"),
    Misconception("sign of the non-saturating loss", of_logits(finish=lambda d, s, n: [d, s, -n]),
        "The sign of the third number is wrong: the generator minimises -log D.",
        "第三个数的符号反了：生成器要使 -log D 最小。"),
    Misconception("minus the saturating loss", of_logits(finish=lambda d, s, n: [d, s, -s]),
        "The third number is -log(1 - D); the non-saturating loss is -log D.",
        "第三个数成了 -log(1 - D)；非饱和损失是 -log D。"),
    Misconception("generator on real examples", real_for_fake,
        "The losses of the generator were computed from the real examples, which it cannot change.",
        "生成器的损失是用真实样本算的，而生成器改变不了真实样本。"),
    Misconception("sums", of_logits(reduce=sum),
        "The examples were added up; take their means.",
        "对样本求了和；应当取平均。"),
    Misconception("smoothed", smoothed,
        "The real examples have the label 0.9 here; label smoothing is not asked for.",
        "这里真实样本的标签是 0.9；题目没有要求标签平滑。"),
)  # fmt: skip


# --- D* and V on tables ---------------------------------------------------------------------------------


def weighted(p: float, v: float) -> float:
    """p times log v, and 0 for p = 0."""
    return p * log_of(v) if p else 0.0


def best_of(p: float, q: float) -> float:
    return p / (p + q)


def played(D, of_real=weighted, of_fake=weighted, reduce=sum):
    """D of both probabilities, and the value by a term of (p, D) and one of (q, 1 - D), those of all outcomes reduced."""

    def wrong(p_data: Vector, p_theta: Vector) -> Vector:
        at = [D(p, q) for p, q in zip(p_data, p_theta)]
        terms = [of_real(p, d) + of_fake(q, 1 - d) for p, q, d in zip(p_data, p_theta, at)]
        return [*at, reduce(terms)]

    return wrong


def by_js(of_js):
    """D* as it should be, and a function of JS for its value."""

    def wrong(p_data: Vector, p_theta: Vector) -> Vector:
        right = played(best_of)(p_data, p_theta)
        return [*right[:-1], of_js((right[-1] + log(4)) / 2)]

    return wrong


def ratio(p: float, q: float) -> float:
    return p / q if q else inf


def with_nan(p: float, v: float) -> float:
    return weighted(p, v) if p else nan


def log_or_nan(p: float, v: float) -> float:
    """p times log v, NaN for a negative v, and 0 for p = 0."""
    return weighted(p, v) if p == 0 or v >= 0 else nan


def under_data(p_data: Vector, p_theta: Vector) -> Vector:
    at = [best_of(p, q) for p, q in zip(p_data, p_theta)]
    return [*at, sum(weighted(p, d) + weighted(p, 1 - d) for p, d in zip(p_data, at))]


VALUE = (
    Misconception("D of the generator", played(lambda p, q: best_of(q, p)),
        "D is the probability that an outcome is real; p_theta stands in its numerator here.",
        "D 是一个结果为真的概率；这里分子写成了 p_theta。"),
    Misconception("laws exchanged", lambda p_data, p_theta: [*[best_of(q, p) for p, q in zip(p_data, p_theta)],
        played(best_of)(p_data, p_theta)[-1]],
        "The value is right, as it does not change when the laws are exchanged; but D should be the probability of being real.",
        "V 是对的，因为交换两个分布时它不变；但 D 应当是结果为真的概率。"),
    Misconception("undecided D", played(lambda p, q: 0.5),
        "D = 1/2 is the best discriminator only where both laws are equal.",
        "只有在两个分布相等时，D = 1/2 才是最优判别器。"),
    Misconception("density ratio", played(ratio, log_or_nan, log_or_nan),
        "This D is the ratio of the laws, which is no probability; it should be the share of p_data in their sum.",
        "这个 D 是两个分布之比，不是概率；它应当是 p_data 在两者之和中所占的份额。"),
    Misconception("value of the equilibrium", by_js(lambda js: -log(4)),
        "D is right; but -log 4 is its value only where both laws are equal.",
        "D 对了；但只有两个分布相等时，博弈的值才是 -log 4。"),
    Misconception("one JS", by_js(lambda js: -log(4) + js),
        "D is right; its value is -log 4 + 2 JS, here JS stands once.",
        "D 对了；博弈的值是 -log 4 + 2 JS，这里 JS 只加了一次。"),
    Misconception("JS without half", by_js(lambda js: -log(4) + 4 * js),
        "D is right; its value is -log 4 + 2 JS, and JS has the factor one half that is missing here.",
        "D 对了；博弈的值是 -log 4 + 2 JS，而 JS 带有系数 1/2，这里漏了。"),
    Misconception("one log 2", by_js(lambda js: -log(2) + 2 * js),
        "D is right; its value is -log 4 + 2 JS: each of the two terms brings a log 2.",
        "D 对了；博弈的值是 -log 4 + 2 JS：两项各带来一个 log 2。"),
    Misconception("JS alone", by_js(lambda js: 2 * js),
        "D is right; its value is 2 JS less log 4, which is missing here.",
        "D 对了；博弈的值是 2 JS 减去 log 4，这里漏了后者。"),
    Misconception("real term only", played(best_of, of_fake=lambda q, v: 0.0),
        "D is right; its value lacks the term of the generator.",
        "D 对了；博弈的值漏了生成器的那一项。"),
    Misconception("both under p_data", under_data,
        "D is right; log(1 - D) is to be averaged under p_theta, not under p_data.",
        "D 对了；log(1 - D) 应当在 p_theta 下取平均，而不是在 p_data 下。"),
    Misconception("unweighted", played(best_of, lambda p, v: log_of(v), lambda q, v: log_of(v), mean),
        "D is right; the logarithms count all outcomes alike, and should be weighted by the laws.",
        "D 对了；对数按各个结果等权取了平均，应当以两个分布为权重。"),
    Misconception("unweighted sum", played(best_of, lambda p, v: log_of(v), lambda q, v: log_of(v)),
        "D is right; the logarithms were only added up, and should be weighted by the laws.",
        "D 对了；只是把对数相加，而应当以两个分布为权重。"),
    Misconception("value first", lambda p_data, p_theta: (right := played(best_of)(p_data, p_theta))[-1:] + right[:-1],
        "The numbers are right, but the value comes last.",
        "数都对，但博弈的值应放在最后。"),
    Misconception("mean over outcomes", played(best_of, reduce=mean),
        "D is right; the terms were averaged over the outcomes, but the probabilities are weights already.",
        "D 对了；各项对结果取了平均，但概率已经是权重。"),
    Misconception("sign", played(best_of, lambda p, v: -weighted(p, v), lambda q, v: -weighted(q, v)),
        "D is right; the last number is -V, the discriminator's loss.",
        "D 对了；最后一个数是 -V，即判别器的损失。"),
    Misconception("bits", by_js(lambda js: (-log(4) + 2 * js) / log(2)),
        "D is right; the logarithm is to base 2, and the value is asked for in nats.",
        "D 对了；对数以 2 为底，而要求的单位是奈特。"),
    Misconception("NaN at zero", played(best_of, with_nan, with_nan),
        "Right where all probabilities are positive; where one is 0, 0 log 0 became NaN, and it counts as 0.",
        "概率全为正时是对的；有一个为 0 时，0 log 0 变成了 NaN，它应按 0 计。"),
)  # fmt: skip
