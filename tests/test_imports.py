"""Nothing heavy is imported before it is needed, and the command line starts quickly."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

import treadle

HEAVY = (
    "numpy", "polars", "pandas", "pyarrow", "sklearn", "scipy", "mlflow", "optuna", "torch", "tensorflow", "keras",
    "xgboost", "lightgbm", "catboost", "shap", "lime", "fairlearn", "skops", "jinja2", "sqlalchemy", "fsspec",
    "datasets",
)  # fmt: skip
LEAVES = (
    "sources", "modalities", "transforms", "models", "metrics", "drift", "explain", "streams", "compute", "targets",
)  # fmt: skip
ROOT = Path(treadle.__file__).parent


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def modules(folder: Path) -> list[str]:
    found = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for path in sorted(folder.rglob("*.py"))
        if path.name not in ("__main__.py", "__init__.py")
    ]
    assert found, folder
    return found


def test_every_module_imports_without_a_heavy_library() -> None:
    # one after the other in one process: the first that brings a heavy library along is named
    code = f"""
import importlib, json, sys
blame = {{}}
for name in {modules(ROOT)!r}:
    importlib.import_module(name)
    for heavy in {HEAVY!r}:
        if heavy in sys.modules and heavy not in blame:
            blame[heavy] = name
print(json.dumps(blame))
"""
    assert json.loads(python(code)) == {}


def test_leaves_do_not_even_need_pydantic() -> None:
    leaves = [name for folder in LEAVES if (ROOT / folder).is_dir() for name in _of(ROOT / folder)]
    code = f"""
import importlib, sys
for name in {leaves!r}:
    importlib.import_module(name)
print("pydantic" in sys.modules)
"""
    assert python(code).strip() == "False"


def _of(folder: Path) -> list[str]:
    return [f"treadle.{folder.name}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"]


def test_import_treadle_imports_nothing() -> None:
    code = "import sys; import treadle; print([m for m in sys.modules if m.startswith('treadle')])"
    assert python(code).strip() == "['treadle']"
    taken = [name for name in (*HEAVY, "pydantic", "typer", "yaml", "rich") if name in python(
        "import sys; import treadle; print(*sys.modules)").split()]  # fmt: skip
    assert taken == []


def test_help_imports_neither_pydantic_nor_anything_heavy() -> None:
    code = """
import sys
sys.argv = ["treadle", "--help"]
from treadle.cli.main import main
try:
    main()
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "treadle" in done.stdout
    taken = [name for name in (*HEAVY, "pydantic", "yaml") if name in done.stderr.split()]
    assert taken == []


def _median(command: list[str], times: int = 5) -> float:
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)


@pytest.mark.parametrize(
    ("command", "limit"), [(["-c", "import treadle"], 0.1), (["-m", "treadle", "--help"], 0.4)], ids=["import", "help"]
)
def test_the_start_is_quick(command: list[str], limit: float) -> None:
    # beside an empty Python on the same machine at the same time; three times the limit, for a machine under load
    empty = _median([sys.executable, "-c", "pass"])
    assert _median([sys.executable, *command]) - empty < 3 * limit


def test_public_names() -> None:
    assert {"open", "Project", "TreadleError"} <= set(dir(treadle))
    assert treadle.TreadleError is __import__("treadle.core.errors", fromlist=["TreadleError"]).TreadleError
    with pytest.raises(AttributeError, match="no attribute 'openn'"):
        _ = treadle.openn
