"""The search of ``auto``: a queue of fits (candidate, fold), worked off by one thread a core until time is up."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.encoding import Encoding
from treadle.core.errors import TreadleError
from treadle.core.events import Event, Events
from treadle.core.folds import fold_numbers
from treadle.core.options import options_of
from treadle.core.search import searchable, suggest
from treadle.core.types import Context, Features, Needs
from treadle.models._ensemble import loss_of

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

# Tried in this order before anything is tuned: defaults of each family, then variants that tend to err elsewhere.
# A variant's options that a model does not have are left out.
FIRST: tuple[tuple[str, dict[str, Any]], ...] = (
    ("linear", {}),
    ("lightgbm", {}),
    ("catboost", {}),
    ("xgboost", {}),
    ("hist_boosting", {}),
    (
        "lightgbm",
        {"learning_rate": 0.03, "num_leaves": 12, "min_data_in_leaf": 40, "feature_fraction": 0.5, "lambda_l2": 5.0},
    ),
    ("catboost", {"learning_rate": 0.05, "depth": 8, "l2_leaf_reg": 6.0}),
    ("extra_trees", {}),
    ("lightgbm", {"learning_rate": 0.04, "num_leaves": 96, "min_data_in_leaf": 5, "feature_fraction": 0.7}),
    ("mlp", {}),
    ("random_forest", {}),
)
REPLACED = {"hist_boosting": "lightgbm"}
TUNABLE = 3
SEARCH_SHARE = 0.9
REFIT_SHARE = 0.6
PRUNE = 0.05


@dataclass
class Candidate:
    """One model with its options, fitted fold by fold."""

    order: int
    name: str
    options: Mapping[str, Any]
    held_out: Array
    models: list[Any]
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    trial: Any = None
    error: str | None = None

    @property
    def done(self) -> bool:
        """Whether every fold is fitted."""
        return all(model is not None for model in self.models)


class Search:
    """See the module."""

    def __init__(
        self,
        train: Features,
        valid: Features | None,
        context: Context,
        *,
        folds: int,
        families: Sequence[str],
        tune: bool,
        budget: float,
    ) -> None:
        import numpy as np

        self.started = time.monotonic()
        self.context = context
        self.metric = context.metric or ("log_loss" if context.task == "classification" else "rmse")
        self.tune = tune
        self.budget = budget
        rows = _joined(train, valid)
        self.features = rows
        self.latest = train.schema.time is not None
        if self.latest:
            cut = train.rows if valid is not None else round(train.rows * 0.8)
            self.parts = [(np.arange(cut), np.arange(cut, rows.rows))]
        else:
            number = fold_numbers(
                rows.rows, self._fold_count(folds), target=rows.target, group=rows.group, seed=context.seed
            )
            self.parts = [(np.flatnonzero(number != k), np.flatnonzero(number == k)) for k in np.unique(number)]
        self.held_rows = np.concatenate([held for _, held in self.parts])
        self.truth = rows.target[self.held_rows] if rows.target is not None else np.zeros(0)
        self.held_weight = None if rows.weight is None else rows.weight[self.held_rows]
        self.asked = tuple(families)
        self.families = self._usable(families)
        self.deadline = self.started + budget * (REFIT_SHARE if self.latest else SEARCH_SHARE)
        self.lock = threading.Condition()
        self.encodings: dict[Needs, tuple[Encoding, Features]] = {}
        self.encoding_lock = threading.Lock()
        self.queue: list[tuple[int, int, int, Candidate]] = []
        self.tick = itertools.count()
        self.candidates: list[Candidate] = []
        self.running = 0
        self.source = self._proposals()
        self.exhausted = False

    # -- what to try

    def _fold_count(self, folds: int) -> int:
        rows = self.features.rows
        if folds:
            return max(2, min(folds, rows))
        return 8 if rows < 1500 else 5 if rows < 60_000 else 3

    def _usable(self, families: Sequence[str]) -> list[str]:
        chosen = []
        for name in families or registry.names("models"):
            component = registry.load("models", name)
            if families:
                registry.require(component, name, where="model.options.families")
            fits = self.context.task in component.tags.tasks and not registry.missing(component)
            if fits and name != "auto" and (families or component.tags.search):
                chosen.append(name)
        if not chosen:
            raise TreadleError("no model fits this task", where="model.options.families")
        return chosen

    def _proposals(self) -> Iterator[tuple[str, dict[str, Any], Any]]:
        """The known list, then Optuna's suggestions for the two tunable families that did best."""
        known = [(name, options) for name, options in FIRST if name in self.families]
        known += [(name, {}) for name in self.asked if name not in dict(known)]
        for name, options in known:
            if REPLACED.get(name) in self.families and name not in self.asked:
                continue
            has = options_of(registry.load("models", name))
            yield name, {key: value for key, value in options.items() if key in has}, None
        if not self.tune:
            return
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        studies: dict[str, Any] = {}
        for number in itertools.count():
            ranked = sorted((c for c in self.candidates if c.done and not c.error), key=_mean_loss)
            tunable = (c.name for c in ranked if len(searchable(registry.load("models", c.name))) >= TUNABLE)
            best = list(dict.fromkeys(tunable))[:2]
            if not best:
                return
            name = best[number % len(best)]
            if name not in studies:
                sampler = optuna.samplers.TPESampler(seed=self.context.seed + len(studies), n_startup_trials=8)
                studies[name] = optuna.create_study(sampler=sampler)
            trial = studies[name].ask()
            options = suggest(trial, registry.load("models", name))
            if not options:
                return
            yield name, options, (studies[name], trial)

    # -- the work

    def run(self) -> list[Candidate]:
        """Candidates with all folds done; at least one."""
        threads = max(1, self.context.threads)
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        with _one_thread_each():
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        done = [item for item in self.candidates if item.done and not item.error]
        if not done:
            failed = next((item.error for item in self.candidates if item.error), "time was up")
            raise TreadleError(
                f"no model could be fitted within {self.budget:.0f} s ({failed})", where="model.budget",
                remedy="allow more time, as `model: {budget: 5m}`",
            )  # fmt: skip
        return done

    def _work(self) -> None:
        while True:
            with self.lock:
                task = self._next()
                if task is None:
                    self.lock.notify_all()
                    return
                if task == "wait":
                    self.lock.wait(0.2)
                    continue
                candidate, fold = task
                self.running += 1
            try:
                self._fit(candidate, fold)
            except Exception as error:
                candidate.error = f"{type(error).__name__}: {error}"
            finally:
                with self.lock:
                    self.running -= 1
                    self._after(candidate, fold)
                    self.lock.notify_all()

    def _over(self) -> bool:
        enough = any(item.done and not item.error for item in self.candidates)
        return enough and (time.monotonic() > self.deadline or self.context.events.stopping)

    def _next(self) -> Any:
        if self._over():
            return None
        if self.queue:
            *_, fold, candidate = heapq.heappop(self.queue)
            return candidate, fold
        if not self.exhausted:
            proposal = next(self.source, None)
            if proposal is not None:
                return self._new(*proposal), 0
            # The tuner has nothing to rank until a first candidate is done.
            if any(item.done for item in self.candidates) or not self.running:
                self.exhausted = True
            else:
                self.source = self._proposals_again()
        return "wait" if self.running else None

    def _proposals_again(self) -> Iterator[tuple[str, dict[str, Any], Any]]:
        for proposal in self._proposals():
            if proposal[2] is not None:
                yield proposal

    def _new(self, name: str, options: dict[str, Any], trial: Any) -> Candidate:
        import numpy as np

        width = max(1, self.context.classes)
        blank = np.zeros((len(self.held_rows), width))
        candidate = Candidate(len(self.candidates), name, options, blank, [None] * len(self.parts), trial=trial)
        self.candidates.append(candidate)
        return candidate

    def _fit(self, candidate: Candidate, fold: int) -> None:
        started = time.monotonic()
        features = self._encoded(registry.load("models", candidate.name).tags.needs)
        learn, held = self.parts[fold]
        model = registry.build("models", candidate.name, candidate.options)
        first = not any(item.done for item in self.candidates)
        events = Events() if first else _Quiet(self.context.events)
        context = replace(
            self.context, threads=1, events=events, folder=None, quantiles=(),
            budget=max(1.0, self.deadline - started) if not first else self.budget,
        )  # fmt: skip
        held_features = features.take(held)
        model = model.fit(features.take(learn), held_features, context)
        output = member_output(model.predict(replace(held_features, target=None)), self.context.classes)
        begin = sum(len(part) for _, part in self.parts[:fold])
        candidate.held_out[begin : begin + len(held)] = output
        target = features.target[held] if features.target is not None else held
        weight = None if features.weight is None else features.weight[held]
        candidate.losses.append(loss_of(self.context, self.metric, target, weight)(output))
        candidate.models[fold] = model
        candidate.seconds += time.monotonic() - started

    def _after(self, candidate: Candidate, fold: int) -> None:
        """Queue the other folds when the first was promising and there is time; report what is finished."""
        if candidate.error is None and fold == 0 and len(self.parts) > 1:
            left = self.deadline - time.monotonic()
            threads = max(1, self.context.threads)
            needed = candidate.seconds * (len(self.parts) - 1) / threads
            first = not any(item.done for item in self.candidates)
            if first or (needed <= left and not self._hopeless(candidate)):
                for other in range(1, len(self.parts)):
                    heapq.heappush(self.queue, (candidate.order, next(self.tick), other, candidate))
            elif candidate.trial is not None:
                study, trial = candidate.trial
                study.tell(trial, candidate.losses[0])
            return
        if candidate.error is not None:
            self.queue = [item for item in self.queue if item[3] is not candidate]
            heapq.heapify(self.queue)
            return
        if candidate.done:
            if candidate.trial is not None:
                study, trial = candidate.trial
                study.tell(trial, _mean_loss(candidate))
            self._report()

    def _hopeless(self, candidate: Candidate) -> bool:
        """Whether the first fold of a tuned candidate is clearly worse than that of the best one."""
        if candidate.trial is None:
            return False
        others = [item.losses[0] for item in self.candidates if item.done and not item.error]
        if not others:
            return False
        best = min(others)
        return candidate.losses[0] > best + PRUNE * abs(best)

    def _report(self) -> None:
        done = [item for item in self.candidates if item.done and not item.error]
        best = min(done, key=_mean_loss)
        sign = -1.0 if registry.load("metrics", self.metric).tags.greater_is_better else 1.0
        elapsed = time.monotonic() - self.started
        text = f"{len(done)} models, best {best.name} with {self.metric} {sign * _mean_loss(best):.4f}"
        self.context.events.progress(text, min(elapsed, self.budget), self.budget)

    # -- encoded features, one set for all models with the same needs

    def _encoded(self, needs: Needs) -> Features:
        with self.encoding_lock:
            if needs not in self.encodings:
                raw = self.features
                encoding = Encoding(raw.schema, needs, raw.steps).fit(raw.frame)
                self.encodings[needs] = (encoding, replace(raw, blocks=encoding.apply(raw.frame), made={}))
            return self.encodings[needs][1]

    def encoding(self, needs: Needs) -> Encoding:
        """The fitted encoders for these needs."""
        return self.encodings[needs][0]

    # -- afterwards

    def refit(self, chosen: Sequence[Candidate]) -> None:
        """One model on all rows in place of a candidate's bag, while time lasts: where the latest rows judged, so that
        they are learned from too; and for models that nothing stops early, whose bag is only slower."""
        with _one_thread_each(self.context.threads):
            for candidate in chosen:
                tags = registry.load("models", candidate.name).tags
                left = self.started + self.budget - time.monotonic()
                needed = candidate.seconds / len(self.parts) * 1.5 / self.context.threads
                wanted = self.latest or "settled" not in tags.can
                if not wanted or needed > left or self.context.events.stopping:
                    continue
                settled = candidate.models[0].settled() if "settled" in tags.can else {}
                model = registry.build("models", candidate.name, {**candidate.options, **settled})
                features = self._encoded(tags.needs)
                context = replace(self.context, budget=max(1.0, left), folder=None, quantiles=())
                candidate.models = [model.fit(features, None, context)]

    def leaderboard(self, found: Sequence[Candidate], weights: Sequence[float], score: float) -> list[dict[str, Any]]:
        """A row a candidate, best first, and the ensemble on top; scores are over all held-out rows together."""
        loss = loss_of(self.context, self.metric, self.truth, self.held_weight)
        sign = -1.0 if registry.load("metrics", self.metric).tags.greater_is_better else 1.0
        rows: list[dict[str, Any]] = [
            {
                "model": item.name,
                "options": dict(item.options),
                "score": sign * loss(item.held_out),
                "seconds": round(item.seconds, 2),
                "weight": round(weight, 4),
            }
            for item, weight in zip(found, weights, strict=True)
        ]
        rows.sort(key=lambda row: sign * row["score"])
        seconds = round(time.monotonic() - self.started, 2)
        return [{"model": "ensemble", "options": {}, "score": score, "seconds": seconds, "weight": 1.0}, *rows]


