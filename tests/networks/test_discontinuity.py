"""Regression discontinuity design against networks whose weights are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from torch import nn

import salhw
from salhw import Network, Projection
from salhw_networks.deep import RDD, Aligner, convert
from salhw_networks.deep.discontinuity import EVENTS, Lines, windows
from salhw_networks.deep.law import measured_law
from salhw_networks.deep.network import Chain, initial_chain
from salhw_networks.deep.phase import Setting, SpikingPhase
from salhw_networks.deep.phases import opened

CHAIN = initial_chain((24, 16), np.random.default_rng(3))


def estimates(method: RDD, updates: int, chain: Chain = CHAIN, replicas: int = 32) -> Any:
    """Jumps of each update, (update, n above, n below)."""
    with opened(chain, Setting(method, replicas=replicas), seed=4) as phase:
        return np.array([phase.change([], [1.0])[0].T for _ in range(updates)])


def psp_area(steps: int) -> float:
    """Of the first steps of a PSP after its spike's own, as a share of the whole."""
    ages = np.arange(1, 200)
    psp = np.exp(-ages / 10.0) - np.exp(-ages / 3.0)
    return float(psp[:steps].sum() / psp.sum())


def test_estimates_are_the_weights_times_c_and_noise() -> None:
    """Four updates: the slope against W is the law's, of another run with shuffled weights, within four standard
    errors, and below a whole PSP's share of a window. What is left is as wide as s says (an F test at level 1e-4), and
    as many signs agree as noise of that width leaves, within five standard deviations."""
    updates, w = 4, CHAIN.weights[0]
    law = measured_law(CHAIN, Setting(RDD()), seed=5, updates=2)[0]
    found = estimates(RDD(), updates).mean(axis=0)
    slope = float((found * w).sum() / (w**2).sum())
    assert abs(slope - law.c) < 4.0 * law.c_error * np.sqrt(1.0 + 2.0 / updates)
    assert 0.0 < slope < psp_area(15)
    spread = law.s / np.sqrt(updates)
    ratio = float(((found - slope * w) ** 2).sum()) / (w.size - 1) / spread**2
    low, high = stats.f.ppf([5e-5, 1.0 - 5e-5], w.size - 1, 2 * w.size - 1)
    assert low < ratio < high
    agree = stats.norm.cdf(np.abs(w) * law.c / spread)
    assert abs((np.sign(found) == np.sign(w)).sum() - agree.sum()) < 5.0 * np.sqrt((agree * (1.0 - agree)).sum())
    assert agree.mean() > 0.8


def test_one_spiking_neuron_tells_the_ratios_of_its_weights_exactly() -> None:
    """All others being silent, nothing but its spikes reaches the layer above."""
    w = np.array([[0.5], [-0.2], [0.1]])
    found = estimates(RDD(driven=1.0), 1, Chain((w,), (np.zeros(1), np.zeros(3))))[0]
    c = found / w
    np.testing.assert_allclose(c, c[0, 0], rtol=1e-9)
    assert 0.0 < c[0, 0] < psp_area(15)


class Confounded(RDD):
    """What drives a lower neuron drives the higher ones, too, as strongly as it could itself."""

    def description(self, chain: Chain) -> Network:
        net = super().description(chain)
        common = Projection(
            name="common", pre="source", post="layer_1", weights=COMMON, kernel=net.projections[0].kernel
        )
        return net.replace(projections=(*net.projections, common))


COMMON = np.random.default_rng(6).permuted(CHAIN.weights[0].ravel()).reshape(CHAIN.weights[0].shape)


