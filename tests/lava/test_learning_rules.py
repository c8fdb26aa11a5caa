"""PairSTDP as sums of products: what is achieved, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lava_examples import LOIHI, QUICK, pairs

import salhw
from salhw import SAL, Diagnostic, ExponentialWindow, PairSTDP, UnsupportedNetworkError
from salhw_lava import backend
from salhw_lava.arithmetic import Arithmetic
from salhw_lava.learning import TRACE, impulses_on_a_trace, microcode

FIXED, FLOATING = Arithmetic(True, 64.0), Arithmetic(False)


def window(amplitude: float, tau: float = 10.0) -> ExponentialWindow:
    return ExponentialWindow(amplitude=amplitude, tau=tau)


@given(st.floats(0.002, 3.5), st.sampled_from([-1, 1]), st.floats(1.0, 4.0))
def test_impulses_are_fine_whatever_the_learning_rate(change: float, sign: int, room: float) -> None:
    """Half a step of an impulse of at least TRACE / room / 2, or of the smallest impulse with 2^-7."""
    code = microcode(sign * change, -sign * change, FIXED, (room, room))
    term = code.terms["y0*x1"]
    assert 1 <= term.impulse <= TRACE / room
    assert term.impulse == int(term.impulse)
    assert all(-7 <= exponent <= 7 and 1 <= mantissa <= 7 for mantissa, exponent in term.parts)
    assert len(term.parts) <= 2
    assert abs(code.achieved("y0*x1") - sign * change) <= max(0.5 / (TRACE / room // 2) * change, 2.0**-8 / 64)
    assert code.achieved("x0*y1") == -code.achieved("y0*x1")
    assert "y0*x2" not in code.terms  # opposite branches cancel in a coincidence
    again = microcode(code.achieved("y0*x1"), code.achieved("x0*y1"), FIXED, (room, room))
    assert again.achieved("y0*x1") == pytest.approx(code.achieved("y0*x1"), rel=1e-12)


@given(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_floating_point_achieves_what_is_asked_and_halves_coincidences(causal: float, anticausal: float) -> None:
    code = microcode(causal, anticausal, FLOATING, (1.0, 1.0))
    assert code.achieved("y0*x1") == pytest.approx(causal, abs=1e-300)
    assert code.achieved("x0*y1") == pytest.approx(anticausal, abs=1e-300)
    together = sum(code.achieved(product) for product in ("y0*x1", "x0*y1", "y0*x2"))
    assert together == pytest.approx((causal + anticausal) / 2, abs=1e-12)


@given(st.floats(0.05, 2.0), st.floats(1.0, 60.0))
def test_learning_rates_are_met_within_two_percent_however_many_spikes_share_a_trace(
    change: float, room: float
) -> None:
    """A factor of 6 bits is off by at most 1 / 64 of itself (half a step of 32); with the power of two alone, impulses
    of 7 bits shared by 60 spikes would be off by a third."""
    code = microcode(change, change / 3.0, FIXED, (room, room))
    for product, wanted in (("y0*x1", change), ("x0*y1", change / 3.0)):
        assert abs(code.achieved(product) / wanted - 1.0) <= max(1 / 64, 0.5 * 2.0**-7 / (64 * wanted) * 127 / room)
        assert code.impulse(product) * room <= TRACE + 1e-9


def test_the_microcode_of_sal() -> None:
    """The rule of the literature: dw = eta (x0 y1 - y0 x1), eta = impulse 2^exponent in steps of 1/64."""
    code = microcode(-0.03, 0.03, FIXED, (impulses_on_a_trace(10.0, 10.0),) * 2)
    assert code.dw == "-2^-5*y0*x1 + 2^-5*x0*y1"
    assert code.impulse("y0*x1") == 61.0  # 0.03 * 64 * 32 = 61.4, and 61 * 1.58 <= 127
    assert abs(code.achieved("x0*y1") - 61 / 32 / 64) < 1e-15


def refused(net: salhw.Network, **options: int) -> list[Diagnostic]:
    with pytest.raises(UnsupportedNetworkError) as caught:
        salhw.compile(net, LOIHI.with_options(**options), plugin=backend)
    return list(caught.value.diagnostics)


def with_projection(**fields: object) -> salhw.Network:
    net = pairs(1)
    return net.replace(projections=[net.projections[0].replace(**fields)])


RULE = SAL(learning_rate=0.03, tau=10.0, pairing="all")
WILD = PairSTDP(causal=window(-2.0), anticausal=window(2.0), pairing="all", learning_rate=3.0)
REFUSED = {
    "a delay": (with_projection(delay=2.0), {}, "SAL121", "delay of 2 ms"),
    "two rules": (with_projection(plasticity=(RULE, RULE)), {}, "SAL121", "2 rules"),
    "too small a rate": (with_projection(plasticity=SAL(1e-5, 10.0, pairing="all")), {}, "SAL121", "at least"),
    "too large a rate": (
        with_projection(plasticity=WILD), {}, "SAL121", "at most 3.98",
    ),
    "a window too long for a trace": (
        with_projection(plasticity=SAL(0.03, 5000.0, pairing="all")), {}, "SAL121", "on a trace",
    ),
    "an epoch longer than the refractory period": (
        with_projection(plasticity=SAL(0.03, 20.0, pairing="all")), {"epoch": 11}, "SAL121", "may spike every 10",
    ),
    "an epoch longer than the window": (
        with_projection(plasticity=SAL(0.03, 3.0, pairing="all")), {"epoch": 5}, "SAL121", "window of 3 ms",
    ),
    "nearest pairs": (with_projection(plasticity=SAL(0.03, 10.0)), {}, "SAL103", "all"),
    "a triangular window": (with_projection(plasticity=salhw.WakeSleep(0.03, 10.0)), {}, "SAL101", "Exponential"),
    "forced spikes of LIF neurons": (
        salhw.Network(
            name="n", dt=1.0, populations=[salhw.Population(name="a", size=1, neuron=salhw.LIF())],
            stimuli=[salhw.SpikeTimes("a", [[3.0]])],
        ),
        {}, "SAL101", "GLM, Source",
    ),
    "a membrane beyond 24 bits": (
        salhw.Network(
            name="n", dt=0.1,
            populations=[salhw.Population(name="a", size=1, neuron=salhw.LIF(tau_m=10000.0, v_thresh=5.0))],
        ),
        {}, "SAL104", "24 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_engine_cannot_do_is_refused(what: str) -> None:
    net, options, code, words = REFUSED[what]
    findings = refused(net, **options)
    assert code in {finding.code for finding in findings}
    assert words in " ".join(f"{finding.asked}: {finding.supported}" for finding in findings)
    assert all(finding.fix for finding in findings)


def test_the_report_says_what_is_achieved() -> None:
    report = salhw.compile(pairs(1), QUICK, plugin=backend).report
    by_code = {finding.code: finding for finding in report.approximations}
    assert set(by_code) == {"SAL312", "SAL313", "SAL314"}
    assert by_code["SAL312"].path == "projections.p.plasticity"
    assert "0.02979, off by at most 0.72%" in by_code["SAL312"].supported
    assert any("dw = -2^-5*y0*x1 + 2^-5*x0*y1; impulses x1 61, y1 61" in note for note in report.notes)
    ideal = salhw.compile(pairs(1), QUICK.ideal(), plugin=backend).report
    assert {finding.code for finding in ideal.approximations} == {"SAL313"}


@pytest.mark.parametrize("steps", [1, 4, 10])
def test_epochs_count_pairs_as_single_steps_do(steps: int) -> None:
    """In floating point the sum over a run is the same for any epoch within the shortest interval, if the weights do
    not act: forced spikes."""
    rng = np.random.default_rng(3)
    trains = [np.cumsum(rng.integers(10, 25, 20)).astype(float) for _ in range(2)]
    rule = PairSTDP(causal=window(-1.0, 12.0), anticausal=window(0.6, 15.0), pairing="all", learning_rate=0.1)
    net = pairs(1, rule=rule)
    silent = net.populations[0].replace(neuron=salhw.GLM(bias=-50.0, tau_ref=10.0))
    net = net.replace(populations=[silent], stimuli=[salhw.SpikeTimes("a", trains)])
    last = 520.0
    with salhw.compile(net, "reference").open() as session:
        session.run(last)
        expected = session.get("projections.p.weights")
    sources = net.replace(
        populations=[salhw.Population(name="a", size=2, neuron=salhw.Source())],
    )
    target = QUICK.ideal().with_options(epoch=steps)
    with salhw.compile(sources, target, plugin=backend).open() as session:
        session.run(last)
        found = session.get("projections.p.weights")
    assert np.abs(found - expected).max() < 1e-9
    notes = str(salhw.compile(sources, target, plugin=backend).report)
    assert bool(re.search("SAL315", notes)) == (steps > 1)
