"""Hold the data against what the spec expects, and look for what usually goes wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.errors import TreadleError, listing, raise_all
from treadle.core.labels import label_text
from treadle.core.types import Field
from treadle.spec.data import Expectation
from treadle.spec.spec import Spec
from treadle.stages import quality
from treadle.stages.values import Dataset, Finding, Job, Quality

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

INPUTS = ("ingest",)
VALUE = Quality
SHOWN = 5
SAMPLE = 50_000


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return {"data": spec.data.model_dump(mode="json", include={"expect", "rows", "target", "time"}), "task": spec.task}


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """Dates in an expectation are read as dates in the data are."""
    return [("modalities", "time")]


def run(job: Job) -> Quality:
    """The findings; everything that breaks an expectation is raised together, as one error.

    The whole of a column is held against its expectation; what usually goes wrong is looked for among 50,000 rows at
    most, taken evenly.
    """
    import polars as pl

    dataset: Dataset = job.inputs["ingest"].value
    lazy = pl.scan_parquet(job.inputs["ingest"].folder / "data.parquet")
    data = job.spec.data
    broken = list(_row_count(dataset.rows, data.rows.min, data.rows.max))
    for name, expected in data.expect.items():
        column = lazy.select(name).collect().to_series()
        broken.extend(violations(column, dataset.schema.field(name), expected))
    broken.extend(_target(lazy, dataset, str(job.spec.task)))
    raise_all([_told(finding) for finding in broken])
    step = max(1, -(-dataset.rows // SAMPLE))
    rows = lazy.with_row_index("row number", offset=1)
    sample = (rows if step == 1 else rows.gather_every(step)).collect()
    return Quality(tuple(quality.inspect(sample, dataset, str(job.spec.task))))


def violations(column: pl.Series, field: Field, expected: Expectation) -> list[Finding]:
    """Where a column is not as expected: one finding for each rule that is broken, with the first rows.

    Args:
        column: its values, in the type that the dataset has.
        field: what the column means.
        expected: the rules; a missing value breaks only the rule on missing ones.
    """
    found = [_range(column, field, expected), _missing(column, expected), _categories(column, expected)]
    found += [_unique(column, expected), _pattern(column, expected)]
    return [finding for finding in found if finding is not None]


def _told(finding: Finding) -> TreadleError:
    rows = f" (row{'s' if len(finding.examples) > 1 else ''} {listing(map(str, finding.examples))})"
    more = ", ..." if finding.rows and finding.rows > len(finding.examples) else ""
    place = f"data.expect.{finding.columns[0]}.{finding.check}" if finding.columns else f"data.{finding.check}"
    shown = rows[:-1] + more + ")" if finding.examples else ""
    return TreadleError(
        finding.text + shown,
        where="data.target" if finding.check == "target" else place,
        remedy="mend the data, or the expectation" if finding.check != "target" else None,
    )


def _finding(check: str, name: str, broken: pl.Series, text: str) -> Finding | None:
    """An error about the rows in which ``broken`` is true; None when there are none."""
    rows = broken.fill_null(False).arg_true()
    if not len(rows):
        return None
    count = len(rows)
    shown = tuple(int(row) + 1 for row in rows.head(SHOWN))
    says = f"{count:,} value{'s' if count > 1 else ''} of {name!r} {text}"
    return Finding(check, "error", (name,), says, count, shown, count / len(broken))


def _row_count(rows: int, low: int | None, high: int | None) -> Iterator[Finding]:
    if low is not None and rows < low:
        yield Finding("rows.min", "error", (), f"the data has {rows:,} rows, at least {low:,} are expected", rows)
    if high is not None and rows > high:
        yield Finding("rows.max", "error", (), f"the data has {rows:,} rows, at most {high:,} are expected", rows)


def _range(column: pl.Series, field: Field, expected: Expectation) -> Finding | None:
    if expected.min is None and expected.max is None:
        return None
    low = _bound(expected.min, column, field, "min")
    high = _bound(expected.max, column, field, "max")
    if column.dtype.is_float():
        column = column.fill_nan(None)
    outside = column.is_null() & False
    if low is not None:
        outside |= column < low
    if high is not None:
        outside |= column > high
    span = " ".join(
        [f"from {expected.min}"] * (expected.min is not None) + [f"to {expected.max}"] * (expected.max is not None)
    )
    low_seen, high_seen = column.min(), column.max()
    extremes = f"they reach from {low_seen!s} to {high_seen!s}"
    return _finding("range", field.name, outside, f"lie outside the range {span}; {extremes}")


def _bound(value: float | str | None, column: pl.Series, field: Field, key: str) -> Any:
    """A bound in the column's own type."""
    import polars as pl

    place = f"data.expect.{field.name}.{key}"
    if value is None:
        return None
    if column.dtype.is_temporal():
        given = pl.Series(key, [value if isinstance(value, str) else int(value)])
        try:
            moment = registry.load("modalities", "time")().decode(given, Field(key, "time", "String"))[0]
        except TreadleError:
            moment = None
        if moment is None:
            raise TreadleError(f"{value!r} is not a date", where=place, expected="a date such as 2026-11-23")
        return moment.date() if column.dtype == pl.Date else moment
    if not column.dtype.is_numeric():
        raise TreadleError(
            f"{field.name!r} is of kind {field.kind}, which has no order", where=place,
            expected="a number or a time", remedy="use `categories` or `regex` for text",
        )  # fmt: skip
    try:
        return float(value)
    except ValueError:
        raise TreadleError(f"{value!r} is not a number", where=place) from None


