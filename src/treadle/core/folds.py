"""Cutting rows into folds: stratified, grouped, seeded. Splits, cross-validation and ensembles all use this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.core.types import Array


def fold_numbers(
    rows: int, folds: int, *, target: Array | None = None, group: Array | None = None, seed: int = 0
) -> Array:
    """The fold (0 .. folds - 1) of each row, int64.

    Args:
        rows: how many.
        folds: how many.
        target: class codes to balance over the folds, or numbers (balanced by rank), or None.
        group: codes of rows that must share a fold; balanced by size, largest first. Wins over ``target``.
        seed: of the shuffle.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    if group is not None:
        codes, sizes = np.unique(group, return_inverse=True)[1], np.unique(group, return_counts=True)[1]
        order = generator.permutation(len(sizes))
        order = order[np.argsort(-sizes[order], kind="stable")]
        load = np.zeros(folds, dtype=np.int64)
        place = np.empty(len(sizes), dtype=np.int64)
        for number in order:
            place[number] = int(load.argmin())
            load[place[number]] += sizes[number]
        return np.asarray(place[codes])
    shuffled = generator.permutation(rows)
    if target is not None:
        shuffled = shuffled[np.argsort(target[shuffled], kind="stable")]
    found = np.empty(rows, dtype=np.int64)
    # Dealt out in turn along the sorted target, so every fold gets its share of every class; the offset varies by
    # block so that the first fold is not always the one with the smallest values.
    deal = np.concatenate([generator.permutation(folds) for _ in range(rows // folds + 1)])[:rows]
    found[shuffled] = deal
    return found
