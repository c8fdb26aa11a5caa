"""What ``salhw measure`` and ``salhw calibrate`` do: numbers and pictures. The core finds it by entry point."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from salhw.description.network import Network
from salhw.io.files import folder, write_json
from salhw.session.executable import Executable
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw_calibration.calibrating import Goals
from salhw_calibration.calibrating import calibrate as measured_and_corrected
from salhw_calibration.calibration import Calibration
from salhw_calibration.effective import effective_weights
from salhw_calibration.measuring import Progress, refused
from salhw_calibration.neurons import TransferFunctions, transfer_functions
from salhw_calibration.plots import amplitudes_and_taus, nominal_and_measured, offsets_and_slopes, residuals
from salhw_calibration.probing import first_neurons
from salhw_calibration.results import EffectiveWeights, as_plain
from salhw_calibration.sensors import CorrelationSensors, correlation_sensors
from salhw_calibration.tables import Table, of_neurons, of_sensors, of_verdicts, of_weights
from salhw_calibration.verdict import headline


def weights(exe: Executable, *, method: str | None, out: Path, **options: Any) -> Mapping[str, Any]:
    """Effective weights of every synapse, with standard errors."""
    measured = effective_weights(exe, method=method or "likelihood", **options)
    picture = partial(nominal_and_measured, measured)
    return _left("weights", exe, measured, of_weights(exe, measured), picture, out, measured.method)


def neurons(exe: Executable, *, method: str | None, out: Path, **options: Any) -> Mapping[str, Any]:
    """Transfer functions and refractory periods of GLM neurons."""
    _one_way(method)
    measured = transfer_functions(exe, **options)
    return _left("neurons", exe, measured, of_neurons(measured), partial(offsets_and_slopes, measured), out)


def sensors(exe: Executable, *, method: str | None, out: Path, **options: Any) -> Mapping[str, Any]:
    """Correlation sensors of every synapse that learns."""
    _one_way(method)
    measured = correlation_sensors(exe, **options)
    return _left("sensors", exe, measured, of_sensors(exe, measured), partial(amplitudes_and_taus, measured), out)


measurements = {"weights": weights, "neurons": neurons, "sensors": sensors}


def _one_way(method: str | None) -> None:
    if method is not None:
        raise refused("SAL802", "method", repr(method), "one method, without a name", "leave --method out")


def _left(
    what: str,
    exe: Executable,
    measured: EffectiveWeights | TransferFunctions | CorrelationSensors,
    table: Table,
    draw: Callable[[Path], Path],
    out: Path,
    *method: str,
) -> Mapping[str, Any]:
    """Numbers and picture in ``out``, and what the command line tells."""
    data = as_plain(measured)
    write_json(folder(out) / f"{what}.json", data, default=str)
    draw(out / f"{what}.png")
    chosen, duration = ", ".join(map(str, measured.ids)), measured.provenance["duration_ms"]
    title = ", ".join([f"{exe.source.name} on {exe.target.name}", f"chips {chosen}", *method, f"{duration:g} ms"])
    columns, rows = table
    return {"title": title, "columns": columns, "rows": rows, "files": [f"{what}.json", f"{what}.png"], "data": data}


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
    calibration = measured_and_corrected(target, chips, goals, net=net, duration=duration, seed=seed, progress=progress)
    path = calibration.save(folder(out))
    residuals(calibration, goals, path.with_suffix(".png"))  # beside those of other calibrations in the same folder
    many = f"{len(chips)} chip{'s' * (len(chips) > 1)} of wafer {calibration.wafer}"
    return {
        "title": f"{net.name} on {target.name}, {many}: {headline(calibration.verdicts)}",
        "columns": ("quantity", "calibrated", "spread before", "after", "goal", "verdict"),
        "rows": of_verdicts(calibration),
        "files": [path.name, path.with_suffix(".png").name],
        "data": {
            "hash": calibration.content_hash,
            "wafer": calibration.wafer,
            "chips": list(calibration.ids),
            "measured": calibration.summary,
            "spread": {name: value.tolist() for name, value in calibration.spread.items()},
            "headline": headline(calibration.verdicts),
            "verdicts": {name: as_plain(v) | {"words": v.words} for name, v in calibration.verdicts.items()},
            "provenance": json.loads(json.dumps(dict(calibration.provenance), default=str)),
        },
    }


def load(path: Path) -> Calibration:
    """See Calibration.load."""
    return Calibration.load(path)
