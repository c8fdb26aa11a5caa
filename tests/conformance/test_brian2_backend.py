"""A backend written from docs/write-a-backend.md alone, in Brian2, which has an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = ROOT / "tests" / "brian2_backend"
PEERS = ROOT / ".peers"
sys.path.insert(0, str(OWN / "src"))

from salhw_brian2 import Brian2Backend  # noqa: E402

import salhw  # noqa: E402
from salhw.conformance import parametrize  # noqa: E402

BACKEND = Brian2Backend(str(PEERS / "bin" / "python"))


@pytest.fixture(scope="module")
def brian2() -> None:
    """The interpreter that ``make benchmark-peers`` uses, too; skipped where it cannot be made."""
    if not (PEERS / ".installed").exists():
        made = subprocess.run(["make", ".peers/.installed"], cwd=ROOT, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"Brian2 cannot be installed: {made.stderr[-300:]}")


@pytest.mark.slow
@pytest.mark.usefixtures("brian2")
@parametrize(BACKEND, profile="quick")
def test_conformance(check: Callable[[], None]) -> None:
    """Minutes: a call of Brian2 takes a tenth of a second."""
    check()


def test_it_is_a_backend_in_some_300_lines() -> None:
    assert isinstance(BACKEND, salhw.Backend)
    lines = [line for path in OWN.rglob("*.py") for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) < 330


def test_without_its_interpreter_it_is_unavailable() -> None:
    backend = Brian2Backend("no-such-python")
    net = salhw.Network(name="one", dt=1.0, populations=[salhw.Population(name="a", size=1, neuron=salhw.GLM())])
    executable = salhw.compile(net, backend.targets()["brian2"], plugin=backend)
    with pytest.raises(salhw.BackendError, match="SAL603"):
        executable.open()
