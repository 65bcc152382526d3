"""The contracts. A component is one file that implements one of these; `treadle.testing` checks that it does.

``__init__`` takes keyword-only options and only stores them; ``example()`` builds a cheap instance for the tests.
A file ends with ``COMPONENT = TheClass``, and that is its registration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from treadle.core.types import Block, Context, Features, Field, MetricTags, ModelTags, Needs, Outcomes, Profile

if TYPE_CHECKING:
    import polars as pl


@runtime_checkable
class Source(Protocol):
    """Where a table comes from.

    Text formats leave their values as text, blanks around them and missing ones taken away: ingestion settles the
    types on all rows. Optional members: ``tags`` (`SourceTags`); ``files() -> dict[str, Path]``, the local files
    that everything depends on, by names that are the same on every machine: their hashes are remembered between runs;
    ``place(row) -> str``, where the row of that position lies (``income.csv:17``); ``inferred() -> list[Inference]``,
    what was settled about the reading and why.

    A complete one::

        class Lines:
            def __init__(self, *, path: str) -> None:
                self.path = path

            @classmethod
            def matches(cls, url: str) -> bool:
                return url.endswith(".txt")

            def scan(self) -> pl.LazyFrame:
                return pl.scan_csv(self.path, has_header=False, new_columns=["line"])

            def fingerprint(self) -> str:
                return hash_file(Path(self.path))
    """

    @classmethod
    def matches(cls, url: str) -> bool:
        """Whether this source reads what ``data.source`` names."""
        ...

    def scan(self) -> pl.LazyFrame:
        """The table, lazily where the format allows."""
        ...

    def fingerprint(self) -> str:
        """A short text that changes when the content may have changed; cheap, so that an unchanged run is quick."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns columns into one array, in training and in serving alike."""

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn from the training rows."""
        ...

    def apply(self, frame: pl.DataFrame) -> Block:
        """The array of these rows; unseen and missing values never fail."""
        ...

    def save(self, folder: Path) -> None:
        """Write JSON, ``.npy`` or safetensors into the (empty, existing) folder; never a pickle."""
        ...

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote and check it; returns the encoder itself."""
        ...


@runtime_checkable
class Transform(Protocol):
    """A named step on columns: a frame in, a frame out (its columns may be more, fewer or renamed)."""

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn from the training rows."""
        ...

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same rows, transformed."""
        ...

    def save(self, folder: Path) -> None:
        """Write what was learned."""
        ...

    def load(self, folder: Path) -> Self:
        """Read it back."""
        ...


@runtime_checkable
class Modality(Protocol):
    """What a column is. The only place that knows about a kind: nothing else branches on it."""

    def infer(self, column: pl.Series) -> tuple[float, str] | None:
        """How sure it is (0 to 1) that this sample of a column is of its kind, and why; None when it is not."""
        ...

    def encoder(self, fields: Sequence[Field], needs: Needs) -> Encoder:
        """An unfitted encoder of these columns for a model with these needs."""
        ...

    def profile(self, column: pl.Series, like: Profile | None = None) -> Profile:
        """The summary of a column, with the bins of ``like`` where that is given."""
        ...

    def decode(self, values: pl.Series, field: Field) -> pl.Series:
        """Values as they arrive (text, numbers) as the column's own type; what cannot be read raises, with its row."""
        ...

    def defaults(self, task: str) -> Sequence[str]:
        """The models to try first for this task when such a column is among the features; may be empty."""
        ...


@runtime_checkable
class Model(Protocol):
    """Learns from features, predicts frames.

    `predict` answers in codes: ``probability_0 .. probability_{k-1}`` for classification, ``prediction`` (float64)
    for regression (and ``quantile_<level>`` where asked), ``prediction`` (int64) for clustering, ``score`` (higher is
    stranger) for anomalies. Optional abilities are named in ``tags.can``: ``importance()`` returns one weight a column
    of the feature matrix; ``contributions(features)`` returns (rows, width + 1), or (rows, classes, width + 1) for more
    than two classes, whose last entry is the base, additive on the model's raw scale; ``settled()`` returns the options
    that early stopping fixed, for a refit on more rows.
    """

    tags: ClassVar[ModelTags]

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Learn; ``valid`` is for early stopping and may be None."""
        ...

    def predict(self, features: Features) -> pl.DataFrame:
        """One row a row."""
        ...

    def save(self, folder: Path) -> None:
        """Write into the (empty, existing) folder; never a pickle."""
        ...

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote and check its structure: no file may crash the process or run code."""
        ...


@runtime_checkable
class Metric(Protocol):
    """One object offline, on shards, and on live traffic.

    Optional: ``reweighted(outcomes)`` returns a function from weightings of these rows, (replicates, rows), to the
    values under them, (replicates,): it makes bootstrap intervals cheap. Without it they cost a fresh update each.
    """

    tags: ClassVar[MetricTags]

    def update(self, outcomes: Outcomes) -> None:
        """Take in more rows."""
        ...

    def merge(self, other: Self) -> None:
        """Take in what another instance has seen."""
        ...

    def value(self) -> float:
        """The value over everything seen; NaN when it is not defined (no rows, one class only)."""
        ...


@runtime_checkable
class Executor(Protocol):
    """Where work runs: processes here, or a cluster."""

    def map(self, function: Any, items: Sequence[Any]) -> Iterator[Any]:
        """The results, in the order of the items."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...
