"""A neural network for tables, in Keras on TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.errors import TreadleError
from treadle.core.files import new_file, write_json
from treadle.core.jsonable import read_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._deep import (
    BEYOND,
    Pace,
    batch_for,
    bins_of,
    check_width,
    checked_facts,
    epochs_for,
    piecewise,
    scale_of,
    split,
    width_of_embedding,
)

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

CHUNK = 16_384


class Keras:
    """Dense layers on piecewise linear numbers (Gorishniy et al. 2022) and embedded categories, trained by AdamW.

    What is saved are numbers and shapes, not Keras' own archive: a configuration read from a file could name any
    registered class, so the network is always built here and only filled with the weights.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        accepts=frozenset({"number", "category"}),
        missing=True,
        can=frozenset({"weights", "settled"}),
        requires=("keras", "tensorflow", "safetensors"),
        extra="tensorflow",
    )

    def __init__(
        self,
        *,
        width: Annotated[int, Range(4, 4096, log=True, tune=(32, 512)), Doc("neurons of a hidden layer")] = 128,
        layers: Annotated[int, Range(1, 16, tune=(1, 4)), Doc("hidden layers")] = 2,
        bins: Annotated[int, Range(2, 256, tuned=False), Doc("quantile bins of a numeric column")] = 16,
        dropout: Annotated[float, Range(0.0, 0.9, tune=(0.0, 0.5)), Doc("share of neurons left out")] = 0.2,
        learning_rate: Annotated[float, Range(1e-6, 1.0, log=True, tune=(3e-4, 5e-3)), Doc("step size")] = 1e-3,
        weight_decay: Annotated[float, Range(0.0, 10.0, tuned=False), Doc("decay of the weights")] = 0.01,
        epochs: Annotated[
            int | None, Range(1, 100_000, tuned=False), Doc("passes over the rows; none: early stopping decides")
        ] = None,
        batch: Annotated[int | None, Range(1, 1_000_000, tuned=False), Doc("rows of a step; none: by the data")] = None,
        patience: Annotated[int, Range(1, 1000, tuned=False), Doc("epochs without gain before it stops")] = 6,
    ) -> None:
        self.width = width
        self.layers = layers
        self.bins = bins
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch = batch
        self.patience = patience

    @classmethod
    def example(cls) -> Keras:
        """A small and quick one."""
        return cls(width=32, layers=1, bins=8, epochs=15, learning_rate=5e-3)

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Train until the validation rows gain nothing more, the budget is spent, or somebody asks to stop."""
        import numpy as np

        keras = _keras(context.threads)
        keras.utils.set_random_seed(context.seed % 2**32)
        self.classes = context.classes if context.task == "classification" else 0
        self.scale = scale_of(np.asarray(train.target), self.classes)
        numbers, _, self.sizes = split(train)
        self.low, self.span = bins_of(numbers, self.bins)
        self._build()
        self.model.compile(
            optimizer=keras.optimizers.AdamW(self.learning_rate, weight_decay=self.weight_decay),
            loss="sparse_categorical_crossentropy" if self.classes else "mse",
            jit_compile=False,
        )
        held = None if valid is None or not valid.rows else (self._inputs(valid), self._target(valid))
        pace = Pace(context, epochs_for(self.epochs, held is not None), self.patience)
        size = batch_for(self.batch, train.rows)
        watch = _watch(keras, pace, max(1, -(-train.rows // size)))
        self.model.fit(
            self._inputs(train), self._target(train), sample_weight=train.weight, validation_data=held,
            batch_size=size, epochs=pace.epochs, shuffle=True, verbose=0, callbacks=[watch],
        )  # fmt: skip
        self.model.set_weights(watch.best)
        self.found = pace.best
        return self

    def _build(self) -> None:
        """The network as the facts have it, with fresh weights."""
        keras = _keras(1)
        count, bins = self.low.shape
        numbers = keras.Input((max(1, count * (bins + 1)),), dtype="float32")
        codes = keras.Input((max(1, len(self.sizes)),), dtype="int32")
        parts = [numbers]
        for position, size in enumerate(self.sizes):
            parts.append(keras.layers.Embedding(size, width_of_embedding(size))(codes[:, position]))
        hidden = keras.layers.Concatenate()(parts) if len(parts) > 1 else numbers
        for _ in range(self.layers):
            hidden = keras.layers.Dense(self.width, activation="relu")(hidden)
            hidden = keras.layers.Dropout(self.dropout)(hidden)
        last = keras.layers.Dense(max(1, self.classes), activation="softmax" if self.classes else None)(hidden)
        self.model = keras.Model([numbers, codes], last)
        self._call: Any = None

    def _inputs(self, features: Features) -> list[Array]:
        import numpy as np

        numbers, codes, sizes = split(features)
        check_width(numbers.shape[1], len(self.low), "numbers")
        check_width(len(sizes), len(self.sizes), "categories")
        encoded = piecewise(numbers, self.low, self.span)
        if not encoded.shape[1]:
            encoded = np.zeros((features.rows, 1), dtype=np.float32)
        codes = np.minimum(codes, np.array(self.sizes, dtype=np.int64) - 1).astype(np.int32)
        return [encoded, codes if codes.shape[1] else np.zeros((features.rows, 1), dtype=np.int32)]

    def _target(self, features: Features) -> Array:
        import numpy as np

        target = np.asarray(features.target)
        return target if self.classes else ((target - self.scale[0]) / self.scale[1]).astype(np.float32)

    def settled(self) -> dict[str, Any]:
        """The number of epochs that early stopping found."""
        return {"epochs": max(1, self.found)}

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values."""
        import numpy as np
        import polars as pl

        outputs = max(1, self.classes)
        found = [np.zeros((0, outputs), dtype=np.float32)]
        for start in range(0, features.rows, CHUNK):
            found.append(self._scores(self._inputs(_rows(features, start))))
        scores = np.concatenate(found).astype(np.float64)
        if not self.classes:
            return pl.DataFrame({"prediction": scores[:, 0] * self.scale[1] + self.scale[0]})
        scores /= scores.sum(axis=1, keepdims=True)
        return pl.DataFrame({f"probability_{code}": scores[:, code] for code in range(self.classes)})

    def _scores(self, inputs: list[Array]) -> Array:
        import numpy as np
        import tensorflow as tf

        if self._call is None:
            signature = [
                tf.TensorSpec((None, inputs[0].shape[1]), tf.float32),
                tf.TensorSpec((None, inputs[1].shape[1]), tf.int32),
            ]
            self._call = tf.function(
                lambda numbers, codes: self.model([numbers, codes], training=False), input_signature=signature
            )
        return np.asarray(self._call(*map(tf.constant, inputs)))

    def save(self, folder: Path) -> None:
        """The weights and bins as safetensors, what fixes their shapes as JSON."""
        import safetensors.numpy

        facts = {"numbers": len(self.low), "bins": self.low.shape[1], "sizes": self.sizes, "width": self.width}
        facts |= {"layers": self.layers, "classes": self.classes, "epochs": self.found, "scale": self.scale}
        write_json(folder / "model.json", facts)
        arrays = {f"weight_{number:03}": item for number, item in enumerate(self.model.get_weights())}
        with new_file(folder / "model.safetensors") as temporary:
            safetensors.numpy.save_file({**arrays, "low": self.low, "span": self.span}, temporary)

    def load(self, folder: Path) -> Self:
        """Build the network anew and fill it; every array must be there, of its shape, with finite numbers."""
        import numpy as np

        limits = {"numbers": (0, 1_000_000), "bins": (1, 256), "width": (1, 4096), "layers": (1, 16)}
        limits |= {"classes": (0, 10_000), "epochs": (0, 10**9)}
        path = folder / "model.json"
        facts = checked_facts(read_json(path), path, limits)
        self.classes, self.found, self.sizes = facts["classes"], facts["epochs"], tuple(facts["sizes"])
        self.width, self.layers = facts["width"], facts["layers"]
        self.scale = (float(facts["scale"][0]), float(facts["scale"][1]))
        bins = (facts["numbers"], facts["bins"])
        shapes = self._shapes(*bins)
        arrays = _read(folder / "model.safetensors", [*shapes, bins, bins])
        *weights, self.low, self.span = arrays
        if (np.abs(self.low) > BEYOND * 1.01).any() or (self.span <= 0).any():
            raise TreadleError("the bins are not what they must be", where=folder)
        self._build()
        self.model.set_weights(weights)
        return self

    def _shapes(self, numbers: int, bins: int) -> list[tuple[int, ...]]:
        """The shapes of all weights, in Keras' order, known before anything is built."""
        shapes: list[tuple[int, ...]] = [(size, width_of_embedding(size)) for size in self.sizes]
        inputs = max(1, numbers * (bins + 1)) + sum(width_of_embedding(size) for size in self.sizes)
        for outputs in (*[self.width] * self.layers, max(1, self.classes)):
            shapes += [(inputs, outputs), (outputs,)]
            inputs = outputs
        return shapes


