"""A survey of a target: random networks through random schedules, and all in which it departs from the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from salhw.compiler.pipeline import compile
from salhw.conformance.lab import Lab
from salhw.conformance.replay.chance import Tested, alarms, tests
from salhw.conformance.replay.covering import Coverage, coverage, exercised_by
from salhw.conformance.replay.departing import Departure, departures
from salhw.conformance.replay.extent import LARGE, PHASED, PLAIN, SINGLE, drawable, extent
from salhw.conformance.replay.generator import random_network, refusals
from salhw.conformance.replay.phased import has_phase, is_phased, takes_phases
from salhw.conformance.replay.removal import accepted
from salhw.conformance.replay.tolerance import Tolerance, is_of_coincidences
from salhw.conformance.replay.trial import Schedule, Trial, perform, random_schedule
from salhw.conformance.tracebacks import own_frames, raised
from salhw.description.network import Network
from salhw.diagnostics import BackendError, Diagnostic, UnsupportedNetworkError
from salhw.session.executable import Executable
from salhw.substrate.target import Target

NETWORKS, MORE, MOST_SINGLE, CANDIDATES = 12, 4, 6, 60
"""How many networks the quick profile draws; how many more at most for what these have not exercised, and then of a
single rule; and among how many they are sought."""
ATTEMPTS, ROUNDS, AFAR = 20, 3, 10**9
"""How many networks a seed may have, where they are sought, or of a single rule, and how far apart their seeds lie."""
RAISED = "SAL606"
"""What an exception in a worker is."""
TRACED = "SAL328"
"""What traces that do not see each change of a weight that is learned are approximated by."""
SOLVED = "SAL325"
"""What neurons are approximated by that solve their equations, as far as ``adex`` says."""
UNDER_WAY = "SAL313"
"""What PSPs under way are approximated by that keep their weight."""
HELD_IN_STEPS = ("SAL311", "SAL312", "SAL314")
"""What numbers are approximated by that are held in steps, as far as ``potential`` says, or ``learned`` of rules."""
WITHIN = ("weights", "discretisation", "execution", "e_rev")
"""What may be approximated: weights are rounded, hazards are within ``rate``, conductances within ``conductance``, and
who learns makes no difference."""


@dataclass(frozen=True)
class Case:
    """One random network and its schedule, and in what it departed; ``flaw`` is what stopped it, if anything did,
    ``trace`` the way to it."""

    seed: int
    net: Network
    schedule: Schedule
    departures: tuple[Departure, ...] = ()
    tested: tuple[Tested, ...] = ()
    flaw: str = ""
    trace: Mapping[str, str] = field(default_factory=dict)


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


def replay(executable: Executable, schedule: Schedule, *, on_chips: bool = False) -> list[Departure]:
    """Everything in which a session departs from what the spikes that it records imply, the earliest first: what is
    certain, then spikes that are too improbable.

    The executable's network has a Spikes probe for each population; ``on_chips`` gives each instance a chip of its own.
    """
    _, found, tested = held_to_oracle(executable, schedule, on_chips=on_chips)
    return found + [d for _, d in alarms(tested)]


def held_to_oracle(
    executable: Executable, schedule: Schedule, *, on_chips: bool
) -> tuple[Trial, list[Departure], tuple[Tested, ...]]:
    """What a session did with a schedule, in what it certainly departs, and how probable its spikes are."""
    trial, tolerance = (
        perform(executable, schedule, on_chips=on_chips),
        Tolerance.of(executable.target, executable.report),
    )
    found, courses, hidden = departures(trial, tolerance)
    trial = replace(trial, hidden=hidden)
    return trial, found, tuple(tests(trial.net, trial.spikes, courses, tolerance))


def survey(lab: Lab, networks: int | None = None) -> Survey:
    """Run the random networks of a profile on a target, and hold each against the oracle."""
    seen: list[tuple[Case, Trial | None]] = []
    refused: UnsupportedNetworkError | None = None
    base, numbers = 1000 * lab.seed, [*range(NETWORKS * lab.scale if networks is None else networks)]
    if networks is None:
        beside = {**drawable(lab.target), PHASED: int(takes_phases(lab.target))}
        numbers += [k for first, count in beside.items() for k in range(first, first + count * lab.scale)]
    for k in numbers:
        try:
            seen.append(examined(lab, base + k))
        except UnsupportedNetworkError as error:  # unmeasured, unless none is taken
            refused = error
    if refused is not None and not seen:
        raise refused
    covered = _covered(lab, seen)
    if networks is None:
        first = base + NETWORKS * lab.scale
        spare = [*range(first, first + CANDIDATES)]
        if any(base + PLAIN <= case.seed < base + SINGLE for case, _ in seen):
            next_plain = base + PLAIN + beside[PLAIN] * lab.scale
            spare += range(next_plain, next_plain + CANDIDATES // 3)
        if covered.unmeasured:
            drawn = {k: random_network(lab.target, k) for k in spare}
            covered = _extended(lab, seen, covered, drawn, MORE)
        if covered.unmeasured:
            covered = _extended(lab, seen, covered, _single(lab.target, base, {*covered.unmeasured}), MOST_SINGLE)
    cases = tuple(case for case, _ in seen)
    tested = [(case.seed, t) for case in cases for t in case.tested]
    seed_of = {id(t): seed for seed, t in tested}
    found = alarms([t for _, t in tested])
    return Survey(cases, tuple((seed_of[id(t)], d) for t, d in found), covered)


def _single(target: Target, base: int, missing: set[str]) -> dict[int, Network]:
    """Networks of a single rule by their seeds: as many as it takes until one has each thing that is ``missing``, or
    ROUNDS times those that there are seeds for."""
    drawn: dict[int, Network] = {}
    for far in range(0, ROUNDS * AFAR, AFAR):
        more = {k + far: random_network(target, k + far) for k in range(base + SINGLE, base + LARGE)}
        drawn |= more
        missing = missing - {thing for net in more.values() for thing in exercised_by(net, target)}
        if not missing:
            break
    return drawn


def _extended(
    lab: Lab, seen: list[tuple[Case, Trial | None]], covered: Coverage, drawn: Mapping[int, Network], most: int
) -> Coverage:
    """What is covered once ``seen`` has, too, those of the networks ``drawn``, by their seeds, that exercise most of
    what is missing, ``most`` of them and as many more as the profile is longer."""
    missing = {*covered.unmeasured}
    wanted = [k for k, net in drawn.items() if missing & {*exercised_by(net, lab.target)}]
    candidates = {k: exe for k in wanted if (exe := _taken(lab, k, drawn[k]))}  # which tells the rest
    new = {k: {*exercised_by(exe.written or exe.source, lab.target)} for k, exe in candidates.items()}
    for _ in range(min(most * lab.scale, len(new))):
        missing = {*covered.unmeasured}
        best = max(new, key=lambda k: len(missing & new[k]))
        if not missing & new.pop(best):
            break
        seen.append(examined(lab, best, candidates[best]))
        covered = _covered(lab, seen)
    return covered


def _taken(lab: Lab, seed: int, drawn: Network) -> Executable | None:
    """What is ``runnable`` of a seed's network; None if nothing is."""
    try:
        return runnable(lab, seed, drawn)
    except UnsupportedNetworkError:
        return None


