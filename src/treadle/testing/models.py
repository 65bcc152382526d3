"""What every model promises, as checks: ``check_model(component)`` raises at the first promise broken.

The finer ``check_*`` are listed in `CHECKS`; each takes the component and a task that its tags name.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core import registry
from treadle.core.errors import TreadleError
from treadle.core.events import Events
from treadle.core.options import options_of
from treadle.core.predictor import Predictor
from treadle.core.types import TARGET, Context, Field, ModelTags, Schema
from treadle.testing._model_data import (
    KINDS,
    LEVELS,
    TASKS,
    Case,
    answers,
    case_of,
    example_table,
    part_of,
    truth_of,
)
from treadle.testing.files import find_pickles

if TYPE_CHECKING:
    from treadle.core.types import Array, Features

EXACT = 1e-12
REPEAT = 1e-6
FLIPS = 60
PATIENCE = 30.0
BUSY = 15.0


def check_model(component: Any) -> None:
    """Put a model through what every model must do, for each task that its tags name.

    Args:
        component: the class; its ``example()``, or the class without options, makes a cheap instance.

    Raises:
        AssertionError: naming the promise that is broken.
    """
    for task in tasks_of(component):
        for check in CHECKS:
            check(component, task)


def tasks_of(component: Any) -> tuple[str, ...]:
    """The tasks that a model can be checked on."""
    return tuple(task for task in TASKS if task in component.tags.tasks)


def require(promise: bool, text: str) -> None:
    """Raise an `AssertionError` that says which promise is broken."""
    if not promise:
        raise AssertionError(text)


def make(component: Any) -> Any:
    """A fresh, cheap instance."""
    return getattr(component, "example", component)()


@functools.lru_cache(maxsize=64)
def _fitted(component: Any, task: str) -> tuple[Case, Any]:
    """A case and a model fitted on it; checks that only read share it."""
    case = case_of(component, task)
    return case, make(component).fit(case.train, case.valid, case.context)


def check_declaration(component: Any, task: str) -> None:
    """Tags and options say what they must: known abilities are there as methods, options documented and in range."""
    require(isinstance(component.tags, ModelTags), "`tags` is a ModelTags")
    for ability in ("importance", "contributions", "settled"):
        has = callable(getattr(component, ability, None))
        require(has or ability not in component.tags.can, f"`can` names {ability}, so there is a method of that name")
    for name, option in options_of(component).items():
        require(bool(option.doc), f"option {name} is documented")
        if option.range and isinstance(option.default, int | float):
            above = option.range.low is None or option.default >= option.range.low
            below = option.range.high is None or option.default <= option.range.high
            require(above and below, f"the default of {name} is in its range")
    for attribute in ("fit", "predict", "save", "load"):
        require(callable(getattr(make(component), attribute, None)), f"there is a method {attribute}")


def check_answers(component: Any, task: str) -> None:
    """One answer a row, of the task's form, that beats guessing."""
    import numpy as np

    case, model = _fitted(component, task)
    _require_form(model, case, case.valid)
    found = answers(model, case.valid)
    if task == "classification":
        hits = float((found[:, : case.context.classes].argmax(axis=1) == case.valid.target).mean())
        require(hits > 0.6, f"three plain groups are told apart ({hits:.2f} of the rows right)")
    elif task == "regression":
        truth = np.asarray(case.valid.target)
        inside = np.abs(truth) < 20
        error = float(np.mean((found[inside, 0] - truth[inside]) ** 2) / np.var(truth[inside]))
        require(error < 0.7, f"a plain number is learned (error {error:.2f} of the variance)")
    elif task == "anomaly":
        odd = example_table(80, seed=1)["odd"].to_numpy()
        require(found[odd, 0].min() > np.median(found[~odd, 0]), "rows far from all others score higher")


