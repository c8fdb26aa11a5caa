"""What the plasticity rules add up, against what the same run shows in another way. No statistics: these are
identities."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw import AntiHebbian, Hebbian, Spikes, WakeSleep
from salhw_networks.sampling.network import network

TAU = 50  # steps per tau_ref, dt = .2 ms
OFF = ~np.eye(7, dtype=bool)
Z = (np.arange(128)[:, None] >> np.arange(7)) & 1


def with_rule(rule, seed=3):
    net = network(seed=seed, noise=0.3)
    (recurrent,) = net.projections
    probes = (*net.probes, Spikes("neurons"))
    return net.replace(projections=(recurrent.replace(weights=np.zeros((7, 7)), plasticity=(rule,)),), probes=probes)


def coactive_steps(counts):
    """How many steps each two neurons were refractory together, (instance, 7, 7)."""
    return np.einsum("bs,si,sj->bij", counts, Z, Z)


def overhang(recording, stop):
    """Steps after ``stop`` for which each two neurons will still be refractory together, (instance, 7, 7)."""
    trains, left = recording.spikes["neurons"], np.zeros((len(recording.ids), 7))
    for b in range(len(left)):
        for n in range(7):
            times = trains.times(n, b)
            last = round(times[-1] / 0.2) if len(times) else -TAU
            left[b, n] = max(0, last + TAU - stop)
    return np.minimum(left[:, :, None], left[:, None, :])


@pytest.mark.parametrize("algorithm", ["event-driven", "time-driven"])
@pytest.mark.parametrize("phase", ["wake", "sleep"])
def test_wake_sleep_sums_the_time_that_two_neurons_are_refractory_together(phase, algorithm):
    """Two spikes d < tau_ref apart have refractory states that overlap for tau_ref - d steps, so the triangular window
    over all pairs sums up <z_i z_j> T / tau_ref. In the first run the sum exceeds it by the overlaps that reach
    beyond the end: at most (tau_ref - 1) / tau_ref for each two neurons, one pair each. Subtracting these, from the
    last spikes, the identity holds to rounding; in the next run both edges count. One missing or doubled pair is off
    by .02 or more."""
    sign = 1.0 if phase == "wake" else -1.0
    rule = WakeSleep(learning_rate=1.0, tau_ref=10.0, phase=phase, update="run end")
    target = salhw.target("reference").with_options(algorithm=algorithm)
    with salhw.compile(with_rule(rule), target).open(instances=8, seed=2) as session:
        carried = np.zeros((8, 7, 7))
        for _ in range(2):
            session.set("projections.recurrent.weights", 0.0)
            recording = session.run(2000.0)
            sums = sign * session.get("projections.recurrent.weights")
            together = coactive_steps(recording.occupancy_counts["neurons"]) / TAU
            beyond = overhang(recording, round((recording.start + recording.duration) / 0.2)) / TAU
            assert np.abs(sums - together)[:, OFF].max() <= (TAU - 1) / TAU
            np.testing.assert_allclose(sums[:, OFF], (together + beyond - carried)[:, OFF], rtol=0, atol=1e-9)
            assert together[:, OFF].min() > 10
            carried = beyond
        assert carried.max() > 0


@pytest.mark.parametrize("pairing", ["all", "nearest_symmetric", "nearest_restricted"])
@pytest.mark.parametrize("update", ["run end", "every 50 ms"])
def test_hebbian_is_minus_anti_hebbian(pairing, update):
    """From weights 0 the same spikes give exactly opposite weights. The learning rate is so small that the weights
    never change a spike (asserted)."""
    weights, spikes = [], []
    for rule in (Hebbian, AntiHebbian):
        net = with_rule(rule(learning_rate=1e-13, pairing=pairing, update=update))
        with salhw.compile(net, "reference").open(instances=4, seed=6) as session:
            spikes.append(session.run(3000.0).spikes["neurons"].time)
            weights.append(session.get("projections.recurrent.weights"))
    np.testing.assert_array_equal(spikes[0], spikes[1])
    np.testing.assert_array_equal(weights[0], -weights[1])
    assert (weights[0][:, OFF] != 0.0).all()
    assert np.abs(weights[0]).max() > 1e-13


@pytest.mark.parametrize("pairing", ["all", "nearest_symmetric", "nearest_restricted"])
def test_the_sum_over_all_pairs_is_that_of_the_recorded_spikes(pairing):
    """SAL's window over recorded spikes in plain Python, coincidences as the mean over both orders; to 1e-9."""
    net = with_rule(AntiHebbian(learning_rate=1.0, pairing=pairing, update="run end"))
    with salhw.compile(net, "reference").open(seed=8) as session:
        trains = session.run(1500.0).spikes["neurons"]
        weights = session.get("projections.recurrent.weights")[0]
    steps = [np.rint(trains.times(n) / 0.2).astype(int) for n in range(7)]
    for post in range(7):
        for pre in range(7):
            if post != pre:
                want = pair_sum(steps[pre], steps[post], pairing)
                assert weights[post, pre] == pytest.approx(want, abs=1e-9)


def pair_sum(pre, post, pairing):
    """Sum of sign(order) exp(-|dt| / tau): post after pre is -1. Simultaneous spikes: half of either order."""
    if pairing == "all":
        lag = post[:, None] - pre[None, :]
        return float(-(np.sign(lag) * np.exp(-np.abs(lag) / TAU)).sum())
    # Each coincidence in both orders, each order with weight 1/2. Only neighbouring coincidences interact, and within
    # tau_ref of a coincidence neither spikes again, so the orders can be averaged one end at a time.
    total = 0.0
    for t in post:
        before = pre[pre < t]
        if len(before):
            total -= share(before[-1], t, pre, post, pairing) * np.exp(-(t - before[-1]) / TAU)
    for t in pre:
        before = post[post < t]
        if len(before):
            total += share(before[-1], t, post, pre, pairing) * np.exp(-(t - before[-1]) / TAU)
    return total


def share(early, late, partner, own, pairing):
    """The weight of the pair (partner's last spike before ``late``, own spike at ``late``), early < late.

    If the partner spikes at ``late`` as well, that spike lies between in one of the two orders. Restricted: no own
    spike between either; one at ``early`` does in one of the two orders.
    """
    weight = 0.5 if late in partner else 1.0
    if pairing == "nearest_restricted":
        previous = own[own < late]
        if len(previous) and previous[-1] > early:
            return 0.0
        if len(previous) and previous[-1] == early:
            weight *= 0.5
    return weight
