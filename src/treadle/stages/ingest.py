"""Read the source once, settle what its columns mean, keep it as Parquet under a version made of its content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.errors import TreadleError, did_you_mean, listing, raise_all
from treadle.core.files import hash_value
from treadle.core.types import DROPPED, FEATURE, GROUP, SERIES, TARGET, Field, Schema
from treadle.core.types import TIME as TIME_ROLE
from treadle.spec.data import Data
from treadle.spec.read import resolve_secrets
from treadle.spec.spec import Spec
from treadle.stages.values import Dataset, Job

if TYPE_CHECKING:
    import polars as pl

INPUTS: tuple[str, ...] = ()
VALUE = Dataset
SAMPLE = 20_000


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return spec.data.model_dump(mode="json", exclude={"expect", "rows"})


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """The components whose code and libraries this stage depends on."""
    return [("modalities", name) for name in registry.names("modalities")]


def sources(data: Data, project: Path) -> list[Any]:
    """The source objects that ``data.source`` names, paths taken from the project's folder."""
    urls = (data.source,) if isinstance(data.source, str) else data.source
    found = []
    for url in urls:
        opened = resolve_secrets(url, where="data.source")
        if "://" not in opened:
            opened = str((project / opened).resolve())
        found.append(_source(opened, url, data))
    return found


def _source(opened: str, written: str, data: Data) -> Any:
    for name in registry.names("sources"):
        component = registry.load("sources", name)
        if component.matches(opened):
            registry.require(component, name, where=written)
            options = {"url": opened, **data.options}
            if data.query is not None:
                options["query"] = data.query
            checked = registry.check_options(component, options, name=name, where="data.options")
            return component(**checked)
    if "://" not in opened and not Path(opened).exists():
        raise TreadleError("no such file or folder", where=written, remedy="check data.source")
    raise TreadleError("nothing here reads this source", where=written,
                       expected=f"something for one of: {listing(registry.names('sources'))}")  # fmt: skip


def source_fingerprint(data: Data, project: Path) -> str:
    """A short text that changes when the content of the sources may have changed."""
    return hash_value([source.fingerprint() for source in sources(data, project)])


def run(job: Job) -> Dataset:
    """Read, infer, convert, write ``data.parquet``."""
    import polars as pl

    data = job.spec.data
    lazy = pl.concat([source.scan() for source in sources(data, job.project)])
    if data.limit:
        lazy = lazy.head(data.limit)
    frame = lazy.collect()
    if frame.height == 0:
        raise TreadleError("the data has no rows", where=str(data.source))
    schema = infer_schema(frame.gather_every(max(1, frame.height // SAMPLE)), data)
    columns = []
    for item in schema.fields:
        column = frame[item.name]
        if item.kind in ("number", "time") and column.dtype == pl.String:
            column = registry.load("modalities", item.kind)().decode(column, item)
        columns.append(column)
    frame = pl.DataFrame(columns)
    schema = describe(frame, schema)
    frame.write_parquet(job.folder / "data.parquet")
    version = hash_value([source.fingerprint() for source in sources(data, job.project)])
    written = (data.source,) if isinstance(data.source, str) else tuple(data.source)
    return Dataset(version, frame.height, schema, written)


def infer_schema(sample: pl.DataFrame, data: Data) -> Schema:
    """Kinds by asking every modality, roles by the spec."""
    names = sample.columns
    problems = []
    for place, wanted in (
        ("data.target", [data.target]),
        ("data.time", [data.time]),
        ("data.group", [data.group]),
        ("data.series", [data.series]),
        ("data.weight", [data.weight]),
        ("data.drop", data.drop),
        ("data.sensitive", data.sensitive),
        ("data.columns", data.columns),
        ("data.expect", data.expect),
    ):
        for name in wanted:
            if name is not None and name not in names:
                hint = did_you_mean(name, names)
                problems.append(
                    TreadleError(f"there is no column {name!r}{hint}", where=place, expected=f"one of {listing(names)}")
                )
    raise_all(problems)
    fields = [_field(sample[name], data) for name in names]
    return Schema(tuple(fields), data.target, data.time, data.group, data.series, tuple(data.sensitive))


def _field(column: pl.Series, data: Data) -> Field:
    name = column.name
    if name in data.columns:
        kind, reason, inferred = str(data.columns[name]), "said in the spec", False
    else:
        best = (0.0, "category", "nothing else fits")
        for other in registry.names("modalities"):
            guess = registry.load("modalities", other)().infer(column)
            if guess and guess[0] > best[0]:
                best = (guess[0], other, guess[1])
        kind, reason, inferred = best[1], best[2], True
    role = FEATURE
    if name == data.target:
        role = TARGET
    elif name in data.drop:
        role, reason = DROPPED, "dropped by the spec"
    elif name == data.weight:
        role = "weight"
    elif name == data.group:
        role = GROUP
    elif name == data.series:
        role = SERIES
    elif name == data.time:
        role = TIME_ROLE
    elif kind == "id":
        role, reason = DROPPED, f"an identifier: {reason}"
    elif column.null_count() == len(column) or column.drop_nulls().n_unique() <= 1:
        role, reason = DROPPED, "constant"
    return Field(name, kind, str(column.dtype), role, reason, inferred)


def describe(frame: pl.DataFrame, schema: Schema) -> Schema:
    """The schema with missing rates, ranges and categories of the whole data."""
    from dataclasses import replace

    fields = []
    for item in schema.fields:
        column = frame[item.name]
        present = column.drop_nulls()
        facts: dict[str, Any] = {
            "dtype": str(column.dtype),
            "missing": column.null_count() / max(1, len(column)),
            "unique": present.n_unique(),
        }
        if item.kind in ("number", "time") and len(present):
            low, high = present.min(), present.max()
            facts["low"], facts["high"] = (
                (float(low), float(high)) if item.kind == "number" else (str(low), str(high))  # type: ignore[arg-type]
            )
        few = facts["unique"] <= 1000
        if item.kind in ("category", "boolean") or (item.role == TARGET and few):
            from treadle.core.predictor import label_text

            counts = (
                label_text(present).alias("value").value_counts().sort(["count", "value"], descending=[True, False])
            )
            facts["categories"] = tuple(counts["value"].head(1000).to_list())
        fields.append(replace(item, **facts))
    return replace(schema, fields=tuple(fields))
