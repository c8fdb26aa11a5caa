"""Plasticity rules: how activity changes weights."""

from salhw.description.plasticity.constructors import SAL, AntiHebbian, Hebbian, VogelsSprekeler, WakeSleep
from salhw.description.plasticity.modulated import ModulatedSTDP
from salhw.description.plasticity.pair_stdp import Pairing, PairSTDP
from salhw.description.plasticity.per_spike import PerSpike
from salhw.description.plasticity.predictive import Link, PredictiveRule
from salhw.description.plasticity.reference_phase import ReferencePhase
from salhw.description.plasticity.rule import PlasticityRule

__all__ = [
    "SAL",
    "AntiHebbian",
    "Hebbian",
    "Link",
    "ModulatedSTDP",
    "PairSTDP",
    "Pairing",
    "PerSpike",
    "PlasticityRule",
    "PredictiveRule",
    "ReferencePhase",
    "VogelsSprekeler",
    "WakeSleep",
]
