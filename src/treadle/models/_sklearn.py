"""What the scikit-learn models share: a matrix in, a frame out, skops on disk with a list of trusted types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array


def probability_frame(probability: Array, seen: Sequence[int], classes: int) -> pl.DataFrame:
    """``probability_<code>`` columns for all classes; those that training did not hold get 0.

    Args:
        probability: (rows, seen classes).
        seen: the codes of its columns.
        classes: how many there are in all.
    """
    import numpy as np
    import polars as pl

    full = np.zeros((len(probability), classes), dtype=np.float64)
    full[:, list(seen)] = probability
    return pl.DataFrame({f"probability_{code}": full[:, code] for code in range(classes)})


def save_estimator(estimator: Any, path: Path) -> None:
    """Write a fitted estimator as skops."""
    import skops.io

    skops.io.dump(estimator, path)


def load_estimator(path: Path, trusted: Sequence[str]) -> Any:
    """Read a skops file; types outside ``trusted`` (and skops' own safe ones) are refused before anything is built."""
    import skops.io

    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - set(trusted)
        if unknown:
            raise TreadleError(f"the model holds a type that is not trusted: {min(unknown)}", where=path)
        return skops.io.load(path, trusted=list(trusted))
    except TreadleError:
        raise
    except Exception as error:
        raise TreadleError(f"not a readable model ({type(error).__name__}: {error})", where=path) from None
