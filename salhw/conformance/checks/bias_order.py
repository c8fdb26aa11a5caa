"""bias[k] is neuron k's"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import glm
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.conformance.verdict import by_count
from salhw.description.network import Network
from salhw.description.parts import Population

SIZES = {"small": 3, "large": 5}  # two populations, so that an offset between them shows
HIGH, LOW = 2.0, -4.0


@check("bias-order", group="dynamics")
def bias_order(lab: Lab) -> Evidence:
    """bias[k] drives neuron k of its population and no other. Three runs write each neuron's number in binary digits
    (fires or is silent); read back, every neuron must have its own number.

    Exact: a digit is misread with less than 1e-20 (firing neurons are expected to spike 88, silent ones 2 times; the
    line is at 30).
    """
    digits = np.zeros((3, sum(SIZES.values())), dtype=int)
    truth = (np.arange(digits.shape[1])[None] >> np.arange(3)[:, None]) & 1
    for k, row in enumerate(truth):
        drive = np.split(np.where(row == 1, HIGH, LOW), [SIZES["small"]])
        net = Network(
            name="digit",
            dt=lab.dt,
            populations=[
                Population(name=name, size=n, neuron=glm(lab, bias))
                for (name, n), bias in zip(SIZES.items(), drive, strict=True)
            ],
        )
        with lab.open(net) as session:
            counts = session.run(1000 * lab.dt).counts
        digits[k] = np.concatenate([counts[name][0] for name in SIZES]) > 30
    numbers = (digits << np.arange(3)[:, None]).sum(axis=0)
    wrong = int((numbers != np.arange(len(numbers))).sum())
    return by_count(wrong, len(numbers), f"neurons read {numbers.tolist()}", "biases go to the wrong neurons")
