"""The mistakes that people make in the exercises of ``divergences``: what each computes, and what to say about it.

Each computes exactly what the mistake would, so that an answer can be recognised by its numbers.
"""

from __future__ import annotations

from math import exp, log, sqrt

from gmlib.exercises.divergences.matrices import cholesky, diagonal, entrywise_root, root, times, transposed
from gmlib.exercises.exercise import Misconception

Vector = list[float]
Matrix = list[Vector]


def mean(values: Vector) -> float:
    return sum(values) / len(values)


def js_term(a: float, b: float) -> float:
    m = (a + b) / 2
    return (a * log(a / m) + b * log(b / m)) / 2


def reversed_term(a: float, b: float) -> float:
    m = (a + b) / 2
    return m * (log(m / a) + log(m / b)) / 2


def rows(term=js_term, reduce=sum, then=lambda v: v):
    """``term`` of the entries of two tables, put together by ``reduce`` in each row, and then changed."""
    return lambda p, q: [then(reduce([term(a, b) for a, b in zip(*row)])) for row in zip(p, q)]


JS = (
    Misconception("no half", rows(then=lambda v: 2 * v),
        "The two divergences are added; JS is their mean, which has a factor one half.",
        "两个散度直接相加了；JS 是它们的平均，要乘以二分之一。"),
    Misconception("root", rows(then=sqrt),
        "This is the square root, the distance that scipy's `jensenshannon` returns; the divergence is its square.",
        "这是平方根，即 scipy 的 `jensenshannon` 返回的距离；散度是它的平方。"),
    Misconception("bits", rows(then=lambda v: v / log(2)),
        "The logarithm is to base 2; a value in nats needs the natural one.",
        "对数以 2 为底了；以奈特为单位要用自然对数。"),
    Misconception("root in bits", rows(then=lambda v: sqrt(v / log(2))),
        "This is the square root, and the logarithm is to base 2; the divergence in nats has neither.",
        "这是平方根，而且对数以 2 为底；以奈特为单位的散度既不开方，也不以 2 为底。"),
    Misconception("KL", rows(lambda a, b: a * log(a / b)),
        "This is KL(p || q); compare p and q each with their average, and take the mean of the two.",
        "这是 KL(p || q)；应当让 p 与 q 各自与两者的平均比较，再对两个值取平均。"),
    Misconception("reversed", rows(reversed_term),
        "These are the divergences of the average from p and from q; p and q come first, the average second.",
        "这里算的是平均分布相对于 p 和 q 的散度；p 与 q 应在前，平均分布在后。"),
    Misconception("one side", rows(lambda a, b: a * log(2 * a / (a + b))),
        "This is the part of p alone; q has a part of its own.",
        "这只是 p 的那一项；q 也有自己的一项。"),
    Misconception("no average", rows(lambda a, b: (a - b) * log(a / b) / 2),
        "p and q are compared with each other; each should be compared with their average.",
        "p 与 q 直接互相比较了；应当让它们各自与两者的平均比较。"),
    Misconception("sum for the average", rows(lambda a, b: js_term(a, b) - (a + b) / 2 * log(2)),
        "The average is p + q without the half, which is no law; the result is even negative.",
        "平均分布写成了 p + q，没有除以 2，它不是分布；结果甚至成了负数。"),
    Misconception("mean over outcomes", rows(reduce=mean),
        "The terms are averaged over the K outcomes; the probabilities are weights already, so add them up.",
        "对 K 个结果取了平均；概率已经是权重，各项应相加。"),
    Misconception("not summed", rows(reduce=list),
        "These are the terms of the single outcomes; add them up over the last axis.",
        "这是各个结果单独的项，还要沿最后一个轴相加。"),
    Misconception("one number", lambda p, q: sum(rows()(p, q)),
        "The rows were added up too; each of them has a value of its own.",
        "把各行也加起来了；每一行应各有一个值。"),
)  # fmt: skip


def uniform(values: Vector) -> Vector:
    return [1 / len(values)] * len(values)


def expectation(x: Vector, a: Vector) -> float:
    return sum(v * w for v, w in zip(x, a))


def steps(x: Vector, a: Vector, y: Vector, b: Vector) -> list[tuple[float, float, float]]:
    """At each of the sorted points but the last: F - G, and the gaps after it and before it."""
    masses = sorted([*zip(x, a), *((v, -w) for v, w in zip(y, b))])
    return [(sum(w for _, w in masses[: i + 1]), masses[i + 1][0] - v, v - masses[max(i - 1, 0)][0])
            for i, (v, _) in enumerate(masses[:-1])]  # fmt: skip


def area(x: Vector, a: Vector, y: Vector, b: Vector) -> float:
    return sum(abs(d) * gap for d, gap, _ in steps(x, a, y, b))


def by_steps(term):
    return lambda x, a, y, b: sum(term(*step) for step in steps(x, a, y, b))


