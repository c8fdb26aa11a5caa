"""Rules that NEST pairs or clips otherwise where spikes coincide, replayed: by what it says, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import salhw
import salhw_nest
from salhw.conformance import replay
from salhw.conformance.lab import Lab
from salhw.conformance.replay.surveying import runnable
from salhw.conformance.replay.trains import near_coincidences
from salhw.conformance.replay.trial import Trial, perform, random_schedule

NEST = salhw.target("nest")
BOUNDED, RESTRICTED = 2_000_000_970, 964
"""Seeds of networks with a single rule of NEST's own, which has bounds, or pairs of ``nearest_restricted``."""


def learned_more(trial: Trial, share: float) -> Trial:
    """As if weights had moved by a share more in each run."""

    def moved(stretch: Any) -> Any:
        paths = [path for path in stretch.after if path.endswith(".weights")]
        change = {path: stretch.after[path] + share * (stretch.after[path] - stretch.before[path]) for path in paths}
        return replace(stretch, after={**stretch.after, **change})

    return replace(trial, stretches=tuple(map(moved, trial.stretches)))


@pytest.mark.parametrize("seed", [BOUNDED, RESTRICTED])
def test_what_is_off_is_what_coincidences_may_do(seed: int) -> None:
    """All that no coincidence touches is exact: .1 % more of each change of a weight is noticed."""
    executable = runnable(Lab(salhw_nest.backend, NEST, "quick", 0), seed)
    (p,) = executable.source.projections
    (rule,) = p.plasticity
    assert rule.bounds if seed == BOUNDED else rule.pairing == "nearest_restricted"
    tolerance = replay.Tolerance.of(NEST, executable.report)
    assert tolerance.loose == {p.name}
    trial = perform(executable, random_schedule(executable.source, NEST, seed))
    assert replay.departures(trial, tolerance)[0] == []
    assert {d.kind for d in replay.departures(learned_more(trial, 1e-3), tolerance)[0]} >= {"held"}
    strict = replay.Tolerance.of(NEST)
    assert strict.loose == frozenset()


def test_steps_that_coincidences_touch() -> None:
    """Those at which both neurons spike, and the first with a spike of either after it."""
    pre, post = np.zeros((2, 1, 10, 1), dtype=np.bool_)
    pre[0, [1, 3, 8], 0] = post[0, [3, 5, 8], 0] = True
    assert np.flatnonzero(near_coincidences(pre, post)[0, :, 0]).tolist() == [3, 5, 8]
