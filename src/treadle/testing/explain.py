"""What every explainer promises, as one check: ``check_explainer(explain)`` raises at the first promise broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.options import options_of
from treadle.core.predictor import Predictor
from treadle.core.types import TARGET, Attribution, Context, ExplainerTags, Field, Schema

if TYPE_CHECKING:
    import polars as pl

OTHERS = "other columns)"


def example_rows(rows: int = 150, seed: int = 0) -> pl.DataFrame:
    """A small table with every common kind of column, gaps, and targets that depend on some of the columns."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    number = rng.normal(size=rows)
    city = rng.choice(["Lima", "Oslo", "Rome"], rows)
    member = rng.random(rows) < 0.5
    words = np.array(["good", "bad", "fine"])[rng.integers(0, 3, (rows, 4))]
    score = 2 * number + (city == "Rome") + member - (words == "bad").sum(axis=1) / 2
    gaps = pl.Series(rng.random(rows) < 0.1)
    return pl.DataFrame(
        {
            "number": number,
            "noise": rng.normal(size=rows),
            "city": city,
            "member": member,
            "note": [" ".join(row) for row in words],
            "two": np.where(score > 0.5, "yes", "no"),
            "three": np.digitize(score, [-0.5, 1.5]).astype(str),
            "value": score + rng.normal(0, 0.1, rows),
        }
    ).with_columns(noise=pl.when(gaps).then(None).otherwise(pl.col("noise")))


def example_predictor(model: str, target: str, frame: pl.DataFrame, **options: Any) -> Predictor:
    """A model fitted to `example_rows`.

    Args:
        model: its name.
        target: ``two`` or ``three`` (classification), ``value`` (regression).
        frame: the rows.
        options: of the model.
    """
    kinds = {"number": "number", "noise": "number", "city": "category", "member": "boolean", "note": "text"}
    fields = [Field(name, kind, str(frame[name].dtype)) for name, kind in kinds.items()]
    label = Field(target, "number" if target == "value" else "category", str(frame[target].dtype), TARGET)
    task = "regression" if target == "value" else "classification"
    classes = () if task == "regression" else tuple(sorted(frame[target].unique().to_list()))
    predictor = Predictor(
        schema=Schema((*fields, label), target), task=task, model_name=model, options=options, classes=classes
    )
    return predictor.fit(predictor.align(frame, target=True), None, Context(task=task, budget=2.0))


def check_explainer(explain: Any, model: str = "linear") -> None:
    """Put an explainer through what every explainer must do.

    Its options are documented; what it says is about the user's own columns, finite, and of the right shape; the same
    seed gives the same answer; one row, no rows, missing and unseen values, and a target that is absent do not disturb
    it; rows given are left as they were; base and values add up to the output where the tags say so; an unknown class
    is the one clear error.

    Args:
        explain: the function.
        model: explained; any that does classification and regression.

    Raises:
        AssertionError: naming the promise that is broken.
    """
    tags = getattr(explain, "tags", None)
    if not isinstance(tags, ExplainerTags):
        raise AssertionError("a promise of explainers is broken: it bears ExplainerTags")
    options = options_of(explain)
    _hold(all(option.doc for option in options.values()), "every option says what it does")
    _hold(not any(option.required for option in options.values()), "every option has a default")
    frame = example_rows()
    for target in ("two", "three", "value"):
        predictor = example_predictor(model, target, frame)
        features = frame.drop("two", "three", "value")
        kept = features.clone()
        rows = features.head(5)
        found = explain(predictor, rows, features)
        _hold(features.equals(kept), "the rows given are left as they were")
        _check_form(found, tags, rows.height, predictor)
        again = explain(predictor, rows, features)
        _hold(bool((found.values == again.values).all()), "the same seed gives the same answer")
        strange = rows.with_columns(city=_text("Atlantis"), number=None, note=None)
        _check_form(explain(predictor, strange, features), tags, rows.height, predictor)
        _check_form(explain(predictor, rows.head(1), features), tags, 1, predictor)
        if tags.rows:
            _check_form(explain(predictor, rows.head(0), features), tags, 0, predictor)
    if "label" in options:
        try:
            explain(example_predictor(model, "three", frame), frame.head(2), frame, label="nine")
        except TreadleError:
            return
        raise AssertionError("an unknown class is the one clear error")


def _check_form(found: Attribution, tags: ExplainerTags, rows: int, predictor: Predictor) -> None:
    import numpy as np

    known = {item.name for item in predictor.schema.features}
    own = [name for name in found.columns if not name.endswith(OTHERS)]
    _hold(set(own) <= known and len(set(own)) == len(own), "it speaks of the user's own columns, each once")
    shape = (rows, len(found.columns)) if tags.rows else (len(found.columns),)
    _hold(found.values.shape == shape, f"the values have the shape {shape}")
    _hold(bool(np.isfinite(found.values).all()), "the values are finite")
    if tags.rows:
        _hold(found.output is not None and len(found.output) == rows, "each row has its output")
    if tags.additive and rows:
        _hold(found.bases is not None and found.output is not None, "an additive method has a base and an output")
        gap = np.abs(np.asarray(found.bases) + found.values.sum(axis=1) - np.asarray(found.output)).max()
        _hold(bool(gap <= 1e-4), f"base and values add up to the output (they miss it by {gap:.2g})")


def _text(value: str) -> Any:
    import polars as pl

    return pl.lit(value)


def _hold(fact: bool, promise: str) -> None:
    if not fact:
        raise AssertionError(f"a promise of explainers is broken: {promise}")
