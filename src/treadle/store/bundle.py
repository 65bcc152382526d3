"""The bundle: the folder that is deployed. It carries its own checksums and tests itself when it is loaded.

``bundle.json`` is the manifest (format, where it came from, a SHA-256 of every file); ``predictor/`` the encoders and
the model; ``schema.json`` and ``baseline.json`` what the columns are and were; ``examples.json`` some rows with the
answers they got; ``treadle.yaml`` the completed spec; the rest makes it an MLflow model. There is no path of a machine
in it, and no pickle.
"""

from __future__ import annotations

import hmac
import logging
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.files import files_below, hash_file, hash_value, inside, write_json
from treadle.core.jsonable import decode, dumps, encode, read_json
from treadle.core.predictor import Predictor
from treadle.core.types import Profile, Schema
from treadle.store import probe
from treadle.store.examples import differences, read_examples, write_examples
from treadle.store.versions import distribution
from treadle.store.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
MANIFEST = "bundle.json"
TOLERANCE = 1e-4
MAX_MANIFEST = 16 * 1024 * 1024
MAX_TABLE = 64 * 1024 * 1024
MAX_FILES = 100_000
META = "registered_model_meta"
"""A note that MLflow writes into the folder of a model that it loads; never read here."""

log = logging.getLogger("treadle")


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Attributes:
        path: its folder.
        facts: the manifest: name, run, dataset, metrics, gates, library versions, the time it was made.
        predictor: ready to predict.
        baseline: profiles of the training columns.
        digest: one hash over all its files.
    """

    path: Path
    facts: Mapping[str, Any]
    predictor: Predictor
    baseline: tuple[Profile, ...]
    digest: str

    @property
    def schema(self) -> Schema:
        """The columns it reads."""
        return self.predictor.schema

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """See `Predictor.predict`."""
        return self.predictor.predict(frame)

    def examples(self) -> pl.DataFrame:
        """Some rows, as they would arrive."""
        return read_examples(self.path)[0]


def write_bundle(
    folder: Path,
    saved: Path,
    predictor: Predictor,
    *,
    examples: pl.DataFrame,
    baseline: tuple[Profile, ...],
    facts: Mapping[str, Any],
    texts: Mapping[str, str],
) -> str:
    """Write a bundle into ``folder`` and return its digest. The same arguments give the same bytes.

    Args:
        folder: must not exist or be empty.
        saved: folder of a saved `Predictor`; its files are copied.
        predictor: the same, loaded.
        examples: some rows, as they would arrive; what the model says of them is written beside them.
        baseline: profiles of the training columns.
        facts: JSON types, for the manifest.
        texts: further files by name (the completed spec, ``MLmodel``, ...).
    """
    shutil.copytree(saved, folder / "predictor")
    write_examples(folder, predictor, examples)
    write_json(folder / "schema.json", predictor.schema)
    write_json(folder / "baseline.json", baseline)
    for name, text in texts.items():
        inside(folder, name).write_text(text, encoding="utf-8")
    sums = {path.relative_to(folder).as_posix(): hash_file(path) for path in files_below(folder)}
    manifest = {**encode(facts), "format": FORMAT, "tolerance": TOLERANCE, "sums": sums}
    manifest["digest"] = hash_value(manifest)
    write_json(folder / MANIFEST, manifest)
    return str(manifest["digest"])


def verify_bundle(folder: Path) -> dict[str, Any]:
    """Check format and checksums of every file, and return the manifest.

    Raises:
        TreadleError: a file changed, missing, added, too large, not a plain file, or a newer format.
    """
    manifest = read_manifest(folder)
    unsigned = {key: value for key, value in manifest.items() if key != "digest"}
    as_written = (dumps(manifest, indent=2) + "\n").encode()
    same = hmac.compare_digest(str(manifest.get("digest")).encode(), hash_value(unsigned).encode())
    if not same or (folder / MANIFEST).read_bytes() != as_written:
        raise _damaged(folder, MANIFEST)
    present = _files(folder)
    for name, expected in manifest["sums"].items():
        if name not in present:
            raise TreadleError(
                f"the file {name} is missing from the bundle", where=folder,
                remedy="take it from the registry again, or make it anew with `treadle run`",
            )  # fmt: skip
        if hash_file(inside(folder, name)) != expected:
            raise _damaged(folder, name)
    stray = present - set(manifest["sums"]) - {MANIFEST, META}
    if stray:
        raise TreadleError(
            f"the bundle holds a file that is not in its manifest: {min(stray)}", where=folder, remedy="remove it"
        )
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a bundle of a known format; its files are not looked at."""
    path = folder / MANIFEST
    if not path.is_file() or path.is_symlink():
        raise TreadleError("this is not a bundle", where=folder, expected=f"a folder with {MANIFEST} in it")
    manifest = read_json(path, limit=MAX_MANIFEST)
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise TreadleError("the manifest is not readable", where=path)
    found = manifest["format"]
    if found != FORMAT:
        newer = isinstance(found, int) and found > FORMAT
        raise TreadleError(
            f"the bundle has format {found!r}, this Treadle reads {FORMAT}",
            where=folder,
            remedy="pip install --upgrade treadle" if newer else "make it anew with `treadle run`",
        )
    sums = manifest.get("sums")
    if not isinstance(sums, dict) or not all(isinstance(item, str) for item in sums.values()):
        raise TreadleError("the manifest is not readable", where=path)
    return manifest


