"""``treadle run`` on Adult with LightGBM beside a bare script that does the same with the libraries alone.

Both run as whole processes, in turn, in one go; what is printed last is the ratio of the medians.

    python benchmarks/adult_lightgbm.py [--data ../shared/data/tabular/adult_train.csv.gz] [--repeats 5]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data" / "tabular" / "adult_train.csv.gz"

BARE = """
import sys
import lightgbm
import polars as pl
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

frame = pl.read_csv(sys.argv[1])
target = frame.columns[-1]
truth = frame[target].cast(pl.String).cast(pl.Categorical).to_physical().to_numpy()
frame = frame.drop(target)
text = [name for name in frame.columns if frame[name].dtype == pl.String]
frame = frame.with_columns(pl.col(text).cast(pl.Categorical).to_physical().cast(pl.Int32))
matrix = frame.to_numpy().astype("float32")
codes = [frame.columns.index(name) for name in text]
rest, test, y_rest, y_test = train_test_split(matrix, truth, test_size=0.25, random_state=0, stratify=truth)
train, valid, y_train, y_valid = train_test_split(rest, y_rest, test_size=0.15, random_state=0, stratify=y_rest)
options = {"objective": "binary", "learning_rate": 0.06, "verbosity": -1, "seed": 0}
data = lightgbm.Dataset(train, y_train, categorical_feature=codes)
held = lightgbm.Dataset(valid, y_valid, reference=data)
stop = lightgbm.early_stopping(40, verbose=False)
first = lightgbm.train(options, data, 2000, valid_sets=[held], callbacks=[stop])
model = lightgbm.train(options, lightgbm.Dataset(rest, y_rest, categorical_feature=codes), first.best_iteration)
shares = model.predict(test)
print(roc_auc_score(y_test, shares), accuracy_score(y_test, shares > 0.5), f1_score(y_test, shares > 0.5),
      log_loss(y_test, shares))
"""


def timed(command: list[str], folder: Path) -> tuple[float, str]:
    """Seconds of a whole process, and what it said."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout}\n{done.stderr}")
    return seconds, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    bare: list[float] = []
    ours: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        raw = given.data.read_bytes()
        (folder / "adult.csv").write_bytes(gzip.decompress(raw) if given.data.suffix == ".gz" else raw)
        with (folder / "adult.csv").open() as file:
            target = file.readline().strip().split(",")[-1]
        (folder / "treadle.yaml").write_text(
            f"data: {{source: adult.csv, target: {json.dumps(target)}}}\nmodel: {{name: lightgbm}}\n"
            "split: {test: 0.25}\nevaluate: {metrics: [roc_auc, accuracy, f1, log_loss]}\n"
        )
        (folder / "bare.py").write_text(BARE)
        for repeat in range(given.repeats):
            seconds, said = timed([sys.executable, "bare.py", "adult.csv"], folder)
            bare.append(seconds)
            shutil.rmtree(folder / ".treadle", ignore_errors=True)
            seconds, told = timed([sys.executable, "-m", "treadle", "run", "--json"], folder)
            ours.append(seconds)
            print(f"{repeat + 1}: bare {bare[-1]:.2f} s, treadle {ours[-1]:.2f} s", flush=True)
        summary = json.loads(told[told.index("{") :])
    print(f"bare: roc_auc, accuracy, f1, log_loss = {said.strip()}")
    print("treadle:", {name: round(item["value"], 4) for name, item in summary["metrics"].items()})
    print("stages:", {item["name"]: round(item["seconds"], 2) for item in summary["stages"]})
    middle, other = statistics.median(bare), statistics.median(ours)
    print(f"{os.cpu_count()} cores; medians: bare {middle:.2f} s, treadle {other:.2f} s")
    print(f"ratio {other / middle:.2f} (promised: at most 2)")


if __name__ == "__main__":
    main()
