"""The target nest under the suite."""

from __future__ import annotations

import pytest

from salhw.conformance import parametrize, run


@parametrize("nest")
def test_quick(check) -> None:  # type: ignore[no-untyped-def]
    check()


@pytest.mark.slow
def test_full() -> None:
    report = run("nest", profile="full")
    assert [(o.name, o.reason) for o in report.checks if o.outcome == "fail"] == []
