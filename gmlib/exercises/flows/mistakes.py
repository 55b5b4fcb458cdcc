"""The mistakes that people make in the exercises of ``flows``: what each computes, and what to say about it.

Each computes exactly what the mistake would, so that an answer can be recognised by its numbers.
"""

from __future__ import annotations

from math import cos, exp, log, log1p, nan, pi, prod, sin

from gmlib.exercises.exercise import Misconception

Vector = list[float]
Matrix = list[Vector]


def mean(values: Vector) -> float:
    return sum(values) / len(values)


def real_log(v: float) -> float:
    """What ``torch.log`` makes of a number: NaN below 0."""
    return log(v) if v > 0 else nan


# --- the density of an affine map ---------------------------------------------------------------------


def logistic(z: float) -> float:
    """The log-density of the standard logistic law."""
    return -abs(z) - 2 * log1p(exp(-abs(z)))


def each(term):
    """``term`` of the normalised point z and of c, for each x."""
    return lambda x, mu, c: [term((v - mu) / c, c) for v in x]


AFFINE_LOG_PROB = (
    Misconception("sign", each(lambda z, c: logistic(z) + log(abs(c))),
        "log|c| is added. It belongs to g, which stretches by |c|; the density has f's slope 1/c, whose log is -log|c|.",
        "加上了 log|c|。那是 g 的对数斜率，g 拉伸 |c| 倍；密度里用的是 f 的斜率 1/c，它的对数是 -log|c|。"),
    Misconception("no log-det", each(lambda z, c: logistic(z)),
        "This is the base's density at z; a density of x needs the slope of f as well.",
        "这是基分布在 z 处的密度；x 的密度还要乘上 f 的斜率。"),
    Misconception("twice", each(lambda z, c: logistic(z) - 2 * log(abs(c))),
        "The log-slope is counted twice.",
        "对数斜率算了两次。"),
    Misconception("no absolute value", each(lambda z, c: logistic(z) - real_log(c)),
        "Right for a positive c; for a negative one log(c) is NaN. A change of length has no sign: take |c|.",
        "c 为正时是对的；c 为负时 log(c) 是 NaN。长度的变化没有符号，应取 |c|。"),
    Misconception("divided by the slope", each(lambda z, c: logistic(z) / abs(c)),
        "The log-density was divided by |c|; it is the density that is divided, and its logarithm gets -log|c|.",
        "把对数密度除以了 |c|；该除的是密度，对数密度应加上 -log|c|。"),
    Misconception("generator for normaliser", lambda x, mu, c: [logistic(mu + c * v) - log(abs(c)) for v in x],
        "x went through g(z) = mu + c z; the base's density must be taken at f(x), the inverse.",
        "把 x 代入了 g(z) = mu + c z；基分布的密度应在逆映射 f(x) 处取。"),
    Misconception("other model", lambda x, mu, c: [logistic(mu + c * v) + log(abs(c)) for v in x],
        "This is right for z = mu + c x; here it is x that is mu + c z.",
        "对 z = mu + c x 来说这是对的；这里却是 x = mu + c z。"),
    Misconception("multiplied", lambda x, mu, c: [logistic((v - mu) * c) - log(abs(c)) for v in x],
        "x - mu was multiplied by c; to undo z times c, divide.",
        "x - mu 乘以了 c；要还原 z 乘 c，应当除以 c。"),
    Misconception("scale upside down", lambda x, mu, c: [logistic((v - mu) * c) + log(abs(c)) for v in x],
        "This is right for z = c (x - mu), whose slope is c; here the slope of f is 1/c.",
        "对 z = c (x - mu)（斜率为 c）来说这是对的；这里 f 的斜率是 1/c。"),
    Misconception("sign of the shift", lambda x, mu, c: [logistic((v + mu) / c) - log(abs(c)) for v in x],
        "mu was added; f takes it off.",
        "加上了 mu；f 应当减去它。"),
    Misconception("shift not scaled", lambda x, mu, c: [logistic(v / c - mu) - log(abs(c)) for v in x],
        "x was divided by c before mu was taken off; undo the shift first.",
        "先除以 c 再减 mu 了；应当先减去平移。"),
    Misconception("Gaussian base", each(lambda z, c: -(z**2 + log(2 * pi)) / 2 - log(abs(c))),
        "The base is the standard normal here; the logistic one is asked for.",
        "这里的基分布用了标准正态；要求的是逻辑斯谛分布。"),
    Misconception("softplus once", each(lambda z, c: -z - log1p(exp(-z)) - log(abs(c))),
        "The softplus of -z comes twice in the logistic log-density: e^-z / (1 + e^-z)^2.",
        "逻辑斯谛分布的对数密度里，-z 的 softplus 要出现两次：e^-z / (1 + e^-z)^2。"),
    Misconception("distribution function", each(lambda z, c: -log1p(exp(-z)) - log(abs(c))),
        "This takes the logarithm of the sigmoid, the distribution function; its derivative is the density.",
        "取的是 sigmoid（分布函数）的对数；它的导数才是密度。"),
    Misconception("density", each(lambda z, c: exp(logistic(z)) / abs(c)),
        "This is the density; its logarithm is asked for.",
        "这是密度；要求的是它的对数。"),
)  # fmt: skip


# --- layers one after the other -------------------------------------------------------------------------


