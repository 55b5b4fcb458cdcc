"""The exercises of the chapter ``divergences`` in which a bug is to be found: JS from a library's KL, and histograms.

Specifications, inputs and mistakes, as in :mod:`gmlib.exercises.divergences`. Shapes: tables p, q are (B, K); histograms
p, q and the points x below them are (K,).
"""

from __future__ import annotations

from math import exp, inf, log, nan
from random import Random

from gmlib.exercises.divergences.mistakes import area, by_steps, expectation, mean, steps, uniform
from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


def law(rng: Random, K: int) -> Vector:
    weights = [exp(v) for v in table(rng, K)]
    return [w / sum(weights) for w in weights]


# --- JS from a library's KL ---------------------------------------------------------------------------


def kl_term(a: float, b: float) -> float:
    """a log(a/b) with its limits: 0 for a = 0, infinite for b = 0."""
    if a == 0:
        return 0.0
    return a * log(a / b) if b > 0 else inf


@specification
def js_tables(p: Matrix, q: Matrix) -> Vector:
    """The mean of KL(p || m) and KL(q || m), m being the average of p and q; in the book eq-divergences-js."""
    return [sum(kl_term(a, (a + b) / 2) + kl_term(b, (a + b) / 2) for a, b in zip(*row)) / 2 for row in zip(p, q)]


def js_tables_inputs(rng: Random, number: int) -> dict:
    """In two cases of three an outcome is impossible under one of the laws."""
    B, K = 1 + number % 4, 3 + number % 3
    case = {key: [law(rng, K) for _ in range(B)] for key in ("p", "q")}
    if number % 3:
        row = rng.choice(case["p" if number % 3 == 1 else "q"])
        row[rng.randrange(K)] = 0.0
        row[:] = [v / sum(row) for v in row]
    return case


def pairs(left, right, reduce=sum, batch=lambda rows: rows, factor: float = 0.5):
    """``left`` of p and m plus ``right`` of q and m, put together in each row and then over the rows."""

    def wrong(p: Matrix, q: Matrix):
        return batch([factor * reduce([left(a, (a + b) / 2) + right(b, (a + b) / 2) for a, b in zip(*row)])
                      for row in zip(p, q)])  # fmt: skip

    return wrong


def turned(a: float, m: float) -> float:
    return kl_term(m, a)


def turned_with_a_tiny_number(a: float, m: float) -> float:
    return m * log(m / (a + 1e-12)) if m > 0 else 0.0


def without_log(a: float, m: float) -> float:
    return kl_term(a, 1.0) - a * m


def target_as_log(a: float, m: float) -> float:
    return exp(a) * (a - log(m))


def naive(a: float, m: float) -> float:
    return kl_term(a, m) if a > 0 else nan


JS_TABLES = (
    Misconception("arguments exchanged", pairs(turned, turned),
        "The order is still that of the buggy code: `F.kl_div(input, target)` is KL(target || input), so p and q are targets.",
        "顺序仍与错误代码相同：`F.kl_div(input, target)` 是 KL(target || input)，所以 p 与 q 应作 target。"),
    Misconception("still exchanged, with a tiny number", pairs(turned_with_a_tiny_number, turned_with_a_tiny_number),
        "The tiny number in the logarithm hides an infinity and mends nothing: the order is still that of the buggy code.",
        "在对数里加一个极小的数，只是掩盖了无穷大，什么也没有改正：顺序仍与错误代码相同。"),
    Misconception("one exchanged", pairs(kl_term, turned),
        "The part of p is right; in the part of q the arguments are still exchanged.",
        "p 的那一项对了；q 的那一项，参数次序仍是反的。"),
    Misconception("no logarithm", pairs(without_log, without_log),
        "The first argument of `F.kl_div` must be a logarithm; the average itself was given.",
        "`F.kl_div` 的第一个参数应是对数；这里传入的是平均分布本身。"),
    Misconception("log_target", pairs(target_as_log, target_as_log),
        "With `log_target=True` the target is taken for a logarithm; here it holds probabilities.",
        "设置 `log_target=True` 后，target 会被当成对数；这里传入的是概率。"),
    Misconception("NaN at zero", pairs(naive, naive),
        "Right where all probabilities are positive; where one is 0, 0 log 0 became NaN, and it counts as 0.",
        "概率全为正时是对的；有一个为 0 时，0 log 0 变成了 NaN，它应按 0 计。"),
    Misconception("no average", lambda p, q: [sum(kl_term(a, b) + kl_term(b, a) for a, b in zip(*row)) / 2 for row in zip(p, q)],
        "p and q are compared with each other; each should be compared with the average m.",
        "p 与 q 直接互相比较了；应当让它们各自与平均分布 m 比较。"),
    Misconception("one side", pairs(kl_term, lambda b, m: 0.0, factor=1),
        "This is KL(p || m) alone; the part of q is missing.",
        "这只是 KL(p || m)；漏了 q 的那一项。"),
    Misconception("no half", pairs(kl_term, kl_term, factor=1),
        "The order is right now; but the two divergences are to be averaged, not added.",
        "顺序对了；但两个散度应取平均，而不是相加。"),
    Misconception("mean over outcomes", pairs(kl_term, kl_term, mean),
        "The order is right now; but the terms are averaged over the K outcomes, which add up.",
        "顺序对了；但对 K 个结果取了平均，应当相加。"),
    Misconception("batchmean", pairs(kl_term, kl_term, batch=mean),
        "The order is right now; but `batchmean` averages the rows, and each of them has a value of its own.",
        "顺序对了；但 `batchmean` 对各行取了平均，每一行应各有一个值。"),
    Misconception("default reduction", pairs(kl_term, kl_term, mean, mean),
        "The order is right now; but without `reduction` the function averages over all entries of the table.",
        "顺序对了；但不写 `reduction` 时，函数会对表中所有元素取平均。"),
)  # fmt: skip


