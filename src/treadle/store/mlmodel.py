"""The files that make a bundle an MLflow model: ``MLmodel``, and what to install for it."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Mapping
from typing import Any

import yaml

import treadle
from treadle.core.types import Schema

LOADER = "treadle.store.pyfunc"
TEXTS = ("category", "text", "image", "audio")


def mlflow_files(
    schema: Schema, outputs: Mapping[str, str], versions: Mapping[str, str], *, run: str, made: str
) -> dict[str, str]:
    """File names and texts.

    Args:
        schema: the columns it reads; one that held missing values in training is optional.
        outputs: names and Polars types of what it answers with.
        versions: packages it needs.
        run: our id of the run.
        made: ISO time.
    """
    needed = [f"treadle=={treadle.__version__}", *(f"{name}=={version}" for name, version in versions.items())]
    python = platform.python_version()
    signature = {
        "inputs": json.dumps(
            [
                {"type": _input_type(item.kind, item.dtype), "name": item.name, "required": item.missing == 0}
                for item in schema.features
            ]
        ),
        "outputs": json.dumps(
            [{"type": _output_type(dtype), "name": name, "required": True} for name, dtype in outputs.items()]
        ),
        "params": None,
    }
    model = {
        "flavors": {
            "python_function": {
                "loader_module": LOADER,
                "data": ".",
                "python_version": python,
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
            }
        },
        "model_uuid": uuid.uuid5(uuid.NAMESPACE_OID, f"treadle {run}").hex,
        "signature": signature,
        "utc_time_created": made.replace("T", " ").removesuffix("+00:00"),
    }
    conda = {
        "name": "treadle",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": needed}],
    }
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    return {
        "MLmodel": _yaml(model),
        "requirements.txt": "\n".join(needed) + "\n",
        "conda.yaml": _yaml(conda),
        "python_env.yaml": _yaml(environment),
    }


def _input_type(kind: str, dtype: str) -> str:
    """MLflow refuses whole numbers where it expects a ``double``, and gaps where it expects a ``long``, though the
    model takes both: only text is typed, all else is checked by the bundle itself, with its row."""
    return "string" if kind in TEXTS and dtype == "String" else "any"


def _output_type(dtype: str) -> str:
    if dtype.startswith("Float"):
        return "double"
    if dtype.startswith(("Int", "UInt")):
        return "long"
    return {"Boolean": "boolean"}.get(dtype, "string")


def _yaml(data: Any) -> str:
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
