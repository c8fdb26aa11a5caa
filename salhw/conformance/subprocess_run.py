"""Spike counts from a fresh process, ``python -m salhw.conformance.subprocess_run``: job on stdin, counts on stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from salhw.compiler.pipeline import compile
from salhw.description.fields import IntArray
from salhw.description.network import Network
from salhw.machine import collect_rarely
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

PATIENCE = 600.0  # s


def counts(job: dict[str, Any]) -> list[list[int]]:
    """The spike counts of population ``a``, (chip, neuron)."""
    net = Network.model_validate(job["network"])
    target = Target.model_validate(job["target"])
    chips = [Chip.model_validate(chip) for chip in job["chips"]]
    with compile(net, target).open(chips=chips, seed=job["seed"]) as session:
        spikes: list[list[int]] = session.run(job["duration"]).counts["a"].tolist()
        return spikes


def counts_in_subprocess(net: Network, target: Target, chips: Sequence[Chip], seed: int, duration: float) -> IntArray:
    """``counts`` in a fresh interpreter.

    Raises:
        RuntimeError: it failed there, with its last words.
    """
    job = {
        "network": net.model_dump(mode="json"),
        "target": target.model_dump(mode="json"),
        "chips": [chip.model_dump(mode="json") for chip in chips],
        "seed": seed,
        "duration": duration,
    }
    done = subprocess.run(
        [sys.executable, "-m", "salhw.conformance.subprocess_run"],
        input=json.dumps(job), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"another process failed: {done.stderr.strip().splitlines()[-1:] or 'no message'}")
    return np.array(json.loads(done.stdout.splitlines()[-1]), dtype=np.int64)


if __name__ == "__main__":
    collect_rarely()
    print(json.dumps(counts(json.load(sys.stdin))))
