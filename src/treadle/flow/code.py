"""The code that a stage's result rests on: its own file, core, its components, and the helpers that these import."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import treadle
from treadle.core import registry
from treadle.core.files import hash_file, hash_value

ROOT = Path(treadle.__file__).parent
FOLLOWED = frozenset({"stages", *registry.GROUPS})
IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+treadle\.([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*))", re.MULTILINE)


@cache
def code_version(stage: str, leaves: tuple[tuple[str, str], ...]) -> str:
    """One hash over all files that take part in a stage."""
    first = [ROOT / "stages" / f"{stage}.py"]
    first += [file for group, name in leaves if (file := registry.file_of(group, name))]
    files = {*(ROOT / "core").glob("*.py"), *reached(first)}
    return hash_value(sorted((file.name, _hash(file)) for file in files))


def reached(first: Iterable[Path]) -> set[Path]:
    """These files and all that they import, directly or not, from the stages and from the components' folders."""
    found: set[Path] = set()
    waiting = list(first)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting.extend(_imports(file))
    return found


@cache
def _imports(file: Path) -> tuple[Path, ...]:
    found = []
    for module, names in IMPORT.findall(file.read_text(encoding="utf-8")):
        parts = module.split(".")
        if parts[0] not in FOLLOWED:
            continue
        found.append(ROOT.joinpath(*parts).with_suffix(".py"))
        if len(parts) == 1:
            found += [ROOT / parts[0] / f"{name}.py" for name in re.findall(r"\w+", names)]
    return tuple(path for path in found if path.is_file())


_hash = cache(hash_file)
