"""The exercises of the chapter ``overview`` on judging models: outliers and calibration.

Specifications, inputs and mistakes, as in :mod:`gmlib.exercises.overview`. Shapes: valid is (N, C) and new is (M, C),
the log-joints of examples and classes; posterior is (N, C), y is (N,), classes numbered from 0.
"""

from __future__ import annotations

from math import exp, log
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


def mean(values: Vector) -> float:
    return sum(values) / len(values)


def softmax(scores: Vector) -> Vector:
    return [exp(s) / sum(map(exp, scores)) for s in scores]


def smallest_gap(values: Vector) -> float:
    return min(b - a for a, b in zip(sorted(values), sorted(values)[1:]))


# --- an outlier detector --------------------------------------------------------------------------------


@specification
def p_value(valid: Matrix, new: Matrix) -> Vector:
    """The share of {validation examples, x itself} whose p(x) is at most that of x, for each new x."""
    evidence = [sum(map(exp, row)) for row in valid]
    return [(1 + sum(e <= sum(map(exp, row)) for e in evidence)) / (1 + len(evidence)) for row in new]


def log_evidence(row: Vector) -> float:
    return log(sum(map(exp, row)))


def log_confidence(row: Vector) -> float:
    return max(row) - log_evidence(row)


def p_value_inputs(rng: Random, number: int) -> dict:
    """Log-joints of which no two examples tie, in whatever way they are ranked, but for one that is valid and new.

    Its largest is 0, so that the log-sum-exp is the same to the last bit whether the largest is taken out first or not.
    """
    N, M, C = 12 + 3 * (number % 4), 4 + number % 3, 2 + number % 3
    while True:
        both, *rows = table(rng, N + M - 1, C, mean=-1, scale=1.2)
        both = [v - max(both) for v in both]
        if min(smallest_gap([score(row) for row in [both, *rows]]) for score in (log_evidence, log_confidence, max, sum)) > 1e-4:
            valid, new = [both, *rows[: N - 1]], [list(both), *rows[N - 1 :]]
            return {"valid": rng.sample(valid, N), "new": rng.sample(new, M)}


def ranked(score, among_new=False, counts=lambda a, b: a <= b, share=lambda k, n: (1 + k) / (1 + n)):
    """A p-value, by what is ranked, among whom, which side is counted, and what the count is divided by."""

    def wrong(valid, new):
        others = [score(row) for row in (new if among_new else valid)]
        return [share(sum(counts(o, score(row)) for o in others), len(others)) for row in new]

    return wrong


P_VALUE = (
    Misconception("both bugs", ranked(log_confidence, among_new=True),
        "Both bugs are still there.",
        "两个错误都还在。"),
    Misconception("confidence for density", ranked(log_confidence),
        "The comparison is right; but what is ranked is still the confidence in a class, which is high far away too.",
        "比较的对象对了；但用来排序的仍是对类别的置信度，离数据很远处它也可以很高。"),
    Misconception("among the new", ranked(log_evidence, among_new=True),
        "p(x) is ranked, which is right; but still among the new examples: if all of them are outliers, few are found.",
        "用 p(x) 排序是对的；但仍在新样本之间比较：如果它们全是离群点，就只能找出很少几个。"),
    Misconception("wrong tail", ranked(log_evidence, counts=lambda a, b: a >= b),
        "The wrong tail is counted, so the most ordinary example gets the smallest number.",
        "数错了一侧的尾部：最寻常的样本反而得到最小的数。"),
    Misconception("ties left out", ranked(log_evidence, counts=lambda a, b: a < b),
        "Examples whose p(x) equals that of x are left out; they count too, since theirs is at most that of x.",
        "漏了 p(x) 与 x 处的值相等的样本；“不超过”也包括相等。"),
    Misconception("largest class only", ranked(max),
        "Only the most likely class was kept; p(x) is the sum over the classes.",
        "只保留了最可能的类别；p(x) 是各类别之和。"),
    Misconception("logarithms added", ranked(sum),
        "The log-joints were added, which multiplies the classes' probabilities; p(x) adds them.",
        "把联合概率的对数相加，等于把各类别的概率相乘；p(x) 是把它们相加。"),
    Misconception("x itself left out", ranked(log_evidence, share=lambda k, n: k / n),
        "x itself is left out of numerator and denominator; then 0 comes out, which promises more than N examples "
        "can show.",
        "分子和分母都漏了 x 自己；这样会得到 0，N 个样本不足以支持这么强的结论。"),
    Misconception("x itself in the denominator only", ranked(log_evidence, share=lambda k, n: k / (1 + n)),
        "x itself counts in the denominator but not in the numerator.",
        "分母算上了 x 自己，分子却没有。"),
    Misconception("x itself in the numerator only", ranked(log_evidence, share=lambda k, n: (1 + k) / n),
        "x itself counts in the numerator but not in the denominator: N + 1 examples are compared.",
        "分子算上了 x 自己，分母却没有：参加比较的共有 N + 1 个。"),
    Misconception("count", ranked(log_evidence, share=lambda k, n: 1 + k),
        "This is a count; divide it by the number of examples compared.",
        "这是计数；还要除以参加比较的样本数。"),
)  # fmt: skip


