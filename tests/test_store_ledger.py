"""The ledger: whatever is edited, removed, moved or cut is noticed; crashes and crowds do no harm."""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treadle.core.errors import TreadleError
from treadle.store import ledger
from treadle.store.workspace import Workspace

FACTS = st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.floats(), st.text(max_size=20)), max_size=4)
RELAXED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fresh(folder: Path, facts: list[dict]) -> Workspace:
    workspace = Workspace(folder / "w").open()
    for name in ("ledger.jsonl", "ledger.head"):
        (workspace.root / name).unlink(missing_ok=True)
    for item in facts:
        ledger.append(workspace, "promote", item)
    return workspace


@RELAXED
@given(st.lists(FACTS, min_size=1, max_size=5))
def test_what_was_written_is_read_and_verified(tmp_path: Path, facts: list[dict]) -> None:
    workspace = fresh(tmp_path, facts)
    assert ledger.verify(workspace) == len(facts)
    entries = ledger.read(workspace)
    assert [entry.number for entry in entries] == list(range(1, len(facts) + 1))
    assert all(entry.what == "promote" and entry.who for entry in entries)


@RELAXED
@given(st.lists(FACTS, min_size=2, max_size=5), st.data())
def test_any_change_of_the_file_is_noticed(tmp_path: Path, facts: list[dict], data: st.DataObject) -> None:
    workspace = fresh(tmp_path, facts)
    path = workspace.root / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    change = data.draw(st.sampled_from(["edit", "remove", "swap", "cut", "repeat", "flip"]))
    at = data.draw(st.integers(0, len(lines) - 1))
    if change == "edit":
        entry = json.loads(lines[at])
        entry["facts"]["forged"] = True
        lines[at] = json.dumps(entry).encode() + b"\n"
    elif change == "remove":
        del lines[at]
    elif change == "swap":
        lines[at], lines[at - 1] = lines[at - 1], lines[at]
    elif change == "cut":
        lines = lines[:at]
    elif change == "repeat":
        lines.insert(at, lines[at])
    else:
        raw = bytearray(b"".join(lines))
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1
        lines = [bytes(raw)]
    path.write_bytes(b"".join(lines))
    with pytest.raises(TreadleError):
        ledger.verify(workspace)
    with pytest.raises(TreadleError):
        ledger.append(workspace, "promote", {})


def test_a_line_cut_short_by_a_crash_is_dropped_only_by_the_next_writer(tmp_path: Path) -> None:
    workspace = fresh(tmp_path, [{"a": 1}, {"a": 2}])
    path = workspace.root / "ledger.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"facts":{"a"')
    assert len(ledger.read(workspace)) == 2
    assert path.read_bytes() != whole
    assert ledger.append(workspace, "promote", {"a": 3}).number == 3
    assert ledger.verify(workspace) == 3


def test_a_crash_between_entry_and_head_is_no_forgery(tmp_path: Path) -> None:
    workspace = fresh(tmp_path, [{"a": 1}])
    head = (workspace.root / "ledger.head").read_bytes()
    for number in (2, 3):
        ledger.append(workspace, "promote", {"a": number})
        (workspace.root / "ledger.head").write_bytes(head)
        assert ledger.verify(workspace) == number
        ledger.append(workspace, "promote", {"a": number})
        break
    assert ledger.verify(workspace) == 3


def test_writers_at_the_same_time_take_turns(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w").open()
    code = (
        "import sys; from pathlib import Path; from treadle.store import ledger; "
        "from treadle.store.workspace import Workspace; w = Workspace(Path(sys.argv[1])); "
        "[ledger.append(w, 'note', {'by': sys.argv[2], 'n': n}) for n in range(10)]"
    )
    crowd = [subprocess.Popen([sys.executable, "-c", code, str(workspace.root), str(n)]) for n in range(3)]
    assert [process.wait(60) for process in crowd] == [0, 0, 0]
    assert ledger.verify(workspace) == 30


def test_a_user_without_a_name_still_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert ledger.append(Workspace(tmp_path / "w").open(), "note", {}).who.startswith("user ")
