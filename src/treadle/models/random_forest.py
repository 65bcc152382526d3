"""Random forest: trees on bootstrap samples, each split on some of the columns."""

from __future__ import annotations

from typing import Any

from treadle.models._forest import ForestModel


class RandomForest(ForestModel):
    """Breiman 2001, grown by scikit-learn, stored as checked arrays."""

    def _estimator(self, options: dict[str, Any], *, classes: bool) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        return (RandomForestClassifier if classes else RandomForestRegressor)(**options)


COMPONENT = RandomForest
