"""Measure what a chip's weights and neurons really do, and correct for it. See docs/calibration.md."""

from salhw_calibration.calibrating import Goals, calibrate
from salhw_calibration.calibration import Calibration
from salhw_calibration.effective import METHODS, Method, effective_weights
from salhw_calibration.efficacy import calibrate_sensors
from salhw_calibration.interneurons import through_interneurons
from salhw_calibration.measuring import MeasurementError
from salhw_calibration.neurons import (
    PostsynapticPotentials,
    TransferFunctions,
    postsynaptic_potentials,
    transfer_functions,
)
from salhw_calibration.results import EffectiveWeights
from salhw_calibration.sensors import CorrelationSensors, Lags, correlation_sensors, own_lags
from salhw_calibration.verdict import Verdict, Worse

__all__ = [
    "METHODS",
    "Calibration",
    "CorrelationSensors",
    "EffectiveWeights",
    "Goals",
    "Lags",
    "MeasurementError",
    "Method",
    "PostsynapticPotentials",
    "TransferFunctions",
    "Verdict",
    "Worse",
    "calibrate",
    "calibrate_sensors",
    "correlation_sensors",
    "effective_weights",
    "own_lags",
    "postsynaptic_potentials",
    "through_interneurons",
    "transfer_functions",
]
