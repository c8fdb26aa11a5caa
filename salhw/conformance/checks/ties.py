"""Ties: weights that are copies"""

from __future__ import annotations

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.lab import Lab, settled
from salhw.conformance.model import Evidence, check
from salhw.description.kinds import only
from salhw.description.parts import Projection
from salhw.description.stimuli import SpikeTimes
from salhw.description.ties import Tie

STEPS = 40


def _every(lab: Lab) -> float | None:
    """How often copies follow what is learned: at once, or with the runs of the check where a host copies what the
    target learns."""
    return rigs.within((lab.target.ties or {})["every"], STEPS * lab.dt, lab.dt) if lab.target.host_loop else None


@check("ties-copy", group="dynamics")
def ties_copy(lab: Lab) -> Evidence:
    """The weights of a tied projection are those of the original, times the scale and transposed, when the session
    begins, after it has written the original, and after the original has learned.

    Exact: no copy may be further off than weights are held (held, or half a step of a target with weight bits).
    """
    if lab.target.ties is None:
        raise rigs.missing("ties", "copies of weights", ())
    scale = rigs.within(lab.target.ties["scale"], -0.5) if "scale" in lab.target.ties else -1.0
    net = rigs.pairing(lab, [rigs.rule(lab, anticausal=0.0)], [10, 30], weight=0.5)
    populations = [p.replace(size=2) for p in net.populations]
    stimuli = [s.replace(times=[s.times[0], ()]) for s in only(net.stimuli, SpikeTimes)]
    (p,) = net.projections
    original = p.replace(weights=rigs.connected(lab, np.array([[0.5, 0.25], [0.75, 1.0]])))
    copies = Projection(name="q", pre="y", post="x", weights=rigs.connected(lab, np.full((2, 2), 0.0)), kernel=p.kernel)
    net = net.replace(
        populations=populations, stimuli=stimuli, projections=[original, copies],
        ties=[Tie(projection="q", to="p", scale=scale, transpose=True, every=_every(lab))],
    )  # fmt: skip
    worst, where, states = 0.0, "", []
    executable = lab.compile(net)
    with executable.open(instances=2, seed=lab.seed) as session:

        def look(when: str) -> None:
            nonlocal worst, where
            one, two = (session.get(f"projections.{name}.weights").reshape(2, 2, 2) for name in "pq")
            states.append(one)
            off = float(np.abs(two - scale * one.swapaxes(1, 2)).max())
            if not off <= worst:
                worst, where = off, when

        look("at the beginning")
        session.set("projections.p.weights", session.get("projections.p.weights") * 0.5)
        look("after a write")
        copied = round((_every(lab) or lab.dt) / lab.dt)
        session.run(-(-settled(executable, STEPS) // copied) * copied * lab.dt)
        look("after learning")
    limit = max(rigs.resolution(lab), lab.target.accuracy.get("held", 1e-9))
    moved = float(np.abs(states[2] - states[1]).max())
    passed = worst <= limit < moved
    reason = f"largest distance of a copy from its original times the scale {where}".rstrip()
    return Evidence(passed, reason if moved > limit else "the original has not learned", worst, limit)
