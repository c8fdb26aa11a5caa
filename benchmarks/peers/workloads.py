"""What users do beside large networks, timed through the public API."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from clock import processor_time

if TYPE_CHECKING:
    from salhw import Network

HERE = Path(__file__).parent
SEED = 11  # of a sampling network with about 3,830 spikes in 10 s
LEARNS = 1e-7  # per pair: so little that the activity stays what it is


@dataclass(frozen=True)
class Workload:
    """A line: what was measured, in its unit, and the same of a peer, 0 where there is none."""

    name: str
    value: float
    unit: str
    beside: float = 0.0
    peer: str = ""


def workloads(quick: bool) -> list[Workload]:
    """All of them."""
    rounds = 20 if quick else 100
    return [
        *sleep_phase(rounds), *sleep_batch(rounds // 4), *stdd_times(), *many_delays(), *many_populations(),
        *layers(quick), *spiking_phase(quick), *chips(quick), *on_nest(quick), *weights_of_nest(), *effective(quick),
    ]  # fmt: skip


def best(
    calls: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float] = processor_time
) -> list[float]:
    """The shortest time of each call in s, taken in turn after one that nobody counts."""
    taken = np.empty((rounds, len(calls)))
    for row in [np.empty(len(calls)), *taken]:
        for k, call in enumerate(calls):
            began = clock()
            call()
            row[k] = clock() - began
    return [float(t) for t in taken.min(axis=0)]


def sleep_phase(rounds: int) -> list[Workload]:
    """10 s of the 7-neuron sampling network with both rules at the run's end, beside a plain loop in numba; SAL on the
    spike."""
    import salhw
    from salhw_networks.sampling.network import network

    sys.path.append(str(HERE.parent))
    from peer import sleep_phase as plain

    net = network(seed=SEED, sal_rate=LEARNS, wake_sleep_rate=LEARNS)
    on_spike = network(seed=SEED, sal_rate=LEARNS, update="spike")
    alone = network(seed=SEED, sal_rate=LEARNS)
    weights, bias = net.projections[0].weights.values, net.populations[0].neuron.bias
    sessions = [salhw.compile(each, "reference").open(seed=1) for each in (net, alone, on_spike)]
    calls = [lambda s=s: s.run(10_000.0) for s in sessions]
    *ours, peer = best([*calls, lambda: plain(weights, bias, 50, 50_000, 1)], rounds)
    names = ("SAL and wake-sleep", "SAL", "SAL on the spike")
    return [
        Workload(f"sleep phase of 7 neurons, 10 s, {name}", 1e3 * t, "ms", 1e3 * peer, "plain loop in numba")
        for name, t in zip(names, ours, strict=True)
    ]


def sleep_batch(rounds: int) -> list[Workload]:
    """The same in a batch on all cores."""
    import salhw
    from salhw_networks.sampling.network import network

    net = network(seed=SEED, sal_rate=LEARNS, wake_sleep_rate=LEARNS)
    with salhw.compile(net, "reference").open(instances=64, seed=1) as session:
        (t,) = best([lambda: session.run(10_000.0)], rounds, time.perf_counter)
    return [Workload("sleep phase, batch of 64, all cores", 1e3 * t / 64, "ms per network")]


def stdd_times() -> list[Workload]:
    """Exact spike-timing differences of a pair, tau_ref 10 steps, up to 100 steps."""
    from salhw import Alpha, Rectangular
    from salhw.theory import stdd

    found = []
    for kernel in (Rectangular(tau_syn=10.0), Alpha(tau_syn=10.0, area=10.0)):
        arguments = [[0.0, 0.4], [0.8, 0.0]], [-0.5, -0.5], kernel.sample(1.0, 100), 10, 100
        (t,) = best([lambda given=arguments: stdd(*given)], 20)
        found.append(Workload(f"STDD, {kernel.kind} PSPs, t_max 100", 1e3 * t, "ms"))
    return found


def step_times(nets: Sequence[Network], steps: int = 500) -> list[float]:
    """Microseconds that a step of each network takes."""
    import salhw

    sessions = [salhw.compile(net, "reference").open(seed=1) for net in nets]
    return [1e6 * t / steps for t in best([lambda s=s: s.run(steps * s.executable.network.dt) for s in sessions], 5)]


def decaying(populations: int, size: int, inputs: int, delay: object) -> Network:
    """Populations of neurons with exponential PSPs, each connected with each and itself."""
    from salhw import GLM, Exponential, FixedIndegree, Network, Normal, Population, Projection

    def connected(post: int, pre: int) -> Projection:
        drawn = FixedIndegree(inputs, weight=Normal(0.0, 0.05), seed=post * populations + pre)
        return Projection(f"p{post}_{pre}", f"n{pre}", f"n{post}", drawn, Exponential(tau_syn=10.0), delay)

    names = range(populations)
    neuron = GLM(bias=0.0, tau_ref=50.0)
    return Network(
        name="decaying", dt=1.0, populations=[Population(f"n{k}", size, neuron) for k in names],
        projections=[connected(post, pre) for post in names for pre in names],
    )  # fmt: skip


def many_delays() -> list[Workload]:
    """3,000 neurons with 100 inputs each, whose delays are 1 to 10 or 40 steps."""
    from salhw import Uniform

    one, *several = step_times([decaying(1, 3000, 100, d) for d in (1.0, Uniform(1.0, 10.0), Uniform(1.0, 40.0))])
    return [
        Workload(f"3,000 neurons, exponential PSPs, {number} delays", t, "us per step", one, "one delay")
        for number, t in zip((10, 40), several, strict=True)
    ]


def many_populations() -> list[Workload]:
    """2,400 neurons with 80 inputs each, as 8 populations with 64 projections or as one."""
    eight, one = step_times([decaying(8, 300, 10, 1.0), decaying(1, 2400, 80, 1.0)])
    name = "2,400 neurons, exponential PSPs, 8 populations"
    return [Workload(name, eight, "us per step", one, "one population")]


def layers(quick: bool) -> list[Workload]:
    """Sizes 1600-384-192-10 in 32 replicas, tau_ref 10 steps, SAL on both fully connected pairs, sources at 10 Hz."""
    import salhw
    from salhw import GLM, SAL, Network, Poisson, Population, Projection, Rectangular, Source, Sparse

    random, sizes = np.random.default_rng(0), [1600, 384, 192, 10]
    populations = [Population(name="x0", size=1600, neuron=Source())]
    populations += [Population(f"x{k}", n, GLM(bias=-2.0, tau_ref=10.0)) for k, n in enumerate(sizes) if k]

    def connected(post: int, pre: int, learns: bool) -> Projection:
        shape = sizes[post], sizes[pre]
        rule = SAL(learning_rate=LEARNS, tau=10.0, update="every 100 ms") if learns else []
        weights = random.normal(0.0, 0.5 / np.sqrt(shape[1]), shape)
        if not learns:  # the first layer sees a tenth of the sources each
            i, j = np.nonzero(random.random(shape) < 0.1)
            weights = Sparse(post=i, pre=j, weight=weights[i, j])
        return Projection(
            f"p{post}{pre}", f"x{pre}", f"x{post}", weights, kernel=Rectangular(tau_syn=10.0), plasticity=rule
        )

    pairs = [(1, 0, False), (2, 1, True), (1, 2, True), (3, 2, True), (2, 3, True)]
    net = Network(
        name="layers", dt=1.0, populations=populations, projections=[connected(*pair) for pair in pairs],
        stimuli=[Poisson("x0", rate=10.0)],
    )  # fmt: skip
    steps = 100 if quick else 400
    with salhw.compile(net, "reference").open(instances=32, seed=1) as session:
        (t,) = best([lambda: session.run(float(steps))], 2, time.perf_counter)
    return [Workload("1600-384-192-10, 32 replicas, SAL, all cores", 1e3 * t / steps, "ms per step")]


def spiking_phase(quick: bool) -> list[Workload]:
    """What an Aligner runs on the same sizes: all neurons spike by chance, about once in 20 steps, all layers are
    connected all to all in both directions, and SAL adds up to the end of an update."""
    from salhw_networks.deep.network import initial_chain
    from salhw_networks.deep.phase import REPLICA, Setting, SpikingPhase

    chain = initial_chain((1600, 384, 192, 10), np.random.default_rng(0))
    feedback, setting = [0.5 * w.T for w in chain.weights], Setting(replicas=8 if quick else 32)
    with SpikingPhase(chain, setting, seed=1) as phase:
        call = partial(phase.change, feedback, [0.04] * len(feedback))
        times = [best([call], 2, clock)[0] for clock in (time.perf_counter, time.process_time)]
    step = 1e3 * 32 / setting.replicas / REPLICA
    name = "spiking phase of an Aligner, 1600-384-192-10, 32 replicas"
    return [
        Workload(f"{name}, all cores", step * times[0], "ms per step"),
        Workload(f"{name}, time of all cores together", step * times[1], "ms per step"),
    ]


def pairs_network(pairs: int, dt: float, **rule: object):
    """Reciprocal pairs with exponential PSPs and SAL."""
    from salhw import GLM, SAL, Exponential, Network, Population, Projection, Sparse

    post = np.arange(2 * pairs)
    weights = Sparse(post=post, pre=post ^ 1, weight=np.where(post % 2, 0.5, 1.5))
    projection = Projection(
        "p", "n", "n", weights, kernel=Exponential(tau_syn=10.0),
        plasticity=SAL(learning_rate=1e-3, tau=10.0, pairing="nearest_restricted", **rule),
    )  # fmt: skip
    neurons = Population("n", 2 * pairs, GLM(bias=-0.5, tau_ref=10.0))
    return Network(name="pairs", dt=dt, populations=[neurons], projections=[projection])


def share(recording: object) -> float:
    """The share of a run's time that is not NEST's own, in percent."""
    about = recording.provenance
    return 100.0 * (1.0 - about["nest_time_s"] / about["wall_time_s"])


def chips(quick: bool) -> list[Workload]:
    """20 virtual chips of 16 pairs each that learn on chip for 10 s."""
    import salhw

    target, duration = salhw.target("brainscales2"), 2000.0 if quick else 10_000.0
    executable = salhw.compile(pairs_network(16, 0.5, update="every 200 ms"), target)
    with executable.open(chips=target.sample_chips(20, seed=7), seed=1) as session:
        session.run(1000.0)
        recordings = [session.run(duration) for _ in range(2)]
    best_time = min(r.provenance["wall_time_s"] for r in recordings)
    name = f"brainscales2, 20 chips x 16 pairs x {duration / 1000:g} s"
    return [
        Workload(name, best_time, "s"),
        Workload(f"{name}: not NEST's own", min(map(share, recordings)), "% of the time"),
    ]


def large(size: int = 1000):
    """The network of 1,000 neurons with 100,000 plastic synapses."""
    from cases import Case
    from with_salhw import network

    return network(Case("size", size=size, learning=True), {"pairing": "all", "update": "spike"})


def on_nest(quick: bool) -> list[Workload]:
    """1,000 neurons with SAL on NEST, and a batch of 50 pairs."""
    import salhw

    found, duration = [], 200.0 if quick else 1000.0
    batch = pairs_network(1, 1.0, update="spike")
    jobs = [("1,000 neurons with SAL", large(), 1, duration), ("50 instances of a pair", batch, 50, 20 * duration)]
    for name, net, instances, length in jobs:
        with salhw.compile(net, "nest").open(instances=instances, seed=1) as session:
            session.run(100.0)
            recordings = [session.run(length) for _ in range(2)]
        best_time = min(r.provenance["wall_time_s"] for r in recordings)
        found.append(Workload(f"nest, {name}, {length / 1000:g} s", best_time, "s"))
        found.append(Workload(f"nest, {name}: not NEST's own", min(map(share, recordings)), "% of the time"))
    return found


def weights_of_nest() -> list[Workload]:
    """100,000 plastic weights of NEST, read and written after a run, when nothing of them is known yet."""
    import salhw

    path = "projections.p.weights"
    with salhw.compile(large(), "nest").open(seed=1) as session:
        pid = session.engine.process.lease.worker.pid
        session.run(100.0)
        held = session.get(path, form="synapses")

        def after_a_run(call: Callable[[], object]) -> float:
            session.run(10.0)
            began = processor_time(pid)
            call()
            return processor_time(pid) - began

        calls = {
            "read": lambda: session.get(path, form="synapses"),
            "write": lambda: session.set(path, held, form="synapses"),
        }
        calls["write"]()
        seconds = {name: min(after_a_run(call) for _ in range(3)) for name, call in calls.items()}
    return [Workload(f"nest, {name} 100,000 plastic weights", t, "s") for name, t in seconds.items()]


def effective(quick: bool) -> list[Workload]:
    """Effective weights of a pair on the reference, 64 instances."""
    import salhw
    from salhw_calibration import effective_weights
    from salhw_networks.pairs.network import network

    executable, duration = salhw.compile(network(), "reference"), 10_000.0 if quick else 100_000.0
    settings = {"instances": 64, "duration": duration, "seed": 1}
    (t,) = best([lambda: effective_weights(executable, **settings)], 3, time.perf_counter)
    return [Workload(f"effective weights of a pair, 64 instances x {duration / 1000:g} s, all cores", t, "s")]
