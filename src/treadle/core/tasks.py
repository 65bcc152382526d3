"""What is predicted. A task fixes the form of the truth, the metrics shown and the one that decides."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.core.errors import TreadleError, did_you_mean, listing


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: as in the spec.
        truth: ``codes`` (classes), ``values`` (numbers) or ``none`` (nothing to learn from labels).
        metrics: shown by default, the one that decides first.
        binary: what replaces ``metrics`` when there are two classes.
    """

    name: str
    truth: str
    metrics: tuple[str, ...]
    binary: tuple[str, ...] = ()

    def metrics_for(self, classes: int) -> tuple[str, ...]:
        """The default metrics; the first decides between models."""
        return self.binary if self.binary and classes == 2 else self.metrics


TASKS = {
    task.name: task
    for task in (
        Task(
            "classification",
            "codes",
            ("log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "mcc"),
            ("roc_auc", "accuracy", "balanced_accuracy", "f1", "precision", "recall", "average_precision", "log_loss",
             "brier", "mcc"),
        ),
        Task("regression", "values", ("rmse", "mae", "r2", "median_ae", "mape")),
        Task("clustering", "none", ("silhouette",)),
        Task("anomaly", "none", ("anomaly_share",)),
    )
}  # fmt: skip


def task_named(name: str) -> Task:
    """The task of that name."""
    if name not in TASKS:
        raise TreadleError(f"unknown task {name!r}{did_you_mean(name, TASKS)}", expected=f"one of {listing(TASKS)}")
    return TASKS[name]
