"""``auto``: within a time budget tries families, tunes the best, bags them and blends them by greedy selection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core import registry
from treadle.core.encoding import Encoding
from treadle.core.errors import TreadleError
from treadle.core.files import write_json
from treadle.core.jsonable import encode, read_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags, Needs
from treadle.models._auto_search import Search, member_output
from treadle.models._ensemble import greedy_weights, prune
from treadle.models._sklearn import read_facts

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

BUDGET = 60.0


class Auto:
    """A weighted ensemble of bagged models (Caruana et al. 2004), found within ``model.budget`` seconds.

    Every candidate is fitted once a fold, so that each row is predicted by models that did not see it; the weights are
    chosen on those predictions. Data with a time column is judged on its latest rows instead, and the chosen models are
    fitted once more on all rows. Asked to stop, it returns the best so far.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        frame=True,
        can=frozenset({"weights", "quantiles", "leaderboard", "held_out", "importance_free"}),
        search=False,
    )

    def __init__(
        self,
        *,
        folds: Annotated[int, Range(0, 20, tuned=False), Doc("folds of the bagging; 0 chooses by the rows")] = 0,
        members: Annotated[int, Range(1, 50, tuned=False), Doc("models in the ensemble at most")] = 4,
        models_kept: Annotated[int, Range(1, 1000, tuned=False), Doc("fold models in the ensemble, about")] = 6,
        families: Annotated[tuple[str, ...], Doc("models to try; all that fit when empty")] = (),
        tune: Annotated[bool, Doc("search for better options when there is time left")] = True,
    ) -> None:
        self.folds = folds
        self.members = members
        self.models_kept = models_kept
        self.families = families
        self.tune = tune

    @classmethod
    def example(cls) -> Auto:
        """A quick one for the contract tests."""
        return cls(folds=2, families=("linear", "hist_boosting"), tune=False)

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Search until the budget is used up, then blend."""
        import numpy as np

        self.classes = context.classes
        self.quantiles = tuple(context.quantiles)
        search = Search(
            train, valid, context, folds=self.folds, families=self.families, tune=self.tune,
            budget=context.budget or BUDGET,
        )  # fmt: skip
        found = search.run()
        weights, score = greedy_weights(
            [item.held_out for item in found], search.truth, search.held_weight, context, search.metric, self.members
        )
        weights = prune(weights)
        chosen = [(item, weight) for item, weight in zip(found, weights, strict=True) if weight > 0]
        search.refit([item for item, _ in chosen])
        for item, weight in chosen:
            # A bag as large as its weight: every model costs time in serving, and a light member needs no full bag.
            item.models = item.models[: max(1, round(weight * self.models_kept))]
        self.weights = [float(weight) for _, weight in chosen]
        self.names = [item.name for item, _ in chosen]
        self.options = [item.options for item, _ in chosen]
        self.models = [list(item.models) for item, _ in chosen]
        self.needs = [registry.load("models", name).tags.needs for name in self.names]
        self.encodings = {need: search.encoding(need) for need in dict.fromkeys(self.needs)}
        self.held = np.sum([weight * item.held_out for item, weight in chosen], axis=0)
        self.held_rows = search.held_rows
        self.residuals = self._residuals(search.truth)
        self.table = search.leaderboard(found, weights, score)
        return self

    def _residuals(self, truth: Array) -> list[float]:
        """Quantiles of the held-out residuals: intervals as wide as the errors on rows that were not learned from."""
        import numpy as np

        if self.classes or not self.quantiles:
            return []
        return [float(np.quantile(truth - self.held[:, 0], level)) for level in self.quantiles]

    def leaderboard(self) -> list[dict[str, Any]]:
        """What was tried: model, options, score, seconds and weight in the ensemble, best first."""
        return self.table

    def held_out(self) -> tuple[Array, Array]:
        """Positions of the rows (validation rows follow the training rows), and the ensemble's output for each, made
        by models that did not see that row."""
        return self.held_rows, self.held

    def predict(self, features: Features) -> pl.DataFrame:
        """The weighted mean of the members."""
        import numpy as np
        import polars as pl

        width = max(1, self.classes)
        total: Array = np.zeros((features.rows, width))
        inputs: dict[Needs, Features] = {}
        for weight, need, bag in zip(self.weights, self.needs, self.models, strict=True):
            if need not in inputs:
                blocks = self.encodings[need].apply(features.frame)
                inputs[need] = Features(blocks, features.frame, features.schema)
            for model in bag:
                total += weight / len(bag) * member_output(model.predict(inputs[need]), self.classes)
        if self.classes:
            return pl.DataFrame({f"probability_{code}": total[:, code] for code in range(self.classes)})
        columns = {"prediction": total[:, 0]}
        for level, shift in zip(self.quantiles, self.residuals, strict=True):
            columns[f"quantile_{level}"] = total[:, 0] + shift
        return pl.DataFrame(columns)

    def save(self, folder: Path) -> None:
        """Encoders by need, then each member's models."""
        order = list(self.encodings)
        for number, need in enumerate(order):
            (folder / f"encoding_{number}").mkdir()
            self.encodings[need].save(folder / f"encoding_{number}")
        members = []
        for number, bag in enumerate(self.models):
            for position, model in enumerate(bag):
                (folder / f"member_{number}_{position}").mkdir()
                model.save(folder / f"member_{number}_{position}")
            members.append(
                {
                    "name": self.names[number],
                    "options": encode(self.options[number]),
                    "weight": self.weights[number],
                    "models": len(bag),
                    "encoding": order.index(self.needs[number]),
                }
            )
        schema = next(iter(self.encodings.values())).schema
        steps = next(iter(self.encodings.values())).steps
        write_json(
            folder / "auto.json",
            {
                "classes": self.classes,
                "members": members,
                "schema": schema,
                "steps": {name: [[step, encode(given)] for step, given in chosen] for name, chosen in steps.items()},
                "quantiles": self.quantiles,
                "residuals": self.residuals,
                "leaderboard": self.table,
            },
        )

    def load(self, folder: Path) -> Self:
        """Read it back; every member checks its own files."""
        from treadle.core.jsonable import decode
        from treadle.core.types import Schema

        path = folder / "auto.json"
        data = read_json(path)
        facts = read_facts(path, classes=int, quantiles=list, residuals=list)
        self.classes = int(facts["classes"])
        self.quantiles, self.residuals = tuple(facts["quantiles"]), list(facts["residuals"])
        self.table = list(data["leaderboard"])
        schema: Schema = decode(Schema, data["schema"])
        steps = {name: [(step, dict(given)) for step, given in chosen] for name, chosen in data["steps"].items()}
        self.weights, self.names, self.options, self.models, self.needs, self.encodings = [], [], [], [], [], {}
        if not 1 <= len(data["members"]) <= 50 or len(self.quantiles) != len(self.residuals):
            raise TreadleError("the ensemble's members do not fit together", where=folder)
        for number, item in enumerate(data["members"]):
            need = registry.load("models", item["name"]).tags.needs
            if need not in self.encodings:
                place = folder / f"encoding_{int(item['encoding'])}"
                self.encodings[need] = Encoding(schema, need, steps).load(place)
            self.names.append(str(item["name"]))
            self.options.append(dict(item["options"]))
            self.weights.append(float(item["weight"]))
            if not 0 < self.weights[-1] <= 1:
                raise TreadleError("a member's weight is not between 0 and 1", where=path)
            self.needs.append(need)
            if not 1 <= int(item["models"]) <= 100:
                raise TreadleError("the ensemble's members do not fit together", where=folder)
            self.models.append(
                [
                    registry.build("models", item["name"], item["options"]).load(folder / f"member_{number}_{position}")
                    for position in range(int(item["models"]))
                ]
            )
        return self


COMPONENT = Auto
