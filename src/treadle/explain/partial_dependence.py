"""Partial dependence: the average prediction as one column goes through its values, all else as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.options import Doc, Range
from treadle.core.types import Attribution, ExplainerTags
from treadle.explain._swap import Swap, native_importance, output_change, sample
from treadle.explain._tags import tagged

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.predictor import Predictor
    from treadle.core.types import Array

CURVES = 6
SKIPPED = ("text", "image", "audio", "id")


@tagged(ExplainerTags(rows=False))
def explain(
    predictor: Predictor,
    frame: pl.DataFrame,
    background: pl.DataFrame,
    *,
    names: Annotated[tuple[str, ...], Doc("the columns; default: the most important ones")] = (),
    columns: Annotated[int, Range(1, 1000, tuned=False), Doc("how many columns, where none are named")] = 6,
    points: Annotated[
        int, Range(2, 1000, tuned=False), Doc("points of a number's grid, at quantiles of its rows and of its values")
    ] = 20,
    values: Annotated[int, Range(2, 1000, tuned=False), Doc("values of a category, the most frequent ones")] = 10,
    rows: Annotated[int, Range(1, 1_000_000, tuned=False), Doc("rows averaged over")] = 300,
    lines: Annotated[int, Range(0, 10_000, tuned=False), Doc("rows whose own curve is kept (ICE)")] = 30,
    label: Annotated[str | None, Doc("the class; default: the last of two, every one of more (six at most)")] = None,
    seed: Annotated[int, Range(0, None, tuned=False), Doc("for the sample of rows")] = 0,
) -> Attribution:
    """Curves by column in ``details["partial"]``; ``values`` is how far each mean curve moves (standard deviation).

    Friedman 2001; individual curves: Goldstein et al. 2015; spread as importance: Greenwell et al. 2018. The grid holds
    values that occur in the background, so that every kind of column is treated alike.

    Each entry is ``{"kind", "grid", "curves": {label: [mean, ...]}, "ice": [[...], ...], "scale"}``; individual curves
    are kept where there is one output.
    """
    import numpy as np

    used = sample(frame, rows, seed)
    swap = Swap(predictor, used, sample(background, 5000, seed))
    chosen = _columns(swap, names, columns, seed)
    outputs, labels = _outputs(swap, label)
    partial: dict[str, Any] = {}
    spreads = []
    for number in chosen:
        donors, grid = _grid(swap, number, points, values)
        if len(donors) < 2:
            continue
        index = np.repeat(swap.plain(np.arange(swap.rows))[None], len(donors), axis=0)
        index[:, :, number] = donors[:, None]
        found = swap.outputs(index.reshape(-1, len(swap.columns))).reshape(len(donors), swap.rows, -1)[:, :, outputs]
        means = found.mean(axis=1)
        spreads.append(float(means.std(axis=0).mean()))
        item = predictor.schema.field(swap.columns[number])
        partial[item.name] = {
            "kind": item.kind,
            "grid": grid,
            "curves": {name: means[:, place].tolist() for place, name in enumerate(labels)},
            "ice": found[:, :lines, 0].T.tolist() if len(labels) == 1 else [],
            "scale": swap.scale,
        }
    return Attribution(
        method="partial_dependence", columns=tuple(partial), values=np.array(spreads), scale=swap.scale,
        label=labels[0] if len(labels) == 1 and labels[0] else None, details={"partial": partial},
        notes=(f"Averaged over {used.height:,} of {frame.height:,} rows.",) if used.height < frame.height else (),
    )  # fmt: skip


def _columns(swap: Swap, names: Sequence[str], count: int, seed: int) -> list[int]:
    """Positions of the columns to draw, most important first."""
    import numpy as np

    for name in names:
        if name not in swap.columns:
            raise TreadleError(
                f"there is no feature {name!r}{did_you_mean(name, swap.columns)}", where="names",
                expected=f"one of {listing(swap.columns)}",
            )  # fmt: skip
    if names:
        return [swap.columns.index(name) for name in names]
    fields = [swap.predictor.schema.field(name) for name in swap.columns]
    weights = native_importance(swap)
    if weights is None:
        weights = output_change(swap, np.arange(len(fields)), rows=50, repeats=1, seed=seed)[0]
    order = np.argsort(-weights, kind="stable").tolist()
    return [place for place in order if fields[place].kind not in SKIPPED][:count]


def _outputs(swap: Swap, label: str | None) -> tuple[list[int], list[str]]:
    """Which outputs are drawn, and their names."""
    names = list(swap.names)
    if label is not None and label not in names:
        raise TreadleError(
            f"unknown label {label!r}{did_you_mean(label, names)}", where="label", expected=f"one of {listing(names)}"
        )
    if not names:
        return [0], [""]
    if label is not None or len(names) <= 2:
        place = names.index(label) if label is not None else len(names) - 1
        return [place], [names[place]]
    return list(range(min(len(names), CURVES))), names[:CURVES]


def _grid(swap: Swap, number: int, points: int, values: int) -> tuple[Array, list[Any]]:
    """Background rows that hold the grid's values, and those values."""
    import numpy as np
    import polars as pl

    column = swap.aligned[swap.columns[number]][swap.rows :]
    table = pl.DataFrame({"value": column, "row": np.arange(swap.rows, len(swap.aligned))}).drop_nulls()
    if column.dtype.is_float():
        table = table.filter(pl.col("value").is_finite())
    if column.dtype.is_numeric() or column.dtype.is_temporal():
        table = table.sort("value", "row")
        if table.height:
            distinct = table.unique("value", keep="first", maintain_order=True)
            # Half of the points go by rows, half by values: a column that is mostly zero still gets a curve.
            half = points if distinct.height == table.height else points // 2
            table = pl.concat([_evenly(table, half), _evenly(distinct, points - half)])
            table = table.unique("value", keep="first", maintain_order=True).sort("value")
    else:
        counts = table.group_by("value").agg(pl.len().alias("count"), pl.col("row").min())
        table = counts.sort(["count", "value"], descending=[True, False]).head(values)
    grid = table["value"].to_list()
    if column.dtype.is_temporal():
        grid = [value.isoformat() for value in grid]
    return table["row"].to_numpy(), grid


def _evenly(table: pl.DataFrame, count: int) -> pl.DataFrame:
    import numpy as np

    return table[np.unique(np.round(np.linspace(0, table.height - 1, count)).astype(np.int64))]


COMPONENT = explain
