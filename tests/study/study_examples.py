"""A study of seconds: the pair with and without SAL on the reference, at two levels of two noises."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from salhw import Recording, Session, Target
from salhw.io import hdf5
from salhw.io.files import write_text
from salhw.registry import resolve
from salhw.study import Finished, Method, Metric, Noise, Reproduced, Specification, Study

HERE = Path(__file__).parent


def pair_study(**changes: Any) -> Study:
    """24 runs in 12 batches; ``changes`` of its fields."""
    fields: dict[str, Any] = {
        "name": "pair", "network": "pair", "settings": {"learning_rate": 0.01, "spikes": False}, "duration": 400.0,
        "chips": 3, "batch": 2, "wafer": 7,
        "noises": (
            Noise(name="weight", levels=(0.0, 0.3), unit="sd"),
            Noise(name="bias", levels=(0.0, 0.5), unit="sd"),
        ),
        "methods": (Method(name="as it is", plastic=False), Method(name="SAL")),
        "metrics": (Metric(name="D", of="asymmetry"), Metric(name="rate")),
        "specification": Specification(metric="D", at_most=0.9),
    }  # fmt: skip
    return Study(**fields | changes)


def table(folder: Path) -> bytes:
    """What a study in this folder has found, as it is kept."""
    return (folder / "table.parquet").read_bytes()


def wait_for(happened: Callable[[], object], seconds: float) -> None:
    """Wait until something has happened, ``seconds`` at most."""
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.01)


def mine(function: str, **options: Any) -> tuple[Metric, ...]:
    """A metric of this file."""
    return (Metric(name="m", of=f"study_examples:{function}", options=options),)


def chip_ids(finished: Finished) -> list[int]:
    """A metric that says which chip it is."""
    return [chip.id for chip in finished.chips]


def fails(finished: Finished, chip: int) -> np.ndarray:
    """A metric that one chip breaks."""
    ids = np.array(chip_ids(finished))
    if chip in ids:
        raise ArithmeticError(f"chip {chip} is bad")
    return ids


def kills(finished: Finished, chip: int) -> np.ndarray:
    """A metric with which one chip kills the process."""
    ids = np.array(chip_ids(finished))
    if chip in ids:
        os.kill(os.getpid(), signal.SIGKILL)
    return ids


def kills_once(finished: Finished, flag: str) -> np.ndarray:
    """A metric that kills the process the first time that it is asked."""
    if not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return np.array(chip_ids(finished))


def wrong_shape(finished: Finished) -> float:
    """No metric: one number for all chips."""
    return 1.0


def in_two_halves(session: Session, duration: float, quiet: bool = False) -> Recording:
    """A protocol: learn, then (if ``quiet``) write the biases down and measure."""
    session.run(duration)
    if quiet:
        session.set("populations.neurons.bias", -20.0)
    return session.run(duration)


def kills_once_with_children(finished: Finished, listed: str) -> np.ndarray:
    """A metric that kills the process the first time, and leaves a list of what that had started."""
    if not Path(listed).exists():
        Path(listed).write_text(" ".join(map(str, children(os.getpid()))))
        os.kill(os.getpid(), signal.SIGKILL)
    return np.array(chip_ids(finished))


def children(pid: int) -> list[int]:
    """Of a process, with theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            mine = [int(text) for text in (task / "children").read_text().split()]
        except OSError:
            continue
        found += mine + [each for child in mine for each in children(child)]
    return found


def weighing(
    out: Path, *, scale: str, target: Target | str, progress: Any, variant: Literal["plain", "twice"] = "plain"
) -> dict[str, Any]:
    """An experiment: the factors that the first chip, and the second of another wafer, have on two weights."""
    chips = (*resolve(target).sample_chips(1), resolve(target).sample_chips(2, seed=5)[1])
    factors = np.array([chip.vary("weight", 2.0 if variant == "twice" else 1.0, [0, 1]) for chip in chips])

    def fill(file: Any) -> None:
        file["factors"] = factors

    hdf5.write(out / "weighing.h5", fill)
    table = write_text(out / "weighing.md", repr(float(factors[-1, -1])))
    agree = [bool(factors[0, 0] > 1.0), True, None]
    rows = [{"what": f"row {k}", "paper": "", "measured": "", "agrees": value} for k, value in enumerate(agree)]
    return {"title": "weights", "rows": rows, "agrees": agree[0], "files": [table.name, "weighing.h5"]}


def last_factor(done: Reproduced) -> float:
    """A metric of the experiment."""
    return float((done.folder / "weighing.md").read_text())
