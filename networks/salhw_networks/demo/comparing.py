"""The pair of Fig 2 on every target that is installed, fitted where it has to be, each held against the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from salhw import Target
from salhw.comparison import Comparison, compare
from salhw_networks.pairs.network import network as pair

LEARNING_RATE = 0.01  # 20 times Fig 2d's: the gap closes with 1/(7 s), so that after 30 s what is left of it is noise
DURATION = 30_000.0
FILES = ("comparison/index.html", "comparison/comparison.json")


def run(out: Path, targets: str | Sequence[Target], progress: Callable[[float], None] | None = None) -> Comparison:
    """Compare the targets, with everything that a comparison leaves in ``out``/comparison."""
    net = pair(learning_rate=LEARNING_RATE)
    return compare(net, targets, duration=DURATION, out=out / "comparison", progress=progress)


def as_dict(result: Comparison) -> dict[str, Any]:
    """Plain data, for JSON: what came of each target. All of it is in the ``file``."""
    outcomes = (result.reference, *result.outcomes)
    return {
        "file": FILES[1],
        "learning_rate": LEARNING_RATE,
        "duration_ms": DURATION,
        "seed": result.seed,
        "targets": {
            o.target: {"verdict": o.verdict, "message": o.message, "gaps": [dict(vars(gap)) for gap in o.gaps]}
            for o in outcomes
        },
    }
