"""What a session may be written: what the target declares, and nothing beyond."""

from __future__ import annotations

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.checks.interface_sessions import refusal
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.session.paths import addresses


@check("out-of-range-refused", group="interface")
def out_of_range_refused(lab: Lab) -> Evidence:
    """A value beyond the range that the target declares is refused with SAL403, at either end, for all instances or in
    a single entry, and changes nothing: it is neither clipped in silence nor held."""
    rules = [rigs.rule(lab)] if "PairSTDP" in lab.target.plasticity else []
    executable = lab.compile(rigs.relay(lab, rules=rules))
    ranges = {p: a.allowed for p, a in addresses(executable.network, executable.target).items() if a.allowed}
    if not ranges:
        raise rigs.missing("ranges", "of biases or weights", ())
    flaws = []
    with executable.open(instances=2, seed=lab.seed) as session:
        for path, allowed in ranges.items():
            before, step = session.get(path), max(0.1 * (allowed.max - allowed.min), 1e-3)
            for value in (allowed.min - step, allowed.max + step):
                single = before.copy()
                single.flat[-1] = value
                for asked in (np.float64(value), single):
                    if said := refusal(lambda p=path, v=asked: session.set(p, v), "SAL403"):  # type: ignore[misc]
                        flaws.append(f"{path} = {value:g}: {said}")
                        session.set(path, before)
                if not np.array_equal(before, session.get(path)):
                    flaws.append(f"{path}: a refused write changed it")
    reason = "; ".join(flaws) or f"beyond their ranges {len(ranges)} paths refuse"
    return Evidence(not flaws, reason, float(len(flaws)), 0.0, "flaws")
