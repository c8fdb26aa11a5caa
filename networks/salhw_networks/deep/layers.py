"""Layers of PyTorch whose error travels backward through weights of its own, and by which rule these come about.

A layer's ``feedback`` has the shape of its ``weight``: feedback[i, j] carries the error of output i to input j, so that
``feedback == weight`` is backpropagation. Only the gradient of a layer's input is computed with it; those of weight and
bias are autograd's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_input, conv2d_weight

from salhw.diagnostics.arguments import known_name

FeedbackRule = Literal["transpose", "fixed", "sign", "kp", "external"]
RULES: tuple[FeedbackRule, ...] = get_args(FeedbackRule)
Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]
"""Stride, padding, dilation and groups of a convolution."""


def drawn_like(weight: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Uniform numbers within +- 1 / sqrt(fan-in), as torch initialises a weight of this shape."""
    limit = 1.0 / sqrt(max(1, prod(weight.shape[1:])))
    return torch.empty_like(weight, requires_grad=False).uniform_(-limit, limit, generator=generator)


class _Linear(Function):
    """``functional.linear`` with an error that goes backward through ``feedback``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, feedback: Tensor) -> Tensor:
        ctx.save_for_backward(x, feedback)
        return functional.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:
        x, feedback = (saved.to(error.dtype) for saved in ctx.saved_tensors)  # another one within torch.autocast
        wants_x, wants_weight, wants_bias, wants_feedback = ctx.needs_input_grad
        flat = error.reshape(-1, error.shape[-1])
        of_weight = flat.T @ x.reshape(-1, x.shape[-1]) if wants_weight or wants_feedback else None
        return error @ feedback if wants_x else None, of_weight, flat.sum(0) if wants_bias else None, of_weight


class _Conv2d(Function):
    """``functional.conv2d`` with an error that goes backward through the kernels ``feedback``."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, feedback: Tensor, geometry: Geometry
    ) -> Tensor:
        ctx.save_for_backward(x, feedback)
        ctx.geometry = geometry
        return functional.conv2d(x, weight, bias, *geometry)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:
        x, feedback = (saved.to(error.dtype) for saved in ctx.saved_tensors)  # another one within torch.autocast
        wants_x, wants_weight, wants_bias, wants_feedback, _ = ctx.needs_input_grad
        of_x = conv2d_input(x.shape, feedback, error, *ctx.geometry) if wants_x else None  # type: ignore[no-untyped-call]
        wanted = wants_weight or wants_feedback
        of_weight = conv2d_weight(x, feedback.shape, error, *ctx.geometry) if wanted else None  # type: ignore[no-untyped-call]
        return of_x, of_weight, error.sum((0, 2, 3)) if wants_bias else None, of_weight, None


class Feedback(nn.Module):
    """What a layer with feedback weights has beside its forward ones.

    ``feedback_rule`` says what the backward weight is: ``transpose``: the weight itself (backpropagation); ``fixed``:
    random numbers (feedback alignment); ``sign``: sgn(weight) abs(feedback), the paper's SCFA; ``kp``: weights that
    receive the weight's own gradient (Kolen-Pollack: with the optimiser's weight decay both become equal);
    ``external``: what somebody else writes, an Aligner say. ``feedback`` is a buffer, which optimisers leave alone; for
    ``kp`` it is a parameter, so an optimiser made after the conversion moves it.
    """

    weight: Tensor
    feedback: Tensor
    feedback_rule: FeedbackRule

    def use_feedback(self, rule: FeedbackRule, generator: torch.Generator | None = None) -> None:
        """Take a rule; feedback weights are drawn anew like torch's initial weights.

        Raises:
            DescriptionError: no such rule.
        """
        self.feedback_rule = known_name("rule", rule, RULES)  # type: ignore[assignment]
        self.drop_feedback()
        values = drawn_like(self.weight, generator)
        if rule == "kp":
            self.feedback = nn.Parameter(values)
        else:
            self.register_buffer("feedback", values)

    def drop_feedback(self) -> None:
        """Forget the feedback weights, if there are any."""
        self._buffers.pop("feedback", None)
        self._parameters.pop("feedback", None)

    @property
    def backward_weight(self) -> Tensor:
        """What the error travels through, shaped like the weight."""
        return BACKWARD_WEIGHTS[self.feedback_rule](self.weight, self.feedback)

    def alignment_angle(self) -> float:
        """The angle between the weight and the backward weight in degrees, both flattened (paper Fig 7b2)."""
        both = (self.weight.detach().double().flatten(), self.backward_weight.detach().double().flatten())
        cosine = functional.cosine_similarity(*both, dim=0).clamp(-1.0, 1.0)
        return float(torch.rad2deg(torch.arccos(cosine)))

    def extra_repr(self) -> str:
        """As torch's layer, and the rule."""
        return f"{super().extra_repr()}, feedback_rule={self.feedback_rule!r}"


BACKWARD_WEIGHTS: dict[FeedbackRule, Callable[[Tensor, Tensor], Tensor]] = {
    "transpose": lambda weight, feedback: weight.detach(),
    "fixed": lambda weight, feedback: feedback,
    "sign": lambda weight, feedback: weight.detach().sign() * feedback.abs(),
    "kp": lambda weight, feedback: feedback,
    "external": lambda weight, feedback: feedback,
}
"""What the error travels through, by rule."""


class FeedbackLinear(Feedback, nn.Linear):
    """``nn.Linear`` whose error travels backward through ``feedback`` (see Feedback); ``options`` are nn.Linear's."""

    def __init__(
        self, in_features: int, out_features: int, feedback_rule: FeedbackRule = "fixed", **options: Any
    ) -> None:
        nn.Linear.__init__(self, in_features, out_features, **options)
        self.use_feedback(feedback_rule)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` (..., in_features) to (..., out_features)."""
        return _Linear.apply(x, self.weight, self.bias, self.backward_weight)  # type: ignore[no-any-return, no-untyped-call]


class FeedbackConv2d(Feedback, nn.Conv2d):
    """``nn.Conv2d`` whose error travels backward through ``feedback`` (see Feedback); ``options`` are nn.Conv2d's."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | Sequence[int],
        feedback_rule: FeedbackRule = "fixed", **options: Any,
    ) -> None:  # fmt: skip
        nn.Conv2d.__init__(self, in_channels, out_channels, kernel_size, **options)  # type: ignore[arg-type]
        self.use_feedback(feedback_rule)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` (batch, in_channels, height, width) to (batch, out_channels, height, width), both without their first
        dimension, too."""
        if x.ndim == 3:
            return self.forward(x[None])[0]
        padding = self.padding
        if self.padding_mode != "zeros" or isinstance(padding, str):
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            x, padding = functional.pad(x, self._reversed_padding_repeated_twice, mode=mode), (0, 0)
        geometry = (self.stride, padding, self.dilation, self.groups)
        return _Conv2d.apply(x, self.weight, self.bias, self.backward_weight, geometry)  # type: ignore[no-any-return, no-untyped-call]
