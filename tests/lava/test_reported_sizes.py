"""Fixed point: what the report says of an approximation is true, and what a word cannot hold is refused.

The right values are the description's: PSPs, membranes and spike probabilities as formulas, computed here.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from lava_examples import QUICK

import salhw
from salhw import (
    GLM,
    LIF,
    AllToAll,
    Exponential,
    ExponentialWindow,
    Membrane,
    Network,
    PairSTDP,
    Poisson,
    Population,
    Projection,
    Rectangular,
    SessionError,
    Source,
    Spikes,
    SpikeTimes,
)
from salhw.diagnostics import Diagnostic
from salhw.theory import rate_of_constant_input
from salhw_lava import with_weight_exponent
from salhw_lava.arithmetic import arithmetic
from salhw_lava.reach import reach
from salhw_lava.words import Leak, word


def one_psp(weight: float, dt: float, kernel: Any, cell: GLM | LIF) -> Network:
    """A neuron with one input, whose spike is at step 2: its PSP begins at step 3."""
    return Network(
        "psp", dt, [Population("a", 1, Source()), Population("n", 1, cell)],
        [Projection("an", "a", "n", [[weight]], kernel=kernel)], [SpikeTimes("a", [[2 * dt]])], [Membrane("n")],
    )  # fmt: skip


def trace(executable: salhw.Executable, steps: int) -> np.ndarray:
    with executable.open() as session:
        return session.run(steps * executable.network.dt).membrane_traces["n"].values[0, :, 0]


def finding(executable: salhw.Executable, path: str, code: str = "SAL314") -> Diagnostic:
    (found,) = (f for f in executable.report.approximations if (f.path, f.code) == (path, code))
    return found


def size(text: str, pattern: str) -> float:
    """The number that a report gives, where the pattern has NUMBER."""
    found = re.search(pattern.replace("NUMBER", r"([\d.]+(?:e[-+]?\d+)?)"), text)
    assert found, text
    return float(found[1])


@pytest.mark.parametrize(
    ("weight", "tau", "dt"),
    [(0.25, 50.0, 1.0), (1 / 32, 50.0, 1.0), (-1 / 32, 3.0, 0.1), (2.0, 400.0, 0.1), (-3.5, 0.7, 1.0), (1.0, 9e3, 5.0)],
)
def test_exponential_psps_are_within_what_is_reported(weight: float, tau: float, dt: float) -> None:
    """At age k dt a PSP is w exp(-k dt / tau). The largest deviation, of the peak (the value at age dt), is at most
    what the report says and the target declares (.02), for weights of one step, too; and so is the area's."""
    steps = round(min(1500.0, 6 * tau / dt + 4))
    executable = salhw.compile(one_psp(weight, dt, Exponential(tau_syn=tau), GLM(bias=-40.0, tau_ref=dt)), QUICK)
    seen = trace(executable, steps) + 40.0
    age = np.arange(steps) - 2.0
    wanted = np.where(age > 0, weight * np.exp(-age * dt / tau), 0.0)
    reported = size(finding(executable, "projections.an.kernel").supported, "off by at most NUMBER of the peak")
    off = np.abs(seen - wanted).max() / np.abs(wanted).max()
    assert off <= reported < QUICK.accuracy["membrane"]
    assert abs(seen.sum() / wanted.sum() - 1.0) < QUICK.accuracy["membrane"]


@pytest.mark.parametrize(
    ("tau_m", "dt", "drive"), [(1000.0, 1.0, -4.0), (10.0, 1.0, -90.0), (3000.0, 1.0, 0.9), (50.0, 0.05, -0.3)]
)
def test_membranes_do_not_saturate(tau_m: float, dt: float, drive: float) -> None:
    """v = drive (1 - exp(-t / tau_m)), t being the time at the end of a step; with tau_m = 1000 ms and a drive of -4 it
    is -3.63 after 2380 ms. Lava's scale for its membranes would end at -2. What is lost is at most a step of the drive,
    which the report names, and what another tau_m does: d exp(-d) of the drive at d = t / tau_m, times its error."""
    net = Network("slow", dt, [Population("n", 1, LIF(bias=drive, tau_m=tau_m, v_thresh=1.0))], probes=[Membrane("n")])
    executable = salhw.compile(net, QUICK)
    steps = 2380
    seen = trace(executable, steps)
    wanted = drive * -np.expm1(-np.arange(1, steps + 1) * dt / tau_m)
    text = finding(executable, "populations.n").supported
    lost, held = size(text, "in steps of NUMBER,"), size(text, "^NUMBER ms")
    moved = (
        size(str(executable.report), r"bias = .*moved by at most NUMBER") if "SAL311" in str(executable.report) else 0
    )
    assert np.abs(seen - wanted).max() <= lost + moved + abs(drive) * 0.37 * abs(held / tau_m - 1.0) * 1.01
    assert lost <= 0.02 * max(1.0, abs(drive))


