"""Plasticity rules: how activity changes weights."""

from salhw.description.plasticity.constructors import (
    SAL,
    AntiHebbian,
    Hebbian,
    PfisterGerstner,
    VogelsSprekeler,
    WakeSleep,
)
from salhw.description.plasticity.modulated import ModulatedSTDP
from salhw.description.plasticity.pair_stdp import Pairing, PairSTDP
from salhw.description.plasticity.per_spike import PerSpike
from salhw.description.plasticity.predictive import Link, PredictiveRule
from salhw.description.plasticity.reference_phase import ReferencePhase
from salhw.description.plasticity.rule import PlasticityRule
from salhw.description.plasticity.triplet import TripletSTDP

__all__ = [
    "SAL",
    "AntiHebbian",
    "Hebbian",
    "Link",
    "ModulatedSTDP",
    "PairSTDP",
    "Pairing",
    "PerSpike",
    "PfisterGerstner",
    "PlasticityRule",
    "PredictiveRule",
    "ReferencePhase",
    "TripletSTDP",
    "VogelsSprekeler",
    "WakeSleep",
]