# --- expected calibration error -------------------------------------------------------------------------


def above_and_up_to(confidence: float, low: float, high: float) -> bool:
    return low < confidence <= high


def bins(posterior: Matrix, y: list[int], num_bins: int, of_truth=False, inside=above_and_up_to) -> list[list[tuple[bool, float]]]:
    """For each bin (b/B, (b+1)/B], the pairs of whether the prediction is right, and the confidence in it."""
    found = [[] for _ in range(int(num_bins))]
    for row, c in zip(posterior, y):
        confidence = row[int(c)] if of_truth else max(row)
        for b, members in enumerate(found):
            if inside(confidence, b / num_bins, (b + 1) / num_bins):
                members.append((row[int(c)] == max(row), confidence))
    return found


@specification
def calibration_error(posterior: Matrix, y: list[int], num_bins: int) -> float:
    """The mean over the examples of |accuracy - mean confidence| in their bin."""
    total = 0.0
    for members in bins(posterior, y, num_bins):
        if members:
            right, confidence = zip(*members)
            total += len(members) / len(y) * abs(mean(right) - mean(confidence))
    return total


def calibration_error_inputs(rng: Random, number: int) -> dict:
    """Posteriors that no rounding takes into another bin or to another class; the first class is right too often.

    One is certain, and wrong; of 4 bins, whose edges are exact in floating point, one holds a confidence at its upper edge.
    """
    N, C, B = 12 + 3 * (number % 4), 2 + number % 3, 4 + number % 2
    while True:
        posterior, y = [[1.0] + [0.0] * (C - 1)], [1]
        if B == 4:
            posterior.append([0.25, 0.75] + [0.0] * (C - 2))
            y.append(rng.randrange(2))
        while len(y) < N:
            row = softmax(table(rng, C, scale=1.3))
            if min(abs(p * B - round(p * B)) for p in row) > 0.01 and smallest_gap(row) > 0.01:
                posterior.append(row)
                y.append(0 if rng.random() < 0.3 else rng.choices(range(C), row)[0])
        case = {"posterior": posterior, "y": y, "num_bins": B}
        if B == 5 or abs(error()(**case) - error(inside=from_and_below_or_one)(**case)) > 0.01:
            return case


def from_and_below(confidence: float, low: float, high: float) -> bool:
    return low <= confidence < high


def from_and_below_or_one(confidence: float, low: float, high: float) -> bool:
    return low <= confidence < high or confidence == high == 1


def error(bin_error=lambda a, c, b, B: abs(a - c), weight=lambda n, N, bins, B: n / N, **which):
    """A calibration error, by the error of a bin (from accuracy, confidence, its number) and the weight of a bin."""

    def wrong(posterior, y, num_bins):
        found, total = bins(posterior, y, num_bins, **which), 0.0
        for b, members in enumerate(found):
            if members:
                gap = bin_error(*map(mean, zip(*members)), b, num_bins)
                total += weight(len(members), len(y), sum(map(bool, found)), num_bins) * gap
        return total

    return wrong