@pytest.mark.parametrize(("count", "weight"), [(1000, 3.875), (1000, -3.875), (8000, -3.0)])
def test_inputs_that_come_together_do_not_wrap(count: int, weight: float) -> None:
    """N spikes at once raise u by N w for tau_syn, and v to N w (1 - exp(-k dt / tau_m)) in its k-th step: exactly in a
    GLM neuron, whose word of 24 bits goes to 131,072. A LIF neuron's does not hold a drive of -24,000 for ten
    steps of tau_m = 10 ms, and says so."""
    net = Network(
        "many", 1.0,
        [
            Population("a", count, Source()),
            Population("g", 1, GLM(bias=-50.0, tau_ref=2.0)),
            Population("l", 1, LIF(tau_m=10.0, v_thresh=90.0)),
        ],
        [
            Projection("ag", "a", "g", AllToAll(weight), kernel=Rectangular(10.0)),
            Projection("al", "a", "l", AllToAll(-abs(weight)), kernel=Rectangular(10.0)),
        ],
        [SpikeTimes("a", [[10.0]] * count)], [Membrane("g"), Membrane("l")],
    )  # fmt: skip
    if count * abs(weight) * 640 > 2**23:
        (found,) = salhw.problems(net, QUICK)
        assert (found.code, found.path) == ("SAL104", "populations.l.tau_m")
        assert salhw.problems(net.replace(populations=net.populations[:2], projections=net.projections[:1],
                                          probes=net.probes[:1]), QUICK) == []  # fmt: skip
        return
    executable = salhw.compile(net, QUICK)
    with executable.open() as session:
        traces = session.run(40.0).membrane_traces
    u, v = (traces[name].values[0, :, 0] for name in "gl")
    assert np.array_equal(u + 50.0, np.where((np.arange(40) >= 11) & (np.arange(40) < 21), count * weight, 0.0))
    share, wanted = -np.expm1(-0.1), np.zeros(40)
    for k in range(11, 40):
        wanted[k] = wanted[k - 1] * (1.0 - share) - (count * abs(weight) * share if k < 21 else 0.0)
    assert np.abs(v - wanted).max() <= 2e-3 * count * abs(weight)
    assert "Loihi 1 adds up to 512 (unverified" in str(executable.report)


@pytest.mark.parametrize(
    ("bias", "tau_ref", "dt"), [(-2.7, 20.0, 0.1), (-5.5, 40.0, 1.0), (-1.0, 400.0, 0.1), (1.7, 40.0, 1.0)]
)
def test_rare_spikes_are_as_many_as_described(bias: float, tau_ref: float, dt: float) -> None:
    """The rate of a neuron of constant bias is p / (1 + (r - 1) p) per step, r = tau_ref / dt and p the probability in
    a step, here down to 7e-5; 16 bits would be too coarse for all but the last. The count of 4000 neurons is within 4.5
    standard errors (Poisson's at most, chance 1e-5) and the declared rate error of what 2000 steps give; at the
    beginning no neuron is refractory, which adds at most p tau_ref spikes each before the rate settles."""
    count, steps, r = 4000, 2000, round(tau_ref / dt)
    net = Network("rare", dt, [Population("n", count, GLM(bias=bias, tau_ref=tau_ref))], probes=[Spikes("n")])
    executable = salhw.compile(net, QUICK)
    with executable.open(seed=6) as session:
        seen = float(session.run(steps * dt).counts["n"].sum())
    (rate,) = rate_of_constant_input(np.array([bias]), r, "logistic")
    settling = expected_early(float(np.exp(bias) / r / (1 + np.exp(bias) / r)), r, steps)
    wanted = count * settling
    assert abs(seen - wanted) <= 4.5 * np.sqrt(wanted) + QUICK.accuracy["rate"] * wanted
    assert abs(settling / (steps * float(rate)) - 1.0) < 0.5
    text = finding(executable, "populations.n").supported
    assert size(text, "off by at most NUMBER of itself") < 0.01
    assert size(text, "none below NUMBER") < 1e-11


def expected_early(p: float, r: int, steps: int) -> float:
    """The mean number of spikes in the first steps: the renewal equation, a neuron being free at the beginning."""
    free, spikes = np.zeros(steps + r), np.zeros(steps)
    free[0] = 1.0
    for k in range(steps):
        spikes[k] = p * free[k]
        back = spikes[k + 1 - r] if k + 1 >= r else 0.0
        free[k + 1] = free[k] - spikes[k] + back
    return float(spikes.sum())


