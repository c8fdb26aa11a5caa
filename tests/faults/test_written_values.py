"""What a session may be written is what the target declares, on every target and in one way.

The right values follow from docs/semantics.md and the target files: the ends of a declared range can be written, what
lies beyond is refused with SAL403 before anything changes (never clipped in silence, never held), and what ``get``
returned or the description says can always be written. Weights of a bounded rule stay within its bounds, as the
description's must.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from fault_targets import on

import salhw
from salhw import GLM, SAL, Exponential, Network, Population, Projection, SessionError, Source, SpikeTimes, Target
from salhw.session.calibration import Map
from salhw.session.paths import addresses, described
from salhw.substrate.capabilities import Range

WEIGHTS, BIAS = "projections.p.weights", "populations.n.bias"


def network(target: Target, *, size: int = 2, pre: str = "s", learns: bool = False, **rule: Any) -> Network:
    """Sources onto neurons, or neurons among themselves, in what every target has."""
    analog = target.name == "brainscales2"
    if analog:
        rule = {"update": "every 112 ms", **rule}
    elif target.name == "loihi2":
        rule = {"pairing": "all", **rule}
    weights = 0.5 * (np.ones((size, size)) - (np.eye(size) if pre == "n" else 0.0))
    return Network(
        name="written", dt=1.0,
        populations=[Population("s", size, Source()), Population("n", size, GLM(bias=-1.0, tau_ref=10.0))],
        projections=[Projection(
            "p", pre, "n", weights, kernel=Exponential(tau_syn=10.0),
            plasticity=SAL(0.02, **rule) if learns or rule.get("bounds") else None,
        )],
        stimuli=[SpikeTimes("s", [[5.0, 25.0, 60.0]] * size)],
    )  # fmt: skip


def declared(target: Target, path: str) -> Range:
    """The range in the target's file."""
    entry: Any = target.neurons["GLM"]["bias"] if path == BIAS else target.projections["weights"]
    if path.endswith("learning_rate"):
        entry = target.plasticity["PairSTDP"]["learning_rate"]
    assert isinstance(entry, Range)
    return entry


@on()
def test_what_is_declared_is_held_and_nothing_beyond(target: Target) -> None:
    """Static weights and biases: both ends are read back; one further is refused at its place, with the range and what
    to write instead, which then works; and the other values are as they were."""
    executable = salhw.compile(network(target), target)
    with executable.open(instances=2) as session:
        for path in (WEIGHTS, BIAS):
            allowed = declared(executable.target.scaled_for("p"), path)
            for end, sign in ((allowed.min, -1.0), (allowed.max, 1.0)):
                session.set(path, end)
                held = session.get(path)
                assert np.abs(held - end).max() <= 1e-9 * abs(end) + 1e-12
                wrong = held.copy()
                wrong[1, 1] = end + sign * max(abs(end), 1.0)
                with pytest.raises(SessionError) as caught:
                    session.set(path, wrong)
                (finding,) = caught.value.diagnostics
                place = "[1][1]" if path == BIAS else "[1][1][0]"
                assert (finding.code, finding.path) == ("SAL403", path + place)
                assert float(finding.asked) == pytest.approx(float(wrong[1, 1].flat[0]))
                assert f"{allowed.min:.10g}..{allowed.max:.10g}" in finding.supported
                assert target.name in finding.supported
                np.testing.assert_array_equal(session.get(path), held)
                session.set(path, float(finding.fix.split()[-1]))
                with pytest.raises(SessionError, match="SAL403"):
                    session.set(path, sign * 1e300)


@on()
@pytest.mark.parametrize("pre", ["s", "n"])
def test_what_is_read_can_be_written_at_any_time(target: Target, pre: str) -> None:
    """Every path, before and after learning, in the session and in another one; and what the description says."""
    executable = salhw.compile(network(target, pre=pre, learns=True), target)
    with executable.open(instances=2) as session, executable.open(instances=2) as other:
        for duration in (None, 224.0):
            if duration:
                session.run(duration)
            for path in addresses(executable.network, target):
                for there in (session, other):
                    there.set(path, session.get(path))
        for address in addresses(executable.source, target).values():
            session.set(address.path, described(executable.source, address))


@on("reference", "reference time-driven", "nest", "brainscales2")
def test_bounds_hold_for_what_is_written(target: Target) -> None:
    """Rules with bounds: the description must start inside of them (SAL005), so writing stays inside of them, too."""
    net = network(target, bounds=(-0.2, 1.0))
    with salhw.compile(net, target).open() as session:
        before = session.get(WEIGHTS)
        for value in (1.2, -0.4, [[0.5, 0.5], [0.5, 1.2]]):
            with pytest.raises(
                SessionError, match=r"SAL403 projections\.p\.weights.*-0\.2\.\.1, the bounds of the rule"
            ):
                session.set(WEIGHTS, value)
        np.testing.assert_array_equal(session.get(WEIGHTS), before)
        session.set(WEIGHTS, 1.0)
        session.set(WEIGHTS, -0.2)
        assert session.get(WEIGHTS) == pytest.approx(-0.2)


