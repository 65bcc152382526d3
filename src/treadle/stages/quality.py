"""What usually goes wrong with a table: findings that inform and never stop a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from treadle.core.errors import listing
from treadle.core.labels import label_text
from treadle.core.types import Field
from treadle.stages import suspects
from treadle.stages.split import labelled
from treadle.stages.values import Dataset, Finding

if TYPE_CHECKING:
    import polars as pl

ROW = "row number"
SHOWN = 5
MANY_MISSING = 0.5
MANY_VALUES = 1000
FAR = 3.0


def inspect(sample: pl.DataFrame, dataset: Dataset, task: str) -> Iterator[Finding]:
    """Look at a sample of rows, which holds their numbers in the column ``row number``.

    Args:
        sample: rows of the dataset.
        dataset: its schema and size.
        task: decides what is asked of the target.
    """
    schema = dataset.schema
    features = [item for item in schema.features if item.name != schema.target]
    yield from _constant(dataset)
    yield from _gaps(sample, features)
    yield from _repeated(sample, dataset, task)
    for item in features:
        column = sample[item.name]
        yield from _many_values(item, dataset.rows)
        yield from _variants(column, item)
        yield from _outliers(column, item)
    if schema.target is not None and task in ("classification", "regression"):
        yield from _labels(sample, dataset, task)
        known = sample.filter(labelled(sample, schema.target, task))
        yield from suspects.inspect(known, features, schema.target, task)
    if schema.time is not None:
        yield from suspects.drift(sample, features, schema.time)


def _constant(dataset: Dataset) -> Iterator[Finding]:
    names = tuple(item.name for item in dataset.schema.fields if item.unique is not None and item.unique <= 1)
    names = tuple(name for name in names if name != dataset.schema.target)
    if names:
        verb = "holds" if len(names) == 1 else "hold"
        yield Finding("constant", "note", names, f"{listing(names)} {verb} one value only and cannot help", value=1.0)


def _gaps(sample: pl.DataFrame, features: list[Field]) -> Iterator[Finding]:
    """Columns that are mostly empty, and columns that are empty together."""
    import polars as pl

    for item in features:
        if item.missing > MANY_MISSING:
            text = f"{item.missing:.0%} of {item.name!r} is missing"
            yield Finding("missing", "note", (item.name,), text, value=item.missing)
    some = [item.name for item in features if 0.005 < item.missing < 1.0]
    if len(some) < 2 or len(some) > 200:
        return
    masks = sample.select(pl.col(some).is_null())
    places = masks.select(pl.all() * pl.int_range(1, pl.len() + 1)).sum()
    patterns: dict[int, list[str]] = {}
    for name in some:
        patterns.setdefault(places[name][0], []).append(name)
    for names in patterns.values():
        if len(names) > 1 and all(masks[names[0]].equals(masks[name], check_names=False) for name in names[1:]):
            count = int(masks[names[0]].sum())
            text = f"{listing(names)} are missing in the same rows ({count / sample.height:.1%})"
            yield Finding("missing_together", "note", tuple(names), text, count, value=count / sample.height)


def _repeated(sample: pl.DataFrame, dataset: Dataset, task: str) -> Iterator[Finding]:
    """Rows that stand there twice, nearly twice, or with two different labels."""
    import polars as pl

    schema = dataset.schema
    features = [item.name for item in schema.features if item.name != schema.target]
    if not features:
        return
    label = [schema.target] if schema.target is not None else []
    key = sample.select(features).hash_rows(seed=0)
    whole = sample.select([*features, *label]).hash_rows(seed=0) if label else key
    again = ~whole.is_first_distinct()
    scope = "" if sample.height == dataset.rows else f" of {sample.height:,} looked at"
    if again.any():
        count = int(again.sum())
        share = count / sample.height
        text = f"{count:,} rows{scope} ({share:.1%}) repeat an earlier one in every column that is learned from"
        severity = "warning" if share > 0.05 and len(features) > 3 else "note"
        yield Finding("duplicates", severity, (), text, count, _rows(sample, again), share)
    if label and task == "classification":
        table = pl.DataFrame({"key": key, "whole": whole})
        torn = table.select(pl.col("whole").n_unique().over("key") > 1).to_series()
        if torn.any():
            count = int(torn.sum())
            text = f"{count:,} rows{scope} are alike in every column but have different labels"
            yield Finding("contradictions", "note", (str(schema.target),), text, count, _rows(sample, torn),
                          count / sample.height)  # fmt: skip
    near = sample.select(_rounded(sample[name]) for name in features).hash_rows(seed=0)
    close = ~near.is_first_distinct() & key.is_first_distinct()
    if close.any():
        count = int(close.sum())
        text = f"{count:,} rows{scope} are nearly like an earlier one: numbers rounded, case and blanks left aside"
        yield Finding("near_duplicates", "note", (), text, count, _rows(sample, close), count / sample.height)


def _rounded(column: pl.Series) -> pl.Series:
    import polars as pl

    if column.dtype.is_float():
        return column.round_sig_figs(3)
    if column.dtype == pl.String:
        return column.str.to_lowercase().str.replace_all(r"[\W_]+", " ").str.strip_chars()
    return column


def _rows(sample: pl.DataFrame, mask: pl.Series) -> tuple[int, ...]:
    return tuple(int(row) for row in sample[ROW].filter(mask.fill_null(False)).head(SHOWN))


def _many_values(item: Field, rows: int) -> Iterator[Finding]:
    if item.kind == "category" and item.unique and (item.unique > MANY_VALUES or item.unique > max(50, rows * 0.2)):
        text = f"{item.name!r} has {item.unique:,} categories in {rows:,} rows: the rare ones are pooled"
        yield Finding("high_cardinality", "note", (item.name,), text, value=float(item.unique))


def _variants(column: pl.Series, item: Field) -> Iterator[Finding]:
    """Categories that differ only in case, blanks or punctuation."""
    import polars as pl

    if item.kind != "category" or column.dtype != pl.String:
        return
    values = column.drop_nulls().unique()
    if len(values) > 20_000:
        return
    plain = values.str.to_lowercase().str.replace_all(r"[\s_\-.]+", " ").str.strip_chars()
    table = (
        pl.DataFrame({"value": values, "plain": plain})
        .group_by("plain")
        .agg("value")
        .filter(pl.col("value").list.len() > 1)
    )
    if not table.height:
        return
    groups = sorted(sorted(group) for group in table["value"].to_list())
    strange = [value for group in groups for value in group]
    count = int(column.is_in(strange).sum())
    shown = "; ".join(" / ".join(map(repr, group[:4])) for group in groups[:3])
    text = f"{item.name!r} writes the same category in different ways: {shown}"
    yield Finding("variants", "warning", (item.name,), text, count, value=float(len(groups)))


def _outliers(column: pl.Series, item: Field) -> Iterator[Finding]:
    """Values further from the quartiles than three times their distance (Tukey's outer fences)."""
    if item.kind != "number" or not column.dtype.is_numeric():
        return
    low, high = column.quantile(0.25), column.quantile(0.75)
    if low is None or high is None or not high > low:
        return
    far = FAR * (high - low)
    count = int(((column < low - far) | (column > high + far)).sum())
    share = count / max(1, len(column) - column.null_count())
    if share > 0.05:
        text = f"{share:.1%} of {item.name!r} lies far out: beyond {low - far:.4g} or {high + far:.4g}"
        yield Finding("outliers", "note", (item.name,), text, count, value=share)


def _labels(sample: pl.DataFrame, dataset: Dataset, task: str) -> Iterator[Finding]:
    """Rows without a label, and classes of very different size."""
    target = str(dataset.schema.target)
    share = dataset.schema.field(target).missing
    if share:
        count = round(share * dataset.rows)
        text = f"{count:,} rows ({share:.1%}) have no {target!r} and are left out"
        yield Finding("target_missing", "note", (target,), text, count, value=share)
    if task != "classification":
        return
    counts = label_text(sample[target]).drop_nulls().alias("label").value_counts().sort("count")
    if counts.height < 2:
        return
    smallest = float(counts["count"][0]) / float(counts["count"].sum())
    even = 1 / counts.height
    if smallest < 0.2 * even:
        text = f"{counts['label'][0]!r} is the label of {smallest:.2%} of the rows: accuracy says little here"
        severity = "warning" if smallest < 0.05 * even else "note"
        yield Finding("imbalance", severity, (target,), text, int(counts["count"][0]), value=smallest)
    elif counts.height > 100:
        yield Finding("imbalance", "note", (target,), f"{target!r} has {counts.height} classes", value=smallest)
