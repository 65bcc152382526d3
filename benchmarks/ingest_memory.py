"""How much memory and time it takes to ingest a large CSV file, as a ratio of its size.

    python benchmarks/ingest_memory.py --gb 5

A process of its own does the work; its peak is what the system counted. The file has numbers, dates, categories, free
text and gaps, is written to a temporary folder, and is removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BLOCK = 200_000
WORK = """
import json, re, sys, time
from pathlib import Path
from treadle.core.events import Events
from treadle.spec.read import parse_spec
from treadle.stages import ingest
from treadle.stages.values import Job
path, folder = Path(sys.argv[1]), Path(sys.argv[2])
spec = parse_spec(f"data: {{source: {path}, target: label}}")
started = time.perf_counter()
ingest.source_fingerprint(spec.data, folder, folder)
hashed = time.perf_counter() - started
dataset = ingest.run(Job(spec, folder, folder, folder, {}, Events(), folder))
seconds = time.perf_counter() - started
again = time.perf_counter()
ingest.source_fingerprint(spec.data, folder, folder)
again = time.perf_counter() - again
# Not `getrusage`, whose maximum a process inherits from its parent.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
found = {"rows": dataset.rows, "hash_seconds": hashed, "seconds": seconds, "again_seconds": again, "peak": peak,
         "kinds": {f.name: f.kind for f in dataset.schema.fields}}
print(json.dumps(found))
"""


def write(path: Path, size: float) -> int:
    """A CSV of about this many bytes; returns its rows."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    words = np.array("late early train plane river north south blue green old new fast slow warm cold".split())
    rows = 0
    with path.open("wb") as handle:
        while handle.tell() < size:
            frame = pl.DataFrame(
                {
                    "key": [f"k{rows + i:010d}" for i in range(BLOCK)],
                    "amount": rng.lognormal(3, 1, BLOCK).round(2),
                    "count": rng.integers(0, 1000, BLOCK),
                    "when": pl.Series(1_600_000_000 + rng.integers(0, 10**8, BLOCK)).cast(pl.Int64) * 1_000_000,
                    "city": rng.choice(["Oslo", "Rome", "Lima", "Accra", "Quito"], BLOCK),
                    "note": [" ".join(part) for part in rng.choice(words, (BLOCK, 6))],
                    "score": np.where(rng.random(BLOCK) < 0.1, np.nan, rng.normal(size=BLOCK).round(6)),
                    "label": rng.choice(["yes", "no"], BLOCK),
                }
            ).with_columns(pl.col("when").cast(pl.Datetime("us")), pl.col("score").fill_nan(None))
            frame.write_csv(handle, include_header=rows == 0)
            rows += BLOCK
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=5.0, help="size of the file")
    parser.add_argument("--folder", type=Path, help="where to write it; the system's temporary folder by default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        path = folder / "big.csv"
        started = time.perf_counter()
        write(path, options.gb * 1e9)
        written = time.perf_counter() - started
        (folder / "work").mkdir()
        done = subprocess.run(
            [sys.executable, "-c", WORK, str(path), str(folder / "work")], capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        size = path.stat().st_size
    found |= {"size": size, "ratio": found["peak"] / size, "write_seconds": written}
    if options.json:
        print(json.dumps(found))
        return
    print(f"file       {size / 1e9:6.2f} GB, {found['rows']:,} rows (written in {written:.0f} s)")
    print(f"ingest     {found['seconds']:6.1f} s, of which hashing {found['hash_seconds']:.1f} s")
    print(f"unchanged  {found['again_seconds'] * 1000:6.1f} ms to know the file again")
    print(f"peak       {found['peak'] / 1e9:6.2f} GB of memory")
    print(f"ratio      {found['ratio']:6.2f} memory / size")


if __name__ == "__main__":
    main()
