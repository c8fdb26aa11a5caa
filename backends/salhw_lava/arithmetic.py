"""Which of Lava's two models a target is, and the units of the fixed-point one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import log2

import numpy as np

from salhw.description.fields import FloatArray
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target

BACKEND = "the target loihi2"  # whose tables by kind these are, for errors
LARGEST_WEIGHT = 254  # units; static weights are even
WORD = (1 << 23) - 1  # 24 bits, sign included: potentials, currents and what arrives in a step, in Lava as on the chip
LOIHI_1_INPUT = (1 << 15) - 1  # what may arrive in a step on Loihi 1; Loihi 2's limit is not public
TABLE_BITS = 6
PER_ONE = 1 << TABLE_BITS  # entries of a table of spike probabilities to a potential of 1
IN_STEPS, ROUNDED = ("held", "sal_walk"), ("membrane", "window", "window_tau")  # accuracies that follow the steps


@dataclass(frozen=True)
class Arithmetic:
    """``fixed`` or floating point: ``unit`` is what a weight, or a potential, of 1 is on the chip; ``finer`` by how
    many bits the steps of some projections are finer, by name: their weight exponents are so much lower."""

    fixed: bool
    unit: float = 1.0
    finer: Mapping[str, int] = field(default_factory=dict)

    def of(self, projection: str) -> Arithmetic:
        """That of a projection's weights."""
        return replace(self, unit=self.unit * 2.0 ** self.finer.get(projection, 0), finer={})

    def factor(self, projection: str) -> int:
        """By what a projection's weights are multiplied to arrive in the finest steps of all projections."""
        return 1 << self.arriving - self.finer.get(projection, 0)

    @property
    def arriving(self) -> int:
        """The bits by which what arrives at neurons is finer than a weight."""
        return max(self.finer.values(), default=0)

    @property
    def model(self) -> str:
        return "fixed" if self.fixed else "floating"

    @property
    def per_bias(self) -> float:
        """What a bias of 1 is on the chip: that of a weight, but never in coarser steps than the table's."""
        return max(self.unit, float(PER_ONE)) if self.fixed else 1.0

    @property
    def bits(self) -> int:
        """Of a weight, behind the point."""
        return round(log2(self.unit))

    def held(self, values: FloatArray, step: int = 1) -> FloatArray:
        """Numbers on the chip, in its units: whole multiples of ``step`` in fixed point."""
        scaled = np.asarray(values, dtype=np.float64) * self.unit
        return np.rint(scaled / step) * step if self.fixed else scaled

    def biases(self, values: FloatArray) -> FloatArray:
        """Biases of GLM neurons on the chip."""
        scaled = np.asarray(values, dtype=np.float64) * self.per_bias
        return np.rint(scaled) if self.fixed else scaled


def arithmetic(target: Target) -> Arithmetic:
    """Fixed point as long as the target has weight bits, which ``target.ideal()`` has not. Its unit follows from the
    target's largest weight."""
    limits = target.projections["weights"]
    if target.weight_bits is None or not isinstance(limits, Range):
        return Arithmetic(False)
    finer = {name: round(-log2(scale)) for name, scale in target.weight_scales.items() if scale < 1.0}
    return Arithmetic(True, LARGEST_WEIGHT / limits.max, finer)


def with_weight_exponent(target: Target, exponent: int) -> Target:
    """The target with weights, and steps of all potentials and weights, that are 2^exponent times as large.

    Loihi's weight exponent: with 0 weights reach 3.97 and learn in steps of 1/64, with 1 they reach 7.9 in steps of
    1/32, with -2 they reach .99 in steps of 1/256, for learning rates that are as small. What the target declares of
    its accuracy in these steps grows with them.

    Raises:
        DescriptionError: not within -4..4.
    """
    if exponent not in range(-4, 5):
        finding = Diagnostic("SAL005", "weight exponent", f"{exponent}", "-4..4", "choose one of these")
        raise DescriptionError("DescriptionError: no such weight exponent", [finding])
    largest = LARGEST_WEIGHT / PER_ONE * 2.0**exponent
    reach = Range(min=-largest, max=largest)
    host = {kind: {**rule, **({"bounds": reach} if "bounds" in rule else {})} for kind, rule in target.host.items()}
    names = IN_STEPS + (ROUNDED if exponent > 0 else ())
    accuracy = {name: target.accuracy[name] * 2.0**exponent for name in names if name in target.accuracy}
    return target.replace(
        projections=target.projections | {"weights": reach}, host=host, accuracy=target.accuracy | accuracy
    )
