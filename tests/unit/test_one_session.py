"""One session for all targets: what it reads and writes per synapse, what it refuses, and what it keeps of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peaks import peak_of

import salhw
from salhw import GLM, AllToAll, Dense, Exponential, Network, OneToOne, Population, Projection, SessionError, Sparse
from salhw.description.fields import FloatArray
from salhw.session.engine import Engine
from salhw.session.session import EngineSession

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin_example" / "src"))

import salhw_plain

TARGETS = ("reference", "nest", "brainscales2", "loihi2", "plain")
WEIGHTS = "projections.p.weights"
FORMS: dict[str, tuple[Any, list[tuple[int, int]]]] = {  # and the synapses (post, pre) in the description's order
    "Dense": (Dense(values=np.zeros((3, 2))), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]),
    "Sparse": (Sparse(post=[2, 0, 1], pre=[0, 1, 0], weight=[0.1, 0.2, 0.3]), [(2, 0), (0, 1), (1, 0)]),
    "OneToOne": (OneToOne(weight=0.1), [(0, 0), (1, 1), (2, 2)]),
    "AllToAll": (AllToAll(weight=0.1), [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]),
}


def compiled(name: str, net: Network) -> salhw.Executable:
    """For a target in a form that holds what it is given: no pattern, no rounding, no subprocess of Lava's."""
    if name == "plain":
        backend = salhw_plain.backend
        return salhw.compile(net, backend.targets()["plain"], plugin=backend)
    target = salhw.target(name)
    target = target.with_options(execution="in-process") if name == "loihi2" else target
    return salhw.compile(net, target.ideal())


def network(form: str = "Dense", **projection: Any) -> Network:
    weights, _ = FORMS[form]
    glm = GLM(bias=-1.0, tau_ref=10.0)
    pre = {"Dense": "two", "Sparse": "two"}.get(form, "three" if form == "AllToAll" else "other")
    return Network(
        "forms", 1.0,
        [Population("three", 3, glm), Population("two", 2, glm), Population("other", 3, glm)],
        [Projection("p", pre, "three", weights, kernel=Exponential(tau_syn=10.0), **projection)],
    )  # fmt: skip


def engine_order(form: str) -> list[int]:
    """Where each synapse is in the order of post, then pre."""
    synapses = FORMS[form][1]
    return [sorted(synapses).index(synapse) for synapse in synapses]


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_the_session_of_the_core(name: str) -> None:
    with compiled(name, network()).open() as session:
        assert type(session) is EngineSession
        missing = [member for member in vars(Engine) if member[0] != "_" and not hasattr(session.engine, member)]
        assert missing == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TARGETS)
def test_weights_per_synapse_are_in_the_order_of_the_description(name: str, form: str) -> None:
    """Whichever way they are written, each form reads them back, and the engine holds them at their synapses."""
    weights, synapses = FORMS[form]
    count = len(synapses)
    values = np.linspace(-0.5, 0.5, 2 * count).reshape(2, count)
    with compiled(name, network(form)).open(instances=2) as session:
        session.set(WEIGHTS, values, form="synapses")
        got = session.get(WEIGHTS, form="synapses")
        np.testing.assert_allclose(got, values, atol=0.01)  # floats of Lava; a step of nobody
        array = session.get(WEIGHTS)
        at = tuple(np.transpose(synapses)) if array.ndim == 3 else (np.arange(count),)
        np.testing.assert_array_equal(array[(slice(None), *at)], got)
        assert np.count_nonzero(array) == np.count_nonzero(got)
        address = session._addresses[WEIGHTS]  # type: ignore[attr-defined]
        held = session.engine.read(address)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(held[:, engine_order(form)], got)
        session.set(WEIGHTS, 0.0)
        session.set(WEIGHTS, array)
        np.testing.assert_array_equal(session.get(WEIGHTS, form="synapses"), got)
        session.set(WEIGHTS, 0.25, form="synapses")  # one number for all
        np.testing.assert_allclose(session.get(WEIGHTS, form="synapses"), 0.25, atol=0.01)
        assert weights.kind == form


