"""Emulated analog chips before and after calibration: reciprocal pairs, what is measured against what the chips are.

``python tests/calibration/calibrated_chips.py FOLDER [CHIPS [SECONDS [PAIRS [all|gains]]]]`` prints the tables of
docs/calibration.md and saves the calibration. ``gains``: nothing but synaptic gains and weights is mismatched.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import salhw
from salhw import GLM, Chip, Network, Population, Projection, Rectangular, Target
from salhw.connectivity import Sparse
from salhw.fields import FloatArray
from salhw_calibration import Calibration, Goals, calibrate, transfer_functions
from salhw_pynn.analog.effective import effective_weights

CHIP = salhw.target("brainscales2")
GAINS = ("weight", "gain_exc", "gain_inh")
CASES = {"all": CHIP, "gains": CHIP.with_variability({n: 0.0 for n in CHIP.variability if n not in GAINS})}
CODE = 0.04
TRIMMED = 0.05  # of either end


def pairs(count: int, weight: float = 1.0) -> Network:
    """``count`` reciprocal pairs that do not learn."""
    n = 2 * count
    return Network(
        name="pairs", dt=1.0, populations=[Population(name="n", size=n, neuron=GLM(bias=0.0, tau_ref=10.0))],
        projections=[Projection(name="p", pre="n", post="n", kernel=Rectangular(tau_syn=10.0),
                                weights=Sparse(post=np.arange(n), pre=np.arange(n) ^ 1, weight=np.full(n, weight)))],
    )  # fmt: skip


def spread(values: FloatArray) -> FloatArray:
    """Trimmed relative spread of each row."""
    low, high = (np.quantile(values, q, axis=1, keepdims=True) for q in (TRIMMED, 1.0 - TRIMMED))
    kept = np.where((values >= low) & (values <= high), values, np.nan)
    return np.asarray(np.nanstd(kept, axis=1) / np.abs(np.nanmean(kept, axis=1)))


@dataclass(frozen=True)
class Outcome:
    """Per sign: true gains, measured gains (chip, synapse); and trimmed spreads of true weights (chip,)."""

    true: FloatArray
    found: FloatArray
    before: FloatArray
    after: FloatArray


def outcome(target: Target, chips: tuple[Chip, ...], calibration: Calibration, weight: float) -> Outcome:
    """At one described weight."""
    net = pairs(len(calibration.synapses) // 2, weight)
    exe = salhw.compile(net, target)
    flat = np.full((len(chips), len(calibration.synapses)), weight)
    true = effective_weights(exe, chips, "p", flat) / weight
    written = calibration.maps(exe, calibration.ids)["projections.p.weights"].written(flat)
    codes = np.clip(np.rint(written / CODE), -63, 63) * CODE
    after = effective_weights(exe, chips, "p", codes)
    return Outcome(true, calibration.gain[..., 0 if weight > 0 else 1], spread(true), spread(after))


def main(folder: Path, count: int = 20, seconds: float = 100.0, size: int = 8, case: str = "all") -> None:
    target = CASES[case]
    chips, began = target.sample_chips(count, seed=1), time.process_time()
    calibration = calibrate(target, chips, pairs(size), goals=Goals(0.0, 0.0), duration=1000.0 * seconds, seed=1)
    calibration.save(folder)
    print(f"{case}, {count} chips of {2 * size} neurons, {seconds:g} s: {time.process_time() - began:.0f} s here")
    for quantity in ("weight", "bias"):
        share = calibration.spread[f"{quantity} after"] / calibration.spread[f"{quantity} before"]
        print(f"  measured {quantity} spread: share {np.median(share):.2f}, below .3 on {np.mean(share < 0.3):.0%}")
    for name, value in calibration.spread.items():
        print(f"  measured {name}: {np.sqrt(np.mean(value**2)):.4f}, chips {np.round(value, 3)}")
    print(f"  yield: weights {calibration.weight_yield.mean():.3f}, biases {calibration.bias_yield.mean():.3f}")
    for weight in (1.0, -1.0):
        o = outcome(target, chips, calibration, weight)
        slope = np.polyfit(o.true.ravel(), o.found.ravel(), 1)
        r = np.corrcoef(o.true.ravel(), o.found.ravel())[0, 1]
        share = o.after / o.before
        good = np.mean((share < 0.3) | (o.after < CODE / np.sqrt(12.0)))
        print(f"  W = {weight:+g}: r {r:.3f}, slope {slope[0]:.2f} + {slope[1]:.2f}, mean gain {o.found.mean():.2f};")
        print(f"    true spread {np.median(o.before):.3f} -> {np.median(o.after):.3f}, share {np.median(share):.2f}")
        print(f"    chips below .3 or the floor: {good:.0%}")
    for name, given in (("before", None), ("after", calibration)):
        exe = salhw.compile(pairs(size), target, calibration=given)
        t = transfer_functions(exe, chips=chips, duration=20_000.0, seed=99)
        noise = np.sqrt(np.mean(t.offset_errors["n"] ** 2)), np.sqrt(np.mean(t.slope_errors["n"] ** 2))
        print(f"  neurons {name}: offset {t.offset['n'].std():.3f} (error {noise[0]:.3f}), "
              f"slope {t.slope['n'].std():.3f} (error {noise[1]:.3f})")  # fmt: skip
        print(f"    per chip {np.round(t.offset['n'].std(axis=1), 3)}")
        print(f"    slopes per chip {np.round(t.slope['n'].std(axis=1), 3)}")


if __name__ == "__main__":
    words = sys.argv[1:]
    into = Path(words[0])
    into.mkdir(exist_ok=True)
    main(into, *(kind(word) for kind, word in zip((int, float, int, str), words[1:], strict=False)))  # type: ignore[arg-type]  # one kind each
