"""What each stage hands on: small frozen values; big things lie as files in the stage's folder, named here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from treadle.core.events import Events
from treadle.core.types import Inference, Metered, Profile, Schema, Verdict
from treadle.spec.spec import Spec


@dataclass(frozen=True)
class Done:
    """A finished stage: its value, and the folder its files lie in."""

    value: Any
    folder: Path
    fingerprint: str


@dataclass(frozen=True)
class Job:
    """What a stage gets.

    Attributes:
        spec: completed, except in ``ingest``, where it is as read.
        folder: write files here; it becomes visible only when the stage ends well.
        project: the folder of the spec; relative paths start there.
        workspace: the folder ``.treadle``.
        inputs: the finished stages before this one, by name.
        events: for progress, and for the wish to stop.
        scratch: a folder that survives a crash, for checkpoints.
        run: the id of the run this belongs to.
        recorder: the open line to tracking and registry (``call(verb, **arguments)``); None where no stage needs it.
    """

    spec: Spec
    folder: Path
    project: Path
    workspace: Path
    inputs: Mapping[str, Done]
    events: Events
    scratch: Path
    run: str = ""
    recorder: Any = None


@dataclass(frozen=True)
class Dataset:
    """A versioned table: ``data.parquet``.

    Attributes:
        version: hash of the content: the same bytes give the same version everywhere.
        rows: how many.
        schema: the columns.
        source: what was read, secrets left out.
        inferred: how it was read (separator, encoding, ...), and why.
    """

    version: str
    rows: int
    schema: Schema
    source: tuple[str, ...]
    inferred: tuple[Inference, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something that a person should know about the data.

    Attributes:
        check: the rule's name (``constant``, ``duplicates``, ``leakage``, ...).
        severity: ``error`` (the run stops), ``warning`` or ``note``.
        columns: concerned.
        text: one sentence.
        rows: how many rows are concerned.
        examples: positions of some of them, counted from 1.
        value: the figure behind it.
    """

    check: str
    severity: str
    columns: tuple[str, ...]
    text: str
    rows: int | None = None
    examples: tuple[int, ...] = ()
    value: float | None = None


@dataclass(frozen=True)
class Quality:
    """The quality report of a dataset."""

    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Splits:
    """``parts.parquet``: the column ``part`` (``train``, ``valid``, ``test``, or null for a row without a label), in
    the order of the data; for k-fold also ``fold`` (0 .. folds - 1)."""

    method: str
    rows: Mapping[str, int]
    detail: str = ""


@dataclass(frozen=True)
class Candidate:
    """One model that was tried."""

    model: str
    options: Mapping[str, Any]
    score: float | None
    seconds: float
    chosen: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Trained:
    """``predictor/``: the fitted `treadle.core.predictor.Predictor`; ``valid.parquet``: what it said of the
    validation rows before the refit (truth, prediction, probabilities in codes).

    Attributes:
        model, options: the winner.
        metric: what decided.
        candidates: all that were tried, best first.
        threshold: of the binary decision.
        seconds: of the winner's fit.
    """

    model: str
    options: Mapping[str, Any]
    metric: str
    candidates: tuple[Candidate, ...]
    classes: tuple[str, ...]
    threshold: float
    seconds: float
    profiles: tuple[Profile, ...] = ()


@dataclass(frozen=True)
class Slice:
    """The metrics of some of the rows.

    Attributes:
        rule: which rows, as a person would say it (``sex = Female``).
        found: ``given`` by the spec or ``worst`` (searched).
        difference: mean loss of a row in it minus that of all other rows: squared error of the probabilities, 0 or 1
            for a wrong class where there are none, or absolute error.
        p_value: of no difference to the rest, adjusted for the number of slices looked at.
    """

    rule: str
    columns: tuple[str, ...]
    rows: int
    metrics: Mapping[str, Metered]
    found: str = "given"
    difference: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """How good the model is on rows that training never saw; ``predictions.parquet`` holds them.

    Attributes:
        metrics, baseline: by name, of the model, and of always saying the majority class or the mean.
        rows: number of test rows.
        metric: the one that decides.
        curves: points for the plots, by name: ``roc``, ``precision_recall``, ``calibration``, ``threshold``,
            ``scores``, ``residuals`` (their form stands at the head of `treadle.stages.curves`), and
            ``learning``: ``{"metric", "rows": [...], "value": [...], "low": [...], "high": [...]}``.
        confusion: rows by true (first index) and predicted class.
        fairness: by sensitive column: ``groups`` (by label: ``rows`` and rates) and each measure as
            ``{"value", "low", "high"}``.
        slices: given and found.
        folds: metrics by fold, for k-fold.
    """

    metrics: Mapping[str, Metered]
    baseline: Mapping[str, Metered]
    rows: int
    metric: str
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)
    fairness: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    folds: tuple[Mapping[str, float], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Importance:
    """How much a column matters to the whole model."""

    column: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Explanation:
    """Why the model says what it says.

    Attributes:
        permutation: loss of the deciding metric when a column is shuffled.
        native: the model's own importance, summed over the parts of a column.
        shap: mean absolute SHAP value.
        shap_rows: a sample of rows: ``{"columns", "values", "data", "base", "scale", "label"}``, for the plot.
        partial: partial dependence by column.
    """

    permutation: tuple[Importance, ...] = ()
    native: tuple[Importance, ...] = ()
    shap: tuple[Importance, ...] = ()
    shap_rows: Mapping[str, Any] = field(default_factory=dict)
    partial: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """Whether the model may be promoted."""

    gates: tuple[Verdict, ...]
    passed: bool


@dataclass(frozen=True)
class Registered:
    """``bundle/``: what is deployed.

    Attributes:
        name, version: in the registry.
        aliases: given at registration.
        tracking_run: the MLflow run's id.
        digest: of the bundle.
        run: the run that made it.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    tracking_run: str
    digest: str
    run: str = ""


@dataclass(frozen=True)
class Completed:
    """The completed spec with what was inferred, as the report shows it."""

    spec: Spec
    inferred: tuple[Inference, ...]
