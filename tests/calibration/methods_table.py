"""Bias and coverage of every method, as docs/calibration.md states them: python tests/calibration/methods_table.py"""

from __future__ import annotations

import time

import numpy as np
from calibration_examples import compiled, coverage, errors_of, recurrent
from test_methods import driven

from salhw import Alpha, Exponential, Network
from salhw_calibration import effective_weights

SECONDS, INSTANCES, PAIRS = 100, 20, 200
SPIKES = ("likelihood", "stdd", "response", "stdwi", "psp")
CASES: dict[str, tuple[Network, tuple[str, ...]]] = {
    "pair": (recurrent(2, seed=7, sd=1.0), SPIKES),
    "7 neurons": (recurrent(7), SPIKES),
    "7 neurons, exact link": (recurrent(7, seed=2, discretisation="exact"), SPIKES),
    "7 neurons, weak weights": (recurrent(7, seed=3, sd=0.2), SPIKES),
    "7 neurons, exponential PSP": (recurrent(7, seed=5, kernel=Exponential(tau_syn=5.0, area=10.0)), SPIKES),
    "7 neurons, short alpha PSP": (recurrent(7, seed=6, kernel=Alpha(tau_syn=2.0, area=10.0)), SPIKES),
    "LIF to GLM, common drive": (driven(0.5), ("likelihood", "rdd", "response", "stdwi", "psp")),
}


def main() -> None:
    """Print the table as Markdown."""
    print("| network | method | usable | coverage | mean bias | slope | r.m.s. bias | standard error | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case, (net, methods) in CASES.items():
        truth = np.array(net.projection("p").weights.values)
        some = np.full(truth.shape, True) if net.projection("p").pre != net.projection("p").post else truth != 0.0
        instances = PAIRS if case == "pair" else INSTANCES
        for method in methods:
            began = time.perf_counter()
            found = effective_weights(
                compiled(net), instances=instances, duration=SECONDS * 1e3, seed=1, method=method
            )  # fmt: skip
            seconds = (time.perf_counter() - began) / instances
            deviation, error = errors_of(found, truth)
            mean = np.nanmean(found.weights["p"][:, some], axis=0)
            rms = np.sqrt(np.mean((mean - truth[some]) ** 2))
            slope = mean @ truth[some] / (truth[some] @ truth[some])
            usable = np.isfinite(found.weights["p"][:, some]).mean()
            print(
                f"| {case} | {method} | {usable:.0%} | {coverage(deviation, error):.1%} | {deviation.mean():+.3f} "
                f"| {slope:.2f} | {rms:.3f} | {np.median(error):.2g} | {seconds:.2f} |"
            )


if __name__ == "__main__":
    main()
