"""From the user's columns to the arrays that a model with given needs can take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from treadle.core import registry
from treadle.core.errors import TreadleError, listing
from treadle.core.files import write_json
from treadle.core.jsonable import decode, encode, read_json
from treadle.core.types import Block, Field, Needs, Schema

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.protocols import Encoder, Transform

Step = tuple[str, Mapping[str, Any]]


@dataclass
class Chain:
    """Some columns on their way to one block: named steps, then an encoder."""

    name: str
    kind: str
    fields: tuple[Field, ...]
    steps: tuple[Step, ...] = ()
    transforms: list[Transform] = field(default_factory=list)
    outputs: tuple[Field, ...] = ()
    encoder: Encoder | None = None


class Encoding:
    """All chains of a schema: one for each kind of column, and one for each column with steps of its own.

    Args:
        schema: the columns.
        needs: of the model.
        steps: by column, what the user wants done before the encoder (which a step that encodes replaces).
    """

    def __init__(self, schema: Schema, needs: Needs, steps: Mapping[str, Sequence[Step]]) -> None:
        self.schema = schema
        self.needs = needs
        self.steps = steps
        self.chains: list[Chain] = []
        grouped: dict[str, list[Field]] = {}
        for item in schema.features:
            if item.name not in steps:
                grouped.setdefault(item.kind, []).append(item)
        self.chains += [Chain(kind, kind, tuple(fields)) for kind, fields in sorted(grouped.items())]
        for name, chosen in sorted(steps.items()):
            item = schema.field(name)
            self.chains.append(Chain(f"column {name}", item.kind, (item,), tuple((s, dict(g)) for s, g in chosen)))

    def fit(self, frame: pl.DataFrame) -> Self:
        """Fit every step and encoder on the training rows."""
        for chain in self.chains:
            self._fit_chain(chain, frame)
        return self

    def apply(self, frame: pl.DataFrame) -> dict[str, Block]:
        """The blocks of these rows, by the chain's name."""
        blocks: dict[str, Block] = {}
        for chain in self.chains:
            part = frame
            for step in chain.transforms:
                part = step.apply(part.select([item.name for item in chain.fields]) if part is frame else part)
            block = _fitted(chain).apply(part)
            if chain.steps:  # Whatever the steps have made comes from the one column that they began with.
                block = replace(block, columns=(chain.fields[0].name,) * len(block.columns))
            blocks[chain.name] = block
        return blocks

    def save(self, folder: Path) -> None:
        """Write all chains below the (existing, empty) folder."""
        chains = []
        for number, chain in enumerate(self.chains):
            place = folder / f"chain_{number}"
            for position, transform in enumerate(chain.transforms):
                (place / f"step_{position}").mkdir(parents=True)
                transform.save(place / f"step_{position}")
            (place / "encoder").mkdir(parents=True)
            _fitted(chain).save(place / "encoder")
            chains.append({"name": chain.name, "outputs": encode(chain.outputs)})
        write_json(folder / "encoding.json", chains)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote for the same schema, needs and steps."""
        data = read_json(folder / "encoding.json")
        if not isinstance(data, list) or [item.get("name") for item in data] != [chain.name for chain in self.chains]:
            raise TreadleError("the encoders do not fit the columns", where=folder)
        for number, (chain, item) in enumerate(zip(self.chains, data, strict=True)):
            place = folder / f"chain_{number}"
            chain.outputs = tuple(decode(Field, output) for output in item["outputs"])
            chain.encoder, chain.transforms = None, []
            for position, (name, given) in enumerate(chain.steps):
                step = registry.build("transforms", name, given)
                if hasattr(step, "encodes"):
                    chain.encoder = step.load(place / "encoder")
                else:
                    chain.transforms.append(step.load(place / f"step_{position}"))
            if chain.encoder is None:
                chain.encoder = self._encoder(chain).load(place / "encoder")
        return self

    def _fit_chain(self, chain: Chain, frame: pl.DataFrame) -> None:
        part = frame.select([item.name for item in chain.fields])
        chain.transforms, chain.encoder = [], None
        for position, (name, given) in enumerate(chain.steps):
            where = f"features.{chain.fields[0].name}"
            step = registry.build("transforms", name, given, where=f"{where}.{name}")
            step.fit(part)
            if not hasattr(step, "encodes"):
                part = step.apply(part)
                chain.transforms.append(step)
            elif position < len(chain.steps) - 1:
                raise TreadleError(f"{name} makes numbers of the column and must be the last step", where=where)
            else:
                chain.encoder = step
        if chain.encoder is None:
            chain.outputs = chain.fields if not chain.steps else _fields_of(part, chain.fields[0])
            chain.encoder = self._encoder(chain).fit(part)

    def _encoder(self, chain: Chain) -> Any:
        kind = chain.outputs[0].kind if chain.outputs else chain.kind
        return registry.load("modalities", kind)().encoder(chain.outputs, self.needs)


def _fitted(chain: Chain) -> Encoder:
    if chain.encoder is None:
        raise RuntimeError("fit or load comes first")
    return chain.encoder


def _fields_of(frame: pl.DataFrame, origin: Field) -> tuple[Field, ...]:
    """What a transform's output columns are: the origin's kind where the name is kept, else by their type."""
    import polars as pl

    found = []
    for name, dtype in frame.schema.items():
        if name == origin.name and (dtype == pl.String) == (origin.dtype == "String"):
            kind = origin.kind
        elif dtype.is_numeric() or dtype == pl.Boolean:
            kind = "number"
        else:
            kind = "time" if dtype.is_temporal() else "category"
        found.append(replace(origin, name=name, kind=kind, dtype=str(dtype)))
    kinds = {item.kind for item in found}
    if len(kinds) > 1:
        raise TreadleError(
            f"the steps make columns of several kinds ({listing(sorted(kinds))})", where=f"features.{origin.name}"
        )
    return tuple(found)
