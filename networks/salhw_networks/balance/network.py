"""A network of excitatory and inhibitory neurons whose inhibition learns to balance excitation (Vogels, Sprekeler et
al. 2011), and how well it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from salhw import (
    LIF,
    Executable,
    Exponential,
    FixedIndegree,
    Network,
    Poisson,
    Population,
    Projection,
    Rates,
    Source,
    VogelsSprekeler,
)
from salhw.description.fields import FloatArray

EXCITATORY, INHIBITORY, INPUTS = 240, 80, 200


def network(
    rate: float = 5.0,
    learning_rate: float = 0.02,
    tau: float = 20.0,
    inhibition: float = 0.05,
    input_rate: float = 20.0,
    dt: float = 0.5,
    update: str = "every 50 ms",
    limit: float = 5.0,
) -> Network:
    """240 excitatory and 80 inhibitory LIF neurons, and 200 Poisson sources that drive them: the mean input is some
    six times the threshold. Only the inhibition of excitatory neurons learns, from a value that hardly acts.

    Args:
        rate: that the rule keeps, of excitatory neurons, in Hz.
        learning_rate: eta, per pair, for the size of inhibitory weights.
        tau: of the rule's window, in ms.
        inhibition: the size of inhibitory weights at first.
        limit: the size that inhibitory weights stay below.
    """

    def from_to(name: str, pre: str, post: str, indegree: int, weight: float, seed: int) -> Projection:
        connector = FixedIndegree(n=indegree, weight=weight, seed=seed)
        return Projection(name=name, pre=pre, post=post, weights=connector, kernel=Exponential(tau_syn=5.0), delay=dt)

    learns = VogelsSprekeler(-learning_rate, rate, tau, update=update, bounds=(-limit, 0.0), execution="host")
    return Network(
        name="balance",
        dt=dt,
        populations=[
            Population(name="inputs", size=INPUTS, neuron=Source()),
            Population(name="excitatory", size=EXCITATORY, neuron=LIF(tau_m=20.0, tau_ref=5.0)),
            Population(name="inhibitory", size=INHIBITORY, neuron=LIF(tau_m=20.0, tau_ref=5.0)),
        ],
        projections=[
            from_to("input", "inputs", "excitatory", 100, 0.6, 1),
            from_to("input_inhibitory", "inputs", "inhibitory", 100, 0.2, 2),
            from_to("EE", "excitatory", "excitatory", 24, 0.3, 3),
            from_to("IE", "excitatory", "inhibitory", 24, 0.3, 4),
            from_to("II", "inhibitory", "inhibitory", 20, -0.6, 5),
            from_to("EI", "inhibitory", "excitatory", 40, -inhibition, 6).replace(plasticity=learns),
        ],
        stimuli=[Poisson(population="inputs", rate=input_rate)],
        probes=[Rates(population="excitatory", every=1000.0)],
    )


@dataclass(frozen=True)
class Balance:
    """How well excitation and inhibition balance, over all excitatory neurons.

    Args:
        rate: their mean rate in Hz.
        excitation, inhibition: the mean input to each of them, (neuron,), in units of the threshold.
    """

    rate: float
    excitation: FloatArray
    inhibition: FloatArray

    @property
    def imbalance(self) -> float:
        """What is left of the excitation of a neuron, as a share of it: the mean over the neurons."""
        return float(np.mean(np.abs(self.excitation + self.inhibition) / self.excitation))


def balance(
    executable: Executable, *, learning: bool = True, seed: int = 1, settle: float = 15_000.0, seen: float = 5000.0
) -> Balance:
    """The balance of a compiled ``network`` in the last ``seen`` ms, after ``settle`` ms in which its inhibition
    learns; without ``learning`` it stays as it is described."""
    net = executable.source
    with executable.open(seed=seed) as session:
        for k in range(0 if learning else 2):
            session.set(f"projections.EI.plasticity[{k}].learning_rate", 0.0)
        session.run(settle)
        counts = session.run(seen).counts
        learned = session.get("projections.EI.weights", form="synapses")[0]
    rates = {name: count[0] / (seen / 1000.0) for name, count in counts.items()}
    return Balance(float(rates["excitatory"].mean()), *_inputs(net, rates, learned))


def _inputs(net: Network, rates: Mapping[str, FloatArray], learned: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The mean excitatory and inhibitory input to each excitatory neuron, at the rates of all populations in Hz, and
    with the weights of EI that were learned, (synapse,)."""
    total = {"excitation": np.zeros(EXCITATORY), "inhibition": np.zeros(EXCITATORY)}
    for name, kind in {"input": "excitation", "EE": "excitation", "EI": "inhibition"}.items():
        p, listed = net.projection(name), net.synapses(name)
        weights = learned if p.plasticity else listed.weight
        area = p.kernel.height * p.kernel.tau_syn / 1000.0
        np.add.at(total[kind], listed.post, area * weights * rates[p.pre][listed.pre])
    return total["excitation"], total["inhibition"]
