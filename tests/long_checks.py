"""Checks of the quick profile that take too long where each step of a simulator is dear; tests there are slow."""

from __future__ import annotations

from salhw.conformance import catalogue

CONVERGES = ("sal-converges", "sal-converges-one-sided")
REPLAYED = tuple(name for name, check in catalogue("quick").items() if check.group == "replay")
