"""The frozen values that cross a module's border. Importing this file imports no library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.events import Events

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Array = npt.NDArray[Any]
    Floats = npt.NDArray[np.floating[Any]]

FEATURE, TARGET, TIME, GROUP, SERIES, SENSITIVE, DROPPED = (
    "feature",
    "target",
    "time",
    "group",
    "series",
    "sensitive",
    "dropped",
)


@dataclass(frozen=True)
class Field:
    """One column: what it means and what it held when the dataset was made.

    Attributes:
        name: the column's name.
        kind: ``number``, ``category``, ``boolean``, ``text``, ``image``, ``audio``, ``time`` or ``id``.
        dtype: the Polars data type, as its name (``Int64``, ``String``, ...).
        role: ``feature``, ``target``, ``time``, ``group``, ``series`` or ``dropped``; a time or group column that is
            also learned from keeps the role ``feature`` and is named in the schema.
        reason: why this kind and role, for a person.
        inferred: False when the spec named the kind.
        missing: share of missing values, 0 to 1.
        unique: number of distinct values (approximate above 100,000).
        low, high: smallest and largest value (numbers; for times their ISO text).
        categories: the values of a category or boolean, most frequent first, as text, 1,000 at most.
        options: what the modality needs to read it again (a format of dates, say).
    """

    name: str
    kind: str
    dtype: str
    role: str = FEATURE
    reason: str = ""
    inferred: bool = True
    missing: float = 0.0
    unique: int | None = None
    low: float | str | None = None
    high: float | str | None = None
    categories: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Schema:
    """The columns of a dataset, and which of them have a special part to play."""

    fields: tuple[Field, ...]
    target: str | None = None
    time: str | None = None
    group: str | None = None
    series: str | None = None
    sensitive: tuple[str, ...] = ()

    def __contains__(self, name: str) -> bool:
        return any(item.name == name for item in self.fields)

    def field(self, name: str) -> Field:
        """The field of that name."""
        for item in self.fields:
            if item.name == name:
                return item
        known = [item.name for item in self.fields]
        raise TreadleError(
            f"there is no column {name!r}{did_you_mean(name, known)}", expected=f"one of {listing(known)}"
        )

    @property
    def features(self) -> tuple[Field, ...]:
        """The columns that a model learns from."""
        return tuple(item for item in self.fields if item.role == FEATURE)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order of the data."""
        return tuple(item.name for item in self.fields)

    def with_field(self, item: Field) -> Schema:
        """The same schema with one field replaced."""
        return replace(self, fields=tuple(item if old.name == item.name else old for old in self.fields))


@dataclass(frozen=True)
class Profile:
    """The mergeable summary of one column: what drift compares.

    Two profiles with the same ``edges`` (numbers) or any two of a category merge by adding their counts.

    Attributes:
        name, kind: of the column.
        rows: number of rows seen, missing ones included.
        missing: number of missing values.
        edges: bin edges of a number, ascending; ``counts`` has one more entry than edges (two open ends).
        counts: rows in each bin.
        categories: rows by value, for the values kept.
        other: rows with a value that is not kept.
        mean, spread: mean, and sum of squared deviations from it (Chan et al. 1983), of the values present.
        low, high: extremes.
    """

    name: str
    kind: str
    rows: int = 0
    missing: int = 0
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    categories: Mapping[str, int] = field(default_factory=dict)
    other: int = 0
    mean: float = 0.0
    spread: float = 0.0
    low: float | None = None
    high: float | None = None

    def merge(self, other: Profile) -> Profile:
        """The profile of both sets of rows together."""
        if self.edges != other.edges or self.kind != other.kind:
            raise ValueError("profiles merge only with the same kind and the same bin edges")
        mine, theirs = self.rows - self.missing, other.rows - other.missing
        total = mine + theirs
        delta = other.mean - self.mean
        categories = dict(self.categories)
        for value, count in other.categories.items():
            categories[value] = categories.get(value, 0) + count
        lows = [value for value in (self.low, other.low) if value is not None]
        highs = [value for value in (self.high, other.high) if value is not None]
        return replace(
            self,
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            categories=categories,
            other=self.other + other.other,
            mean=self.mean + delta * theirs / total if total else 0.0,
            spread=self.spread + other.spread + (delta * delta * mine * theirs / total if total else 0.0),
            low=min(lows) if lows else None,
            high=max(highs) if highs else None,
        )


