"""Synapses as Lava Processes: static ones with delays, and plastic ones under Lava's model of the learning engine."""

import traceback

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.learning.constants import GradedSpikeCfg
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule
from lava.magma.core.model.py.connection import LearningConnectionModelBitApproximate, LearningConnectionModelFloat
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.connection import LearningConnectionProcess
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.utils.weightutils import SignMode
from salhw_lava_worker import board
from salhw_lava_worker.draws import POST_TRACES, PRE_TRACES, WEIGHTS, Draws

LARGEST_TRACE = 127  # 7 bits


class StaticSynapses(AbstractProcess):
    """A list of synapses with delays: ``a_out[row]`` gets the weight of every synapse whose neuron ``pre`` spiked."""

    def __init__(self, *, board_name: str, p: dict) -> None:
        super().__init__(board_name=board_name, p=p)
        self.s_in = InPort(shape=(p["neurons"],))
        self.a_out = OutPort(shape=(p["inputs"],))
        some = p["weights"] if len(p["weights"]) else np.zeros(1)
        self.weights = Var(shape=some.shape, init=some)


def _sign_mode(ends: list | None) -> SignMode:
    """Of weights that learning may take to these ends."""
    if ends is not None and ends[0] == 0:
        return SignMode.EXCITATORY
    return SignMode.INHIBITORY if ends is not None and ends[1] == 0 else SignMode.MIXED


class PlasticSynapses(LearningConnectionProcess):
    """A list of synapses that learn by one rule. Lava's LearningDense would learn every entry of a matrix, the zeros
    and the diagonal included, and take a step's time for each. Lava lets weights with a sign go from -256 to 255; here
    they end where those that are written do, or where their rule's bounds are (``ends``; none in floating point)."""

    def __init__(self, *, board_name: str, p: dict) -> None:
        rule = Loihi2FLearningRule(**p["rule"])
        super().__init__(
            shape=(len(p["post_neurons"]), len(p["pre_neurons"])),
            learning_rule=rule,
            graded_spike_cfg=GradedSpikeCfg.USE_REGULAR_IMPULSE,
            sign_mode=_sign_mode(p["ends"]),
            board_name=board_name,
            p=p,
        )
        self.s_in = InPort(shape=(p["neurons"],))
        self.s_in_bap = InPort(shape=(p["neurons"],))
        self.a_out = OutPort(shape=(p["inputs"],))
        self.weights = Var(shape=p["weights"].shape, init=p["weights"])
        self.tag_1 = Var(shape=(1,), init=0)  # the rules in use need no tags
        self.tag_2 = Var(shape=(1,), init=0)


class _Halves:
    """A step in two halves, so that it can also run in one process: send what the last step left, then receive."""

    def run_spk(self) -> None:
        self.guarded(self.begin)
        self.guarded(self.end)

    def guarded(self, part) -> None:
        try:
            part()
        except BaseException:
            board.report(self.proc_params["board_name"], traceback.format_exc())
            raise


class _Static(_Halves, PyLoihiProcessModel):
    kind = float

    def __init__(self, proc_params) -> None:
        super().__init__(proc_params)
        self.p = proc_params["p"]
        self.held = board.on(proc_params["board_name"])["static"]
        self.slots = np.zeros((int(self.p["delay"].max(initial=0)) + 1, self.p["inputs"]), self.kind)

    def begin(self) -> None:
        slot = (self.time_step - 2) % len(self.slots)
        self.a_out.send(self.slots[slot].copy())
        self.slots[slot] = 0

    def end(self) -> None:
        p = self.p
        active = np.flatnonzero(self.s_in.recv()[p["pre"]])
        if len(active):
            slot = (self.time_step - 1 + p["delay"][active]) % len(self.slots)
            place = slot * p["inputs"] + p["row"][active]
            added = np.bincount(place, self.held[active] * p["factor"][active], self.slots.size)
            self.slots += added.reshape(self.slots.shape).astype(self.kind)


