"""Plasticity rules: how activity changes weights."""

from salhw.description.plasticity.constructors import SAL, AntiHebbian, Hebbian, WakeSleep
from salhw.description.plasticity.pair_stdp import Pairing, PairSTDP
from salhw.description.plasticity.rule import PlasticityRule

__all__ = ["SAL", "AntiHebbian", "Hebbian", "PairSTDP", "Pairing", "PlasticityRule", "WakeSleep"]
