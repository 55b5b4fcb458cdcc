"""Symmetric matrices in plain loops, for the exercise on two Gaussians."""

from __future__ import annotations

from math import hypot, nan, sqrt

Matrix = list[list[float]]


def times(A: Matrix, B: Matrix) -> Matrix:
    return [[sum(a * b for a, b in zip(row, column)) for column in zip(*B)] for row in A]


def transposed(A: Matrix) -> Matrix:
    return [list(column) for column in zip(*A)]


def diagonal(A: Matrix) -> list[float]:
    return [A[i][i] for i in range(len(A))]


def root(A: Matrix) -> Matrix:
    """The symmetric root: by Jacobi's rotations A = V D V', and the roots of the diagonal D stand in its place."""
    d = len(A)
    V = [[float(i == j) for j in range(d)] for i in range(d)]
    for i, j in [(i, j) for _ in range(12) for i in range(d) for j in range(i)]:
        R = rotation(A, i, j)
        A, V = times(times(transposed(R), A), R), times(V, R)
    return times([[v * sqrt(max(A[k][k], 0.0)) for k, v in enumerate(row)] for row in V], transposed(V))


def rotation(A: Matrix, i: int, j: int) -> Matrix:
    """The rotation R for which (R'AR)_ij is 0."""
    half = (A[i][i] - A[j][j]) / 2
    c, s = hypot(half, A[i][j]) + abs(half), A[i][j] if half >= 0 else -A[i][j]
    length = hypot(c, s) or 1.0
    R = [[float(k == n) for n in range(len(A))] for k in range(len(A))]
    R[i][i] = R[j][j] = c / length if c else 1.0
    R[j][i], R[i][j] = s / length, -s / length
    return R


def entrywise_root(A: Matrix) -> Matrix:
    """What ``torch.sqrt`` makes of a matrix: NaN wherever an entry is negative."""
    return [[sqrt(v) if v >= 0 else nan for v in row] for row in A]


def cholesky(A: Matrix) -> Matrix:
    """The lower triangle L with L L' = A."""
    L = [[0.0] * len(A) for _ in A]
    for i, row in enumerate(A):
        for j in range(i + 1):
            rest = row[j] - sum(L[i][k] * L[j][k] for k in range(j))
            L[i][j] = sqrt(rest) if i == j else rest / L[j][j]
    return L
