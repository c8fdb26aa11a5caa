"""``import salhw`` is light, so that a command line answers at once; and what a command imports is no garbage."""

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


def test_a_command_does_not_look_for_garbage_in_what_it_imported() -> None:
    code = """if True:
        import atexit, gc
        from salhw.machine import collect_rarely
        atexit.register(lambda: print(len(gc.get_objects())))  # the last that is called
        imported = len(gc.get_objects())
        collect_rarely()
        print(imported, len(gc.get_objects()), gc.get_threshold()[0] > 700)
        some = [[] for _ in range(5000)]
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported, left, rarely, at_the_end = run.stdout.split()
    assert int(imported) > 10_000
    assert int(left) < 100
    assert rarely == "True"
    assert int(at_the_end) < 100
