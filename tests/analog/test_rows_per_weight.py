"""Weights beyond one synapse's range take several rows: how many, what each holds, and what acts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from analog_examples import CHIP, IDEAL, QUIET, RATE, pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import salhw
from salhw import (
    LIF,
    SAL,
    Hebbian,
    Network,
    Population,
    Projection,
    Source,
    Spikes,
    SpikeTimes,
    UnsupportedNetworkError,
)
from salhw.description.connectivity import AllToAll, OneToOne
from salhw_brainscales2.circuit import circuit
from salhw_brainscales2.effective import effective_weights
from salhw_brainscales2.hardware.rows import ROWS_PER_WEIGHT, row_locations, split
from salhw_brainscales2.placement import rows
from salhw_brainscales2.plasticity import nominal_program
from salhw_calibration.calibration import unjudged

WEIGHTS = "projections.p.weights"


def placed(net: Network, target: salhw.Target = CHIP) -> Any:
    executable = salhw.compile(net, target)
    return rows(net, executable.target, executable.placement), executable


@given(st.integers(0, 3), st.lists(st.integers(-504, 504), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_rows_share_a_code_as_equally_as_whole_numbers_are(which: int, codes: list[int]) -> None:
    count = ROWS_PER_WEIGHT[which]
    code = np.clip(codes, -63 * count, 63 * count)
    shares = split(code, count)
    assert shares.sum(axis=0).tolist() == code.tolist()
    assert np.abs(shares).max() <= 63
    assert np.ptp(np.abs(shares), axis=0).max() <= 1
    assert not (shares * code < 0).any()


@pytest.mark.parametrize(("weight", "count"), [(2.52, 1), (2.53, 2), (5.04, 2), (5.1, 4), (10.2, 8), (20.16, 8)])
def test_a_projection_takes_the_rows_that_its_largest_weight_needs(weight: float, count: int) -> None:
    """A pair shares a row, background aside; what is counted is counted in the report as well."""
    for sign in (1.0, -1.0):
        found, executable = placed(pairs([sign * weight, 0.4], rule=None))
        assert (found.used, found.learning) == ((count + 1, 0), (0, 0))
        assert executable.report.used["synapses"] == 2 * count
        assert f"rows in use: {2 * (count + 1)} and 0 of 256" in str(executable.report)
        assert ("rows per weight" in str(executable.report)) == (count > 1)


def test_bounds_and_the_user_ask_for_rows_too() -> None:
    rule = SAL(RATE, update="every 900 ms", bounds=(-4.0, 0.5))
    assert placed(pairs([0.4, 0.2], rule=rule))[0].learning == (2, 0)
    assert placed(pairs([0.4, 0.2], rule=rule.replace(bounds=None)))[0].learning == (1, 0)
    wide = CHIP.with_options(rows_per_weight=3)
    found, executable = placed(pairs([0.4, 0.2], rule=rule), wide)
    assert found.learning == (4, 0)
    assert "projection p: 4 rows per weight, up to 10.08" in str(executable.report)
    named = CHIP.replace(synapses_per_weight={"p": 8})
    assert placed(pairs([0.4, 0.2], rule=None), named)[1].target.synapses_per_weight == {"p": 8}
    auto = salhw.compile(pairs([3.0, 0.2], rule=None), CHIP.with_options(weight_scale="auto"))
    assert "a weight code is 0.04, the range ends at 5.04" in str(auto.report)


def test_projections_take_rows_of_their_own_number_per_weight() -> None:
    """Two projections onto one population of four, all to all: three rows of one synapse, three of two each."""
    strong, weak = pairs([1.0] * 4, rule=None), AllToAll(weight=0.3)
    ends = {"pre": "n", "post": "n", "kernel": strong.projections[0].kernel}
    net = strong.replace(projections=[
        Projection(name="weak", weights=weak, plasticity=SAL(RATE, update="every 300 ms"), **ends),
        Projection(name="strong", weights=AllToAll(weight=-4.0), **ends),
    ])  # fmt: skip
    found, executable = placed(net)
    assert (found.used, found.learning) == ((3 + 2 * 3 + 1, 0), (3, 0))
    assert executable.target.synapses_per_weight == {"weak": 1, "strong": 2}
    assert executable.report.used["synapses"] == 12 + 24


def test_where_rows_run_out_the_network_is_refused() -> None:
    """40 inputs of 4 row pairs are 160, of 128; with weights within a row pair there is room."""

    def net(weight: float) -> Network:
        return Network(
            name="wide", dt=1.0, populations=[Population("x", 40, Source()), Population("n", 2, LIF())],
            projections=[Projection(name="p", pre="x", post="n", weights=AllToAll(weight=weight))],
        )  # fmt: skip

    with pytest.raises(UnsupportedNetworkError) as caught:
        salhw.compile(net(6.0), CHIP)
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.path, finding.asked.split()[0]) == ("SAL201", "projections.p", "320")
    assert "within 2.52" in finding.fix
    assert placed(net(2.52))[0].used == (40, 0)


def test_learning_weights_cost_the_processor_their_rows_and_hidden_bits() -> None:
    """28 us for each of 16 rows; 16 bits hold a code of 9 bits with its sign and 6 below it."""
    rule = SAL(RATE, update="every 100 ms", bounds=(-20.0, 20.0))
    executable = salhw.compile(pairs([0.4, 0.2], rule=rule), CHIP)
    assert executable.network.projections[0].plasticity[0].period == 500.0
    expected = {1: 8, 2: 8, 4: 7, 8: 6}
    for bound, (_, bits) in zip((2.5, 5.0, 10.0, 20.0), expected.items(), strict=True):
        exe = salhw.compile(pairs([0.4, 0.2], rule=rule.replace(bounds=(-bound, bound))), CHIP)
        program = nominal_program(exe.network, exe.target, exe.placement, "p", [0])
        assert (program.hidden_bits, program.high) == (bits, round(bound / 0.04))
        assert program.high << program.fraction < 2**15


@pytest.mark.parametrize("target", [CHIP, IDEAL], ids=["bits", "ideal"])
def test_a_session_writes_and_reads_the_whole_range(target: salhw.Target) -> None:
    executable = salhw.compile(pairs([20.16, -20.16], rule=None), target)
    with executable.open(instances=3) as session:
        for step in (0, 1, 62, 63, 64, 126, 127, 251, 252, 503, 504):
            session.set(WEIGHTS, [0.04 * step, -0.04 * step])
            assert session.get(WEIGHTS)[2] == pytest.approx([0.04 * step, -0.04 * step], abs=1e-9)
        with pytest.raises(salhw.SessionError, match=r"20\.2: -20\.16\.\.20\.16"):
            session.set(WEIGHTS, 20.2)
        session.run(20.0)
    with salhw.compile(pairs([2.53, 0.0], rule=None), target).open() as session:
        session.set(WEIGHTS, [5.04, -5.04])
        with pytest.raises(salhw.SessionError, match="5\\.04"):
            session.set(WEIGHTS, 5.08)


def test_every_row_has_the_mismatch_of_its_place() -> None:
    """The first synapse of a weight is the one that it would have alone; the mean of eight independent gains has the
    spread of one over sqrt(8) (Kolmogorov-Smirnov, p > 1e-4), whatever the weight, to what its shares leave."""
    spread = CHIP.with_noise(mismatch=False).with_variability({"weight": 0.07})
    chips, net = spread.sample_chips(100, seed=3), pairs(np.full(8, 20.0), rule=None)
    wide, alone = (salhw.compile(n, spread) for n in (net, pairs(np.full(8, 1.0), rule=None)))
    w, one = (circuit(e.network, e.target, e.placement, chips).wiring["p"] for e in (wide, alone))
    assert w.currents.shape == (8, 2, 100, 8)
    assert np.array_equal(w.currents[0], one.currents[0])
    gain = [effective_weights(wide, chips, "p", np.full((100, 8), x)) / x for x in (20.16, 3.2, 4.0)]
    assert stats.kstest((gain[0] - 1.0).ravel() / (0.07 / np.sqrt(8)), "norm").pvalue > 1e-4
    assert gain[1] == pytest.approx(gain[0], abs=1e-12)  # ten codes for each row
    assert (
        0.0 < np.abs(gain[2] - gain[0]).max() < 8 * 0.5 / 100 * 4 * 0.07
    )  # 12 or 13 codes for each, gains within 4 sd
    assert len(np.unique(row_locations(wide.placement.synapses(net, "p"), 8))) == 64
    assert effective_weights(alone, chips, "p", np.ones((100, 8))) == pytest.approx(
        one.currents[0, 0] / 1.4 / 0.97, rel=0.05
    )


def test_a_psp_is_as_large_as_its_weight_over_all_rows() -> None:
    """On the ideal chip neurons at growing distances from their thresholds get one spike: the distance that it bridges
    is twice as large for a weight of 4 as for 2, and four times for 8, to the distance between the neurons."""
    far, bridged = np.arange(0.01, 3.5, 0.01), {}
    for weight in (2.0, 4.0, 8.0):
        n = Population("n", len(far), LIF(bias=10.0 - far, tau_m=10.0, v_thresh=10.0))
        net = Network(
            name="far", dt=1.0, populations=[Population("x", 1, Source()), n],
            projections=[Projection("p", "x", "n", AllToAll(weight=weight), kernel=salhw.Exponential(tau_syn=5.0))],
            stimuli=[SpikeTimes("x", [[200.0]])], probes=[Spikes("n")],
        )  # fmt: skip
        with salhw.compile(net, IDEAL).open() as session:
            bridged[weight] = far[session.run(300.0).counts["n"][0] > 0].max()
    assert bridged[4.0] == pytest.approx(2 * bridged[2.0], abs=0.03)
    assert bridged[8.0] == pytest.approx(4 * bridged[2.0], abs=0.05)


def test_a_weight_learns_across_63_codes_and_back_as_it_does_below() -> None:
    """120 synapses from 2.4 and 120 from .4, on sensors with noisy reads, are driven up for 2.4 s and down for as long:
    means of the changes of both agree (two-sided z test, p > 1e-4 each way), and the first cross 2.52 twice."""
    size, up = 240, 20.0 + 30.0 * np.arange(80)
    trains = np.concatenate([up, up + 2403.0])  # pre before post, then post before pre
    delayed = np.concatenate([up + 3.0, up + 2400.0])
    rule = Hebbian(0.004, update="every 200 ms", pairing="nearest_restricted", bounds=(-5.0, 5.0))
    start = np.repeat([2.4, 0.4], size // 2)
    net = Network(
        name="across", dt=1.0, populations=[Population("x", size, Source()), Population("y", size, Source())],
        projections=[Projection("p", "x", "y", OneToOne(weight=start), plasticity=rule)],
        stimuli=[SpikeTimes("x", [trains] * size), SpikeTimes("y", [delayed] * size)],
    )  # fmt: skip
    noisy = QUIET.with_variability({"read_noise": 2.0})
    with salhw.compile(net, noisy).open(seed=2) as session:
        held = [start]
        for _ in range(2):
            session.run(2400.0)
            held.append(session.get(WEIGHTS)[0])
    for change, sign in zip(np.diff(held, axis=0), (1.0, -1.0), strict=True):
        high, low = change.reshape(2, -1)
        z = (high.mean() - low.mean()) / np.sqrt((high.var(ddof=1) + low.var(ddof=1)) / (size // 2))
        assert 2 * stats.norm.sf(abs(z)) > 1e-4
        assert sign * high.mean() > 0.15
    assert held[1][: size // 2].mean() > 2.54
    assert held[2][: size // 2].mean() < 2.5


def test_a_calibration_is_of_as_many_rows_as_it_was_measured_with() -> None:
    chips = CHIP.sample_chips(2)
    wide, narrow = (pairs([w, 0.1], rule=None) for w in (4.0, 1.0))
    known = unjudged(CHIP, salhw.compile(wide, CHIP), chips)
    assert salhw.compile(wide, CHIP, calibration=known).report.calibration is not None
    assert salhw.compile(narrow, CHIP.with_options(rows_per_weight=2)).placement.weights(narrow, "p").tolist() == (
        salhw.compile(wide, CHIP).placement.weights(wide, "p").tolist()
    )
    with pytest.raises(salhw.CalibrationError, match="SAL812"):
        salhw.compile(narrow, CHIP, calibration=known)
