"""Conformance: does a backend do what the description says? Run it against any object that satisfies ``Backend``."""

from salhw.conformance.model import Check, Evidence, Figure, Known, Outcome
from salhw.conformance.parametrise import parametrize
from salhw.conformance.report import ConformanceReport
from salhw.conformance.runner import catalogue, run

__all__ = ["Check", "ConformanceReport", "Evidence", "Figure", "Known", "Outcome", "catalogue", "parametrize", "run"]
