"""From a frame to predictions: the encoders and the model that belong together, fitted, saved and loaded as one.

The same object serves in training, in evaluation, in batch and over HTTP, so training and serving cannot part ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from treadle.core import registry
from treadle.core.encoding import Encoding, Step
from treadle.core.errors import TreadleError, did_you_mean, listing, raise_all
from treadle.core.files import write_json
from treadle.core.jsonable import decode, encode, read_json
from treadle.core.labels import anomaly_codes, encode_target, label_text
from treadle.core.tasks import task_named
from treadle.core.types import TARGET, Context, Features, Outcomes, Schema

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.protocols import Model
    from treadle.core.types import Array


class Predictor:
    """A model with everything it takes to go from a user's row to a prediction.

    Attributes:
        schema: the columns it reads, and its target.
        task: the task's name.
        classes: labels as text, in the order of the codes (classification).
        threshold: from which probability on the last of two classes is predicted.
        model_name, options: what was fitted.
    """

    def __init__(
        self,
        *,
        schema: Schema,
        task: str,
        model_name: str,
        options: Mapping[str, Any] | None = None,
        classes: Sequence[str] = (),
        steps: Mapping[str, Sequence[Step]] | None = None,
        threshold: float = 0.5,
    ) -> None:
        self.schema = schema
        self.task = task
        self.model_name = model_name
        self.options = dict(options or {})
        self.classes = tuple(classes)
        self.threshold = threshold
        self.model: Model = registry.build("models", model_name, self.options, where="model.options")
        self.steps = {name: tuple(chosen) for name, chosen in (steps or {}).items()}
        self.encoding = Encoding(schema, self.model.tags.needs, {} if self.model.tags.frame else self.steps)
        self._encodes = not self.model.tags.frame

    # -- learning

    def fit(
        self,
        train: pl.DataFrame,
        valid: pl.DataFrame | None,
        context: Context,
        weight: Array | None = None,
        group: Array | None = None,
    ) -> Self:
        """Fit encoders and model on ``train``; ``valid`` is for early stopping.

        Args:
            train, valid: frames that hold the schema's features and its target, decoded (see `align`).
            context: seed, threads, budget and so on; its ``classes`` is set here.
            weight: one weight a row of ``train``.
            group: int64 codes of the rows of ``train`` that a model which splits them again must keep together.
        """
        context = replace(context, task=self.task, classes=len(self.classes))
        if self._encodes:
            self.encoding.fit(train)
        train_features = self.features(train, weight, group)
        valid_features = self.features(valid) if valid is not None and valid.height else None
        self.model = self.model.fit(train_features, valid_features, context)
        return self

    # -- predicting

    def align(self, frame: pl.DataFrame, *, target: bool = False) -> pl.DataFrame:
        """The columns that the model reads, in the types it was trained on.

        Every column that is missing, and every value that cannot be read, is named in one error. Columns that the
        model does not know are left out.

        Args:
            frame: rows as they arrive.
            target: also bring the target along; it must then be there.
        """
        wanted = list(self.schema.features)
        if target and self.schema.target:
            wanted.append(self.schema.field(self.schema.target))
        absent = [item.name for item in wanted if item.name not in frame.columns]
        if absent:
            hints = "".join(did_you_mean(name, frame.columns) for name in absent[:1])
            raise TreadleError(
                f"{'columns are' if len(absent) > 1 else 'a column is'} missing: {listing(absent)}{hints}",
                expected=f"the columns {listing([item.name for item in wanted], 40)}",
            )
        problems: list[TreadleError] = []
        columns = []
        for item in wanted:
            if item.role == TARGET:
                columns.append(frame[item.name])
                continue
            try:
                columns.append(registry.load("modalities", item.kind)().decode(frame[item.name], item))
            except TreadleError as error:
                problems.append(error)
        raise_all(problems)
        import polars as pl

        return pl.DataFrame(columns)

    def features(self, frame: pl.DataFrame, weight: Array | None = None, group: Array | None = None) -> Features:
        """The model's input; with codes or values of the target when the frame holds it."""
        blocks = self.encoding.apply(frame) if self._encodes else {}
        target = None
        if self.schema.target and self.schema.target in frame.columns and task_named(self.task).truth != "none":
            target = self.truth(frame)
        names = [item.name for item in self.schema.features]
        raw = frame if frame.columns == names else frame.select(names)
        return Features(blocks, raw, self.schema, target, weight, self.steps, group)

    def truth(self, frame: pl.DataFrame) -> Array:
        """The target as codes (classification; a label never seen is an error) or as float64 values."""
        column = frame[str(self.schema.target)]
        return encode_target(column, self.task, self.classes)

    def predict_codes(self, aligned: pl.DataFrame) -> Outcomes:
        """Predictions as arrays, for rows that went through `align`; truth included when the target is there."""
        import numpy as np

        outcomes = self.predict_features(self.features(aligned))
        if task_named(self.task).truth == "none" and self.schema.target and self.schema.target in aligned.columns:
            labels = label_text(aligned[self.schema.target]).fill_null("")
            if self.task == "anomaly":
                return replace(outcomes, truth=anomaly_codes(labels))
            codes = np.unique(labels.to_numpy(), return_inverse=True)[1].astype(np.int64)
            outcomes = replace(outcomes, truth=codes)
        return outcomes

    def predict_features(self, features: Features) -> Outcomes:
        """The same for rows that are encoded already; the truth is ``features.target``."""
        import numpy as np

        raw = self.model.predict(replace(features, target=None))
        truth = features.target
        if self.task == "classification":
            width = len(self.classes)
            parts = [raw[f"probability_{i}"].to_numpy() for i in range(width)]
            probability = np.stack(parts, axis=1).astype(np.float64) if parts else np.zeros((raw.height, 0))
            return Outcomes(self.task, truth, self.decide(probability), probability=probability, classes=self.classes)
        levels = sorted((float(name[9:]), name) for name in raw.columns if name.startswith("quantile_"))
        if self.task == "anomaly":
            score = raw["score"].to_numpy()
            flagged = (score > 0).astype(np.int64)
            return Outcomes(self.task, truth, flagged, extra={"score": score})
        extra: dict[str, Any] = {"levels": (levels[0][0], levels[-1][0])} if levels else {}
        if self.task == "clustering":
            extra["features"] = features.matrix()
        return Outcomes(
            self.task,
            truth,
            raw["prediction"].to_numpy(),
            low=raw[levels[0][1]].to_numpy() if levels else None,
            high=raw[levels[-1][1]].to_numpy() if levels else None,
            extra=extra,
        )

    def decide(self, probability: Array) -> Array:
        """Codes from probabilities: the threshold for two classes, the most probable one for more."""
        import numpy as np

        if probability.shape[1] == 2:
            return (probability[:, 1] >= self.threshold).astype(np.int64)
        if not probability.shape[0]:
            return np.zeros(0, dtype=np.int64)
        return np.asarray(probability.argmax(axis=1))

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``prediction`` with labels as in the data, then ``probability_<label>``, or ``low`` and ``high``.

        Args:
            frame: rows with the schema's feature columns, of any length, none included.
        """
        return self.present(self.predict_codes(self.align(frame)))

    def present(self, outcomes: Outcomes) -> pl.DataFrame:
        """Outcomes as the frame that `predict` returns."""
        import polars as pl

        columns: dict[str, Any] = {}
        if self.task == "classification":
            labels = self.labels()
            columns["prediction"] = labels.gather(pl.Series(outcomes.prediction, dtype=pl.UInt32))
            if outcomes.probability is not None:
                for position, label in enumerate(self.classes):
                    columns[f"probability_{label}"] = outcomes.probability[:, position]
        elif self.task == "anomaly":
            columns["prediction"] = outcomes.prediction.astype(bool)
            columns["score"] = outcomes.extra["score"]
        else:
            columns["prediction"] = outcomes.prediction
            if outcomes.low is not None and outcomes.high is not None:
                columns["low"], columns["high"] = outcomes.low, outcomes.high
        return pl.DataFrame(columns)

    def labels(self) -> pl.Series:
        """The classes in the type that the target had."""
        import polars as pl

        text = pl.Series("prediction", list(self.classes), dtype=pl.String)
        kind = getattr(pl, self.schema.field(str(self.schema.target)).dtype, pl.String)
        if kind == pl.Boolean:
            return (text == "true").rename("prediction")
        if kind in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float64):
            return text.cast(kind)
        return text

    # -- on disk

    def save(self, folder: Path) -> None:
        """Write everything below ``folder``, which must not exist or be empty."""
        folder.mkdir(parents=True, exist_ok=True)
        if self._encodes:
            (folder / "encoding").mkdir()
            self.encoding.save(folder / "encoding")
        (folder / "model").mkdir()
        self.model.save(folder / "model")
        write_json(
            folder / "predictor.json",
            {
                "schema": self.schema,
                "task": self.task,
                "classes": self.classes,
                "threshold": self.threshold,
                "model": self.model_name,
                "options": encode(self.options),
                "steps": {
                    name: [[step, encode(given)] for step, given in chosen] for name, chosen in self.steps.items()
                },
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Predictor:
        """Read what `save` wrote; every part checks its own structure."""
        data = read_json(folder / "predictor.json")
        try:
            predictor = cls(
                schema=decode(Schema, data["schema"]),
                task=data["task"],
                model_name=data["model"],
                options=data["options"],
                classes=data["classes"],
                steps={name: [(step, dict(given)) for step, given in chosen] for name, chosen in data["steps"].items()},
                threshold=float(data["threshold"]),
            )
            if predictor._encodes:
                predictor.encoding.load(folder / "encoding")
            predictor.model = predictor.model.load(folder / "model")
        except TreadleError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OSError) as error:
            raise TreadleError(
                f"the predictor cannot be read ({type(error).__name__}: {error})", where=folder
            ) from None
        return predictor
