"""LIF populations: Lava's own LIF neurons with a refractory period, behind PSPs of any kind."""

import traceback

import numpy as np
from lava.magma.core.decorator import implements
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifModelBitAcc, PyLifRefractoryModelFloat
from lava.proc.lif.process import LIFRefractory
from salhw_lava_worker import board
from salhw_lava_worker.processes.psps import Psps


class Leaky(LIFRefractory):
    """One LIF population (of all instances). It is as long as all neurons, so that its spikes need no new addresses;
    those that are not its own have neither bias nor input.

    Lava's synaptic current does not decay but lasts for the step (du = 1): it is the sum of the PSPs.
    """

    def __init__(self, *, board_name: str, p: dict, all_neurons: dict) -> None:
        shape = all_neurons["bias"].shape
        start = np.zeros(shape)
        start[p["own"]] = p["v"]
        super().__init__(
            shape=shape, du=p["du"], dv=p["dv"], vth=p["vth"], v=start, bias_mant=np.zeros(shape), refractory_period=1
        )
        self.proc_params["board_name"], self.proc_params["p"] = board_name, p
        self.proc_params["all_neurons"] = all_neurons
        self.a_in = InPort(shape=(len(all_neurons["input_post"]),))


class _Leaky:
    """What both arithmetics add to Lava's models: PSPs, biases from the board, records."""

    def __init__(self, proc_params) -> None:
        super().__init__(proc_params)
        self.p, everybody = proc_params["p"], proc_params["all_neurons"]
        self.on_board = board.on(proc_params["board_name"])
        self.psps = Psps(everybody, self.kind, len(everybody["bias"]))
        self.mine = np.zeros(len(everybody["bias"]), bool)
        self.mine[self.p["own"]] = True
        self.refractory_period = self.p["refractory"]

    def run_spk(self) -> None:
        try:
            super().run_spk()
        except BaseException:
            board.report(self.proc_params["board_name"], traceback.format_exc())
            raise

    @property
    def now(self) -> int:
        return self.time_step - 1

    def current(self, arrived: np.ndarray, bits: int = 0) -> np.ndarray:
        """The PSPs of this population's neurons."""
        return np.where(self.mine, self.psps.per_neuron(self.now, arrived, bits), 0)

    def spiking_activation(self) -> np.ndarray:
        spikes, row = super().spiking_activation() & self.mine, self.now - int(self.on_board["clock"][0])
        self.on_board["raster"][row, self.p["own"]] = spikes[self.p["own"]]
        if len(self.p["watched"]):
            self.on_board["membrane"][row, self.p["columns"]] = self.v[self.p["watched"]]
        return spikes


@implements(proc=Leaky, protocol=LoihiProtocol)
class LeakyFloat(_Leaky, PyLifRefractoryModelFloat):
    """Lava's floating-point model."""

    implements_process = None  # not Lava's LIFRefractory; resources and tags are inherited
    kind = float
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)

    def subthr_dynamics(self, activation_in: np.ndarray) -> None:
        self.bias_mant = np.where(self.mine, self.on_board["bias"], 0.0)
        super().subthr_dynamics(self.current(activation_in))


@implements(proc=Leaky, protocol=LoihiProtocol)
class LeakyFixed(_Leaky, PyLifModelBitAcc):
    """Lava's bit-accurate model, which has no refractory period: the membrane is held at zero for its length.

    Lava's leak of 12 bits and its threshold of 17 are mantissas here: a power of two of the population goes with each.
    The current comes from the PSPs in the membrane's units, fractions of a weight's step included.
    """

    implements_process = None
    kind = np.int64
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=16)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    refractory_period_end: np.ndarray = LavaPyType(np.ndarray, int)

    def __init__(self, proc_params) -> None:
        super().__init__(proc_params)
        self.act_shift, self.vth_shift = 0, self.p["vth_shift"]
        self.decay_shift = self.p["leak_bits"]
        self.decay_unity = 1 << self.decay_shift
        self.ds_offset = self.decay_unity - self.p["du"]  # the current lasts for the step

    def scale_bias(self) -> None:
        self.effective_bias = np.where(self.mine, self.on_board["bias"], 0)

    def subthr_dynamics(self, activation_in: np.ndarray) -> None:
        held = self.refractory_period_end >= self.time_step
        super().subthr_dynamics(self.current(activation_in, self.p["current_bits"]))
        self.v[held] = 0

    def reset_voltage(self, spike_vector: np.ndarray) -> None:
        self.refractory_period_end[spike_vector] = self.time_step + self.refractory_period
        super().reset_voltage(spike_vector)
