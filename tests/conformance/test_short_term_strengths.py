"""Synapses whose strengths are wrong: the check catches them under the accuracy that a chip declares, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mutants_engineering import Wrong
from wrong_backends import each_projection

import salhw
from salhw import TsodyksMarkram
from salhw.conformance.lab import Lab
from salhw.conformance.runner import catalogue

CHECK = catalogue("quick")["short-term-strengths"]
CODED = salhw.target("brainscales2").accuracy["short_term"]


def examined(change: Callable[[TsodyksMarkram], TsodyksMarkram | None], margin: float) -> Any:
    """The reference with another short-term plasticity than the one described."""
    changed = each_projection(lambda p, dt: p if p.short_term is None else p.replace(short_term=change(p.short_term)))
    backend = Wrong(network=changed)
    target = backend.targets()["reference"]
    return CHECK.run(Lab(backend, target.replace(accuracy={**target.accuracy, "short_term": margin}), "quick", 1))


def test_what_the_description_says_is_within_what_is_declared() -> None:
    assert examined(lambda s: s, 0.03).passed


@pytest.mark.parametrize(
    ("margin", "change"),
    [
        (CODED, lambda s: None),
        (CODED, lambda s: s.replace(tau_facil=0.0)),
        (CODED, lambda s: s.replace(tau_rec=0.5 * s.tau_rec)),
        (CODED, lambda s: s.replace(tau_rec=2.0 * s.tau_rec)),
        (CODED, lambda s: s.replace(U=0.5 * s.U)),
        (CODED, lambda s: s.replace(tau_rec=s.tau_facil or s.tau_rec, tau_facil=s.tau_rec)),
        (0.03, lambda s: s.replace(tau_rec=0.8 * s.tau_rec)),
        (0.03, lambda s: s.replace(U=0.8 * s.U)),
    ],
    ids=[
        "none", "no facilitation", "tau_rec halved", "tau_rec doubled", "U halved", "times exchanged", "tau_rec 20 %",
        "U 20 %",
    ],
)  # fmt: skip
def test_another_strength_is_caught(margin: float, change: Callable[[TsodyksMarkram], TsodyksMarkram | None]) -> None:
    found = examined(change, margin)
    assert not found.passed
    assert found.measured > margin
