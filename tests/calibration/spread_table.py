"""What calibration leaves on the reference, as docs/calibration.md says: python tests/calibration/spread_table.py"""

from __future__ import annotations

import time

import numpy as np
from calibration_examples import compiled, recurrent
from test_calibrate import TARGET, written

from salhw.description.fields import FloatArray
from salhw_calibration import Calibration, calibrate

CHIPS = TARGET.sample_chips(6, seed=3)
NET = recurrent(7, sd=1.0)
OFF = ~np.eye(7, dtype=bool)


def spreads(calibration: Calibration | None) -> tuple[float, float]:
    """The true spread of weights, relative to what is described, and of biases; rms over chips."""
    exe, held = compiled(NET, TARGET), written(NET, calibration, CHIPS)
    places, cells = exe.placement.synapses(exe.network, "p"), exe.placement.neurons(exe.network, "a")
    flat: FloatArray = held["projections.p.weights"][:, OFF]
    weights = [chip.vary("weight", w, places) for chip, w in zip(CHIPS, flat, strict=True)]
    biases = [chip.vary("bias", b, cells) for chip, b in zip(CHIPS, held["populations.a.bias"], strict=True)]
    off = (
        np.array(weights) / NET.projections[0].weights.values[OFF] - 1.0,
        np.array(biases) - NET.populations[0].neuron.bias,
    )
    return tuple(float(np.sqrt(each.var(axis=1).mean())) for each in off)  # type: ignore[return-value]  # two


def main() -> None:
    """Print the table as Markdown."""
    print("| duration | true spread of weights | of biases | s of processor time, all chips |\n|---|---|---|---|")
    print("| none | {:.3f} | {:.3f} | |".format(*spreads(None)))
    for seconds in (20, 100):
        began = time.process_time()
        made = calibrate(TARGET, CHIPS, net=NET, duration=1000.0 * seconds, seed=1)
        took = time.process_time() - began
        print("| {} s | {:.3f} | {:.3f} | {:.0f} |".format(seconds, *spreads(made), took), flush=True)


if __name__ == "__main__":
    main()
