"""Area under the ROC curve."""

from __future__ import annotations

from typing import ClassVar, Self

from treadle.core.types import MetricTags, Outcomes


class RocAuc:
    """Binary: P(a positive scores above a negative). More classes: one against the rest, macro average."""

    tags: ClassVar[MetricTags] = MetricTags(tasks=frozenset({"classification"}), reads="probability")

    def __init__(self) -> None:
        self.seen: list[Outcomes] = []

    def update(self, outcomes: Outcomes) -> None:
        """Keep the rows: ranks cannot be summed up."""
        self.seen.append(outcomes)

    def merge(self, other: Self) -> None:
        """Keep the other's rows as well."""
        self.seen.extend(other.seen)

    def value(self) -> float:
        """The area; NaN when a class does not occur."""
        import numpy as np
        from sklearn.metrics import roc_auc_score

        if not self.seen:
            return float("nan")
        truth = np.concatenate([part.truth for part in self.seen if part.truth is not None])
        probability = np.concatenate([part.probability for part in self.seen if part.probability is not None])
        weights = [part.weight if part.weight is not None else np.ones(len(part)) for part in self.seen]
        areas = []
        for code in [1] if probability.shape[1] == 2 else range(probability.shape[1]):
            positive = truth == code
            if not 0 < positive.sum() < len(positive):
                return float("nan")
            areas.append(roc_auc_score(positive, probability[:, code], sample_weight=np.concatenate(weights)))
        return float(np.mean(areas))


COMPONENT = RocAuc
