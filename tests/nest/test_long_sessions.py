"""A session that has run for long holds no more than one that has just begun, so that it does not get slower."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import Network
from salhw_networks.pairs.network import network as pair

CHUNKS, CHUNK = 8, 2000.0
NETWORKS: dict[str, Network] = {
    "brainscales2": pair(update="every 200 ms"),
}


def held(thing: Any, seen: set[int]) -> int:
    """The elements of all arrays that an object of ours holds, whatever holds them."""
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.size
    if isinstance(thing, dict):
        return sum(held(item, seen) for item in thing.values())
    if isinstance(thing, list | tuple | set):
        return sum(held(item, seen) for item in thing)
    ours = type(thing).__module__.startswith("salhw") and hasattr(thing, "__dict__")
    return held(vars(thing), seen) if ours else 0


@pytest.mark.parametrize("target", NETWORKS)
def test_what_is_held_does_not_grow_with_the_time_that_a_session_has_run(target: str) -> None:
    """Here: arrays. In NEST: what it tells of itself, which it does whenever something is written. A chunk has about
    200 spikes, within 15 or so: what is kept of all chunks would have grown to the eightfold, not to the double."""
    with salhw.compile(NETWORKS[target], target).open(seed=1) as session:
        here, logged = [], []
        for _ in range(CHUNKS):
            assert session.run(CHUNK).counts["neurons"].sum() > 100
            here.append(held(session.engine, set()))
            log = session.engine.process.lease.call("nest:GetKernelStatus", "spike_buffer_resize_log", limit=20.0)
            logged.append(len(log["times"]))
    assert max(here) < 2 * max(here[:2]), here
    assert max(logged) < 10, logged  # a buffer that only grows, by half each time, soon is as large as it gets
