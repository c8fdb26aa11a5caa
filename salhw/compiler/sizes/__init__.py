"""How much a change of a description matters, in the network's own terms."""

from __future__ import annotations

from collections.abc import Iterator

from salhw.compiler.sizes import attractor, dynamics, learning
from salhw.compiler.sizes.coupled import pair
from salhw.compiler.sizes.reference import Activity, activity, largest_rate, learns, still
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.session.changes import Size

__all__ = ["sizes"]


def sizes(before: Network, after: Network, *, seed: int = 0) -> tuple[Size, ...]:
    """How much the change from one network to another matters, in weights, rates, drifts and where weights settle.

    Only what differs between the two is looked at, not what the change was called. Networks that the reference does not
    hold get the exact sizes alone. What has been run is kept, so that a chain of changes runs each network once.

    Args:
        before, after: the networks without and with this one change; populations and projections have the same names.
        seed: of the runs on the reference.
    """
    return tuple(_sizes(before, after, seed))


def _sizes(before: Network, after: Network, seed: int) -> Iterator[Size]:
    yield from dynamics.weights(before, after)
    yield from dynamics.probabilities(before, after)
    other_spikes = _without_rules(before) != _without_rules(after)
    learners = [
        p.name for p in before.projections if all(learns(net, net.projection(p.name)) for net in (before, after))
    ]
    if not other_spikes and all(_learns_alike(before, after, name) for name in learners):
        return
    written, changed = activity(before, seed), activity(after, seed)
    if written is None or changed is None:
        return
    if other_spikes:
        pairs = pair(before), pair(after)
        if pairs[0] is not None and pairs[1] is not None:
            yield from dynamics.two_neurons(before, pairs[0], pairs[1])
        else:
            yield from dynamics.rates(written, changed)
    for name in learners:
        yield from _learning(before, after, name, written, changed, other_spikes, seed)


def _learning(
    before: Network, after: Network, name: str, written: Activity, changed: Activity, other_spikes: bool, seed: int
) -> Iterator[Size]:
    """Of one projection that learns in both networks."""
    old, new = before.projection(name), after.projection(name)
    if other_spikes or _pair_sums(before, name) != _pair_sums(after, name):
        noise = learning.noise(name, written, changed)
        pairs = pair(before), pair(after)
        if pairs[0] is not None and pairs[1] is not None:
            yield from learning.two_neurons(pairs[0], pairs[1])
            yield from attractor.two_neurons(pairs[0], pairs[1], (noise.written, noise.changed))
        else:
            yield from learning.drifts(name, written, changed)
            yield from attractor.measured(before, after, name, written, seed)
        if noise.written or noise.changed:
            path = f"projections.{name}"
            yield Size("weight noise", path, noise.written, noise.changed, noise.error, "/sqrt(s)", "reference")
    if _each(old, "update") != _each(new, "update"):
        yield from learning.lags(old, new, written, attractor.decay(before, name, written, seed))
    if _each(old, "bounds") != _each(new, "bounds"):
        yield from learning.beyond_bounds(before, after, name, seed)


def _learns_alike(before: Network, after: Network, name: str) -> bool:
    """Whether a projection's rules do the same, whoever works them out."""
    old, new = before.projection(name), after.projection(name)
    kept = all(_each(old, field) == _each(new, field) for field in ("update", "bounds"))
    return kept and _pair_sums(before, name) == _pair_sums(after, name)


def _each(projection: Projection, field: str) -> list[object]:
    return [getattr(rule, field) for rule in projection.plasticity]


def _without_rules(net: Network) -> Network:
    bare = tuple(p.replace(plasticity=()) for p in net.projections)
    return net.replace(projections=bare, probes=(), name="bare")


def _pair_sums(net: Network, name: str) -> tuple[object, float]:
    """What the drift of a projection depends on beside spikes: its rules without schedules and bounds."""
    return still(net).projection(name).plasticity, largest_rate(net.projection(name))
