"""How far networks on ``brainscales2`` are from their descriptions: twenty, away from those of the conformance suite.

``python tests/analog/network_accuracy.py [CHIPS SECONDS]`` prints the table of docs/brainscales2.md, for the ideal chip
and for the mean over chips. Five sampling neurons in two populations and three or four sources, connected by three
projections of both signs, weights to 2, biases of -3 to 2.2, time steps of .1 to 2 ms, both discretisations,
rectangular and exponential PSPs. The reference simulates what is described.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from analog_examples import CHIP, IDEAL

import salhw
from salhw import GLM, Exponential, Network, Poisson, Population, Projection, Rectangular, Source, Spikes
from salhw.theory import measured_stdd
from salhw_brainscales2.estimate import RateError, rate_errors

POINTS = 20
SETTLING = 300.0
STEPS = (0.1, 0.2, 0.25, 0.4, 0.5, 1.0, 2.0)
LAG = 30.0
"""ms beyond which lags are in one bin; bins are 2 ms wide."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Of one network: rates in Hz (replicate, neuron), shares of time of the 32 states, and of nearest pairs at every
    lag for every pair of neurons."""

    rates: Floats
    states: Floats
    lags: Floats


@dataclass(frozen=True)
class Compared:
    """The relative error of each neuron's rate and its standard error; total variation of the states and, of the worst
    pair, of the spike-timing differences."""

    rate: Floats
    error: Floats
    states: float
    stdd: float


def point(k: int) -> Network:
    """The k-th network."""
    rng = np.random.default_rng([15, k])
    dt, largest = STEPS[k % len(STEPS)], 1.0 if k % 4 == 0 else 2.0

    def weights(post: int, pre: int) -> Floats:
        w = rng.uniform(-largest, largest, (post, pre))
        return np.where(np.eye(post, pre, dtype=bool), 0.0, w) if post == pre else w

    how = "exact" if k % 5 == 3 else "logistic"
    kernel = Exponential(tau_syn=float(rng.choice([4.0, 8.0, 12.0]))) if k % 5 == 4 else Rectangular(tau_syn=10.0)
    sources = int(rng.integers(3, 5))
    biases = [np.clip(rng.uniform(-3.0, 3.0, n), -3.0, 2.2) for n in (3, 2)]
    ends = {"q0": ("a", "a"), "q1": ("b", "a"), "q2": ("a", "b")}
    if k % 2:
        ends = {"q0": ("a", "a"), "q1": ("x", "b"), "q2": ("a", "b")}
    if k % 3 == 2:
        ends = {"q0": ("b", "b"), "q1": ("x", "a"), "q2": ("b", "a")}
    size = {"a": 3, "b": 2, "x": sources}
    return Network(
        name=f"point{k}", dt=dt,
        populations=[Population(name="a", size=3, neuron=GLM(bias=biases[0], discretisation=how)),
                     Population(name="b", size=2, neuron=GLM(bias=biases[1], discretisation=how)),
                     Population(name="x", size=sources, neuron=Source())],
        projections=[Projection(name=name, pre=pre, post=post, weights=weights(size[post], size[pre]), kernel=kernel)
                     for name, (pre, post) in ends.items()],
        stimuli=[Poisson("x", rate=rng.uniform(5.0, 40.0, sources))], probes=[Spikes("a"), Spikes("b")],
    )  # fmt: skip


def measured(net: Network, target: salhw.Target | str, seconds: float, seed: int, **opened: object) -> Measured:
    """What the five neurons do on all instances, in as many replicates."""
    with salhw.compile(net, target).open(seed=seed, **opened) as session:  # type: ignore[arg-type]
        session.run(SETTLING)
        recording = session.run(1000.0 * seconds)
    spikes = [recording.spikes[name] for name in "ab"]
    instances = range(len(recording.ids))
    trains = [[s.times(k, recording.ids[b]) - s.start for s in spikes for k in range(s.size)] for b in instances]
    rates = np.array([[len(t) for t in each] for each in trains]) / seconds
    steps = round(1000.0 * seconds / net.dt)
    lasting = round(10.0 / net.dt)
    states, lags = np.zeros(32), 0.0
    for each in trains:
        code = np.zeros(steps, dtype=np.int64)
        for k, train in enumerate(each):
            change = np.zeros(steps + lasting + 1)
            at = np.rint(train / net.dt).astype(np.int64)
            np.add.at(change, at, 1)
            np.add.at(change, at + lasting, -1)
            code |= (np.cumsum(change)[:steps] > 0) << k
        states += np.bincount(code, minlength=32)
        lags = lags + np.array([_lags(each[i], each[j], net.dt, steps) for i in range(5) for j in range(i)])
    return Measured(rates, states / states.sum(), np.asarray(lags))


def _lags(a: Floats, b: Floats, dt: float, steps: int) -> Floats:
    """Nearest pairs, in bins of 2 ms; what lies beyond LAG in one bin on either side."""
    reach = round(10 * LAG / dt)
    rate = measured_stdd(*(np.rint(t / dt).astype(np.int64) for t in (a, b)), reach, steps).rate * steps
    lag = np.arange(-reach, reach + 1) * dt
    return np.histogram(np.clip(lag, -LAG - 1.0, LAG + 1.0), np.arange(-LAG - 3.0, LAG + 3.1, 2.0), weights=rate)[0]


def compared(found: Measured, wanted: Measured) -> Compared:
    """Against the reference."""
    a, b = found.rates.mean(axis=0), wanted.rates.mean(axis=0)
    spread = [m.rates.std(axis=0, ddof=1) / np.sqrt(len(m.rates)) / m.rates.mean(axis=0) for m in (found, wanted)]
    share = [m.lags / m.lags.sum(axis=1, keepdims=True) for m in (found, wanted)]
    many = np.minimum(found.lags.sum(axis=1), wanted.lags.sum(axis=1)) > 1000  # else the floor is above .1
    distance = 0.5 * np.abs(share[0] - share[1]).sum(axis=1)[many]
    states = 0.5 * float(np.abs(found.states - wanted.states).sum())
    return Compared(a / b - 1.0, a / b * np.hypot(*spread), states, float(distance.max(initial=0.0)))


def told(net: Network) -> dict[str, RateError]:
    """What the compile report says of the rates."""
    return rate_errors(net)


if __name__ == "__main__":
    chips, seconds = (int(sys.argv[1]), float(sys.argv[2])) if len(sys.argv) > 2 else (64, 6.0)
    print("| k | dt | rates (Hz) | told | ideal: rates, states, STDD | chips: rates, states, STDD |")
    print("|---|---|---|---|---|---|")
    for k in range(POINTS):
        net, rows = point(k), []
        wanted = measured(net, "reference", 4 * seconds, 1, instances=64)
        for target, opened in ((IDEAL, {"instances": 64}), (CHIP, {"chips": CHIP.sample_chips(chips, seed=3)})):
            c = compared(measured(net, target, seconds, 2, **opened), wanted)
            rows.append(f"{c.rate.min():+.0%}..{c.rate.max():+.0%} ({c.error.max():.0%}), {c.states:.2f}, {c.stdd:.2f}")
        said = " ".join(f"{n}: {e.lowest:+.0%}..{e.highest:+.0%}" for n, e in told(net).items())
        rates = wanted.rates.mean(axis=0)
        print(f"| {k} | {net.dt} | {rates.min():.1f}..{rates.max():.0f} | {said} |", " | ".join(rows), "|", flush=True)
