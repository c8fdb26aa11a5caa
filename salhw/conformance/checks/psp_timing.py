"""When a PSP acts: delay and length"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import (
    FIRES,
    OFF,
    ON,
    WATCHED,
    alternatives,
    copies,
    declared_range,
    discretisations,
    drive,
    firing,
    potential,
    shortest_refractory,
)
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.verdict import by_count
from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel, Rectangular
from salhw.description.network import Network

TAU_SYN, DELAYS, PERIOD = 6, (0, 1, 5), 24  # steps


def watched(
    lab: Lab, kernel: Kernel, arrivals: tuple[int, ...], height: float, delays: tuple[int, ...] = (0,)
) -> Network:
    """Populations ``after_D`` that listen to one source with the delay D; a PSP of one spike takes their firing
    probability from OFF up by ``height``."""
    tau_ref, discretisation = shortest_refractory(lab), discretisations(lab)[0]
    bias = potential(lab, OFF, discretisation, tau_ref)
    weight = height * (potential(lab, ON, discretisation, tau_ref) - bias)
    size = copies(lab, len(delays), synapses=len(delays), most=384)
    repeats = 1 + -(-WATCHED * (1 + tau_ref) // size) * lab.scale
    return drive(
        lab,
        {f"after_{d}": weight for d in delays},
        kernel,
        arrivals,
        bias=bias,
        tau_ref=tau_ref,
        size=size,
        period=PERIOD,
        repeats=repeats,
        delays={f"after_{d}": d for d in delays},
    )


def seen(lab: Lab, net: Network) -> dict[str, FloatArray]:
    """Firing probability of each population at each step after the source's first spike of a period, (PERIOD,)."""
    tau_ref, (stimulus,) = shortest_refractory(lab), net.stimuli
    times = np.rint(stimulus.times[0] / lab.dt).astype(int)  # type: ignore[attr-defined]
    repeats = int(times[-1]) // PERIOD + 1
    with lab.open(net) as session:
        recording = session.run(PERIOD * repeats * lab.dt)
    probabilities = {}
    for population in net.populations[1:]:
        spikes, free = (x.sum(axis=0) for x in firing(lab, recording, population.name, tau_ref, PERIOD, repeats))
        probabilities[population.name] = np.roll(spikes / np.maximum(free, 1.0), -int(times[0]))
    return probabilities


def delays_of(lab: Lab) -> tuple[int, ...]:
    """Those of DELAYS that the target declares, in steps; without a declaration no delay is the only one."""
    if "delay" not in lab.target.projections:
        return (0,)
    low, high = declared_range(lab.target.projections, "delay", 0.0, np.inf)
    return tuple(d for d in DELAYS if low <= d * lab.dt <= high) or (0,)


def active(probability: FloatArray) -> list[int]:
    """The steps at which a PSP acts."""
    return [int(k) for k in np.flatnonzero(probability > FIRES)]


@check("psp-delay", group="dynamics")
def psp_delay(lab: Lab) -> Evidence:
    """A spike at step t acts from step t + 1 + delay / dt, and not before: seen in the firing probability of hundreds
    of postsynaptic neurons after a forced presynaptic spike, for delays of 0, 1 and 5 steps where the target declares
    them.

    Exact; a step is taken for the wrong side of the line with less than 1e-15.
    """
    return timing(lab, "psp-delay")


@check("psp-length", group="dynamics")
def psp_length(lab: Lab) -> Evidence:
    """A rectangular PSP acts for exactly tau_syn / dt steps. Measured as in psp-delay.

    Exact; a step is taken for the wrong side of the line with less than 1e-15.
    """
    return timing(lab, "psp-length")


def timing(lab: Lab, what: str) -> Evidence:
    """Either end of rectangular PSPs."""
    delays = delays_of(lab)
    measured = seen(lab, watched(lab, Rectangular(tau_syn=TAU_SYN * lab.dt), (2,), 1.0, delays))
    steps = [active(measured[f"after_{d}"]) for d in delays]
    if what == "psp-delay":
        observed, expected = [s[0] if s else 0 for s in steps], [1 + d for d in delays]
        said, hint = "acts from step", "the delay is ignored or off by a step"
    else:
        observed, expected = [len(s) for s in steps], [TAU_SYN] * len(delays)
        said, hint = "acts for so many steps", "PSPs are too short or too long"
    wrong = [f - e for f, e in zip(observed, expected, strict=True)]
    worst = max(wrong, key=abs)
    reason = f"{said} {observed}, expected {expected} (delays of {[*delays]} steps)"
    shape = [OFF + (ON - OFF) * (delays[-1] < k <= delays[-1] + TAU_SYN) for k in range(PERIOD)]
    figure = Figure(
        f"steps after the spike (delay {delays[-1]} steps)",
        "firing probability",
        [*range(PERIOD)],
        {"expected": shape, "measured": [*measured[f"after_{delays[-1]}"]]},
    )
    return Evidence(
        worst == 0, reason if worst == 0 else f"{reason}; {hint}", float(worst), 0.0, "steps", figure=figure
    )


@check("psp-superposition", group="dynamics")
def psp_superposition(lab: Lab) -> Evidence:
    """Two spikes of one source 3 steps apart: with superposition "sum" their rectangular PSPs add up where they overlap
    (alone each is too weak to make anybody fire); with "last" the second one replaces the first and nothing adds up.

    Exact; a step is taken for the wrong side of the line with less than 1e-15.
    """
    gap, weak = 3, 0.5
    candidates = {
        superposition: watched(
            lab, Rectangular(tau_syn=TAU_SYN * lab.dt, superposition=superposition), (2, 2 + gap), weak
        )
        for superposition in ("sum", "last")
    }
    expected = {"sum": [*range(1 + gap, 1 + TAU_SYN)], "last": []}
    steps = {
        superposition: active(seen(lab, net)["after_0"]) for superposition, net in alternatives(lab, candidates).items()
    }
    wrong = sum(len(set(acting) ^ set(expected[superposition])) for superposition, acting in steps.items())
    said = "; ".join(
        f"{superposition}: adds up at steps {acting}, expected {expected[superposition]}"
        for superposition, acting in steps.items()
    )
    return by_count(wrong, PERIOD * len(steps), said, "overlapping PSPs add up wrongly")


@check("psp-area", group="dynamics")
def psp_area(lab: Lab) -> Evidence:
    """A kernel of area A has the height A / tau_syn: a PSP too weak to make anybody fire does so with an area of
    2 tau_syn, and a strong one no longer with an area of tau_syn / 2.

    Exact; a step is taken for the wrong side of the line with less than 1e-15.
    """
    tau = TAU_SYN * lab.dt
    candidates = {
        "larger": watched(lab, Rectangular(tau_syn=tau, area=2.0 * tau), (2,), 0.5),
        "smaller": watched(lab, Rectangular(tau_syn=tau, area=0.5 * tau), (2,), 1.0),
    }
    expected = {"larger": [*range(1, 1 + TAU_SYN)], "smaller": []}
    steps = {name: active(seen(lab, net)["after_0"]) for name, net in alternatives(lab, candidates).items()}
    wrong = sum(len(set(acting) ^ set(expected[name])) for name, acting in steps.items())
    said = "; ".join(
        f"{name} area: acts at steps {acting}, expected {expected[name]}" for name, acting in steps.items()
    )
    return by_count(wrong, PERIOD * len(steps), said, "the area of a kernel is not applied")
