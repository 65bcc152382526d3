"""CatBoost's JSON format: read, checked in full, and written anew from the checked parts only.

CatBoost trusts the indices of the splits and the layout of the tables of target statistics, so it never sees a file,
only what `clean` makes of one.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from treadle.core.errors import TreadleError
from treadle.models._trees_check import MAX_TREES, real_numbers, whole_numbers

BIG = 3.5e38
HUGE = 1e300
MAX_SPLITS = 16
MAX_BORDERS = 70_000
MAX_COUNT = 2**31 - 1
NANS = ("AsIs", "AsFalse", "AsTrue")


@dataclass(frozen=True)
class Shape:
    """What a model must fit: its columns and outputs.

    Attributes:
        codes: for each column of the feature matrix whether it holds category codes.
        outputs: 1, the number of classes beyond two, or of quantile levels.
        labels: values of the binned target behind the target statistics: the classes, else 2.
    """

    codes: tuple[bool, ...]
    outputs: int
    labels: int

    @property
    def numbers(self) -> list[int]:
        """Positions of the columns that hold numbers."""
        return [position for position, flag in enumerate(self.codes) if not flag]

    @property
    def categories(self) -> list[int]:
        """Positions of the columns that hold category codes."""
        return [position for position, flag in enumerate(self.codes) if flag]


def constant(shape: Shape, bias: Sequence[float], rows: int) -> dict[str, Any]:
    """A model of one leaf, for data from which nothing can be learned."""
    floats = [{"borders": [], "nan_value_treatment": "AsIs"} for _ in shape.numbers]
    return {
        "features_info": {"float_features": floats, "categorical_features": [{} for _ in shape.categories]},
        "oblivious_trees": [{"splits": [], "leaf_values": [0.0] * shape.outputs, "leaf_weights": [rows]}],
        "scale_and_bias": [1, list(bias)],
    }


def clean(model: Any, shape: Shape, where: object, keep: int | None = None) -> bytes:
    """The model as bytes that CatBoost can load without harm, or one clear error.

    Args:
        model: the parsed JSON.
        shape: the columns and outputs that it must fit.
        where: what the error names.
        keep: how many trees to keep; None keeps all.
    """
    try:
        return json.dumps(_clean(model, shape, where, keep), separators=(",", ":")).encode()
    except TreadleError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise TreadleError(f"not a sound model ({type(error).__name__}: {error})", where=where) from None


def _clean(model: Any, shape: Shape, where: object, keep: int | None) -> dict[str, Any]:
    info = model["features_info"]
    floats = _floats(info.get("float_features", []), shape, where)
    categories = _categories(info.get("categorical_features", []), shape, where)
    tables = model.get("ctr_data", {})
    ctrs = [_ctr(item, shape, where) for item in info.get("ctrs", [])]
    splits = sum(len(item["borders"]) for item in (*floats, *ctrs))
    splits += sum(len(item.get("values", ())) for item in categories)
    trees = model["oblivious_trees"]
    if not isinstance(trees, list) or not 0 < len(trees) <= MAX_TREES:
        raise TreadleError("the number of trees is not what it must be", where=where)
    scale, bias = model["scale_and_bias"]
    real_numbers([scale], 1, -HUGE, HUGE, "the scale", where)
    bias = real_numbers(bias, shape.outputs, -HUGE, HUGE, "the bias", where).tolist()
    whole: dict[str, Any] = {
        "features_info": {"float_features": floats, "categorical_features": categories},
        "model_info": {},
        "oblivious_trees": [_tree(tree, splits, shape.outputs, where) for tree in trees[:keep]],
        "scale_and_bias": [scale, bias],
    }
    if ctrs:
        whole["features_info"]["ctrs"] = ctrs
        whole["ctr_data"] = {
            item["identifier"]: _table(tables[item["identifier"]], item["ctr_type"], shape, where) for item in ctrs
        }
    return whole


def _borders(values: Any, where: object) -> list[float]:
    if not isinstance(values, list) or len(values) > MAX_BORDERS:
        raise TreadleError("the borders of a column are not a list of numbers", where=where)
    borders: list[float] = real_numbers(values, len(values), -BIG, BIG, "borders", where).tolist()
    if any(one >= other for one, other in itertools.pairwise(borders)):
        raise TreadleError("the borders of a column do not ascend", where=where)
    return borders


def _floats(items: Any, shape: Shape, where: object) -> list[dict[str, Any]]:
    if len(items) != len(shape.numbers) or any(item["nan_value_treatment"] not in NANS for item in items):
        raise TreadleError("the columns of numbers do not fit the model", where=where)
    return [
        {
            "borders": _borders(item["borders"], where),
            "feature_id": "",
            "feature_index": index,
            "flat_feature_index": position,
            "has_nans": True if item["nan_value_treatment"] != "AsIs" else bool(item.get("has_nans", False)),
            "nan_value_treatment": item["nan_value_treatment"],
        }
        for index, (item, position) in enumerate(zip(items, shape.numbers, strict=True))
    ]


def _categories(items: Any, shape: Shape, where: object) -> list[dict[str, Any]]:
    if len(items) != len(shape.categories):
        raise TreadleError("the columns of categories do not fit the model", where=where)
    found = []
    for index, (item, position) in enumerate(zip(items, shape.categories, strict=True)):
        clean_item: dict[str, Any] = {"feature_id": "", "feature_index": index, "flat_feature_index": position}
        if "values" in item:
            values = item["values"]
            checked = whole_numbers(values, len(values), -(2**31), 2**31 - 1, "values", where)
            clean_item["values"] = checked.tolist()
        found.append(clean_item)
    return found


def _ctr(item: Mapping[str, Any], shape: Shape, where: object) -> dict[str, Any]:
    elements = [_element(element, shape, where) for element in item["elements"]]
    kind = item["ctr_type"]
    key = json.loads(item["identifier"])
    inside = [_element(element, shape, where) for element in key["identifier"]]
    if kind not in ("Borders", "Counter") or key["type"] != kind or inside != elements or len(elements) > MAX_SPLITS:
        raise TreadleError("a target statistic is not of a form that is known here", where=where)
    highest = shape.labels - 2 if kind == "Borders" else 0
    target = whole_numbers([item["target_border_idx"]], 1, 0, highest, "target_border_idx", where)
    numbers = [item[name] for name in ("prior_numerator", "prior_denomerator", "scale", "shift")]
    real_numbers(numbers, 4, -HUGE, HUGE, "a prior", where)
    return {
        "borders": _borders(item["borders"], where),
        "ctr_type": kind,
        "elements": elements,
        "identifier": json.dumps({"identifier": elements, "type": kind}, separators=(",", ":")),
        "prior_denomerator": numbers[1],
        "prior_numerator": numbers[0],
        "scale": numbers[2],
        "shift": numbers[3],
        "target_border_idx": int(target[0]),
    }


def _element(item: Mapping[str, Any], shape: Shape, where: object) -> dict[str, Any]:
    import numpy as np

    kind = item["combination_element"]
    if kind == "float_feature":
        name, count, extra = "float_feature_index", len(shape.numbers), "border"
    elif kind == "cat_feature_value":
        name, count, extra = "cat_feature_index", len(shape.categories), ""
    elif kind == "cat_feature_exact_value":
        name, count, extra = "cat_feature_index", len(shape.categories), "value"
    else:
        raise TreadleError("a target statistic is not of a form that is known here", where=where)
    found: dict[str, Any] = {}
    if extra == "border":
        found["border"] = float(np.float32(real_numbers([item["border"]], 1, -BIG, BIG, "border", where)[0]))
    if extra == "value":
        found["value"] = int(whole_numbers([item["value"]], 1, -(2**31), 2**31 - 1, "value", where)[0])
    found["combination_element"] = kind
    found[name] = int(whole_numbers([item[name]], 1, 0, count - 1, name, where)[0])
    return dict(sorted(found.items()))


def _table(table: Mapping[str, Any], kind: str, shape: Shape, where: object) -> dict[str, Any]:
    stride = 1 + (shape.labels if kind == "Borders" else 1)
    entries = table["hash_map"]
    if table["hash_stride"] != stride or not isinstance(entries, list) or not entries or len(entries) % stride:
        raise TreadleError("a table of target statistics does not have the form it must have", where=where)
    hashes = entries[::stride]
    if not all(isinstance(item, str) and item.isascii() and item.isdigit() and int(item) < 2**64 for item in hashes):
        raise TreadleError("a table of target statistics has a key that is not a number", where=where)
    if len(set(map(int, hashes))) != len(hashes):
        raise TreadleError("a table of target statistics has a key twice", where=where)
    columns = [entries[start::stride] for start in range(1, stride)]
    for column in columns:
        whole_numbers(column, len(hashes), 0, MAX_COUNT, "counts", where)
    counter = whole_numbers([table["counter_denominator"]], 1, 0, MAX_COUNT, "counter_denominator", where)
    return {
        "counter_denominator": int(counter[0]),
        "hash_map": [str(int(item)) if at % stride == 0 else item for at, item in enumerate(entries)],
        "hash_stride": stride,
    }


def _tree(tree: Mapping[str, Any], splits: int, outputs: int, where: object) -> dict[str, Any]:
    named = tree.get("splits") or []
    if not isinstance(named, list) or len(named) > MAX_SPLITS:
        raise TreadleError("a tree is too deep", where=where, expected=f"at most {MAX_SPLITS} levels")
    leaves = 2 ** len(named)
    positions = whole_numbers([item["split_index"] for item in named], len(named), 0, splits - 1, "splits", where)
    return {
        "leaf_values": real_numbers(tree["leaf_values"], leaves * outputs, -HUGE, HUGE, "leaf_values", where).tolist(),
        "leaf_weights": real_numbers(tree["leaf_weights"], leaves, 0, HUGE, "leaf_weights", where).tolist(),
        "splits": [{"split_index": int(position)} for position in positions],
    }
