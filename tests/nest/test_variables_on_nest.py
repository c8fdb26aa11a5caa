"""Variable probes in NEST: on sources that are forced, all neurons have the same input as on the reference."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    LIF,
    AdEx,
    Exponential,
    Izhikevich,
    Network,
    Population,
    Projection,
    Rectangular,
    Source,
    SpikeTimes,
    UnsupportedNetworkError,
    Variable,
)

W, MIXED = [[0.1, 0.2], [0.3, 0.4]], [[0.1, -0.2], [-0.3, 0.4]]
FADING, JUMP = Exponential(tau_syn=5.0), Rectangular(tau_syn=0.5)
ADEX = AdEx(bias=1.5, tau_ref=2.0, b=0.2, tau_w=20.0)
NEURONS = {
    "s": Source(), "a": ADEX, "ac": ADEX, "l": LIF(bias=2.0, tau_ref=2.0, theta_plus=0.2, tau_theta=20.0),
    "i": Izhikevich(bias=10.0), "g": GLM(bias=-30.0, inputs={"x": 2.0}), "n": GLM(bias=-30.0, discretisation="exact"),
    "f": LIF(bias=0.5), "c": LIF(bias=0.5), "r": LIF(bias=0.5), "d": LIF(bias=0.5),
}  # fmt: skip
ONTO = {
    "pa": ("a", FADING, None), "p1": ("ac", FADING, 4.0), "p2": ("ac", FADING, -1.0), "pl": ("l", FADING, None),
    "pi": ("i", Rectangular(tau_syn=2.0), None), "pg": ("g", FADING, None), "pn": ("n", Rectangular(tau_syn=2.0), None),
    "pf": ("f", FADING, None), "c1": ("c", FADING, 4.0), "c2": ("c", FADING, -1.0), "c3": ("c", FADING, -1.0),
    "pr": ("r", Rectangular(tau_syn=2.0), None), "pd": ("d", JUMP, None),
}  # fmt: skip
EXACT = {
    "l": ["theta"], "i": ["u", "inputs"], "g": ["inputs"], "n": ["inputs"], "f": ["inputs"], "r": ["inputs"],
    "d": ["inputs"], "c": ["conductance", "conductance.c1"], "a": ["inputs"], "ac": ["conductance", "conductance.p1"],
}  # fmt: skip


def network(*probes: Variable) -> Network:
    return Network(
        name="n", dt=0.5, populations=[Population(name, 2, neuron) for name, neuron in NEURONS.items()],
        projections=[
            Projection(
                name, "s", post, W if e_rev else MIXED, kernel=kernel, delay=1.0, e_rev=e_rev,
                into="x" if post == "g" else None,
            )
            for name, (post, kernel, e_rev) in ONTO.items()
        ],
        stimuli=[SpikeTimes("s", [[1.0, 5.0, 5.5, 12.0], [3.0]])], probes=probes,
    )  # fmt: skip


def test_what_nest_records_is_what_the_reference_has() -> None:
    """To rounding in two runs, ends included; w of neurons whose equations NEST solves to what that makes of it."""
    probes = [Variable(name, of) for name, each in EXACT.items() for of in each]
    probes += [Variable("a", "w"), Variable("ac", "w", every=1.5, neurons=[1])]
    shown = {}
    for target in ("reference", "nest"):
        with salhw.compile(network(*probes), target).open(seed=1) as session:
            shown[target] = [session.run(duration).traces for duration in (10.0, 7.0)]
    for wanted, seen in zip(shown["reference"], shown["nest"], strict=True):
        for probe in probes:
            expected, measured = wanted[probe.label], seen[probe.label]
            assert measured.dims == expected.dims
            assert np.array_equal(measured.time, expected.time)
            # a spike's b fades for up to a step more: 1 - exp(-.5 / 20) of it, each time; and it may be a step away
            within = 2 * 0.2 * 0.025 if probe.of == "w" else 1e-9
            assert np.allclose(measured.values, expected.values, rtol=0, atol=within), probe.label
            assert np.ptp(expected.values) > 1e-3 or probe.label in ("i.inputs", "r.inputs", "n.inputs", "d.inputs")


def test_what_the_description_has_none_of_is_nothing() -> None:
    probes = [Variable("f", "theta"), Variable("f", "conductance"), Variable("c", "inputs"), Variable("c", "theta")]
    recorded = [salhw.run(network(*probes), target, duration=4.0, seed=1).traces for target in ("reference", "nest")]
    for probe in probes:
        assert [np.any(traces[probe.label]) for traces in recorded] == [False, False]
        assert recorded[0][probe.label].shape == recorded[1][probe.label].shape


@pytest.mark.parametrize(
    ("probe", "supported"),
    [
        (("g", "inputs.x"), "inputs, with their gains"),
        (("c", "conductance.c2"), "conductance.c1 of c, iaf_cond_exp"),
        (("l", "inputs"), "theta or conductance of l, gif_psc_exp"),
    ],
)
def test_what_nest_does_not_show_is_refused(probe: tuple[str, str], supported: str) -> None:
    with pytest.raises(UnsupportedNetworkError) as refused:
        salhw.compile(network(Variable(*probe)), "nest")
    (finding,) = refused.value.diagnostics
    assert (finding.code, finding.path, finding.asked) == ("SAL107", "probes[0]", f"of = {probe[1]}")
    assert supported in finding.supported
