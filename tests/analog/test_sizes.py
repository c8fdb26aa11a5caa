"""Sizes in the reports of ``brainscales2`` against what is measured, and its declared accuracy on networks."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest
from analog_examples import CHIP, IDEAL, QUIET, RATE, exponential, pairs
from network_accuracy import POINTS, compared, measured, point

import salhw
from salhw import (
    GLM,
    LIF,
    SAL,
    AllToAll,
    Exponential,
    Network,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
)
from salhw.diagnostics import Diagnostic
from salhw_brainscales2 import estimate
from salhw_brainscales2.estimate import rate_errors
from salhw_brainscales2.neurons import cells
from salhw_brainscales2.psp import psp


def named(net: Network, target: salhw.Target) -> dict[str, Diagnostic]:
    return {f.code: f for f in salhw.compile(net, target).report.approximations}


def test_sizes_are_worked_out_when_somebody_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is simulated to compile, to check or to open; once read, they are what they are."""
    whole, simulated = estimate._simulated, list[Network]()
    monkeypatch.setattr(estimate, "_simulated", lambda net: (simulated.append(net), whole(net))[1])
    monkeypatch.setattr(estimate, "_KNOWN", {})
    net = pairs([0.7, -0.2])
    assert salhw.problems(net, IDEAL) == []
    executable = salhw.compile(net, IDEAL)
    executable.open().close()
    assert simulated == []
    named = executable.report.approximations
    assert [finding.code for finding in named].count("SAL331") == 1
    assert named == tuple(named) == copy(named) == salhw.compile(net, IDEAL).report.approximations
    assert f"  approximated: {named[0]}" in str(executable.report)
    assert len(simulated) == 1


def drives(dt: float, rng: np.random.Generator) -> list[LIF]:
    """LIF neurons over the declared ranges, each with three constant drives above threshold and one below."""
    made = []
    for tau_m in (0.5, 3.0, 10.0, 60.0):
        reset, thresh = float(rng.uniform(-8, 0)), float(rng.uniform(1, 8))
        gap = thresh - reset
        rest = float(rng.uniform(reset, thresh))
        drive = thresh - rest + gap * np.array([0.1, 0.7, 5.0, -0.1])
        steps = int(rng.integers(1, max(2, min(40, int(32.0 / dt)))))
        made.append(LIF(bias=np.clip(drive, -20, 20), tau_m=tau_m, tau_ref=steps * dt, v_rest=rest, v_reset=reset,
                        v_thresh=thresh))  # fmt: skip
    return made


def expected_intervals(neuron: LIF, dt: float) -> np.ndarray:
    """Steps: tau_ref, and one less than it takes from reset to threshold, v(k) = I + (reset - I) exp(-k dt / tau_m);
    nan for a drive that does not reach it."""
    aim = neuron.v_rest + np.asarray(neuron.bias)
    with np.errstate(invalid="ignore", divide="ignore"):
        k = np.ceil(neuron.tau_m / dt * np.log((aim - neuron.v_reset) / (aim - neuron.v_thresh)) - 1e-9)
    return np.where(aim > neuron.v_thresh, neuron.tau_ref / dt - 1 + np.maximum(k, 1), np.nan)


def lif_network(dt: float, *, beside: bool) -> Network:
    """Populations of LIF neurons without input; ``beside`` a sampling neuron, which makes the ticks short."""
    neurons: list[LIF | GLM] = [*drives(dt, np.random.default_rng(round(1000 * dt)))] + ([GLM()] if beside else [])
    return Network(
        name="lif", dt=dt, probes=[Spikes(f"n{k}") for k in range(4)],
        populations=[Population(name=f"n{k}", size=4 if isinstance(n, LIF) else 1, neuron=n)
                     for k, n in enumerate(neurons)],
    )  # fmt: skip


