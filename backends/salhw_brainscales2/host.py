"""Rules that the host works out between two runs on the chip, from spikes that it has read."""

from __future__ import annotations

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.session.engine import initial
from salhw.session.host_plasticity import HostRule, HostRules
from salhw.session.paths import Address
from salhw.substrate.target import Target
from salhw_brainscales2.codes import Grid
from salhw_brainscales2.rules import hosted


class Host(HostRules):
    """The host's rules of one projection on B chips. It writes whole codes, and keeps what is finer: until the weights
    are written by somebody else."""

    def __init__(self, net: Network, target: Target, name: str, instances: int) -> None:
        p = net.projection(name)
        super().__init__(net, p, hosted(p, target), instances)
        self.grid, self.kept = Grid.of(target, name), np.zeros(())
        self.rates = {
            k: initial(net, f"projections.{name}.{rule_name(p, k)}.learning_rate", instances) for k in self.rules
        }

    def teach(self, address: Address, value: FloatArray) -> None:
        """Learn with a learning rate or an amplitude (B, S) from now on."""
        if address.field == "learning_rate":
            self.rates[address.rule] = value
        else:
            hosted = self.rules[address.rule]
            assert isinstance(hosted, HostRule)  # no other rule has branches
            hosted.amplitudes[BRANCHES.index(address.part)] = value

    def forget(self) -> None:
        """Keep nothing of the weights."""
        self.kept = np.zeros(())

    def updated(self, due: list[int], held: FloatArray) -> FloatArray:
        """The weights to write, (B, S), after the rules ``due``, where the chips hold ``held``."""
        exact = self.learned(held + self.kept, due, self.rates, self.grid.reach)
        written = self.grid.nearest(exact, self.low, self.high)
        self.kept = exact - written
        return written
