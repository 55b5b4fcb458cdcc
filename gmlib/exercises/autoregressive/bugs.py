"""The exercises of the chapter ``autoregressive`` in which a bug is to be found: two directions put together, and two stacks.

Specification, inputs and mistakes, as in :mod:`gmlib.exercises.autoregressive`. Maps are (H, W), of one channel.
"""

from __future__ import annotations

from math import tanh
from random import Random

from gmlib.exercises.exercise import Exercise, Misconception, specification, table

Vector = list[float]
Matrix = list[Vector]


# --- the two directions of a diagonal LSTM ---------------------------------------------------------------


@specification
def combine(left: Matrix, mirrored: Matrix) -> Matrix:
    """The second direction turned back, and moved down by one row; eq-autoregressive-combine."""
    out = []
    for r, row in enumerate(left):
        above = mirrored[r - 1][::-1] if r > 0 else [0.0] * len(row)
        out.append([u + v for u, v in zip(row, above)])
    return out


def combine_inputs(rng: Random, number: int) -> dict:
    """Never a square; at least three rows, so that down, up and around are three different things."""
    H, W = rng.sample((3, 4, 5, 6), 2)
    return {"left": table(rng, H, W), "mirrored": table(rng, H, W)}


def flip(x: Matrix) -> Matrix:
    return [row[::-1] for row in x]


def lowered(x: Matrix) -> Matrix:
    return [[0.0] * len(x[0]), *x[:-1]]


def zero_end(x: Matrix) -> Matrix:
    return [*x[:-1], [0.0] * len(x[0])]


def add(a: Matrix, b: Matrix) -> Matrix:
    return [[u + v for u, v in zip(*rows)] for rows in zip(a, b)]


def combined(move=lowered, turn=flip, left=lambda x: x, finish=lambda x: x):
    def wrong(first: Matrix, mirrored: Matrix) -> Matrix:
        return finish(add(left(first), move(turn(mirrored))))

    return wrong


COMBINE = (
    Misconception("zeros at the end", combined(zero_end),
        "The bug is still there: the row of zeros stands below the others, so no row has moved, and only the last one is lost. Row r "
        "still reads the pixels of row r to its right.",
        "错误还在：补的那行零放在了下面，所以没有一行移动，只丢了最后一行。第 r 行仍然读到本行右边的像素。"),
    Misconception("not moved", combined(lambda x: x),
        "The second direction was not moved: at (r, c) it has read the pixel itself and those to its right.",
        "第二个方向没有移动：它在 (r, c) 处已读过这个像素本身和右边的像素。"),
    Misconception("moved up", combined(lambda x: [*x[1:], [0.0] * len(x[0])]),
        "The second direction was moved up: row r now reads row r + 1, which is not yet there when row r is drawn.",
        "第二个方向移到了上面：第 r 行读的是第 r + 1 行，而抽取第 r 行时它还不存在。"),
    Misconception("rolled", combined(lambda x: [x[-1], *x[:-1]]),
        "The rows were moved around in a circle: row 0 now reads the last row. What comes in at the top must be zeros.",
        "各行是循环移动的：第 0 行读到了最后一行。顶上补进来的应当是零。"),
    Misconception("first row kept", combined(lambda x: [x[0], *x[:-1]]),
        "The first row has kept its own value: nothing is above it, so it gets zeros.",
        "第一行保留了自己的值：它上面什么也没有，应当补零。"),
    Misconception("moved to the right", combined(lambda x: [[0.0, *row[:-1]] for row in x]),
        "The columns were moved, not the rows: what is to be shut out is the own row.",
        "移动的是列，不是行：要挡住的是本行。"),
    Misconception("moved by two", combined(lambda x: lowered(lowered(x))),
        "The second direction was moved down by two rows: the row just above is then seen only in part.",
        "第二个方向下移了两行：这样，紧挨着的上一行只看到了一部分。"),
    Misconception("both moved", combined(left=lowered),
        "Both directions were moved down. The first one must stay: it tells of the own row, to the left.",
        "两个方向都下移了。第一个应当不动：本行左边的信息来自它。"),
    Misconception("the other one moved", combined(lambda x: x, left=lowered),
        "The wrong direction was moved: the one from left to right reads only earlier pixels as it is.",
        "移错了方向：从左到右的那个本来就只读先前的像素。"),
    Misconception("not turned back", combined(turn=lambda x: x),
        "The second direction is still mirrored: it must be turned back before it is added.",
        "第二个方向还是镜像的：相加之前要翻转回来。"),
    Misconception("turned upside down", combined(turn=lambda x: x[::-1]),
        "The second direction was turned over from top to bottom; it was mirrored from left to right.",
        "第二个方向上下翻转了；它是左右镜像的。"),
    Misconception("turned both ways", combined(turn=lambda x: flip(x[::-1])),
        "The second direction was turned from top to bottom too; it was mirrored from left to right only.",
        "第二个方向连上下也翻转了；它只是左右镜像的。"),
    Misconception("all turned", combined(finish=flip, turn=lambda x: x),
        "The sum was turned back, and with it the first direction, which was never mirrored.",
        "翻转的是和，于是从未镜像过的第一个方向也跟着翻了。"),
    Misconception("halved", combined(finish=lambda x: [[v / 2 for v in row] for row in x]),
        "The two directions were averaged; they are added.",
        "对两个方向取了平均；应当相加。"),
    Misconception("subtracted", combined(lambda x: [[-v for v in row] for row in lowered(x)]),
        "The second direction was subtracted; it is added.",
        "减去了第二个方向；应当加上。"),
)  # fmt: skip


