"""Tables of measurements, a row for each thing measured, all chips together."""

from __future__ import annotations

import numpy as np

from salhw.description.connectivity import count
from salhw.description.fields import FloatArray
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.session.executable import Executable
from salhw_calibration.calibration import Calibration
from salhw_calibration.neurons import TransferFunctions
from salhw_calibration.results import EffectiveWeights
from salhw_calibration.sensors import CorrelationSensors

Table = tuple[tuple[str, ...], list[list[str]]]
"""Names of columns, and rows."""
NONE = "–"


def of_weights(exe: Executable, measured: EffectiveWeights) -> Table:
    """A row for each projection; beside nominal weights."""
    columns = ("projection", "synapses", "measured", "slope", "rms error", "median s.e.", "beyond 2 s.e.", "fits")
    return columns, [_weights(exe, measured, name) for name in measured.weights]


def _weights(exe: Executable, measured: EffectiveWeights, name: str) -> list[str]:
    nominal, weight, error = (of[name] for of in (measured.nominal, measured.weights, measured.standard_errors))
    synapse, known = np.isfinite(nominal), np.isfinite(weight) & np.isfinite(error)
    if not known.any():
        return [name, f"{synapse.sum()}", "0", *[NONE] * 5]
    x, y, e = nominal[known], weight[known], error[known]
    slope = f"{x @ y / (x @ x):.3f}" if x.any() else NONE
    fit = measured.goodness_of_fit.get(exe.source.projection(name).post, np.full(1, np.nan))
    tested = np.isfinite(fit)
    fits = f"{np.mean(fit[tested] > 0.01):.0%}" if tested.any() else NONE
    rms = np.sqrt(np.mean((y - x) ** 2))
    beyond = np.mean(np.abs(y - x) > 2.0 * e)
    return [
        name, f"{synapse.sum()}", f"{known.sum()}", slope, f"{rms:.3g}", f"{np.median(e):.3g}", f"{beyond:.0%}", fits
    ]  # fmt: skip


def of_neurons(measured: TransferFunctions) -> Table:
    """A row for each population of GLM neurons: means and standard deviations over neurons."""
    columns = ("population", "neurons", "measured", "offset", "median s.e.", "slope", "median s.e.", "tau_ref, ms")
    rows = []
    for name, offset in measured.offset.items():
        known = np.isfinite(offset) & np.isfinite(measured.slope[name])
        quantities = ((offset, measured.offset_errors[name]), (measured.slope[name], measured.slope_errors[name]))
        fitted = [text for value, error in quantities for text in _fitted(value[known], error[known])]
        seen = np.unique(measured.refractory_period[name][np.isfinite(measured.refractory_period[name])])
        refractory = "..".join(f"{period:g}" for period in seen[sorted({0, len(seen) - 1})]) if len(seen) else NONE
        rows.append([name, f"{known.size}", f"{known.sum()}", *fitted, refractory])
    return columns, rows


def of_sensors(exe: Executable, measured: CorrelationSensors) -> Table:
    """A row for each branch of each projection that learns: means and standard deviations over synapses."""
    columns = (
        "projection", "branch", "synapses", "measured", "amplitude", "median s.e.", "tau, ms", "median s.e.", "noise",
    )  # fmt: skip
    rows = []
    for name, amplitude in measured.amplitude.items():
        synapses = len(amplitude) * count(exe.source.projection(name).weights, *exe.source.ends(name))
        for b, branch in enumerate(BRANCHES):
            known = np.isfinite(amplitude[:, b])
            quantities = ((amplitude, measured.amplitude_errors[name]), (measured.tau[name], measured.tau_errors[name]))
            fitted = [text for value, error in quantities for text in _fitted(value[:, b][known], error[:, b][known])]
            noise = f"{np.median(measured.noise[name][:, b][known]):.3g}" if known.any() else NONE
            rows.append([name, branch, f"{synapses}", f"{known.sum()}", *fitted, noise])
    return columns, rows


def of_verdicts(calibration: Calibration) -> list[list[str]]:
    """A row for each calibrated quantity, and behind it one for each chip that got worse, with 95 % intervals."""
    rows = []
    for name, verdict in calibration.verdicts.items():
        entry = calibration.summary[name]
        share, before = f"{entry['yield']:.1%}" if verdict.known else "not known", f"{entry['before']:.3g}"
        after = _between(entry["after"], verdict.interval)
        rows.append([name, share, before, after, f"{verdict.goal:g}", verdict.words])
        for worse in verdict.worse:
            ends = _between(worse.before, worse.before_interval), _between(worse.after, worse.after_interval)
            rows.append([f"{name} of chip {worse.chip}", "", *ends, f"{verdict.goal:g}", "got worse"])
    return rows


def _between(value: float, ends: tuple[float, float]) -> str:
    """A spread, and the interval that it lies in."""
    return f"{value:.3g} ({ends[0]:.2g}..{ends[1]:.2g})" if np.isfinite(ends[1]) else NONE


def _fitted(value: FloatArray, error: FloatArray) -> list[str]:
    """Mean and standard deviation, and the median standard error."""
    if not value.size:
        return [NONE, NONE]
    return [f"{value.mean():.3g} ± {value.std():.2g}", f"{np.median(error):.2g}"]
