"""``import salhw`` is light, so that a command line answers at once."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"numba", "scipy", "matplotlib", "xarray", "neo", "h5py", "pandas", "typer", "rich", "salhw_reference"}


def test_importing_salhw_imports_nothing_heavy() -> None:
    out = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import salhw"], capture_output=True, text=True, check=True
    ).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in out.splitlines()}
    assert "salhw" in imported
    assert not imported & HEAVY


def test_importing_salhw_takes_less_than_half_a_second() -> None:
    # The time of the processor, not of the clock: other tests and other people's jobs share the machine. They can only
    # add to it, so that one run of five tells.
    code = "import time; a = time.process_time(); import salhw; print(time.process_time() - a)"
    runs = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5))
    assert any(float(run.stdout) < 0.5 for run in runs)
