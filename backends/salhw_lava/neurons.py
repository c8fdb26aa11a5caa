"""What every model of a population's neurons says to Lava, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from salhw.description.fields import FloatArray, IntArray
from salhw_lava.arithmetic import TABLE_BITS

SPARE = 2.0  # biases and inputs may grow by this factor at the expense of the last bit, while bits are left


@dataclass(frozen=True)
class Parameters:
    """A population in the process that holds all neurons of a network; by default one whose spikes come from the host.

    Args:
        bias: on the chip, one number or one per neuron.
        refractory: steps from a spike to the next at least; 0 where another process counts them.
        odds: dt / tau_ref.
        logistic: whether a step's probability is logistic in the potential; exact otherwise.
        table_start: the potential of the table's first entry, in 1/64.
        bits: of a potential, behind the point.
        table: spike probabilities in 2^-48; None for neurons that this process does not make spike.
        process: the parameters of the process that makes these neurons spike, None if it is this one.
    """

    bias: float | FloatArray = 0.0
    refractory: int = 0
    odds: float = 0.0
    logistic: bool = True
    table_start: int = 0
    bits: int = TABLE_BITS
    table: IntArray | None = None
    process: dict[str, Any] | None = None


class PspWords(NamedTuple):
    """How words hold an exponential PSP of weight 1: its ``peak`` in the potential, in steps of 2^-``bits``,
    ``rounding`` what these may take off, ``gain`` what an error of the PSP is in the potential."""

    peak: float
    bits: int
    rounding: float
    gain: float
