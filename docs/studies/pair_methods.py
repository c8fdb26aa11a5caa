"""What else makes reciprocal weights alike, as protocols of a study: the host writes weights, whatever neurons do."""

from __future__ import annotations

from math import exp
from typing import Any

from salhw.session.backend import Session
from salhw.session.recording import Recording
from salhw_brainscales2.hardware.sensor import of_chips

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


def known_sensors(session: Session, duration: float) -> Recording:
    """SAL on sensors that were measured without error when the chips were new: the amplitude of each branch is written
    over what the pairs of uncoupled neurons are worth on it (docs/calibration.md). The chips may have aged since."""
    engine_session: Any = session
    executable, net = engine_session.executable, engine_session.executable.network
    (p,) = net.projections
    listed = net.synapses(p.name)
    new = [chip.replace(age=0.0) for chip in engine_session.chips]
    place = executable.placement.synapses(net, p.name)
    drawn = of_chips(new, listed.pre, listed.post, place, neurons=len(place), dt=net.dt, amplitude=1.0, tau=10.0)
    efficacy = drawn.amplitude * (drawn.tau / 10.0) ** 0.43
    for k, (branch, sign) in enumerate((("causal", -1.0), ("anticausal", 1.0))):
        path = f"projections.{p.name}.plasticity.{branch}.amplitude"
        session.set(path, sign / efficacy[:, k], form="synapses")
    return session.run(duration)
