"""What the analog chip refuses, what it names, and what it occupies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from analog_examples import CHIP, QUIET, RATE, pairs

import salhw
from salhw import (
    GLM,
    LIF,
    SAL,
    AllToAll,
    Exponential,
    Hebbian,
    Network,
    Population,
    Projection,
    Rectangular,
    Source,
    UnsupportedNetworkError,
)
from salhw.compiler.place import place
from salhw.diagnostics import Diagnostic
from salhw_brainscales2.codes import code
from salhw_brainscales2.leaky import IntegratingCell
from salhw_brainscales2.neurons import SamplingCell
from salhw_brainscales2.placement import rows
from salhw_brainscales2.sizes import psp_error

W = [0.5, 0.4]


def recurrent(size: int, rule: Any = None, population: int | None = None) -> Network:
    """``size`` neurons, each connected to all others; at the end of a population of silent ones."""
    return Network(
        name="all", dt=1.0, populations=[Population(name="n", size=size, neuron=GLM(bias=0.0))],
        projections=[Projection(name="p", pre="n", post="n", weights=AllToAll(weight=0.2), plasticity=rule)],
    )  # fmt: skip


def refused(net: Network, target: salhw.Target = CHIP) -> list[tuple[str, str]]:
    with pytest.raises(UnsupportedNetworkError) as caught:
        salhw.compile(net, target)
    return [(f.code, f.path) for f in caught.value.diagnostics]


def named(net: Network, target: salhw.Target = CHIP) -> dict[str, Diagnostic]:
    return {f.code: f for f in salhw.compile(net, target).report.approximations}


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (pairs([20.2, 0.0]), [("SAL104", "projections.p.weights[0]")]),
        (pairs(W, rule=SAL(0.1, update="every 200 ms")), [("SAL104", "projections.p.plasticity.learning_rate")]),
        (pairs(W, rule=SAL(RATE)), [("SAL101", "projections.p.plasticity.update")]),
        (pairs(W, rule=Hebbian(RATE, update="every 200 ms")), [("SAL103", "projections.p.plasticity.pairing")]),
        (pairs(W, rule=SAL(RATE, tau=40.0, update="every 200 ms")),
         [("SAL104", f"projections.p.plasticity.{b}.tau") for b in ("causal", "anticausal")]),
        (pairs(W, kernel=Rectangular(tau_syn=20.0)), [("SAL104", "projections.p.kernel.tau_syn")]),
        (pairs(W, bias=3.0), [("SAL104", "populations.n.bias")]),
        (pairs(np.zeros(514)), [("SAL201", "populations.n")]),
        (recurrent(200), [("SAL201", "projections.p")]),
        (pairs(W).replace(projections=[pairs(W).projections[0].replace(delay=1.0)]),
         [("SAL102", "projections.p.delay")]),
        (pairs(W).replace(projections=[
            pairs(W).projections[0].replace(plasticity=[SAL(RATE, update="every 200 ms")] * 2)]),
         [("SAL107", "projections.p.plasticity[1]")]),
        (Network(name="lif", dt=1.0, populations=[Population(name="n", size=2, neuron=LIF(v_rest=3.0))]),
         [("SAL104", "populations.n.v_rest")]),
    ],
)  # fmt: skip
def test_what_the_chip_cannot_hold_is_refused(net: Network, expected: list[tuple[str, str]]) -> None:
    assert refused(net) == expected


def test_synaptic_inputs_of_lif_neurons_have_one_time_constant() -> None:
    """A rectangular PSP of 10 ms and an exponential one of 5 ms go together, one of 4 ms does not."""

    def net(tau: float) -> Network:
        ends = {"pre": "x", "post": "n", "weights": AllToAll(weight=0.5)}
        return Network(
            name="lif", dt=1.0, populations=[Population(name="x", size=1, neuron=Source()),
                                             Population(name="n", size=2, neuron=LIF())],
            projections=[Projection(name="a", kernel=Rectangular(tau_syn=10.0), **ends),
                         Projection(name="b", kernel=Exponential(tau_syn=tau), **ends)],
        )  # fmt: skip

    assert set(named(net(5.0))) == {"SAL313", "SAL332", "SAL301", "SAL336"}
    assert refused(net(4.0)) == [("SAL107", "projections.b.kernel")]


def test_approximations_have_names_and_sizes() -> None:
    found = named(pairs([0.51, 0.4]))
    assert set(found) == {"SAL331", "SAL332", "SAL301", "SAL337", "SAL313"}
    assert "0.25 lies elsewhere" in found["SAL332"].supported
    assert "at most 0.01," in found["SAL301"].supported
    many = named(pairs(np.zeros(102)))["SAL333"]
    assert many.asked == "1.02 million background events per s"
    assert "SAL333" not in named(pairs(np.zeros(100)))
    assert "SAL324" in named(pairs(W).replace(stimuli=[salhw.SpikeTimes("n", [[5.0], [7.0]])]))


def test_a_psp_error_is_the_area_that_lies_elsewhere() -> None:
    """A rectangle of 10 ms against exp(-t / 5), area by area: they cross at t = 5 ln 2 and t = 10 (LIF); for the GLM
    neuron's double exponential by quadrature."""
    kernel = pairs(W).projections[0].kernel
    crossing = 5 * np.log(2)
    assert psp_error(IntegratingCell(LIF()), kernel, 1e-2, 1e-4) == pytest.approx(
        1 - np.exp(-crossing / 5) - crossing / 10 + np.exp(-2), abs=2e-3
    )
    t = np.arange(0.0005, 100.0, 0.001)
    made = (np.exp(-t / 5) - np.exp(-t)) / 4.0
    error = 0.5 * np.abs(made - (t < 10) / 10).sum() * 0.001
    assert psp_error(SamplingCell(GLM()), kernel, 1e-2, 1e-4) == pytest.approx(error, abs=2e-3)