def _require_form(model: Any, case: Case, features: Features) -> None:
    """The columns that the task wants, one row a row, finite; probabilities that sum to one."""
    import numpy as np
    import polars as pl

    frame = model.predict(replace(features, target=None))
    require(frame.height == features.rows, f"{features.rows} rows get {features.rows} answers, not {frame.height}")
    wanted = {
        "classification": [f"probability_{code}" for code in range(case.context.classes)],
        "regression": ["prediction", *(f"quantile_{level}" for level in case.context.quantiles)],
        "clustering": ["prediction"],
        "anomaly": ["score"],
    }[case.task]
    require(set(wanted) <= set(frame.columns), f"the answer has the columns {wanted}, got {frame.columns}")
    dtype = pl.Int64 if case.task == "clustering" else pl.Float64
    require(all(frame[name].dtype == dtype for name in wanted), f"the columns are {dtype}, got {frame.schema}")
    values = frame.select(wanted).to_numpy().astype(float)
    require(bool(np.isfinite(values).all()), "all answers are finite")
    if case.task == "classification":
        require(bool((values >= 0).all() and (values <= 1).all()), "probabilities lie between 0 and 1")
        require(bool(np.allclose(values.sum(axis=1), 1, atol=1e-6)), "the probabilities of a row sum to one")
    if case.context.quantiles and case.task == "regression":
        require(bool((values[:, 1] <= values[:, 2]).all()), "quantiles do not cross")


def check_save_and_load(component: Any, task: str) -> None:
    """What is saved and loaded answers the same, saves again to the same, and holds no pickle."""
    import numpy as np

    case, model = _fitted(component, task)
    with tempfile.TemporaryDirectory() as scratch:
        first, second = Path(scratch) / "first", Path(scratch) / "second"
        first.mkdir()
        second.mkdir()
        model.save(first)
        require(any(first.iterdir()), "`save` writes something")
        found = find_pickles(first)
        require(not found, f"no file holds a pickle: {found}")
        loaded = make(component).load(first)
        for rows in (case.valid, part_of(case.valid, np.arange(1)), part_of(case.valid, np.arange(0))):
            before, after = answers(model, rows), answers(loaded, rows)
            require(before.shape == after.shape and bool(np.allclose(before, after, rtol=0, atol=EXACT)),
                    "a model that was saved and loaded answers the same")  # fmt: skip
        loaded.save(second)
        again = make(component).load(second)
        require(bool(np.allclose(answers(again, case.valid), answers(model, case.valid), rtol=0, atol=EXACT)),
                "a model that was loaded can be saved again")  # fmt: skip


def check_rows(component: Any, task: str) -> None:
    """No rows, one row, all missing, categories never seen and absurd numbers get answers; a row's does not depend on
    its neighbours."""
    import numpy as np
    import polars as pl

    case, model = _fitted(component, task)
    _require_form(model, case, part_of(case.valid, np.arange(0)))
    whole = answers(model, case.valid)
    for position in (0, 17):
        alone = part_of(case.valid, np.array([position]))
        _require_form(model, case, alone)
        require(bool(np.allclose(answers(model, alone)[0], whole[position], atol=1e-5)),
                "a row alone gets the answer it gets among others")  # fmt: skip
    table = example_table(6, seed=3)
    missing = table.with_columns(pl.lit(None, dtype=dtype).alias(name) for name, dtype in table.schema.items())
    _require_form(model, case, case.features(missing))
    _require_form(model, case, case.features(table.with_columns(city=pl.lit("Atlantis"))))
    _require_form(model, case, case.features(table.with_columns(size=pl.lit(1e30), noise=pl.lit(float("-inf")))))


def check_repeats(component: Any, task: str) -> None:
    """The same seed gives the same model, and neither fit nor predict changes what it is given."""
    import numpy as np

    _, model = _fitted(component, task)
    case = case_of(component, task)
    before = _copies(case.train), _copies(case.valid)
    twin = make(component).fit(case.train, case.valid, case.context)
    first, second = answers(model, case.valid), answers(twin, case.valid)
    require(bool(np.allclose(first, second, atol=REPEAT)), "the same seed gives the same answers")
    for copies, features in zip(before, (case.train, case.valid), strict=True):
        same = all(
            np.array_equal(old, new, equal_nan=old.dtype.kind == "f")
            for old, new in zip(copies, _copies(features), strict=True)
        )
        require(same, "fit and predict leave their inputs as they were")