class _Quiet(Events):
    """Passes on the wish to stop, and no progress: many fits run at once."""

    def __init__(self, outer: Events) -> None:
        super().__init__()
        self.outer = outer

    def emit(self, event: Event) -> None:
        """Say nothing."""

    @property
    def stopping(self) -> bool:
        """As the outer events say."""
        return self.outer.stopping


def _mean_loss(candidate: Candidate) -> float:
    return sum(candidate.losses) / max(1, len(candidate.losses))


def _one_thread_each(threads: int = 1) -> Any:
    """One thread a fit: the folds are what runs in parallel."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(threads)


def _joined(train: Features, valid: Features | None) -> Features:
    import numpy as np
    import polars as pl

    if valid is None:
        return train
    frame = pl.concat([train.frame, valid.frame])
    target = None
    if train.target is not None and valid.target is not None:
        target = np.concatenate([train.target, valid.target])
    weight = None
    if train.weight is not None:
        other = valid.weight if valid.weight is not None else np.ones(valid.rows)
        weight = np.concatenate([train.weight, other])
    group = None
    if train.group is not None and valid.group is not None:
        group = np.concatenate([train.group, valid.group])
    return replace(train, frame=frame, target=target, weight=weight, group=group, made={})


def member_output(frame: pl.DataFrame, classes: int) -> Array:
    """A model's frame as an array: (rows, classes) probabilities or (rows, 1) values."""
    import numpy as np

    names = [f"probability_{code}" for code in range(classes)] or ["prediction"]
    return np.stack([frame[name].to_numpy() for name in names], axis=1)
