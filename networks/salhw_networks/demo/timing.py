"""The spike-timing-difference distribution of a static pair, measured and exact (paper Fig 2c, section 4.2.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw import SpikeTrains, compile
from salhw.description.fields import FloatArray
from salhw.theory import measured_stdd, stdd
from salhw_networks.demo.common import Row, grid
from salhw_networks.pairs.network import network as pair

INSTANCES = 32  # per pair of weights
DURATION = 120_000.0
LAG = 40.0  # ms
ENOUGH = 10.0  # expected pairs per instance and lag, above which a count is nearly normal
SEED = 2
LABELS = ("before learning", "after learning")


@dataclass(frozen=True)
class Timing:
    """Pair rates in Hz per step of lag, (2, lag): with the weights ``weights`` before and after learning; ``errors``
    are standard errors of the measured ones.

    ``deviation`` is the mean over lags of (measured - exact)^2 / standard error^2, whose expectation is ``expected``;
    ``compared`` is the smaller number of lags in it, those that were seen often ``ENOUGH``. ``window`` is the size of
    SAL's window at each lag.
    """

    dt: float
    lag: FloatArray
    weights: tuple[tuple[float, float], tuple[float, float]]
    measured: FloatArray
    errors: FloatArray
    exact: FloatArray
    deviation: FloatArray
    compared: int
    swapped: float
    window: FloatArray
    provenance: dict[str, Any]

    @property
    def expected(self) -> float:
        """E[t^2] of Student's t with INSTANCES - 1 degrees of freedom."""
        return (INSTANCES - 1) / (INSTANCES - 3)

    @property
    def within(self) -> float:
        """Four standard deviations of a mean of squares of that many (nearly) normal numbers."""
        return 4.0 * self.expected * float(np.sqrt(2.0 / self.compared))

    def rows(self) -> list[Row]:
        """Two rows: measured and exact distribution agree."""
        return [
            Row(
                what=f"STDD {label}: (measured - exact)² / SE²",
                start=[],
                end=[float(value)],
                target=[self.expected],
                within=self.within,
                good=bool(abs(value - self.expected) <= self.within),
            )
            for label, value in zip(LABELS, self.deviation, strict=True)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "duration_ms": DURATION,
            "instances": 2 * INSTANCES,
            "seed": SEED,
            "weights": [list(pair) for pair in self.weights],
            "lag_ms": self.lag.tolist(),
            "measured_hz": self.measured.tolist(),
            "exact_hz": self.exact.tolist(),
            "deviation": self.deviation.tolist(),
            "deviation_of_the_first_from_the_second_exact": self.swapped,
            "provenance": self.provenance,
        }


def run(
    target: str,
    before: tuple[float, float],
    after: tuple[float, float],
    progress: Callable[[float], None] | None = None,
) -> Timing:
    """Record pairs with fixed weights (W01, W10) ``before`` and ``after``, and compare with the exact STDD."""
    # "run end" keeps the kernel that the other parts use; a second one would have to be compiled first.
    net = pair(learning_rate=0.0, update="run end")
    matrices = np.zeros((2, 2, 2))
    matrices[:, 0, 1], matrices[:, 1, 0] = np.array([before, after]).T
    with compile(net, target).open(instances=2 * INSTANCES, seed=SEED) as session:
        session.set("projections.pair.weights", np.repeat(matrices, INSTANCES, axis=0))
        recording = session.run(DURATION, progress=progress)
    g, t_max = grid(net), round(LAG / net.dt)
    hertz = 1000.0 / net.dt
    trains = recording.spikes["neurons"]
    measured = hertz * np.array([_stdd(trains, k, t_max, net.dt) for k in range(2 * INSTANCES)])
    measured = measured.reshape(2, INSTANCES, -1)
    exact = hertz * np.array([stdd(w, g.bias, g.kappa, g.tau_ref, t_max).rate for w in matrices])
    deviation = [_deviation(sample, truth) for sample, truth in zip(measured, exact, strict=True)]
    return Timing(
        dt=net.dt,
        lag=np.arange(-t_max, t_max + 1, dtype=np.float64) * net.dt,
        weights=(before, after),
        measured=measured.mean(axis=1),
        errors=measured.std(axis=1, ddof=1) / np.sqrt(INSTANCES),
        exact=exact,
        deviation=np.array(deviation),
        compared=int(_often(exact).sum(axis=1).min()),
        swapped=_deviation(measured[0], exact[1]),
        window=np.exp(-np.abs(np.arange(-t_max, t_max + 1)) / g.tau),
        provenance=dict(recording.provenance),
    )


def _stdd(trains: SpikeTrains, instance: int, t_max: int, dt: float) -> FloatArray:
    """Pairs per step at each lag of one instance."""
    first, second = (np.rint(trains.times(neuron, instance) / dt).astype(np.int64) for neuron in (0, 1))
    return measured_stdd(first, second, t_max, round(DURATION / dt)).rate


def _deviation(sample: FloatArray, exact: FloatArray) -> float:
    """Mean squared deviation in standard errors; the error comes from the spread over instances, so that it needs no
    assumption about the pairs of one spike train."""
    often = _often(exact)
    error = sample[:, often].std(axis=0, ddof=1) / np.sqrt(len(sample))
    return float(np.mean(((sample[:, often].mean(axis=0) - exact[often]) / error) ** 2))


def _often(exact: FloatArray) -> npt.NDArray[np.bool_]:
    """The lags whose pair rate (Hz) is large enough for a comparison."""
    return np.asarray(exact * DURATION / 1000.0 >= ENOUGH)
