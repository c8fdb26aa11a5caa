"""The mutation score: of the generated wrong backends that measurably differ, how many the quick profile catches.

``PYTHONPATH=tests:tests/faults:tests/conformance python tests/conformance/mutation_score.py FILE`` tries mutants in
their order, writes each outcome into FILE (JSON lines) and goes on there where it was ended; ``FILE NUMBER ALGORITHM``
tries the first ones of another algorithm than the time-driven one. With ``table`` as a second argument it rewrites the
section of docs/conformance.md from FILE.
"""

from __future__ import annotations

import itertools
import json
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import mutated
import numpy as np
import one_algorithm
import random_networks
from mutated import Mutant
from mutation_operators import KERNELS, OPERATORS, candidates, of_kernel
from mutation_table import besides_replay, write
from wrong_backends import recorded

from salhw.compiler.pipeline import compile
from salhw.conformance.lab import Lab
from salhw.conformance.replay import random_network, random_schedule
from salhw.conformance.replay.chance import LEVEL
from salhw.conformance.replay.extent import LARGE, PLAIN, USUAL, extent
from salhw.conformance.replay.surveying import examined
from salhw.conformance.replay.trial import Trial, perform
from salhw.conformance.runner import examine
from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.substrate.target import Target

COUNT = 600
"""How many mutants are tried: the first ones in their random order."""
SEED = 0
BANK, AFAR = 16, 500_000
"""Networks that the judge looks at, of two generators, and from which seed on: not the suite's."""
NEURONS, SYNAPSES = (3, 16), (8, 120)
"""How many the judge's networks have, at least and at most: they run as plain Python."""
ORDER = (4, 0, 1, 2, 7, 5, 3, 6, 8, 11, 10, 9)
"""The networks of the quick profile, those first that take the least time."""
FAMILY = 600
"""How many tests of spikes a quick profile makes at most, of which each has to hold (Holm); 506 on this target, 561 on
NEST."""
TIME_DRIVEN = "time-driven"
TABULATED, BLOCKS = "tabulated", "pair blocks"
"""The event-driven algorithm of few GLM neurons with one projection, which plain networks have; and what the vectorised
one does with many synapses, as large networks have them."""
NETWORKS = {TABULATED: (PLAIN + 2, PLAIN + 1), BLOCKS: (LARGE,)}
"""Of the quick profile those that an algorithm takes which is not for all; ORDER is of all others. The first plain one
makes a table of 256 rows every third step: minutes in plain Python."""
JUDGED = {BLOCKS: 2}
"""How many networks the judge looks at of an algorithm, if not BANK."""
SECONDS = 60.0
"""CPU seconds after which a mutant hangs: twice what the reference takes for the judge's networks and the suite's."""
SAME = 1e-9
"""Differences that rounding may make, as a share of what is compared and of 1."""


@cache
def target_of(algorithm: str) -> Target:
    """The reference with one algorithm, declaring no more than that has."""
    return one_algorithm.target({TABULATED: "event-driven", BLOCKS: "vectorised"}.get(algorithm, algorithm))


def algorithm_of(mutant: Mutant) -> str:
    """The algorithm that runs where a mutant is tried."""
    return mutant.group if mutant.group in KERNELS else TIME_DRIVEN


# the judge ------------------------------------------------------------------------------------------------------------


@cache
def bank(algorithm: str = TIME_DRIVEN) -> list[tuple[Network, int]]:
    """The judge's networks for an algorithm, and the seed of each one's schedule."""
    target = target_of(algorithm)

    def drawn() -> Iterator[tuple[Network, int]]:
        for seed in itertools.count(AFAR):
            if algorithm in NETWORKS:
                seed = 1000 * seed + {TABULATED: PLAIN, BLOCKS: LARGE}[algorithm]
                net = random_network(target, seed)
                yield from [(net, seed)] if algorithm != TABULATED or tabulated(net) else []
                continue
            yield random_network(target, seed), seed
            yield random_networks.random_network(target, np.random.default_rng(seed)), seed

    suitable = (
        (recorded(net), seed) for net, seed in drawn() if extent(seed) is not USUAL or (small(net) and short(net))
    )
    return sorted(itertools.islice(suitable, JUDGED.get(algorithm, BANK)), key=lambda one: neurons(one[0]))


def tabulated(net: Network) -> bool:
    """Whether the hazards of a network are tabulated."""
    with compile(net, target_of(TABULATED)).open() as session:
        return bool(session.engine.tabulated)  # type: ignore[attr-defined]  # of the reference's sessions only


def neurons(net: Network) -> int:
    """How many a network has."""
    return sum(p.size for p in net.populations)


