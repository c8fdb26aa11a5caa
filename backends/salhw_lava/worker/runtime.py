"""Two ways to run the same process models: under Lava's runtime, or one after the other in this process."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from salhw_lava_worker import board
from salhw_lava_worker.network import connections, processes
from salhw_lava_worker.processes.leaky import Leaky, LeakyFixed, LeakyFloat
from salhw_lava_worker.processes.neurons import Neurons, NeuronsFixed, NeuronsFloat
from salhw_lava_worker.processes.synapses import (
    PlasticFixed,
    PlasticFloat,
    PlasticSynapses,
    StaticFixed,
    StaticFloat,
    StaticSynapses,
)

_MODELS = {  # (floating, fixed)
    Neurons: (NeuronsFloat, NeuronsFixed),
    Leaky: (LeakyFloat, LeakyFixed),
    StaticSynapses: (StaticFloat, StaticFixed),
    PlasticSynapses: (PlasticFloat, PlasticFixed),
}
TAGS = {"fixed": "fixed_pt", "floating": "floating_pt"}


class LavaRuntime:
    """Lava compiles the network and runs each Process as a process of the operating system."""

    def __init__(self, name: str, program: dict[str, Any]) -> None:
        self.name, self.started = name, False
        made = processes(name, program)
        for sender, receiver in connections(*made):
            sender.connect(receiver)
        self.neurons = made[0][0]
        self.config = Loihi2SimCfg(select_tag=TAGS[program["model"]])

    def run(self, steps: int) -> None:
        """Run, and return when all Processes are done with the last step.

        Raises:
            RuntimeError: an exception in a process model, with its traceback; or one of Lava's processes has died.
        """
        last = int(board.on(self.name)["clock"][0]) + steps
        self.started = True
        self.neurons.run(condition=RunSteps(num_steps=steps, blocking=False), run_cfg=self.config)
        clock, pause = board.on(self.name)["clock"], 2e-4
        while clock[1] < last or self._unfinished():
            self._check()
            time.sleep(pause)
            pause = min(1.5 * pause, 0.02)
        self._check()
        self.neurons.wait()

    def _unfinished(self) -> bool:
        """Whether a Process is still at the last step: Lava has not yet reported the end."""
        return not all(port.probe() for port in self.neurons.runtime.service_to_runtime)

    def _check(self) -> None:
        if said := board.trouble(self.name):
            raise RuntimeError(f"in a Lava process:\n{said}")
        dead = [actor for actor in self._actors() if not actor.is_alive()]
        if dead:
            raise RuntimeError(f"{len(dead)} of Lava's processes died (exit codes {[a.exitcode for a in dead]})")

    def _actors(self) -> list[Any]:
        runtime = self.neurons.runtime
        return [] if runtime is None else [*runtime._messaging_infrastructure.actors]

    def close(self) -> None:
        """End all of Lava's processes; those that do not stop when asked are killed."""
        if not self.started or self.neurons.runtime is None:
            return
        actors = self._actors()
        if not board.trouble(self.name) and all(actor.is_alive() for actor in actors):
            self.neurons.stop()
            return
        for actor in actors:
            if actor.is_alive():
                os.kill(actor.pid, signal.SIGKILL)
        for actor in actors:
            actor.join()
        self.neurons.runtime._messaging_infrastructure.smm.shutdown()


class _Wire:
    """Stands in for the ports between process models in one process: what is sent is there to be received."""

    def __init__(self, shape: tuple[int, ...], kind: Any) -> None:
        self.shape, self.kind = shape, kind
        self.sources: list[_Wire] = []

    def send(self, data: np.ndarray) -> None:
        self.data = data

    def recv(self) -> np.ndarray:
        total = np.zeros(self.shape, self.kind)
        for source in self.sources:
            total = total | source.data if self.kind is bool else total + source.data
        return total


class InProcess:
    """The same process models in the same order, without Lava's runtime: no processes, no messages."""

    def __init__(self, name: str, program: dict[str, Any]) -> None:
        self.name, self.now = name, 0
        fixed = program["model"] == "fixed"
        neurons, static, plastic = processes(name, program)
        self.neurons = [_model(p, _MODELS[type(p)][fixed]) for p in neurons]
        static, plastic = ([_model(p, _MODELS[type(p)][fixed]) for p in some] for some in (static, plastic))
        self.synapses = [*static, *plastic]
        for sender, receiver in connections(self.neurons, static, plastic):
            receiver.sources.append(sender)

    def run(self, steps: int) -> None:
        """Run; exceptions of the models come as they are."""
        for _ in range(steps):
            self.now += 1
            for model in (*self.neurons, *self.synapses):
                model.time_step = self.now
            for model in self.synapses:
                model.begin()
            for model in self.neurons:
                model.run_spk()
            for model in self.synapses:
                model.end()

    def close(self) -> None:
        """Nothing to end."""


def _model(process: Any, kind: Any) -> Any:
    """A process model with its variables and ports set, as Lava's builder does it."""
    model = kind(process.proc_params)
    for name in dir(kind):
        declared = getattr(kind, name)
        if not isinstance(declared, LavaPyType):
            continue
        member = getattr(process, name)
        if issubclass(declared.cls, (PyInPort, PyOutPort)):
            value: Any = _Wire(member.shape, declared.d_type)
        elif declared.cls is str:
            value = member.init
        elif declared.cls in (int, float):
            value = declared.cls(np.ravel(member.init)[0])
        else:
            value = np.full(member.shape, member.init, dtype=declared.d_type)
        model.__dict__[name] = value
    return model


logging.getLogger("lava").setLevel(logging.ERROR)