@pytest.mark.parametrize("form", ["Dense", "Sparse", "AllToAll"])
def test_learning_rates_per_synapse_leave_the_diagonal_alone(form: str) -> None:
    net, path = network(form, plasticity=salhw.SAL(0.01)), "projections.p.plasticity.learning_rate"
    rates = np.linspace(0.1, 0.2, len(FORMS[form][1]))
    with compiled("reference", net).open() as session:
        session.set(path, rates, form="synapses")
        np.testing.assert_array_equal(session.get(path, form="synapses"), [rates])
        array: FloatArray = session.get(path)[0]
        if form == "AllToAll":
            np.testing.assert_array_equal(array.diagonal(), 0.01)  # as it was described; nothing is there
        if form == "Sparse":
            np.testing.assert_array_equal(array, rates)


@pytest.mark.parametrize("name", TARGETS)
def test_a_form_that_does_not_exist_is_refused(name: str) -> None:
    with compiled(name, network()).open() as session:
        for path, form in ((WEIGHTS, "dense"), (WEIGHTS, None), ("populations.three.bias", "synapses")):
            with pytest.raises(SessionError, match="SAL402") as caught:
                session.get(path, form=form)  # type: ignore[arg-type]
            assert caught.value.diagnostics[0].path == path
        with pytest.raises(SessionError, match=r"SAL403 projections\.p\.weights.*shape \(2, 3\)"):
            session.set(WEIGHTS, np.zeros((2, 3)), form="synapses")


@pytest.mark.parametrize("form", ["array", "synapses"])
@pytest.mark.parametrize("path", [WEIGHTS, "populations.three.bias", "projections.p.plasticity.learning_rate"])
@pytest.mark.parametrize("name", TARGETS)
def test_values_outside_the_declared_range_are_refused_alike(name: str, path: str, form: Any) -> None:
    """Before anything has changed, with one code, the path, and the range."""
    if path.startswith("populations") and form == "synapses":
        form = "array"
    rule = salhw.SAL(0.01, update="every 100 ms") if name == "brainscales2" else salhw.SAL(0.01, pairing="all")
    with compiled(name, network(plasticity=rule)).open() as session:
        before = session.get(path, form=form)
        for value in (1e9, -1e9):
            with pytest.raises(SessionError) as caught:
                session.set(path, value, form=form)
            (finding,) = caught.value.diagnostics
            assert (finding.code, finding.path, float(finding.asked)) == ("SAL403", path, value)
            assert ".." in finding.supported
            assert finding.fix.split()[1] in ("<=", ">=")
        np.testing.assert_array_equal(session.get(path, form=form), before)


@pytest.mark.parametrize("name", TARGETS)
def test_states_go_on_over_runs_however_short(name: str) -> None:
    """A run of one step still sees who is refractory since the run before the last."""
    still = GLM(bias=0.5, tau_ref=10.0)
    net = Network("states", 1.0, [Population("n", 2, still)], probes=[salhw.StateOccupancy("n"), salhw.Spikes("n")])
    with compiled(name, net).open(seed=3) as session:
        parts = [session.run(duration) for duration in (50.0, *[1.0] * 30)]
    spikes = np.concatenate([part.spikes["n"].time for part in parts])
    neuron = np.concatenate([part.spikes["n"].neuron for part in parts])
    for part in parts[1:]:
        state = sum(
            1 << k for k in (0, 1) if np.any((neuron == k) & (spikes <= part.start) & (spikes > part.start - 10))
        )
        assert part.occupancy_counts["n"][0, state] == 1


