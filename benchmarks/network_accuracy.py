"""How far networks of five neurons on a target are from the exact states: the tables of docs/conformance.md.

``python benchmarks/network_accuracy.py TARGET [NETWORKS] [PRECISION]``, TARGET with `` ideal`` behind it for
``ideal()``. The networks are those of the check ``networks-of-five``; a quick profile measures the first three.
Standard errors are about an eleventh of PRECISION; what chips scatter adds to them.
"""

from __future__ import annotations

import sys

import numpy as np

from salhw.conformance.checks.networks_of_five import Z, drawn, measured
from salhw.conformance.lab import Lab
from salhw.conformance.statistics import observations, pairs_needed, total_variation
from salhw.registry import backend, resolve

WHAT = ("states", "rates")


def main(name: str, networks: int = 40, precision: float = 0.02) -> None:
    """Print a row for each network, and what holds for all and for most."""
    target = resolve(name.removesuffix(" ideal"))
    if "execution" in target.options:
        target = target.with_options(execution="in-process")
    lab = Lab(backend(target.backend), target.ideal() if name.endswith(" ideal") else target)
    need = max(pairs_needed(precision, len(Z)), observations(precision, 0.5))
    print("| network | largest weight | activity | states | rates, of 1/tau_ref |\n|---|---|---|---|---|")
    rows = []
    for number in range(networks):
        five = drawn(lab, number)
        sample = measured(lab, five, need)
        states, active = total_variation(sample, five.exact, 1.0), five.exact @ Z
        each = sample / sample.sum(axis=1, keepdims=True) @ Z
        off = np.abs(each.mean(axis=0) - active)
        error = each.std(axis=0, ddof=1)[off.argmax()] / np.sqrt(len(each))
        rows.append([float(np.abs(five.weights).max()), states.deviation, off.max()])
        sizes = f"{states.deviation:.4f} ± {states.error:.4f} | {off.max():.4f} ± {error:.4f}"
        print(f"| {number} | {rows[-1][0]:.1f} | {active.min():.3f}..{active.max():.3f} | {sizes} |", flush=True)
    table = np.array(rows)
    for low, high in ((0.0, 2.0), (2.0, 6.0), (6.0, np.inf), (0.0, np.inf)):
        of = table[(table[:, 0] > low) & (table[:, 0] <= high), 1:]
        if len(of):
            middle, most = np.median(of, axis=0), of.max(axis=0)
            said = ", ".join(f"{w} {m:.4f} (at most {x:.4f})" for w, m, x in zip(WHAT, middle, most, strict=True))
            print(f"largest weight {low:g}..{high:g}, {len(of)} networks: {said}")


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:3]), *(float(word) for word in sys.argv[3:4]))