@pytest.mark.parametrize(
    ("dt", "tau_ref", "rate", "share"), [(0.1, 1.0, 0.125, 0.5), (1.0, 10.0, 0.05, 1.0), (0.05, 2.0, 0.3, 1.0)]
)
def test_the_scatter_of_learning_is_named_and_true(dt: float, tau_ref: float, rate: float, share: float) -> None:
    """One pair half a time constant, or one, apart: over 2000 instances the mean of the change is rate exp(-share)
    within its standard error and the declared error of a window; its standard deviation is the reported one within 15 %
    (by chance alone 10 standard errors, which are 1 / sqrt(2 n)). That leaves room for the rounding of a weight, whose
    variance is given as the largest one where the traces scatter."""
    rule = PairSTDP(
        causal=ExponentialWindow(amplitude=1.0, tau=10.0), anticausal=ExponentialWindow(amplitude=-1.0, tau=10.0),
        pairing="all", learning_rate=rate,
    )  # fmt: skip
    cell, lag = GLM(bias=-30.0, tau_ref=tau_ref), round(share * 10.0 / dt)
    net = Network(
        "pair", dt, [Population("a", 1, cell), Population("n", 1, cell)],
        [Projection("an", "a", "n", [[0.5]], kernel=Rectangular(10.0), plasticity=rule)],
        [SpikeTimes("a", [[0.0]]), SpikeTimes("n", [[lag * dt]])],
    )  # fmt: skip
    executable = salhw.compile(net, QUICK)
    with executable.open(instances=2000, seed=4) as session:
        session.run((lag + 2) * dt)
        moved = session.get("projections.an.weights").ravel() - 0.5
    wanted = rate * np.exp(-share)
    assert abs(moved.mean() - wanted) < 4.5 * moved.std() / np.sqrt(2000) + QUICK.accuracy["window"] * wanted
    text = finding(executable, "projections.an.plasticity").supported
    pattern = "scatters by NUMBER% of itself" if share == 0.5 else r"in steps of 1/64\), by NUMBER% at one"
    assert moved.std() / wanted == pytest.approx(size(text, pattern) / 100.0, rel=0.15)


@pytest.mark.parametrize("target", [QUICK, QUICK.ideal()], ids=["fixed", "floating"])
def test_static_weights_that_are_written_during_a_psp_are_named(target: salhw.Target) -> None:
    """In the description the present weight scales PSPs that are under way; here they keep what they had, and the
    report says so of static projections, too: the size is what is written, until the PSP ends."""
    net = one_psp(1.0, 1.0, Rectangular(10.0), GLM(bias=-40.0, tau_ref=1.0))
    executable = salhw.compile(net, target)
    assert "session.set" in finding(executable, "projections.an", "SAL313").supported
    with executable.open() as session:
        session.run(5.0)
        session.set("projections.an.weights", [[2.0]])
        after = session.run(10.0).membrane_traces["n"].values[0, :, 0] + 40.0
    assert after.tolist() == [1.0] * 8 + [0.0] * 2


def test_what_is_written_must_fit_the_words() -> None:
    """A membrane with tau_m of 5000 steps holds a drive of up to 26 at least: a bias of -60 is refused before anything
    changes, with what would fit; so are weights with which inputs could take it there, and one of both that fits is not
    refused."""
    cell = LIF(bias=0.5, tau_m=5000.0)
    net = Network(
        "full", 1.0, [Population("a", 40, Source()), Population("n", 1, cell)],
        [Projection("an", "a", "n", AllToAll(0.03125), kernel=Rectangular(10.0))],
        [SpikeTimes("a", [[3.0]] * 40)], [Membrane("n")],
    )  # fmt: skip
    with salhw.compile(net, QUICK).open() as session:
        for path, value in (("populations.n.bias", -60.0), ("projections.an.weights", -3.5)):
            before = session.get(path)
            with pytest.raises(SessionError, match="24 bits") as caught:
                session.set(path, np.full(before.shape, value))
            assert caught.value.diagnostics[0].code == "SAL403"
            assert np.array_equal(session.get(path), before)
        session.set("populations.n.bias", -1.0)
        session.run(20.0)
    too_many = net.replace(projections=[net.projections[0].replace(weights=AllToAll(-3.5))])
    assert [f.code for f in salhw.problems(too_many, QUICK)] == ["SAL104"]


@pytest.mark.parametrize("exponent", [-4, 0, 4])
def test_potentials_have_room_for_twice_the_description(exponent: int) -> None:
    """Words leave a factor of two for what a session writes, while bits are left; with all weight exponents biases are
    held in steps of 1/64 or finer, so that rates keep their accuracy."""
    target = with_weight_exponent(QUICK, exponent)
    net = Network(
        "room", 1.0, [Population("a", 30, Source()), Population("g", 1, GLM(bias=0.4)), Population("l", 1, LIF())],
        [Projection(f"a{to}", "a", to, AllToAll(0.2), kernel=Exponential(20.0)) for to in "gl"],
        [Poisson("a", 20.0)], [Spikes("g")],
    )  # fmt: skip
    units = arithmetic(target)
    for name in "gl":
        held = word(net, net.population(name), units)
        assert held is not None
        assert held.beyond(np.array([0.8]), reach(net, name, units)) is None
        if isinstance(held, Leak):
            assert held.dv < 4096
            assert held.vth < 2**17
    executable = salhw.compile(net, target)
    with executable.open() as session:
        assert abs(session.get("populations.g.bias").item() - 0.4) <= 0.5 / 64
        assert abs(session.get("populations.l.bias").item()) <= 0.5 / 64
        session.run(50.0)
