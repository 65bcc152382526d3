"""A neural network for tables, in PyTorch: piecewise linear numbers, embedded categories, residual blocks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from treadle.core.errors import TreadleError
from treadle.core.files import hash_value, new_file, write_json
from treadle.core.jsonable import read_json
from treadle.core.options import Doc, Range
from treadle.core.types import Context, Features, ModelTags
from treadle.models._deep import (
    Pace,
    batch_for,
    bins_of,
    check_width,
    checked_facts,
    epochs_for,
    scale_of,
    split,
)
from treadle.models._deep_net import Net, forward

if TYPE_CHECKING:
    import polars as pl

    from treadle.core.types import Array

CELLS = 4_000_000
FIXED = ("low", "span")


class Mlp:
    """A residual network on embedded columns (Gorishniy et al. 2021 and 2022), trained by AdamW with early stopping.

    It trains on a GPU when there is one, and predicts on the CPU. On the CPU the same seed gives the same network.
    With a folder for checkpoints, a fit that was killed goes on from the last one.
    """

    tags: ClassVar[ModelTags] = ModelTags(
        tasks=frozenset({"classification", "regression"}),
        accepts=frozenset({"number", "category"}),
        missing=True,
        can=frozenset({"weights", "settled"}),
        requires=("torch", "safetensors"),
        extra="deep",
    )

    def __init__(
        self,
        *,
        width: Annotated[int, Range(4, 4096, log=True, tune=(64, 512)), Doc("neurons of a hidden layer")] = 192,
        layers: Annotated[int, Range(0, 16, tune=(1, 4)), Doc("residual blocks")] = 2,
        embed: Annotated[int, Range(1, 256, tuned=False), Doc("numbers that stand for a numeric column")] = 12,
        bins: Annotated[int, Range(2, 256, tuned=False), Doc("quantile bins of a numeric column")] = 32,
        dropout: Annotated[float, Range(0.0, 0.9, tune=(0.0, 0.5)), Doc("share of neurons left out")] = 0.2,
        learning_rate: Annotated[float, Range(1e-6, 1.0, log=True, tune=(3e-4, 5e-3)), Doc("step size")] = 1e-3,
        weight_decay: Annotated[float, Range(0.0, 10.0, tuned=False), Doc("decay of the weights")] = 0.02,
        epochs: Annotated[
            int | None, Range(1, 100_000, tuned=False), Doc("passes over the rows; none: early stopping decides")
        ] = None,
        batch: Annotated[int | None, Range(1, 1_000_000, tuned=False), Doc("rows of a step; none: by the data")] = None,
        patience: Annotated[int, Range(1, 1000, tuned=False), Doc("epochs without gain before it stops")] = 6,
        log_target: Annotated[bool, Doc("regression of a target >= 0: learn its logarithm")] = False,
        device: Annotated[str, Doc("auto, cpu, cuda or mps")] = "auto",
    ) -> None:
        self.width = width
        self.layers = layers
        self.embed = embed
        self.bins = bins
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch = batch
        self.patience = patience
        self.log_target = log_target
        self.device = device

    @classmethod
    def example(cls) -> Mlp:
        """A small and quick one."""
        return cls(width=32, layers=1, embed=4, bins=8, epochs=15)

    def fit(self, train: Features, valid: Features | None, context: Context) -> Self:
        """Train until the validation rows gain nothing more, the budget is spent, or somebody asks to stop."""
        import torch

        self.classes = context.classes if context.task == "classification" else 0
        self.logged = self.log_target and not self.classes
        target = self._target(train)
        self.scale = scale_of(target, self.classes)
        numbers, _, sizes = split(train)
        low, span = bins_of(numbers, self.bins)
        self.net = Net(
            numbers.shape[1], self.bins, self.embed, sizes, self.width, self.layers, max(1, self.classes)
        )  # fmt: skip
        before = torch.get_num_threads()
        torch.set_num_threads(context.threads)
        try:
            with torch.random.fork_rng(devices=[]):
                self._train(train, valid, context, low, span)
        finally:
            torch.set_num_threads(before)
        return self

    def _target(self, features: Features) -> Array:
        import numpy as np

        target = np.asarray(features.target)
        if self.logged:
            if len(target) and target.min() < 0:
                raise TreadleError("log_target needs a target that is never below 0", where="model.options.log_target")
            return np.asarray(np.log1p(target))
        return target

    def _device(self) -> str:
        import torch

        if self.device != "auto":
            return self.device
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"

    def _tensors(self, features: Features, device: str) -> tuple[Any, Any, Any, Any]:
        """Numbers, codes, target and weights on the device."""
        import numpy as np
        import torch

        numbers, codes, _ = split(features)
        if self.classes:
            target = torch.from_numpy(np.asarray(features.target, dtype=np.int64))
        else:
            target = torch.from_numpy(((self._target(features) - self.scale[0]) / self.scale[1]).astype(np.float32))
        weight = np.ones(features.rows) if features.weight is None else np.asarray(features.weight)
        weight = weight / max(float(weight.mean()), 1e-12) if len(weight) else weight
        weights = torch.from_numpy(weight.astype(np.float32))
        found = (torch.from_numpy(np.ascontiguousarray(numbers)), torch.from_numpy(codes), target, weights)
        return tuple(item.to(device) for item in found)

    def _train(self, train: Features, valid: Features | None, context: Context, low: Array, span: Array) -> None:
        import torch

        device = self._device()
        data = self._tensors(train, device)
        held = self._tensors(valid, device) if valid is not None and valid.rows else None
        pace = Pace(context, epochs_for(self.epochs, held is not None), self.patience)
        generator = torch.Generator().manual_seed(context.seed)
        tensors = {name: item.to(device) for name, item in self.net.start(low, span, generator).items()}
        learned = {name: item.requires_grad_() for name, item in tensors.items() if name not in FIXED}
        groups = [
            {"params": [item for item in learned.values() if item.dim() > 1], "weight_decay": self.weight_decay},
            {"params": [item for item in learned.values() if item.dim() == 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, fused=device != "mps")
        best = {name: item.detach().clone() for name, item in tensors.items()}
        saved = Checkpoint(self, train, context)
        first = saved.restore(tensors, best, optimizer, pace)
        for epoch in range(first, pace.epochs):
            whole = self._epoch(epoch, data, tensors, optimizer, pace, context)
            loss = None if held is None else self._loss_of(tensors, held)
            if pace.gained(epoch + 1, loss):
                best = {name: item.detach().clone() for name, item in tensors.items()}
            if not whole or pace.ends(epoch + 1):
                break
            saved.write(tensors, best, optimizer, pace, epoch + 1)
        saved.remove()
        self.found = pace.best
        self.tensors = {name: item.detach().cpu().contiguous() for name, item in best.items()}

    def _epoch(
        self, epoch: int, data: Any, tensors: dict[str, Any], optimizer: Any, pace: Pace, context: Context
    ) -> bool:
        """One pass over the rows; False when it was broken off."""
        import torch

        # Seeded by the epoch, so that a fit that goes on from a checkpoint draws the same numbers.
        torch.manual_seed(context.seed * 1_000_003 + epoch)
        numbers, codes, target, weight = data
        rows = len(target)
        order = torch.randperm(rows).to(target.device)
        size = batch_for(self.batch, rows)
        for start in range(0, rows, size):
            if pace.hurried(epoch + start / rows):
                return False
            index = order[start : start + size]
            scores = forward(self.net, tensors, numbers[index], codes[index], self.dropout)
            loss = (self._losses(scores, target[index]) * weight[index]).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([item for item in tensors.values() if item.requires_grad], 5.0)
            optimizer.step()
        return True

    def _losses(self, scores: Any, target: Any) -> Any:
        from torch.nn import functional

        if self.classes:
            return functional.cross_entropy(scores, target, reduction="none")
        return (scores[:, 0] - target) ** 2

    def _loss_of(self, tensors: dict[str, Any], data: tuple[Any, Any, Any, Any]) -> float:
        import torch

        numbers, codes, target, _ = data
        with torch.inference_mode():
            return float(self._losses(self._scores(tensors, numbers, codes), target).double().mean())

    def _scores(self, tensors: dict[str, Any], numbers: Any, codes: Any) -> Any:
        import torch

        chunk = max(1, CELLS // max(1, self.net.numbers * (self.net.bins + 1) + self.net.width))
        parts = [
            forward(self.net, tensors, numbers[start : start + chunk], codes[start : start + chunk])
            for start in range(0, len(numbers), chunk)
        ]
        return torch.cat(parts) if parts else torch.zeros((0, self.net.outputs))

    def settled(self) -> dict[str, Any]:
        """The number of epochs that early stopping found."""
        return {"epochs": max(1, self.found)}

    def predict(self, features: Features) -> pl.DataFrame:
        """Probabilities, or values."""
        import numpy as np
        import polars as pl
        import torch

        numbers, codes, sizes = split(features)
        check_width(numbers.shape[1], self.net.numbers, "numbers")
        check_width(len(sizes), len(self.net.sizes), "categories")
        codes = np.minimum(codes, np.array(self.net.sizes, dtype=np.int64) - 1)
        with torch.inference_mode():
            scores = self._scores(
                self.tensors, torch.from_numpy(np.ascontiguousarray(numbers)), torch.from_numpy(codes)
            ).double()
            if self.classes:
                shares = scores.softmax(dim=1).numpy()
                return pl.DataFrame({f"probability_{code}": shares[:, code] for code in range(self.classes)})
            values = scores[:, 0].numpy() * self.scale[1] + self.scale[0]
        return pl.DataFrame({"prediction": np.expm1(values) if self.logged else values})

    def save(self, folder: Path) -> None:
        """The tensors as safetensors, their shapes' origin as JSON."""
        import safetensors.torch

        net = self.net
        facts = {"numbers": net.numbers, "bins": net.bins, "embed": net.embed, "sizes": net.sizes, "width": net.width}
        facts |= {"layers": net.layers, "outputs": net.outputs, "classes": self.classes, "epochs": self.found}
        write_json(folder / "model.json", {**facts, "logged": self.logged, "scale": self.scale})
        with new_file(folder / "model.safetensors") as temporary:
            safetensors.torch.save_file(self.tensors, temporary)

    def load(self, folder: Path) -> Self:
        """Read it back; every tensor must be there, of its shape, with finite numbers."""
        limits = {"numbers": (0, 1_000_000), "bins": (1, 256), "embed": (1, 256), "width": (1, 4096)}
        limits |= {"layers": (0, 16), "outputs": (1, 10_000), "classes": (0, 10_000), "epochs": (0, 10**9)}
        path = folder / "model.json"
        facts = checked_facts(read_json(path), path, limits)
        if facts["outputs"] != max(1, facts["classes"]):
            raise TreadleError("the number of outputs is not that of the classes", where=path)
        self.net = Net(
            facts["numbers"], facts["bins"], facts["embed"], tuple(facts["sizes"]), facts["width"], facts["layers"],
            facts["outputs"],
        )  # fmt: skip
        self.classes, self.found, self.logged = facts["classes"], facts["epochs"], facts.get("logged") is True
        self.scale = (float(facts["scale"][0]), float(facts["scale"][1]))
        self.tensors = read_tensors(folder / "model.safetensors", self.net.shapes())
        return self


