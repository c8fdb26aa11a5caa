"""A survey of a target: random networks through random schedules, and all in which it departs from the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from salhw.conformance.lab import Lab
from salhw.conformance.replay.chance import Tested, alarms, tests
from salhw.conformance.replay.coverage import Coverage, coverage
from salhw.conformance.replay.departures import Departure, departures
from salhw.conformance.replay.generator import accepted, random_network, refusals
from salhw.conformance.replay.tolerance import Tolerance
from salhw.conformance.replay.trial import Schedule, Trial, perform, random_schedule
from salhw.compiler.pipeline import compile
from salhw.description.network import Network
from salhw.diagnostics import BackendError, Diagnostic, UnsupportedNetworkError
from salhw.session.executable import Executable

NETWORKS = 10
"""How many networks the quick profile draws."""
INSTANCES = 16


@dataclass(frozen=True)
class Case:
    """One random network and its schedule, and in what it departed; ``flaw`` is what stopped it, if anything did."""

    seed: int
    net: Network
    schedule: Schedule
    departures: tuple[Departure, ...] = ()
    tested: tuple[Tested, ...] = ()
    flaw: str = ""


@dataclass(frozen=True)
class Survey:
    """What all random networks of a profile have shown."""

    cases: tuple[Case, ...]
    alarms: tuple[tuple[int, Departure], ...]
    coverage: Coverage

    def departed(self, kinds: Sequence[str]) -> list[tuple[int, Departure]]:
        """(seed, departure) of some kinds, in the order of the networks."""
        exact = [(case.seed, d) for case in self.cases for d in case.departures if d.kind in kinds]
        return exact + [(seed, d) for seed, d in self.alarms if d.kind in kinds]


def survey(lab: Lab, networks: int | None = None) -> Survey:
    """Run the random networks of a profile on a target, and hold each against the oracle."""
    cases, trials = [], []
    for k in range(NETWORKS * lab.scale if networks is None else networks):
        case, trial = examined(lab, 1000 * lab.seed + k)
        cases.append(case)
        trials += [trial] if trial is not None else []
    tested = [(case.seed, t) for case in cases for t in case.tested]
    raised = {id(t): seed for seed, t in tested}
    found = alarms([t for _, t in tested])
    return Survey(tuple(cases), tuple((raised[id(t)], d) for t, d in found), coverage(lab.target, trials))


def examined(lab: Lab, seed: int) -> tuple[Case, Trial | None]:
    """One random network of a seed.

    Raises:
        BackendError: the simulator or device is not there, or died.
    """
    executable = compiled(lab, random_network(lab.target, seed))
    net = executable.source
    schedule = random_schedule(net, lab.target, seed, INSTANCES)
    case = Case(seed, net, schedule)
    try:
        trial = perform(executable, schedule, on_chips=seed % 2 == 1)
        tolerance = Tolerance.of(lab.target)
        found, courses = departures(trial, tolerance)
        tested = tuple(tests(net, trial.spikes, courses, tolerance))
    except BackendError:
        raise
    except Exception as error:
        return Case(seed, net, schedule, flaw=f"{type(error).__name__}: {' '.join(str(error).split())}"), None
    return Case(seed, net, schedule, tuple(found), tested), trial


def compiled(lab: Lab, net: Network) -> Executable:
    """The network compiled, without the parts that the backend refuses or approximates beyond rounding weights: those
    have checks of their own."""

    def refused(each: Network) -> list[Diagnostic]:
        if findings := refusals(each, lab.target):
            return findings
        try:
            executable = compile(each, lab.target, plugin=lab.backend)
        except UnsupportedNetworkError as error:
            return list(error.diagnostics)
        return [f for f in executable.report.approximations if not f.path.endswith(".weights")]

    smaller = accepted(net, refused)
    return compile(net if smaller is None else smaller, lab.target, plugin=lab.backend)
