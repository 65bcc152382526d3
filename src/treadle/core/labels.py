"""Labels: the target as text, as codes, as classes in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.tasks import task_named

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

WORDS = {True: ("true", "yes", "1", "y", "t"), False: ("false", "no", "0", "n", "f")}


def named_label(wanted: object, labels: Sequence[str]) -> str:
    """The label that the spec means. YAML reads ``yes`` and ``no`` as booleans, so a boolean finds those words too.

    Raises:
        TreadleError: there is no such label.
    """
    text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    if text in labels:
        return text
    if isinstance(wanted, bool):
        for label in labels:
            if label.lower() in WORDS[wanted]:
                return label
    raise TreadleError(
        f"the target has no class {text!r}{did_you_mean(text, labels)}",
        where="data.positive",
        expected=f"one of {listing(labels)}",
    )


def encode_target(column: pl.Series, task: str, classes: Sequence[str]) -> Array:
    """The target as int64 codes of ``classes``, or as float64 values.

    Raises:
        TreadleError: a label that is not among the classes, a missing or unreadable value, with its row.
    """
    import numpy as np
    import polars as pl

    if task_named(task).truth == "values":
        values = column.cast(pl.Float64, strict=False)
        if values.null_count() or values.is_nan().any():
            row = int((values.is_null() | values.is_nan()).arg_true()[0])
            raise TreadleError(
                f"{column[row]!r} is not a number", where=f"column {column.name!r}, row {row + 1}",
                expected="a number in every row of a regression's target",
            )  # fmt: skip
        return values.to_numpy()
    text = label_text(column)
    codes = text.replace_strict(
        {label: code for code, label in enumerate(classes)}, default=None, return_dtype=pl.Int64
    )
    if codes.null_count():
        row = int(codes.is_null().arg_true()[0])
        raise TreadleError(
            f"the label {column[row]!r} is not among the classes", where=f"column {column.name!r}, row {row + 1}",
            expected=f"one of {listing(classes)}",
        )  # fmt: skip
    return codes.to_numpy().astype(np.int64)


def label_text(column: pl.Series) -> pl.Series:
    """Labels as text: booleans as ``true``/``false``, whole numbers without a point, text without blanks around it."""
    import polars as pl

    if column.dtype == pl.Boolean:
        return column.cast(pl.UInt8).cast(pl.String).replace({"0": "false", "1": "true"})
    if column.dtype.is_float():
        whole = column.drop_nulls()
        if (whole == whole.floor()).all():
            column = column.cast(pl.Int64, strict=False)
    text = column.cast(pl.String)
    return text.str.strip_chars()


def anomaly_codes(labels: pl.Series, positive: object = None) -> Array:
    """1 for an anomaly, 0 for a normal row, from labels as text.

    ``positive`` names the anomalies. Without it they are ``1`` or ``true`` where the labels are such; else whatever is
    not the most frequent label, for anomalies are rare.
    """
    import numpy as np

    found = set(labels.unique())
    if positive is not None:
        codes = labels == named_label(positive, sorted(found))
    elif found <= {"0", "1"} or found <= {"false", "true"}:
        codes = labels.is_in(["1", "true"])
    else:
        counts = labels.alias("label").value_counts().sort(["count", "label"], descending=[True, False])
        codes = labels != counts["label"][0]
    return codes.to_numpy().astype(np.int64)


def classes_of(column: pl.Series, positive: object = None) -> tuple[str, ...]:
    """The labels that occur: numbers in their order, text in the alphabet's; ``positive`` comes last.

    Raises:
        TreadleError: fewer than two labels, or a positive one that does not occur.
    """
    labels = label_text(column).drop_nulls().unique().to_list()
    try:
        ordered = sorted(labels, key=float)
    except ValueError:
        ordered = sorted(labels)
    if len(ordered) < 2:
        found = f"only the class {ordered[0]!r}" if ordered else "no class at all"
        raise TreadleError(
            f"the target has {found}", where=f"column {column.name!r}", expected="at least two classes to tell apart"
        )
    if positive is not None:
        last = named_label(positive, ordered)
        ordered = [label for label in ordered if label != last] + [last]
    return tuple(ordered)
