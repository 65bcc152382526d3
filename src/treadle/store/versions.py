"""Which code and which libraries something was made with."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import treadle
from treadle.core import registry
from treadle.core.files import hash_file, hash_value

BASE = ("numpy", "polars")
DISTRIBUTIONS = {
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "PIL": ("pillow",),
    "yaml": ("pyyaml",),
    "cv2": ("opencv-python", "opencv-python-headless"),
}


@cache
def distribution(library: str) -> tuple[str, str] | None:
    """Name and version of the package that brings what ``import library`` imports; None when it is not installed."""
    for name in (library, *DISTRIBUTIONS.get(library, ())):
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return None


def versions_of(libraries: Iterable[str]) -> dict[str, str]:
    """Package names and versions of those that are installed."""
    return dict(sorted(found for library in set(libraries) if (found := distribution(library)) is not None))


def libraries_of(components: Iterable[tuple[str, str]]) -> set[str]:
    """What has to be importable for these components (group and name), as they are used in a bundle."""
    wanted = set(BASE)
    for group, name in components:
        tags = getattr(registry.load(group, name), "tags", None)
        wanted.update(getattr(tags, "requires", ()))
        if group == "models" and not getattr(tags, "requires", ()):
            wanted.add("sklearn")
    return wanted


@cache
def code_hash() -> str:
    """One hash over all of Treadle's own files."""
    root = Path(treadle.__file__).parent
    return hash_value({str(path.relative_to(root)): hash_file(path) for path in sorted(root.rglob("*.py"))})


def code_version(project: Path) -> dict[str, Any]:
    """Treadle's version and hash, Python's version, and the project's commit where it lies in a Git repository."""
    found: dict[str, Any] = {
        "treadle": treadle.__version__,
        "hash": code_hash(),
        "python": platform.python_version(),
        "commit": _git(project, "rev-parse", "HEAD"),
    }
    if found["commit"]:
        found["changed"] = bool(_git(project, "status", "--porcelain", "--untracked-files=no"))
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says of a folder; None where there is no repository or no git. No hook of it runs."""
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
