"""``treadle doctor``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from treadle.cli.base import BAD_INPUT, Answer, Session, verb
from treadle.core.errors import TreadleError

EXAMPLE = "treadle doctor"

EXTRAS = {
    "boosting": ("xgboost", "lightgbm", "catboost"),
    "deep": ("torch", "safetensors"),
    "tensorflow": ("tensorflow", "keras"),
    "explain": ("shap", "lime"),
    "fairness": ("fairlearn",),
    "sources": ("sqlalchemy", "psycopg", "fsspec", "s3fs", "datasets", "statsforecast"),
}
IMPORTED = ("torchvision",)
"""Libraries that may be installed and yet broken (built for another torch): tried in a process of their own."""
LITTLE_SPACE = 2**30
PYTHON = (3, 11)


@verb
def doctor(session: Session) -> Answer:
    """Look at what Treadle stands on: Python, libraries, the machine, and this project's workspace."""
    from treadle.cli.draw import draw_doctor

    checks = [*machine(), *libraries()]
    try:
        project = session.open()
    except TreadleError:
        if session.project is not None:
            raise
        checks.append(found("project", True, "none here"))
    else:
        checks += workspace(project)
    good = all(item["ok"] for item in checks)
    return Answer({"ok": good, "checks": checks}, lambda console: draw_doctor(console, checks),
                  code=0 if good else BAD_INPUT)  # fmt: skip


def found(name: str, ok: bool, detail: str, remedy: str | None = None) -> dict[str, Any]:
    """One line of the examination."""
    return {"name": name, "ok": ok, "detail": detail, "remedy": remedy}


def machine() -> Iterator[dict[str, Any]]:
    """Python, cores, threads, free space."""
    import os
    import platform
    import shutil

    good = sys.version_info[:2] >= PYTHON
    yield found("python", good, platform.python_version(), None if good else "install Python 3.11 or newer")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS")
    yield found("threads", True, f"{cores} cores" + (f", OMP_NUM_THREADS={limit}" if limit else ""))
    free = shutil.disk_usage(Path.cwd()).free
    yield found("disk", free > LITTLE_SPACE, f"{free / 2**30:.1f} GiB free here",
                None if free > LITTLE_SPACE else "free some space")  # fmt: skip


def libraries() -> Iterator[dict[str, Any]]:
    """The extras that are installed, and the libraries that are broken."""
    from importlib.util import find_spec

    from treadle.store.versions import distribution

    for extra, names in EXTRAS.items():
        versions = {name: distribution(name) for name in names}
        there = [f"{item[0]} {item[1]}" for item in versions.values() if item]
        absent = [name for name, item in versions.items() if item is None and find_spec(name) is None]
        remedy = f"pip install 'treadle[{extra}]'" if absent else None
        detail = ", ".join(there) or "not installed"
        if absent and there:
            detail += f" (without {', '.join(absent)})"
        yield found(f"extra {extra}", True, detail, remedy)
    for name in IMPORTED:
        if find_spec(name) is not None:
            command = [sys.executable, "-c", f"import {name}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own words)
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            good = done.returncode == 0
            yield found(name, good, "imports" if good else f"does not import: {last}",
                        None if good else f"pip uninstall {name}, or install the build that fits torch")  # fmt: skip


def workspace(project: Any) -> Iterator[dict[str, Any]]:
    """The spec, the workspace's format, the ledger, every bundle's checksums, MLflow's database."""
    from treadle.store import ledger
    from treadle.store.bundle import verify_bundle

    def attempt(name: str, check: Callable[[], str], remedy: str | None = None) -> dict[str, Any]:
        try:
            return found(name, True, check())
        except TreadleError as error:
            return found(name, False, error.message().splitlines()[0], error.remedy or remedy)

    def spec() -> str:
        project.spec()
        return str(project.file)

    def bundles() -> str:
        known = [run.bundle for run in project.runs()]
        there = {folder for folder in known if folder.is_dir()}
        for folder in there:
            verify_bundle(folder)
        return f"{len(there)} intact"

    yield attempt("spec", spec)
    if not project.workspace.root.is_dir():
        yield found("workspace", True, "not made yet: `treadle run` makes it")
        return
    yield attempt("workspace", lambda: f"{project.workspace.open().root}, {len(project.runs())} runs")
    yield attempt("ledger", lambda: f"{ledger.verify(project.workspace)} entries, the chain holds")
    yield attempt("bundles", bundles)
    yield attempt("mlflow", lambda: database(project.workspace.root / "mlflow.db"),
                  "move the file away; `treadle run --force register` makes it anew")  # fmt: skip


def database(path: Path) -> str:
    """MLflow's SQLite file, held to be whole by SQLite itself."""
    import sqlite3

    if not path.is_file():
        return "no local database"
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        try:
            verdict = connection.execute("PRAGMA quick_check").fetchone()[0]
            runs = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise TreadleError(f"the database cannot be read ({error})", where=path) from None
    if verdict != "ok":
        raise TreadleError(f"the database is damaged ({verdict})", where=path)
    return f"{runs} runs in {path.name}"