def _covered(lab: Lab, seen: list[tuple[Case, Trial | None]]) -> Coverage:
    return coverage(lab.target, [trial for _, trial in seen if trial is not None])


def examined(lab: Lab, seed: int, taken: Executable | None = None) -> tuple[Case, Trial | None]:
    """One random network of a seed; ``taken`` is what is ``runnable`` of it, if that is known.

    Raises:
        BackendError: the simulator or device is not there, or died; what its worker raises is a flaw.
    """
    executable = runnable(lab, seed) if taken is None else taken
    net = executable.source
    schedule = random_schedule(net, lab.target, seed, extent(seed).instances)
    try:
        trial, found, tested = held_to_oracle(executable, schedule, on_chips=has_chips(seed))
    except Exception as error:
        if isinstance(error, BackendError) and {finding.code for finding in error.diagnostics} != {RAISED}:
            raise
        return Case(seed, net, schedule, flaw=raised(error), trace=own_frames(error)), None
    return Case(seed, net, schedule, tuple(found), tested), trial


def has_chips(seed: int) -> bool:
    """Whether the instances of a seed's network each have a chip of their own."""
    return seed % 2 == 1


def runnable(lab: Lab, seed: int, drawn: Network | None = None) -> Executable:
    """The random network of a seed (``drawn``, if it has been already) compiled, without the parts that the backend
    refuses or, in what is compared, approximates beyond its accuracies. Where nothing is left, or of a reference phase
    nothing, the next one of the same seed.

    Raises:
        UnsupportedNetworkError: nothing of what the target declares is taken so.
    """

    def refused(each: Network) -> list[Diagnostic]:
        if findings := refusals(each, lab.target):
            return findings
        try:
            executable = compile(each, lab.target, plugin=lab.backend)
        except UnsupportedNetworkError as error:
            return list(error.diagnostics)
        return approximated(executable)

    taken = None
    for attempt in range(ATTEMPTS):
        net = drawn if drawn and not attempt else random_network(lab.target, seed + attempt * AFAR)
        if (smaller := accepted(net, refused)) is not None:
            taken = smaller
            if has_phase(seed) == is_phased(smaller):
                break
    executable = compile(net if taken is None else taken, lab.target, plugin=lab.backend)
    if taken is None:
        headline = f"UnsupportedNetworkError: {lab.target.name!r} approximates all of the random networks {seed}"
        raise UnsupportedNetworkError(headline, approximated(executable))
    return executable


def approximated(executable: Executable) -> list[Diagnostic]:
    """What a target approximates of what is compared, beyond its accuracies."""
    tolerance = Tolerance.of(executable.target)
    return [finding for finding in executable.report.approximations if _matters(finding, tolerance)]


def _matters(approximation: Diagnostic, tolerance: Tolerance) -> bool:
    """Whether an approximation is one of something that is compared."""
    if approximation.code == TRACED:
        return tolerance.potential is not None
    said = tolerance.target.accuracy
    kept = approximation.code == UNDER_WAY and ("learned_under_way" in said or "under_way" in said)
    named = "learned" if ".plasticity" in approximation.path else "potential"
    stepped = approximation.code in HELD_IN_STEPS and named in said
    if kept or stepped or approximation.path.rpartition(".")[2] in WITHIN or approximation.code == SOLVED:
        return False
    if ".plasticity" in approximation.path:
        if is_of_coincidences(approximation) and "simultaneous" in tolerance.target.accuracy:
            return False
        return tolerance.window is not None
    return approximation.path.startswith("stimuli") or tolerance.psp is not None