@on("reference", "nest", "brainscales2")
def test_the_empty_diagonal_is_not_held_to_the_range(target: Target) -> None:
    """It holds no synapses: zero stands there, whatever the bounds."""
    net = network(target, pre="n", bounds=(0.2, 1.0))
    with salhw.compile(net, target).open() as session:
        session.set(WEIGHTS, [[0.0, 0.4], [0.8, 0.0]])
        assert session.get(WEIGHTS)[0].ravel() == pytest.approx([0.0, 0.4, 0.8, 0.0])


@on("reference", "nest", "brainscales2", "loihi2")
def test_learning_rates_beyond_the_range_are_refused(target: Target) -> None:
    """The range is the rule's; of a rule that the host works out, the host's."""
    path = "projections.p.plasticity.learning_rate"
    with salhw.compile(network(target, learns=True), target).open() as session:
        before = session.get(path)
        for value in (1e9, -1e9):
            with pytest.raises(SessionError, match="SAL403"):
                session.set(path, value)
        np.testing.assert_array_equal(session.get(path), before)


def test_a_rule_of_the_host_has_the_hosts_range() -> None:
    target = salhw.target("nest")
    host = target.host["PairSTDP"] | {"learning_rate": (-0.5, 0.5)}
    target = target.replace(host=target.host | {"PairSTDP": host})
    net = network(target, learns=True, update="run end", execution="host")
    with salhw.compile(net, target).open() as session:
        session.set("projections.p.plasticity.learning_rate", 0.5)
        with pytest.raises(SessionError, match=r"= 0\.6: -0\.5\.\.0\.5"):
            session.set("projections.p.plasticity.learning_rate", 0.6)


def test_ranges_are_those_of_the_projection() -> None:
    """Where a chip has a weight scale of its own for a projection, its range is what that leaves: 63 codes of .01."""
    target = salhw.target("brainscales2").ideal().replace(weight_bits=7).with_options(weight_scale="auto")
    executable = salhw.compile(network(target), target)
    limit = executable.target.scaled_for("p").projections["weights"]
    assert isinstance(limit, Range)
    assert limit.max < 2.0
    with executable.open() as session:
        session.set(WEIGHTS, limit.max)
        with pytest.raises(SessionError, match="SAL403"):
            session.set(WEIGHTS, 2.0)


@on()
@pytest.mark.parametrize(
    "value",
    [
        "1.0",
        "high",
        None,
        True,
        [True, False],
        1j,
        [[1.0], [1.0, 2.0]],
        {},
        np.nan,
        [np.inf, 0.0],
        10**400,
        np.zeros(7),
    ],
    ids=repr,
)
def test_only_numbers_of_the_right_shape_are_written(target: Target, value: Any) -> None:
    with salhw.compile(network(target), target).open() as session:
        before = session.get(BIAS)
        with pytest.raises(SessionError, match=r"SAL403 populations\.n\.bias"):
            session.set(BIAS, value)
        np.testing.assert_array_equal(session.get(BIAS), before)


def test_the_index_is_the_callers() -> None:
    """An entry is named as the caller's own array has it, whether or not it has the dimension of the instances."""
    with salhw.compile(network(salhw.target("reference")), "reference").open(instances=2) as session:
        for value, place in (
            ([0.0, 2e3], "[1]"), ([[0.0, 0.0], [0.0, 2e3]], "[1][1]"), ([[2e3, 0.0]], "[0][0]"), (2e3, ""),
        ):  # fmt: skip
            with pytest.raises(SessionError) as caught:
                session.set(BIAS, value)
            assert caught.value.diagnostics[0].path == BIAS + place


@dataclass(frozen=True)
class Corrections:
    """A calibration of the reference: weights act 25 % too strongly, biases are .5 too high."""

    target: str = "reference"
    target_hash: str = salhw.target("reference").content_hash
    wafer: int = 0
    ids: tuple[int, ...] = (0,)
    content_hash: str = "0" * 64
    summary: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def maps(self, executable: salhw.Executable, ids: Any) -> dict[str, Map]:
        def each(path: str, scale: float, shift: float) -> Map:
            shape = (len(ids), *addresses(executable.source)[path].shape)
            return Map(np.full(shape, scale), np.full(shape, shift), np.full(shape, scale))

        return {WEIGHTS: each(WEIGHTS, 1.25, 0.0), BIAS: each(BIAS, 1.0, 0.5)}


def test_calibrated_sessions_take_the_descriptions_units_and_say_what_ends_at_a_limit() -> None:
    """The range is 1,000 of a bias. One of -999.9 needs -1000.4, which the chip has not: it does -999.5, which ``get``
    reads and the recording counts. 1,000.5, which a chip that holds 1,000 does, may be written; 1,001 may not."""
    target = salhw.target("reference")
    with salhw.compile(network(target), target, calibration=Corrections()).open(
        chips=target.sample_chips(1)
    ) as session:
        assert session.run(10.0).provenance["calibration_at_limits"] == {}
        assert session.get(BIAS).ravel() == pytest.approx([-1.0, -1.0])
        session.set(BIAS, [-999.9, 1000.5])
        assert session.get(BIAS).ravel() == pytest.approx([-999.5, 1000.5])
        assert session.run(10.0).provenance["calibration_at_limits"] == {BIAS: 1}
        for path in (BIAS, WEIGHTS):
            session.set(path, session.get(path))
        with pytest.raises(SessionError, match=r"populations\.n\.bias\[1\] = 1001: -1000\.\.1000\.5"):
            session.set(BIAS, [0.0, 1001.0])