def weights_left_behind(x: Vector, a: Vector, y: Vector, b: Vector) -> float:
    points, masses = sorted(x + y), a + [-w for w in b]
    return sum(abs(sum(masses[: i + 1])) * (points[i + 1] - points[i]) for i in range(len(points) - 1))


W1 = (
    Misconception("unweighted", lambda x, a, y, b: area(x, uniform(x), y, uniform(y)),
        "The weights are not used: every point counts the same here.",
        "没有用到权重：这里每个点的权重都一样。"),
    Misconception("weights left behind", weights_left_behind,
        "The merged points were sorted and their weights were not; put the weights in the same order.",
        "合并后的点排了序，权重却没有；权重要按同样的次序排。"),
    Misconception("each sorted without its weights", lambda x, a, y, b: area(sorted(x), a, sorted(y), b),
        "x and y were sorted one by one while a and b stayed as they were; each weight belongs to its point.",
        "x 与 y 分别排了序，a 与 b 却保持原样；每个权重都属于它的点。"),
    Misconception("weights as values", lambda x, a, y, b: area(a, uniform(a), b, uniform(b)),
        "The weights were compared as if they were the points.",
        "把权重当成点来比较了。"),
    Misconception("distance of the means", lambda x, a, y, b: abs(expectation(x, a) - expectation(y, b)),
        "This is the distance of the means; it is W_1 only where one distribution function stays above the other.",
        "这是均值之差的绝对值；只有一个分布函数始终在另一个之上时，它才等于 W_1。"),
    Misconception("no absolute value", lambda x, a, y, b: expectation(y, b) - expectation(x, a),
        "The difference F - G was added up with its sign, so that its parts cancel; take its absolute value first.",
        "F - G 带着符号相加，各部分相互抵消了；应先取绝对值。"),
    Misconception("sum of the two", lambda x, a, y, b: area(x, a, y, [-w for w in b]),
        "The two distribution functions were added; the weights of y count against those of x, so give them a minus.",
        "两个分布函数加在了一起；y 的权重要与 x 的权重相抵，应带负号。"),
    Misconception("no gaps", by_steps(lambda d, after, before: abs(d)),
        "The differences |F - G| are added up without the lengths over which they hold.",
        "把各处的 |F - G| 直接相加，没有乘它所在区间的长度。"),
    Misconception("gap before", by_steps(lambda d, after, before: abs(d) * before),
        "F - G at a point holds up to the next point; here it is multiplied by the gap before the point.",
        "一点处的 F - G 一直维持到下一个点；这里乘的是该点之前的间隔。"),
    Misconception("squared", by_steps(lambda d, after, before: d**2 * after),
        "The difference of the distribution functions is squared; W_1 has its absolute value.",
        "分布函数之差取了平方；W_1 用的是它的绝对值。"),
    Misconception("half", lambda x, a, y, b: area(x, a, y, b) / 2,
        "This is half of the distance: the half belongs to total variation and not to W_1.",
        "这是距离的一半：系数二分之一属于全变差距离，W_1 里没有。"),
)  # fmt: skip


def squares(u: Vector, v: Vector) -> float:
    return sum((a - b) ** 2 for a, b in zip(u, v))


def trace(A: Matrix) -> float:
    return sum(diagonal(A))


def cross(Sigma: Matrix, S: Matrix) -> float:
    return trace(root(times(times(root(S), Sigma), root(S))))


def bures(Sigma: Matrix, S: Matrix, cross=cross, factor: float = 2) -> float:
    return trace(Sigma) + trace(S) - factor * cross(Sigma, S)


def commuting(mu: Vector, Sigma: Matrix, m: Vector, S: Matrix) -> float:
    return squares(mu, m) + sum(squares(*pair) for pair in zip(root(Sigma), root(S)))


def entrywise_cross(Sigma: Matrix, S: Matrix) -> float:
    half = entrywise_root(S)
    return trace(entrywise_root(times(times(half, Sigma), half)))


def cholesky_cross(Sigma: Matrix, S: Matrix) -> float:
    L = cholesky(S)
    return trace(root(times(times(L, Sigma), transposed(L))))


def with_cross(cross=cross, factor: float = 2):
    return lambda mu, Sigma, m, S: squares(mu, m) + bures(Sigma, S, cross, factor)


def deviations(mu: Vector, Sigma: Matrix, m: Vector, S: Matrix) -> float:
    return squares(mu, m) + sum((sqrt(u) - sqrt(v)) ** 2 for u, v in zip(diagonal(Sigma), diagonal(S)))


