"""The small tables that models are checked on, encoded as each model's tags ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.types import TARGET, Context, Features, Field, Schema

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

KINDS = {"size": "number", "noise": "number", "count": "number", "city": "category", "member": "boolean"}
TASKS = ("classification", "regression", "clustering", "anomaly")
LEVELS = (0.1, 0.9)


def example_table(rows: int = 240, seed: int = 0) -> pl.DataFrame:
    """Numbers, a category, a flag and gaps; three groups of rows that ``size`` and ``count`` part; targets from them.

    ``label`` has three classes, ``value`` is a number, ``odd`` marks a few rows far from all others.
    """
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, rows)
    odd = rng.random(rows) < 0.03
    size = group * 3.0 + rng.normal(0, 0.5, rows) + 30.0 * odd
    count = (group == 1) * 6 + rng.integers(0, 3, rows) - 40 * odd
    city = rng.choice(["Lima", "Oslo", "Rome"], rows)
    member = rng.random(rows) < 0.5
    gaps, lost = pl.Series(rng.random(rows) < 0.1), pl.Series(rng.random(rows) < 0.05)
    value = size + 2.0 * (city == "Rome") - member + rng.normal(0, 0.2, rows)
    frame = pl.DataFrame(
        {"size": size, "noise": rng.normal(size=rows), "count": count, "city": city, "member": member}
        | {"label": group, "value": value, "odd": odd}
    )
    return frame.with_columns(
        noise=pl.when(gaps).then(None).otherwise(pl.col("noise")),
        city=pl.when(lost).then(None).otherwise(pl.col("city")),
    )


@dataclass
class Case:
    """A model's input made from a table: the encoders are fitted on the training rows, as in a run.

    Attributes:
        task: what is learned.
        train, valid: features with the target.
        context: seed, classes, levels.
        encoders: by kind, with the columns of each.
        schema: the columns.
    """

    task: str
    train: Features
    valid: Features
    context: Context
    encoders: dict[str, tuple[list[str], Any]]
    schema: Schema

    def features(self, frame: pl.DataFrame, target: Array | None = None) -> Features:
        """These rows as the model wants them."""
        blocks = {kind: encoder.apply(frame.select(names)) for kind, (names, encoder) in self.encoders.items()}
        return Features(blocks, frame.select([item.name for item in self.schema.features]), self.schema, target)


def case_of(
    component: Any,
    task: str,
    *,
    train: pl.DataFrame | None = None,
    kinds: dict[str, str] | None = None,
    classes: int = 3,
) -> Case:
    """The case of a task for a component: 240 training rows and 80 validation rows, or a table of one's own."""
    kinds = kinds or KINDS
    own = train is not None
    frame = train if train is not None else example_table()
    held = frame if own else example_table(80, seed=1)
    target = {"classification": "label", "regression": "value"}.get(task)
    fields = [Field(name, kind, str(frame[name].dtype)) for name, kind in kinds.items()]
    if target:
        fields.append(Field(target, "number", str(frame[target].dtype), TARGET))
    schema = Schema(tuple(fields), target)
    encoders: dict[str, tuple[list[str], Any]] = {}
    if not component.tags.frame:
        for kind in sorted(set(kinds.values())):
            part = tuple(item for item in schema.features if item.kind == kind)
            names = [item.name for item in part]
            encoder = registry.load("modalities", kind)().encoder(part, component.tags.needs)
            encoders[kind] = (names, encoder.fit(frame.select(names)))
    context = Context(
        task=task,
        classes=classes if task == "classification" else 0,
        quantiles=LEVELS if task == "regression" and "quantiles" in component.tags.can else (),
    )
    empty = Features({}, frame[:0], schema)
    case = Case(task, empty, empty, context, encoders, schema)
    case.train = case.features(frame, truth_of(frame, task))
    case.valid = case.features(held, truth_of(held, task))
    return case


def truth_of(frame: pl.DataFrame, task: str) -> Array | None:
    """The target as a model gets it; None for a task without one."""
    import numpy as np

    if task == "classification":
        return frame["label"].to_numpy().astype(np.int64)
    return frame["value"].to_numpy().astype(np.float64) if task == "regression" else None


def part_of(features: Features, index: Array) -> Features:
    """Some of the rows."""
    import polars as pl

    return Features(
        {name: replace(block, values=block.values[index]) for name, block in features.blocks.items()},
        features.frame[pl.Series(index)],
        features.schema,
        None if features.target is None else features.target[index],
    )


def answers(model: Any, features: Features) -> Array:
    """The predictions as one float64 matrix, the columns in their order."""
    import numpy as np

    return np.asarray(model.predict(replace(features, target=None)).to_numpy(), dtype=np.float64)
