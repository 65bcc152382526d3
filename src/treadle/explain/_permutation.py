"""Shapley values by sampling orders of the columns, for any model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.explain._swap import CELLS, Chosen, Swap

if TYPE_CHECKING:
    from treadle.core.types import Array


def permutation_values(swap: Swap, chosen: Chosen, players: Sequence[Sequence[int]], seed: int) -> tuple[Array, Array]:
    """Shapley values of every row against every background row, and the base of each row.

    A walk starts at a background row and takes over the explained row's columns one player at a time, in a random
    order; what the output does at each step is that player's share. Each pair of rows is walked in one order and in
    its reverse (antithetic sampling). The steps of a walk sum to the difference of its ends, so base and values add up
    exactly, however few the walks; with one or two players the values are exact. Štrumbelj and Kononenko 2014; Castro
    et al. 2009; Lundberg and Lee 2017; Mitchell et al. 2022 on antithetic orders.

    Args:
        swap: rows and background.
        chosen: which output of each row.
        players: the columns that move together, as positions; all columns must be in one of them.
        seed: for the orders.

    Returns:
        (rows, players) and (rows,).
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    rows, others, count = swap.rows, swap.background, len(players)
    ends = swap.outputs(swap.plain())
    picked = chosen.positions
    start = ends[rows:][:, picked].T if rows else np.zeros((0, others))
    final = ends[np.arange(rows), picked]
    values = np.zeros((rows, count))
    owner = np.zeros(len(swap.columns), dtype=np.int64)
    for number, player in enumerate(players):
        owner[list(player)] = number
    group = max(1, CELLS // (swap.width * max(1, 2 * others * max(1, count - 1))))
    for first in range(0, rows, group):
        some = np.arange(first, min(rows, first + group))
        orders = rng.permuted(np.tile(np.arange(count), (len(some), others, 1)), axis=2)
        orders = np.stack([orders, orders[:, :, ::-1]], axis=2)
        shape = orders.shape
        ranks = np.argsort(orders, axis=3)
        steps = np.arange(1, count)
        taken = ranks[..., None, :] < steps[:, None]
        mine = some[:, None, None, None, None]
        theirs = (rows + np.arange(others))[None, :, None, None, None]
        index = np.where(taken, mine, theirs)[..., owner]
        middle = swap.outputs(index.reshape(-1, len(owner)))
        middle = middle.reshape(*shape[:3], count - 1, middle.shape[1])
        middle = np.take_along_axis(middle, picked[some][:, None, None, None, None], axis=4)[..., 0]
        path = np.concatenate(
            [
                np.broadcast_to(start[some][:, :, None, None], (*shape[:3], 1)),
                middle,
                np.broadcast_to(final[some][:, None, None, None], (*shape[:3], 1)),
            ],
            axis=3,
        )
        values[some] = np.take_along_axis(np.diff(path, axis=3), ranks, axis=3).mean(axis=(1, 2))
    return values, start.mean(axis=1) if others else np.zeros(rows)
