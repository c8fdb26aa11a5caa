"""Sizes of changes as people read them: what moves, what does not, and when they are worked out."""

from __future__ import annotations

from dataclasses import replace

from fit_examples import fit

import salhw
from salhw.registry import builder
from salhw.session.changes import Size


def test_what_a_change_does_not_move_is_one_line() -> None:
    """Rates that a change leaves where they are, or moves by rounding, are no news; what may move is."""
    (change,) = fit(builder("pair")(), "brainscales2").changes
    sizes = [
        Size("rate", f"populations.{name}", 20.0, changed, error, "Hz", "reference")
        for name, changed, error in (("a", 20.0, 0.0), ("b", 20.0 + 1e-9, 1e-9), ("c", 20.0, 0.5), ("d", 21.0, 0.0))
    ]
    told = replace(change, sizes=tuple(sizes))
    assert told.effects == [str(sizes[2]), str(sizes[3]), "does not move: rate of populations.a; rate of populations.b"]
    report = replace(salhw.compile(builder("pair")(), "nest").report, changes=(told,))
    assert [line for line in told.effects if f"    {line}" not in str(report).splitlines()] == []
    page = report._repr_html_()
    assert "<td>every 56 ms</td>" in page
    assert [name for name in "abcd" if f"<td>populations.{name}</td>" in page] == ["c", "d"]
    assert len(told.as_dict()["sizes"]) == 4


def test_sizes_may_be_had_later() -> None:
    made = fit(builder("pair")(), "loihi2")
    assert [change.sizes for change in made.changes] == [()]
    assert made.sized() == salhw.fit(builder("pair")(), "loihi2")
