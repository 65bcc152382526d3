"""LIME: a small linear model of what the model does near one row (Ribeiro et al. 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from treadle.core.options import Doc, Range
from treadle.core.types import Attribution, ExplainerTags
from treadle.explain._swap import Swap, choose, sample, top_columns
from treadle.explain._tags import tagged

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.predictor import Predictor
    from treadle.core.types import Array

BINS = 4


@tagged(ExplainerTags(requires=("lime",), extra="explain"))
def explain(
    predictor: Predictor,
    frame: pl.DataFrame,
    background: pl.DataFrame,
    *,
    label: Annotated[
        str | None, Doc("the class to explain; default: the last of two, the predicted one of more")
    ] = None,
    samples: Annotated[int, Range(50, 1_000_000, tuned=False), Doc("neighbours drawn around each row")] = 1000,
    rows: Annotated[int, Range(1, 1_000_000, tuned=False), Doc("background rows that neighbours are made from")] = 1000,
    columns: Annotated[int, Range(1, 10_000, tuned=False), Doc("columns told apart; the others stay as they are")] = 50,
    seed: Annotated[int, Range(0, None, tuned=False), Doc("for the neighbours")] = 0,
) -> Attribution:
    """Weights of the local model, one a column: what the column's being as it is adds to the output.

    Every column is cut into groups (quartiles of a number, values of anything else, missing), and a neighbour either
    shares the row's group or takes a value of another group from the background, so text, categories and gaps need no
    special treatment. The local model is an approximation: base and values add up to its own prediction, not to the
    output.

    Args:
        predictor: fitted.
        frame: the rows to explain.
        background: typical rows, such as a sample of the training rows.
    """
    import numpy as np
    from lime.lime_tabular import LimeTabularExplainer

    swap = Swap(predictor, frame, sample(background, rows, seed))
    outputs = swap.outputs(swap.plain(np.arange(swap.rows)))
    chosen = choose(outputs, swap.names, label)
    kept = top_columns(swap, columns, seed)
    groups, members = _groups(swap, kept)
    rng = np.random.default_rng(seed)
    explainer = LimeTabularExplainer(
        groups[swap.rows :], mode="classification", feature_names=[str(p) for p in range(len(kept))],
        categorical_features=list(range(len(kept))), discretize_continuous=False, feature_selection="none",
        random_state=seed,
    )  # fmt: skip
    values, bases, local = np.zeros((swap.rows, len(kept))), np.zeros(swap.rows), np.zeros(swap.rows)
    for row in range(swap.rows):
        position = int(chosen.positions[row])

        def answer(codes: Array, row: int = row, position: int = position) -> Array:
            index = _index(codes, row, groups[row], kept, members, len(swap.columns), rng)
            said = swap.outputs(index)[:, position]
            return np.stack([1.0 - said, said], axis=1)

        found = explainer.explain_instance(
            groups[row], answer, labels=(1,), num_features=len(kept), num_samples=samples
        )
        for feature, weight in found.local_exp[1]:
            values[row, feature] = weight
        bases[row] = float(found.intercept[1])
        local[row] = float(np.ravel(found.local_pred)[0])
    details: dict[str, Any] = {"local": local.tolist(), "bases": bases.tolist()}
    if chosen.labels:
        details["labels"] = list(chosen.labels)
    notes: tuple[str, ...] = (
        "LIME is a local approximation: the values add up to its own prediction, not exactly to the output.",
    )
    if len(kept) < len(swap.columns):
        notes += (f"Only the {len(kept):,} most important of {len(swap.columns):,} columns were varied.",)
    return Attribution(
        method="lime", columns=tuple(swap.columns[position] for position in kept), values=values,
        base=float(bases[0]) if swap.rows == 1 else None,
        output=outputs[np.arange(swap.rows), chosen.positions], scale=swap.scale, label=chosen.label,
        details=details, notes=notes,
    )  # fmt: skip


def _groups(swap: Swap, kept: list[int]) -> tuple[Array, list[dict[int, Array]]]:
    """The group of every value, (rows + background, columns), and for each column the background rows by group."""
    import numpy as np
    import polars as pl

    groups = np.zeros((swap.rows + swap.background, len(kept)), dtype=np.float64)
    members: list[dict[int, Array]] = []
    for place, number in enumerate(kept):
        column = swap.aligned[swap.columns[number]]
        if column.dtype.is_numeric() and column.n_unique() > BINS:
            values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
            typical = values[swap.rows :]
            typical = typical[np.isfinite(typical)]
            edges = np.unique(np.quantile(typical, [0.25, 0.5, 0.75])) if len(typical) else np.zeros(0)
            codes = np.searchsorted(edges, values, side="left")
            codes = np.where(np.isnan(values), len(edges) + 1, codes)
        else:
            codes = column.cast(pl.String, strict=False).rank("dense").fill_null(0).to_numpy().astype(np.int64)
        groups[:, place] = codes
        theirs = codes[swap.rows :]
        members.append({int(code): swap.rows + np.flatnonzero(theirs == code) for code in np.unique(theirs)})
    return groups, members


def _index(
    codes: Array, row: int, own: Array, kept: list[int], members: list[dict[int, Array]], width: int, rng: Any
) -> Array:
    """Which row gives each value of a neighbour: the explained row for its own groups, else a member of the group."""
    import numpy as np

    index = np.full((len(codes), width), row, dtype=np.int64)
    for place, number in enumerate(kept):
        column = codes[:, place].astype(np.int64)
        for code, rows in members[place].items():
            if code != int(own[place]):
                wanted = np.flatnonzero(column == code)
                index[wanted, number] = rng.choice(rows, size=len(wanted))
    return index


COMPONENT = explain
