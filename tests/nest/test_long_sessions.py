"""A session that has run for long holds no more than one that has just begun, so that it does not get slower."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import GLM, SAL, Exponential, Network, Population, Projection, Rectangular, Source, SpikeTimes, Weights
from salhw.description.kernels import Kernel
from salhw_nest import engine
from salhw_networks.pairs.network import network as pair

CHUNKS, CHUNK = 8, 2000.0
NETWORKS: dict[str, Network] = {
    "nest": pair(sample=500.0),
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


RULES = {
    "all": SAL(0.02, tau=6.0, pairing="all"),
    "bounded": SAL(0.05, tau=6.0, pairing="all", bounds=(-1.0, 1.0)),
    "symmetric": SAL(0.02, tau=6.0, pairing="nearest_symmetric", bounds=(-9.0, 9.0)),
    "restricted": SAL(0.02, tau=6.0, bounds=(-9.0, 9.0)),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kernel", [Rectangular(tau_syn=4.0), Exponential(tau_syn=4.0)], ids=lambda k: k.kind)
def test_weights_are_the_same_whether_spikes_are_forgotten_or_not(
    rule: str, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Synapses wait for a presynaptic spike with all pairs since the last, here for longer than any trace lasts: of one
    source that is silent, one that spikes twice, and one that spikes often."""
    net = Network(
        name="waiting",
        dt=1.0,
        populations=[Population("x", 3, Source()), Population("y", 2, GLM(bias=[1.0, 0.0], tau_ref=3.0))],
        projections=[
            Projection(
                "p", pre="x", post="y", weights=[[0.5] * 3] * 2, kernel=kernel, delay=2.0, plasticity=RULES[rule]
            )
        ],
        stimuli=[SpikeTimes("x", [[], [20.0, 1300.0], np.arange(10.0, 1490.0, 17.0)])],
        probes=[Weights("p", every=50.0)],
    )
    made, kept = {}, {}
    for few in (0, 1_000_000):
        monkeypatch.setattr(engine, "FEW", few)
        with salhw.compile(net, "nest").open(instances=2, seed=3) as session:
            first = session.run(700.0).weight_traces["p"].values
            session.set("projections.p.weights", session.get("projections.p.weights") * 0.5)
            second = session.run(800.0).weight_traces["p"].values
            made[few] = np.concatenate([first, second], axis=1)
            kept[few] = sum(len(raster.step) for rasters in session.engine._before.values() for raster in rasters)
    assert kept[0] < 0.7 * kept[1_000_000], kept
    np.testing.assert_allclose(made[0], made[1_000_000], rtol=0.0, atol=1e-13)
    assert np.abs(np.diff(made[0][:, :, :, 1:], axis=1)).max() > 0.01
