"""Biological time is honest: a run lasts as long as it says, and rates are per second of it."""

from __future__ import annotations

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.checks.interface_sessions import time_of
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check


@check("biological-time", group="interface")
def biological_time(lab: Lab) -> Evidence:
    """Recordings and the session's clock say the durations that were asked for, run after run; a neuron driven as fast
    as its refractory period allows spikes twice as often in twice the time, once per period; forced spikes are met."""
    net = rigs.relay(lab, runs=2, bias=rigs.HIGH)
    period = net.population("y").neuron.refractory_period or 10 * lab.dt
    flaws, now, counts = [], 0.0, []
    durations = [rigs.RUN * lab.dt / 2, rigs.RUN * lab.dt / 2, rigs.RUN * lab.dt]
    forced = 0
    with lab.open(net) as session:
        for duration in durations:
            recording = session.run(duration)
            if abs(recording.start - now) > 1e-6 * lab.dt or abs(recording.duration - duration) > 1e-6 * lab.dt:
                said = f"{recording.start:g} ms + {recording.duration:g} ms"
                flaws.append(f"a run at {now:g} ms of {duration:g} ms says {said}")
            now += duration
            clock = time_of(session)
            if clock is not None and abs(clock - now) > 1e-6 * lab.dt:
                flaws.append(f"the session's clock says {clock:g} ms at {now:g} ms")
            counts.append(float(recording.counts["y"].mean()))
            forced += int(recording.counts["x"][0, 0])
    if forced != 2 * rigs.VOLLEYS:
        flaws.append(f"{forced} of {2 * rigs.VOLLEYS} forced spikes happened within {now:g} ms")
    possible = now / period
    share = sum(counts) / possible
    if abs(counts[2] - counts[0] - counts[1]) > 3:
        flaws.append(f"{counts[2]:g} spikes in twice the time in which there were {counts[0]:g}, then {counts[1]:g}")
    exact = lab.target.neurons[net.population("y").neuron.kind].get("bias") is not None
    if exact and not 0.5 <= share <= 1.0 + 2.0 / possible:
        flaws.append(f"{share:.0%} of the spikes that the refractory period allows")
    reason = "; ".join(flaws) or f"{now:g} ms in three runs; spikes over those that the refractory period allows"
    return Evidence(not flaws, reason, share, 1.0)


@check("runs-join", group="interface")
def runs_join(lab: Lab) -> Evidence:
    """A run goes on where the last one ended: a neuron at its highest rate keeps its rhythm over the border."""
    net = rigs.relay(lab, runs=1, bias=rigs.HIGH)
    if not net.probes:
        raise rigs.missing("probes", "Spikes", [*lab.target.probes])
    with lab.open(net) as session:
        parts = [session.run(steps * lab.dt) for steps in (33, 4, 50, 33)]
    times = np.concatenate([part.spikes["y"].times(0) for part in parts])
    intervals = np.diff(times)
    period = net.population("y").neuron.refractory_period or 10 * lab.dt
    if len(intervals) < 2:
        return Evidence(False, f"a neuron at its highest rate spiked {len(times)} times in {120 * lab.dt:g} ms")
    shortest = float(intervals.min())
    flaws = [
        *(f"spikes outside their run at {part.start:g} ms" for part in parts if _outside(part.spikes["y"].time, part))
    ]
    if shortest < period * (1 - 1e-6):
        flaws.append("the refractory period is forgotten between runs")
    if np.ptp(intervals) > 4 * lab.dt:
        flaws.append(f"a gap of {intervals.max():g} ms")
    reason = "; ".join(flaws) or "shortest inter-spike interval over the borders of runs"
    return Evidence(not flaws, reason, shortest, period, "ms")


def _outside(times: np.ndarray, part: object) -> bool:
    start, duration = part.start, part.duration  # type: ignore[attr-defined]
    return bool(len(times)) and (times.min() < start - 1e-9 or times.max() >= start + duration - 1e-9)
