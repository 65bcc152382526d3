"""The network of `mlp`, as plain functions of named tensors: their shapes are known before a file is believed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treadle.models._deep import width_of_embedding

if TYPE_CHECKING:
    from treadle.core.types import Array


@dataclass(frozen=True)
class Net:
    """What fixes every shape.

    Attributes:
        numbers: columns of numbers; bins: of each; embed: numbers that stand for each.
        sizes: codes of each category column, the missing one included.
        width: of the hidden layers; layers: how many residual blocks.
        outputs: classes (two also have two), or 1.
    """

    numbers: int
    bins: int
    embed: int
    sizes: tuple[int, ...]
    width: int
    layers: int
    outputs: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's shape by its name."""
        found: dict[str, tuple[int, ...]] = {}
        wide = self.numbers * self.embed
        if self.numbers:
            found["low"] = found["span"] = (self.numbers, self.bins)
            found["number.weight"] = (self.numbers, self.bins + 1, self.embed)
            found["number.bias"] = (self.numbers, 1, self.embed)
        for position, size in enumerate(self.sizes):
            found[f"code{position}.weight"] = (size, width_of_embedding(size))
            wide += width_of_embedding(size)
        found |= {"in.weight": (self.width, max(1, wide)), "in.bias": (self.width,)}
        for layer in range(self.layers):
            for part in ("up", "down"):
                found[f"block{layer}.{part}.weight"] = (self.width, self.width)
                found[f"block{layer}.{part}.bias"] = (self.width,)
            found[f"block{layer}.norm.weight"] = found[f"block{layer}.norm.bias"] = (self.width,)
        found["out.norm.weight"] = found["out.norm.bias"] = (self.width,)
        return found | {"out.weight": (self.outputs, self.width), "out.bias": (self.outputs,)}

    def start(self, low: Array, span: Array, generator: Any) -> dict[str, Any]:
        """Fresh tensors."""
        import torch

        made = {}
        for name, shape in self.shapes().items():
            if name in ("low", "span"):
                made[name] = torch.from_numpy(low if name == "low" else span)
            elif name.endswith("norm.weight"):
                made[name] = torch.ones(shape)
            elif name.endswith("bias"):
                made[name] = torch.zeros(shape)
            elif name.startswith("code"):
                made[name] = torch.randn(shape, generator=generator) * 0.1
            else:
                inputs = shape[1]
                bound = math.sqrt(3.0 / inputs) * (0.1 if name == "out.weight" else 1.0)
                made[name] = (torch.rand(shape, generator=generator) * 2 - 1) * bound
        return made


def forward(net: Net, tensors: dict[str, Any], numbers: Any, codes: Any, dropout: float = 0.0) -> Any:
    """Scores of some rows, (rows, outputs).

    Numbers go through a piecewise linear encoding and a layer of their own (Gorishniy et al. 2022), categories through
    embeddings, both together through residual blocks (Gorishniy et al. 2021).
    """
    import torch
    from torch.nn import functional

    parts = []
    if net.numbers:
        absent = ~torch.isfinite(numbers)
        filled = numbers.masked_fill(absent, 0.0)
        inside = ((filled[:, :, None] - tensors["low"]) / tensors["span"]).clamp(0.0, 1.0)
        inside = inside.masked_fill(absent[:, :, None], 0.0)
        encoded = torch.cat([inside, absent[:, :, None].to(inside.dtype)], dim=2).transpose(0, 1)
        made = torch.baddbmm(tensors["number.bias"], encoded, tensors["number.weight"]).relu()
        parts.append(made.transpose(0, 1).flatten(1))
    parts += [
        functional.embedding(codes[:, position], tensors[f"code{position}.weight"])
        for position in range(len(net.sizes))
    ]
    whole = torch.cat(parts, dim=1) if parts else numbers.new_zeros((len(numbers), 1))
    hidden = functional.linear(whole, tensors["in.weight"], tensors["in.bias"])
    for layer in range(net.layers):
        name = f"block{layer}"
        norm = functional.layer_norm(hidden, (net.width,), tensors[f"{name}.norm.weight"], tensors[f"{name}.norm.bias"])
        up = functional.linear(norm, tensors[f"{name}.up.weight"], tensors[f"{name}.up.bias"]).relu()
        up = functional.dropout(up, dropout, training=dropout > 0)
        hidden = hidden + functional.linear(up, tensors[f"{name}.down.weight"], tensors[f"{name}.down.bias"])
    last = functional.layer_norm(hidden, (net.width,), tensors["out.norm.weight"], tensors["out.norm.bias"]).relu()
    last = functional.dropout(last, dropout, training=dropout > 0)
    return functional.linear(last, tensors["out.weight"], tensors["out.bias"])
