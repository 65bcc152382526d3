"""What a report is made from: plain JSON, read with care, so that a report can be made anew from files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunFacts:
    """Everything about a run, encoded (see `treadle.core.jsonable.encode`).

    Attributes:
        run: its id.
        created: when, as ISO text.
        name, task: of the model.
        spec: the completed spec as YAML.
        inferred: what was filled in, with reasons.
        stages: how each went (``name``, ``cached``, ``seconds``).
        versions: of Treadle, Python and the libraries.
        values: what each stage handed on, by stage.
        code: hash of Treadle's code, and the project's commit where it lies in a Git repository.
    """

    run: str
    created: str = ""
    name: str = ""
    task: str = ""
    spec: str = ""
    inferred: Sequence[Mapping[str, Any]] = ()
    stages: Sequence[Mapping[str, Any]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> RunFacts:
        """From a mapping with these keys; others are left out."""
        return cls(**{key: value for key, value in facts.items() if key in cls.__dataclass_fields__})

    def of_stage(self, stage: str) -> Mapping[str, Any]:
        """What a stage handed on; empty where it has not run."""
        return self.values.get(stage) or {}

    @property
    def fields(self) -> list[Mapping[str, Any]]:
        """The columns of the dataset."""
        return list((self.of_stage("ingest").get("schema") or {}).get("fields") or ())

    @property
    def target(self) -> str | None:
        """The column that is predicted."""
        found = (self.of_stage("ingest").get("schema") or {}).get("target")
        return str(found) if found else None
