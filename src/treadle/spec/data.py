"""``data``: where the rows come from and what the columns mean."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from treadle.spec.base import Section

Kind = Literal["number", "category", "boolean", "text", "image", "audio", "time", "id"]


class Expectation(Section):
    """What must hold of one column, at every ingestion and in serving."""

    min: float | str | None = None
    """Smallest value allowed (a number, or a date as text)."""
    max: float | str | None = None
    """Largest value allowed."""
    missing: float | None = Field(default=None, ge=0, le=1)
    """Largest share of missing values allowed."""
    categories: tuple[str | int | float | bool, ...] | None = None
    """The only values allowed."""
    unique: bool | None = None
    """Whether no value may come twice."""
    regex: str | None = None
    """A regular expression that every value matches as a whole."""


class Rows(Section):
    """How many rows a dataset must have."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class Data(Section):
    """Where the rows come from and what the columns mean."""

    source: str | tuple[str, ...]
    """A file, folder, glob, URL (sqlite, postgres, http, s3, gs), `sample://`, `openml://` or `hf://`; or a list.
    A secret in it is written as `$NAME` and read from the environment."""
    query: str | None = None
    """For a database: the SELECT statement (or the name of a table)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the source, such as `separator`."""
    target: str | None = None
    """The column to predict."""
    positive: str | int | float | bool | None = None
    """Of two classes, the one whose probability is meant (default: the last in order)."""
    time: str | None = None
    """The column that orders the rows in time."""
    group: str | None = None
    """Rows of one group are never split apart."""
    series: str | None = None
    """Forecasting: which series a row belongs to."""
    weight: str | None = None
    """A column of weights, one a row, not learned from."""
    drop: tuple[str, ...] = ()
    """Columns that are never used."""
    sensitive: tuple[str, ...] = ()
    """Columns by which fairness is measured (they are still learned from, unless dropped as well)."""
    columns: dict[str, Kind] = Field(default_factory=dict)
    """Kinds of columns where the inferred one is not right."""
    expect: dict[str, Expectation] = Field(default_factory=dict)
    """What must hold of a column."""
    rows: Rows = Rows()
    """How many rows there must be."""
    limit: int | None = Field(default=None, ge=1)
    """Use only the first rows."""
