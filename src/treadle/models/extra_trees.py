"""Extremely randomized trees: thresholds drawn at random, the best of the draws taken."""

from __future__ import annotations

from typing import Annotated, Any

from treadle.core.options import Doc, Range
from treadle.models._forest import ForestModel


class ExtraTrees(ForestModel):
    """Geurts, Ernst and Wehenkel 2006, grown by scikit-learn on all rows, stored as checked arrays."""

    def __init__(
        self,
        *,
        trees: Annotated[int, Range(1, 10_000, log=True, tuned=False), Doc("how many")] = 200,
        max_features: Annotated[
            float, Range(0.01, 1.0, tune=(0.1, 1.0)), Doc("share of columns a split looks at")
        ] = 0.6,
        min_samples_leaf: Annotated[int, Range(1, 10_000, log=True, tune=(1, 50)), Doc("rows in a leaf")] = 3,
        max_depth: Annotated[int, Range(1, 1000, tuned=False), Doc("levels of a tree")] = 40,
    ) -> None:
        super().__init__(trees=trees, max_features=max_features, min_samples_leaf=min_samples_leaf, max_depth=max_depth)

    def _estimator(self, options: dict[str, Any], *, classes: bool) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        return (ExtraTreesClassifier if classes else ExtraTreesRegressor)(**options)


COMPONENT = ExtraTrees
