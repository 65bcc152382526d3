"""Which rows are learned from, which choose, and which judge. No row, group or future is in two of them.

Every choice rests on the seed and on the rows' positions (random, k-fold), on the order of the times alone (time), or
on the groups' names and rows (group): the same data and seed give the same parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.labels import label_text
from treadle.core.tasks import task_named
from treadle.spec.spec import Spec
from treadle.spec.split import Split
from treadle.stages.values import Job, Splits

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

INPUTS = ("ingest",)
VALUE = Splits
PARTS = ("train", "valid", "test")
SAID = {
    "train": 0, "training": 0, "valid": 1, "validation": 1, "val": 1, "dev": 1, "test": 2, "testing": 2,
}  # fmt: skip
GREEDY = 5_000


@dataclass(frozen=True)
class Chosen:
    """The part of each row as a position in ``PARTS`` (-1: none), its fold (-1: none), and a line for a person."""

    part: Array
    fold: Array | None = None
    detail: str = ""


def settings(spec: Spec) -> Any:
    """The part of the spec that this stage depends on."""
    return {"split": spec.split.model_dump(mode="json"), "task": spec.task}


def leaves(spec: Spec) -> list[tuple[str, str]]:
    """No component has a part in this."""
    return []


def run(job: Job) -> Splits:
    """Write ``parts.parquet``."""
    import polars as pl

    data, split = job.spec.data, job.spec.split
    names = dict.fromkeys(name for name in (data.target, data.time, data.group, split.column) if name is not None)
    lazy = pl.scan_parquet(job.inputs["ingest"].folder / "data.parquet")
    known = lazy.collect_schema().names()
    if split.column is not None and split.column not in known:
        raise TreadleError(
            f"there is no column {split.column!r}{did_you_mean(split.column, known)}",
            where="split.column", expected=f"one of {listing(known)}",
        )  # fmt: skip
    rows = job.inputs["ingest"].value.rows
    frame = lazy.select(list(names)).collect() if names else pl.DataFrame({"row": pl.int_range(rows, eager=True)})
    chosen = split_rows(frame, split, str(job.spec.task), target=data.target, time=data.time, group=data.group)
    part = pl.Series("part", chosen.part, dtype=pl.Int32)
    table = pl.DataFrame({"part": part.replace_strict(dict(enumerate(PARTS)), default=None, return_dtype=pl.String)})
    if chosen.fold is not None:
        fold = pl.Series("fold", chosen.fold, dtype=pl.Int32)
        table = table.with_columns(fold.set(fold < 0, None))
    table.write_parquet(job.folder / "parts.parquet")
    counts = {name: int((chosen.part == position).sum()) for position, name in enumerate(PARTS)}
    return Splits(str(split.method), {name: count for name, count in counts.items() if count}, chosen.detail)


def split_rows(
    frame: pl.DataFrame,
    split: Split,
    task: str,
    *,
    target: str | None = None,
    time: str | None = None,
    group: str | None = None,
) -> Chosen:
    """Choose the part (and the fold) of every row.

    Args:
        frame: holds at least the columns named here.
        split: with its method settled.
        task: decides whether rows without a target are left out, and whether classes are kept in proportion.
        target, time, group: columns.

    Raises:
        TreadleError: too few rows, groups or points in time for the parts asked for; a class with a single row.
    """
    import numpy as np

    usable = labelled(frame, target, task)
    rows = np.flatnonzero(usable)
    if not len(rows):
        raise TreadleError(f"no row has a value in {target!r}", where="data.target", expected="labels to learn from")
    codes = _classes(frame[target].gather(rows), target) if target and task == "classification" else None
    generator = np.random.default_rng(split.seed)
    method = split.method
    if method == "k-fold":
        return _folds(frame, rows, codes, split, group, target)
    if method == "time":
        found, detail = _by_time(frame, rows, split, time)
    elif method == "group":
        owner = _groups(frame, rows, group)
        found = _by_group(owner, codes, _shares(split), generator)
        detail = f"{int(owner.max()) + 1:,} groups of {group!r} kept whole"
    elif method == "column":
        found, detail = _by_column(frame, rows, str(split.column))
    else:
        found = _at_random(len(rows), codes, split, generator)
        detail = "at random" if codes is None else f"at random, stratified by {target!r}"
    _no_empty_part(found, split)
    part = np.full(frame.height, -1, dtype=np.int32)
    part[rows] = found
    left = frame.height - len(rows)
    return Chosen(part, None, f"{detail}; {left:,} rows without a label are left out" if left else detail)


def labelled(frame: pl.DataFrame, target: str | None, task: str) -> Array:
    """Which rows can be learned from and judged by: those with a target, where the task needs one."""
    import numpy as np
    import polars as pl

    if target is None or task_named(task).truth == "none":
        return np.ones(frame.height, dtype=bool)
    column = frame[target]
    known = column.is_not_null()
    if column.dtype.is_float():
        known &= ~column.is_nan().fill_null(True)
    elif column.dtype == pl.String:
        known &= (column.str.strip_chars() != "").fill_null(False)
    return known.to_numpy()


def _classes(column: pl.Series, name: str) -> Array:
    """Codes of the labels in their order; every class must have two rows, one to learn from and one to judge by."""
    import numpy as np
    import polars as pl

    text = label_text(column)
    table = text.alias("label").value_counts().sort("label")
    if table.height < 2:
        raise TreadleError(
            f"the target {name!r} has one class only: {table['label'][0]!r}",
            where="data.target", expected="two classes or more",
        )  # fmt: skip
    alone = table.filter(table["count"] < 2)["label"].to_list()
    if alone:
        raise TreadleError(
            f"{'a class has' if len(alone) == 1 else f'{len(alone)} classes have'} a single row:"
            f" {listing(map(repr, alone), 5)}",
            where=f"column {name!r}", expected="at least two rows of each class, one to learn from and one to judge by",
            remedy="remove the row, or put it into another class",
        )  # fmt: skip
    order = {label: code for code, label in enumerate(table["label"].to_list())}
    return np.asarray(text.replace_strict(order, return_dtype=pl.Int64).to_numpy())


def _shares(split: Split) -> Array:
    import numpy as np

    return np.array([1.0 - split.valid - split.test, split.valid, split.test])


def _at_random(rows: int, codes: Array | None, split: Split, generator: Any) -> Array:
    """Shuffle, lay the classes evenly along a line, and cut the line at the shares asked for."""
    import numpy as np

    place = generator.permutation(rows) / max(1, rows)
    if codes is not None:
        counts = np.bincount(codes)
        order = np.lexsort((place, codes))
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        within = np.arange(rows) - starts
        shift = generator.random(len(counts))[codes[order]]
        line = np.empty(rows)
        line[order] = (within + shift) / counts[codes[order]]
        place = line + place * 1e-9
    test, valid = _sizes(rows, split)
    ranked = np.argsort(place, kind="stable")
    found = np.zeros(rows, dtype=np.int32)
    found[ranked[:test]] = 2
    found[ranked[test : test + valid]] = 1
    if codes is not None:
        _serve_small_classes(found, codes, split)
    return found


def _sizes(rows: int, split: Split) -> tuple[int, int]:
    """Rows of test and valid: as asked, one at least where there are enough."""
    test = max(1, round(rows * split.test))
    valid = max(1, round(rows * split.valid)) if split.valid else 0
    if rows < 2 + bool(split.valid):
        raise TreadleError(
            f"{rows} rows with a label are too few to split", where="split",
            expected=f"{2 + bool(split.valid)} at least, and many more for a model that can be trusted",
        )  # fmt: skip
    while test + valid >= rows:
        test, valid = (test - 1, valid) if test >= valid else (test, valid - 1)
    return test, valid


def _serve_small_classes(found: Array, codes: Array, split: Split) -> None:
    """Give every class a row to learn from, then one to judge by, then one to choose by, as far as its rows go."""
    import numpy as np

    width = int(codes.max()) + 1
    table = np.bincount(codes * 3 + found, minlength=3 * width).reshape(width, 3)
    for code in np.flatnonzero((table == 0).any(axis=1)):
        mine = np.flatnonzero(codes == code)
        for enough, part in ((2, 0), (2, 2), (3, 1)):
            if len(mine) < enough or (part == 1 and not split.valid) or (found[mine] == part).any():
                continue
            counts = np.bincount(found[mine], minlength=3)
            giver = max((1, 2, 0), key=lambda other: (counts[other] > 1, counts[other]))
            if counts[giver] > 1 or part == 0 or (part == 2 and giver == 1):
                found[mine[found[mine] == giver][0]] = part


def _by_time(frame: pl.DataFrame, rows: Array, split: Split, time: str | None) -> tuple[Array, str]:
    """The latest rows judge, those before them choose. Rows of one moment stay on one side of a border."""
    import numpy as np

    if time is None:
        raise TreadleError("a split by time needs a column of time", where="split.method",
                           remedy="name it, as `data: {time: COLUMN}`")  # fmt: skip
    column = frame[time].gather(rows)
    if column.dtype.is_float():
        column = column.fill_nan(None)
    moments = column.rank("dense")
    dated = moments.is_not_null().to_numpy()
    if not dated.any():
        raise TreadleError(f"no row has a value in {time!r}", where="data.time")
    codes = moments.fill_null(0).to_numpy().astype(np.int64) - 1
    ends = np.cumsum(np.bincount(codes[dated]))
    total, parts = int(ends[-1]), 2 + bool(split.valid)
    if len(ends) < parts:
        raise TreadleError(
            f"{time!r} has {len(ends)} distinct times, too few for {parts} parts", where="split",
            expected="rows of one moment stay together, so each part needs a moment of its own",
            remedy="set `split: {valid: 0}`, or `split: {method: random}`" if parts == 3 else
                   "set `split: {method: random}`",
        )  # fmt: skip
    last = len(ends) - 1
    test_from = int(np.clip(_nearest(ends, total * (1 - split.test)), parts - 2, last - 1)) + 1
    valid_from = test_from
    if split.valid:
        valid_from = int(np.clip(_nearest(ends, total * (1 - split.test - split.valid)), 0, test_from - 2)) + 1
    found = ((codes >= valid_from).astype(np.int32) + (codes >= test_from)).astype(np.int32)
    if not split.valid:
        found = np.where(found == 0, 0, 2).astype(np.int32)
    found[~dated] = -1
    border = column.filter((codes == test_from) & dated)[0]
    detail = f"by {time!r}: test from {border} on"
    if split.valid:
        detail += f", valid from {column.filter((codes == valid_from) & dated)[0]} on"
    undated = int((~dated).sum())
    return found, f"{detail}; {undated:,} rows without a time are left out" if undated else detail


def _nearest(ends: Array, wanted: float) -> int:
    """The moment after which a cut leaves most nearly ``wanted`` rows before it."""
    import numpy as np

    return int(np.abs(ends - wanted).argmin())


def _groups(frame: pl.DataFrame, rows: Array, group: str | None) -> Array:
    """The group of each row, numbered by name; a row without one is a group of its own."""
    import numpy as np

    if group is None:
        raise TreadleError("a split by group needs a column of groups", where="split.method",
                           remedy="name it, as `data: {group: COLUMN}`")  # fmt: skip
    column = frame[group].gather(rows)
    if column.dtype.is_float():
        column = column.fill_nan(None)
    codes = column.cast(str).rank("dense").fill_null(0).to_numpy().astype(np.int64) - 1
    alone = codes < 0
    codes[alone] = codes.max() + 1 + np.arange(int(alone.sum()))
    return codes


def _by_group(owner: Array, codes: Array | None, shares: Array, generator: Any) -> Array:
    """Whole groups to the part that lacks their classes most: the largest first, the many small ones in bulk."""
    import numpy as np

    groups = int(owner.max()) + 1
    wanted = np.flatnonzero(shares > 0)
    if groups < len(wanted):
        raise TreadleError(
            f"{groups} {'group is' if groups == 1 else 'groups are'} too few for {len(wanted)} parts", where="split",
            expected="a group of its own for each part",
            remedy="set `split: {valid: 0}`, or `split: {method: random}`",
        )  # fmt: skip
    labels = np.zeros(len(owner), dtype=np.int64) if codes is None else codes
    width = int(labels.max()) + 1
    sizes = np.bincount(owner, minlength=groups)
    order = np.lexsort((generator.permutation(groups), -sizes))
    head, tail = order[:GREEDY], order[GREEDY:]
    place = np.empty(groups, dtype=np.int64)
    place[head] = np.arange(len(head))
    leading = np.isin(owner, head) if len(tail) else np.ones(len(owner), dtype=bool)
    flat = place[owner[leading]] * width + labels[leading]
    tables = np.bincount(flat, minlength=len(head) * width).reshape(len(head), width).astype(np.float64)
    aim = shares[wanted, None] * np.bincount(labels, minlength=width)[None, :]
    held = np.zeros_like(aim)
    choice = np.empty(groups, dtype=np.int64)
    for position, name in enumerate(head):
        counts = tables[position]
        gain = ((2 * (held - aim) + counts) * counts / aim.clip(min=1e-9)).sum(axis=1)
        best = int(gain.argmin())
        choice[name] = best
        held[best] += counts
    if len(tail):
        lack = (aim.sum(axis=1) - held.sum(axis=1)).clip(min=0)
        edges = np.cumsum(lack) / max(lack.sum(), 1e-9) * sizes[tail].sum()
        shuffled = generator.permutation(tail)
        middle = np.cumsum(sizes[shuffled]) - sizes[shuffled] / 2
        choice[shuffled] = np.searchsorted(edges, middle).clip(max=len(wanted) - 1)
    for part in range(len(wanted) - 1, -1, -1):
        counts = np.bincount(choice, minlength=len(wanted))
        if not counts[part]:
            mine = np.flatnonzero(choice == counts.argmax())
            choice[mine[sizes[mine].argmin()]] = part
    return np.asarray(wanted[choice][owner], dtype=np.int32)


def _by_column(frame: pl.DataFrame, rows: Array, name: str) -> tuple[Array, str]:
    """As the column says; a row in which it is empty is left out."""
    import numpy as np
    import polars as pl

    text = frame[name].gather(rows).cast(pl.String).str.strip_chars().str.to_lowercase()
    found = text.replace_strict(SAID, default=None, return_dtype=pl.Int32)
    strange = (found.is_null() & text.is_not_null() & (text != "").fill_null(False)).arg_true()
    if len(strange):
        value = frame[name][int(rows[int(strange[0])])]
        raise TreadleError(
            f"{value!r} is not a part{did_you_mean(str(value), PARTS)}",
            where=f"column {name!r}, row {int(rows[int(strange[0])]) + 1}", expected=f"one of {listing(PARTS)}",
        )  # fmt: skip
    return np.asarray(found.fill_null(-1).to_numpy()), f"as the column {name!r} says"


def _no_empty_part(found: Array, split: Split) -> None:
    import numpy as np

    counts = np.bincount(found[found >= 0], minlength=3)
    needed = (0, 2) if split.method == "column" or not split.valid else (0, 1, 2)
    empty = [PARTS[part] for part in needed if not counts[part]]
    if empty:
        raise TreadleError(
            f"no row is left for {listing(empty)}", where="split",
            expected="rows in every part", remedy="change the shares under `split`, or bring more rows",
        )  # fmt: skip


def _folds(
    frame: pl.DataFrame, rows: Array, codes: Array | None, split: Split, group: str | None, target: str | None
) -> Chosen:
    """Every row is in one fold, and judged once by a model that did not see that fold."""
    import numpy as np

    generator = np.random.default_rng(split.seed)
    if len(rows) < split.folds:
        raise TreadleError(f"{len(rows)} rows are too few for {split.folds} folds", where="split.folds")
    notes = [f"{split.folds} folds"]
    if group is not None:
        owner = _groups(frame, rows, group)
        if owner.max() + 1 < split.folds:
            raise TreadleError(
                f"{int(owner.max()) + 1} groups of {group!r} are too few for {split.folds} folds", where="split.folds"
            )
        found = _by_group(owner, codes, np.full(split.folds, 1 / split.folds), generator)
        notes.append(f"groups of {group!r} kept whole")
    else:
        shuffled = generator.permutation(len(rows))
        order = shuffled if codes is None else shuffled[np.argsort(codes[shuffled], kind="stable")]
        found = np.empty(len(rows), dtype=np.int32)
        found[order] = np.arange(len(rows)) % split.folds
    if codes is not None:
        notes.append(f"stratified by {target!r}")
    part = np.full(frame.height, -1, dtype=np.int32)
    fold = part.copy()
    part[rows], fold[rows] = 0, found
    if len(rows) < frame.height:
        notes.append(f"{frame.height - len(rows):,} rows without a label are left out")
    return Chosen(part, fold, ", ".join(notes))