W2_GAUSSIANS = (
    Misconception("commuting", commuting,
        "This is the formula for covariances that commute, the squared difference of their roots; these do not commute.",
        "这是协方差可交换时的公式，即两个平方根之差的平方；这里的矩阵不可交换。"),
    Misconception("root", lambda *case: sqrt(with_cross()(*case)),
        "This is W_2; its square is asked for.",
        "这是 W_2；要求的是它的平方。"),
    Misconception("variances only", deviations,
        "Only the diagonals are used; the correlations matter too.",
        "只用了对角元；相关性也有影响。"),
    Misconception("root of each entry", with_cross(entrywise_cross),
        "The root was taken of each entry (`sqrt`), which is NaN for a negative one; a matrix needs the root of its eigenvalues.",
        "对每个元素开了平方（`sqrt`），负的元素就成了 NaN；矩阵的平方根是对特征值开方。"),
    Misconception("Cholesky factor", with_cross(cholesky_cross),
        "The Cholesky factor L of S stands where the symmetric root belongs, as L Sigma L'; if you use it, it must be L' Sigma L.",
        "在对称平方根的位置上用了 S 的 Cholesky 因子 L，写成了 L Sigma L'；若要用它，应写成 L' Sigma L。"),
    Misconception("no outer root", with_cross(lambda Sigma, S: trace(times(Sigma, S))),
        "The product under the trace still wants its square root.",
        "迹里面的乘积还没有开平方。"),
    Misconception("root of the trace", with_cross(lambda Sigma, S: sqrt(trace(times(Sigma, S)))),
        "The trace was taken first and then the root; the root is that of the matrix, and its trace comes after.",
        "先求迹再开了平方；应当先对矩阵开平方，再求迹。"),
    Misconception("no means", lambda mu, Sigma, m, S: bures(Sigma, S),
        "The means are left out.",
        "漏了均值。"),
    Misconception("means not squared", lambda mu, Sigma, m, S: sqrt(squares(mu, m)) + bures(Sigma, S),
        "The distance of the means must be squared.",
        "均值之间的距离要平方。"),
    Misconception("no two", with_cross(factor=1),
        "The root under the trace has a factor two.",
        "迹中平方根那一项有系数二。"),
    Misconception("difference of the covariances", lambda mu, Sigma, m, S: squares(mu, m)
        + sum(squares(*pair) for pair in zip(Sigma, S)),
        "The covariances themselves were subtracted and squared; that has the units of x to the fourth power.",
        "把协方差本身相减再平方了；那样单位成了 x 的四次方。"),
)  # fmt: skip


def under_p(p: Vector, T: Vector) -> float:
    return expectation(T, p)


FENCHEL = (
    Misconception("no minus one", lambda p, q, T: under_p(p, T) - expectation([exp(t) for t in T], q),
        "The conjugate of u log u is exp(t - 1), not exp(t).",
        "u log u 的共轭函数是 exp(t - 1)，不是 exp(t)。"),
    Misconception("one outside", lambda p, q, T: under_p(p, T) - expectation([exp(t) for t in T], q) + 1,
        "The 1 stands outside the exponential. That is the bound for T + 1, and here T is given.",
        "把 1 放到了指数外面。那是 T + 1 给出的下界，而这里 T 已经给定。"),
    Misconception("Donsker-Varadhan", lambda p, q, T: under_p(p, T) - log(expectation([exp(t) for t in T], q)),
        "This is the bound of Donsker and Varadhan, valid and tighter; the one with the conjugate is asked for.",
        "这是 Donsker 与 Varadhan 的下界，成立而且更紧；要求的是用共轭函数写出的那一个。"),
    Misconception("swapped", lambda p, q, T: under_p(q, T) - expectation([exp(t - 1) for t in T], p),
        "p and q are exchanged: T is averaged under p, its conjugate under q.",
        "p 与 q 放反了：T 在 p 下取平均，共轭函数在 q 下取平均。"),
    Misconception("exp of the mean", lambda p, q, T: under_p(p, T) - exp(under_p(q, T) - 1),
        "exp was taken of the mean; take the mean of exp.",
        "先取平均再取了指数；应当先取指数再取平均。"),
    Misconception("sign", lambda p, q, T: under_p(p, T) + expectation([exp(t - 1) for t in T], q),
        "The mean of the conjugate is to be subtracted.",
        "共轭函数的平均应当减去。"),
    Misconception("no conjugate", lambda p, q, T: under_p(p, T) - under_p(q, T),
        "T is averaged under both laws, as in the dual of W_1; under q, take its conjugate.",
        "两个分布下平均的都是 T，那是 W_1 的对偶形式；在 q 下应当取它的共轭函数。"),
    Misconception("unweighted", lambda p, q, T: mean(T) - mean([exp(t - 1) for t in T]),
        "The outcomes count alike here; they are to be weighted by p and by q.",
        "各个结果的权重取得一样；应当分别以 p 和 q 为权重。"),
    Misconception("the divergence itself", lambda p, q, T: sum(a * log(a / b) for a, b in zip(p, q)),
        "This is the divergence itself, which the bound reaches at the best T only; use the T that is given.",
        "这是散度本身，只有取最优的 T 时下界才达到它；应当用给定的 T。"),
)  # fmt: skip
