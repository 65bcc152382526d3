"""Nearest rows by plain arithmetic, in pieces that bound the memory; no tree of a library is stored or read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.core.types import Array

CELLS = 1 << 22
FAR = 1e6
SPARE = 16


def squared(rows: Array, others: Array) -> Iterator[tuple[slice, Array]]:
    """Squared Euclidean distances, a piece of ``rows`` at a time.

    Args:
        rows: float64 (n, width).
        others: float64 (m, width).

    Yields:
        A slice of ``rows`` and the distances from it, float64 (piece, m), never negative.
    """
    import numpy as np

    norms = np.einsum("ij,ij->i", others, others)
    step = max(1, CELLS // max(1, len(others)))
    for begin in range(0, len(rows), step):
        part = slice(begin, begin + step)
        piece = rows[part]
        distances = piece @ others.T
        distances *= -2.0
        distances += norms
        distances += np.einsum("ij,ij->i", piece, piece)[:, None]
        yield part, np.maximum(distances, 0.0, out=distances)


def nearest(rows: Array, others: Array) -> tuple[Array, Array]:
    """For each of ``rows`` the position of the nearest of ``others``, and the squared distance to it."""
    import numpy as np

    position, distance = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows))
    for part, distances in squared(rows, others):
        position[part] = distances.argmin(axis=1)
        distance[part] = distances[np.arange(len(distances)), position[part]]
    return position, distance


class Neighbours:
    """The k nearest of some rows: found roughly in float32, then measured exactly, so that a row gets the same
    neighbours alone as among others. Of equal distances the earlier row is nearer."""

    def __init__(self, rows: Array) -> None:
        import numpy as np

        self.rows = rows
        self.rough = np.ascontiguousarray(rows.astype(np.float32).T)
        self.norms = np.einsum("ij,ij->j", self.rough, self.rough, dtype=np.float32)

    def find(self, matrix: Array, count: int) -> Iterator[tuple[slice, Array, Array]]:
        """A piece of ``matrix`` at a time: the slice, positions and squared distances, (piece, count), nearest first.

        Args:
            matrix: (n, width), float32 numbers.
            count: k, at most the number of rows.
        """
        import numpy as np

        wide = min(len(self.rows), count + SPARE)
        step = max(1, min(CELLS // max(1, len(self.rows)), CELLS // max(1, wide * self.rows.shape[1])))
        for begin in range(0, len(matrix), step):
            part = slice(begin, begin + step)
            piece = matrix[part]
            rough = piece.astype(np.float32) @ self.rough
            rough *= np.float32(-2)
            rough += self.norms
            near = np.argpartition(rough, wide - 1, axis=1)[:, :wide] if wide < len(self.rows) else None
            near = np.sort(near, axis=1) if near is not None else np.tile(np.arange(wide), (len(piece), 1))
            gap = self.rows[near] - piece[:, None, :]
            exact = np.einsum("ijk,ijk->ij", gap, gap)
            order = np.argsort(exact, axis=1, kind="stable")[:, :count]
            yield part, np.take_along_axis(near, order, axis=1), np.take_along_axis(exact, order, axis=1)


def drawn_in(matrix: Array) -> Array:
    """float64; what lies a million deviations away is drawn in, so that no square overflows."""
    import numpy as np

    return np.clip(matrix.astype(np.float64), -FAR, FAR)


def sample(count: int, most: int, seed: int) -> Array:
    """Positions of at most ``most`` of ``count`` rows, at random, ascending."""
    import numpy as np

    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
