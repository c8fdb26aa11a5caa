"""What salhw calls in the worker: programs are opened, run, read, written and closed by number."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
from salhw_lava_worker import board, network

_programs: dict[int, Any] = {}
_forced: dict[int, tuple[Any, Any]] = {}  # (steps, neurons) of the spikes that the host sends
_numbers = count(1)


def open_program(program: dict[str, Any]) -> int:
    """Build a program; its number."""
    from salhw_lava_worker import runtime

    number = next(_numbers)
    network.put_up(str(number), program)
    force(number, program["neurons"]["forced_step"], program["neurons"]["forced_neuron"])
    kind = runtime.LavaRuntime if program["execution"] == "runtime" else runtime.InProcess
    _programs[number] = kind(str(number), program)
    return number


def run(number: int, steps: int) -> dict[str, Any]:
    """Run at most the program's ``steps``: spikes as (step, neuron) since the run began, membrane potentials."""
    arrays = board.on(str(number))
    arrays["clock"][0] = arrays["clock"][1]
    network.force(arrays, *_forced[number], steps)
    _programs[number].run(steps)
    step, neuron = np.nonzero(arrays["raster"][:steps])
    return {
        "step": step.astype(np.int32), "neuron": neuron.astype(np.int32), "membrane": arrays["membrane"][:steps].copy()
    }  # fmt: skip


def read(number: int, name: str) -> Any:
    """An array of the program, as it is now."""
    return board.on(str(number))[name].copy()


def write(number: int, name: str, value: Any) -> None:
    """Overwrite an array of the program."""
    board.on(str(number))[name][...] = value


def force(number: int, steps: Any, neurons: Any) -> None:
    """Send other spikes: those at the session's ``steps``, which ascend, of ``neurons``."""
    _forced[number] = steps, neurons


def write_rule(number: int, name: str, rule: dict[str, Any]) -> None:
    """Give plastic synapses other impulses and another microcode from the next step on."""
    place = board.on(str(number))[f"{name}.rule"]
    place[:] = network.as_written(int(place[0]) + 1, rule)


def close(number: int) -> None:
    """End a program; nothing of it stays."""
    program, _ = _programs.pop(number, None), _forced.pop(number, None)
    try:
        if program is not None:
            program.close()
    finally:
        board.take_down(str(number))