@dataclass(frozen=True)
class Block:
    """What an encoder makes of some columns: an array of shape (rows, width).

    Attributes:
        values: float32 for ``number`` (missing is NaN where the model takes it), int32 codes for ``category``
            (-1 is missing or never seen), object for what a model takes raw (``text``).
        names: one name a column of ``values``.
        columns: for each column of ``values`` the user's column that it comes from.
        kind: ``number``, ``category``, ``text``, ...
        sizes: number of codes of each column, for ``category``.
    """

    values: Array
    names: tuple[str, ...]
    columns: tuple[str, ...]
    kind: str = "number"
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Features:
    """The input of a model: encoded blocks beside the frame they came from.

    Attributes:
        blocks: encoded columns by the encoder's name.
        frame: the raw frame of the feature columns (for a model whose tags say ``frame``).
        schema: what the columns mean.
        target: int64 codes (classification) or float64 values (regression); None when predicting or unsupervised.
        weight: one weight a row, float64, or None.
        steps: the steps that the user named for some columns, for a model that encodes by itself.
        group: int64 codes of the rows that must not be split apart, or None.
    """

    blocks: Mapping[str, Block]
    frame: pl.DataFrame
    schema: Schema
    target: Array | None = None
    weight: Array | None = None
    steps: Mapping[str, Any] = field(default_factory=dict)
    group: Array | None = None
    made: dict[Any, tuple[Any, Any]] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` makes of the blocks, made once for all models that ask under the same ``key``."""
        held = self.made.get(key)
        if held is None or held[0] is not self.blocks:
            held = self.made[key] = (self.blocks, make())
        return held[1]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.frame.height

    def take(self, index: Array) -> Features:
        """Some of the rows, by position."""
        import polars as pl

        def part(values: Array | None) -> Array | None:
            return None if values is None else values[index]

        return replace(
            self,
            blocks={name: replace(block, values=block.values[index]) for name, block in self.blocks.items()},
            frame=self.frame[pl.Series(index)],
            target=part(self.target),
            weight=part(self.weight),
            group=part(self.group),
            made={},
        )

    def of_kind(self, kind: str) -> list[Block]:
        """The blocks of one kind, in order."""
        return [block for block in self.blocks.values() if block.kind == kind]

    def matrix(self) -> Array:
        """All numeric and category blocks side by side, float32 (category codes become numbers, -1 becomes NaN)."""
        import numpy as np

        parts = []
        for block in self.blocks.values():
            values = block.values.astype(np.float32, copy=False)
            if block.kind == "category":
                values = np.where(block.values < 0, np.float32("nan"), values)
            parts.append(values)
        if not parts:
            return np.zeros((self.rows, 0), dtype=np.float32)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns of `matrix`."""
        return tuple(name for block in self.blocks.values() for name in block.names)

    @property
    def columns(self) -> tuple[str, ...]:
        """For each column of `matrix` the user's column it comes from."""
        return tuple(name for block in self.blocks.values() for name in block.columns)

    @property
    def categorical(self) -> tuple[bool, ...]:
        """For each column of `matrix` whether it holds category codes."""
        return tuple(block.kind == "category" for block in self.blocks.values() for _ in block.names)

    @property
    def sizes(self) -> tuple[int, ...]:
        """For each column of `matrix` the number of its codes; 0 for a number."""
        found: list[int] = []
        for block in self.blocks.values():
            found.extend(block.sizes if block.kind == "category" else (0,) * len(block.names))
        return tuple(found)


@dataclass(frozen=True)
class Outcomes:
    """Truth beside prediction, as arrays: what metrics, slices, gates and monitors read.

    Attributes:
        task: the task's name.
        truth: int64 codes (classification), float64 (regression), int64 labels (clustering), or None where unknown.
        prediction: of the same form as ``truth``.
        probability: float64 (rows, classes), or None.
        classes: the labels behind the codes, as text.
        low, high: bounds of a predicted interval, or None.
        weight: one weight a row, or None for equal weights.
        extra: whatever a task's metrics need besides (features for the silhouette, references for ROUGE).
    """

    task: str
    truth: Array | None
    prediction: Array
    probability: Array | None = None
    classes: tuple[str, ...] = ()
    low: Array | None = None
    high: Array | None = None
    weight: Array | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.prediction)

    def take(self, index: Array) -> Outcomes:
        """Some of the rows: an array of positions or a boolean mask."""

        def part(values: Array | None) -> Array | None:
            return None if values is None else values[index]

        return replace(
            self,
            truth=part(self.truth),
            prediction=self.prediction[index],
            probability=part(self.probability),
            low=part(self.low),
            high=part(self.high),
            weight=part(self.weight),
            extra={
                key: value[index] if getattr(value, "shape", None) and len(value) == len(self) else value
                for key, value in self.extra.items()
            },
        )


@dataclass(frozen=True)
class Needs:
    """What a model wants of its columns; read from its tags, obeyed by the encoders."""

    raw: frozenset[str] = frozenset({"number"})
    missing: bool = False
    scaled: bool = False


@dataclass(frozen=True)
class ModelTags:
    """What a model is good for.

    Attributes:
        tasks: ``classification``, ``regression``, ``clustering``, ``anomaly``, ...
        accepts: block kinds taken as they are; a kind that is not here is encoded as numbers.
        missing: takes NaN among its numbers.
        scaled: wants numbers with mean 0 and variance 1.
        frame: reads `Features.frame` itself; no encoder is fitted for it.
        can: ``importance``, ``contributions``, ``quantiles``, ``weights``, ``settled``, ``onnx``, ...
        requires: libraries to import; ``extra``: the extra of the package that brings them.
        search: False for a model that a tuner or `auto` should not pick by itself.
    """

    tasks: frozenset[str]
    accepts: frozenset[str] = frozenset({"number"})
    missing: bool = False
    scaled: bool = False
    frame: bool = False
    can: frozenset[str] = frozenset()
    requires: tuple[str, ...] = ()
    extra: str | None = None
    search: bool = True

    @property
    def needs(self) -> Needs:
        """The same, as encoders want it said."""
        return Needs(self.accepts, self.missing, self.scaled)


@dataclass(frozen=True)
class SourceTags:
    """How a source may be read.

    Attributes:
        requires: libraries to import; ``extra``: the extra of the package that brings them.
        columnar: reading some of its columns or rows again is cheap (Parquet); what is not is kept as Parquet first.
        whole: `Source.files` is all that the content depends on, so their hash is the version of the data.
    """

    requires: tuple[str, ...] = ()
    extra: str | None = None
    columnar: bool = False
    whole: bool = False


@dataclass(frozen=True)
class MetricTags:
    """What a metric reads and which way it points.

    Attributes:
        tasks: where it makes sense.
        greater_is_better: direction.
        reads: ``prediction``, ``probability``, ``interval`` or ``features``.
        truth: False for a metric that needs no labels (silhouette).
        binary: only for two classes; the positive one is the last.
        low, high: range of the value, None where it has no bound.
    """

    tasks: frozenset[str]
    greater_is_better: bool = True
    reads: str = "prediction"
    truth: bool = True
    binary: bool = False
    low: float | None = 0.0
    high: float | None = 1.0


@dataclass(frozen=True)
class ExplainerTags:
    """What an explainer says and what it needs.

    Attributes:
        rows: it explains rows one by one; False for one that speaks of the whole model only.
        additive: base and values add up to the output.
        requires, extra: libraries to import, and the extra of the package that brings them.
    """

    rows: bool = True
    additive: bool = False
    requires: tuple[str, ...] = ()
    extra: str | None = None


@dataclass(frozen=True)
class Context:
    """What a model may know while it fits, besides the features.

    Attributes:
        task: the task's name.
        classes: number of classes (classification), else 0.
        seed: for every source of chance.
        threads: how many threads it may use.
        budget: seconds it may take, or None.
        metric: the metric that decides (a name), for early stopping.
        quantiles: levels to predict besides the mean, in (0, 1).
        events: progress goes there, and the wish to stop comes from there.
        folder: a place for checkpoints that outlives a crash, or None.
    """

    task: str
    classes: int = 0
    seed: int = 0
    threads: int = 1
    budget: float | None = None
    metric: str | None = None
    quantiles: tuple[float, ...] = ()
    events: Events = field(default_factory=Events)
    folder: Path | None = None


@dataclass(frozen=True)
class Attribution:
    """Why a model said what it said, in the user's own columns.

    Attributes:
        method: the explainer's name.
        columns: the user's columns.
        values: (rows, columns) for rows explained one by one, (columns,) for the whole model.
        base: what the values start from: ``base + values.sum(axis=1)`` is ``output`` where the method is additive;
            None where rows start from different bases (see `bases`).
        output: the explained output of each row, on the scale named by ``scale``.
        scale: ``probability``, ``log-odds``, ``value`` or a metric's name.
        label: the class explained, as text; None where each row has its own (``details["labels"]``) or there is none.
        low, high: 95 % interval of ``values``, where the method has one.
        details: what else the method found, JSON types only: curves, labels by row.
        notes: what was left out or sampled, one sentence each.
    """

    method: str
    columns: tuple[str, ...]
    values: Array
    base: float | None = None
    output: Array | None = None
    scale: str = "value"
    label: str | None = None
    low: Array | None = None
    high: Array | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def bases(self) -> Array | None:
        """One base a row: rows explained for different classes start from different bases."""
        import numpy as np

        if "bases" in self.details:
            return np.asarray(self.details["bases"], dtype=np.float64)
        return None if self.base is None else np.full(len(self.values), self.base)


@dataclass(frozen=True)
class Metered:
    """A metric's value with its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Verdict:
    """A gate's rule with what it found.

    Attributes:
        gate: the rule as the user wrote it.
        passed: whether it holds.
        value, low, high: the evidence, with its interval.
        limit: what it was compared with.
        detail: one line for a person.
    """

    gate: str
    passed: bool
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Inference:
    """A value of the spec that the user did not write, and where it came from."""

    path: str
    value: Any
    reason: str


Progress = Callable[[str, float, float | None], None]
