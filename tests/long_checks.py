"""Checks of the quick profile that take too long where each step of a simulator is dear; tests there are slow."""

from __future__ import annotations

from salhw.conformance import catalogue

CONVERGES = ("sal-converges", "sal-converges-one-sided")
REPLAYED = tuple(name for name, check in catalogue("quick").items() if check.group == "replay")
SESSIONS = ("declared-runs", "undeclared-refused", "approximations-named", "batch-equals-loop", "sessions-independent")
"""Checks of many sessions, which ask for one thing after the other that a target declares, or for whom a session is:
where two targets of a backend differ in noise or in the precision of numbers alone, one of them shows it for both."""
AGREE = ("networks-of-five", "pair-stdd", "sal-converges", "sal-converges-one-sided", "state-distribution")
"""Longer checks, of the states of networks, of spike-timing differences and of SAL's drift. test_whole_suite runs them
on the reference, vectorised; tests/science/test_algorithms_agree.py holds that those of the other two are the same."""
