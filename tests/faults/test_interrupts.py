"""Ctrl-C ends every command in time, with one line and status 130, and nothing of it stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from proc import alive, busy

from salhw import GLM, AllToAll, Exponential, Network, Population, Projection
from salhw.worker.supervisor import descendants, wait

AT_MOST = 15.0  # s: two on a machine that has nothing else to do
SAID = "Interrupted; nothing more is written.\n"


def memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("psm_*")}


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A pair that may run for ever, because it records nothing."""
    p = Projection(name="p", pre="a", post="a", weights=AllToAll(weight=0.5), kernel=Exponential(tau_syn=10.0))
    pair = Population(name="a", size=2, neuron=GLM(bias=-1.0, tau_ref=10.0))
    return Network(name="n", dt=1.0, populations=[pair], projections=[p]).save(tmp_path / "n.json")


def workers(pid: int, target: str) -> list[int]:
    """The processes that compute: the command itself, or what is below it if it has a worker."""
    return [pid] if target.startswith("reference") else descendants(pid, without=0)


def spent(pids: list[int]) -> float:
    return max(map(busy, pids), default=0.0)


@pytest.mark.parametrize("target", ["reference", "reference --instances 40", "nest", "loihi2"])
def test_a_run_without_end(net: Path, tmp_path: Path, target: str) -> None:
    scratch = Path(tempfile.mkdtemp(dir="/tmp"))  # a short name, or Lava's worker goes elsewhere
    before = memory()
    command = [str(Path(sys.executable).parent / "salhw"), "run", str(net), "--target", *target.split(), "--duration"]
    command += ["1e14" if target.startswith("reference") else "1e8", "--out", str(tmp_path / "r.h5")]
    env, said = os.environ | {"TMPDIR": str(scratch)}, tmp_path / "said.txt"
    with (
        said.open("w") as err,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, env=env, start_new_session=True) as process,
    ):
        try:
            assert wait(120.0, lambda: "will take" in said.read_text() or process.poll() is not None)  # the pilot's end
            pilot = spent(workers(process.pid, target))  # has ended: what comes now is the run
            assert wait(
                120.0,
                lambda: spent(workers(process.pid, target)) > pilot + 0.2 or process.poll() is not None,
            )
            mine = descendants(process.pid, without=0)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=AT_MOST)
        finally:
            process.kill()  # or a failure would wait for it
    assert process.returncode == 130
    assert out == b""
    assert re.fullmatch(rf"n on \w+ will take about [^\n]*\.\n{re.escape(SAID)}", said.read_text())
    assert wait(AT_MOST, lambda: not [pid for pid in mine if alive(pid)])
    assert wait(AT_MOST, lambda: not [*scratch.iterdir()])
    scratch.rmdir()
    assert not (tmp_path / "r.h5").exists()
    # Shared memory has no owner: that of other tests, which run beside this one, vanishes by itself.
    assert wait(AT_MOST, lambda: memory() <= before)


# A call into a library that returns after minutes: Python's own handler would wait for it.
DEAF = """
import hashlib
from salhw.cli.interrupt import watch
watch()
print("begun", flush=True)
hashlib.pbkdf2_hmac("sha256", b"x", b"y", 1_000_000_000)
"""


def test_a_library_that_is_busy() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        before = busy(process.pid)
        try:
            assert wait(60.0, lambda: busy(process.pid) > before + 0.2)  # inside the library
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=AT_MOST)
        finally:
            process.kill()
    assert process.returncode == 130
    assert err == SAID