def _missing(column: pl.Series, expected: Expectation) -> Finding | None:
    if expected.missing is None:
        return None
    gaps = column.is_null()
    if column.dtype.is_float():
        gaps |= column.is_nan().fill_null(False)
    share = float(gaps.mean() or 0.0)  # type: ignore[arg-type]
    if share <= expected.missing:
        return None
    return _finding("missing", column.name, gaps, f"are missing, {share:.1%}; at most {expected.missing:.1%} may be")


def _categories(column: pl.Series, expected: Expectation) -> Finding | None:
    import polars as pl

    if expected.categories is None:
        return None
    allowed = {_label(value) for value in expected.categories}
    text = label_text(column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column)
    strange = ~text.is_in(list(allowed)) & text.is_not_null()
    values = text.filter(strange.fill_null(False)).unique(maintain_order=True).head(SHOWN).to_list()
    says = f"are not among the {len(allowed)} categories expected, such as {listing(map(repr, values))}"
    return _finding("categories", column.name, strange, says)


def _label(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _unique(column: pl.Series, expected: Expectation) -> Finding | None:
    if not expected.unique:
        return None
    again = column.is_not_null() & ~column.is_first_distinct()
    return _finding("unique", column.name, again, "came before, each may come once")


def _pattern(column: pl.Series, expected: Expectation) -> Finding | None:
    import polars as pl

    if expected.regex is None:
        return None
    text = label_text(column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column)
    place = f"data.expect.{column.name}.regex"
    try:
        re.compile(expected.regex)
        matched = text.str.contains(f"^(?:{expected.regex})$")
    except (re.error, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise TreadleError(f"not a regular expression: {expected.regex!r} ({reason})", where=place) from None
    strange = ~matched
    values = text.filter(strange.fill_null(False)).unique(maintain_order=True).head(3).to_list()
    says = f"do not match {expected.regex!r}, such as {listing(map(repr, values))}"
    return _finding("regex", column.name, strange, says)


def _target(lazy: pl.LazyFrame, dataset: Dataset, task: str) -> Iterator[Finding]:
    """A target that nothing can be learned from."""
    from treadle.stages.split import labelled

    name = dataset.schema.target
    if name is None or task not in ("classification", "regression"):
        return
    frame = lazy.select(name).collect()
    known = frame[name].filter(labelled(frame, name, task))
    if not len(known):
        yield Finding("target", "error", (name,), f"the target {name!r} is missing in every row", frame.height)
    elif known.n_unique() == 1:
        kind = "one class only" if task == "classification" else "one value only"
        text = f"the target {name!r} has {kind}, {known[0]!r}: there is nothing to learn"
        yield Finding("target", "error", (name,), text, len(known))
