"""What a full disk or a lack of memory looks like when it comes out of somebody else's library."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from treadle.core.errors import TreadleError
from treadle.core.files import disk_error

FULL = re.compile(r"no space left on device|disk is full|os error 28\b|errno 28\b|disk quota exceeded", re.IGNORECASE)
READ_ONLY = re.compile(r"read-only file system|os error 30\b|errno 30\b", re.IGNORECASE)
TOO_LARGE = re.compile(r"file too large|os error 27\b|errno 27\b", re.IGNORECASE)


def machine_trouble(error: BaseException, where: Path) -> TreadleError | None:
    """The one clear error for trouble of the machine rather than of the input; None for anything else."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError):
            return TreadleError(
                "there is not enough memory", remedy="use fewer rows (`data.limit`) or a larger machine"
            )
        text = str(seen)
        if FULL.search(text):
            return disk_error(OSError(errno.ENOSPC, text), where)
        if READ_ONLY.search(text):
            return disk_error(OSError(errno.EROFS, text), where)
        if TOO_LARGE.search(text):
            return TreadleError("a file grew larger than this system allows", where=where, remedy="raise `ulimit -f`")
        seen = seen.__cause__ or seen.__context__
    return None