def read_tensors(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The float32 tensors of a safetensors file, which must have exactly these names and shapes."""
    import safetensors
    import torch

    found = {}
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            if set(file.keys()) != set(shapes):
                raise TreadleError("the tensors are not those of the network", where=path)
            for name, shape in shapes.items():
                part = file.get_slice(name)
                if tuple(part.get_shape()) != shape or part.get_dtype() != "F32":
                    raise TreadleError(f"the tensor {name} is not of its shape {shape}", where=path)
                found[name] = file.get_tensor(name)
    except FileNotFoundError:
        raise TreadleError("the file is missing", where=path) from None
    except (safetensors.SafetensorError, ValueError, KeyError, OSError) as error:
        raise TreadleError(f"not a readable model ({error})", where=path) from None
    for name, item in found.items():
        if not bool(torch.isfinite(item).all()) or (name == "span" and bool((item <= 0).any())):
            raise TreadleError(f"the tensor {name} holds numbers that it must not hold", where=path)
    return found


class Checkpoint:
    """The state after an epoch, in a folder that outlives a crash; only the very same fit takes it up."""

    def __init__(self, model: Mlp, train: Features, context: Context) -> None:
        self.path: Path | None = None
        if context.folder is not None:
            digest = hashlib.sha256()
            for values in (*split(train)[:2], train.target, train.weight):
                digest.update(b"" if values is None else values.tobytes())
            options = {name: value for name, value in vars(model).items() if isinstance(value, int | float | str)}
            key = hash_value([options, context.seed, context.task, digest.hexdigest()])[:16]
            self.path = context.folder / f"mlp-{key}.safetensors"

    def write(self, tensors: dict[str, Any], best: dict[str, Any], optimizer: Any, pace: Pace, epoch: int) -> None:
        """Replace the last state."""
        if self.path is None:
            return
        import safetensors.torch
        import torch

        whole = {f"now.{name}": item.detach() for name, item in tensors.items()}
        whole |= {f"best.{name}": item for name, item in best.items()}
        for number, state in optimizer.state_dict()["state"].items():
            whole |= {f"step.{number}.{key}": torch.as_tensor(item) for key, item in state.items()}
        whole["pace"] = torch.tensor([epoch, pace.best, pace.loss], dtype=torch.float64)
        with new_file(self.path) as temporary:
            safetensors.torch.save_file({name: item.cpu().clone() for name, item in whole.items()}, temporary)

    def restore(self, tensors: dict[str, Any], best: dict[str, Any], optimizer: Any, pace: Pace) -> int:
        """Take up the last state; returns how many epochs are done."""
        if self.path is None or not self.path.is_file():
            return 0
        import safetensors.torch
        import torch

        try:
            whole = safetensors.torch.load_file(self.path)
            epoch, pace.best, pace.loss = (float(item) for item in whole["pace"])  # type: ignore[assignment]
            pace.best = int(pace.best)
            with torch.no_grad():
                for name, item in tensors.items():
                    item.copy_(whole[f"now.{name}"])
                    best[name] = whole[f"best.{name}"].to(item.device)
            state = optimizer.state_dict()
            count = sum(len(group["params"]) for group in state["param_groups"])
            for number in range(count):
                keys = ("step", "exp_avg", "exp_avg_sq")
                state["state"][number] = {key: whole[f"step.{number}.{key}"] for key in keys}
            optimizer.load_state_dict(state)
        except (KeyError, ValueError, RuntimeError, safetensors.SafetensorError):
            raise TreadleError(
                "the checkpoint cannot be read", where=self.path, remedy="remove this file and run again"
            ) from None
        return int(epoch)

    def remove(self) -> None:
        """Forget the state of a fit that is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


COMPONENT = Mlp
