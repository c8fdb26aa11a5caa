"""What ``salhw measure`` and ``salhw calibrate`` do: numbers and pictures. The core finds it by entry point."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.network import Network
from salhw.target import Target
from salhw_calibration.calibrate import Goals
from salhw_calibration.calibrate import calibrate as measured_and_corrected
from salhw_calibration.calibration import Calibration
from salhw_calibration.effective import effective_weights
from salhw_calibration.measuring import Progress
from salhw_calibration.plots import nominal_and_measured, residuals
from salhw_calibration.probing import first_neurons
from salhw_calibration.results import EffectiveWeights

COLUMNS = ("projection", "synapses", "measured", "slope", "rms error", "median s.e.", "beyond 2 s.e.", "fits")


def weights(
    exe: Executable,
    *,
    chips: Sequence[Chip] | None,
    duration: float,
    seed: int,
    method: str | None,
    out: Path,
    progress: Progress | None,
) -> Mapping[str, Any]:
    """Effective weights of every synapse, with standard errors."""
    found = effective_weights(
        exe, chips=chips, duration=duration, seed=seed, method=method or "likelihood", progress=progress
    )
    out.mkdir(parents=True, exist_ok=True)
    data = found.as_dict()
    (out / "weights.json").write_text(json.dumps(data, indent=1, default=str), encoding="utf-8")
    nominal_and_measured(found, out / "weights.png")
    rows = [_row(exe, found, name) for name in found.weights]
    chosen = ", ".join(map(str, found.ids))
    title = f"{exe.source.name} on {exe.target.name}, chips {chosen}, {found.method}, {duration:g} ms"
    return {"title": title, "columns": COLUMNS, "rows": rows, "files": ["weights.json", "weights.png"], "data": data}


def _row(exe: Executable, found: EffectiveWeights, name: str) -> list[str]:
    nominal, weight, error = (of[name] for of in (found.nominal, found.weights, found.standard_errors))
    synapse, known = np.isfinite(nominal), np.isfinite(weight) & np.isfinite(error)
    if not known.any():
        return [name, f"{synapse.sum()}", "0", *["–"] * 5]
    x, y, e = nominal[known], weight[known], error[known]
    slope = f"{x @ y / (x @ x):.3f}" if x.any() else "–"
    fit = found.goodness_of_fit.get(exe.source.projection(name).post, np.full(1, np.nan))
    tested = np.isfinite(fit)
    fits = f"{np.mean(fit[tested] > 0.01):.0%}" if tested.any() else "–"
    rms = np.sqrt(np.mean((y - x) ** 2))
    beyond = np.mean(np.abs(y - x) > 2.0 * e)
    return [
        name, f"{synapse.sum()}", f"{known.sum()}", slope, f"{rms:.3g}", f"{np.median(e):.3g}", f"{beyond:.0%}", fits
    ]  # fmt: skip


measurements = {"weights": weights}


def calibrate(
    target: Target,
    chips: Sequence[Chip],
    net: Network | None,
    *,
    duration: float,
    seed: int,
    out: Path,
    progress: Progress | None,
) -> Mapping[str, Any]:
    """Measure and correct chips for a network (by default ``first_neurons``), and save the calibration."""
    goals, net = Goals(), net or first_neurons()
    found = measured_and_corrected(target, chips, goals, net=net, duration=duration, seed=seed, progress=progress)
    out.mkdir(parents=True, exist_ok=True)
    path = found.save(out)
    residuals(found, goals, out / "residuals.png")
    rows = [
        [name, f"{told['yield']:.1%}", f"{told['before']:.3g}", f"{told['after']:.3g}", f"{getattr(goals, name):g}"]
        for name, told in found.summary.items()
    ]
    return {
        "title": f"{net.name} on {target.name}, {len(chips)} chips of wafer {found.wafer}",
        "columns": ("quantity", "calibrated", "spread before", "after", "goal"),
        "rows": rows,
        "files": [path.name, "residuals.png"],
        "data": {
            "hash": found.content_hash,
            "wafer": found.wafer,
            "chips": list(found.ids),
            "measured": found.summary,
            "spread": {name: value.tolist() for name, value in found.spread.items()},
            "provenance": json.loads(json.dumps(dict(found.provenance), default=str)),
        },
    }


def load(path: Path) -> Calibration:
    """See Calibration.load."""
    return Calibration.load(path)
