"""The main job on real input: SAL makes reciprocal weights equal, in a batch of pairs and in a sampling network.

This is compiled for the embedded default target and goes through the public Session. What is measured is held against
exact results of ``salhw.theory``; every tolerance is derived there, not tuned. Then the pair runs on every target.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from salhw.comparison import chosen_targets
from salhw.io.files import folder, write_json
from salhw_networks.demo import comparing, pairs, sampling, timing
from salhw_networks.demo.common import Row

TARGET = "reference"
FILES = ("weights.png", "stdd.png", "pairs.h5", "sampling.h5", "summary.json", *comparing.FILES)
Progress = Callable[[float], None]
_SHARES = (0.12, 0.08, 0.2, 0.6)  # of the wall time, per part


def run(out: Path, progress: Progress | None = None, targets: str | Sequence[str] = "all") -> dict[str, Any]:
    """Run the demo and write weights.png, stdd.png, pairs.h5, sampling.h5 and summary.json into ``out``, and a
    comparison of ``targets`` into its folder ``comparison``.

    Files of an earlier run are replaced, each at once. ``progress`` is called with the share done, 0 to 1.

    Returns:
        The content of summary.json; ``converged`` says whether every row of ``rows`` is within its tolerance. What came
        of other targets is no part of that: noisy chips that nobody calibrated are different, as they should be.

    Raises:
        SalhwError: from compiling or running; ``out`` cannot be written.
    """
    began = time.perf_counter()
    others = chosen_targets(targets)  # before the work begins
    folder(out)
    parts = _parts(progress)
    pair = pairs.run(TARGET, parts[0])
    spikes = timing.run(TARGET, pairs.FIG_2D, pair.end_of(0), parts[1])
    network = sampling.run(TARGET, parts[2])
    compared = comparing.run(out, others or "all", parts[3])

    # Here, because it is slow to import and the numbers are worth having without it.
    from salhw_networks.demo import figures

    figures.weights(out / "weights.png", pair, network)
    figures.stdd(out / "stdd.png", spikes)
    pair.recording.save(out / "pairs.h5")
    network.recording.save(out / "sampling.h5")
    rows = [*pair.rows(), *network.rows(), *spikes.rows()]
    content = {
        "salhw": version("salhw"),
        "converged": all(row.good for row in rows),
        "rows": [row.as_dict() for row in rows],
        "pairs": pair.as_dict(),
        "sampling": network.as_dict(),
        "stdd": spikes.as_dict(),
        "comparison": comparing.as_dict(compared),
        "wall_time_s": round(time.perf_counter() - began, 3),
        "files": list(FILES),
    }
    write_json(out / "summary.json", content)
    return content


def _parts(progress: Progress | None) -> list[Progress | None]:
    """One callback per part of the work, each from 0 to 1, that report to ``progress`` in the whole."""
    if progress is None:
        return [None] * len(_SHARES)
    starts = [sum(_SHARES[:k]) for k in range(len(_SHARES))]

    def part(start: float, share: float) -> Progress:
        return lambda done: progress(start + share * done)

    return [part(start, share) for start, share in zip(starts, _SHARES, strict=True)]


__all__ = ["Row", "run"]
