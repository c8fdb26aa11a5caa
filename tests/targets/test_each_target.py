"""Every target that is installed opens, runs, reads and closes in this Python. ``make pythons`` runs it in each."""

from __future__ import annotations

import pytest

import salhw
from salhw.conformance import run

# In this Python the suite runs the same check on the same targets elsewhere: test_engineering, test_conformance_nest,
# test_conformance_brainscales2; and test_conformance_of_loihi2 in one process, as Lava's runtime takes half a second to
# start for each of 65 networks, and is held to the same elsewhere (test_trajectories).
HELD = ("reference", "nest", "brainscales2", "loihi2")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.pythons] * (name in HELD)) for name in sorted(salhw.targets())]
)
def test_what_is_declared_runs(name: str) -> None:
    """The suite's check that runs one of each thing that a target declares, by the real simulator."""
    (check,) = run(name, checks=["declared-runs"]).checks
    assert check.outcome == "pass", check.reason