def small(net: Network) -> bool:
    """Whether it has as many neurons and synapses as it should have."""
    synapses = sum(count(p.weights, *net.ends(p.name)) for p in net.explicit.projections)
    return NEURONS[0] <= neurons(net) <= NEURONS[1] and SYNAPSES[0] <= synapses <= SYNAPSES[1]


def short(net: Network) -> bool:
    """Whether nothing in it lasts for longer than some runs."""
    delays = [p.longest_delay(net.dt) * net.dt for p in net.explicit.projections]
    return max([*delays, *(p.neuron.refractory_period or 0.0 for p in net.populations)]) <= 200 * net.dt


def trial(package: Any, k: int, algorithm: str = TIME_DRIVEN) -> Trial:
    """What a backend does with network k of the bank: every other one on chips that differ."""
    (net, seed), backend = bank(algorithm)[k], package.backend
    target = target_of(algorithm).with_variability({"weight": 0.3, "bias": 0.2, "causal_amplitude": 0.2})
    schedule = random_schedule(net, target, seed, instances=2)
    return perform(compile(net, target, plugin=backend), schedule, on_chips=k % 2 == 1)


def outputs(done: Trial) -> Iterator[tuple[str, Any]]:
    """All that a session showed, by what it is."""
    yield from (("held", value) for value in done.opened.values())
    for stretch in done.stretches:
        r = stretch.recording
        yield from (("held", value) for value in (*stretch.before.values(), *stretch.after.values()))
        for s in r.spikes.values():
            yield from (("spikes", x) for x in (s.instance, s.neuron, s.time))
        yield from (("counts", x) for x in (*r.counts.values(), *r.occupancy_counts.values()))
        for name in ("membrane_traces", "weight_traces", "samples"):
            for trace in getattr(r, name).values():
                yield from ((name, trace.time), (name, trace.values))


def differs(done: Trial, from_: Trial) -> str:
    """The first thing in which two trials differ by more than rounding does; empty if nothing does."""
    for (what, one), (_, two) in zip(outputs(done), outputs(from_), strict=True):
        one, two = (np.asarray(x, dtype=np.float64) for x in (one, two))
        if one.shape != two.shape:
            return what
        with np.errstate(invalid="ignore"):
            if not np.all(
                (np.abs(one - two) <= SAME * (1.0 + np.abs(two))) | (one == two) | (np.isnan(one) & np.isnan(two))
            ):
                return what
    return ""


@cache
def right(algorithm: str) -> list[Trial]:
    """What the reference does with the bank, as plain Python."""
    with mutated.reference(compiled=False) as package:
        return [trial(package, k, algorithm) for k in range(len(bank(algorithm)))]


def judged(package: Any, algorithm: str) -> str:
    """In what a backend differs from the reference under the same random numbers; "" if in nothing."""
    each = (differs(trial(package, k, algorithm), wanted) for k, wanted in enumerate(right(algorithm)))
    return next(filter(None, each), "")


# the suite ------------------------------------------------------------------------------------------------------------


def replayed(package: Any, networks: Sequence[int] = ORDER, algorithm: str = TIME_DRIVEN) -> str:
    """The kind of the first departure in the random networks of the quick profile; "" if none departs."""
    lab = Lab(package.backend, target_of(algorithm), "quick", SEED)
    for k in networks:
        case, _ = examined(lab, 1000 * SEED + k)
        if case.flaw:
            raise RuntimeError(case.flaw)
        if case.departures:
            return case.departures[0].kind
        if low := [t for t in case.tested if t.p_value * FAMILY <= LEVEL]:
            return low[0].kind
    return ""


def checked(mutant: Mutant) -> str:
    """The first of all other checks of the quick profile that fails, the short ones tried first; "" if none does. These
    take compiled code."""
    with mutant.loaded(compiled=True) as package:
        return first_failure(Lab(package.backend, target_of(algorithm_of(mutant)), "quick", SEED))


def first_failure(lab: Lab) -> str:
    """The first of all checks but replay that fails, the short ones tried first; "" if none does."""
    short_first = sorted(besides_replay(), key=lambda c: c.group != "interface")
    return next((check.name for check in short_first if examine(check, lab).outcome == "fail"), "")


