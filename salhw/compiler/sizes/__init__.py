"""How much a change of a description matters, in the network's own terms."""

from __future__ import annotations

from collections.abc import Iterator

from salhw.compiler.sizes import dynamics, learning
from salhw.compiler.sizes.activity import activity, largest_rate, still
from salhw.description.network import Network
from salhw.session.changes import Size

__all__ = ["sizes"]


def sizes(before: Network, after: Network, *, seed: int = 0) -> tuple[Size, ...]:
    """How much the change from one network to another matters: of weights, spike probabilities, rates, drifts, noise.

    Only what differs between the two is looked at, not what the change was called. Networks that the reference does not
    hold get the exact sizes alone. What has been run once is kept, so that a chain of changes runs each network once.

    Args:
        before, after: the networks without and with this one change; populations and projections have the same names.
        seed: of the runs on the reference.
    """
    return tuple(_sizes(before, after, seed))


def _sizes(before: Network, after: Network, seed: int) -> Iterator[Size]:
    yield from dynamics.weights(before, after)
    yield from dynamics.probabilities(before, after)
    other_spikes = _without_rules(before) != _without_rules(after)
    other_rules = [p.name for p in before.projections if p.plasticity != after.projection(p.name).plasticity]
    if not other_spikes and not other_rules:
        return
    written, changed = activity(before, seed), activity(after, seed)
    if written is None or changed is None:
        return
    if other_spikes:
        yield from dynamics.rates(written, changed)
    for projection in before.projections:
        other = after.projection(projection.name)
        if projection.plasticity and other.plasticity:
            if other_spikes or _pair_sums(before, projection.name) != _pair_sums(after, projection.name):
                yield from learning.drifts(projection, written, changed)
            yield from learning.lags(projection, other, written)


def _without_rules(net: Network) -> Network:
    bare = tuple(p.replace(plasticity=()) for p in net.projections)
    return net.replace(projections=bare, probes=(), name="bare")


def _pair_sums(net: Network, name: str) -> tuple[object, float]:
    """What the drift of a projection depends on beside spikes: its rules without schedules and bounds."""
    return still(net).projection(name).plasticity, largest_rate(net.projection(name))