@pytest.mark.slow
def test_a_common_drive_drops_out() -> None:
    """Regressed on both, the estimates hold the weight and, within four standard errors, nothing of the drive that both
    layers share. Those errors are small enough to see an eighth of c."""
    found = estimates(Confounded(), 6).mean(axis=0).ravel()
    causes = np.stack([CHAIN.weights[0].ravel(), COMMON.ravel()], axis=1)
    slopes, rest, _, _ = np.linalg.lstsq(causes, found, rcond=None)
    errors = np.sqrt(rest[0] / (len(found) - 2) * np.diag(np.linalg.inv(causes.T @ causes)))
    assert abs(slopes[1]) < 4.0 * errors[1] < slopes[0] / 2.0
    assert slopes[0] > 8.0 * errors[0]


def test_lines_find_a_jump_where_the_difference_of_means_does_not() -> None:
    """A response of 3 x maximum + .5 where there is a spike, and noise of .1; in a band of .2 means differ by .6
    more. A neuron with too few windows says nothing; if all are such it is an error."""
    random = np.random.default_rng(7)
    maximum = random.uniform(-0.2, 0.2, 2000)
    neuron = np.where(np.arange(2000) < EVENTS, 1, 0)
    response = (3.0 * maximum + 0.5 * (maximum >= 0.0) + random.normal(0.0, 0.1, 2000))[:, None]
    lines = Lines(2, 1)
    lines.add(neuron, maximum, response)
    jump, unknown = lines.jumps()[:, 0]
    assert jump == pytest.approx(0.5, abs=4.0 * 0.1 * np.sqrt(8.0 / 2000.0))
    assert response[maximum >= 0].mean() - response[maximum < 0].mean() > 1.0
    assert unknown == 0.0
    few = Lines(1, 1)
    few.add(np.zeros(5, np.int64), maximum[:5], response[:5])
    with pytest.raises(salhw.DescriptionError, match="replicas"):
        few.jumps()


def test_windows_open_at_the_band_and_remember_no_spike() -> None:
    """A drive that grazes the threshold twice: the first window opens where it comes within .2; the second does not
    open, because the potential is still below the drive."""
    drive = np.array([0.0, 0.7, 0.85, 0.95, 0.9, 0.3, 0.85, 1.05, 0.9, 0.2])[None, :, None]
    potential = drive.copy()
    found = windows(potential, drive, 3, 0.2)
    np.testing.assert_array_equal(found.step, [2, 6])
    np.testing.assert_allclose(found.maximum, [-0.05, 0.05])
    potential[:, 4:] -= 0.5
    np.testing.assert_array_equal(windows(potential, drive, 3, 0.2).step, [2])


def test_an_aligner_takes_pairs_of_layers_one_by_one() -> None:
    """Two updates of 64 s for each pair; angles as the law expects within five degrees, half of what they were."""
    torch_net = convert(nn.Sequential(nn.Linear(48, 32), nn.Linear(32, 10)), rule="external")
    aligner = Aligner(torch_net, method=RDD(), seed=3)
    assert aligner.groups() == [["0"], ["1"]]
    report = aligner.align(2)
    for layer in report.layers:
        assert layer.before > 75.0
        assert abs(layer.angle - layer.expected) < 5.0
        assert layer.angle < 45.0
    assert report.time_ms == (2 + 1) * 2 * 32 * 2000  # the law's measurement, too
    assert [p.size for p in aligner.description(1).populations] == [32, 32, 32, 10]


def test_what_rdd_cannot_do_is_one_error() -> None:
    with pytest.raises(salhw.DescriptionError, match="apart=True"):
        RDD().description(initial_chain((4, 3, 2), np.random.default_rng(0)))
    net = convert(nn.Sequential(nn.Linear(3, 2)), rule="external")
    with pytest.raises(salhw.DescriptionError, match="reference_phase"):
        Aligner(net, method=RDD(), reference_phase=2)
    with pytest.raises(salhw.DescriptionError, match="rules of spike pairs"):
        SpikingPhase(CHAIN, Setting(RDD()))
    with pytest.raises(salhw.UnsupportedNetworkError, match="Membrane"):
        Aligner(net, "brainscales2", method=RDD()).align(1)
