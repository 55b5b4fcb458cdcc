"""The mistakes that people make in the first exercises of the chapter ``autoregressive``: the mask, and the first network.

Each computes exactly what the mistake would, so that an answer can be recognised by its numbers.
"""

from __future__ import annotations

from math import exp, log

from gmlib.exercises.exercise import Misconception

Vector = list[float]
Matrix = list[Vector]


# --- the mask ---------------------------------------------------------------------------------------------


def opened(rule, centre=lambda own: own):
    """A mask that is open where ``rule`` of the distance to the centre, down and to the right, says so."""

    def wrong(height: int, width: int, own: int) -> Matrix:
        def value(r: int, c: int) -> float:
            return float(centre(own) if r == c == 0 else rule(r, c))

        return [[value(r - height // 2, c - width // 2) for c in range(width)] for r in range(height)]

    return wrong


def before(r: int, c: int) -> bool:
    return (r, c) < (0, 0)


MASK = (
    Misconception("always B", opened(before, lambda own: 1),
        "The centre is open in both kinds of mask. In the first layer it must be closed: there the input at the centre is the very "
        "pixel that is to be predicted.",
        "两种掩码的中心都开着。第一层必须关上：那里中心处的输入正是要预测的像素。"),
    Misconception("always A", opened(before, lambda own: 0),
        "The centre is closed in both kinds of mask. With own = 1 it must be open: from the second layer on, what stands at the centre "
        "has seen only pixels before, and a network that shuts it out forgets them.",
        "两种掩码的中心都关着。own = 1 时必须打开：从第二层起，中心处的值只看过先前的像素；关上它，网络就把这些忘了。"),
    Misconception("kinds exchanged", opened(before, lambda own: 1 - own),
        "The two kinds are exchanged: the centre is open where own is 1, and closed where it is 0.",
        "两种掩码放反了：own 为 1 时中心打开，为 0 时关上。"),
    Misconception("upper left rectangle", opened(lambda r, c: r <= 0 and c <= 0),
        "Your mask is open above and to the left only. In raster order the rows above come before the pixel in their whole width: what "
        "stands above and to the right belongs to them.",
        "你的掩码只有左上方开着。在按行扫描的次序中，上面各行整行都在这个像素之前：右上方的也算。"),
    Misconception("right part of the row above", opened(lambda r, c: r < 0 and c >= 0 or r == 0 and c < 0),
        "Your mask leaves out the left part of the rows above; all of each row above comes before the centre.",
        "你的掩码漏了上面各行的左半部分；上面每一行全部都在中心之前。"),
    Misconception("centre row closed", opened(lambda r, c: r != 0),
        "One row is closed, and the rows below it are open: they come after the centre, and the part of its own row to the left comes "
        "before. Close everything from the centre on.",
        "只关了一行，下面各行却开着：下面的行都在中心之后，而本行左边的部分在中心之前。从中心起，后面的都要关上。"),
    Misconception("rows below open", opened(lambda r, c: r != 0 or c < 0),
        "The row of the centre is right, but the rows below it are still open: they come later.",
        "中心所在的行对了，但下面各行还开着：它们在后面。"),
    Misconception("whole row", opened(lambda r, c: r <= 0),
        "The row of the centre is open to the right as well: those pixels come later, and a network that sees them predicts what it "
        "has already read.",
        "中心所在的行，右边也开着：那些像素在后面；看得到它们的网络，预测的是它已经读到的东西。"),
    Misconception("flipped", opened(lambda r, c: not before(r, c)),
        "The mask is upside down: it is open to what comes after the centre. A convolution in PyTorch does not turn its kernel over.",
        "掩码颠倒了：打开的是中心之后的部分。PyTorch 的卷积并不翻转卷积核。"),
    Misconception("column by column", opened(lambda r, c: (c, r) < (0, 0)),
        "This is the order that runs down the columns; raster order goes along the rows.",
        "这是逐列向下的次序；这里的次序是逐行扫描。"),
    Misconception("row above missing", opened(lambda r, c: r == 0 and c < 0),
        "Your mask leaves out the rows above: only the pixels to the left are open.",
        "你的掩码漏了上面各行：只有左边的像素开着。"),
    Misconception("left of the row missing", opened(lambda r, c: r < 0),
        "Your mask leaves out the pixels to the left in the row of the centre.",
        "你的掩码漏了中心所在行左边的像素。"),
    Misconception("sides exchanged", lambda height, width, own: opened(before, lambda own: own)(width, height, own),
        "Height and width are exchanged: the mask has `height` rows.",
        "高和宽放反了：掩码应有 height 行。"),
    Misconception("unfolded", lambda height, width, own: [float(i < height * width // 2 + own) for i in range(height * width)],
        "The numbers are right, but they still stand in one row: give them the shape (height, width).",
        "数是对的，但还排成一行：请改成形状 (height, width)。"),
)  # fmt: skip


# --- the fully visible belief network ----------------------------------------------------------------------


def logit(W: Matrix, b: Vector, row: Vector, i: int, sees, feed=lambda value: value) -> float:
    return b[i] + sum(W[i][j] * feed(row[j]) for j in range(len(row)) if sees(j, i))


def share(o: float) -> float:
    return 1 / (1 + exp(-o))


def terms_of(logits: Vector, row: Vector) -> Vector:
    return [log(share(o)) if value == 1 else log(share(-o)) for o, value in zip(logits, row)]


def lower(j: int, i: int) -> bool:
    return j < i


def network(sees=lower, feed=lambda value: value, weights=lambda W: W, bias=lambda b: b, finish=lambda terms, row: sum(terms)):
    """A network in which unit i sees those inputs j for which ``sees(j, i)``; ``finish`` makes a number of the terms."""

    def wrong(W: Matrix, b: Vector, x: Matrix) -> Vector:
        W, b = weights(W), bias(b)
        return [finish(terms_of([logit(W, b, row, i, sees, feed) for i in range(len(b))], row), row) for row in x]

    return wrong


def transposed(W: Matrix) -> Matrix:
    return [list(column) for column in zip(*W)]


def own_means(W: Matrix, b: Vector, x: Matrix) -> Vector:
    """Each unit is fed with the probabilities of those before, and not with the values."""
    out = []
    for row in x:
        means: Vector = []
        for i in range(len(b)):
            means.append(share(b[i] + sum(W[i][j] * means[j] for j in range(i))))
        out.append(sum(log(m) if value == 1 else log(1 - m) for m, value in zip(means, row)))
    return out


FVBN = (
    Misconception("no mask", network(lambda j, i: True),
        "Each pixel sees all pixels, itself and later ones too. The product of such numbers is no probability: only the part of W "
        "below the diagonal may count.",
        "每个像素都看到了所有像素，包括它自己和后面的。这样的数相乘得不到概率：W 只有对角线以下的部分才起作用。"),
    Misconception("diagonal open", network(lambda j, i: j <= i),
        "The diagonal of W counts too: each pixel sees itself, and predicts what it has read. The sum runs over j < i.",
        "W 的对角线也算进去了：每个像素看到了自己，预测的是已经读到的值。求和应取 j < i。"),
    Misconception("upper triangle", network(lambda j, i: j > i),
        "The part of W above the diagonal counts: each pixel sees those after it. This is a model too, in the reverse order; here "
        "pixel i sees those before it.",
        "算进去的是 W 对角线以上的部分：每个像素看的是它后面的。这也是一个模型，次序却反了；这里像素 i 看它前面的。"),
    Misconception("transposed", network(weights=transposed),
        "W is transposed: its entry in row i and column j is the weight from pixel j to pixel i.",
        "W 转置了：第 i 行第 j 列是从像素 j 到像素 i 的权重。"),
    Misconception("transposed upper triangle", network(lambda j, i: j > i, weights=transposed),
        "The part of W below the diagonal is right, but it was applied from the wrong side: pixel i must see those before it.",
        "取 W 对角线以下的部分是对的，但乘的方向反了：像素 i 应当看它前面的像素。"),
    Misconception("ones only", network(finish=lambda terms, row: sum(t for t, value in zip(terms, row) if value == 1)),
        "Only the pixels that are 1 count. A pixel that is 0 has a probability as well, one minus the other.",
        "只算了取 1 的像素。取 0 的像素也有概率，即 1 减去另一个。"),
    Misconception("values exchanged", lambda W, b, x: [
        sum(terms_of([-logit(W, b, row, i, lower) for i in range(len(b))], row)) for row in x],
        "The two values are exchanged: the sigmoid is the probability of 1.",
        "两个值放反了：sigmoid 给出的是取 1 的概率。"),
    Misconception("own means", own_means,
        "Each pixel was fed with the probabilities of the pixels before it. A conditional is given their values, which are known here.",
        "每个像素的输入成了前面各像素的概率。条件概率的条件是它们的值，这里的值是已知的。"),
    Misconception("signs fed", network(feed=lambda value: 2 * value - 1),
        "The network was fed with -1 and 1; here the values are 0 and 1 as they stand.",
        "输入网络的是 -1 和 1；这里应直接用 0 和 1。"),
    Misconception("no bias", network(bias=lambda b: [0.0] * len(b)),
        "The bias b is missing: without it the first pixel is always 1 with probability one half.",
        "漏了偏置 b：没有它，第一个像素取 1 的概率总是一半。"),
    Misconception("mean over pixels", network(finish=lambda terms, row: sum(terms) / len(terms)),
        "This is the mean over the pixels; a product of conditionals becomes a sum of logarithms.",
        "这是对像素取的平均；条件概率相乘，取对数后是求和。"),
    Misconception("sum over the batch", lambda W, b, x: sum(network()(W, b, x)),
        "All images were added up; there should be one number for each.",
        "把所有图像的都加起来了；每幅图像应有一个数。"),
    Misconception("one for each pixel", network(finish=lambda terms, row: terms),
        "These are the logarithms of the conditionals, one for each pixel; add up those of each image.",
        "这是每个像素的条件概率的对数；还要把每幅图像的各项相加。"),
    Misconception("loss", network(finish=lambda terms, row: -sum(terms)),
        "This is the loss, minus log p: a log-probability of a binary image is never positive.",
        "这是损失，即 -log p：二值图像的对数概率绝不为正。"),
    Misconception("bits", network(finish=lambda terms, row: sum(terms) / log(2)),
        "This is the logarithm to the base 2; the natural one is asked for.",
        "这是以 2 为底的对数；要求的是自然对数。"),
    Misconception("probability", network(finish=lambda terms, row: exp(sum(terms))),
        "This is the probability itself; its logarithm is asked for.",
        "这是概率本身；要求的是它的对数。"),
)  # fmt: skip