# --- two stacks, with convolutions of 1 x 1 ---------------------------------------------------------------


@specification
def stacks(x: Matrix, down: list[Matrix], right: Matrix, across: Vector, out: Vector) -> Matrix:
    """Two stacks without gates: only the kernels along the row have a mask, A in the first layer and B in the others."""
    v = h = x
    for i, (kernel, row, one, two) in enumerate(zip(down, right, across, out)):
        v = [[tanh(sum(kernel[a][t] * at(v, r - 1 + a, c - 1 + t) for a in range(2) for t in range(3))) for c, _ in enumerate(line)]
             for r, line in enumerate(x)]  # fmt: skip
        open_ = 1 if i == 0 else 2
        new = [[two * tanh(sum(row[t] * at(h, r, c - 1 + t) for t in range(open_)) + one * at(v, r - 1, c)) for c, _ in enumerate(line)]
               for r, line in enumerate(x)]  # fmt: skip
        h = new if i == 0 else [[u + w for u, w in zip(*rows)] for rows in zip(h, new)]
    return h


def at(x: Matrix, r: int, c: int) -> float:
    """A value of the map, and zero beyond its edges."""
    return x[r][c] if 0 <= r < len(x) and 0 <= c < len(x[r]) else 0.0


def stacks_inputs(rng: Random, number: int) -> dict:
    """Never a square; two or three layers. The 1 x 1 weights are not small, and none is near 1 or another one."""
    H, W, L = *rng.sample((3, 4, 5), 2), 2 + number % 2
    while True:
        weights = [rng.choice((-1, 1)) * rng.uniform(0.4, 1.7) for _ in range(2 * L)]
        if all(abs(u - v) > 0.1 for i, u in enumerate([1.0, -1.0, *weights]) for v in weights[max(i - 1, 0) :] if u is not v):
            break
    case = {"x": table(rng, H, W), "down": table(rng, L, 2, 3, scale=0.7), "right": table(rng, L, 3, scale=0.9)}
    return case | {"across": weights[:L], "out": weights[L:]}


def stacked(across=lambda w, i: w, out=lambda w, i: w, taps=lambda i: 1 if i == 0 else 2, rows=(-1, 0), above=-1, pass_on=0,
            keep=lambda i: i > 0):  # fmt: skip
    """Two stacks; ``taps`` of the row are open, the kernel down reads ``rows``, the row reads the vertical stack at ``above``."""

    def wrong(x: Matrix, down: list[Matrix], right: Matrix, a: Vector, b: Vector) -> Matrix:
        H, W = len(x), len(x[0])
        v = h = x
        for i, (kernel, row) in enumerate(zip(down, right)):
            made = [[tanh(sum(kernel[n][t] * at(v, r + rows[n], c - 1 + t) for n in range(2) for t in range(3))) for c in range(W)]
                    for r in range(H)]  # fmt: skip
            new = [[out(b[i], i) * tanh(sum(row[t] * at(h, r, c - 1 + t) for t in range(taps(i)))
                                        + across(a[i], i) * at(made, r + above, c)) for c in range(W)] for r in range(H)]  # fmt: skip
            h = add(h, new) if keep(i) else new
            v = [[at(made, r + pass_on, c) for c in range(W)] for r in range(H)]
        return h

    return wrong


def closed_first(w: float, i: int) -> float:
    """What mask A leaves of a kernel of 1 x 1."""
    return w if i else 0.0


