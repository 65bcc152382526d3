"""The README's code blocks, run as they stand, in their order, in one empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from treadle.spec.read import parse_spec

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_there_are_blocks_of_every_sort():
    assert {kind for kind, _ in BLOCKS} == {"console", "yaml", "python"} and len(BLOCKS) >= 5


@pytest.mark.slow
def test_every_command_and_every_line_of_python_works(tmp_path):
    place = tmp_path
    # `treadle` on the path is the one under test, wherever it is installed.
    bin_folder = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    ran = 0
    for kind, text in BLOCKS:
        if kind == "python":
            done = subprocess.run([sys.executable, "-c", text], cwd=place, env=env, capture_output=True, text=True)
            assert done.returncode == 0, f"{text}\n{done.stderr}"
            assert "Metered(value=" in done.stdout and "prediction" in done.stdout
            ran += 1
        for line in re.findall(r"^\$ (.*)$", text, re.MULTILINE) if kind == "console" else ():
            if line.startswith("cd "):
                place = place / line[3:]
                continue
            done = subprocess.run(line, shell=True, cwd=place, env=env, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            ran += 1
    assert ran >= 14 and (place / "predictions.parquet").is_file()


def test_every_spec_in_the_documentation_is_read():
    pages = [README, *(README.parent / "docs").rglob("*.md")]
    found = 0
    for page in pages:
        for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            assert isinstance(yaml.safe_load(text), dict)
            parse_spec(text, name=page.name)
            found += 1
    assert found >= 3


def test_the_words_of_make_are_there():
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for word in re.findall(r"^    make (\w+)$", README.read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{word}:", makefile, re.MULTILINE), word
