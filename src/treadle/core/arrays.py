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
    found: list[Array] = []
    for name in names:
        path = inside(folder, f"{name}.npy")
        try:
            if path.stat().st_size > MAX_ARRAY_BYTES:
                raise TreadleError("the array is too large", where=path)
            found.append(_read(path))
        except FileNotFoundError:
            raise TreadleError("the file is missing", where=path) from None
        except TreadleError:
            raise
        except Exception as error:  # a header is parsed like source text: a broken one can fail in any way
            raise TreadleError(f"not a readable array ({error})", where=path) from None
    return found


def _read(path: Path) -> Array:
    """The array, once its header is known to fit the file: a forged shape must not claim memory that is not there."""
    import math
    from tokenize import TokenError

    import numpy as np

    with path.open("rb") as handle:
        version = np.lib.format.read_magic(handle)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            shape, _, dtype = read(handle)
        except (SyntaxError, TokenError) as error:
            raise ValueError(f"its header cannot be read: {error}") from None
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or dtype.kind not in "biufcUSmM" or min(shape, default=0) < 0:
            raise ValueError(f"{dtype} of shape {shape} is not stored here")
        if size != path.stat().st_size - handle.tell():
            raise ValueError(f"{dtype} of shape {shape} does not fit the file's length")
        handle.seek(0)
        return np.asarray(np.lib.format.read_array(handle, allow_pickle=False))
