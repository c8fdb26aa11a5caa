"""What else makes reciprocal weights alike, as protocols of a study: the host writes weights, whatever neurons do."""

from __future__ import annotations

from math import exp

from salhw.session.backend import Session
from salhw.session.recording import Recording

WEIGHTS = "projections.pair.weights"


def copied_registers(session: Session, duration: float) -> Recording:
    """Both weights of a pair are written as their mean, once. Spikes change nothing: a hundredth of the time is run."""
    weights = session.get(WEIGHTS, form="synapses")
    session.set(WEIGHTS, weights.reshape(len(weights), -1, 2).mean(axis=2).repeat(2, axis=1), form="synapses")
    return session.run(duration / 100.0)


def kolen_pollack(session: Session, duration: float, rate: float) -> Recording:
    """Both weights decay by exp(-rate t), ``rate`` per s, without a signal that drives both alike; written at once, as
    spikes change nothing."""
    session.set(WEIGHTS, session.get(WEIGHTS) * exp(-rate * duration / 1000.0))
    return session.run(duration / 100.0)