# --- histograms -----------------------------------------------------------------------------------------


@specification
def histograms(x: Vector, p: Vector, q: Vector) -> float:
    """The area between the two distribution functions over the points x; in the book eq-divergences-cdf."""
    return sum(abs(sum(p[: k + 1]) - sum(q[: k + 1])) * (x[k + 1] - x[k]) for k in range(len(x) - 1))


def crossing(x: Vector, a: Vector, y: Vector, b: Vector) -> bool:
    """Whether each distribution function is above the other somewhere, over parts that count."""
    parts = [d * gap for d, gap, _ in steps(x, a, y, b)]
    return min(parts) < -0.05 and max(parts) > 0.05


def histograms_inputs(rng: Random, number: int) -> dict:
    """Points in ascending order, at unequal distances; in every second case the distribution functions cross."""
    K = 3 + number % 4
    while True:
        gaps = [exp(v) for v in table(rng, K, scale=0.7)]
        start = table(rng, scale=2.0)
        x, p, q = [start + sum(gaps[: k + 1]) for k in range(K)], law(rng, K), law(rng, K)
        if number % 2 or crossing(x, p, x, q):
            return {"x": x, "p": p, "q": q}


def by_levels(term):
    """Add up ``term`` of F - G at a point, of the gap after it and of the gap before it."""

    def wrong(x: Vector, p: Vector, q: Vector) -> float:
        levels = [sum(p[: k + 1]) - sum(q[: k + 1]) for k in range(len(x) - 1)]
        return sum(term(d, x[k + 1] - x[k], x[k] - x[max(k - 1, 0)]) for k, d in enumerate(levels))

    return wrong


def apart(p: Vector, q: Vector) -> float:
    return sum(abs(a - b) for a, b in zip(p, q))


HISTOGRAMS = (
    Misconception("probabilities as values", lambda x, p, q: area(p, uniform(p), q, uniform(q)),
        "The probabilities are still compared as if they were draws; they are weights of the points x.",
        "仍把概率当成样本值来比较；它们是点 x 的权重。"),
    Misconception("no weights", lambda x, p, q: 0.0,
        "The points are compared with themselves, without weights; p and q are the third and the fourth argument.",
        "把点与它们自己比较，没有用权重；p 与 q 应作第三、第四个参数。"),
    Misconception("weights of p only", lambda x, p, q: area(x, p, x, uniform(x)),
        "Only p is given as weights; without its weights q counts every point the same.",
        "只传入了 p 的权重；q 没有权重，它的每个点就都一样重。"),
    Misconception("places as points", by_levels(lambda d, after, before: abs(d)),
        "The numbers 0, 1, 2, … of the bins were taken for the points; x says where the bins lie, at unequal distances.",
        "把区间的编号 0、1、2、… 当成了点；区间的位置由 x 给出，间距并不相等。"),
    Misconception("gap before", by_levels(lambda d, after, before: abs(d) * before),
        "The difference of the distribution functions holds up to the next point; here it is multiplied by the gap before.",
        "分布函数之差一直维持到下一个点；这里乘的是前一个间隔。"),
    Misconception("L1", lambda x, p, q: apart(p, q),
        "The probabilities are compared bin by bin, which knows nothing of how far apart the bins lie.",
        "逐个区间比较了概率，这完全不管区间相隔多远。"),
    Misconception("total variation", lambda x, p, q: apart(p, q) / 2,
        "This is total variation: it says how much mass must move, and not how far.",
        "这是全变差距离：它只说有多少质量要动，不说要走多远。"),
    Misconception("distance of the means", lambda x, p, q: abs(expectation(x, p) - expectation(x, q)),
        "This is the distance of the means; differences of opposite sign cancel in it.",
        "这是均值之差的绝对值；符号相反的差在其中互相抵消了。"),
    Misconception("squared", lambda x, p, q: by_steps(lambda d, after, before: d**2 * after)(x, p, x, q),
        "The difference of the distribution functions is squared (the Cramér distance); W_1 has its absolute value.",
        "分布函数之差取了平方（Cramér 距离）；W_1 用的是绝对值。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "divergences-js-tables": Exercise(js_tables, js_tables_inputs, JS_TABLES),
    "divergences-histograms": Exercise(histograms, histograms_inputs, HISTOGRAMS),
}
