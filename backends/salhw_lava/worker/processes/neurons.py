"""GLM neurons and spike sources as one Lava Process, in floating and in fixed point.

All of them (of all instances) lie in one Process, because Lava pays for a Process and a message, not for a neuron.
``p`` in the Process's parameters is made by ``salhw_lava.program``.
"""

import traceback

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from salhw_lava_worker import board
from salhw_lava_worker.draws import NEURONS, Draws
from salhw_lava_worker.processes.psps import Psps

TABLE_BITS, RANDOM_BITS = 6, 48


class Neurons(AbstractProcess):
    """Stochastic neurons with rectangular and exponential PSPs, and sources.

    ``a_in`` takes what arrives at each input (a PSP of one postsynaptic neuron); ``s_out`` are all spikes.
    """

    def __init__(self, *, board_name: str, p: dict) -> None:
        super().__init__(board_name=board_name, p=p)
        self.a_in = InPort(shape=(len(p["input_post"]),))
        self.s_out = OutPort(shape=p["bias"].shape)
        self.bias = Var(shape=p["bias"].shape, init=p["bias"])
        self.countdown = Var(shape=p["bias"].shape, init=0)


class _Model(PyLoihiProcessModel):
    """What both arithmetics share: one step of all neurons."""

    kind = float

    def __init__(self, proc_params) -> None:
        super().__init__(proc_params)
        p = self.p = proc_params["p"]
        self.on_board = board.on(proc_params["board_name"])
        self.psps = Psps(p, self.kind, len(p["bias"]))
        self.draws = Draws(p["seed"], p["ids"], len(p["refractory"]) // len(p["ids"]), NEURONS)

    def run_spk(self) -> None:
        try:
            self.step()
        except BaseException:
            board.report(self.proc_params["board_name"], traceback.format_exc())
            raise

    def step(self) -> None:
        """Receive, decide, send, record."""
        now, p = self.time_step - 1, self.p
        arrived = self.a_in.recv()
        u = self.potential(now, arrived)
        self.countdown = np.maximum(self.countdown - 1, 0)
        uniform = self.draws.next()
        spikes = (self.countdown == 0) & self.decide(u, uniform)
        quiet = 1.0
        for name, first, last, _ in p["poisson"]:
            if first <= now < last:
                quiet = quiet * (1.0 - self.on_board[name])
        spikes |= uniform < 1.0 - quiet
        row, own = now - int(self.on_board["clock"][0]), p["own"]
        spikes[own] |= self.on_board["raster"][row, own]  # those that are forced
        self.countdown = np.where(spikes, p["refractory"], self.countdown)
        self.s_out.send(spikes)
        self.on_board["raster"][row, own] = spikes[own]
        if len(p["watched"]):
            self.on_board["membrane"][row, p["columns"]] = (u * self.in_units)[p["watched"]]
        self.on_board["clock"][1] = now + 1


@implements(proc=Neurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class NeuronsFloat(_Model):
    """Floating point: the hazards of the description."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    bias: np.ndarray = LavaPyType(np.ndarray, float)
    countdown: np.ndarray = LavaPyType(np.ndarray, int)

    in_units = 1.0

    def potential(self, now: int, arrived: np.ndarray) -> np.ndarray:
        return self.on_board["bias"] + self.psps.per_neuron(now, arrived)

    def decide(self, u: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        x = np.exp(np.minimum(u, 500.0)) * self.p["odds"]
        return uniform < np.where(self.p["logistic"], x / (1.0 + x), -np.expm1(-x))


@implements(proc=Neurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class NeuronsFixed(_Model):
    """Fixed point, as a neuro-core's microcode would do it. A potential is a word of 24 bits, ``bits`` of them behind
    the point. Its spike probability is read from a table in steps of 1/64, the course between two entries being a
    straight line, and held against 48 bits of random numbers. A source's spikes come from outside the chip, and keep
    their probability."""

    kind = np.int64
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    bias: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)
    countdown: np.ndarray = LavaPyType(np.ndarray, int, precision=24)

    def __init__(self, proc_params) -> None:
        super().__init__(proc_params)
        p = self.p
        self.in_units = 1.0 / (1 << p["bias_shift"])
        self.between = p["bits"] - TABLE_BITS  # bits of a potential between two entries
        self.lowest = p["table_start"] << self.between
        self.length = np.int64(p["table"].shape[1] - 1) << self.between

    def potential(self, now: int, arrived: np.ndarray) -> np.ndarray:
        shifted = self.on_board["bias"].astype(np.int64) << self.p["bias_shift"]
        return shifted + self.psps.per_neuron(now, arrived, self.p["psp_bits"])

    def decide(self, u: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        table, row = self.p["table"], self.p["table_row"]
        place = np.clip(u - self.lowest, 0, self.length)
        entry = place >> self.between
        low, high = table[row, entry], table[row, np.minimum(entry + 1, table.shape[1] - 1)]
        rise = ((high - low) * (place - (entry << self.between))) >> self.between
        return (uniform * 2.0**RANDOM_BITS).astype(np.int64) < low + rise
