"""A folder of table files, or a pattern such as ``data/part-*.csv``."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from treadle.core.errors import TreadleError
from treadle.core.options import Doc
from treadle.core.types import SourceTags
from treadle.sources._delegate import ENDINGS, Delegating, file_source, is_table

MOST = 100_000


class Folder(Delegating):
    """All table files of a folder and of those below it, or all that a pattern names, in sorted order.

    Names that begin with ``.`` or ``_`` are left out. All files must have the same columns.
    """

    tags = SourceTags(whole=True)

    def __init__(
        self,
        *,
        url: str,
        reading: Annotated[Mapping[str, Any] | None, Doc("options of the files' own format, such as separator")] = None,
    ) -> None:
        self.url = url
        self.reading = reading

    @classmethod
    def matches(cls, url: str) -> bool:
        """A folder, or a path with ``*``, ``?`` or ``[``."""
        return "://" not in url and (Path(url).is_dir() or (glob.has_magic(url) and not Path(url).exists()))

    @classmethod
    def example(cls, folder: Path) -> Folder:
        """Two files in a folder."""
        place = folder / "parts"
        place.mkdir(exist_ok=True)
        (place / "b.csv").write_text("age,name\n54,Cy\n")
        (place / "a.csv").write_text("name,age\nAda,36\nBo,NA\n")
        return cls(url=str(place))

    def sources(self) -> list[tuple[str, Any]]:
        """The files by their path below the folder, sorted."""
        root = Path(self.url)
        if root.is_dir():
            paths = [path for path in root.rglob("*") if _seen(path.relative_to(root))]
        else:
            # The part before the first wildcard is the root: names below it are the same on every machine.
            fixed = list(root.parts)
            while any(map(glob.has_magic, fixed)):
                fixed.pop()
            paths = [Path(name) for name in glob.glob(self.url, recursive=True)]
            root = Path(*fixed)
        found = sorted((path.relative_to(root).as_posix(), path) for path in paths if path.is_file() and is_table(path))
        if not found or len(found) > MOST:
            problem = f"{len(found):,} files are too many" if found else "there is no table file here"
            raise TreadleError(problem, where=self.url, expected=f"files that end in {', '.join(ENDINGS)}")
        return [(name, file_source(path, self.reading)) for name, path in found]


def _seen(relative: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in relative.parts)


COMPONENT = Folder
