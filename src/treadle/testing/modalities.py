"""What every kind of column promises, as one check: ``check_modality(MyKind)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.types import Field, Needs
from treadle.testing._state import hold
from treadle.testing.transforms import check_encoder, example_column

if TYPE_CHECKING:
    import polars as pl

NEEDS = (
    Needs(frozenset({"number", "category", "text", "time", "boolean"}), missing=True),
    Needs(frozenset({"number", "category"}), missing=True),
    Needs(frozenset({"number"}), missing=True),
    Needs(frozenset({"number"}), missing=False),
    Needs(frozenset({"number"}), missing=False, scaled=True),
    Needs(frozenset({"number"}), missing=True, scaled=True),
)


def example_columns(rows: int = 80) -> list[pl.Series]:
    """Columns as they come out of sources: clean and dirty, of every type, with nothing in them."""
    import datetime

    import polars as pl

    made = [example_column(kind, rows=rows, name=kind) for kind in ("number", "category", "boolean", "text", "time")]
    day = datetime.date(2024, 3, 1)
    return [
        *made,
        pl.Series("count", [row % 7 for row in range(rows)]),
        pl.Series("id", list(range(1, rows + 1))),
        pl.Series("key", [f"k{row * 7919 % 100_003:x}" for row in range(rows)]),
        pl.Series("amount", [" 1.5 ", "2", "", "NA", "-3e2"] * (rows // 5)),
        pl.Series("zip", ["01234", "98765", None, "00501"] * (rows // 4)),
        pl.Series("flag", ["yes", "no", " Yes ", "", None] * (rows // 5)),
        pl.Series("stored", [True, False, None, True] * (rows // 4)),
        pl.Series("level", ["a", "b", None, "a"] * (rows // 4), dtype=pl.Categorical),
        pl.Series("fixed", ["a", "b", None, "a"] * (rows // 4), dtype=pl.Enum(["a", "b"])),
        pl.Series("price", [1.5, 2.25, None, 3.0] * (rows // 4)).cast(pl.Decimal(10, 2)),
        pl.Series("day", [day + datetime.timedelta(days=row) for row in range(rows)]),
        pl.Series("said", [f"{row % 28 + 1:02d}.03.2024" for row in range(rows)]),
        pl.Series("zoned", [f"2024-03-{row % 28 + 1:02d}T10:00:00+02:00" for row in range(rows)]),
        pl.Series("constant", ["same"] * rows),
        pl.Series("nothing", [None] * rows),
        pl.Series("gaps", [None] * rows, dtype=pl.String),
        pl.Series("infinite", [float("inf"), float("nan"), 1.0, 2.0] * (rows // 4)),
        pl.Series("none", [], dtype=pl.String),
        pl.Series("single", ["one"]),
        pl.Series("nested", [[1, 2]] * rows),
    ]


def check_modality(component: Any, columns: Sequence[pl.Series] = ()) -> None:
    """Put a kind of column through what every kind must do.

    `infer` looks at any column without failing and gives a reason; decoding is stable, keeps rows and gaps, and names
    the row of what it cannot read; profiles of two halves merge to that of the whole; every encoder passes
    `check_encoder` for every sort of model, and takes a thousand columns.

    Args:
        component: the class.
        columns: columns of its kind, besides the built-in ones.

    Raises:
        AssertionError: naming the promise that is broken.
    """
    modality = component()
    claimed = []
    for column in [*columns, *example_columns()]:
        guess = modality.infer(column)
        if guess is None:
            continue
        sure, reason = guess
        hold(0.0 < sure <= 1.0, f"{column.name}: {sure} is no probability")
        hold(reason, f"{column.name}: a guess needs a reason")
        if len(column) > 1 and column.null_count() < len(column):
            claimed.append(column)
    hold(claimed, "none of the example columns is of this kind: pass some as `columns`")
    for column in claimed:
        _check_column(modality, column, damage=column is claimed[0])
    names = modality.defaults("classification")
    hold(not isinstance(names, str) and all(isinstance(name, str) for name in names), "defaults are names of models")
    _check_thousand(modality, claimed[0])


def _field(modality: Any, column: pl.Series) -> Field:
    options = getattr(modality, "options", None)
    kind = type(modality).__module__.rsplit(".", 1)[-1]
    return Field(column.name, kind, str(column.dtype), options=options(column) if options else {})


def _check_column(modality: Any, column: pl.Series, *, damage: bool) -> None:
    import polars as pl
    from polars.testing import assert_series_equal

    field = _field(modality, column)
    decoded = modality.decode(column, field)
    hold(len(decoded) == len(column), "decoding lost rows")
    hold(decoded.name == column.name, "decoding lost the name")
    assert_series_equal(modality.decode(decoded, field), decoded, check_exact=True)
    for row in range(min(5, len(column))):
        assert_series_equal(modality.decode(column[row : row + 1], field), decoded[row : row + 1], check_exact=True)
    hold(len(modality.decode(column.head(0), field)) == 0, "no rows became some")
    nothing = modality.decode(pl.Series(column.name, [None, None]), field)
    hold(nothing.null_count() == 2, "missing values became something")
    _check_profile(modality, decoded)
    for needs in NEEDS:
        try:
            modality.encoder((field,), needs)
        except TreadleError:
            return
        raw = field.kind in needs.raw and field.kind != "number"
        check_encoder(
            lambda needs=needs: modality.encoder((field,), needs),  # type: ignore[misc]
            decoded.to_frame(),
            missing=needs.missing or raw,
            damage=damage and needs in (NEEDS[0], NEEDS[4]),
        )


def _check_profile(modality: Any, column: pl.Series) -> None:
    whole = modality.profile(column)
    hold(whole.rows == len(column), "a profile counts every row")
    half = len(column) // 2
    parts = modality.profile(column[:half], whole).merge(modality.profile(column[half:], whole))
    for name in ("rows", "missing", "counts", "categories", "other"):
        hold(getattr(parts, name) == getattr(whole, name), f"two halves merge to another {name}")
    hold(abs(parts.mean - whole.mean) <= 1e-6 * max(1.0, abs(whole.mean)), "two halves merge to another mean")
    hold(modality.profile(column.head(0), whole).rows == 0, "no rows have a profile of none")


def _check_thousand(modality: Any, column: pl.Series) -> None:
    import polars as pl

    field = _field(modality, column)
    decoded = modality.decode(column, field)
    many = pl.DataFrame([decoded.rename(f"c{number}") for number in range(1000)])
    fields = tuple(_field(modality, many[name]) for name in many.columns)
    for needs in (NEEDS[1], NEEDS[4]):
        try:
            encoder = modality.encoder(fields, needs)
        except TreadleError:
            return
        hold(encoder.fit(many).apply(many).values.shape[0] == many.height, "a thousand columns do not fit through")
