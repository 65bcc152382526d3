"""What MLflow loads: the bundle behind MLflow's ``python_function`` interface. It imports no MLflow itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.store.bundle import Bundle, load_bundle

if TYPE_CHECKING:
    import polars as pl


class Loaded:
    """A bundle that takes and gives pandas frames."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Predictions as a pandas frame, for a pandas frame (or what makes one) with the schema's columns.

        A column that held missing values in training may be left out; it then counts as missing.
        """
        import polars as pl

        frame = _frame(model_input)
        optional = [
            pl.lit(None).alias(item.name)
            for item in self.bundle.schema.features
            if item.missing > 0 and item.name not in frame.columns
        ]
        return self.bundle.predict(frame.with_columns(optional)).to_pandas()


def _frame(model_input: Any) -> pl.DataFrame:
    import polars as pl

    if isinstance(model_input, pl.DataFrame):
        return model_input
    if hasattr(model_input, "columns"):
        return pl.DataFrame(
            [pl.Series(str(name), model_input[name].to_list(), strict=False) if model_input[name].dtype == object
             else pl.from_pandas(model_input[name]) for name in model_input.columns]
        )  # fmt: skip
    return pl.DataFrame(model_input)


def _load_pyfunc(path: str) -> Loaded:
    """The entry point that ``MLmodel`` names."""
    return Loaded(load_bundle(Path(path)))