# all of them ----------------------------------------------------------------------------------------------------------


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let what runs inside stop with an error after so many seconds of its own."""

    def late(*_: object) -> None:
        raise TimeoutError(f"after {seconds:g} s")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


def outcome(mutant: Mutant) -> dict[str, Any]:
    """In what a mutant differs, and what of replay catches it then; or the error that stops it."""
    found, algorithm = {"differs": "", "replay": ""}, algorithm_of(mutant)
    try:
        with mutant.loaded(compiled=False) as package, limited(SECONDS):
            found["differs"] = judged(package, algorithm)
            if found["differs"]:
                found["replay"] = replayed(package, NETWORKS.get(algorithm, ORDER), algorithm)
    except Exception as error:
        return {"raises": f"{type(error).__name__}: {error}"[:80]}
    return found


def apart(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``act`` returns, worked out in a process of its own, which may hang or die: it ``raises`` then."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (10 * int(SECONDS), 10 * int(SECONDS)))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        began = time.process_time()
        found = act()
        sender.send(found | {"seconds": round(time.process_time() - began, 2)})

    process = context.Process(target=work)
    process.start()
    sender.close()
    try:
        found: dict[str, Any] = receiver.recv()
    except EOFError:
        found = {"raises": "or hangs"}
    process.join()
    return found


def read(file: Path) -> dict[str, dict[str, Any]]:
    """What is known by now of each mutant, by name."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    known: dict[str, dict[str, Any]] = {}
    for line in map(json.loads, lines):
        known.setdefault(line["name"], {}).update(line)
    return known


def run(file: Path, number: int, algorithm: str = TIME_DRIVEN) -> None:
    """Try the first ``number`` mutants, those of which the file says nothing yet; then all other checks on those that
    replay has not caught."""
    right(algorithm)
    tried(file, (of_kernel(algorithm) if algorithm in KERNELS else candidates())[:number], outcome, checked)


def tried(
    file: Path, mutants: Sequence[Mutant], outcome: Callable[[Mutant], dict[str, Any]], checked: Callable[[Mutant], str]
) -> None:
    """Write the ``outcome`` of mutants of which the file says nothing yet; then what ``checked`` says of those that
    differ and that replay has not caught."""
    known = read(file)

    def checks(mutant: Mutant) -> dict[str, Any]:
        return {"checks": checked(mutant)}

    def note(mutant: Mutant, found: dict[str, Any]) -> None:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"name": mutant.name} | found) + "\n")

    for mutant in mutants:
        if mutant.name not in known:
            about = {"group": mutant.group, "operator": mutant.operator}
            note(mutant, about | apart(partial(outcome, mutant)))
    known = read(file)
    for mutant in mutants:
        about = known[mutant.name]
        if about.get("differs") and not about["replay"] and "checks" not in about:
            note(mutant, apart(partial(checks, mutant)))


# the page -------------------------------------------------------------------------------------------------------------

STATES = ("stopped", "same", "replay", "checks", "missed")
BAR = "&#124;"
MISSED: dict[str, str] = {}
"""Mutants that nothing catches, and why."""


def state(found: dict[str, Any]) -> str:
    """What became of a mutant: it ``stopped`` with an error, is the ``same`` as far as the judge sees, was caught by
    ``replay`` or by other ``checks``, or was ``missed``; "" if that is not known yet."""
    if "raises" in found:
        return "stopped"
    if found["replay"]:
        return "replay"
    if not found["differs"]:
        return "same"
    if "checks" not in found:
        return ""
    return "checks" if found["checks"] else "missed"


def table(file: Path) -> None:
    """Put what a file knows of today's mutants into docs/conformance.md."""
    known = read(file)
    known = {mutant.name: known[mutant.name] for mutant in candidates() if mutant.name in known}
    tally = Counter((found["operator"], state(found)) for found in known.values())
    counts = {operator: [tally[operator, each] for each in STATES] for operator in OPERATORS}
    counts["all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    rows = []
    for operator, (stopped, same, replay, checks, missed) in counts.items():
        differ = replay + checks + missed
        score = f"{100.0 * (replay + checks) / differ:.1f} %" if differ else ""
        what, tried = OPERATORS.get(operator, ""), stopped + same + differ
        cells = (what, tried, stopped, same, differ, replay, checks, missed, score)
        rows.append(f"| {operator} | {' | '.join(map(str, cells))} |")
    titles = ["operator", "what goes wrong", "tried", "stop", "same", "differ"]
    titles += ["caught by replay", "by other checks", "missed", "score"]
    write("score", titles, rows)
    missed_ones = sorted(name for name, found in known.items() if state(found) == "missed")
    reasons = (MISSED.get(name, "not looked at") for name in missed_ones)
    lines = [f"| {name.replace('|', BAR)} | {why} |" for name, why in zip(missed_ones, reasons, strict=True)]
    write("missed", ["missed", "why"], lines)


def main(file: Path, *what: str) -> None:
    """See the module."""
    if what == ("table",):
        table(file)
    else:
        run(file, int(what[0]) if what else COUNT, *what[1:])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