def path(v: float, a: Vector, c: Vector) -> list[tuple[float, float, float]]:
    """For each layer c (v + a sin v): its input, its slope there, and its output."""
    out = []
    for p, q in zip(a, c):
        after = q * (v + p * sin(v))
        out.append((v, q * (1 + p * cos(v)), after))
        v = after
    return out


def log_dets(x: Matrix, a: Vector, c: Vector, then=sum) -> Matrix:
    """For each example the log-determinant of each layer, its dimensions put together by ``then``."""
    by_entry = [[[log(abs(slope)) for _, slope, _ in path(v, a, c)] for v in row] for row in x]
    return [[then(dims) for dims in zip(*entries)] for entries in by_entry]


def layers(reduce, then=sum):
    return lambda x, a, c: [reduce(row) for row in log_dets(x, a, c, then)]


def slopes_at(where):
    """All slopes at the points that ``where`` picks from an entry's path."""

    def wrong(x: Matrix, a: Vector, c: Vector) -> Vector:
        return [sum(log(abs(q * (1 + p * cos(u)))) for v in row for p, q, u in zip(a, c, where(path(v, a, c)))) for row in x]

    return wrong


def without_c(x: Matrix, a: Vector, c: Vector) -> Vector:
    """The slopes of v + a sin v at the right points, each layer's factor c left out."""
    return [sum(log(abs(slope / q)) for v in row for q, (_, slope, _) in zip(c, path(v, a, c))) for row in x]


def traces(x: Matrix, a: Vector, c: Vector) -> Vector:
    """log|sum of the slopes| of each layer, added up over the layers."""
    return [sum(log(abs(sum(slope for _, slope, _ in layer))) for layer in zip(*(path(v, a, c) for v in row))) for row in x]


COMPOSE = (
    Misconception("all at x", slopes_at(lambda steps: [steps[0][0]] * len(steps)),
        "Each slope is taken at x; a layer's slope belongs to the point that reaches this layer.",
        "每一层的斜率都在 x 处取了；一层的斜率要在到达这一层的点处取。"),
    Misconception("at the output", slopes_at(lambda steps: [after for *_, after in steps]),
        "Each slope is taken at the layer's output; it belongs to the layer's input.",
        "每一层的斜率取在这一层的输出处；应取在它的输入处。"),
    Misconception("all at z", slopes_at(lambda steps: [steps[-1][2]] * len(steps)),
        "Each slope is taken at the last output z.",
        "每一层的斜率都取在最后的输出 z 处了。"),
    Misconception("reversed", lambda x, a, c: [sum(row) for row in log_dets(x, a[::-1], c[::-1])],
        "The layers are applied in the reverse order; the first of the list comes first.",
        "各层的次序反了；列表里的第一层应先作用。"),
    Misconception("c left out", without_c,
        "The factor c is missing from the slopes: a layer is c times (x + a sin x), and so its slope has c too.",
        "斜率里漏了因子 c：一层是 (x + a sin x) 再乘以 c，所以它的斜率也有 c。"),
    Misconception("minus", layers(lambda row: -sum(row)),
        "The sign is that of the inverse, g; log|det| of f is asked for.",
        "符号是逆映射 g 的；要求的是 f 的 log|det|。"),
    Misconception("product", layers(prod),
        "The log-determinants of the layers are multiplied; determinants multiply, and so their logarithms add up.",
        "把各层的对数行列式相乘了；相乘的是行列式，它们的对数应相加。"),
    Misconception("last", layers(lambda row: row[-1]),
        "This is the last layer's log-determinant alone.",
        "这只是最后一层的对数行列式。"),
    Misconception("first", layers(lambda row: row[0]),
        "This is the first layer's log-determinant alone.",
        "这只是第一层的对数行列式。"),
    Misconception("mean over layers", layers(mean),
        "The log-determinants are averaged over the layers; they add up.",
        "对各层的对数行列式取了平均；应当相加。"),
    Misconception("mean over dimensions", layers(sum, mean),
        "The log-slopes are averaged over the dimensions; the determinant of a diagonal Jacobian is a product, so they add up.",
        "对各维的对数斜率取了平均；对角雅可比矩阵的行列式是乘积，所以应当相加。"),
    Misconception("sum of determinants", layers(lambda row: log(sum(exp(v) for v in row))),
        "The determinants of the layers are added before the logarithm is taken; they multiply.",
        "先把各层的行列式相加再取了对数；行列式应当相乘。"),
    Misconception("sum of the slopes", traces,
        "The slopes of the dimensions are added before the logarithm is taken; the determinant is their product.",
        "先把各维的斜率相加再取了对数；行列式是它们的乘积。"),
    Misconception("no logarithm", layers(lambda row: exp(sum(row))),
        "This is |det|; its logarithm is asked for.",
        "这是 |det|；要求的是它的对数。"),
    Misconception("no absolute value", lambda x, a, c: [
        sum(real_log(slope) for v in row for _, slope, _ in path(v, a, c)) for row in x],
        "Right where all slopes are positive; where c is negative so is the slope, and its log is NaN. Take |slope|.",
        "斜率全为正时是对的；c 为负时斜率也为负，它的对数是 NaN。应取 |slope|。"),
    Misconception("one number", lambda x, a, c: sum(sum(row) for row in log_dets(x, a, c)),
        "The examples are added up too; each has a log-determinant of its own.",
        "把各个样本也加起来了；每个样本都有自己的对数行列式。"),
)  # fmt: skip
