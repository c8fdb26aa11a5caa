"""What PSPs may be off by that keep the weight with which they began."""

from __future__ import annotations

from typing import Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.parts import Projection


class UnderWay:
    """The PSPs of one projection in the network of an ``oracle``, which is a session's Oracle.

    A PSP that began at a step may be off by all that its weight has moved since, up and down, and by what the weight
    may have been off then. What began in a reference phase was silent, and may be off by the whole weight. Where a
    target counts pairs otherwise whose spikes coincide, what is read need not be what acts until the next spike: there
    all that the weight has ever moved counts.
    """

    def __init__(self, oracle: Any, p: Projection) -> None:
        shape = p.weights.shape(*oracle.net.ends(p.name)[:2])
        self.oracle, self.projection, (_, self.pre, position) = oracle, p, oracle.ends[p.name]
        self.delays = np.broadcast_to(p.delay_steps(oracle.dt), shape).ravel()[position]
        self.moved: FloatArray = np.zeros((oracle.instances, len(self.pre)))
        self.before: FloatArray | None = None
        self._moved, self._unsure = list[FloatArray](), list[FloatArray]()  # step by step, of PSPs that begin then
        self.value = np.zeros(0)
        self._doubted, self._forgets = False, p.name not in oracle.disputes.loose

    def silenced(self) -> None:
        """Weights were zero for a while."""
        self.moved = self.moved + (0.0 if self.before is None else np.abs(self.before))

    def off(
        self, t: int, now: FloatArray, unsure: FloatArray, disputed: FloatArray | float
    ) -> tuple[FloatArray, FloatArray]:
        """By how much the PSPs of each synapse may be off at step t, (instance, synapse): by what weights have moved,
        and by what they may have been off, ``unsure``. ``now`` are the weights of that step, gains included;
        ``disputed``: what they may have moved besides."""
        while len(self._moved) < t:
            self._moved.append(self._forgets * self.moved)
            self._unsure.append(unsure)
        self.moved = self.moved + (0.0 if self.before is None else np.abs(now - self.before))
        self.moved, self.before = self.moved + disputed, now
        self._moved.append(self._forgets * self.moved)
        self._unsure.append(unsure)
        self._doubted = self._doubted or bool(self.moved.any() or unsure.any())
        if not self._doubted:  # as most are, until a session writes
            return np.zeros_like(now), np.zeros_like(now)
        if len(self.value) <= t:
            self.value = np.abs(self.projection.kernel.shape(np.arange(1, 2 * t + 2) * self.oracle.dt))
        lasting = int(np.flatnonzero(self.value[: t + 1]).max(initial=-1)) + 1
        begun = np.arange(max(0, t - lasting - int(self.delays.max(initial=0))), t)
        age = t - begun[:, None] - self.delays
        share = np.where(age >= 1, self.value[np.maximum(age - 1, 0)], 0.0)
        psps = np.abs(self.oracle.sent[self.projection.name][:, begun][:, :, self.pre]) * share
        moved = (psps * (self.moved[:, None] - self._at(self._moved, begun))).sum(axis=1)
        return moved, np.asarray((psps * self._at(self._unsure, begun)).sum(axis=1))

    def _at(self, each: list[FloatArray], begun: Any) -> FloatArray:
        return (
            np.stack([each[step] for step in begun], axis=1) if len(begun) else np.zeros((*self.moved.shape[:1], 0, 1))
        )
