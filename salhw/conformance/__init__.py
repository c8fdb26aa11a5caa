"""Conformance: does a backend do what the description says? Run it against any object that satisfies ``Backend``."""

from salhw.conformance.model import Check, Evidence, Figure, Known, Outcome
from salhw.conformance.parametrise import parametrize
from salhw.conformance.report import Report
from salhw.conformance.runner import catalogue, run

__all__ = ["Check", "Evidence", "Figure", "Known", "Outcome", "Report", "catalogue", "parametrize", "run"]
