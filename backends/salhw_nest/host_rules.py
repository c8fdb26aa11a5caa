"""Rules that are worked out beside NEST: which there are, when they are due, and what they change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray
from salhw.description.grid import in_steps
from salhw.description.kinds import of_kind
from salhw.description.network import Network
from salhw.description.plasticity import PairSTDP
from salhw.session.host_plasticity import HostRule
from salhw.session.recorder import Raster, following
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_nest.circuit import NestWiring
from salhw_nest.kernels import NEST


class HostRules:
    """The rules of one projection that its target does not have, by their number."""

    def __init__(self, net: Network, target: Target, wiring: NestWiring, instances: int) -> None:
        p, self._dt, self._instances = wiring.projection, net.dt, instances
        self._pre, self._post, sizes = p.pre, p.post, net.ends(p.name)[:2]
        self.rules = {
            k: HostRule(
                of_kind(rule, PairSTDP, NEST), wiring.post, wiring.pre, wiring.position, sizes, instances, net.dt
            )
            for k, rule in enumerate(p.plasticity)
            if not on_chip(rule, target)
        }

    def _period(self, hosted: HostRule) -> int:
        """The steps between two updates; 0 if there are none inside a run."""
        return 1 if hosted.rule.update == "spike" else in_steps(hosted.rule.period or 0.0, self._dt) or 0

    def next(self, step: int) -> list[int]:
        """For each rule that is updated inside a run, the next step at which it is."""
        return [following(step, every) for hosted in self.rules.values() if (every := self._period(hosted))]

    def see(self, rasters: Mapping[str, Raster]) -> None:
        """Form the pairs of spikes by population, which come after all earlier ones."""
        pre, post = rasters[self._pre], rasters[self._post]
        for hosted in self.rules.values():
            n_post, n_pre = hosted.sizes
            for step in np.union1d(pre.step, post.step):
                hosted.advance(int(step), self._who(pre, step, n_pre), self._who(post, step, n_post))

    def _who(self, raster: Raster, step: int, size: int) -> npt.NDArray[np.bool_]:
        spiked = np.zeros((self._instances, size), dtype=np.bool_)
        now = raster.step == step
        spiked[raster.instance[now], raster.neuron[now]] = True
        return spiked

    def due(self, step: int) -> list[int]:
        """The rules that are due when ``step`` steps are over."""
        return [k for k, hosted in self.rules.items() if (every := self._period(hosted)) and step % every == 0]

    def due_at_run_end(self) -> list[int]:
        """The rules that are due when a run ends."""
        return [k for k, hosted in self.rules.items() if hosted.rule.update == "run end"]

    def take(self, due: list[int], rates: list[FloatArray]) -> FloatArray:
        """What the pairs of the rules ``due`` change in the weights, at a learning rate for each rule."""
        return np.asarray(sum((rates[k] * self.rules[k].take() for k in due), np.zeros(())))
