"""Large sparse networks are calibrated and measured without an array that has an entry for every pair of neurons."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from peaks import peak_of

import salhw
from salhw import GLM, SAL, Exponential, Network, Population, Projection, Sparse
from salhw_calibration import calibrate_sensors, correlation_sensors, effective_weights

TARGET = salhw.target("reference").with_variability({"weight": 0.1})
CHIPS = TARGET.sample_chips(1, seed=1)


def sparse(neurons: int, synapses: int) -> Network:
    """Random synapses between GLM neurons."""
    random = np.random.default_rng(0)
    pairs = random.choice(neurons * (neurons - 1), synapses, replace=False)
    post, pre = np.divmod(pairs, neurons - 1)
    weights = Sparse(post=post, pre=pre + (pre >= post), weight=random.normal(0.0, 0.1, synapses))
    return Network(
        "sparse", 1.0, [Population("n", neurons, GLM(bias=-1.0, tau_ref=10.0))],
        [Projection("p", "n", "n", weights, kernel=Exponential(tau_syn=10.0))],
    )  # fmt: skip


@pytest.mark.parametrize("method", ["likelihood", "psp", "stdwi"])
def test_no_number_for_every_pair_of_neurons(method: str) -> None:
    """A float64 for each pair of 1,000 neurons would be 8 MB; everything together stays below that."""
    effective_weights(salhw.compile(sparse(100, 100), TARGET), chips=CHIPS, duration=40.0, method=method)  # loads code
    exe = salhw.compile(sparse(1000, 1000), TARGET)
    _, peak = peak_of(lambda: effective_weights(exe, chips=CHIPS, duration=40.0, method=method))
    assert peak < 8 * 1000**2


def test_a_list_of_synapses_is_measured_as_a_matrix_of_them_is() -> None:
    """The same network either way gives the same numbers, the list in the description's order."""
    size, random = 3, np.random.default_rng(1)
    weight = random.normal(0.0, 0.5, (size, size)) * ~np.eye(size, dtype=np.bool_)
    post, pre = random.permutation(np.argwhere(weight)).T
    both = [
        Network("both", 1.0, [Population("n", size, GLM(bias=0.0, tau_ref=10.0))],
                [Projection("p", "n", "n", weights, plasticity=SAL(learning_rate=0.01, tau=10.0))])
        for weights in (weight, Sparse(post, pre, weight[post, pre]))
    ]  # fmt: skip
    chips = TARGET.sample_chips(2, seed=1)
    for method in ("likelihood", "psp"):
        matrix, listed = (
            effective_weights(salhw.compile(net, TARGET), chips=chips, duration=5000.0, method=method) for net in both
        )
        for name in ("weights", "standard_errors", "nominal"):
            np.testing.assert_array_equal(getattr(listed, name)["p"], getattr(matrix, name)["p"][:, post, pre])
    assert listed.to_xarray("p")["weight"].dims == ("instance", "synapse")
    assert matrix.to_xarray("p")["weight"].dims == ("instance", "post", "pre")
    matrix_sensors, list_sensors = (
        correlation_sensors(salhw.compile(net, TARGET), chips=chips, duration=2000.0) for net in both
    )
    np.testing.assert_array_equal(list_sensors.amplitude["p"], matrix_sensors.amplitude["p"][:, :, post, pre])
    one, other = (calibrate_sensors(TARGET, chips, net, duration=2000.0) for net in both)
    assert np.isfinite(one.efficacy).any()
    np.testing.assert_array_equal(one.efficacy, other.efficacy)


WHOLE_WAY = """
    import resource, tempfile
    from pathlib import Path
    import salhw
    from salhw_calibration import Calibration, Goals, calibrate, effective_weights
    from test_sparse_networks import CHIPS, TARGET, sparse

    net = sparse(1000, 100_000)
    exe = salhw.compile(net, TARGET)
    with exe.open(chips=CHIPS) as session:
        session.run(2000.0)
    for where in ({"chips": CHIPS}, {"instances": 2}):
        assert effective_weights(exe, duration=2000.0, **where).weights["p"].shape[1:] == (100_000,)
    found = calibrate(TARGET, CHIPS, Goals(weight=0.5), net=net, duration=2000.0)
    path = found.save(Path(tempfile.mkdtemp()) / "calibration.h5")
    again = Calibration.load(path)
    assert again.content_hash == found.content_hash and again.gain.shape == (1, 100_000, 2)
    salhw.compile(net, TARGET, calibration=again)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_thousand_neurons_and_a_hundred_thousand_synapses() -> None:
    """All the way, within 1 GB: an array of (neuron, trace, trace) would be 8 GB. The information matrices of each
    neuron's own 101 coefficients take 82 MB, and a block of 2,000 steps of all neurons 16 MB."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WHOLE_WAY)], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) * 1024 < 1e9
