"""Regression discontinuity design: which network it takes to see a spike's effect on the layer above, from drives that
just reach the threshold and drives that just miss it (Lansdell & Kording 2019; Guerguiev, Kording & Richards 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from salhw import LIF, Exponential, Membrane, Network, OneToOne, Poisson, Population, Projection, Source
from salhw.diagnostics.arguments import wrong
from salhw_networks.deep.network import Chain

SILENT = 1e6
"""A threshold that no potential reaches."""


@dataclass(frozen=True)
class RDD:
    """Regression discontinuity design (Guerguiev et al. 2020): what a spike of a lower neuron adds to the input of the
    higher ones is the jump of that input between drives whose maximum just reaches the threshold and just misses it.

    Pairs of layers come one after the other. The lower neurons are LIF with a threshold of 1, and each is driven by a
    Poisson source of its own; feedback is silent. Whatever drives both layers alike is smooth in the maximum, so the
    jump owes nothing to it. The authors' ``window`` is 30 ms and their ``band`` .1, which leaves twice the noise for
    the same spikes. They fit the two lines by stochastic gradient descent; here it is least squares.

    Args:
        window: for how many ms the maximum of a drive and its consequences are followed.
        band: distances of that maximum from the threshold that count.
        driven: the share of lower neurons that are driven, drawn anew every 100 ms.
        rate: of their sources in Hz.
        strength: the area of a source's PSP in ms.
    """

    window: float = 15.0
    band: float = 0.2
    driven: float = 0.2
    rate: float = 200.0
    strength: float = 4.0
    update: ClassVar[str] = "run end"
    acts: ClassVar[bool] = False
    burst: ClassVar[float] = 100.0

    def description(self, chain: Chain) -> Network:
        """The network of two layers: ``layer_0`` spikes, ``drive_0`` has its inputs and no threshold, as ``layer_1``.

        PSPs are the authors', a difference of exponentials of 10 and 3 ms with an area of 1 ms. The membrane has the
        shorter time constant, so that a spike's reset is forgotten soon.

        Raises:
            DescriptionError: more than one pair of layers.
        """
        if len(chain.weights) != 1:
            raise wrong("layers", f"{len(chain.sizes)} in a chain", "two at a time", "Aligner(..., apart=True)")
        below, above = chain.sizes

        def layer(name: str, size: int, threshold: float) -> Population:
            return Population(
                name=name, size=size, neuron=LIF(tau_m=3.0, tau_ref=3.0, v_reset=-1.0, v_thresh=threshold)
            )

        kernel, drive = Exponential(tau_syn=10.0, area=1.0), OneToOne(weight=self.strength)
        return Network(
            name="deep_rdd",
            dt=1.0,
            populations=[
                Population(name="source", size=below, neuron=Source()),
                layer("layer_0", below, 1.0), layer("drive_0", below, SILENT), layer("layer_1", above, SILENT),
            ],
            projections=[
                Projection(name="drive", pre="source", post="layer_0", weights=drive, kernel=kernel),
                Projection(name="twin", pre="source", post="drive_0", weights=drive, kernel=kernel),
                Projection(name="forward_0", pre="layer_0", post="layer_1", weights=chain.weights[0], kernel=kernel),
            ],
            stimuli=[Poisson("source", rate=self.rate)],
            probes=[Membrane(name) for name in ("layer_0", "drive_0", "layer_1")],
        )  # fmt: skip