def largest_gap(posterior, y, num_bins):
    gaps = [[right - confidence for right, confidence in m] for m in bins(posterior, y, num_bins) if m]
    return max(abs(mean(members)) for members in gaps)


CALIBRATION_ERROR = (
    Misconception("both bugs", error(weight=lambda n, N, bins, B: 1 / bins, of_truth=True),
        "Both bugs are still there.",
        "两个错误都还在。"),
    Misconception("probability of the true class", error(of_truth=True),
        "The bins are weighted now; but the probability of the true class still stands where the confidence belongs: a "
        "forecast is to be judged by what it said, before the answer was known.",
        "各箱已经加权；但该用置信度的地方仍是真实类别的概率：评判预测要看它在不知道答案时怎么说。"),
    Misconception("bins not weighted", error(weight=lambda n, N, bins, B: 1 / bins),
        "The confidence is right; but a bin of one example still counts as much as a bin of a hundred.",
        "置信度对了；但只有一个样本的箱仍与有一百个样本的箱权重相同。"),
    Misconception("empty bins counted", error(weight=lambda n, N, bins, B: 1 / B),
        "The confidence is right; but the bins' errors are averaged over all bins, the empty ones too.",
        "置信度对了；但这里对所有的箱取了平均，连空箱也算在内。"),
    Misconception("no absolute value", error(lambda a, c, b, B: a - c),
        "Too much confidence in one bin cancels too little in another: each bin's gap needs its absolute value.",
        "一个箱过于自信与另一个箱不够自信相互抵消了：每个箱的差要取绝对值。"),
    Misconception("one bin", lambda *arguments: abs(error(lambda a, c, b, B: a - c)(*arguments)),
        "The absolute value comes after the sum over the bins, as if all examples were in one bin.",
        "绝对值取在对各箱求和之后，等于把所有样本放进一个箱。"),
    Misconception("each example by itself", lambda posterior, y, num_bins: mean(
        [abs(r - c) for members in bins(posterior, y, num_bins) for r, c in members]),
        "The gap is taken example by example; a single prediction is right or wrong, so it never agrees with 70 per "
        "cent.",
        "差是逐个样本取的；单个预测非对即错，不可能等于百分之七十。"),
    Misconception("middle of the bin", error(lambda a, c, b, B: abs(a - (b + 0.5) / B)),
        "The middle of the bin stands for its confidence; take the mean of the confidences in it.",
        "用箱的中点代替了置信度；应取箱内置信度的平均。"),
    Misconception("confidence 1 lost", error(inside=from_and_below),
        "A bin was given its lower edge and not its upper one, and so a confidence of 1 falls into no bin at all.",
        "各箱含下边界而不含上边界，于是置信度 1 不落在任何箱里。"),
    Misconception("lower edge for the upper", error(inside=from_and_below_or_one),
        "A confidence on the edge between two bins was put into the upper one; a bin holds its upper edge and not its lower one.",
        "恰好落在两箱边界上的置信度放进了上面的箱；每个箱含上边界，不含下边界。"),
    Misconception("squares", error(lambda a, c, b, B: (a - c) ** 2),
        "The gaps are squared; here their absolute values are averaged.",
        "差取了平方；这里要平均的是绝对值。"),
    Misconception("not divided", error(weight=lambda n, N, bins, B: n),
        "The gaps are weighted by the numbers of examples, but not divided by their total.",
        "差按样本数加了权，却没有除以样本总数。"),
    Misconception("largest gap", largest_gap,
        "This is the largest gap of any bin; their weighted mean is asked for.",
        "这是各箱中最大的差；要求的是加权平均。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "overview-p-value": Exercise(p_value, p_value_inputs, P_VALUE),
    "overview-calibration-error": Exercise(calibration_error, calibration_error_inputs, CALIBRATION_ERROR),
}
