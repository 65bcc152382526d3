"""What the columns mean: types from all rows, kinds from a sample by asking every modality, roles from the spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.errors import TreadleError, did_you_mean, listing, raise_all
from treadle.core.labels import label_text, named_label
from treadle.core.types import DROPPED, FEATURE, GROUP, SERIES, TARGET, Field, Schema
from treadle.core.types import TIME as TIME_ROLE
from treadle.core.values import MISSING
from treadle.spec.data import Data

if TYPE_CHECKING:
    import polars as pl

WEIGHT = "weight"
AS_WRITTEN = ("category", "text", "id", "image", "audio", "time", "boolean")
LEADING_ZERO = r"^[+-]?0\d"
WORDS = ("true", "false")
MISTAKES = 0.05
EXACT = 100_000
LISTED = 1_000
MANY_LABELS = 2_000_000

Place = Callable[[int], str]


@dataclass(frozen=True)
class Settled:
    """One column before its facts are known.

    Attributes:
        field: name, kind, role, reason.
        dtype: what text becomes; None for what stays as it is.
    """

    field: Field
    dtype: Any = None


def check_columns(names: list[str], data: Data) -> None:
    """Every column that the spec names must be there; all that are not are told at once."""
    problems = []
    for place, wanted in (
        ("data.target", [data.target]),
        ("data.time", [data.time]),
        ("data.group", [data.group]),
        ("data.series", [data.series]),
        ("data.weight", [data.weight]),
        ("data.drop", data.drop),
        ("data.sensitive", data.sensitive),
        ("data.columns", data.columns),
        ("data.expect", data.expect),
    ):
        for name in wanted:
            if name is not None and name not in names:
                hint = did_you_mean(name, names)
                problems.append(
                    TreadleError(f"there is no column {name!r}{hint}", where=place, expected=f"one of {listing(names)}")
                )
    if data.target is not None and data.target in data.drop:
        problems.append(TreadleError(f"the target {data.target!r} is dropped", where="data.drop",
                                     remedy="leave it out of `drop`"))  # fmt: skip
    raise_all(problems)


def plain(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """The same rows in the types that the stages know: text, numbers, booleans, dates, moments, bytes.

    Text loses the blanks around it and the usual words for nothing; not-a-number and infinities become missing; lists
    and structs become their text.
    """
    import polars as pl

    found = []
    for name, dtype in lazy.collect_schema().items():
        column = pl.col(name)
        if dtype in (pl.String, pl.Categorical, pl.Enum):
            text = column.cast(pl.String).str.strip_chars()
            found.append(pl.when(~text.is_in(list(MISSING))).then(text).alias(name))
        elif dtype.is_float():
            found.append(pl.when(column.is_finite()).then(column).alias(name))
        elif dtype.is_decimal() or dtype == pl.Int128:
            found.append(column.cast(pl.Float64))
        elif dtype == pl.Duration:
            found.append(column.dt.total_microseconds().cast(pl.Float64) / 1e6)
        elif dtype in (pl.Null, pl.Time):
            found.append(column.cast(pl.String))
        elif dtype == pl.Struct:
            found.append(column.struct.json_encode())
        elif dtype in (pl.List, pl.Array):
            found.append(column.map_elements(lambda item: str(list(item)), return_dtype=pl.String))
        else:
            found.append(column)
    return lazy.select(found)


def settle(
    raw: pl.LazyFrame, batches: Callable[[], Iterator[pl.DataFrame]], sample: pl.DataFrame, data: Data, place: Place
) -> list[Settled]:
    """Type, kind and role of every column.

    Args:
        raw: all rows, as `plain` leaves them.
        batches: the same in frames, a new pass with each call.
        sample: some of them, spread over all.
        data: what the spec says.
        place: where a row lies, for messages.
    """
    import polars as pl

    candidates = {}
    for name in sample.columns:
        dtype = _candidate(sample[name], data.columns.get(name))
        if dtype is not None:
            candidates[name] = dtype
    counts = _counted(batches, candidates)
    problems: list[TreadleError] = []
    found = []
    for name in sample.columns:
        dtype, barred, note = candidates.get(name), set[str](), ""
        if dtype is not None:
            try:
                dtype, note = _held(name, dtype, counts, data, raw, place)
            except TreadleError as error:
                problems.append(error)
                continue
        if dtype is None and sample.schema[name] == pl.String:
            barred.add("number")
        if name in (data.target, data.time, data.weight):
            barred.add("id")
        column = sample[name] if dtype is None else typed(sample[name], dtype)
        field = _field(column, data, barred)
        found.append(Settled(replace(field, reason=note or field.reason), dtype))
    raise_all(problems)
    return found


def _candidate(column: pl.Series, said: str | None) -> Any:
    """What the text of a sample could become: Int64, Float64 or Boolean; None for other text and other types."""
    import polars as pl

    if column.dtype != pl.String or said in AS_WRITTEN:
        return None
    present = column.drop_nulls()
    if not len(present):
        return pl.Float64 if said == "number" else None
    numbers = present.cast(pl.Float64, strict=False)
    if said == "number":
        return pl.Int64 if present.cast(pl.Int64, strict=False).null_count() == 0 else pl.Float64
    if present.str.to_lowercase().is_in(WORDS).all():
        return pl.Boolean
    if present.str.contains(LEADING_ZERO).any():
        return None
    if numbers.null_count() > 0:
        mostly = numbers.null_count() <= MISTAKES * len(present) and numbers.n_unique() > 20
        return pl.Float64 if mostly else None
    if present.str.contains(r"^[+-]?\d+$").all():
        if present.cast(pl.Int64, strict=False).null_count() == 0:
            return pl.Int64
        # Whole numbers beyond 64 bits: as Float64 they would run together, and a column of them is a code.
        return None if numbers.n_unique() < present.n_unique() else pl.Float64
    return pl.Float64


def _counted(batches: Callable[[], Iterator[pl.DataFrame]], candidates: Mapping[str, Any]) -> dict[str, int]:
    """Over all rows and for each candidate: values present, and those that do not read as each type."""
    import polars as pl

    asked = []
    for name, dtype in candidates.items():
        column = pl.col(name)
        asked.append(column.count().alias(f"{name} present"))
        asked.append(_broken(name, dtype).sum().alias(f"{name} broken"))
        if dtype == pl.Int64:
            asked.append(_broken(name, pl.Float64).sum().alias(f"{name} no number"))
            asked.append(column.str.contains(LEADING_ZERO).sum().alias(f"{name} zero"))
    if not asked:
        return {}
    found: dict[str, int] = {}
    for batch in batches():
        for key, value in batch.select(asked).row(0, named=True).items():
            found[key] = found.get(key, 0) + int(value or 0)
    return found


def _broken(name: str, dtype: Any) -> pl.Expr:
    """Whether a value is there that does not read as this type."""
    import polars as pl

    column = pl.col(name)
    if dtype == pl.Boolean:
        return ~column.str.to_lowercase().is_in(WORDS)
    return column.is_not_null() & column.cast(dtype, strict=False).is_null()


def _held(
    name: str, dtype: Any, counts: Mapping[str, int], data: Data, raw: pl.LazyFrame, place: Place
) -> tuple[Any, str]:
    """The candidate held against all rows: the type that fits, and the reason where it is worth a word.

    Raises:
        TreadleError: a few values among many numbers that are none, with the place of the first.
    """
    import polars as pl

    present, broken = counts[f"{name} present"], counts[f"{name} broken"]
    said = data.columns.get(name)
    if dtype == pl.Boolean:
        return (dtype, "") if not broken else (None, "")
    if counts.get(f"{name} zero") and said != "number":
        return None, ""
    if dtype == pl.Int64 and broken and not counts[f"{name} no number"]:
        return pl.Float64, "whole numbers, and some with a fraction or beyond 64 bits"
    bad = counts.get(f"{name} no number", broken) if dtype == pl.Int64 else broken
    if not bad:
        return dtype, ""
    if name in data.drop:
        return None, ""
    first = raw.with_row_index("row 0").filter(_broken(name, pl.Float64)).select("row 0", name).head(1).collect()
    row, value = int(first[0, 0]), str(first[0, 1])
    if said != "number" and bad > MISTAKES * present:
        return None, f"{bad:,} of {present:,} values are no numbers, such as {value[:40]!r}"
    others = "" if bad == 1 else f", and so are {bad - 1:,} more of {present:,}"
    raise TreadleError(
        f"{value[:80]!r} is no number{others}", where=f"{place(row)}: column {name!r}",
        expected="a number, or nothing, as in the other rows",
        remedy=f"mend the value, or say `columns: {{{name}: category}}` under `data`",
    )  # fmt: skip


def typed(column: pl.Series, dtype: Any) -> pl.Series:
    """Text as the type that was settled; infinities become missing."""
    import polars as pl

    if dtype == pl.Boolean:
        return column.str.to_lowercase() == "true"
    values = column.cast(dtype, strict=False)
    return values if dtype != pl.Float64 else values.set(values.is_infinite().fill_null(False), None)


def _field(column: pl.Series, data: Data, barred: set[str]) -> Field:
    import polars as pl

    name = column.name
    options: Mapping[str, Any] = {}
    if name in data.columns:
        kind, reason, inferred = str(data.columns[name]), "said in the spec", False
    else:
        kind, reason = _kind(column, barred)
        inferred = True
    modality = registry.load("modalities", kind, where=f"data.columns.{name}")()
    if hasattr(modality, "options"):
        options = modality.options(column)
    role = FEATURE
    if name == data.target:
        role = TARGET
    elif name in data.drop:
        role, reason = DROPPED, "dropped by the spec"
    elif name == data.weight:
        role = WEIGHT
    elif name == data.group:
        role = GROUP
    elif name == data.series:
        role = SERIES
    elif name == data.time:
        role = TIME_ROLE
    elif column.dtype == pl.Binary and inferred:
        role, reason = DROPPED, "holds bytes that no kind reads"
    return Field(name, kind, str(column.dtype), role, reason, inferred, options=options)


def _kind(column: pl.Series, barred: set[str]) -> tuple[str, str]:
    """The modality that is surest of the column, and why."""
    best = (0.0, "category", "nothing else fits")
    for name in registry.names("modalities"):
        guess = None if name in barred else registry.load("modalities", name)().infer(column)
        if guess and guess[0] > best[0]:
            best = (guess[0], name, guess[1])
    return best[1], best[2]


def convert(frame: pl.DataFrame, settled: list[Settled], before: int, place: Place) -> pl.DataFrame:
    """A batch in its settled types.

    Args:
        frame: as read.
        settled: the columns.
        before: number of rows in the batches before this one.
        place: where a row lies, for messages.
    """
    import polars as pl

    columns = []
    for item in settled:
        column = frame[item.field.name]
        if item.dtype is not None:
            column = typed(column, item.dtype)
        elif item.field.kind == "time" or (item.field.kind == "number" and column.dtype == pl.String):
            column = _decoded(column, item.field, before, place)
        columns.append(column)
    return pl.DataFrame(columns)


def _decoded(column: pl.Series, field: Field, before: int, place: Place) -> pl.Series:
    try:
        return registry.load("modalities", field.kind)().decode(column, field).alias(field.name)  # type: ignore[no-any-return]
    except TreadleError as error:
        row = re.search(r"row (\d+)", error.where or "")
        where = f"{place(before + int(row[1]) - 1)}: column {field.name!r}" if row else error.where
        remedy = f"mend the value, or say `columns: {{{field.name}: category}}` under `data`"
        raise TreadleError(error.problem, where=where, expected=error.expected, remedy=remedy) from None


def describe(frame: pl.LazyFrame, rows: int, settled: list[Settled], sample: pl.DataFrame, data: Data) -> Schema:
    """The schema with missing rates, ranges and categories of all rows, and the roles that rest on them."""
    facts = _facts(frame, rows, [item.field for item in settled])
    fields = []
    for item in settled:
        known = facts[item.field.name]
        field = replace(item.field, **known)
        present = rows * (1.0 - field.missing)
        if field.kind == "id" and field.inferred and (field.unique or 0) < 0.9 * present:
            # Distinct in the sample, but not in all rows.
            column = sample[field.name] if item.dtype is None else typed(sample[field.name], item.dtype)
            kind, reason = _kind(column, {"id"})
            field = replace(field, kind=kind, reason=reason)
        if field.role == FEATURE:
            field = _kept(field)
        fields.append(field)
    labels = _labels(frame, rows, fields, sample)
    fields = [replace(field, categories=labels.get(field.name)) for field in fields]
    schema = Schema(tuple(fields), data.target, data.time, data.group, data.series, tuple(data.sensitive))
    _check_roles(schema, data)
    return schema


def _kept(field: Field) -> Field:
    """A feature, or not: identifiers and columns without two different values are left out."""
    if field.missing >= 1.0:
        return replace(field, role=DROPPED, reason="nothing but missing values")
    if (field.unique or 0) <= 1 and field.missing == 0.0:
        return replace(field, role=DROPPED, reason="constant")
    if field.kind == "id" and field.inferred:
        return replace(field, role=DROPPED, reason=f"an identifier: {field.reason}")
    if field.kind == "id":
        return replace(field, role=DROPPED, reason="an identifier, said in the spec")
    return field


def _facts(frame: pl.LazyFrame, rows: int, fields: list[Field]) -> dict[str, dict[str, Any]]:
    """Missing rate, number of values and range of each column: one or two passes, in small memory."""
    import polars as pl

    types = frame.collect_schema()
    asked = []
    for position, field in enumerate(fields):
        column = pl.col(field.name)
        asked.append(column.null_count().alias(f"{position} gaps"))
        count = column.drop_nulls().n_unique() if rows <= EXACT else column.drop_nulls().approx_n_unique()
        asked.append(count.alias(f"{position} unique"))
        if field.kind in ("number", "time"):
            asked += [column.min().alias(f"{position} low"), column.max().alias(f"{position} high")]
    row = frame.select(asked).collect(engine="streaming").row(0, named=True)
    if rows > EXACT:
        few = [i for i in range(len(fields)) if row[f"{i} unique"] <= 1.1 * EXACT]
        exact = [pl.col(fields[i].name).drop_nulls().n_unique().alias(f"{i} unique") for i in few]
        if exact:
            row |= frame.select(exact).collect(engine="streaming").row(0, named=True)
    found = {}
    for position, field in enumerate(fields):
        facts: dict[str, Any] = {
            "dtype": str(types[field.name]),
            "missing": row[f"{position} gaps"] / rows,
            "unique": int(row[f"{position} unique"]),
        }
        for end in ("low", "high"):
            value = row.get(f"{position} {end}")
            if value is not None:
                facts[end] = value.isoformat() if hasattr(value, "isoformat") else float(value)
        found[field.name] = facts
    return found


def _labels(frame: pl.LazyFrame, rows: int, fields: list[Field], sample: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """The values of categories, booleans and a target of few values, as text, most frequent first."""
    import polars as pl

    wanted = [
        field.name
        for field in fields
        if field.kind in ("category", "boolean") or (field.role == TARGET and (field.unique or 0) <= LISTED)
    ]
    # More distinct values than memory should hold: the frequent ones are seen in the sample as well.
    huge = {field.name for field in fields if (field.unique or 0) > MANY_LABELS}
    tables = pl.collect_all(
        [
            (sample.lazy() if name in huge else frame).select(pl.col(name).drop_nulls()).group_by(name).len()
            for name in wanted
        ],
        engine="streaming",
    )
    found = {}
    for name, table in zip(wanted, tables, strict=True):
        text = label_text(table[name])
        counts = table.select(value=text, count="len").group_by("value").agg(pl.col("count").sum())
        top = counts.sort(["count", "value"], descending=[True, False]).head(LISTED)
        found[name] = tuple(top["value"].to_list())
    return found


def _check_roles(schema: Schema, data: Data) -> None:
    """Columns that have a special part to play must be fit for it; all problems are told at once."""
    problems = []
    if data.target is not None:
        target = schema.field(data.target)
        if not target.unique:
            problems.append(TreadleError(f"the target {target.name!r} holds nothing but missing values",
                                         where="data.target", expected="a value in some rows"))  # fmt: skip
        elif target.unique == 1:
            only = (target.categories or (str(target.low),))[0]
            problems.append(TreadleError(f"the target {target.name!r} has one value only ({only!r})",
                                         where="data.target", expected="at least two"))  # fmt: skip
        if data.positive is not None and target.categories:
            try:
                named_label(data.positive, target.categories)
            except TreadleError as error:
                problems.append(error)
    for place, name, kinds in (("data.time", data.time, ("time", "number")), ("data.weight", data.weight, ("number",))):
        if name is not None and schema.field(name).kind not in kinds:
            field = schema.field(name)
            problems.append(TreadleError(
                f"the column {name!r} is of kind {field.kind} ({field.reason})", where=place,
                expected=f"a column of kind {' or '.join(kinds)}",
            ))  # fmt: skip
    raise_all(problems)
