"""Replay on the target loihi2: what fixed point may be off by is no more than is said, and wrong backends show."""

from __future__ import annotations

import numpy as np
import pytest
import wrong_lava
from hypothesis import given
from hypothesis import strategies as st
from lava_examples import MODELS, QUICK, everything, in_process

import salhw
from salhw import GLM, LIF, Network, PairSTDP, Population, Projection, SessionError, Source, SpikeTimes
from salhw.conformance.lab import Lab
from salhw.conformance.replay import alarms
from salhw.conformance.replay.surveying import examined
from salhw_lava import backend
from salhw_lava.arithmetic import Arithmetic
from salhw_lava.lif import fixed_leak

FIXED = in_process(MODELS["fixed"])


@pytest.mark.parametrize("seed", [2, 902, 951, 952])
def test_random_networks_do_what_their_spikes_imply(seed: int) -> None:
    case, _ = examined(Lab(backend, FIXED), seed)
    assert [str(d) for d in case.departures] + [str(d) for _, d in alarms(case.tested)] == []
    assert not case.flaw


@pytest.mark.parametrize(
    ("name", "seed", "kind"),
    [
        ("weights of the other sign", 902, "rate"),
        ("rectangular PSPs one step long", 952, "membrane"),
        ("refractory periods one step short", 901, "refractory period"),
        ("biases written nowhere", 902, "rate"),
        ("learning of the other sign", 952, "weights"),
        ("the engine's weights stand still", 952, "held"),
        ("the engine's learning is doubled", 952, "weights"),
        ("the host's weights stand still", 951, "held"),
    ],
)
def test_a_wrong_backend_shows_in_one_network(name: str, seed: int, kind: str) -> None:
    found = wrong_lava.caught(wrong_lava.MUTANTS[name], FIXED, [seed])
    assert found is not None
    assert kind in found[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", wrong_lava.MUTANTS)
def test_each_wrong_backend_shows_in_a_quick_profile(name: str) -> None:
    assert wrong_lava.caught(wrong_lava.MUTANTS[name], FIXED) is not None


def test_what_is_rounded_is_reported_within_what_is_declared() -> None:
    """Of potentials with 14 bits behind the point, half a step; of a rule with an impulse of 61 on a trace that has
    room for 1.6, at most 2 of 127 / 1.6."""
    report = salhw.compile(everything(), QUICK).report
    assert {path.split(".")[1] for path in report.rounding} == {"y", "z", "l", "zy", "yl"}
    potentials = [off for path, off in report.rounding.items() if path.startswith("populations")]
    assert 0.0 < min(potentials) < max(potentials) <= QUICK.accuracy["potential"]
    assert report.rounding["projections.zy"] == QUICK.accuracy["learned"] == 1 / 64
    assert 2 / 127 < report.rounding["projections.zy.plasticity"] < 0.1
    assert salhw.compile(everything(), QUICK.ideal()).report.rounding == {}


@given(st.floats(0.1, 1e4), st.floats(0.01, 10.0))
def test_leaks_are_as_exact_as_is_declared(tau_m: float, dt: float) -> None:
    leak = fixed_leak(LIF(tau_m=tau_m), dt, 12, Arithmetic(True, 64.0))
    assert leak.dv / 2**leak.leak_bits == pytest.approx(-np.expm1(-dt / tau_m), rel=QUICK.accuracy["leak"])


def taught(tau: float = 10.0) -> Network:
    """A spike of either side: the second neuron's five steps after the first's."""
    rule = PairSTDP(causal=salhw.ExponentialWindow(1.0, tau), anticausal=salhw.ExponentialWindow(1.0, tau),
                    pairing="all", learning_rate=0.5)  # fmt: skip
    return Network(
        name="taught", dt=1.0, populations=[Population("x", 2, Source())],
        projections=[Projection("p", "x", "x", [[0.0, 0.0], [1.0, 0.0]], plasticity=rule)],
        stimuli=[SpikeTimes("x", [[3.0], [8.0]])],
    )  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_a_written_learning_rate_counts_for_a_pair_that_has_begun(model: str) -> None:
    """As described, pairs count with the rate of the update: .125 exp(-1/2), whatever the rate was at the first spike;
    in fixed point within a step of the weight and what 5 steps and the write may do to a trace."""
    with salhw.compile(taught(), in_process(MODELS[model])).open(seed=1) as session:
        session.run(6.0)
        session.set("projections.p.plasticity.learning_rate", 0.125)
        session.run(6.0)
        change = session.get("projections.p.weights")[0, 1, 0] - 1.0
    off = 1e-9 if model == "floating" else 1 / 64 + 0.125 * 5.5 * 2 / 127
    assert change == pytest.approx(0.125 * np.exp(-0.5), abs=off)


def test_a_refused_gain_leaves_everything_as_it_was() -> None:
    """One projection could have it, the other not: gain, weights and what acts stay."""
    neuron = GLM(bias=-1.0, inputs={"a": 1.0})
    net = Network(
        name="gains", dt=1.0, populations=[Population("x", 2, Source()), Population("n", 2, neuron)],
        projections=[
            Projection("small", "x", "n", [[0.5, -0.25], [0.5, 0.5]], into="a"),
            Projection("learns", "x", "n", [[0.5, 0.5], [0.5, 0.5]], into="a",
                       plasticity=taught().projections[0].plasticity),
        ],
        probes=[salhw.Membrane("n")], stimuli=[SpikeTimes("x", [[2.0], [2.0]])],
    )  # fmt: skip
    paths = ("populations.n.inputs.a", "projections.small.weights", "projections.learns.weights",
             "projections.learns.plasticity.learning_rate")  # fmt: skip
    with salhw.compile(net, FIXED).open(instances=2, seed=1) as session, salhw.compile(net, FIXED).open(
        instances=2, seed=1
    ) as other:  # fmt: skip
        before = {path: session.get(path) for path in paths}
        with pytest.raises(SessionError, match="SAL403"):
            session.set("populations.n.inputs.a", [0.5, 0.25])  # one learning rate for all instances
        assert all(np.array_equal(session.get(path), value) for path, value in before.items())
        runs = [each.run(6.0).membrane_traces["n"].values for each in (session, other)]
    assert np.array_equal(*runs)