@implements(proc=StaticSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class StaticFloat(_Static):
    """Weights in floating point."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    weights: np.ndarray = LavaPyType(np.ndarray, float)


@implements(proc=StaticSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class StaticFixed(_Static):
    """Weights of 8 bits: even numbers from -254 to 254."""

    kind = np.int32
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=16)
    weights: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)


class _Plastic(_Halves):
    """Lava's learning engine on a list of synapses: the arithmetic is Lava's, only the pairs that exist are visited."""

    def __init__(self, proc_params) -> None:
        self.p = proc_params["p"]
        self.arrays = board.on(proc_params["board_name"])
        self.name = self.p["name"]
        super().__init__(proc_params)
        self.sent = np.zeros(self.p["inputs"], self.kind)
        self.version = 0

    def begin(self) -> None:
        self.weights = self.arrays[f"{self.name}.weights"]
        self._renew_rule()
        self.a_out.send(self.sent)

    def end(self) -> None:
        p = self.p
        spikes = self.s_in.recv().astype(bool)
        active = np.flatnonzero(spikes[p["pre_neurons"]][p["pre"]])
        self.sent = np.bincount(p["row"][active], self.weights[active] * p["factor"], p["inputs"]).astype(self.kind)
        self._process_pre_spikes(spikes[p["pre_neurons"]])
        self._process_post_spikes(self.s_in_bap.recv().astype(bool)[p["post_neurons"]])
        self.learn()

    def lrn_guard(self) -> bool:
        """Learning depends on what this Process has received: no phase, and no round of messages, for it alone."""
        return False

    def learn(self) -> None:
        """What Lava does in its learning phase, at the end of an epoch."""
        if self.time_step % self._learning_rule.t_epoch == 0:
            self.run_lrn()

    def _renew_rule(self) -> None:
        """Take over impulses that the host has written since; what is left of earlier ones is worth as much as the
        new."""
        written = self.arrays[f"{self.name}.rule"]
        if written[0] != self.version:
            self.version = int(written[0])
            for name, value in zip(("x1", "y1", "x2"), written[1:4], strict=True):
                before, trace = getattr(self._learning_rule, f"{name}_impulse"), getattr(self, name)
                if before and value:
                    setattr(self, name, self.on_trace(trace * (float(value) / before)))
                setattr(self._learning_rule, f"{name}_impulse", float(value))
            self._learning_rule.dw_str = bytes(written[4:].astype(np.uint8)).rstrip(b"\0").decode()
            self._store_impulses_and_taus()
            self._build_active_traces_per_dependency()
            self._build_active_traces()
            self._build_learning_rule_appliers()

    def _apply_learning_rules(self, x_traces_history, y_traces_history) -> None:
        if self.x0.any() or self.y0.any():  # nothing else changes a weight
            super()._apply_learning_rules(x_traces_history, y_traces_history)
            if self.p["ends"] is not None:
                self.weights = np.clip(self.weights, *self.p["ends"])
            self.arrays[f"{self.name}.weights"][:] = self.weights

    def _extract_applier_args(self, x_traces_history, y_traces_history) -> dict:
        learns = self.arrays[f"{self.name}.learns"]
        found = super()._extract_applier_args(x_traces_history, y_traces_history)
        found.update(shape=self.weights.shape, x0=self.x0[self.p["pre"]] & learns, y0=self.y0[self.p["post"]] & learns)
        return found

    def _extract_applier_evaluated_traces(self, x_traces_history, y_traces_history) -> dict:
        """The traces at the spikes of the other side, of every synapse; only those that a rule of ours may use."""
        at_post, at_pre, pre, post = self.ty[self.p["post"]], self.tx[self.p["pre"]], self.p["pre"], self.p["post"]
        return {
            "x1_y0": x_traces_history[at_post, 0, pre],
            "x2_y0": x_traces_history[at_post, 1, pre],
            "y1_x0": y_traces_history[at_pre, 0, post],
        }


@implements(proc=PlasticSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PlasticFloat(_Plastic, LearningConnectionModelFloat, PyLoihiProcessModel):
    """Floating point: nothing is rounded or clipped."""

    kind = float
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    weights: np.ndarray = LavaPyType(np.ndarray, float)

    def on_trace(self, values: np.ndarray) -> np.ndarray:
        return values


@implements(proc=PlasticSynapses, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PlasticFixed(_Plastic, LearningConnectionModelBitApproximate, PyLoihiProcessModel):
    """Fixed point, "bit-approximate": traces of 7 bits and weights of 8 and a sign, both rounded at random. Lava shares
    one random number among all synapses, and fixes its seed; here each trace and each weight has its own."""

    kind = np.int32
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=16)
    weights: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=8)

    def on_trace(self, values: np.ndarray) -> np.ndarray:
        return np.rint(np.minimum(values, LARGEST_TRACE)).astype(int)

    def _init_randoms(self) -> None:
        p, copies = self.p, len(self.p["ids"])
        sizes = (len(p["pre_neurons"]), len(p["post_neurons"]), len(p["weights"]))
        self.draws = [
            Draws(p["seed"], p["ids"], size // copies, stream, p["number"])
            for size, stream in zip(sizes, (PRE_TRACES, POST_TRACES, WEIGHTS), strict=True)
        ]
        self._x_random, self._y_random, self._conn_var_random = _Random(), _Random(), _Random()

    def _update_synaptic_variable_random(self) -> None:
        for place, draws in zip((self._x_random, self._y_random, self._conn_var_random), self.draws, strict=True):
            place.random_trace_decay = place.random_stochastic_round = draws.next()


class _Random:
    """Stands in for Lava's generators. Impulses are whole numbers, so that adding them takes no random number."""

    random_trace_decay = random_stochastic_round = np.zeros(1)
    random_impulse_addition = 0
