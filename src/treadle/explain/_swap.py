"""Rows whose columns can be exchanged: encoded once, put together anew by position, predicted in few calls.

Every method here asks the same question: what would the model say if this row had that row's value in some columns?
The encoders work column by column, so the answer needs no new encoding, only a gather from the encoded arrays. Values
are always ones that occur, so numbers, categories, text and missing values are all treated alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.tasks import task_named
from treadle.core.types import Block, Features, Outcomes

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.predictor import Predictor
    from treadle.core.types import Array

CELLS = 6_000_000
SCALES = {"classification": "probability", "anomaly": "score", "clustering": "membership"}


class Swap:
    """Some rows to explain, followed by some background rows, ready to be mixed.

    Attributes:
        columns: the user's feature columns, in the schema's order.
        rows: how many rows are explained; they have positions 0 to rows - 1.
        background: how many background rows come after them.
        aligned: all these rows as the predictor reads them.
        features: the same, encoded.
    """

    def __init__(
        self, predictor: Predictor, frame: pl.DataFrame, background: pl.DataFrame, *, target: bool = False
    ) -> None:
        import polars as pl

        self.predictor = predictor
        self.columns = tuple(item.name for item in predictor.schema.features)
        self.rows, self.background = frame.height, background.height
        mine = predictor.align(frame, target=target)
        names = list(self.columns)
        self.aligned = pl.concat([mine.select(names), predictor.align(background)], how="vertical_relaxed")
        self.truth: Array | None = None
        if target and predictor.schema.target:
            known = task_named(predictor.task).truth != "none"
            self.truth = predictor.truth(mine) if known else predictor.predict_codes(mine).truth
        self.features = predictor.features(self.aligned)
        self._parts = [self._by_column(block) for block in self.features.blocks.values()]
        self.width = max(len(names), sum(block.values.shape[1] for block in self.features.blocks.values()), 1)

    def _by_column(self, block: Block) -> list[tuple[int, list[int], Array]]:
        """For each of the user's columns in a block: its number, its positions there, and a copy of its values."""
        import numpy as np

        places: dict[str, list[int]] = {}
        for position, name in enumerate(block.columns):
            places.setdefault(name, []).append(position)
        return [
            (self.columns.index(name), at, np.ascontiguousarray(block.values[:, at])) for name, at in places.items()
        ]

    def mixed(self, index: Array) -> Features:
        """Rows put together: entry (i, j) of ``index`` is the position of the row that gives column j of row i."""
        import numpy as np
        import polars as pl

        blocks = {}
        for (name, block), parts in zip(self.features.blocks.items(), self._parts, strict=True):
            values = np.empty((len(index), block.values.shape[1]), dtype=block.values.dtype)
            for number, at, own in parts:
                values[:, at] = own[index[:, number]]
            blocks[name] = replace(block, values=values)
        if blocks:
            frame = pl.DataFrame({"row": np.zeros(len(index), dtype=np.int8)})
        else:
            frame = pl.DataFrame(
                [self.aligned[name].gather(index[:, number]) for number, name in enumerate(self.columns)]
            )
        return replace(self.features, blocks=blocks, frame=frame, target=None, weight=None)

    def predict(self, index: Array) -> Iterator[Outcomes]:
        """Outcomes of the mixed rows, in pieces of bounded size."""
        step = max(1, CELLS // self.width)
        for start in range(0, len(index), step):
            yield self.predictor.predict_features(self.mixed(index[start : start + step]))

    def outputs(self, index: Array) -> Array:
        """What the model says of the mixed rows, (rows, outputs): probabilities, one value, one score, or one
        indicator a cluster."""
        import numpy as np

        found = [self._output(outcomes) for outcomes in self.predict(index)]
        return np.concatenate(found) if found else np.zeros((0, max(1, len(self.names))))

    @property
    def names(self) -> tuple[str, ...]:
        """The classes or clusters, one an output; empty for a value or a score."""
        if self.predictor.task == "clustering":
            return tuple(str(cluster) for cluster in self._clusters())
        return self.predictor.classes if self.predictor.task == "classification" else ()

    @property
    def scale(self) -> str:
        """What the outputs are."""
        return SCALES.get(self.predictor.task, "value")

    def _clusters(self) -> Array:
        import numpy as np

        if not hasattr(self, "_seen"):
            self._seen: Array = np.unique(self.predictor.predict_features(self.features).prediction)
        return self._seen

    def _output(self, outcomes: Outcomes) -> Array:
        import numpy as np

        if outcomes.probability is not None:
            return outcomes.probability
        if outcomes.task == "anomaly":
            return np.asarray(outcomes.extra["score"], dtype=np.float64).reshape(-1, 1)
        if outcomes.task == "clustering":
            return np.asarray(outcomes.prediction[:, None] == self._clusters()[None, :], dtype=np.float64)
        return np.asarray(outcomes.prediction, dtype=np.float64).reshape(-1, 1)

    def plain(self, rows: Sequence[int] | Array | None = None) -> Array:
        """The index that leaves rows as they are: all of them, or those named."""
        import numpy as np

        chosen = np.arange(self.rows + self.background) if rows is None else np.asarray(rows, dtype=np.int64)
        return np.repeat(chosen[:, None], len(self.columns), axis=1)


@dataclass(frozen=True)
class Chosen:
    """Which output is explained: its position for each row, and what to call it.

    Attributes:
        positions: int64, one a row.
        label: the same for all rows, else None.
        labels: one a row where they differ, else empty.
    """

    positions: Array
    label: str | None
    labels: tuple[str, ...] = ()


def choose(outputs: Array, names: Sequence[str], label: str | None) -> Chosen:
    """The output to explain: the one asked for; else the last of two classes, or each row's most probable one.

    Args:
        outputs: (rows, outputs) of the rows to explain.
        names: of the classes, empty where there is only one output.
        label: a class, or None.
    """
    import numpy as np

    if label is not None and label not in names:
        expected = f"one of {listing(names)}" if names else "no label: this task has no classes"
        raise TreadleError(f"unknown label {label!r}{did_you_mean(label, names)}", where="label", expected=expected)
    if not names:
        return Chosen(np.zeros(len(outputs), dtype=np.int64), None)
    if label is not None or len(names) <= 2:
        position = list(names).index(label) if label is not None else len(names) - 1
        return Chosen(np.full(len(outputs), position, dtype=np.int64), names[position])
    positions = np.asarray(outputs.argmax(axis=1), dtype=np.int64)
    return Chosen(positions, None, tuple(names[position] for position in positions))


def sample(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    """At most ``rows`` of the rows, drawn without replacement."""
    return frame if frame.height <= rows else frame.sample(rows, seed=seed)


def by_user_column(values: Array, parts: Sequence[str], columns: Sequence[str]) -> Array:
    """Sum the last axis, one entry an encoded part, to one entry a user's column."""
    import numpy as np

    places = {name: position for position, name in enumerate(columns)}
    found = np.zeros((*values.shape[:-1], len(columns)), dtype=np.float64)
    for position, name in enumerate(parts):
        found[..., places[name]] += values[..., position]
    return found


def native_importance(swap: Swap) -> Array | None:
    """The model's own importance summed to the user's columns, as shares of 1; None where it has none."""
    import numpy as np

    model = swap.predictor.model
    parts = swap.features.columns
    if "importance" not in model.tags.can:
        return None
    values = np.abs(np.asarray(model.importance(), dtype=np.float64))  # type: ignore[attr-defined]
    if len(values) != len(parts):
        return None
    found = by_user_column(values, parts, swap.columns)
    total = found.sum()
    return found / total if total > 0 else found


def top_columns(swap: Swap, count: int, seed: int) -> list[int]:
    """Positions of the columns that seem to matter most, in the order of the schema.

    By the model's own importance where it has one; else by how far the output moves when one column of a few rows is
    taken from another row.
    """
    import numpy as np

    width = len(swap.columns)
    if width <= count:
        return list(range(width))
    weights = native_importance(swap)
    if weights is None:
        weights = output_change(swap, np.arange(width), rows=8, repeats=1, seed=seed)[0]
    return sorted(np.argsort(-weights, kind="stable")[:count].tolist())


def output_change(swap: Swap, columns: Array, *, rows: int, repeats: int, seed: int) -> Array:
    """Mean absolute change of the output when a column is taken from another row, (repeats, columns)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    every = swap.rows + swap.background
    chosen = np.arange(swap.rows) if swap.rows else np.arange(every)
    chosen = chosen[:rows] if len(chosen) > rows else chosen
    found = np.zeros((repeats, len(columns)))
    before = swap.outputs(swap.plain(chosen))
    for repeat in range(repeats):
        donors = rng.integers(swap.rows if swap.background else 0, every, size=len(chosen))
        group = max(1, CELLS // (swap.width * max(1, len(chosen))))
        for start in range(0, len(columns), group):
            part = columns[start : start + group]
            index = np.repeat(swap.plain(chosen)[None], len(part), axis=0)
            for position, column in enumerate(part):
                index[position, :, column] = donors
            after = swap.outputs(index.reshape(-1, len(swap.columns))).reshape(len(part), len(chosen), -1)
            found[repeat, start : start + len(part)] = np.abs(after - before[None]).sum(axis=2).mean(axis=1)
    return found
