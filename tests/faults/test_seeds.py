"""Seeds and ids: every whole number up to 2^128 - 1, and 2^63 - 1, is one of its own; everything else is refused alike.

Streams that differ in seed or id differ in their spikes: those of four neurons or sources at some 100 Hz in 100 steps
have more than 2^100 outcomes, so equal ones are equal streams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fault_targets import on

import salhw
from salhw import GLM, Network, Poisson, Population, SessionError, Source, Spikes, Target
from salhw.diagnostics.wording import shown

NET = Network(
    name="seeds",
    dt=1.0,
    populations=[Population("s", 4, Source()), Population("n", 4, GLM(bias=0.3, tau_ref=10.0))],
    stimuli=[Poisson("s", 150.0)],
    probes=[Spikes("n"), Spikes("s")],
)
SEEDS = (0, 1, 2**31, 2**32, 2**32 + 1, 2**63, 2**64, 2**64 + 1, 2**128 - 1)
IDS = (0, 1, 2**31, 2**32, 2**40, 2**63 - 1)


def trains(executable: salhw.Executable, seed: Any, ids: Any) -> list[bytes]:
    with executable.open(seed=seed, instances=ids) as session:
        recording = session.run(100.0)
    return [recording.spikes[name].time.tobytes() + recording.spikes[name].neuron.tobytes() for name in ("n", "s")]


@on()
def test_every_seed_and_id_has_its_own_stream(target: Target) -> None:
    executable = salhw.compile(NET, target)
    seen: dict[bytes, tuple[int, int]] = {}
    pairs = [(seed, 0) for seed in SEEDS] + [(seed, i) for seed in (0, 2**32) for i in IDS[1:]]
    for seed, i in pairs:
        for stream in trains(executable, seed, [i]):
            assert seen.setdefault(stream, (seed, i)) == (seed, i)
    assert trains(executable, np.int64(7), np.array([3])) == trains(executable, 7, [3])
    assert trains(executable, np.uint64(2**64 - 1), [np.int32(3)]) == trains(executable, 2**64 - 1, [3])
    assert trains(executable, 2**64 + 1, [3]) == trains(executable, 2**64 + 1, [3])


def test_narrow_generators_get_a_number_of_their_own_for_every_seed_and_id() -> None:
    """What NEST and the chip's emulator are given has 31 bits; of some 1,000 pairs that a remainder or numpy's words
    would confuse, none share one. (A fair hash confuses some with a probability of 1000^2 / 2^32 = .0002.)"""
    from salhw_brainscales2.sources import entropy
    from salhw_nest.process import nest_seed

    near = sorted({2**k + d for k in (0, 8, 16, 31, 32, 33, 48, 63, 64, 65, 96, 127) for d in (-1, 0, 1)})
    near = [seed for seed in near if seed >= 0]
    ids = [i for i in near if i < 2**63][:41]
    pairs = [(seed, i) for seed in near for i in ids]
    assert len({nest_seed(seed, [i]) for seed, i in pairs}) == len(pairs)
    assert len({entropy(seed, [i])[0] for seed, i in pairs}) == len(pairs)


@on()
@pytest.mark.parametrize("seed", [-1, 1.5, 1.0, "x", "1", None, True, 2**128, 10**5000, [1], np.float32(2)], ids=shown)
def test_what_is_no_seed_is_refused(target: Target, seed: Any) -> None:
    with pytest.raises(SessionError, match="SAL401 seed") as caught:
        salhw.compile(NET, target).open(seed=seed)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("ids", "path"),
    [
        (0, "instances"), (-1, "instances"), (1.5, "instances"), ("3", "instances"), ([], "instances"),
        (True, "instances"),
        ([0, 0], "instances"), ([-1], "instances[0]"), ([0, 2**63], "instances[1]"), ([0, 1.0], "instances[1]"),
        ({0: 1}, "instances"), ([None], "instances[0]"), ([[1]], "instances[0]"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_are_no_ids_is_refused(ids: Any, path: str) -> None:
    with pytest.raises(SessionError) as caught:
        salhw.compile(NET, "reference").open(instances=ids)
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.path) == ("SAL401", path)


@pytest.mark.parametrize("value", ["many", "-1", "1.5", "99999999999", "²"])
def test_a_wrong_number_of_threads_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALHW_THREADS", value)
    with (
        salhw.compile(NET, "reference").open(instances=2) as session,
        pytest.raises(SessionError, match="SALHW_THREADS"),
    ):
        session.run(1.0)
