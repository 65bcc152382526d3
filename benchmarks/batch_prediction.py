"""A million rows through `Predictor.predict`, batch by batch, beside LightGBM alone on the same rows.

Each side runs as a process of its own, so that its peak of memory is its own. The bare side reads the same file, codes
the categories, predicts and writes the same columns; the model's time alone is printed as well.

    python benchmarks/batch_prediction.py [--rows 1000000] [--batch 65536] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS = 14
CATEGORIES = 8
LABELS = [f"value {code}" for code in range(20)]


def make(folder: Path, rows: int, seed: int) -> Path:
    """A parquet file like Adult: six numbers, eight categories, a label."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    numbers = {f"n{at}": rng.normal(size=rows) for at in range(COLUMNS - CATEGORIES)}
    codes = {f"c{at}": rng.integers(0, len(LABELS), rows) for at in range(CATEGORIES)}
    score = numbers["n0"] + (codes["c0"] % 3 == 1) + 0.5 * numbers["n1"] * (codes["c1"] > 9)
    label = np.where(score + rng.normal(size=rows) > 0.4, "yes", "no")
    text = {
        name: pl.Series(values).cast(pl.UInt32).replace_strict(dict(enumerate(LABELS)))
        for name, values in codes.items()
    }
    path = folder / f"rows_{rows}.parquet"
    pl.DataFrame({**numbers, **text, "label": label}).write_parquet(path)
    return path


def train(folder: Path) -> None:
    """Fit on 50,000 rows and save the predictor."""
    import polars as pl

    from treadle.core.predictor import Predictor
    from treadle.core.types import TARGET, Context, Field, Schema

    frame = pl.read_parquet(make(folder, 50_000, 1))
    fields = [
        Field(name, "number" if name[0] == "n" else "category", str(frame[name].dtype)) for name in frame.columns[:-1]
    ]
    fields.append(Field("label", "category", "String", TARGET))
    schema = Schema(tuple(fields), "label")
    predictor = Predictor(
        schema=schema, task="classification", model_name="lightgbm", options={"rounds": 200}, classes=("no", "yes")
    )
    predictor.fit(
        predictor.align(frame, target=True),
        None,
        Context("classification", threads=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))),
    )
    predictor.save(folder / "predictor")


def peak() -> float:
    """Megabytes at most so far. Linux counts them anew for each program; `getrusage` keeps what the parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def side(name: str, folder: Path, rows: int, batch: int) -> None:
    """One side in this process; prints seconds and memory as JSON."""
    import polars as pl
    import pyarrow.parquet

    import treadle.core.predictor as core

    source = folder / f"rows_{rows}.parquet"
    if name == "ours":
        predictor = core.Predictor.load(folder / "predictor")
        predictor.predict(pl.read_parquet(source, n_rows=10))
    else:
        import lightgbm
        import numpy as np

        kept = json.loads((next((folder / "predictor").rglob("categories.json"))).read_text())
        dtypes = {item["name"]: pl.Enum(item["kept"]) for item in kept}
        booster = lightgbm.Booster(model_file=folder / "predictor" / "model" / "model.txt")
    before, started = peak(), time.perf_counter()
    inside = 0.0
    reader = pyarrow.parquet.ParquetFile(source)
    writer = None
    for part in reader.iter_batches(batch):
        frame = pl.DataFrame(part)
        if name == "ours":
            entered = time.perf_counter()
            found = predictor.predict(frame)
        else:
            entered = time.perf_counter()
            coded = frame.select(
                *(pl.col(key).cast(dtype).to_physical().cast(pl.Float32) for key, dtype in dtypes.items()),
                *(pl.col(key).cast(pl.Float32) for key in frame.columns if key[0] == "n"),
            )
            shares = booster.predict(np.ascontiguousarray(coded.to_numpy()))
            labels = np.where(shares >= 0.5, "yes", "no")
            found = pl.DataFrame({"prediction": labels, "probability_no": 1 - shares, "probability_yes": shares})
        inside += time.perf_counter() - entered
        table = found.to_arrow()
        writer = writer or pyarrow.parquet.ParquetWriter(folder / f"{name}.parquet", table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    total = time.perf_counter() - started
    print(json.dumps({"seconds": total, "predict": inside, "peak": peak(), "grew": peak() - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=65_536)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", choices=["ours", "bare"])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.side:
        side(given.side, given.folder, given.rows, given.batch)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        train(folder)
        make(folder, given.rows, 2)
        command = [
            sys.executable,
            __file__,
            "--folder",
            scratch,
            "--rows",
            str(given.rows),
            "--batch",
            str(given.batch),
        ]
        found: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
        for _ in range(given.repeats):
            for name, facts in found.items():
                done = subprocess.run([*command, "--side", name], capture_output=True, text=True, check=True)
                facts.append(json.loads(done.stdout.splitlines()[-1]))
                print(name, facts[-1], flush=True)
        import polars as pl

        one, other = (pl.read_parquet(folder / f"{name}.parquet")["probability_yes"] for name in ("bare", "ours"))
        print(f"largest difference of the answers: {(one - other).abs().max():.2e}")
        bare, ours = (
            {key: statistics.median(item[key] for item in found[name]) for key in found[name][0]}
            for name in ("bare", "ours")
        )
    print(f"speed of the whole: {bare['seconds'] / ours['seconds']:.2f} of the bare library's (promised: 0.7)")
    print(f"speed of predicting alone: {bare['predict'] / ours['predict']:.2f}")
    print(f"memory grew by {ours['grew']:.0f} MB, bare {bare['grew']:.0f} MB, batch of {given.batch:,} rows")


if __name__ == "__main__":
    main()
