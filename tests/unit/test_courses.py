"""Stimuli that change in time: what is described, and what the reference and its sessions make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import salhw
from salhw import (
    GLM,
    LIF,
    Current,
    DescriptionError,
    Membrane,
    Network,
    NoisyCurrent,
    Poisson,
    Population,
    Source,
    Spikes,
)
from salhw.compiler.check import check

ALGORITHMS = ("event-driven", "time-driven", "vectorised")


def sources(size: int, *stimuli: Poisson) -> Network:
    """Sources in steps of .5 ms."""
    return Network(
        name="n", dt=0.5, populations=[Population(name="x", size=size, neuron=Source())],
        stimuli=stimuli, probes=[Spikes("x")],
    )  # fmt: skip


def counts(recording: salhw.Recording, steps: int) -> Any:
    """Spikes of all sources at each step."""
    return np.bincount(np.rint(recording.spikes["x"].time / 0.5).astype(int), minlength=steps)


@pytest.mark.parametrize(
    ("stimulus", "path", "code", "fix"),
    [
        ({"rate": [[1.0, 2.0]]}, "rate", "SAL003", "give every"),
        ({"rate": [], "every": 1.0}, "rate", "SAL003", "leave it out"),
        ({"rate": [[1.0], [-1.0]], "every": 1.0}, "rate[1][0]", "SAL005", "never negative"),
        ({"rate": [1.0, 2.0], "every": 0.0}, "every", "SAL005", ""),
        ({"rate": [1.0, 2.0], "every": 1.2}, "stimuli[0].every", "SAL008", "choose 1 or 1.5 ms"),
        ({"rate": [[1.0, 2.0]], "every": 1.0}, "stimuli[0].rate", "SAL003", "one per neuron"),
        ({"rate": [1.0, 2.0]}, "stimuli[0].rate", "SAL003", "one per neuron"),
    ],
)
def test_what_is_no_course_is_refused_with_its_path_and_a_fix(
    stimulus: dict[str, Any], path: str, code: str, fix: str
) -> None:
    with pytest.raises(DescriptionError) as refused:
        sources(3, Poisson("x", **stimulus))
    (finding,) = refused.value.diagnostics
    assert (finding.path, finding.code) == (path, code)
    assert fix in finding.fix


def test_targets_that_do_not_declare_it_refuse_it() -> None:
    target = salhw.target("reference")
    fewer = {name: value for name, value in target.stimuli["Poisson"].items() if name != "every"}
    fixed = target.replace(stimuli=target.stimuli | {"Poisson": fewer})
    (finding,) = check(sources(3, Poisson("x", [1.0, 2.0], every=1.0)), fixed)
    assert (finding.path, finding.code, finding.fix) == ("stimuli[0].every", "SAL102", "leave every at its default")


def test_it_survives_a_file_and_is_summed_up() -> None:
    net = sources(2, Poisson("x", [[1.0, 20.0], [3.0, 4.0]], every=1.5, stop=9.0))
    assert Network.model_validate_json(net.model_dump_json()) == net
    assert "every 1.5 ms, rate 1..20 Hz" in str(net)


@given(st.integers(0, 9), st.integers(1, 5), st.integers(1, 6), st.none() | st.integers(1, 40))
def test_each_point_lasts_as_long_as_described(start: int, every: int, points: int, lasts: int | None) -> None:
    """Against a list of what holds step by step, written down one point after the other."""
    stop = None if lasts is None else start + lasts
    course = Poisson("x", np.arange(points), 0.5 * start, None if stop is None else 0.5 * stop, every=0.5 * every)
    listed = [k for k in range(points) for _ in range(every)] + [points - 1] * 100
    steps = np.arange(start, start + 50 if stop is None else stop)
    assert course.point(steps, 0.5).tolist() == listed[: len(steps)]
    begun = course.begins(0.5)
    assert [listed[step - start] for step in begun] == [*range(len(begun))]
    assert len(begun) == len(set(listed[: len(steps)] if stop is not None else listed))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_example_of_the_semantics(algorithm: str) -> None:
    """1,000 sources: exactly none where there can be none, else within five standard deviations (6e-7 for each)."""
    net = sources(1000, Poisson("x", rate=[1000.0, 0.0, 500.0], every=1.0, start=0.5, stop=3.0))
    target = salhw.target("reference").with_options(algorithm=algorithm)
    expected = 1000 * np.array([0.0, 0.393, 0.393, 0.0, 0.0, 0.221, 0.0, 0.0])
    found = counts(salhw.run(net, target, duration=4.0, seed=1), 8)
    assert (found[expected == 0.0] == 0).all()
    assert (np.abs(found - expected) < 5 * np.sqrt(1000 * 0.25)).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS[1:])
def test_a_session_writes_steps_of_current_for_each_instance(algorithm: str) -> None:
    """u of GLM neurons is the bias and the current of the present point; runs divide nothing."""
    net = Network(
        name="n", dt=0.5, populations=[Population(name="a", size=2, neuron=GLM(bias=-20.0))],
        stimuli=[Current("a", [1.0, 2.0, 4.0], every=1.0, start=0.5)], probes=[Spikes("a"), Membrane("a")],
    )  # fmt: skip
    executable = salhw.compile(net, salhw.target("reference").with_options(algorithm=algorithm))
    with executable.open(instances=2, seed=1) as session:
        assert session.get("stimuli[0].amplitude").shape == (2, 3, 2)
        first = session.run(2.0).membrane_traces["a"].values[:, :, 0]
        assert first.tolist() == [[-20.0, -19.0, -19.0, -18.0]] * 2
        session.set("stimuli[0].amplitude", [[[0.0, 0.0], [5.0, 6.0], [7.0, 8.0]], [[0.0, 0.0]] * 3])
        second = session.run(1.5).membrane_traces["a"].values
    assert second[0].tolist() == [[-15.0, -14.0], [-13.0, -12.0], [-13.0, -12.0]]
    assert (second[1] == -20.0).all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_neither_runs_nor_the_batch_change_what_is_random(algorithm: str) -> None:
    net = sources(5, Poisson("x", np.linspace(0.0, 900.0, 7), every=1.5, start=2.0), Poisson("x", 30.0))
    executable = salhw.compile(net, salhw.target("reference").with_options(algorithm=algorithm))
    with executable.open(instances=[3, 8], seed=2) as session:
        session.set("stimuli[1].rate", [[30.0], [60.0]])
        whole = session.run(16.0).spikes["x"]
    with executable.open(instances=[8], seed=2) as session:
        session.set("stimuli[1].rate", 60.0)
        parts = [session.run(duration).spikes["x"] for duration in (3.5, 0.5, 12.0)]
    for neuron in range(5):
        alone = np.concatenate([part.times(neuron, 0) for part in parts])
        np.testing.assert_array_equal(alone, whole.times(neuron, 1))


def test_what_a_session_writes_lies_within_what_the_target_declares() -> None:
    with salhw.compile(sources(2, Poisson("x", [5.0, 6.0], every=1.0)), "reference").open(seed=1) as session:
        for wrong, where in (
            ([[1.0, -1.0], [0.0, 0.0]], "stimuli[0].rate[0][1]"),
            ([1.0, 2.0, 3.0], "stimuli[0].rate"),
        ):
            with pytest.raises(salhw.SessionError) as refused:
                session.set("stimuli[0].rate", wrong)
            assert (refused.value.diagnostics[0].code, refused.value.diagnostics[0].path) == ("SAL403", where)
        assert session.get("stimuli[0].rate").tolist() == [[[5.0, 5.0], [6.0, 6.0]]]


def test_lif_neurons_integrate_steps_of_current() -> None:
    """dv/dt = (I - v) / tau_m, from one step to the next."""
    net = Network(
        name="n", dt=0.5, populations=[Population(name="a", size=1, neuron=LIF(tau_m=5.0, v_thresh=10.0))],
        stimuli=[Current("a", [1.0, -1.0], every=1.0)], probes=[Spikes("a"), Membrane("a")],
    )  # fmt: skip
    found = salhw.run(net, "reference", duration=2.0, seed=1).membrane_traces["a"].values[0, :, 0]
    v, expected = 0.0, []
    for current in (1.0, 1.0, -1.0, -1.0):
        v = current + (v - current) * np.exp(-0.1)
        expected.append(v)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def noisy(*stimuli: NoisyCurrent, size: int = 3) -> Network:
    """GLM neurons without a bias that never spike, so that their membrane is the noise."""
    neuron = GLM(bias=-100.0)
    return Network(
        name="n", dt=0.5, populations=[Population(name="a", size=size, neuron=neuron)],
        stimuli=stimuli, probes=[Spikes("a"), Membrane("a")],
    )  # fmt: skip


def noise_of(recording: salhw.Recording) -> Any:
    return recording.membrane_traces["a"].values + 100.0


def test_noise_is_standard_normal_and_independent() -> None:
    """2 instances x 20 neurons x 500 draws: mean, variance, kurtosis, and the correlations between successive draws,
    neighbouring neurons and instances, each within five standard errors (6e-7)."""
    executable = salhw.compile(noisy(NoisyCurrent("a", sd=2.0), size=20), "reference")
    with executable.open(instances=2, seed=1) as session:
        z = noise_of(session.run(250.0)) / 2.0
    n = z.size
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs(np.mean(z**2) - 1.0) < 5 * np.sqrt(2 / n)
    assert abs(np.mean(z**4) - 3.0) < 5 * np.sqrt(96 / n)
    for one, other in ((z[:, 1:], z[:, :-1]), (z[..., 1:], z[..., :-1]), (z[:1], z[1:])):
        assert abs(np.mean(one * other)) < 5 / np.sqrt(one.size)


@pytest.mark.parametrize("algorithm", ALGORITHMS[1:])
def test_noise_is_drawn_when_described_and_is_the_same_in_any_batch_and_division(algorithm: str) -> None:
    net = noisy(NoisyCurrent("a", sd=[0.0, 1.0, 3.0], every=1.5, start=1.0, stop=8.0))
    executable = salhw.compile(net, salhw.target("reference").with_options(algorithm=algorithm))
    with executable.open(instances=[3, 8], seed=2) as session:
        whole = noise_of(session.run(10.0))
    with executable.open(instances=[8], seed=2) as session:
        parts = np.concatenate([noise_of(session.run(duration)) for duration in (0.5, 3.0, 6.5)], axis=1)
    np.testing.assert_array_equal(parts[0], whole[1])
    assert (whole[:, :, 0] == 0.0).all()
    assert (whole[:, [0, 1, 16, 17, 18, 19]] == 0.0).all()
    changes = np.flatnonzero(np.diff(whole[0, :, 2]) != 0.0) + 1
    assert changes.tolist() == [2, 5, 8, 11, 14, 16]
    again = noisy(NoisyCurrent("a", sd=1.0, every=1.5, start=1.0, stop=8.0))
    np.testing.assert_allclose(noise_of(salhw.run(again, "reference", duration=10.0, seed=3))[0, 2:5].std(axis=0), 0.0)


def test_a_session_writes_the_size_of_noise_and_each_stimulus_has_its_own() -> None:
    with salhw.compile(noisy(NoisyCurrent("a", 1.0), NoisyCurrent("a", 0.0)), "reference").open(seed=5) as session:
        first = noise_of(session.run(2.0))
        session.set("stimuli[0].sd", [[0.0, 2.0, 4.0]])
        second = noise_of(session.run(2.0))
    with salhw.compile(noisy(NoisyCurrent("a", 1.0), NoisyCurrent("a", 0.0)), "reference").open(seed=5) as session:
        session.run(2.0)
        unchanged = noise_of(session.run(2.0))
        session.set("stimuli[0].sd", 0.0)
        session.set("stimuli[1].sd", 1.0)
        other = noise_of(session.run(2.0))
    np.testing.assert_allclose(second, unchanged * [0.0, 2.0, 4.0], rtol=0, atol=1e-12)
    assert (np.abs(first - unchanged) > 1e-6).all()
    assert len(np.unique(np.round(np.concatenate([first, unchanged, other]), 9))) == 36


def test_a_negative_size_of_noise_is_refused() -> None:
    with pytest.raises(DescriptionError) as refused:
        NoisyCurrent("a", sd=[1.0, -0.5])
    assert str(refused.value.diagnostics[0]).startswith("SAL005 sd[1] = -0.5: >= 0")