@pytest.mark.parametrize("dt", [0.02, 0.1, 0.25, 1.0, 2.0])
def test_lif_neurons_without_input_keep_to_the_grid(dt: float) -> None:
    """Every interval is the description's to the step, whatever the time constants, and the report says so."""
    net = lif_network(dt, beside=False)
    executable = salhw.compile(net, QUIET)
    assert "nothing is approximated" in str(executable.report)
    with executable.open() as session:
        spikes = session.run(2000 * dt).spikes
    for k in range(4):
        wanted = expected_intervals(net.population(f"n{k}").neuron, dt)
        for neuron, interval in enumerate(wanted):
            steps = np.rint(spikes[f"n{k}"].times(neuron) / dt)
            assert set(np.diff(steps)) <= {interval}, (k, neuron)
            assert len(steps) > 1 or np.isnan(interval) or interval > 600


@pytest.mark.parametrize("dt", [0.4, 1.0, 2.0])
def test_what_ticks_do_to_intervals_is_named_with_its_size(dt: float) -> None:
    """Beside sampling neurons NEST's ticks are shorter than a step: mean intervals differ by no more than told, the
    worst one by that, to what one spike more or less in the run is worth."""
    net = lif_network(dt, beside=True)
    with salhw.compile(net, QUIET).open() as session:
        spikes = session.run(20_000.0).spikes
    told = {f.path: float(f.supported.split("up to ")[1].split(" of")[0])
            for f in salhw.compile(net, QUIET).report.approximations if f.code == "SAL336"}  # fmt: skip
    assert told
    for k in range(4):
        wanted = expected_intervals(net.population(f"n{k}").neuron, dt) * dt
        trains = [spikes[f"n{k}"].times(neuron) for neuron in np.flatnonzero(np.isfinite(wanted))]
        found = np.array([np.mean(np.diff(t)) for t in trains])
        grain = np.array([1.1 * dt / (t[-1] - t[0]) for t in trains])
        error, size = np.abs(found / wanted[np.isfinite(wanted)] - 1.0), told.get(f"populations.n{k}.neuron", 1e-9)
        assert (error <= 1.01 * size + 0.005 * size + grain + 1e-3 * (size > 1e-6)).all()
        assert error.max() >= 0.94 * size - grain.max()


def test_intervals_with_input_have_the_size_of_a_step() -> None:
    """Half of what a step has more than a tick, of a shortest interval of 5 ms: (1 - .2) / 2 / 5."""
    net = Network(
        name="lif", dt=1.0, populations=[Population(name="x", size=1, neuron=Source()),
                                         Population(name="n", size=1, neuron=LIF(tau_ref=5.0))],
        projections=[Projection(name="p", pre="x", post="n", weights=AllToAll(0.5), kernel=Exponential(tau_syn=5.0))],
    )  # fmt: skip
    assert cells(net)["n"].interval_error(1.0, 0.2, driven=True) == pytest.approx(0.08)
    assert "0.08" in named(net, QUIET)["SAL336"].supported


@pytest.mark.parametrize("dt", [0.02, 0.4, 2.0])
@pytest.mark.parametrize("tau", [0.3, 5.0, 30.0])
def test_a_psp_has_the_area_that_its_steps_add_up_to(tau: float, dt: float) -> None:
    for kernel in (Exponential(tau_syn=tau), Rectangular(tau_syn=20 * dt)):
        steps = round(60 * max(tau, dt) / dt) + 20
        assert psp(kernel).described_area(dt) == pytest.approx(dt * kernel.sample(dt, steps).sum(), rel=1e-9)


def test_written_biases_act_as_described_ones() -> None:
    """The strength of synapses goes with the bias of their neurons, when it is written as well: spike for spike."""

    def counts(described: float, written: float | None) -> np.ndarray:
        with salhw.compile(pairs([1.0, -1.5] * 4, bias=described, rule=None), QUIET).open(seed=3) as session:
            if written is not None:
                session.set("populations.n.bias", written)
            session.run(300.0)  # the lead-in was another's
            return np.asarray(session.run(3000.0).rates["n"].values)

    same, other = counts(-2.0, None), counts(0.5, -2.0)
    error = np.sqrt((same.var() + other.var()) / same.size + 1e-9)
    assert abs(same.mean() - other.mean()) < 4 * error


