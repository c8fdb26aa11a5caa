"""What a target declares of its chips beside spreads: that they move with age and temperature, and that quantities are
correlated."""

from __future__ import annotations

import numpy as np

from salhw.conformance.checks.interface_mismatch import (
    INDEPENDENT,
    LATER,
    SPREAD,
    SURE,
    Pattern,
    beyond,
    correlation,
    pattern,
    raised,
    sampled,
    varied,
)
from salhw.conformance.lab import Lab, Undeclared
from salhw.conformance.model import Evidence, check
from salhw.diagnostics import Diagnostic
from salhw.substrate.target import Target
from salhw.substrate.variability import Variability


def _undeclared(path: str, asked: str) -> Undeclared:
    return Undeclared([Diagnostic("SAL009", f"variability.{path}", "", f"none: {asked}")])


def _moving(lab: Lab) -> Target:
    """The target with its pattern, and what is declared to move it, raised to one size."""
    target, moving = varied(lab), {}
    for name, spread in lab.target.variability.items():
        parts = [part for part in ("drift", "thermal") if getattr(spread, part) and not spread.compensated]
        if parts:
            moving[name] = target.variability[name].replace(**dict.fromkeys(parts, SPREAD[spread.mode]))
    if not moving:
        raise _undeclared("drift", "no quantity of the target moves with age or temperature")
    return target.with_variability(moving)


@check("ageing-moves-the-pattern", group="interface")
def ageing_moves_the_pattern(lab: Lab) -> Evidence:
    """What the target declares to drift does: chips that are a day older and a kelvin warmer have a pattern that
    resembles their own, and what has moved is the same in two sessions with different noise."""
    target = _moving(lab)
    young, old = (sampled(lab, target, later) for later in (0.0, LATER))
    before, after = (
        [pattern(lab, target, chips, lab.seed + k) for k in (first, first + 1)]
        for chips, first in ((young, 0), (old, 2))
    )
    likeness, alike = correlation(before[0], after[0])
    moved = [Pattern(b.counts - a.counts, b.changes - a.changes) for a, b in zip(before, after, strict=True)]
    r, p = correlation(*moved)
    if alike >= SURE:
        reason = "correlation of the pattern with that of the same chips when older: there is none"
        return Evidence(False, reason, likeness, 1.0, "correlation", alike)
    return Evidence(p < SURE, "correlation of what has moved, between two pairs of sessions", r, 1.0, "correlation", p)


@check("correlated-quantities", group="interface")
def correlated_quantities(lab: Lab) -> Evidence:
    """A quantity that the target declares to follow another does: varied alone, it makes the pattern of the other, if
    the correlation is raised to 1, and its opposite at -1."""
    declared = lab.target.variability
    following = {name: spread for name, spread in declared.items() if spread.follows in declared}
    if not following:
        raise _undeclared("follows", "no quantity of the target follows another")
    worst, said = (np.inf, 1.0), ""
    for name, spread in following.items():
        followed = _alone(lab, spread.follows, declared[spread.follows], 0)
        with_it, against = (_alone(lab, name, spread.replace(correlation=sign), k) for k, sign in ((1, 1.0), (2, -1.0)))
        difference, p = _opposite(followed, with_it, against)
        if difference < worst[0]:
            worst, said = (difference, p), f"{name}, which follows {spread.follows}"
    reason = f"half the difference of correlations with the pattern followed, at 1 and at -1: {said}"
    return Evidence(worst[1] < SURE, reason, worst[0], 1.0, "correlation", worst[1])


def _alone(lab: Lab, name: str, spread: Variability, session: int) -> Pattern:
    """The pattern of one quantity; all others are off."""
    silent = {other: each.silent() for other, each in lab.target.variability.items()}
    wide = raised(spread.silent().replace(sd=spread.sd)).replace(truncate=spread.truncate)
    target = lab.target.with_variability({**silent, name: wide})
    return pattern(lab, target, sampled(lab, target), lab.seed + session)


def _opposite(followed: Pattern, with_it: Pattern, against: Pattern) -> tuple[float, float]:
    """(half the difference of correlations, p) of the part of the patterns that shows it best. Which of the two is the
    positive one follows from what the quantities do to spikes, and is not asked for."""
    best, parts = (0.0, 1.0), followed.parts()
    common = [name for name in parts if name in with_it.parts() and name in against.parts()]
    for name in common:
        r = [float(np.corrcoef(parts[name].ravel(), other.parts()[name].ravel())[0, 1]) for other in (with_it, against)]
        z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
        p = 2.0 * beyond(abs(z[0] - z[1]) * np.sqrt(INDEPENDENT / 2.0))
        if p < best[1]:
            best = (abs(r[0] - r[1]) / 2.0, p)
    return best[0], min(1.0, best[1] * max(1, len(common)))