def _copies(features: Features) -> list[Array]:
    import numpy as np

    arrays = [block.values for block in features.blocks.values()]
    return [np.array(array, copy=True) for array in [*arrays, features.target] if array is not None]


def check_odd_tables(component: Any, task: str) -> None:
    """A thousand columns, one column that never changes, few rows, and a class that training lacks."""
    import numpy as np
    import polars as pl

    table = example_table(60, seed=4)
    rng = np.random.default_rng(0)
    wide = {f"x{number}": rng.normal(size=60) for number in range(1000)}
    columns = [pl.Series(name, values) for name, values in wide.items()]
    frames: list[tuple[pl.DataFrame, dict[str, str]]] = [
        (table.with_columns(columns), dict.fromkeys(wide, "number")),
        (table.with_columns(size=pl.lit(1.0)), {"size": "number"}),
        (example_table(12, seed=6), KINDS),
    ]
    for frame, kinds in frames:
        case = case_of(component, task, train=frame, kinds=kinds)
        model = make(component).fit(case.train, None, case.context)
        _require_form(model, case, case.valid)
    if task == "classification":
        case = case_of(component, task, train=example_table(120).filter(pl.col("label") != 1))
        held = example_table(60, seed=8)  # holds the class that training lacks
        model = make(component).fit(case.train, case.features(held, truth_of(held, task)), case.context)
        _require_form(model, case, case.valid)


def check_weights(component: Any, task: str) -> None:
    """Rows that weigh more count for more, where the tags say that weights are taken."""
    import numpy as np

    if "weights" not in component.tags.can:
        return
    table = example_table(160, seed=9).with_columns(size=example_table(160, seed=10)["noise"].fill_null(0.0))
    case = case_of(component, task, train=table, kinds={"noise": "number", "city": "category"})
    rows = case.features(example_table(80, seed=11))
    means = []
    for heavy in (0, 2):
        weight = np.where(table["label"].to_numpy() == heavy, 20.0, 1.0)
        train = replace(case.train, weight=weight)
        found = answers(make(component).fit(train, None, case.context), rows)
        means.append(float(found[:, 2 if task == "classification" else 0].mean()))
    if task in ("classification", "regression"):
        require(means[1] > means[0] + 0.02, f"weights have an effect (mean answers {means[0]:.3f} and {means[1]:.3f})")


def check_stop(component: Any, task: str) -> None:
    """A wish to stop, or a short budget, ends the fit soon, with a model that answers."""
    case = case_of(component, task)
    stopped = Events()
    stopped.stop()
    for context in (replace(case.context, events=stopped), replace(case.context, budget=0.5)):
        started = time.monotonic()
        model = make(component).fit(case.train, case.valid, context)
        require(time.monotonic() - started < PATIENCE, "a fit that is asked to stop does so")
        _require_form(model, case, case.valid)


def check_abilities(component: Any, task: str) -> None:
    """Importance, contributions, settled options and quantiles have the form that the contract gives them."""
    import numpy as np

    case, model = _fitted(component, task)
    width = len(case.train.names)
    if "importance" in component.tags.can and not component.tags.frame:
        weights = np.asarray(model.importance())
        require(weights.shape == (width,), f"importance has one entry a column, {width}, got {weights.shape}")
        require(bool(np.isfinite(weights).all() and (weights >= 0).all()), "importance is finite and not negative")
    if "contributions" in component.tags.can and not component.tags.frame and task in ("classification", "regression"):
        parts = np.asarray(model.contributions(replace(case.valid, target=None)))
        three = (case.valid.rows, 3, width + 1) if task == "classification" else (case.valid.rows, width + 1)
        require(parts.shape == three, f"contributions have the shape {three}, got {parts.shape}")
        require(bool(np.isfinite(parts).all()), "contributions are finite")
    if "settled" in component.tags.can:
        name = component.__name__
        settled = registry.check_options(component, model.settled(), name=name)
        require(set(settled) <= set(options_of(component)), "settled options are options")
    if task == "regression" and "quantiles" in component.tags.can:
        frame = model.predict(replace(case.valid, target=None))
        truth = np.asarray(case.valid.target)
        low, high = (frame[f"quantile_{level}"].to_numpy() for level in LEVELS)
        share = float(((truth >= low) & (truth <= high)).mean())
        require(share > 0.5, f"most rows lie between the quantiles 0.1 and 0.9 ({share:.2f})")