def test_a_period_that_is_too_short_is_lengthened_to_what_the_processor_needs() -> None:
    assert refused(pairs(W, rule=SAL(RATE, update="every 55 ms"))) == [("SAL104", "projections.p.plasticity.update")]
    assert "SAL334" not in named(pairs(W, rule=SAL(RATE, update="every 56 ms")))  # 2 rows of 28 us
    wide = salhw.compile(recurrent(8, SAL(RATE, update="every 100 ms")), CHIP)
    assert wide.network.projections[0].plasticity[0].update == "every 400 ms"  # 14 rows: 392 ms
    assert "SAL203" in named(recurrent(10, SAL(RATE, update="every 600 ms")))  # 9 rows of 1,280 bytes: above 10,240
    (finding,) = [f for f in wide.report.approximations if f.code == "SAL334"]
    assert (finding.path, finding.asked) == ("projections.p.plasticity.update", "every 100 ms")


def test_both_branches_get_one_time_constant() -> None:
    rule = SAL(RATE, update="every 200 ms")
    net = pairs(W, rule=rule.replace(causal=rule.causal.replace(tau=5.0), anticausal=rule.anticausal.replace(tau=20.0)))
    executable = salhw.compile(net, CHIP)
    (lowered,) = executable.network.projections[0].plasticity
    assert (lowered.causal.tau, lowered.anticausal.tau) == (10.0, 10.0)
    sizes = [f.supported for f in executable.report.approximations if f.code == "SAL335"]
    assert len(sizes) == 2
    assert "factor of 2 " in sizes[0]


def test_rows_are_counted_by_hemisphere() -> None:
    def placed(net: Network) -> Any:
        return rows(net, CHIP, place(net, CHIP)[0])

    few = placed(pairs(np.zeros(32)))
    assert (few.used, few.learning, few.background) == ((4, 0), (1, 0), (3, 0))  # 320 events per ms, 125 per driver
    both = placed(pairs(np.zeros(320)))
    assert both.learning == (4, 1)  # 256 and 64 sources, 64 labels per row
    assert both.background == (21, 6)
    assert placed(recurrent(100, SAL(RATE, update="every 200 ms"))).learning == (99, 0)


def test_the_report_tells_hardware_time_and_updates_per_second() -> None:
    notes = " ".join(salhw.compile(pairs(W), CHIP).report.notes)
    assert "1 s of biological time takes 1 ms" in notes
    assert "5 updates per s of biological time, 5 thousand per s of hardware time" in notes
    assert "busy for 28% of it" in notes


