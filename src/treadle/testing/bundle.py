"""The contract of a bundle, as a check for any folder that claims to be one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from treadle.core.errors import TreadleError
from treadle.store.bundle import MANIFEST, load_bundle, verify_bundle
from treadle.testing.files import find_pickles


def check_bundle(folder: Path, *, flips: int = 3) -> None:
    """Check a bundle: it loads and answers, holds no pickle and no path of this machine, and refuses any damage.

    Args:
        folder: the bundle; it is left as it is.
        flips: how many bytes of each file are tried, spread evenly.

    Raises:
        AssertionError: with the rule that is broken.
    """
    _require(not find_pickles(folder), f"a bundle holds no pickle: {find_pickles(folder)[:3]}")
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(folder, Path(place) / "moved" / "bundle"))
        bundle = load_bundle(copy)
        examples = bundle.examples()
        _require(examples.height > 0, "a bundle carries example rows")
        whole, single = bundle.predict(examples), bundle.predict(examples.head(1))
        _require(whole.height == examples.height and single.height == 1, "one answer a row")
        _require(bundle.predict(examples).equals(whole), "the same rows get the same answers")
        _require(bundle.predict(examples.head(0)).columns == whole.columns, "no rows, no answers, the same columns")
        _check_damage(copy, flips)
    for path in sorted(folder.rglob("*")):
        _require(
            not path.is_file() or str(folder.resolve()).encode() not in path.read_bytes(),
            f"a bundle names no path of a machine: {path.name}",
        )


def _check_damage(folder: Path, flips: int) -> None:
    for path in [path for path in sorted(folder.rglob("*")) if path.is_file()]:
        good = path.read_bytes()
        for number in range(flips):
            at = number * (len(good) - 1) // max(1, flips - 1)
            path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            _refused(folder, f"byte {at} of {path.name} flipped")
        path.write_bytes(good[:-1])
        _refused(folder, f"{path.name} cut short")
        path.unlink()
        _refused(folder, f"{path.name} taken away")
        path.write_bytes(good)
    (folder / "stray.txt").write_text("x")
    _refused(folder, "a file added")
    (folder / "stray.txt").unlink()
    (folder / "link").symlink_to(folder / MANIFEST)
    _refused(folder, "a link added")
    (folder / "link").unlink()
    verify_bundle(folder)


def _refused(folder: Path, what: str) -> None:
    try:
        verify_bundle(folder)
    except TreadleError:
        return
    raise AssertionError(f"a damaged bundle is refused: {what}")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(rule)
