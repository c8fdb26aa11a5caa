"""A program as Lava Processes, not yet connected."""

from __future__ import annotations

from typing import Any

import numpy as np
from salhw_lava_worker import board
from salhw_lava_worker.processes.leaky import Leaky
from salhw_lava_worker.processes.neurons import Neurons
from salhw_lava_worker.processes.synapses import PlasticSynapses, StaticSynapses

CODE = 160  # bytes of a rule's microcode on the board


def put_up(name: str, program: dict[str, Any]) -> dict[str, Any]:
    """What host and Processes share: state that is read and written between runs, and what a run records."""
    n, steps = len(program["neurons"]["bias"]), program["steps"]
    arrays = {
        "clock": np.zeros(2, np.int64),  # the first step of the run; the steps that are done
        "trouble": np.zeros(board.TROUBLE, np.uint8),
        "bias": program["neurons"]["bias"],
        "raster": np.zeros((steps, n), np.bool_),
        "membrane": np.zeros((steps, program["watched"])),
        "static": program["static"]["weights"],
    }
    arrays |= {name: chance for name, _, _, chance in program["neurons"]["poisson"]}
    for p in program["plastic"]:
        arrays[f"{p['name']}.weights"] = p["weights"]
        arrays[f"{p['name']}.learns"] = np.ones(len(p["weights"]), np.bool_)
        arrays[f"{p['name']}.rule"] = as_written(0, p["rule"])
    found: dict[str, Any] = board.put_up(name, arrays)
    return found


def force(shared: dict[str, Any], steps: Any, neurons: Any, count: int) -> None:
    """Let spikes be forced in the next ``count`` steps, a run of Lava's: those at some ``steps`` of the session, which
    ascend, of ``neurons``. They stand in the raster until what happened does."""
    first = int(shared["clock"][0])
    here = slice(*np.searchsorted(steps, (first, first + count)))
    shared["raster"][:count] = False
    shared["raster"][steps[here] - first, neurons[here]] = True


def as_written(version: int, rule: dict[str, Any]) -> Any:
    """A rule's impulses and microcode as numbers for the board."""
    code = np.zeros(CODE)
    code[: len(rule["dw"])] = [*rule["dw"].encode()]
    return np.array([version, rule["x1_impulse"], rule["y1_impulse"], rule["x2_impulse"], *code], dtype=np.float64)


def processes(name: str, program: dict[str, Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """(neurons, static synapses, plastic synapses); of the neurons first those that are no LIF, then each of its
    populations."""
    everybody = program["neurons"]
    neurons = [Neurons(board_name=name, p=everybody)]
    neurons += [Leaky(board_name=name, p=p, all_neurons=everybody) for p in program["leaky"]]
    # Lava runs what is connected to the Process that is run: without synapses something has to hold LIF populations.
    needed = len(program["static"]["weights"]) or program["leaky"]
    static = [StaticSynapses(board_name=name, p=program["static"])] if needed else []
    plastic = [PlasticSynapses(board_name=name, p=p) for p in program["plastic"]]
    return neurons, static, plastic


def connections(neurons: list[Any], static: list[Any], plastic: list[Any]) -> list[tuple[Any, Any]]:
    """(from, to): ports that are to be connected. Every population takes from what arrives what is its own."""
    found = [(n.s_out, s.s_in) for n in neurons for s in (*static, *plastic)]
    found += [(n.s_out, s.s_in_bap) for n in neurons for s in plastic]
    return found + [(s.a_out, n.a_in) for s in (*static, *plastic) for n in neurons]