def test_rates_are_simulated_once_for_networks_that_share_them() -> None:
    """Rules and probes change no rate that is estimated; a bias does."""
    net = pairs([0.3, -0.2], bias=-0.7)
    (p,) = net.projections
    same = net.replace(name="other", projections=[p.replace(plasticity=())], probes=[])
    before = len(estimate._KNOWN)
    told = rate_errors(net)
    assert rate_errors(same) == told
    assert len(estimate._KNOWN) == before + 1
    assert rate_errors(pairs([0.3, -0.2], bias=-0.6)) != told
    assert len(estimate._KNOWN) == before + 2


def held(k: int, seconds: float, *, chips: int = 0) -> None:
    """The ideal chip is within what its report tells, both within the declared accuracy: three standard errors of the
    measurement are allowed for each of the hundred neurons, which fails a right one in 100 with a chance of .1."""
    net = point(k)
    wanted = measured(net, "reference", 4 * seconds, 1, instances=48)
    target = CHIP if chips else IDEAL
    opened = {"chips": CHIP.sample_chips(chips, seed=3)} if chips else {"instances": 48}
    found = compared(measured(net, target, seconds, 2, **opened), wanted)
    assert (np.abs(found.rate) - 3 * found.error <= target.accuracy["rate"]).all(), found
    assert found.states <= target.accuracy["state_total_variation"], found
    assert found.stdd <= target.accuracy["stdd_total_variation"], found
    if not chips:
        for name, here in (("a", slice(0, 3)), ("b", slice(3, 5))):
            if name in (told := rate_errors(net)):
                assert (found.rate[here] + 3 * found.error[here] >= told[name].lowest).all()
                assert (found.rate[here] - 3 * found.error[here] <= told[name].highest).all()


@pytest.mark.parametrize("k", [5, 18])
def test_two_networks_are_as_near_as_declared_and_told(k: int) -> None:
    held(k, 1.0)


@pytest.mark.slow  # minutes
@pytest.mark.parametrize("k", range(POINTS))
def test_twenty_networks_are_as_near_as_declared_and_told(k: int) -> None:
    held(k, 4.0)
    held(k, 4.0, chips=64)


def test_the_scatter_of_learning_is_what_the_report_says() -> None:
    """Silent neurons on chips with read noise alone: the standard deviation of a weight after 49 updates is seven times
    what the report says of one. 128 synapses on 2 chips: 4.4 % standard error; the limits are 5 of them."""
    target = CHIP.with_noise(mismatch=False, trial=False)
    target = target.with_variability({n: 0.0 for n in target.variability if n != "read_noise"})
    net = pairs(np.zeros(128), rule=SAL(4 * RATE, update="every 200 ms"), kernel=exponential())
    net = net.replace(populations=[net.populations[0].replace(neuron=LIF())])
    said = float(named(net, target)["SAL337"].supported.split("up to ")[1].split()[0])
    with salhw.compile(net, target).open(chips=target.sample_chips(2), seed=1) as session:
        session.run(9_800.0)
        found = session.get("projections.p.weights").std()
    assert found == pytest.approx(7 * said, rel=0.22)
    assert "SAL337" not in named(net, IDEAL)


def test_sensors_that_fill_up_are_named() -> None:
    """A branch holds 75 pairs of 2 LSB; neurons with a refractory period of 10 ms make 100 in 1000 ms at most."""
    finding = named(pairs([0.5, 0.4], rule=SAL(RATE, update="every 1000 ms")), IDEAL)["SAL338"]
    assert "75 pairs" in finding.supported
    assert "25%" in finding.supported
    assert finding.fix == 'update = "every 750 ms"'
    assert "SAL338" not in named(pairs([0.5, 0.4], rule=SAL(RATE, update="every 750 ms")), IDEAL)
