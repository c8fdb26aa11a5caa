"""The likelihood: right where the truth is known, and equal to statsmodels on the same data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from calibration_examples import compiled, coverage, errors_of, recurrent

import salhw
from salhw import (
    GLM,
    SAL,
    Alpha,
    Clamp,
    Current,
    Exponential,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Sparse,
    Spikes,
    SpikeTimes,
)
from salhw.description.kernels import Kernel
from salhw_calibration import effective_weights
from salhw_calibration.circuit import circuit
from salhw_calibration.likelihood import likelihood, regression
from salhw_calibration.measuring import Record, rig

NETWORKS = {
    "logistic, both signs": recurrent(7),
    "exact, both signs": recurrent(7, seed=2, discretisation="exact"),
    "logistic, excitation, high rates": recurrent(7, seed=3, sd=0.3, bias=0.8),
    "exact, low rates, alpha": recurrent(
        7, seed=4, bias=-1.5, discretisation="exact", kernel=Alpha(tau_syn=4.0, area=10)
    ),
    "logistic, exponential, delayed": recurrent(
        7, seed=5, sd=1.0, kernel=Exponential(tau_syn=5.0, area=10.0), delay=2.0
    ),
}


def test_intervals_cover_and_there_is_no_bias() -> None:
    # 2,100 synapses: a coverage of .95 has a standard deviation of .48 %, so .93 and .97 lie 4.2 of them away
    # (P = 3e-5); small-sample effects of 30 s are part of what is tested.
    deviations, errors = [], []
    for seed, net in enumerate(NETWORKS.values()):
        truth = net.projections[0].weights.values
        measured = effective_weights(compiled(net), instances=10, duration=30_000.0, seed=seed)
        deviation, error = errors_of(measured, truth)
        assert len(deviation) == 10 * 42
        spread = truth.max() - truth.min()
        # The mean of 420 errors: standard deviation below .005 here, margins .015 and more.
        assert abs(deviation.mean()) < 0.01 * spread
        toward_zero = (measured.weights["p"] - truth)[:, ~np.eye(7, dtype=bool)] * np.sign(
            truth[~np.eye(7, dtype=bool)]
        )
        assert abs(toward_zero.mean()) < 0.01 * spread
        deviations.append(deviation)
        errors.append(error)
    found = coverage(np.concatenate(deviations), np.concatenate(errors))
    assert 0.93 < found < 0.97


def test_thread_count_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads share the neurons, and what is summed over steps for one neuron is summed by one thread."""
    found = []
    for count in (1, 2, 5):
        monkeypatch.setenv("SALHW_THREADS", str(count))
        found.append(effective_weights(compiled(recurrent(7)), instances=2, duration=20_000.0, seed=1))
    for other in found[1:]:
        np.testing.assert_array_equal(other.weights["p"], found[0].weights["p"])
        np.testing.assert_array_equal(other.standard_errors["p"], found[0].standard_errors["p"])


@pytest.mark.parametrize("discretisation", ["logistic", "exact"])
@pytest.mark.parametrize(
    "kernel", [Rectangular(tau_syn=10.0), Exponential(tau_syn=6.0)], ids=["rectangular", "exponential"]
)
def test_estimates_are_those_of_statsmodels(discretisation: str, kernel: Kernel) -> None:
    from statsmodels.api import GLM as Reference
    from statsmodels.api import families

    net = recurrent(5, discretisation=discretisation, kernel=kernel, delay=1.0)
    with rig(compiled(net), chips=None, instances=1, seed=4) as on:
        record = next(on.run(20_000.0)[0])
        c = on.circuit
    found = likelihood(c, record)
    # The design by brute force: over all spikes the kernel at their age; a spike at s acts from s + 1 + delay.
    steps = record.steps
    taps = np.concatenate([[0.0, 0.0], kernel.sample(net.dt, 400)])  # one step, and one of delay
    design = np.stack(
        [np.convolve(row, taps)[:steps] for row in record.raster.astype(float)] + [np.ones(steps)], axis=1
    )
    link = families.links.Logit() if discretisation == "logistic" else families.links.CLogLog()
    for i in range(5):
        last = np.flatnonzero(record.raster[i])
        free = np.ones(steps, dtype=bool)
        for s in last:
            free[s + 1 : s + 10] = False
        others = [j for j in range(5) if j != i] + [5]
        model = Reference(
            record.raster[i][free].astype(float),
            design[free][:, others],
            family=families.Binomial(link=link),
            offset=np.full(free.sum(), np.log(net.dt / 10.0)),
        )
        fit = model.fit(tol=1e-13, maxiter=200)
        mine = c.post == i
        np.testing.assert_allclose(np.append(found.weights[mine], found.biases[i]), fit.params, rtol=0, atol=1e-6)
        np.testing.assert_allclose(np.append(found.errors[mine], found.bias_errors[i]), fit.bse, rtol=1e-4)


