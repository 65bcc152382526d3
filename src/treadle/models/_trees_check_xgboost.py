"""XGBoost's JSON format: read, checked in full, and written anew from the checked parts only.

XGBoost checks the shape of what it reads but trusts the indices in it, so it never sees a file, only what `clean`
makes of one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from treadle.core.errors import TreadleError
from treadle.models._trees_check import MAX_TREES, check_forest, real_numbers, whole_numbers

BIG = 3.4e38
MAX_CODE = 1 << 20
ROOT_PARENT = 2**31 - 1


def clean(
    model: Any,
    width: int,
    codes: tuple[bool, ...],
    groups: int,
    objective: Mapping[str, Any],
    where: object,
    keep: int | None = None,
) -> bytearray:
    """The model as bytes that XGBoost can load without harm, or one clear error.

    Args:
        model: the parsed JSON.
        width: number of columns of the feature matrix.
        codes: for each column whether it holds category codes.
        groups: outputs: classes beyond two, quantile levels, else 1.
        objective: XGBoost's own description of the objective.
        where: what the error names.
        keep: how many rounds to keep; None keeps all.
    """
    try:
        learner = model["learner"]
        booster = learner["gradient_booster"]["model"]
        trees = booster["trees"]
        base = [float(value) for value in learner["learner_model_param"]["base_score"].strip("[]").split(",")]
        version = whole_numbers(model["version"], 3, 0, 1000, "the version", where).tolist()
        if not isinstance(trees, list) or not 0 < len(trees) <= MAX_TREES or len(trees) % groups:
            raise TreadleError("the number of trees is not what it must be", where=where)
        if len(base) != groups or not all(-BIG < value < BIG for value in base):
            raise TreadleError("the base scores are not what they must be", where=where)
        if objective["name"] == "binary:logistic" and not 0 < base[0] < 1:
            raise TreadleError("the base score is not a probability", where=where)
        trees = trees[: None if keep is None else keep * groups]
        checked = [_tree(tree, number, width, codes, where) for number, tree in enumerate(trees)]
    except TreadleError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise TreadleError(f"not a sound model ({type(error).__name__}: {error})", where=where) from None
    many = objective["name"] == "multi:softprob"
    whole = {
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": ["c" if flag else "float" for flag in codes],
            "gradient_booster": {
                "model": {
                    "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
                    "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(checked))},
                    "iteration_indptr": list(range(0, len(checked) + 1, groups)),
                    "tree_info": [number % groups for number in range(len(checked))],
                    "trees": checked,
                },
                "name": "gbtree",
            },
            "learner_model_param": {
                "base_score": "[" + ",".join(f"{value:.9E}" for value in base) + "]",
                "boost_from_average": "1",
                "num_class": str(groups if many else 0),
                "num_feature": str(width),
                "num_target": str(1 if many else groups),
            },
            "objective": objective,
        },
        "version": version,
    }
    return bytearray(json.dumps(whole, separators=(",", ":")).encode())


def _tree(tree: Mapping[str, Any], number: int, width: int, codes: tuple[bool, ...], where: object) -> dict[str, Any]:
    import numpy as np

    left = tree["left_children"]
    count = len(left)

    def whole(key: str, low: int, high: int) -> Any:
        return whole_numbers(tree[key], count, low, high, key, where)

    def real(key: str) -> Any:
        return real_numbers(tree[key], count, -BIG, BIG, key, where)

    parameters = tree["tree_param"]
    if not count or parameters["num_deleted"] != "0" or parameters["size_leaf_vector"] not in ("0", "1"):
        raise TreadleError("a tree is of a form that is not known here", where=where)
    left, right = whole("left_children", -1, count - 1), whole("right_children", -1, count - 1)
    check_forest(left, right, np.zeros(1, dtype=np.int64), where)
    inner = left >= 0
    parents = np.full(count, ROOT_PARENT, dtype=np.int64)
    parents[left[inner]] = parents[right[inner]] = np.flatnonzero(inner)
    features = whole("split_indices", 0, width - 1)
    kinds = whole("split_type", 0, 1)
    by_code = np.flatnonzero(kinds == 1)
    if (~inner[by_code]).any() or not np.array(codes, dtype=bool)[features[by_code]].all():
        raise TreadleError("a tree splits categories where there are none", where=where)
    sizes = whole_numbers(tree["categories_sizes"], len(by_code), 1, MAX_CODE, "categories_sizes", where)
    values = whole_numbers(tree["categories"], int(sizes.sum()), 0, MAX_CODE, "categories", where)
    return {
        "base_weights": real("base_weights").tolist(),
        "categories": values.tolist(),
        "categories_nodes": by_code.tolist(),
        "categories_segments": (np.cumsum(sizes) - sizes).tolist(),
        "categories_sizes": sizes.tolist(),
        "default_left": whole("default_left", 0, 1).tolist(),
        "id": number,
        "left_children": left.tolist(),
        "loss_changes": real("loss_changes").tolist(),
        "parents": parents.tolist(),
        "right_children": right.tolist(),
        "split_conditions": real("split_conditions").tolist(),
        "split_indices": features.tolist(),
        "split_type": kinds.tolist(),
        "sum_hessian": real("sum_hessian").tolist(),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(width),
            "num_nodes": str(count),
            "size_leaf_vector": "1",
        },
    }
