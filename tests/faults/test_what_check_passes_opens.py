"""What ``check`` passes can be opened, run, read, written and closed: random networks over the declared ranges.

The right value is that nothing is refused any more: an executable is a promise. Run by hand with more networks:
``python tests/faults/test_what_check_passes_opens.py TARGET COUNT [FIRST_SEED]``.
"""

from __future__ import annotations

import sys
import time
import traceback
import warnings

import numpy as np
import pytest
from fault_targets import form
from random_dendrites import with_dendrites
from random_networks import random_network
from shaken_networks import shaken_network

import salhw
from salhw import Network, Target
from salhw.session.executable import Executable

COUNTS = {
    "reference": 40,
    "reference time-driven": 15,
    "nest": 10,
    "brainscales2": 10,
    "loihi2": 20,
    "loihi2 ideal": 10,
}
"""As many as a few seconds allow; the full numbers are run by hand."""
EVERY_KIND = (5, 39, 40)
"""Seeds of networks; those of chips are in test_fixes."""


def exercise(executable: Executable) -> None:
    """Everything that a session can do, a few steps long."""
    net, ids = executable.source, (0, 3)
    with executable.open(instances=ids, seed=2) as session:
        whole = [session.run(k * net.dt) for k in (1, 6, 2)]
        for path, at in salhw_addresses(executable).items():
            held = session.get(path)
            assert held.shape == (len(ids), *at), path
            assert path.endswith(".times") or np.isfinite(held).all(), path  # trains are filled up with NaN
            session.set(path, held)
            again = session.get(path)
            assert np.allclose(again, held, rtol=1e-6, atol=1e-6, equal_nan=True), path
        whole.append(session.run(5 * net.dt))
        assert session.time == pytest.approx(14 * net.dt)
    for part in whole:
        check_recording(net, part, len(ids))


def salhw_addresses(executable: Executable) -> dict[str, tuple[int, ...]]:
    from salhw.session.paths import addresses

    return {path: address.shape for path, address in addresses(executable.source, executable.target).items()}


def check_recording(net: Network, recording: salhw.Recording, instances: int) -> None:
    for p in net.populations:
        assert recording.counts[p.name].shape == (instances, p.size)
    for probe in net.probes:
        if isinstance(probe, salhw.Membrane):
            assert np.isfinite(recording.membrane_traces[probe.population].values).all()
        elif isinstance(probe, salhw.Weights):
            assert np.isfinite(recording.weight_traces[probe.projection].values).all()
        elif isinstance(probe, salhw.Traces | salhw.Variable | salhw.SynapseVariable):
            assert np.isfinite(recording.samples[probe.label].values).all()
        elif isinstance(probe, salhw.StateOccupancy):
            steps = round(recording.duration / net.dt)
            assert (recording.occupancy_counts[probe.population].sum(axis=1) == steps).all()
        else:
            trains = recording.spikes[probe.population]
            assert len(trains.time) == recording.counts[probe.population].sum()


def passing(target: Target, seeds: range) -> list[tuple[int, Network]]:
    """Those of the networks of these seeds that the target takes."""
    drawn = [(seed, random_network(target, np.random.default_rng(seed))) for seed in seeds]
    return [(seed, net) for seed, net in drawn if not salhw.problems(net, target)]


@pytest.mark.parametrize("name", COUNTS)
def test_what_check_passes_opens_runs_reads_writes_and_closes(name: str) -> None:
    target = form(name)
    networks = passing(target, range(3 * COUNTS[name]))[: COUNTS[name]]
    assert len(networks) > COUNTS[name] // 2  # or the test shows little
    for seed, net in networks:
        try:
            exercise(salhw.compile(net, target))
        except Exception as error:
            raise AssertionError(f"the network of seed {seed}") from error


@pytest.mark.parametrize("seed", EVERY_KIND)
def test_networks_of_every_kind_do_too_at_the_ends_of_what_is_declared(seed: int) -> None:
    target = form("reference")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy's, of numbers that are none
        exercise(salhw.compile(shaken_network(target, seed, share=0.05), target))


def test_networks_with_dendrites_do_too_and_a_batch_is_as_good_as_its_parts() -> None:
    """Inputs, traces, predictive rules, teachers and ties, in whatever combination; in runs cut anywhere."""
    target, seen = form("reference"), 0
    for seed in range(40):
        rng = np.random.default_rng([8, seed])
        net = with_dendrites(random_network(target, rng), rng)
        if salhw.problems(net, target):
            continue
        seen += 1
        try:
            executable = salhw.compile(net, target)
            exercise(executable)
            with executable.open(instances=[3, 0], seed=5) as both, executable.open(instances=[0], seed=5) as one:
                whole, parts = both.run(40 * net.dt), [one.run(k * net.dt) for k in (13, 1, 26)]
                if any(rule.update == "run end" for p in net.projections for rule in p.plasticity):
                    continue
                for p in net.projections:
                    path = f"projections.{p.name}.weights"
                    np.testing.assert_array_equal(both.get(path)[1], one.get(path)[0])
            for name, sampled in whole.samples.items():
                joined = np.concatenate([part.samples[name].values[0] for part in parts])
                np.testing.assert_array_equal(joined, sampled.values[1])
        except Exception as error:
            raise AssertionError(f"the network of seed {seed}") from error
    assert seen > 20


if __name__ == "__main__":
    chosen, count = form(sys.argv[1]), int(sys.argv[2])
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    opened = wrong = drawn = 0
    slowest = 0.0
    for seed in range(first, first + 20 * count):
        if opened == count:
            break
        drawn += 1
        try:
            drawn_by = (random_network(chosen, np.random.default_rng(seed)), shaken_network(chosen, seed, share=0.02))
            net = drawn_by[seed % 2]
            if salhw.problems(net, chosen):
                continue
            opened += 1
            began = time.perf_counter()
            exercise(salhw.compile(net, chosen))
            slowest = max(slowest, time.perf_counter() - began)
        except Exception:
            wrong += 1
            last = traceback.format_exc().strip().splitlines()
            print(f"seed {seed}:", *last[-4:], sep="\n  ", flush=True)
    print(f"{sys.argv[1]}: {drawn} drawn, {opened} passed check, {wrong} of them failed; slowest {slowest:.1f} s")
