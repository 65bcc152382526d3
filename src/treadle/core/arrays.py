"""Small named arrays in a folder: plain ``.npy``, never a pickle, bounded and checked when read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from treadle.core.errors import TreadleError
from treadle.core.files import inside

if TYPE_CHECKING:
    from treadle.core.types import Array

MAX_ARRAY_BYTES = 8 * 1024**3


def save_arrays(folder: Path, arrays: Mapping[str, Array]) -> None:
    """Write each array as ``<name>.npy``; arrays of objects are refused."""
    import numpy as np

    for name, array in arrays.items():
        np.save(inside(folder, f"{name}.npy"), np.asarray(array), allow_pickle=False)


def load_arrays(folder: Path, *names: str) -> list[Array]:
    """Read what `save_arrays` wrote."""
    import numpy as np

    found: list[Array] = []
    for name in names:
        path = inside(folder, f"{name}.npy")
        try:
            if path.stat().st_size > MAX_ARRAY_BYTES:
                raise TreadleError("the array is too large", where=path)
            found.append(np.load(path, allow_pickle=False))
        except FileNotFoundError:
            raise TreadleError("the file is missing", where=path) from None
        except (ValueError, EOFError, OSError) as error:
            raise TreadleError(f"not a readable array ({error})", where=path) from None
    return found
