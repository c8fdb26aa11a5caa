"""Evidence from the two kinds of comparison: an equivalence test, and an exact one."""

from __future__ import annotations

from salhw.conformance.model import Evidence, Figure
from salhw.conformance.statistics import Equivalence


def by_test(result: Equivalence, what: str, hint: str, *, unit: str = "", figure: Figure | None = None) -> Evidence:
    """``what`` was measured; ``hint`` is what a failure points at."""
    deviates = f"{what}: off by {result.deviation:.3g} ± {result.error:.2g}{f' ({unit})' if unit else ''}"
    reason = deviates if result.passed else f"{deviates}, not shown to be within {result.margin:g}; {hint}"
    return Evidence(result.passed, reason, result.deviation, result.margin, unit, result.p_value, figure)


def by_count(
    wrong: int, of: int, what: str, hint: str, *, unit: str = "wrong", figure: Figure | None = None
) -> Evidence:
    """``of`` things must all be right."""
    reason = f"{what}: all {of} right" if not wrong else f"{what}: {wrong} of {of} wrong; {hint}"
    return Evidence(wrong == 0, reason, float(wrong), 0.0, unit, None, figure)
