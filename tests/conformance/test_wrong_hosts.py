"""What a host works out is held to the checks of what a target does itself, and they catch a host that is wrong."""

from __future__ import annotations

import pytest
from mutants_hosts import HELD, MUTANTS, evidence


@pytest.mark.parametrize("name", HELD)
def test_the_loop_passes(name: str) -> None:
    found = evidence(name)
    assert found.passed, found.reason


@pytest.mark.parametrize("bug", MUTANTS)
def test_a_wrong_host_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each named check fails, by what it measured."""
    where, name, wrong, caught_by = MUTANTS[bug]
    monkeypatch.setattr(where, name, wrong(getattr(where, name)))
    for check in sorted(caught_by):
        found = evidence(check)
        assert not found.passed, f"{check}: {found.reason}"
        assert found.measured is not None
        assert found.declared is not None
        assert found.measured > found.declared, found.reason
