"""A neuron circuit of the chip: what every kind of it says of itself, and the circuits of one population."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.description.neurons import Neuron
from salhw.diagnostics import Diagnostic
from salhw.substrate.chip import Chip

LEAK_LSB = (50.0, 160.0)
"""Range of resting and reset potentials that can be calibrated, in converter LSB."""
LEAKS = 100.0
"""Converter LSB from the lowest to the highest of these potentials, less a margin."""
LSB_PER_GAP = 70.0
"""Converter LSB from reset to threshold of a LIF description; what noise relative to the threshold is relative to."""
SILENT = 1e9
"""A threshold that nothing reaches."""

Varied = Callable[[str, float], FloatArray]
"""What the chips make of a quantity, by its name and its nominal value, (B, n)."""


@dataclass(frozen=True)
class Membranes:
    """The circuits of one population on B chips, n neurons each.

    Potentials are in sigma above the threshold (GLM) or in the description's units (LIF); [0] of ``gain`` and
    ``tau_syn`` is the excitatory input.

    Args:
        gain: factor on synaptic currents, (2, B, n).
        tau_syn: ms, (2, B, n).
        tau_m: ms, (B, n).
        leak: offset of the resting potential, (B, n).
        reset, thresh: (B, n).
        unit: membrane units per LSB of the converter.
        event: the background's current per event, and ``rate``: its events per ms, of either sign; 0 without.
        refractory: ms.
        own: what else circuits of this kind have, see ``Cell.circuits``.
    """

    gain: FloatArray
    tau_syn: FloatArray
    tau_m: FloatArray
    leak: FloatArray
    reset: FloatArray
    thresh: FloatArray
    unit: float
    event: float
    rate: float
    refractory: float
    own: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def sigma(self) -> FloatArray:
        """Standard deviation of the free membrane in the background, (B, n)."""
        power = self.gain**2 * self.tau_syn**2 / (2.0 * (self.tau_syn + self.tau_m))
        return np.asarray(self.event * np.sqrt(self.rate * power.sum(axis=0)))

    def noisy(self, chips: Sequence[Chip], normal: FloatArray) -> FloatArray:
        """Thresholds of one trial; ``normal``: standard normal numbers, (B, n)."""
        spread = np.array([chip.spread("threshold_noise") for chip in chips])[:, None]
        return np.asarray(self.thresh + spread * LSB_PER_GAP * self.unit * normal)


class Cell(ABC):
    """A neuron circuit that stands for a neuron of the description, as the ideal chip has it. Potentials are in the
    units of its ``Membranes``, times in ms.

    Attributes:
        unit, event, rate: see ``Membranes``; ``lsb``: LSB per unit.
        tau_m, reset, thresh: of the membrane.
        tau_ref: the refractory period as described.
        tau_syn: of the synaptic inputs where nothing is connected to them.
        half_step: whether half a step is part of the refractory period on the chip.
        off_grid: how spikes differ by their grid, where they do.
        model, scale: NEST's name of it, and potentials in NEST's units per unit.
        biases_in_range: those whose resting potentials can be calibrated, as a fix says it.
    """

    unit: float
    lsb: float
    tau_m: float
    tau_ref: float
    tau_syn: float
    reset: float
    thresh: float
    event: float = 0.0
    rate: float = 0.0
    half_step: bool = False
    off_grid: str = "spikes wait for no step's end"
    model: str = "iaf_psc_exp"
    scale: float = 1.0
    biases_in_range: str = "biases nearer to 0"

    @abstractmethod
    def __init__(self, neuron: Neuron) -> None: ...

    @property
    def sampling(self) -> bool:
        """Whether background makes it spike at random."""
        return self.rate > 0.0

    @abstractmethod
    def current_tau(self, kernel: Kernel) -> float:
        """Time constant of the synaptic current by which a PSP is made."""

    @abstractmethod
    def short_times(self, kernels: Sequence[Kernel]) -> list[float]:
        """What NEST's ticks have to be short against. It integrates membranes exactly; PSPs begin a tick late."""

    @abstractmethod
    def refractory(self, dt: float, tick: float) -> float:
        """The refractory period on the chip, for steps of ``dt`` and NEST's ticks."""

    @abstractmethod
    def strength(self, kernel: Kernel) -> tuple[float, float]:
        """The current of one spike per unit weight through the excitatory and the inhibitory input, where PSPs are
        ``realised``."""

    @abstractmethod
    def sensitivity(self, bias: FloatArray, dt: float) -> FloatArray:
        """What multiplies the synaptic currents of neurons of these biases, shaped like them."""

    @abstractmethod
    def drive(self, made: Membranes, bias: FloatArray, dt: float) -> FloatArray:
        """The constant current that makes the free membrane rest where it has to, (B, n); the resistance is 1."""

    @abstractmethod
    def start(self, made: Membranes, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(bias, potential) before step 0."""

    @abstractmethod
    def converter(self, bias: FloatArray, dt: float) -> tuple[FloatArray, float, float]:
        """Resting potentials (neuron,), reset and threshold in LSB of the converter."""

    @abstractmethod
    def psp(self, tau: float, age: FloatArray) -> FloatArray:
        """A PSP after ``age``, made by a current of ``tau``; in any unit."""

    def interval_error(self, dt: float, tick: float, driven: bool) -> float:
        """The largest relative error of intervals by their grid: NEST's ticks for steps of ``dt``; 0 where nothing
        but chance sets them. ``driven``: whether there are synapses onto it."""
        return 0.0

    def circuits(self, varied: Varied) -> dict[str, FloatArray]:
        """What chips make of the quantities that circuits of this kind have beside those of all, (B, n)."""
        return {}

    def parameters(self, made: Membranes, potential: FloatArray, t_ref: float) -> dict[str, FloatArray]:
        """NEST's before step 0, when nothing spikes, (B, n) each; the resistance is 1."""
        whole = np.ones_like(made.tau_m)
        return {
            "tau_m": made.tau_m, "C_m": made.tau_m, "tau_syn_ex": made.tau_syn[0], "tau_syn_in": made.tau_syn[1],
            "E_L": 0.0 * whole, "V_m": potential, "V_reset": made.reset, "t_ref": t_ref * whole, "V_th": SILENT * whole,
        }  # fmt: skip

    def thresholds(self, made: Membranes, thresh: FloatArray) -> dict[str, FloatArray]:
        """NEST's parameters of neurons that spike at these thresholds, (B, n)."""
        return {"V_th": thresh}

    def findings(self, path: str) -> Iterator[Diagnostic]:
        """What the circuit cannot do for a population at ``path``, beside what ranges say."""
        yield from ()
