"""Any PyTorch model with feedback weights, in place, and back again."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

import torch
from torch import nn

from salhw.diagnostics.arguments import wrong
from salhw.diagnostics.wording import one_of
from salhw_networks.deep.layers import Feedback, FeedbackConv2d, FeedbackLinear, FeedbackRule

Model = TypeVar("Model", bound=nn.Module)
WITH_FEEDBACK: dict[type[nn.Module], type[Feedback]] = {nn.Linear: FeedbackLinear, nn.Conv2d: FeedbackConv2d}
"""What each of torch's layers becomes. A subclass of them is left alone: its own forward would be lost."""
WITHOUT: dict[type[nn.Module], type[nn.Module]] = {new: old for old, new in WITH_FEEDBACK.items()}


def convert(
    model: Model,
    layers: str | Sequence[str] = "*",
    rule: FeedbackRule = "fixed",
    *,
    generator: torch.Generator | None = None,
) -> Model:
    """Give layers of ``model`` feedback weights, in place; ``restore`` takes them away again.

    Parameters stay the same objects, so an optimiser that was made before still moves them, but for the feedback
    weights of the rule ``kp``: make its optimiser after the conversion. Layers that have feedback weights already
    get the new rule, and new random weights.

    Args:
        layers: names as ``model.named_modules()`` gives them, or patterns such as ``"fc*"``; the Linear and Conv2d
            layers among them are converted.
        rule: see ``Feedback``.
        generator: of the random feedback weights; torch's global one by default.

    Returns:
        ``model``.

    Raises:
        DescriptionError: no such layer or rule.
    """
    patterns = [layers] if isinstance(layers, str) else list(layers)
    known = {n: m for n, m in model.named_modules() if type(m) in WITH_FEEDBACK or isinstance(m, Feedback)}
    chosen: dict[str, nn.Module] = {}
    for pattern in patterns:
        found = {name: module for name, module in known.items() if fnmatchcase(name, pattern)}
        if not found:
            supported = one_of(known) if known else "a model with Linear or Conv2d layers, no subclasses of them"
            fix = "name layers of model.named_modules(), as in layers='fc*'"
            fix = fix if known else "add such layers; lazy ones are there after a first batch"
            raise wrong("layers", pattern, supported, fix)
        chosen |= found
    for module in chosen.values():
        before = type(module)
        module.__class__ = WITH_FEEDBACK.get(before, before)
        try:
            module.use_feedback(rule, generator)  # type: ignore[operator]
        except BaseException:
            module.__class__ = before
            raise
    return model


def restore(model: Model) -> Model:
    """Take the feedback weights away from all layers of ``model``, in place: torch's own layers again, with the forward
    weights as they are. Subclasses of the layers with feedback are left alone, as by ``convert``."""
    for module in [layer for layer in feedback_layers(model).values() if type(layer) in WITHOUT]:
        module.drop_feedback()
        del module.feedback_rule
        module.__class__ = WITHOUT[type(module)]  # type: ignore[assignment]
    return model


def feedback_layers(model: nn.Module) -> dict[str, Feedback]:
    """The layers of a model that have feedback weights, by name, in the model's order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Feedback)}


def alignment_angles(model: nn.Module) -> dict[str, float]:
    """The angle between forward and backward weights in degrees, by the name of the layer."""
    return {name: layer.alignment_angle() for name, layer in feedback_layers(model).items()}
