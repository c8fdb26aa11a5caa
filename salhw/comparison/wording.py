"""How a comparison is told, the same in a terminal and on a page."""

from __future__ import annotations

import math
import re

from salhw.comparison.comparison import Comparison, Gap, Outcome, Predicted
from salhw.comparison.judge import Row
from salhw.comparison.quantities import QUANTITIES
from salhw.diagnostics.wording import number

LONGEST = 100.0
"""More times the data than anybody wants to hear of."""


def with_error(value: float | None, error: float | None) -> str:
    """``54.61 +- 0.22``: the error with two digits, the value with as many decimals."""
    if value is None:
        return ""
    if not error:
        return f"{value:.4g}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}" if decimals < 8 else f"{value:.3g} ± {error:.1g}"


def values(row: Row) -> tuple[str, str]:
    """Measured and reference; of a distance its value only."""
    return with_error(row.measured, row.error), with_error(row.reference, row.reference_error)


def off_by(row: Row) -> str:
    """Deviation and margin."""
    unit = f" {row.unit}" if row.unit else ""
    deviation = "?" if row.deviation is None else _two_digits(row.deviation)
    return f"{deviation} / {_two_digits(row.margin)}{unit}"


def _two_digits(value: float) -> str:
    """Two significant digits, without an exponent."""
    return number(float(f"{value:.2g}"))


def name(row: Row) -> str:
    """The quantity in words."""
    return row.quantity.replace("_", " ")


def whose(row: Row) -> str:
    """The quantity in words, and of what it is."""
    return f"{name(row)} of {row.path.partition('.')[2]}"


def decides(row: Row, outcome: Outcome, duration: float) -> str:
    """What a run has to be to decide a row that is undecided; empty for others."""
    if row.verdict != "undecided":
        return ""
    if row.deviation is None:
        return "fewer than two replicates with enough in them: run more instances, or longer"
    if row.more is None or row.more > LONGEST:
        return "more than a hundred times the data would tell"
    if outcome.chips:
        return f"about {math.ceil(_round_up(row.more * outcome.instances))} chips would tell"
    return f"about {number(_round_up(row.more * duration / 1000.0))} s would tell"


def _round_up(value: float) -> float:
    """Two digits."""
    size = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.ceil(value / size - 1e-9) * size, 9)


def error_rates(comparison: Comparison) -> str:
    """What the verdicts are worth."""
    level = f"{comparison.level:.0%}".replace("%", " %")
    return (
        f"A target that is right in all quantities is called different in any of them in at most {level} of "
        f"comparisons, and one that is beyond a margin is called equivalent there in at most {level} (t-tests against "
        "the margin, Holm over all quantities of a target). Deviations are those of the element that is "
        "furthest from the reference; ± is a standard error."
    )


def meaning(quantity: str) -> str:
    """What a quantity is, and what its margin is a share of."""
    entry = QUANTITIES[quantity]
    return f"{entry.meaning}; margin {entry.margin:g}" + (f" of {entry.of}" if entry.of else "")


def prediction(entry: Predicted) -> tuple[str, str]:
    """What ``fit`` said that its change makes of a quantity, and what was measured."""
    unit = f" {entry.unit}" if entry.unit else ""
    within = f" ± {entry.error:.2g}" if entry.error else ""
    said = f"{entry.changed - entry.written:+.3g}{within}{unit} ({entry.origin})"
    told = with_error(entry.measured, entry.measured_error)
    return said, told or "not measured here"


FEW = 4
"""The most quantities that are named one by one."""


def tally(outcome: Outcome) -> str:
    """What came of all quantities: which ones are different, if those are few, and how many are not."""
    counts = outcome.counts()
    if len(outcome.rows) == counts.get("equivalent"):
        return f"all {len(outcome.rows)} equivalent"
    different = list(dict.fromkeys(name(row) for row in outcome.rows if row.verdict == "different"))
    told = {verdict: f"{count} {verdict}" for verdict, count in counts.items()}
    if different and len(different) <= FEW:
        told["different"] = f"different in {', '.join(different)}"
    return "; ".join(told.values())


OVERVIEW = ("target", "ran", "mean |W_ij - W_ji|", "held against the reference")


def overview(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """A row for each target, the reference's first: what ran, how far reciprocal weights approached each other, and
    what came of its quantities, or why it did not run. With the columns, of which that of weights is left out where
    nothing has them."""
    outcomes = (comparison.reference, *comparison.outcomes)
    rows = [[o.target, _who(o), "\n".join(map(closing, o.gaps)), _came_of(o, comparison)] for o in outcomes]
    shown = [k for k in range(len(OVERVIEW)) if k != 2 or any(row[2] for row in rows)]
    return [OVERVIEW[k] for k in shown], [[row[k] for k in shown] for row in rows]


def _came_of(outcome: Outcome, comparison: Comparison) -> str:
    """What came of the quantities of a target; the reference's are those that theory knows."""
    if outcome is comparison.reference:
        return "; ".join(f"{name(row)} {row.verdict}" for row in outcome.rows)
    return tally(outcome) or _not_run(outcome)


def _not_run(outcome: Outcome) -> str:
    """Of a target that is not installed what would install it, of others all that stands against them."""
    fixes = re.findall(r"^ *fix: (.+)$", outcome.message, re.M)
    if outcome.verdict == "unavailable" and fixes:
        return f"to install it: {'; '.join(dict.fromkeys(fixes))}"
    return " ".join(outcome.message.split())


def closing(gap: Gap) -> str:
    """``1.000 -> 0.104 ± 0.010``."""
    return f"{gap.start:.3f} -> {with_error(gap.end, gap.error)}"


def _who(outcome: Outcome) -> str:
    return f"{outcome.instances} {'chips' if outcome.chips else 'instances'}" if outcome.instances else outcome.verdict
