"""Short-term plasticity by emulated synapse drivers: depression, in codes, one source and one setting per row pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analog_examples import CHIP, IDEAL, QUIET
from hypothesis import given, settings
from hypothesis import strategies as st

import salhw
from salhw import (
    LIF,
    Exponential,
    Network,
    Population,
    Projection,
    Source,
    Spikes,
    SpikeTimes,
    TsodyksMarkram,
    UnsupportedNetworkError,
)
from salhw.compiler.pipeline import problems
from salhw.description.connectivity import AllToAll
from salhw_brainscales2.circuit import circuit
from salhw_brainscales2.placement import rows
from salhw_brainscales2.script import export
from salhw_brainscales2.short_term import FASTEST, SLOWEST, Depression

DEPRESSED = TsodyksMarkram(U=0.5, tau_rec=100.0)
BANK = 40


def network(*behind: TsodyksMarkram | None, weight: float = 1.2, sources: int = 2) -> Network:
    """A projection for each setting, from sources that spike every 40 ms onto neurons at graded biases."""
    neuron = LIF(bias=np.linspace(0.2, 0.98, BANK), tau_ref=5.0)
    return Network(
        name="depressed", dt=0.5,
        populations=[Population(name="x", size=sources, neuron=Source()),
                     Population(name="n", size=BANK, neuron=neuron)],
        projections=[Projection(name=f"p{k}", pre="x", post="n", weights=AllToAll(weight=weight),
                                kernel=Exponential(tau_syn=5.0), short_term=each) for k, each in enumerate(behind)],
        stimuli=[SpikeTimes("x", times=[np.arange(10.0, 400.0, 40.0)] * sources)], probes=[Spikes("n")],
    )  # fmt: skip


def counted(net: Network, target: Any, chips: Any = None) -> Any:
    with salhw.compile(net, target).open(seed=1, **({"chips": chips} if chips else {})) as session:
        return np.asarray(session.run(400.0).counts["n"], dtype=np.float64)


def test_the_ideal_chip_depresses_as_the_reference_does() -> None:
    """PSPs are as high to a fiftieth; without depression twice as many neurons of the bank would spike."""
    ideal, reference = (counted(network(DEPRESSED), t).sum() for t in (IDEAL, "reference"))
    assert abs(ideal / reference - 1.0) < 0.05
    assert counted(network(None), IDEAL).sum() > 1.5 * reference


@settings(max_examples=50, deadline=None)
@given(st.floats(0.0625, 0.9375), st.floats(FASTEST, SLOWEST))
def test_codes_are_near_and_their_size_is_told(utilisation: float, recovery: float) -> None:
    """Half a sixteenth, and half the ratio of neighbouring times; a setting of the codes is itself."""
    held = Depression(TsodyksMarkram(U=utilisation, tau_rec=recovery)).held()
    assert abs(held.U - utilisation) <= 1 / 32 + 1e-12
    assert abs(np.log(held.tau_rec / recovery)) <= 0.5 * np.log(SLOWEST / FASTEST) / 15 + 1e-3
    assert Depression(held).held() == held


def test_a_rounded_setting_is_named_with_its_size() -> None:
    (finding,) = [f for f in salhw.compile(network(DEPRESSED), CHIP).report.approximations if f.code == "SAL339"]
    assert finding.path == "projections.p0.short_term"
    assert "U = 0.5, tau_rec = 107.722 ms" in finding.supported
    assert finding.supported.endswith("off by up to 0.071 of themselves")
    assert "SAL339" not in {f.code for f in salhw.compile(network(DEPRESSED), IDEAL).report.approximations}


def test_a_row_pair_has_one_source_and_one_setting() -> None:
    other = TsodyksMarkram(U=0.25, tau_rec=100.0)

    def used(*behind: TsodyksMarkram | None) -> int:
        executable = salhw.compile(network(*behind, sources=3), CHIP)
        return max(rows(executable.network, executable.target, executable.placement).used)

    assert used(None) == 3  # each of these neurons has three inputs of its own
    assert used(None, None) == 6
    assert used(DEPRESSED, other, DEPRESSED) == 9
    executable = salhw.compile(network(DEPRESSED, other, None, sources=3), CHIP)
    driver = rows(executable.network, executable.target, executable.placement).driver
    sets = [set(driver[name].tolist()) for name in ("p0", "p1", "p2")]
    assert [len(each) for each in sets] == [3, 3, 3]
    assert len(set.union(*sets)) == 9


def test_each_driver_has_a_pattern_of_its_own_that_its_synapses_share() -> None:
    executable = salhw.compile(network(DEPRESSED, sources=3), CHIP)
    chips = CHIP.sample_chips(50, seed=1)
    plan = circuit(executable.network, executable.target, executable.placement, chips).plan
    (synapses,) = [s for s in plan.synapses if s.model == "tsodyks2_synapse"]
    made = np.asarray(synapses.parameters["U"]).reshape(50, -1), synapses.pre.reshape(50, -1) % 3
    for source in range(3):
        each = made[0][made[1] == source].reshape(50, BANK)
        assert (each == each[:, :1]).all()
        assert np.log(each[:, 0] / 0.5).std() == pytest.approx(0.18, rel=0.35)
    only = QUIET.with_variability({"utilisation": 0.5})
    spread = counted(network(DEPRESSED), only, only.sample_chips(4, seed=1))
    assert np.ptp(spread.sum(axis=1)) > 0.0


def test_what_a_driver_cannot_do_is_refused_with_a_fix_that_works() -> None:
    facilitating = TsodyksMarkram(U=0.5, tau_rec=100.0, tau_facil=30.0)
    (finding,) = problems(network(facilitating), QUIET)
    assert finding.path == "projections.p0.short_term.tau_facil"
    assert not problems(network(facilitating.replace(tau_facil=0.0)), QUIET)
    (finding,) = problems(network(DEPRESSED, weight=4.0), QUIET)
    assert (finding.code, finding.path, finding.asked) == ("SAL107", "projections.p0.weights", "2 row pairs")
    assert finding.fix == "weights <= 2.52"
    assert not problems(network(DEPRESSED, weight=2.52), QUIET)
    (finding,) = problems(network(DEPRESSED, weight=-4.0), QUIET)
    assert finding.fix == "weights >= -2.52"
    fitted = salhw.compile(network(DEPRESSED, weight=-4.0), QUIET, fit=True)
    assert float(np.min(fitted.network.projections[0].weights.weight)) == -2.52
    (finding,) = problems(network(DEPRESSED), QUIET.with_options(rows_per_weight=2))
    assert finding.fix == "bounds within 2.52, and rows_per_weight = 1"


def test_an_export_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedNetworkError) as error:
        export(salhw.compile(network(DEPRESSED), CHIP), tmp_path, duration=100.0, seed=1)
    assert "projections.p0.short_term" in [f.path for f in error.value.diagnostics]
