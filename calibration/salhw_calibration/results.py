"""What a measurement of effective weights returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from salhw.description.fields import FloatArray, Model
from salhw.diagnostics.arguments import checked_ids, known_name
from salhw.substrate.chip import Chip
from salhw_calibration.measuring import MeasurementError, level_of
from salhw_calibration.summary import Summarised

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a method says about one instance: per synapse ``weights`` and ``errors`` (standard errors); per neuron
    ``biases`` and theirs, and ``fit``, the p-value of the goodness of fit. NaN where nothing can be said."""

    weights: FloatArray
    errors: FloatArray
    biases: FloatArray
    bias_errors: FloatArray
    fit: FloatArray

    @classmethod
    def unknown(cls, synapses: int, neurons: int) -> Estimate:
        """All NaN, to be filled in."""
        return cls(*(np.full(n, np.nan) for n in (synapses, synapses, neurons, neurons, neurons)))


def instance_ids(chips: Sequence[Chip] | None, instances: int | Sequence[int] | None) -> tuple[int, ...]:
    """The ids that ``Executable.open`` gives to chips or instances."""
    if chips is not None:
        return tuple(chip.id for chip in chips)
    return checked_ids(1 if instances is None else instances, "instances")


def as_plain(result: Any) -> dict[str, Any]:
    """The fields of a result as plain data, for JSON: arrays as lists; NaN and infinity become null."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(each) for name, each in value.items()}
        if isinstance(value, np.ndarray):
            return np.where(np.isfinite(value), value, None).tolist()  # type: ignore[call-overload]  # numpy's stubs know no None
        if isinstance(value, Model):
            return value.model_dump(mode="json")
        if is_dataclass(value):
            return as_plain(value)
        if isinstance(value, float) and not np.isfinite(value):
            return None
        return [plain(each) for each in value] if isinstance(value, tuple) else value

    return {field.name: plain(getattr(result, field.name)) for field in fields(result)}


@dataclass(frozen=True, eq=False, repr=False)
class EffectiveWeights(Summarised):
    """Measured weights, in the description's units (docs/calibration.md).

    Args:
        method: how they were measured.
        ids: the instances' (or chips') ids.
        weights, standard_errors: per projection in the shape in which a session reads its weights, (instance, post,
            pre) or, of ``Sparse`` and ``OneToOne``, (instance, synapse); dimensionless. NaN where there is no synapse,
            or where the measurement does not determine its weight.
        nominal: what the chips held while they were measured, in the same shape.
        biases, bias_errors: per population, (instance, neuron), dimensionless; NaN where the method does not say.
        goodness_of_fit: per population, (instance, neuron): p-value of the test that the neuron's spikes follow the
            fitted model. Small: it does not do what the description says, whatever its weights. NaN if not tested.
        through: populations whose neurons count as paths, not as sources (paper section 2.5).
        provenance: target, chips, seeds, versions, the hashes of the network as described and as measured.
    """

    method: str
    ids: tuple[int, ...]
    weights: Mapping[str, FloatArray]
    standard_errors: Mapping[str, FloatArray]
    nominal: Mapping[str, FloatArray]
    biases: Mapping[str, FloatArray] = field(default_factory=dict)
    bias_errors: Mapping[str, FloatArray] = field(default_factory=dict)
    goodness_of_fit: Mapping[str, FloatArray] = field(default_factory=dict)
    through: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def intervals(self, level: float = 0.95) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Lower and upper confidence limits per projection, of normal theory."""
        from scipy.stats import norm

        half = float(norm.ppf(0.5 + level_of(level) / 2))
        return {
            name: (w - half * self.standard_errors[name], w + half * self.standard_errors[name])
            for name, w in self.weights.items()
        }

    def to_xarray(self, projection: str) -> xr.Dataset:
        """One projection as labelled arrays ``weight``, ``standard_error``, ``nominal`` over instance, post and pre,
        or over instance and synapse."""
        import xarray as xr

        known_name("projection", projection, self.weights, kind=MeasurementError)
        dims = ("instance", "post", "pre") if self.weights[projection].ndim == 3 else ("instance", "synapse")
        values = {"weight": self.weights, "standard_error": self.standard_errors, "nominal": self.nominal}
        data = {name: (dims, of[projection]) for name, of in values.items()}
        return xr.Dataset(data, coords={"instance": list(self.ids)}, attrs={"method": self.method})

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, for ``--json``; NaN becomes null."""
        return as_plain(self)