@pytest.mark.parametrize("name", TARGETS)
def test_an_interrupted_run_keeps_what_was_recorded(name: str) -> None:
    """The error has it, and the session goes on from there: together they are what one run records."""
    net = Network(
        "interrupted", 1.0, [Population("n", 3, GLM(bias=1.0, tau_ref=10.0)), Population("s", 2, salhw.Source())],
        [Projection("p", "s", "n", Dense(values=np.full((3, 2), 0.5)), kernel=Exponential(tau_syn=10.0))],
        stimuli=[salhw.Poisson("s", rate=50.0)],
        probes=[salhw.Spikes("n"), salhw.Spikes("s"), salhw.Weights("p", every=20.0), salhw.StateOccupancy("n")],
    )  # fmt: skip

    def stop(share: float) -> None:
        if share >= 0.4:
            raise KeyboardInterrupt

    with compiled(name, net).open(seed=3) as session:
        with pytest.raises(KeyboardInterrupt) as caught:
            session.run(100.0, progress=stop)
        kept = caught.value.recording  # type: ignore[attr-defined]
        assert kept.duration == session.time == 40.0
        assert kept.weight_traces["p"].time.tolist() == [0.0, 20.0, 40.0]
        rest = session.run(60.0)
    if name == "brainscales2":  # each run is a trial of its own
        assert rest.start == 40.0
        assert len(rest.spikes["s"]) > 0
        return
    with compiled(name, net).open(seed=3) as session:
        whole = session.run(100.0)
    for population in ("n", "s"):
        for part in ("time", "neuron"):
            both = [getattr(r.spikes[population], part) for r in (kept, rest)]
            np.testing.assert_array_equal(np.concatenate(both), getattr(whole.spikes[population], part))
    both = [r.occupancy_counts["n"] for r in (kept, rest)]
    np.testing.assert_array_equal(sum(both), whole.occupancy_counts["n"])


def test_a_session_of_another_kind_is_not_opened_with_a_calibration() -> None:
    """It would write what is described, where the executable says that it is corrected."""
    from test_calibrated import CHIPS, calibrated

    class Own(salhw_plain.PlainBackend):
        def open(self, executable: salhw.Executable, **about: Any) -> Any:
            class Session:
                closed = False

                def close(self) -> None:
                    self.closed = True

            opened.append(Session())
            return opened[-1]

    from dataclasses import replace

    opened: list[Any] = []
    with pytest.raises(
        salhw.CalibrationError, match="SAL811 calibration = 0123456789abcdef: none: sessions of the backe"
    ):
        replace(calibrated(), plugin=Own()).open(chips=CHIPS[:1])
    assert opened[0].closed


def test_no_dense_matrix_of_a_sparse_projection() -> None:
    """3,000 synapses between 20,000 neurons: a matrix of them would be 3.2 GB."""
    random, size = np.random.default_rng(1), 20_000
    pairs = random.choice(size * size, 3_000, replace=False)
    weights = Sparse(post=pairs // size, pre=pairs % size, weight=np.full(3_000, 0.1))
    net = Network(
        "sparse", 1.0, [Population("n", size, GLM(bias=-9.0, tau_ref=10.0)), Population("m", size, GLM(bias=-9.0))],
        [Projection("p", "n", "m", weights)], probes=[salhw.Weights("p", every=1.0)],
    )  # fmt: skip
    executable = salhw.compile(net, "reference")

    def used() -> None:
        with executable.open() as session:
            session.set(WEIGHTS, np.arange(3_000) / 3_000, form="synapses")
            assert session.run(2.0).weight_traces["p"].values.shape == (1, 3, 3_000)
            np.testing.assert_array_equal(session.get(WEIGHTS)[0], np.arange(3_000) / 3_000)

    _, peak = peak_of(used)
    assert peak < 2e8


def test_weights_that_are_no_numbers_any_more_are_an_error_and_not_silent() -> None:
    """Two spikes that add e^700 times 10^6 and take as much away make infinity, and then nothing that is a number."""
    traced = {"said": "membrane", "silent": "spikes"}
    learns = salhw.PredictiveRule("said", "silent", link="exponential", learning_rate=1e6)
    net = Network(
        name="beyond", dt=1.0,
        populations=[Population("s", 1, salhw.Source()), Population("n", 1, GLM(bias=800.0))],
        projections=[salhw.Projection("p", "s", "n", [[0.0]], plasticity=learns)],
        stimuli=[salhw.SpikeTimes("s", [[3.0, 5.0]])], probes=[salhw.Weights("p", every=10.0)],
        traces=[salhw.Trace(name, "n", of, salhw.Boxcar(1.0)) for name, of in traced.items()],
    )  # fmt: skip
    with salhw.compile(net, "reference").open() as session:
        session.run(3.0)
        assert session.get(WEIGHTS) == 0.0
        session.run(2.0)
        with pytest.raises(SessionError, match=r"SAL412 projections.p.weights = 1 of 1 no numbers any more"):
            session.get(WEIGHTS)
        with pytest.raises(SessionError, match="SAL412"):
            session.run(10.0)
        session.set(WEIGHTS, 0.5)
        assert session.get(WEIGHTS) == 0.5
