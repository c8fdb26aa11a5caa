"""Traces against averages of what was recorded."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    LIF,
    Alpha,
    Boxcar,
    DescriptionError,
    Exponential,
    ExponentialTrace,
    Membrane,
    Network,
    Population,
    Projection,
    Recording,
    Source,
    Spikes,
    Trace,
    Traces,
)
from salhw.description.traces import Average

DT = 0.5
WINDOWS = {"short": Boxcar(3.0), "long": Boxcar(37.5), "fading": ExponentialTrace(8.0)}
OF = {"u": "membrane", "all": "inputs", "near": "inputs.near", "far": "inputs.far", "s": "spikes"}
NEURONS = {
    "GLM": GLM(bias=[-0.5, 0.2, 1.0], tau_ref=2.5, inputs={"near": 1.5, "far": -0.25}),
    "LIF": LIF(bias=[2.5, 1.4, 1.6], tau_ref=2.5, inputs={"near": 1.5, "far": -0.25}),
}


def net(neuron: str) -> Network:
    """Three neurons with two named inputs of different kernels, and every trace."""
    weights = np.random.default_rng(5).normal(0.0, 1.0, (2, 3, 3))
    weights[:, range(3), range(3)] = 0.0
    traces = [
        Trace(name=f"{name}_{window}", population="a", of=of, window=WINDOWS[window])
        for name, of in OF.items()
        for window in WINDOWS
    ]
    return Network(
        name="traced",
        dt=DT,
        populations=[Population("a", 3, NEURONS[neuron])],
        projections=[
            Projection(name="near", pre="a", post="a", weights=weights[0], kernel=Exponential(4.0), into="near"),
            Projection(name="far", pre="a", post="a", weights=weights[1], kernel=Alpha(3.0), into="far"),
        ],
        probes=[Spikes("a"), Membrane("a"), *(Traces(trace.name) for trace in traces)],
        traces=traces,
    )


def averaged(window: Average, values: np.ndarray) -> np.ndarray:
    """Word for word: the mean over the last steps; or the way towards the new value."""
    if isinstance(window, Boxcar):
        last: deque[np.ndarray] = deque(maxlen=round(window.duration / DT))
        return np.array([(last.append(value), np.mean(last, axis=0))[1] for value in values])
    assert isinstance(window, ExponentialTrace)
    course = [values[0]]
    for value in values[1:]:
        course.append(course[-1] + (value - course[-1]) * (1.0 - np.exp(-DT / window.tau)))
    return np.array(course)


def inputs(described: Network, recording: Recording) -> dict[str, np.ndarray]:
    """What each projection adds up to, (step, neuron), from the recorded spikes."""
    steps = round(recording.duration / DT)
    total = {}
    for p in described.projections:
        psps = np.zeros((steps, 3))
        for j in range(3):
            for time in recording.spikes["a"].times(j):
                first = round(time / DT) + 1
                psps[first:, j] += p.kernel.sample(DT, steps - first)
        total[p.name] = psps @ np.asarray(p.weights.stored).T
    return total


@pytest.mark.parametrize("neuron", NEURONS)
def test_every_trace_is_the_average_that_it_says(neuron: str) -> None:
    described = net(neuron)
    with salhw.compile(described, "reference").open(seed=2) as session:
        recording = session.run(150.0)
    spikes = np.zeros((300, 3))
    for k in range(3):
        spikes[np.rint(recording.spikes["a"].times(k) / DT).astype(int), k] = 1.0 / DT
    assert spikes.any(axis=0).all()
    through = inputs(described, recording)
    values = {
        "membrane": recording.membrane["a"].values[0], "spikes": spikes,
        "inputs": 1.5 * through["near"] - 0.25 * through["far"],
        "inputs.near": through["near"], "inputs.far": through["far"],
    }  # fmt: skip
    for trace in described.traces:
        expected = averaged(trace.window, values[trace.of])
        np.testing.assert_allclose(recording.traces[trace.name].values[0], expected, atol=1e-11, err_msg=trace.name)
        np.testing.assert_allclose(trace.window.course(values[trace.of], DT), expected, atol=1e-11)


def test_traces_go_on_through_runs_batches_and_files_bit_for_bit(tmp_path: Path) -> None:
    executable = salhw.compile(net("GLM"), "reference")
    with executable.open(instances=3, seed=4) as session:
        whole = session.run(120.0)
    with executable.open(instances=[2], seed=4) as session:
        parts = [session.run(time) for time in (0.5, 60.0, 59.5)]
    for name, trace in whole.samples.items():
        joined = np.concatenate([part.samples[name].values for part in parts], axis=1)
        np.testing.assert_array_equal(joined[0], trace.values[2])
    back = Recording.load(whole.save(tmp_path / "run.h5"))
    assert back.samples.keys() == whole.samples.keys()
    np.testing.assert_array_equal(back.traces["u_short"].values, whole.traces["u_short"].values)
    assert back.traces["u_short"].dims == ("instance", "time", "neuron")


def test_a_probe_samples_a_trace_at_the_multiples_of_its_period() -> None:
    described = net("GLM")
    probes = [Traces("u_long"), Traces("s_fading", every=3.5)]
    with salhw.compile(described.replace(probes=probes), "reference").open(seed=2) as session:
        session.run(5.0)
        recording = session.run(20.0)
    assert recording.traces["s_fading"].time.values.tolist() == [7.0, 10.5, 14.0, 17.5, 21.0, 24.5]
    assert recording.traces["u_long"].sizes["time"] == 40
    with pytest.raises(salhw.UnknownNameError, match=r"recording\.traces"):
        recording.traces["u_short"]


def test_a_boxcar_does_not_collect_rounding() -> None:
    """A million steps of values of very different size: the mean is right to the rounding of one round."""
    neuron = GLM(bias=0.0, tau_ref=1.0)
    p = Projection(name="p", pre="a", post="a", weights=[[0.0, 1e6 / 3], [-1e6 / 7, 0.0]])
    described = Network(
        name="long", dt=1.0, populations=[Population("a", 2, neuron)], projections=[p],
        probes=[Traces("u", every=1000.0), Membrane("a")],
        traces=[Trace(name="u", population="a", of="membrane", window=Boxcar(20.0))],
    )  # fmt: skip
    with salhw.compile(described, "reference").open(seed=1) as session:
        session.run(1e6 - 1000.0)
        recording = session.run(1001.0)
    last = recording.membrane["a"].values[0, -20:].mean(axis=0)
    np.testing.assert_allclose(
        recording.traces["u"].values[0, -1], last, atol=40 * 2.3e-16 * 1e6 / 3
    )  # of 40 sums of up to 20 values


def test_what_a_trace_cannot_be_of_is_refused_at_its_path() -> None:
    def refused(**fields: object) -> list[tuple[str, str]]:
        trace = {"name": "t", "population": "a", "of": "membrane", "window": Boxcar(10.0)} | fields
        with pytest.raises(DescriptionError) as caught:
            net("GLM").replace(traces=[Trace(**trace)], probes=[])  # type: ignore[arg-type]
        return [(f.code, f.path) for f in caught.value.diagnostics]

    assert refused(of="weights") == [("SAL005", "of")]
    assert refused(of="spikes.near") == [("SAL005", "of")]
    assert refused(of="inputs.nearer") == [("SAL009", "traces.t.of")]
    assert refused(population="b") == [("SAL009", "traces.t.population")]
    assert refused(window=Boxcar(0.7)) == [("SAL008", "traces.t.window.duration")]
    source = Population("x", 1, Source())
    twice = Trace(name="t", population="x", of="inputs", window=Boxcar(10.0))
    with pytest.raises(DescriptionError) as caught:
        net("GLM").replace(populations=[*net("GLM").populations, source], traces=[twice, twice], probes=[])
    codes = [(f.code, f.path) for f in caught.value.diagnostics]
    assert codes == [("SAL006", "traces.t"), *[("SAL011", "traces.t.population")] * 2]


@pytest.mark.parametrize("name", sorted({*salhw.targets()} - {"reference"}))
def test_targets_without_traces_refuse_them(name: str) -> None:
    bare = salhw.target(name).replace(host_loop=False, averages={}, probes={})
    found = {(f.code, f.path) for f in salhw.problems(net("GLM"), bare)}
    assert {("SAL101", "traces.u_short.window"), ("SAL101", "probes[2]")} <= found


@pytest.mark.parametrize("algorithm", ["event-driven", "vectorised"])
def test_the_other_algorithms_say_why_they_cannot(algorithm: str) -> None:
    described = net("GLM").replace(projections=[], probes=[])
    asked = salhw.target("reference").with_options(algorithm=algorithm)
    (finding,) = salhw.problems(described, asked)
    assert finding.asked == algorithm
    assert finding.supported == "supported auto, time-driven; traces, which only the time-driven algorithm keeps"


def test_large_networks_with_traces_take_the_time_driven_algorithm() -> None:
    large = Network(
        name="large", dt=1.0, populations=[Population("a", 65, GLM())],
        traces=[Trace(name="u", population="a", of="membrane", window=Boxcar(20.0))],
    )  # fmt: skip
    why = "traces, which only the time-driven algorithm keeps"
    assert salhw.compile(large, "reference").report.notes == (f"algorithm: time-driven ({why})",)
    without = salhw.compile(large.replace(traces=[]), "reference").report.notes
    assert without == ("algorithm: vectorised (more than 64 neurons)",)
