"""Where a right value is held: every target, in the form that costs least."""

from __future__ import annotations

import pytest

import salhw
from salhw import Target

FORMS = ("reference", "reference time-driven", "nest", "brainscales2", "loihi2", "loihi2 ideal")


def form(name: str) -> Target:
    """A target by its name and form; ``brainscales2`` without noise and quantisation, ``loihi2`` without Lava's
    runtime."""
    base, _, rest = name.partition(" ")
    found = salhw.target(base)
    if base == "reference" and rest:
        found = found.with_options(algorithm=rest)
    if base == "loihi2":
        found = found.with_options(execution="in-process")
    return found.ideal() if base == "brainscales2" or rest == "ideal" else found


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test once for each of these forms (all of them by default), as its argument ``target``."""
    return pytest.mark.parametrize("target", [pytest.param(form(name), id=name) for name in names or FORMS])