def load_bundle(folder: Path, *, test: bool = True, trusted: bool | None = None) -> Bundle:
    """Load a bundle: checksums, structure, and (``test``) its own examples with their expected answers.

    Args:
        folder: the bundle.
        test: let it test itself.
        trusted: False tries it in a child process first, so that a hostile file cannot take this process down; None
            does so only for a bundle that the workspace around it has neither made nor tried before.

    Raises:
        TreadleError: damaged, hostile, of a newer format, or answering differently from when it was made.
    """
    manifest = verify_bundle(folder)
    if trusted is None:
        trusted = probe.known(Workspace.around(folder), str(manifest["digest"]))
    if not trusted:
        probe.run(folder, Workspace.around(folder), str(manifest["digest"]))
    predictor = Predictor.load(folder / "predictor")
    baseline = decode(tuple[Profile, ...], read_json(folder / "baseline.json", limit=MAX_TABLE))
    bundle = Bundle(folder, manifest, predictor, baseline, str(manifest["digest"]))
    if test:
        self_test(bundle)
    return bundle


def self_test(bundle: Bundle) -> None:
    """Predict the bundle's own examples and compare.

    Other library versions are only mentioned while the answers are equal.
    """
    examples, expected = read_examples(bundle.path, limit=MAX_TABLE)
    made_with = bundle.facts.get("versions", {})
    changed = [
        f"{name} {version} (here {found[1] if found else 'none'})"
        for name, version in made_with.items()
        if (found := distribution(name)) is None or found[1] != version
    ]
    tolerance = min(float(bundle.facts.get("tolerance", TOLERANCE)), 0.01)
    wrong = differences(bundle.predict(examples), expected, bundle.predictor, tolerance)
    if wrong:
        raise TreadleError(
            "the model answers differently from when it was made",
            where=bundle.path,
            expected=f"the libraries it was made with: {', '.join(f'{k} {v}' for k, v in made_with.items())}",
            remedy=f"install those versions, or train anew ({wrong})",
        )
    if changed:
        log.info("%s was made with %s; its answers are the same", bundle.path, ", ".join(changed))


def _files(folder: Path) -> set[str]:
    """Relative names of all files; links and whatever else is not a plain file or folder are refused."""
    found = set()
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                found.add(path.relative_to(folder).as_posix())
            elif not stat.S_ISDIR(mode):
                raise TreadleError("only plain files have a place in a bundle", where=path, remedy="remove it")
        if len(found) > MAX_FILES:
            raise TreadleError(f"the bundle holds more than {MAX_FILES:,} files", where=folder)
    return found


def _damaged(folder: Path, name: str) -> TreadleError:
    return TreadleError(
        f"the bundle is damaged: {name} is not what was written",
        where=folder,
        remedy="take it from the registry again, or make it anew with `treadle run`",
    )
