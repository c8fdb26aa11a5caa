"""Generated wrong backends of NEST: of the changes of what lowers a network to it and reads it, what replay catches.

``PYTHONPATH=tests:tests/faults:tests/conformance python tests/conformance/mutation_nest.py FILE NUMBER`` tries the
first mutants in their order and writes each outcome into FILE (JSON lines). NEST gives the same numbers for the same
seed, so that the suite's own networks say whether a mutant differs at all; one that does, and that no network departs
by, goes through all other checks.
"""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

from mutated import Mutant, imported_anew
from mutation_operators import of_modules
from mutation_score import FAMILY, differs, first_failure, limited, tried

import salhw
from salhw.conformance.lab import Lab
from salhw.conformance.replay.chance import LEVEL
from salhw.conformance.replay.extent import PLAIN
from salhw.conformance.replay.surveying import examined
from salhw.conformance.replay.trial import Trial

PACKAGE = "salhw_nest"
MODULES = ("lowering", "kernels", "inputs", "learning", "pairing", "weights", "engine", "drive")
NETWORKS = (*range(12), *range(PLAIN, PLAIN + 3))
SECONDS = 300.0


def lab(package: Any) -> Lab:
    """A backend under the quick profile."""
    return Lab(package.backend, salhw.target("nest"), "quick", 0)


@cache
def right() -> dict[int, Trial]:
    """What NEST does with each network, those first that take the least time."""
    made, took = {}, {}
    with imported_anew(PACKAGE, {}) as package:
        for seed in NETWORKS:
            began = time.perf_counter()
            case, done = examined(lab(package), seed)
            assert done is not None, case.flaw
            made[seed], took[seed] = done, time.perf_counter() - began
    return {seed: made[seed] for seed in sorted(made, key=lambda seed: took[seed])}


def outcome(mutant: Mutant) -> dict[str, Any]:
    """In what a mutant differs, and the kind of the first departure; or the error that stops it."""
    found = {"differs": "", "replay": ""}
    try:
        with imported_anew(PACKAGE, mutant.changed()) as package, limited(SECONDS):
            for seed, wanted in right().items():
                case, done = examined(lab(package), seed)
                if done is None:
                    return found | {"raises": case.flaw[:80]}
                low = [t.kind for t in case.tested if t.p_value * FAMILY <= LEVEL]
                if kinds := [d.kind for d in case.departures] + low:
                    return found | {"differs": kinds[0], "replay": kinds[0]}
                other_parts = case.net != wanted.net
                found["differs"] = found["differs"] or ("network" if other_parts else differs(done, wanted))
    except Exception as error:
        return {"raises": f"{type(error).__name__}: {error}"[:80]}
    return found


def checked(mutant: Mutant) -> str:
    """The first of all other checks of the quick profile that fails; "" if none does."""
    with imported_anew(PACKAGE, mutant.changed()) as package:
        return first_failure(lab(package))


def main(file: Path, number: int) -> None:
    """See the module."""
    right()
    tried(file, of_modules(PACKAGE, MODULES)[:number], outcome, checked)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