@pytest.mark.parametrize("superposition", ["sum", "last"])
@pytest.mark.parametrize("kind", [Rectangular, Exponential, Alpha])
@pytest.mark.parametrize("delay", [0.0, 3.0])
def test_traces_are_the_kernels_of_the_description(kind: type, superposition: str, delay: float) -> None:
    kernel = kind(tau_syn=4.0, area=6.0, superposition=superposition)
    net = recurrent(3, kernel=kernel, delay=delay)
    raster = (np.random.default_rng(0).random((3, 9_000)) < 0.2).astype(np.uint8)  # more than two blocks
    r = regression(circuit(net), Record(raster, 0, {}))
    found = np.concatenate([block[:-1].copy() for _, block in r.blocks(9_000)], axis=1)
    taps = np.concatenate([np.zeros(1 + int(delay)), kernel.sample(1.0, 300)])
    for j in range(3):
        if superposition == "sum":
            expected = np.convolve(raster[j].astype(float), taps)[:9_000]
        else:
            arrived = np.concatenate([np.zeros(1 + int(delay)), raster[j]])[:9_000] > 0
            latest = np.maximum.accumulate(np.where(arrived, np.arange(9_000), -10_000))
            expected = kernel.shape(np.arange(9_000) - latest + 1.0) * (latest >= 0)
        np.testing.assert_allclose(found[j], expected, atol=1e-9)


def test_what_is_not_determined_is_nan_and_the_rest_is_not() -> None:
    net = Network(
        name="holes",
        dt=1.0,
        populations=[
            Population(name="s", size=3, neuron=Source()),
            Population(name="g", size=3, neuron=GLM(bias=[0.0, -45.0, 0.0])),
        ],
        projections=[
            Projection(
                name="to", pre="s", post="g", weights=Sparse([0, 0, 2, 2], [0, 1, 1, 2], [0.5, 0.2, -30.0, 0.4])
            ),
            Projection(name="again", pre="s", post="g", weights=Sparse([2], [2], [0.3])),
            Projection(name="later", pre="s", post="g", weights=Sparse([2], [0], [0.6]), delay=5.0),
        ],
        stimuli=[Poisson("s", [20.0, 20.0, 20.0])],
    )
    measured = effective_weights(compiled(net), duration=60_000.0, seed=1)
    known = np.isfinite(measured.weights["to"][0])
    # Neuron 1 is silent; 1 -> 2 is so inhibitory that it is minus infinity to 60 s; 2 -> 2 has two synapses alike.
    assert known.tolist() == [True, True, False, False]
    assert np.array_equal(known, np.isfinite(measured.standard_errors["to"][0]))
    assert np.isfinite(measured.weights["again"]).sum() == 0
    assert np.isfinite(measured.weights["later"]).sum() == 1
    # Five standard errors: P = 6e-7 each.
    for name, at, truth in (("to", (0, 0), 0.5), ("to", (0, 1), 0.2), ("later", (0, 0), 0.6)):
        assert abs(measured.weights[name][at] - truth) < 5 * measured.standard_errors[name][at]
    assert np.isnan(measured.biases["g"][0]).tolist() == [False, True, False]


def test_known_stimuli_do_not_disturb() -> None:
    # Neuron 0 is held for a while, 1 gets a current, 2 is forced to spike: all of that is in the model.
    stimuli = [
        Clamp("a", state=[1], neurons=[0], start=5_000.0, stop=15_000.0),
        Clamp("a", state=[0], neurons=[3], start=0.0, stop=8_000.0),
        Current("a", amplitude=[0.0, 1.5, 0.0, -1.0], start=10_000.0, stop=25_000.0),
        SpikeTimes("a", [[], [], np.arange(0.0, 30_000.0, 40.0), []]),
    ]
    net = recurrent(4, stimuli=stimuli)
    measured = effective_weights(compiled(net), instances=40, duration=30_000.0, seed=2)
    z = np.concatenate(
        [
            ((measured.weights["p"] - net.projections[0].weights.values) / measured.standard_errors["p"])[
                :, ~np.eye(4, dtype=bool)
            ].T,
            ((measured.biases["a"] - net.populations[0].neuron.bias) / measured.bias_errors["a"]).T,
        ]
    )
    # The mean of 40 standardised errors has standard deviation .16; 16 of them within 5 of those: P < 1e-5.
    assert np.abs(z.mean(axis=1)).max() < 5 * z.std() / np.sqrt(40)
    assert 0.8 < z.std() < 1.2  # 640 values: standard deviation .03


