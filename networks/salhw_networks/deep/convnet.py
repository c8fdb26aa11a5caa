"""SymmNet's ConvNet (paper Table 3), and smaller ones like it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import torch
from torch import nn

from salhw_networks.deep.conversion import convert
from salhw_networks.deep.settings import Architecture, Method


def convnet(shape: Sequence[int], chosen: Architecture, *, normalised_first: bool = False) -> nn.Sequential:
    """The network for images of ``shape`` (channel, height, width): convolution without bias, ReLU, max-pooling, batch
    normalisation; then ``fc0``, ``fc1``, ..., with ReLU and batch normalisation between. The last layer gives logits.

    Args:
        normalised_first: batch normalisation before pooling (the authors' code), not after it (the text).
    """
    model, (below, *size) = nn.Sequential(), shape
    for l, channels in enumerate(chosen.channels):
        model.add_module(f"conv{l}", nn.Conv2d(below, channels, chosen.kernel, bias=False))
        model.add_module(f"conv{l}_relu", nn.ReLU())
        last = [("norm", nn.BatchNorm2d(channels)), ("pool", nn.MaxPool2d(2))]
        for name, module in last if normalised_first else last[::-1]:
            model.add_module(f"conv{l}_{name}", module)
        below, size = channels, [(n - chosen.kernel + 1) // 2 for n in size]
    model.add_module("flat", nn.Flatten())
    sizes = [below * size[0] * size[1], *chosen.hidden, 10]
    for l, (inputs, outputs) in enumerate(pairwise(sizes)):
        model.add_module(f"fc{l}", nn.Linear(inputs, outputs))
        if l < len(chosen.hidden):
            model.add_module(f"fc{l}_relu", nn.ReLU())
            model.add_module(f"fc{l}_norm", nn.BatchNorm1d(outputs))
    return model


def prepared(model: nn.Sequential, method: Method, seed: int) -> nn.Sequential:
    """The model with weights, biases and feedback weights drawn for ``seed``, the same for every method: uniform within
    +- 1 / sqrt(fan-in), which is torch's default and what we take "uniform Kaiming He" in Table 3 to mean."""
    forward, backward = (torch.Generator().manual_seed(int(np.random.SeedSequence([seed, k]).generate_state(1)[0]))
                         for k in (0, 1))  # fmt: skip
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            limit = 1.0 / sqrt(module.weight[0].numel())
            with torch.no_grad():
                for parameter in module.parameters(recurse=False):
                    parameter.uniform_(-limit, limit, generator=forward)
            rule = method.fully_connected if name.startswith("fc") else method.convolutional
            convert(model, name, rule, generator=backward)
    return model


def optimiser(model: nn.Sequential, method: Method) -> torch.optim.SGD:
    """SGD with momentum (Table 3); KP's decay is of the fully connected layers' weights only."""
    decayed = [p for n, p in model.named_parameters() if n.startswith("fc") and n.endswith(("weight", "feedback"))
               and "norm" not in n]  # fmt: skip
    other = [p for p in model.parameters() if not any(p is q for q in decayed)]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": method.decay}, {"params": other}]
    return torch.optim.SGD(groups, lr=0.01, momentum=0.9)