def _keras(threads: int) -> Any:
    """Keras on TensorFlow, quiet."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its rounding differs with the number of rows
    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # several networks in one process make it warn of retracing
    if keras.backend.backend() != "tensorflow":
        raise TreadleError(
            f"Keras runs on {keras.backend.backend()} in this process",
            expected="the backend tensorflow",
            remedy="set KERAS_BACKEND=tensorflow, or leave it unset",
        )
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # TensorFlow has begun to work and keeps the number of threads it has
        return keras
    return keras


def _watch(keras: Any, pace: Pace, steps: int) -> Any:
    """Keeps the best weights, and ends the training when it should end."""

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        epoch = 0
        broken = False

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if pace.hurried(self.epoch + (batch + 1) / steps):
                self.broken = self.model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if pace.gained(epoch + 1, (logs or {}).get("val_loss")):
                self.best = self.model.get_weights()
            if self.broken or pace.ends(epoch + 1):
                self.model.stop_training = True

    return Watch()


def _rows(features: Features, start: int) -> Features:
    """A chunk of the rows."""
    from dataclasses import replace

    end = start + CHUNK
    blocks = {name: replace(block, values=block.values[start:end]) for name, block in features.blocks.items()}
    return replace(features, blocks=blocks, frame=features.frame[start:end])


def _read(path: Path, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """The arrays of a file in order: the weights, then ``low`` and ``span``; each of its shape."""
    import numpy as np
    import safetensors

    names = [f"weight_{number:03}" for number in range(len(shapes) - 2)] + ["low", "span"]
    found = []
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            if set(file.keys()) != set(names):
                raise TreadleError("the arrays are not those of the network", where=path)
            for name, shape in zip(names, shapes, strict=True):
                part = file.get_slice(name)
                if tuple(part.get_shape()) != shape or part.get_dtype() != "F32":
                    raise TreadleError(f"the array {name} is not of its shape {shape}", where=path)
                found.append(file.get_tensor(name))
    except FileNotFoundError:
        raise TreadleError("the file is missing", where=path) from None
    except (safetensors.SafetensorError, ValueError, KeyError, OSError) as error:
        raise TreadleError(f"not a readable model ({error})", where=path) from None
    for name, array in zip(names, found, strict=True):
        if not np.isfinite(array).all():
            raise TreadleError(f"the array {name} holds numbers that are not finite", where=path)
    return found


COMPONENT = Keras