def check_no_peeking(component: Any, task: str) -> None:
    """A task without truth learns nothing from a target that happens to be there."""
    import numpy as np

    if task not in ("clustering", "anomaly"):
        return
    case, model = _fitted(component, task)
    target = np.random.default_rng(0).integers(0, 3, case.train.rows)
    peeked = make(component).fit(replace(case.train, target=target), case.valid, case.context)
    require(bool(np.allclose(answers(model, case.valid), answers(peeked, case.valid), atol=REPEAT)),
            "labels change nothing where none are asked for")  # fmt: skip


def check_columns(component: Any, task: str) -> None:
    """Through `Predictor`: columns that are missing are one clear error, others are left out, the order is free."""
    import polars as pl

    name = component.__module__.rpartition(".")[2]
    if name not in registry.names("models") or registry.load("models", name) is not component:
        return
    target = {"classification": "label", "regression": "value"}.get(task)
    table = example_table(120)
    fields = [Field(column, kind, str(table[column].dtype)) for column, kind in KINDS.items()]
    if target:
        fields.append(Field(target, "number", str(table[target].dtype), TARGET))
    predictor = Predictor(
        schema=Schema(tuple(fields), target), task=task, model_name=name, options=_options(component),
        classes=("0", "1", "2") if task == "classification" else (),
    )  # fmt: skip
    predictor.fit(predictor.align(table, target=bool(target)), None, Context(task=task))
    rows = table.head(5).select(list(KINDS))
    before = predictor.predict(rows)
    other = rows.select(list(reversed(KINDS))).with_columns(extra=pl.lit("x"))
    require(predictor.predict(other).equals(before), "the order of the columns and other columns do not matter")
    try:
        predictor.predict(rows.drop("size", "city"))
    except TreadleError as error:
        require("size" in str(error) and "city" in str(error), "the error names every missing column")
    else:
        raise AssertionError("columns that are missing are an error")


def _options(component: Any) -> dict[str, Any]:
    """The options that make the cheap instance."""
    example = make(component)
    return {name: getattr(example, name) for name in options_of(component) if hasattr(example, name)}


def check_damaged_files(component: Any, task: str, *, flips: int = FLIPS, seed: int = 0) -> None:
    """Files with flipped bits, forged shapes, numbers out of bounds and pickles are refused, or at least harmless.

    A process of its own reads them, for a quarter of a minute: a crash there is told from an error.
    """
    if task != tasks_of(component)[0]:
        return
    _, model = _fitted(component, task)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        model.save(folder)
        arguments = [component.__module__, component.__qualname__, task, str(folder), str(flips), str(seed)]
        command = [sys.executable, "-m", "treadle.testing._model_damage", *arguments, str(BUSY)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE, check=False)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            last = (error.stdout or b"").decode().splitlines()[-1:]
            raise AssertionError(f"a damaged file keeps the process busy for ever: {last}") from None
    lines = done.stdout.splitlines()
    crash = f"a damaged file crashes the process ({done.returncode}) at {lines[-1:]}: {done.stderr[-2000:]}"
    require(done.returncode == 0 and lines[-1:] == ["done"], crash)
    bad = [line for line in lines if line.startswith("bad ")]
    require(not bad, "damaged files are refused with a TreadleError, or harmless:\n" + "\n".join(bad[:20]))


Check = Callable[[Any, str], None]
CHECKS: tuple[Check, ...] = (
    check_declaration,
    check_answers,
    check_save_and_load,
    check_rows,
    check_repeats,
    check_odd_tables,
    check_weights,
    check_stop,
    check_abilities,
    check_no_peeking,
    check_columns,
    check_damaged_files,
)
