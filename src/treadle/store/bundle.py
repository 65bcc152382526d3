"""The bundle: the folder that is deployed. It carries its own checksums and tests itself when it is loaded."""

from __future__ import annotations

import datetime
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError
from treadle.core.files import files_below, hash_file, hash_value, inside, write_json
from treadle.core.jsonable import decode, encode, read_json
from treadle.core.predictor import Predictor
from treadle.core.types import Profile, Schema

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
MANIFEST = "bundle.json"
EXAMPLES = 20
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Attributes:
        path: its folder.
        facts: name, run, dataset version, library versions, metrics, the time it was made.
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


def write_bundle(
    folder: Path,
    predictor: Predictor,
    *,
    examples: pl.DataFrame,
    baseline: tuple[Profile, ...],
    facts: Mapping[str, Any],
    texts: Mapping[str, str],
) -> str:
    """Write a bundle into ``folder`` and return its digest.

    Args:
        folder: must not exist or be empty.
        predictor: fitted.
        examples: some rows, as they would arrive; what the model says of them is written beside them.
        baseline: profiles of the training columns.
        facts: JSON types, for the manifest.
        texts: further files by name (the completed spec, ``MLmodel``, ...).
    """
    predictor.save(folder / "predictor")
    examples = examples.head(EXAMPLES)
    examples.write_parquet(folder / "examples.parquet")
    predictor.predict(examples).write_parquet(folder / "expected.parquet")
    write_json(folder / "schema.json", predictor.schema)
    write_json(folder / "baseline.json", baseline)
    for name, text in texts.items():
        inside(folder, name).write_text(text, encoding="utf-8")
    sums = {str(path.relative_to(folder)): hash_file(path) for path in files_below(folder)}
    manifest = {
        **encode(facts),
        "format": FORMAT,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "sums": sums,
    }
    manifest["digest"] = hash_value(manifest)
    write_json(folder / MANIFEST, manifest)
    return str(manifest["digest"])


def verify_bundle(folder: Path) -> dict[str, Any]:
    """Check format and checksums, and return the manifest."""
    if not (folder / MANIFEST).is_file():
        raise TreadleError("this is not a bundle", where=folder, expected=f"a folder with {MANIFEST} in it")
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sums"), dict):
        raise TreadleError("the manifest is not readable", where=folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise TreadleError(
            f"the bundle has format {manifest.get('format')}, this Treadle reads {FORMAT}",
            where=folder,
            remedy="pip install --upgrade treadle",
        )
    unsigned = {key: value for key, value in manifest.items() if key != "digest"}
    if not hmac.compare_digest(str(manifest.get("digest")), hash_value(unsigned)):
        raise _damaged(folder, MANIFEST)
    for name, expected in manifest["sums"].items():
        path = inside(folder, name)
        if not path.is_file():
            raise TreadleError(f"the file {name} is missing from the bundle", where=folder)
        if hash_file(path) != expected:
            raise _damaged(folder, name)
    stray = {str(path.relative_to(folder)) for path in files_below(folder)} - set(manifest["sums"]) - {MANIFEST}
    if stray:
        raise TreadleError(f"the bundle holds a file that is not in its manifest: {min(stray)}", where=folder)
    return manifest


def _damaged(folder: Path, name: str) -> TreadleError:
    return TreadleError(
        f"the bundle is damaged: {name} is not what was written",
        where=folder,
        remedy="take it from the registry again, or make it anew with `treadle run`",
    )


def load_bundle(folder: Path, *, test: bool = True) -> Bundle:
    """Load a bundle: checksums, structure, and (``test``) its own examples with their expected predictions.

    Raises:
        TreadleError: damaged, hostile, of a newer format, or answering differently from when it was made.
    """
    manifest = verify_bundle(folder)
    predictor = Predictor.load(folder / "predictor")
    baseline = decode(tuple[Profile, ...], read_json(folder / "baseline.json"))
    bundle = Bundle(folder, manifest, predictor, baseline, str(manifest["digest"]))
    if test:
        self_test(bundle)
    return bundle


def self_test(bundle: Bundle) -> None:
    """Predict the bundle's own examples and compare."""
    import polars as pl
    from polars.testing import assert_frame_equal

    examples = pl.read_parquet(bundle.path / "examples.parquet")
    expected = pl.read_parquet(bundle.path / "expected.parquet")
    try:
        assert_frame_equal(bundle.predict(examples), expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    except AssertionError as error:
        versions = bundle.facts.get("versions", {})
        raise TreadleError(
            "the model answers differently from when it was made",
            where=bundle.path,
            expected=f"the libraries it was made with: {', '.join(f'{k} {v}' for k, v in versions.items())}",
            remedy=f"install those versions, or train anew ({str(error).splitlines()[0]})",
        ) from None
