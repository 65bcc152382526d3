"""What was fetched from elsewhere, kept in the workspace until it changes there."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from treadle.core.errors import TreadleError
from treadle.core.files import new_file, write_json
from treadle.core.jsonable import read_json

MOST_GIGABYTES = 100.0


class Cache:
    """One fetched file with what the other side said about it.

    Args:
        folder: of the workspace; a folder of this user among the temporary ones when there is none.
        key: what names the file, secrets left out.
    """

    def __init__(self, folder: str | None, key: str) -> None:
        root = Path(folder) if folder else Path(tempfile.gettempdir()) / "treadle-downloads"
        self.folder = root / hashlib.sha256(key.encode()).hexdigest()[:32]

    def known(self) -> tuple[Path | None, dict[str, Any]]:
        """The file and its facts; None and nothing when it was never fetched whole."""
        about = self.folder / "about.json"
        if not about.is_file():
            return None, {}
        facts = read_json(about)
        path = self.folder / Path(str(facts.get("file", ""))).name
        return (path, facts) if path.is_file() and path.stat().st_size == facts.get("size") else (None, {})

    def keep(self, name: str, stream: Any, facts: dict[str, Any], *, most: float, where: str) -> Path:
        """Write the stream's bytes under this name; more than ``most`` gigabytes are refused."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / Path(name).name
        size = 0
        with new_file(path) as temporary, temporary.open("wb") as handle:
            while part := stream.read(1 << 20):
                size += len(part)
                if size > most * 1e9:
                    raise TreadleError(f"the file is larger than {most:g} GB", where=where,
                                       remedy="raise `options: {most: ...}`, in gigabytes")  # fmt: skip
                handle.write(part)
        wanted = facts.get("length")
        if isinstance(wanted, int) and wanted != size:
            path.unlink(missing_ok=True)
            raise TreadleError(f"the transfer broke off after {size:,} of {wanted:,} bytes", where=where,
                               remedy="run the same command again")  # fmt: skip
        write_json(self.folder / "about.json", {**facts, "file": path.name, "size": size})
        return path