def nothing(w: float, i: int) -> float:
    return 0.0


STACKS = (
    Misconception("output masked", stacked(out=closed_first),
        "The bug is still there: in the first layer the 1 x 1 kernel behind the horizontal stack gets mask A, which closes the "
        "centre, and a 1 x 1 kernel is nothing but centre. That layer puts out zeros, whatever it has read.",
        "错误还在：第一层里，水平栈后面的 1 x 1 卷积核套了掩码 A，它把中心关上，而 1 x 1 的核只有中心。无论读了什么，这一层的输出全是零。"),
    Misconception("across masked", stacked(closed_first),
        "The 1 x 1 kernel between the stacks still has mask A in the first layer, so that the horizontal stack learns nothing there "
        "of the rows above.",
        "连接两个栈的 1 x 1 卷积核在第一层仍套着掩码 A，于是水平栈在这一层得不到上面各行的信息。"),
    Misconception("A for all 1 x 1", stacked(nothing, nothing),
        "Now the 1 x 1 kernels are closed in every layer, and the network puts out nothing at all. They look at no other pixel, and "
        "need no mask.",
        "现在每一层的 1 x 1 卷积核都关上了，网络什么也不输出。它们不看别的像素，不需要掩码。"),
    Misconception("no mask", stacked(taps=lambda i: 3),
        "All masks are gone. The kernel along the row still needs its mask: its last tap reads the pixel to the right.",
        "掩码全去掉了。沿行的卷积核仍然需要掩码：它的最后一项读的是右边的像素。"),
    Misconception("B from the start", stacked(taps=lambda i: 2),
        "The first layer has mask B: a pixel sees itself. What was wrong was the mask of the 1 x 1 kernels; that along the row was right.",
        "第一层用了掩码 B：像素看到了自己。错的是 1 x 1 卷积核的掩码；沿行的那个本来是对的。"),
    Misconception("A throughout", stacked(taps=lambda i: 1),
        "The kernel along the row has mask A in every layer; from the second on it has mask B, which lets in what the layer before made "
        "at the same place.",
        "沿行的卷积核每一层都用了掩码 A；从第二层起应当用掩码 B，它让上一层在同一处算出的值进来。"),
    Misconception("rows not moved", stacked(above=0),
        "What the vertical stack says was not moved down by one row: it has read the own row, to the right too.",
        "垂直栈的输出没有下移一行：它已读过本行，连右边的也读了。"),
    Misconception("rows moved up", stacked(above=1),
        "What the vertical stack says was moved up, so that a pixel reads the row below it.",
        "垂直栈的输出移到了上面，于是像素读到了下一行。"),
    Misconception("moved stack passed on", stacked(pass_on=-1),
        "The vertical stack goes on with the map that was moved down for the row. Only the row gets that one; the stack itself keeps its "
        "place, or it sinks by one row a layer.",
        "垂直栈接着用了为水平栈下移过的图。那张图只给水平栈用；垂直栈自己应留在原处，否则每过一层就下沉一行。"),
    Misconception("rows below", stacked(rows=(0, 1)),
        "The kernel of the vertical stack reads the row below: it covers the row above and the own one, so the padding belongs on top.",
        "垂直栈的卷积核读了下一行：它应覆盖上一行和本行，所以补零要补在上边。"),
    Misconception("residual connection from the start", stacked(keep=lambda i: True),
        "The first layer has a residual connection too: it adds the image, and each pixel sees itself. Such a connection belongs only to "
        "layers whose input has passed a mask A.",
        "第一层也有残差连接：它加上了图像，于是每个像素看到了自己。只有输入已经过掩码 A 的层，才能带残差连接。"),
    Misconception("no residual connection", stacked(keep=lambda i: False),
        "The residual connection is missing: from the second layer on, the horizontal stack is added to what the layer puts out.",
        "漏了残差连接：从第二层起，要把水平栈加到该层的输出上。"),
    Misconception("1 x 1 left out", stacked(lambda w, i: 1.0, lambda w, i: 1.0),
        "The 1 x 1 kernels are gone, weights and all; only their masks were wrong.",
        "1 x 1 卷积核连同权重都去掉了；错的只是它们的掩码。"),
)  # fmt: skip

EXERCISES: dict[str, Exercise] = {
    "autoregressive-combine": Exercise(combine, combine_inputs, COMBINE),
    "autoregressive-stacks": Exercise(stacks, stacks_inputs, STACKS),
}
