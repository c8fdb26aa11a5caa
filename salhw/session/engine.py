"""What a backend supplies: an engine, which the core's session (``salhw.session.session``) runs, reads and writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from salhw.description.connectivity import count, synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.session.paths import Address, described_at
from salhw.session.recorder import Recorded


class Engine(Protocol):
    """A network loaded on a target, over a batch of instances.

    Time is counted in steps since it was loaded. Values travel per neuron, (instance, neuron), or per synapse,
    (instance, synapse) in the order of ``connectivity.synapses``; which of the two, an Address says.
    """

    @property
    def holds(self) -> Collection[str]:
        """The fields (``Address.field``) that the target may change: weights, which learn, and whatever it rounds. They
        are read from it; all others are what was written."""
        ...

    @property
    def step(self) -> int:
        """How many steps are over."""
        ...

    def begin(self, stop: int) -> None:
        """A run up to the step ``stop`` begins; recording starts anew."""
        ...

    def advance(self, until: int) -> int:
        """Go on to the step ``until``, or to an earlier one, by one step at least. Return after a second or so: between
        two calls the session shows progress, and looks whether there is memory left.

        Returns:
            How many spikes the run has recorded so far.
        """
        ...

    def finish(self) -> None:
        """The run ends here, which may be before its ``stop``: what is updated at the end of a run is updated now."""
        ...

    def recorded(self) -> Recorded:
        """What the run has recorded so far; asked after ``finish``, or after an error in place of it."""
        ...

    def read(self, address: Address) -> FloatArray:
        """What the target holds of a field in ``holds``, as an array of its own."""
        ...

    def write(self, address: Address, value: FloatArray) -> None:
        """Make the target hold ``value``, which is within the declared range and may be kept.

        Raises:
            SessionError: SAL403 the target cannot, for a reason beyond its declared range; nothing has changed.
        """
        ...

    def close(self) -> None:
        """Release everything; called once."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """An engine whose host works out rules, and keeps what the target rounds away of the weights that it writes."""

    def remainder(self, address: Address) -> FloatArray:
        """The weights that the host has worked out minus those that the target holds, broadcast to those."""
        ...


@runtime_checkable
class CountingEngine(Protocol):
    """An engine that counts spikes without keeping them. What it has ``recorded`` has ``counts``."""

    def counted(self) -> Mapping[str, IntArray]:
        """The spikes of each population in this run so far, (instance, neuron), as arrays of their own."""
        ...


def initial(net: Network, path: str, instances: int) -> FloatArray:
    """What the description says at a path, settable or not, as ``Engine.write`` would be given it. Not to be written
    into: all instances share it."""
    value, owner = described_at(net, path), path.split(".")[1]
    per_synapse = path.startswith("projections.")
    if value.size and value.ndim and not any(value.strides):  # one number for all, which is held once
        size = count(net.projection(owner).weights, *net.ends(owner)) if per_synapse else value.size
        return np.broadcast_to(value[(0,) * value.ndim], (instances, size))
    value = value.ravel()
    if per_synapse:
        value = value[synapses(net.projection(owner).weights, *net.ends(owner))[2]]
    return np.broadcast_to(value, (instances, len(value)))
