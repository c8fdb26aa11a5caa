"""A home and an installation that cannot be written to cost time, not the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ONCE = "compiled code cannot be kept on disk"


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose home is no folder. numba is told to look there alone: those who run tests may
    often write to the installation, root always."""
    home = tmp_path / "home"
    home.write_text("no folder")
    gone = {"XDG_CACHE_HOME": f"{home}/cache", "XDG_CONFIG_HOME": f"{home}/config", "XDG_DATA_HOME": f"{home}/data"}
    own = {"HOME": str(home), "NUMBA_CACHE_LOCATOR_CLASSES": "UserWideCacheLocator", "MPLBACKEND": "agg"}
    return {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")} | gone | own


def test_a_command_runs_and_says_so_once(nowhere: dict[str, str], tmp_path: Path) -> None:
    """On NEST, whose three compiled functions are small, and not optimised here; the same compiles on every target."""
    salhw = str(Path(sys.executable).parent / "salhw")
    out = tmp_path / "r.h5"
    command = [salhw, "run", "pair", "--target", "nest", "--duration", "40", "--out", str(out)]
    done = subprocess.run(command, env=nowhere | {"NUMBA_OPT": "0"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(ONCE) == 1
    assert out.exists()


KERNEL = """
from salhw.jit import cached
@cached(nogil=True)
def twice(x):
    return 2 * x
@cached()
def thrice(x):
    return 3 * x
print(twice(2), thrice(2))
"""


def run(folder: Path, env: dict[str, str], script: str = "kernel.py") -> subprocess.CompletedProcess[str]:
    (folder / "kernel.py").write_text(KERNEL)
    return subprocess.run([sys.executable, script], cwd=folder, env=env, capture_output=True, text=True)


def test_kernels_compile_without_a_cache(nowhere: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, nowhere)
    assert (done.returncode, done.stdout) == (0, "4 6\n"), done.stderr
    assert done.stderr.count(ONCE) == 1


DAMAGES = """
import os, runpy
from pathlib import Path
runpy.run_path("kernel.py")
files = [file for file in Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*") if file.is_file()]
print(*sorted({file.suffix for file in files}))
for suffix in (".nbc", ".nbi"):
    for file in files:
        if file.suffix == suffix:
            file.write_bytes(file.read_bytes()[:40])
    runpy.run_path("kernel.py")
"""


def test_a_damaged_cache_is_compiled_anew(tmp_path: Path) -> None:
    """Files that were cut off by a full disk or a crash, in every place where numba keeps some: read by functions that
    are new in one process, as they would be in another."""
    (tmp_path / "damages.py").write_text(DAMAGES)
    done = run(tmp_path, os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}, "damages.py")
    assert (done.returncode, done.stdout) == (0, "4 6\n.nbc .nbi\n4 6\n4 6\n"), done.stderr