def test_a_renamed_copy_is_still_an_analog_chip() -> None:
    copy = CHIP.replace(name="mine").with_noise(mismatch=False)
    assert {f.code for f in salhw.compile(pairs(W), copy).report.approximations} >= {"SAL331"}
    with salhw.compile(pairs(W), copy).open(chips=copy.sample_chips(1)) as session:
        assert session.run(20.0).provenance["hardware_time_ms"] == pytest.approx(0.02)


def test_the_weight_of_a_code_goes_with_the_projection_where_asked() -> None:
    """.5 fits 63 codes of .01; bounds and learning rates need room as well; without bounds a rule keeps all of it."""
    auto = CHIP.with_options(weight_scale="auto")

    def step(net: Network, target: salhw.Target = auto) -> float:
        return code(salhw.compile(net, target).target.scaled_for("p"))

    still, slow = pairs(W, rule=None), SAL(RATE / 8, update="every 200 ms", bounds=(-0.3, 0.6))
    assert step(still, CHIP) == pytest.approx(0.04)
    assert step(still) == step(pairs(W, rule=slow)) == pytest.approx(0.01)
    assert step(pairs(W, rule=slow.replace(learning_rate=0.03))) == pytest.approx(0.02)
    assert step(pairs(W, rule=slow.replace(bounds=None))) == pytest.approx(0.04)
    assert step(pairs([0.3, 0.1], rule=None)) == pytest.approx(0.005)
    executable = salhw.compile(still, auto)
    assert "p: a weight code is 0.01, the range ends at 0.63" in str(executable.report)
    with executable.open() as session:
        session.set("projections.p.weights", [0.123, 0.63])
        assert session.get("projections.p.weights")[0] == pytest.approx([0.12, 0.63])
        with pytest.raises(salhw.SessionError, match=r"weights\[1\] = 0\.9: -0\.63\.\.0\.63"):
            session.set("projections.p.weights", [0.123, 0.9])


def test_projections_onto_one_population_share_their_scale() -> None:
    """The largest weight onto a population decides, and weights are rounded to what it leaves."""
    auto = CHIP.with_options(weight_scale="auto")
    neuron, largest = GLM(bias=0.0, tau_ref=10.0), {("a", "a"): 0.12, ("b", "a"): 0.55, ("a", "b"): 2.0}
    net = Network(
        name="two", dt=1.0, populations=[Population(name=name, size=2, neuron=neuron) for name in "ab"],
        projections=[
            Projection(
                name=f"{pre}{post}", pre=pre, post=post, weights=[[0.0, w], [w / 3, 0.0]],
                kernel=Rectangular(tau_syn=10.0),
            )
            for (pre, post), w in largest.items()
        ],
    )  # fmt: skip
    executable = salhw.compile(net, auto)
    steps = {p.name: code(executable.target.scaled_for(p.name)) for p in net.projections}
    assert steps == pytest.approx({"aa": 0.01, "ba": 0.01, "ab": 0.04})
    for name, step in steps.items():
        held = executable.network.projection(name).weights.values
        assert held / step == pytest.approx(np.rint(held / step))
    assert executable.network.projection("aa").weights.values[0, 1] == pytest.approx(0.12)


def test_finer_codes_learn_the_same() -> None:
    """SAL on eight pairs for 10 s, codes of .04 and of .01: the mean gaps that are left agree within 4 standard errors
    (p < 1e-4), and the finer weights lie between the coarser codes."""
    rule = SAL(RATE, update="every 200 ms", bounds=(-0.6, 0.6))
    left = []
    for target in (QUIET, QUIET.with_options(weight_scale="auto")):
        with salhw.compile(pairs([0.6, 0.0] * 8, rule=rule), target).open(instances=4, seed=1) as session:
            session.run(10_000.0)
            w = session.get("projections.p.weights")
        left.append((w[:, 0::2] - w[:, 1::2]).ravel())
    error = np.sqrt(sum(gap.var(ddof=1) / gap.size for gap in left))
    assert abs(left[0].mean() - left[1].mean()) < 4 * error
    assert left[1].mean() < 0.5
    assert len(np.unique(np.rint(w / 0.01) % 4)) == 4