def test_measuring_never_learns_and_sees_what_a_session_holds() -> None:
    net = recurrent(2, sd=1.0, plasticity=SAL(learning_rate=0.05), probes=[Spikes("a")])
    exe = compiled(net)
    before = effective_weights(exe, instances=2, duration=20_000.0, seed=1)
    described = net.projections[0].weights.values
    off = ~np.eye(2, dtype=bool)
    np.testing.assert_array_equal(before.nominal["p"][:, off], np.broadcast_to(described[off], (2, 2)))
    with exe.open(instances=2, seed=3) as session:
        session.run(30_000.0)
        session.set("populations.a.bias", [-0.4, 0.3])
        learned = session.get("projections.p.weights")
        after = effective_weights(exe, instances=2, duration=60_000.0, seed=1, weights=session)
        np.testing.assert_array_equal(session.get("projections.p.weights"), learned)  # untouched
    assert np.abs(learned - described)[:, off].max() > 0.1  # it did learn
    np.testing.assert_array_equal(after.nominal["p"][:, off], learned[:, off])
    assert np.all(np.abs(after.weights["p"] - learned)[:, off] < 5 * after.standard_errors["p"][:, off])
    assert np.all(np.abs(after.biases["a"] - [-0.4, 0.3]) < 5 * after.bias_errors["a"])
    given = effective_weights(
        exe, instances=2, duration=60_000.0, seed=1, weights={"p": learned, "populations.a.bias": [-0.4, 0.3]}
    )
    np.testing.assert_array_equal(given.weights["p"], after.weights["p"])
    assert after.provenance["source_hash"] == net.content_hash


def test_each_chip_shows_its_own_weights() -> None:
    target = salhw.target("reference").with_variability({"weight": 0.2})
    net = recurrent(6, sd=1.0)
    exe, chips = compiled(net, target), target.sample_chips(6, seed=4)[2:]
    measured = effective_weights(exe, chips=chips, duration=200_000.0, seed=1)
    assert measured.ids == (2, 3, 4, 5)
    nominal = net.projections[0].weights.values
    off = ~np.eye(6, dtype=bool)
    where = exe.placement.synapses(exe.network, "p")
    truth = np.array([chip.vary("weight", nominal[off], where) for chip in chips])
    gain = (measured.weights["p"][:, off] - nominal[off]), truth - nominal[off]
    # Standard error about .03 against a spread of .2: the expected correlation is .98.
    assert np.corrcoef(gain[0].ravel(), gain[1].ravel())[0, 1] > 0.95
    assert (
        coverage(measured.weights["p"][:, off] - truth, measured.standard_errors["p"][:, off]) > 0.86
    )  # of 120: 4.5 SD
    alone = effective_weights(exe, chips=[chips[1]], duration=200_000.0, seed=1)
    np.testing.assert_array_equal(alone.weights["p"][0], measured.weights["p"][1])


def test_goodness_of_fit_tells_a_wrong_refractory_period() -> None:
    right = recurrent(4)
    measured = effective_weights(compiled(right), instances=10, duration=40_000.0, seed=1)
    # Uniform, or larger, as parameters were fitted: below .001 for one of 40 with probability .04.
    assert measured.goodness_of_fit["a"].min() > 1e-3
    described = right.replace(populations=[right.populations[0].replace(neuron=GLM(bias=0.0, tau_ref=8.0))])
    with rig(compiled(right), chips=None, instances=10, seed=1) as on:
        p_values = np.array([likelihood(circuit(described), record).fit for record in on.run(40_000.0)[0]])
    assert np.median(p_values) < 1e-6
    assert p_values.max() < 0.01


SCRIPT = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
from calibration_examples import compiled, coverage, errors_of, recurrent
from salhw_calibration import effective_weights
net = recurrent(100, sd=0.15)
began = time.process_time()
measured = effective_weights(compiled(net), duration=200_000.0, seed=3)
seconds = time.process_time() - began
deviation, error = errors_of(measured, net.projections[0].weights.values)
print(len(deviation), seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, coverage(deviation, error))
"""


@pytest.mark.slow
def test_a_hundred_neurons_in_a_minute() -> None:
    here = str(Path(__file__).parent)
    out = subprocess.run([sys.executable, "-c", SCRIPT, here], capture_output=True, text=True, check=True).stdout
    synapses, seconds, gigabytes, covered = map(float, out.split())
    assert synapses == 9_900
    assert seconds < 60.0  # of processor time on all cores together: a busy machine takes longer by the clock
    assert gigabytes < 1.0
    assert 0.93 < covered < 0.97
