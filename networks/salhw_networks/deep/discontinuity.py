"""A phase of regression discontinuity design: the jump of the higher layer's input where a drive reaches the threshold.

Guerguiev, Kording & Richards (2020) with least squares in the place of stochastic gradient descent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from salhw import Calibration, Chip, Target, compile
from salhw.description.fields import FloatArray, IntArray
from salhw.diagnostics.arguments import wrong
from salhw_networks.deep.network import Chain
from salhw_networks.deep.phase import REPLICA, Phase, Setting
from salhw_networks.deep.rdd import RDD

EVENTS = 10
"""Windows on either side of the threshold that a neuron's regression needs."""
RECOVERED = 0.01
"""A potential so close to the drive, in thresholds, remembers no spike."""


class Windows(NamedTuple):
    """Windows that are near the threshold: of which ``instance`` and lower ``neuron``, from which ``step`` on, and how
    far above the threshold the ``maximum`` of the drive is."""

    instance: IntArray
    neuron: IntArray
    step: IntArray
    maximum: FloatArray


def windows(potential: FloatArray, drive: FloatArray, length: int, band: float) -> Windows:
    """The windows of ``length`` steps in one stretch of potentials and drives (instance, step, neuron), in thresholds.

    A window opens where the drive comes into the band around the threshold while no spike is remembered, whatever
    happens later: to choose by what follows would bring a common drive back in.
    """
    opens = (np.abs(drive - 1.0) < band) & (np.abs(potential - drive) < RECOVERED)
    closed, found = np.zeros((len(drive), drive.shape[2]), dtype=np.int64), []
    for step in range(drive.shape[1] - length + 1):
        now = opens[:, step] & (closed <= step)
        closed[now] = step + length
        found.append(np.column_stack([*np.nonzero(now), np.full(now.sum(), step)]))
    instance, neuron, step = np.concatenate(found).T
    maximum = drive[instance[:, None], step[:, None] + np.arange(length), neuron[:, None]].max(axis=1) - 1.0
    near = np.abs(maximum) < band
    return Windows(instance[near], neuron[near], step[near], maximum[near])


class Lines:
    """Two straight lines for each lower neuron and each higher one, left and right of the threshold, by least squares.

    Args:
        below, above: neurons of both layers.
    """

    def __init__(self, below: int, above: int) -> None:
        self._gram, self._moments = np.zeros((below, 4, 4)), np.zeros((below, 4, above))

    def add(self, neuron: IntArray, maximum: FloatArray, response: FloatArray) -> None:
        """Count windows of ``neuron``, ``maximum`` above the threshold (window,), with their ``response`` (window, n
        above)."""
        right = (maximum >= 0.0).astype(np.float64)
        design = np.column_stack([np.ones_like(maximum), maximum, right, right * maximum])
        np.add.at(self._gram, neuron, design[:, :, None] * design[:, None, :])
        np.add.at(self._moments, neuron, design[:, :, None] * response[:, None, :])

    def jumps(self) -> FloatArray:
        """From the left line to the right one at the threshold, (n below, n above); 0 of a neuron with less than EVENTS
        windows on a side, which says nothing.

        Raises:
            DescriptionError: no neuron has so many.
        """
        right, all_of_them = self._gram[:, 2, 2], self._gram[:, 0, 0]
        known = np.minimum(right, all_of_them - right) >= EVENTS
        if not known.any():
            most = int(np.minimum(right, all_of_them - right).max())
            raise wrong("replicas", f"{most} drives beside the threshold", f"{EVENTS} at least", "more replicas")
        jumps = np.zeros((len(known), self._moments.shape[2]))
        jumps[known] = np.linalg.solve(self._gram[known], self._moments[known])[:, 2]
        return jumps


class DiscontinuityPhase(Phase):
    """The phase of regression discontinuity design, of a pair of layers; ``spikes`` are those of the lower one."""

    def __init__(
        self, method: RDD, chain: Chain, setting: Setting, *, target: Target | str = "reference", seed: int = 0,
        chips: Sequence[Chip] | None = None, calibration: Calibration | None = None,
    ) -> None:  # fmt: skip
        executable = compile(setting.description(chain), target, calibration=calibration)
        super().__init__(chain, setting, executable, seed, chips)
        self.method = method
        self._random = np.random.default_rng([seed, 0x4DD])

    def change(self, feedback: Sequence[FloatArray], eta: Sequence[float]) -> list[FloatArray]:
        """The jump of the mean input in a window, in units of a PSP's whole area, times ``eta``; it does not depend on
        ``feedback``."""
        method, (below, above) = self.method, self.chain.sizes
        lines, length = Lines(below, above), round(method.window)
        bursts = -int(-self.setting.replicas * REPLICA // (self._instances * method.burst))
        for _ in range(bursts):
            driven = method.strength * (self._random.random((self._instances, below)) < method.driven)
            for name in ("drive", "twin"):
                self._session.set(f"projections.{name}.weights", driven, form="synapses")
            recording = self._session.run(method.burst)
            potential, drive, response = (
                recording.membrane_traces[name].values for name in ("layer_0", "drive_0", "layer_1")
            )
            found = windows(potential, drive, length, method.band)
            sums = np.cumsum(response, axis=1, dtype=np.float64)
            after = sums[found.instance, found.step + length - 1] - sums[found.instance, found.step]
            lines.add(found.neuron, found.maximum, after)
            self.spikes += int(recording.counts["layer_0"].sum())
        self.time += bursts * method.burst * self._instances
        return [eta[0] * lines.jumps() / self.setting.gain]

    def limited(self, feedback: Sequence[FloatArray]) -> list[FloatArray]:
        """As they are: the target does not hold feedback weights."""
        return list(feedback)
