"""Emulated analog chips before and after calibration: reciprocal pairs, what is measured against what the chips are.

``python tests/calibration/calibrated_chips.py FOLDER [CHIPS [SECONDS [PAIRS [all|gains|taus]]]]`` prints the tables of
docs/calibration.md and saves the calibration. ``gains``: nothing but synaptic gains and weights is mismatched;
``taus``: nothing but time constants, by .2.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import salhw
from salhw import GLM, Chip, Network, Population, Projection, Rectangular, Target
from salhw.description.connectivity import Sparse
from salhw.description.fields import FloatArray
from salhw_brainscales2 import effective
from salhw_brainscales2.circuit import circuit
from salhw_calibration import Calibration, Goals, calibrate, effective_weights, transfer_functions

CHIP = salhw.target("brainscales2")
GAINS = ("weight", "gain_exc", "gain_inh")
TAUS = ("tau_syn_exc", "tau_syn_inh", "tau_m")


def _alone(*names: str) -> Target:
    return CHIP.with_variability({n: 0.0 for n in CHIP.variability if n not in names})


CASES = {"all": CHIP, "gains": _alone(*GAINS), "taus": _alone(*TAUS).with_variability(dict.fromkeys(TAUS, 0.2))}
CODE = 0.04
FLOOR = CODE / np.sqrt(12.0)  # what rounding to 6 bits leaves at a weight of 1
TRIMMED = 0.05  # of either end
WEIGHTS, BIASES = "projections.p.weights", "populations.n.bias"


def pairs(count: int, weight: float = 1.0) -> Network:
    """``count`` reciprocal pairs that do not learn."""
    n = 2 * count
    return Network(
        name="pairs", dt=1.0, populations=[Population(name="n", size=n, neuron=GLM(bias=0.0, tau_ref=10.0))],
        projections=[Projection(name="p", pre="n", post="n", kernel=Rectangular(tau_syn=10.0),
                                weights=Sparse(post=np.arange(n), pre=np.arange(n) ^ 1, weight=np.full(n, weight)))],
    )  # fmt: skip


def spread(values: FloatArray) -> FloatArray:
    """Trimmed standard deviation over the last axis."""
    low, high = (np.quantile(values, q, axis=-1, keepdims=True) for q in (TRIMMED, 1.0 - TRIMMED))
    kept = np.where((values >= low) & (values <= high), values, np.nan)
    return np.asarray(np.nanstd(kept, axis=-1))


def relative(values: FloatArray) -> FloatArray:
    """Trimmed spread over the mean."""
    return np.asarray(spread(values) / np.abs(values.mean(axis=-1)))


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
    maps = calibration.maps(exe, calibration.ids)
    bias = maps[BIASES].written(np.zeros((len(chips), len(calibration.neurons))))  # gains are measured with it, too
    codes = np.clip(np.rint(maps[WEIGHTS].written(flat) / CODE), -63, 63) * CODE
    before = effective.effective_weights(exe, chips, "p", flat)
    true, after = (effective.effective_weights(exe, chips, "p", held, bias) for held in (flat, codes))
    found = calibration.gain[..., 0 if weight > 0 else 1]
    return Outcome(true / weight, found, relative(before / weight), relative(after))


def powers(target: Target, chips: tuple[Chip, ...], calibration: Calibration, weight: float) -> FloatArray:
    """The powers of the synaptic time constant, the membrane's and sigma with which the found gains go."""
    exe, sign = salhw.compile(pairs(len(calibration.synapses) // 2), target), 0 if weight > 0 else 1
    made = circuit(exe.network, exe.target, exe.placement, chips)
    cells, post = made.cells["n"], made.wiring["p"].post
    logs = [np.log(part[:, post]).ravel() for part in (cells.tau_syn[sign], cells.tau_m, cells.sigma)]
    design = np.stack([*logs, np.ones(len(logs[0]))], axis=1)
    return np.asarray(np.linalg.lstsq(design, np.log(calibration.gain[..., sign]).ravel())[0][:3])


@dataclass(frozen=True)
class Measured:
    """Spreads (chip,) of one quantity that was measured again and again: as its mean shows it, and without what the
    scatter from one time to the next adds to it."""

    shown: FloatArray
    true: FloatArray

    @classmethod
    def of(cls, again: FloatArray) -> Measured:
        """``again``: (time, chip, ..., quantity); root mean square over the axes between."""
        mean, times = again.mean(axis=0), len(again)
        size = np.abs(mean.mean(axis=-1, keepdims=True))
        # x_k - mean scatters as the mean does, times sqrt(times - 1)
        noise = (spread((again - mean) / size) ** 2).mean(axis=(0, 1)) / (times - 1)
        square = spread(mean / size) ** 2
        between = tuple(range(1, square.ndim))
        return cls(
            np.sqrt(square.mean(axis=between)), np.sqrt(np.maximum(square - noise, 0.0).mean(axis=between))
        )  # fmt: skip


def neurons(exe: salhw.Executable, chips: tuple[Chip, ...], times: int) -> dict[str, Measured]:
    """Transfer functions: how far neurons told 0 are from it (plus 1, because Measured is relative), how much they make
    of a difference, and their rates at all levels."""
    swept = [transfer_functions(exe, chips=chips, duration=20_000.0, seed=900 + k) for k in range(times)]
    return {
        "bias": Measured.of(np.stack([s.offset["n"] - s.offset["n"].mean(axis=1, keepdims=True) + 1.0 for s in swept])),
        "slope": Measured.of(np.stack([s.slope["n"] for s in swept])),
        "rates": Measured.of(np.stack([s.rates["n"] for s in swept])),
    }


def weights(exe: salhw.Executable, chips: tuple[Chip, ...], times: int, seconds: float) -> dict[str, Measured]:
    """Effective weights of +1, of -1, and of both, over what was described; no loops while they are measured."""
    (p,) = exe.source.projections
    post, pre = p.weights.post, p.weights.pre
    found = {sign: np.zeros((times, len(chips), len(post))) for sign in (1.0, -1.0)}
    for k in range(times):
        for part, (sign, up) in enumerate([(s, d) for s in found for d in (True, False)]):
            way = (pre < post) == up
            f = effective_weights(
                exe, chips=chips, duration=1000.0 * seconds, seed=700 + 10 * k + part,
                weights={WEIGHTS: np.where(way, sign, 0.0)},
            )  # fmt: skip
            found[sign][k][:, way] = f.weights["p"][:, way] / sign
    return {
        "W = +1": Measured.of(found[1.0]),
        "W = -1": Measured.of(found[-1.0]),
        "both signs": Measured.of(np.concatenate([found[1.0], found[-1.0]], axis=-1)),
    }


def table(before: dict[str, Measured], after: dict[str, Measured]) -> Iterator[str]:
    """Rows: median spreads without noise and as shown, and how many chips come below .3 by either."""
    for name, b in before.items():
        a = after[name]
        floor = FLOOR if name.startswith(("W", "both")) else 0.0
        good = [int(((y < 0.3 * b.true) | (y < floor)).sum()) for y in (a.true, a.shown)]
        yield (
            f"| {name} | {np.median(b.true):.3f} | {np.median(a.true):.3f} | {good[0]} of {len(b.true)} | "
            f"{np.median(a.shown):.3f} | {good[1]} |"
        )


def truth(target: Target, chips: tuple[Chip, ...], calibration: Calibration) -> Iterator[str]:
    """Rows: found gains against true ones, and true spreads."""
    for weight in (1.0, -1.0):
        o = outcome(target, chips, calibration, weight)
        r = np.corrcoef(o.true.ravel(), o.found.ravel())[0, 1]
        slope = np.polyfit(o.true.ravel(), o.found.ravel(), 1)[0]
        good = int(((o.after < 0.3 * o.before) | (o.after < FLOOR)).sum())
        yield (
            f"| {weight:+g} | {r:.3f} | {slope:.2f} | {o.found.mean():.2f} | {np.median(o.before):.3f} | "
            f"{np.median(o.after):.3f} | {good} of {len(chips)} |"
        )


def main(folder: Path, count: int = 20, seconds: float = 100.0, size: int = 8, case: str = "all") -> None:
    target = CASES[case]
    chips, clock = target.sample_chips(count, seed=1), time.process_time
    began = clock()
    kept = folder / f"{case}-{count}-{seconds:g}-{size}.h5"
    if not kept.is_file():
        calibrate(target, chips, Goals(0.0, 0.0), net=pairs(size), duration=1000.0 * seconds, seed=1).save(
            folder
        ).rename(kept)
    calibration = Calibration.load(kept)
    print(f"{case}, {count} chips of {2 * size} neurons, {seconds:g} s: {clock() - began:.0f} s here")
    for name, value in calibration.spread.items():
        print(f"  measured {name}: {np.sqrt(np.mean(value**2)):.4f}")
    print(f"  yield: weights {calibration.weight_yield.mean():.3f}, biases {calibration.bias_yield.mean():.3f}")
    print("| W | r | slope | mean gain | true before | after | below .3 |\n|---|---|---|---|---|---|---|")
    print("\n".join(truth(target, chips, calibration)), flush=True)
    if case == "taus":
        for weight in (1.0, -1.0):
            print(f"{weight:+g}: powers of tau_syn, tau_m, sigma", powers(target, chips, calibration, weight).round(2))
        return
    given = [salhw.compile(pairs(size), target, calibration=by) for by in (None, calibration)]
    kinds: list[Callable[[salhw.Executable, int], dict[str, Measured]]] = [
        lambda exe, times: neurons(exe, chips, times),
        lambda exe, times: weights(exe, chips, times, 60.0),
    ]
    print("| | before | after | below .3 | after, with noise | below .3 |\n|---|---|---|---|---|---|")
    for kind in kinds:
        print("\n".join(table(kind(given[0], 2), kind(given[1], 5))), flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    into = Path(words[0])
    into.mkdir(exist_ok=True)
    main(into, *(kind(word) for kind, word in zip((int, float, int, str), words[1:], strict=False)))  # type: ignore[arg-type]  # one kind each
