"""Neurons that compete for images, and learn those that they win (Diehl & Cook 2015, Front. Comput. Neurosci. 9:99)."""

from __future__ import annotations

import numpy as np

from salhw import (
    LIF,
    AllToAll,
    Exponential,
    ExponentialWindow,
    Network,
    OneToOne,
    PairSTDP,
    PerSpike,
    Poisson,
    Population,
    Projection,
    Source,
)
from salhw.description.fields import FloatArray
from salhw.description.plasticity import PlasticityRule

SHOWN, REST = 300.0, 150.0  # ms that an image is shown, and that potentials have to forget it
HIGHEST = 127.5  # Hz, of the source of a white pixel
THRESHOLD, TAU_M, TAU_SYN = 13.0, 40.0, 2.0  # mV above rest, ms
TAU_INHIBITORY = 10.0  # ms, of inhibitory membranes
ENOUGH = 30.0  # mV: one spike makes its inhibitory neuron spike
TOTAL = 12.0  # of a neuron's weights, which are normalised to it


def network(
    neurons: int = 100,
    pixels: int = 64,
    learning_rate: float = 0.01,
    silent: float = 0.8,
    excitation: float = 4.0,
    inhibition: float = 120.0,
    theta_plus: float = 0.5,
    tau_theta: float = 500_000.0,
    dt: float = 1.0,
) -> Network:
    """Excitatory neurons that compete for images, and learn those that they win (Diehl & Cook 2015).

    Poisson sources are the pixels. Each neuron has an inhibitory one that silences all others. The threshold of a
    neuron grows with each of its spikes, so that all get their turn. Weights change at the end of a run, which is that
    of one image, by what its spikes add up to.

    Args:
        neurons: how many there are of each kind.
        pixels: how many sources.
        learning_rate: eta: a spike of a neuron adds eta (x - silent) to each of its weights, x the trace of the
            presynaptic spikes, which decays within 20 ms.
        silent: the trace of a pixel whose weight stays as it is (the paper's x_tar).
        excitation: what a spike adds to a potential through a weight of 1, in mV.
        inhibition: what a spike of one neuron takes from the potential of all others, in mV.
        theta_plus: what a spike adds to its neuron's threshold, in mV.
        tau_theta: the time constant in ms with which thresholds come back.
    """
    common = {"learning_rate": learning_rate, "update": "run end", "bounds": (0.0, 1.0), "execution": "host"}
    causal, nothing = (ExponentialWindow(amplitude=a, tau=20.0) for a in (1.0, 0.0))
    learns: list[PlasticityRule] = [
        PairSTDP(causal=causal, anticausal=nothing, pairing="all", **common),
        PerSpike(pre=0.0, post=-silent, **common),
    ]
    neuron = LIF(tau_m=TAU_M, tau_ref=5.0, v_thresh=THRESHOLD, theta_plus=theta_plus, tau_theta=tau_theta)

    def psp(tau_m: float, jump: float = 1.0) -> Exponential:
        """A PSP whose charge moves a membrane by ``jump`` mV per unit of weight."""
        return Exponential(tau_syn=TAU_SYN, area=tau_m * jump)

    others = -inhibition * (1.0 - np.eye(neurons))
    return Network(
        name="digits",
        dt=dt,
        populations=[
            Population(name="pixels", size=pixels, neuron=Source()),
            Population(name="excitatory", size=neurons, neuron=neuron),
            Population(
                name="inhibitory", size=neurons, neuron=LIF(tau_m=TAU_INHIBITORY, tau_ref=2.0, v_thresh=THRESHOLD)
            ),
        ],
        projections=[
            Projection(
                name="input", pre="pixels", post="excitatory", weights=AllToAll(weight=min(1.0, TOTAL / pixels)),
                kernel=psp(TAU_M, excitation), plasticity=learns,
            ),
            Projection(
                name="excite", pre="excitatory", post="inhibitory", weights=OneToOne(weight=ENOUGH),
                kernel=psp(TAU_INHIBITORY),
            ),
            Projection(name="inhibit", pre="inhibitory", post="excitatory", weights=others, kernel=psp(TAU_M)),
        ],
        stimuli=[Poisson("pixels", rate=0.25 * HIGHEST)],
    )  # fmt: skip


def showing(net: Network, images: FloatArray) -> Network:
    """The network under images (image, pixel) of intensities 0 .. 1, one after the other: each is shown for SHOWN ms,
    after which pixels are dark for REST ms."""
    lit, dark = round(SHOWN / REST), np.zeros((1, images.shape[1]))
    rates = [row for image in images for row in (*[HIGHEST * image[None]] * lit, dark)]
    return net.replace(stimuli=[Poisson("pixels", rate=np.concatenate(rates), every=REST)])


def with_thresholds(net: Network, theta: FloatArray) -> Network:
    """The network with thresholds that are ``theta``, (neuron,), above what they are described as, and stay there."""
    population = net.population("excitatory")
    assert isinstance(population.neuron, LIF)
    fixed = population.neuron.replace(theta_plus=0.0, v_thresh=THRESHOLD + theta)
    changed = [p.replace(neuron=fixed) if p is population else p for p in net.populations]
    return net.replace(populations=changed)


def normalised(weights: FloatArray) -> FloatArray:
    """Weights (..., neuron, pixel) times what makes those of each neuron add up to TOTAL, within the bounds of its
    rule."""
    return np.asarray(np.minimum(weights * (TOTAL / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-9)), 1.0))
