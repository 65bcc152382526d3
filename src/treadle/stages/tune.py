"""The search for good options with Optuna: resumable, pruned, its space read from the options' ranges."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.core.search import searchable, suggest
from treadle.spec.base import seconds
from treadle.spec.model import Tune
from treadle.stages.judge import Judge, Judged, better
from treadle.stages.values import Candidate, Job


def tune(
    job: Job, judge: Judge, name: str, given: Mapping[str, Any], settings: Tune
) -> tuple[Judged, list[Candidate], dict[str, Any]]:
    """Search one model's options; those that the spec gives stay as they are.

    The study lies in the job's scratch folder, so a run that was killed goes on where it was. The first trial is the
    model with its defaults: the search cannot end below them on the rows that judge.

    Returns:
        the best candidate after its fits, all that were tried, and the best options.
    """
    import optuna

    component = registry.load("models", name)
    if not searchable(component):
        raise TreadleError(f"{name} has no options to tune", where="model.tune", remedy="leave `tune` out")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = _study(job, judge, name)
    tried = {trial.number: trial for trial in study.trials}
    kept: dict[int, Judged] = {}
    started = time.monotonic()
    budget = seconds(settings.budget) if settings.budget else None

    def objective(trial: Any) -> float:
        begun = time.monotonic()
        options = {**_first(trial, component), **given}
        judged = judge.judge(name, options, trial)
        trial.set_user_attr("seconds", time.monotonic() - begun)
        trial.set_user_attr("options", options)
        if all(better(judged.score, other.score, judge.metric) for other in kept.values()):
            kept.clear()
            kept[trial.number] = judged
        return judged.score

    for number in range(len(tried), settings.trials):
        over = budget is not None and time.monotonic() - started > budget
        if (over or job.events.stopping) and study.trials:
            break
        best = f", best {judge.metric} {study.best_value:.4f}" if _complete(study) else ""
        job.events.progress(f"tuning {name}: trial {number + 1}{best}", number, settings.trials)
        study.optimize(objective, n_trials=1, catch=())
    done = _complete(study)
    if not done:
        raise TreadleError(f"no trial of {name} came to an end", where="model.tune", remedy="allow more trials or time")
    options = dict(study.best_trial.user_attrs["options"])
    judged = kept.get(study.best_trial.number) or judge.judge(name, options)
    candidates = [
        Candidate(name, trial.user_attrs["options"], trial.value, trial.user_attrs["seconds"]) for trial in done
    ]
    return judged, candidates, options


def _first(trial: Any, component: Any) -> dict[str, Any]:
    """Nothing (the defaults) for the first trial, a suggestion afterwards."""
    return {} if trial.number == 0 else suggest(trial, component)


def _complete(study: Any) -> list[Any]:
    import optuna

    return list(study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE]))


def _study(job: Job, judge: Judge, name: str) -> Any:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    job.scratch.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(job.scratch / f"{name}.optuna.log")))
    direction = "maximize" if registry.load("metrics", judge.metric).tags.greater_is_better else "minimize"
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        direction=direction,
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=job.spec.model.seed, n_startup_trials=8),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
    )
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study
