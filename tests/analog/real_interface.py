"""A stand-in for pynn_brainscales.brainscales2: it takes what the real one takes, and raises where the real one does.

What may be called, and how, is ``brainscales2_signatures.json``: names, parameters and rules as read in the sources
that each entry names. Populations, connectors and parameters are PyNN's own, on which the real software stands too;
added here are its rules about signs, delays, connectors, plasticity rules and the chip's resources. Nothing is
computed: neurons spike as ``spikes`` says, sensors read what ``read`` says, and weights grow by one per update.
"""

from __future__ import annotations

import inspect
import json
from enum import Enum, auto
from math import ceil
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pyNN.common
import pyNN.connectors
import pyNN.errors
import pyNN.mock
from pyNN.mock import simulator
from pyNN.standardmodels import StandardCellType, build_translations, cells, synapses

_FILE = Path(__file__).parent / "brainscales2_signatures.json"
TABLE = {entry["name"]: entry for entry in json.loads(_FILE.read_text(encoding="utf-8"))}
CYCLES_PER_MS = 125_000


def bound(name: str, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of a call by their names, as the signature has them; TypeError if it does not take them."""
    entry, kinds = TABLE[name], inspect.Parameter
    given = {**entry["defaults"], **entry["keyword_only"]}
    taken = [kinds(p, kinds.POSITIONAL_OR_KEYWORD, default=given.get(p, kinds.empty)) for p in entry["positional"]]
    taken += [kinds(p, kinds.KEYWORD_ONLY, default=given[p]) for p in entry["keyword_only"]]
    if entry["varkw"]:
        taken.append(kinds(entry["varkw"], kinds.VAR_KEYWORD))
    found = inspect.Signature(taken).bind(*args, **kwargs).arguments
    more = found.pop(entry["varkw"], {})
    return {**found, **more}


class Chip:
    """What the present program has made, between ``setup`` and ``end``; ``last`` is kept for the test to look at."""

    now: ClassVar[Chip | None] = None
    last: ClassVar[Chip]

    def __init__(self) -> None:
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.rules: list[PlasticityRule] = []
        self.duration: float | None = None

    @staticmethod
    def here() -> Chip:
        assert Chip.now is not None, "setup() comes first, end() last"
        return Chip.now


def spikes(k: int, duration: float) -> np.ndarray[Any, Any]:
    """Neuron k of a population: silent if it is the first, else regular."""
    return np.arange(0.1, duration, 0.5 / k) if k else np.zeros(0)


def read(pre: int, post: int, branch: str) -> int:
    """What a sensor reads without spikes."""
    return 100 + 7 * pre + 3 * post + (40 if branch.endswith("acausal") else 0)


# --- cells


class CalibHXNeuronCuba(StandardCellType):  # type: ignore[misc]
    default_parameters = TABLE["pynn.cells.CalibHXNeuronCuba"]["default_values"]
    translations = build_translations(*((name, name) for name in default_parameters))
    receptor_types = TABLE["pynn.cells.CalibHXNeuronCuba"]["receptor_types"]
    recordable = TABLE["pynn.cells.CalibHXNeuronCuba"]["recordable"]
    conductance_based = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = bound("pynn.cells.CalibHXNeuronCuba", args, kwargs)
        self.rule: PlasticityRule | None = given.pop("plasticity_rule", None)
        super().__init__(**given)

    @staticmethod
    def check(population: Population) -> None:
        """What calibration can reach."""
        for key, (low, high) in TABLE["pynn.cells.CalibHXNeuronCuba"]["ranges"].items():
            for name, values in population._parameters.items():
                if name.startswith(key.removesuffix("_us")) and not (low <= np.min(values) <= np.max(values) <= high):
                    raise ValueError(f"{name} of {np.min(values)}..{np.max(values)} cannot be calibrated")


class SpikeSourceArray(cells.SpikeSourceArray):  # type: ignore[misc]
    translations = build_translations(("spike_times", "spike_times"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**bound("pynn.cells.SpikeSourceArray", args, kwargs))


class SpikeSourcePoissonOnChip(StandardCellType):  # type: ignore[misc]
    default_parameters: ClassVar = {"rate": 1.0, "seed": 0}
    translations = build_translations(("rate", "rate"), ("seed", "seed"))
    recordable: ClassVar = ["spikes"]
    receptor_types = ()
    injectable = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**bound("pynn.cells.SpikeSourcePoissonOnChip", args, kwargs))

    @staticmethod
    def rate(population: Population) -> float:
        """The rate that a source has: the generator's rate has 8 bits, its period is a whole number of clocks."""
        wanted, clock = float(population._parameters["rate"][0]) * population.size, 125e6
        if wanted > clock:
            raise RuntimeError("The chosen Poisson rate can not be realized on hardware.")
        if population.size & (population.size - 1) or population.size > 256:
            raise ValueError(f"a mask of labels reaches a power of two of sources, at most 256, not {population.size}")
        probability = (round(255 * wanted / clock) + 1) / 256
        return clock / round(clock / wanted * probability) * probability / population.size


# --- populations


class View(pyNN.mock.PopulationView):  # type: ignore[misc]
    def _get_view(self, selector: Any, label: str | None = None) -> View:
        return View(self, selector, label)


class Population(pyNN.mock.Population):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        bound("pynn.Population", args, kwargs)
        super().__init__(*args, **kwargs)
        self.recorded: set[str] = set()
        if (rule := getattr(self.celltype, "rule", None)) is not None:
            rule.populations.append(self)
        Chip.here().populations.append(self)

    def _get_view(self, selector: Any, label: str | None = None) -> View:
        return View(self, selector, label)

    def record(self, *args: Any, **kwargs: Any) -> None:
        variables = bound("pynn.Population.record", args, kwargs)["variables"]
        wrong = {*([variables] if isinstance(variables, str) else variables)} - {*self.celltype.recordable}
        if wrong:
            raise pyNN.errors.RecordingError(wrong, self.celltype)
        self.recorded |= {*variables}

    def get_data(self, variables: str) -> Any:
        duration = Chip.here().duration
        assert duration is not None, "run() comes first"
        assert variables in self.recorded
        trains = [SimpleNamespace(magnitude=spikes(k, duration)) for k in range(self.size)]
        return SimpleNamespace(segments=[SimpleNamespace(spiketrains=trains)])


# --- plasticity


class Timer:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = bound("pynn.Timer", args, kwargs)
        self.start, self.period, self.num_periods = (given[name] for name in TABLE["pynn.Timer"]["required"])


class ObservablePerSynapse:
    __slots__ = ("layout_per_row", "type")
    Type = Enum("Type", TABLE["pynn.PlasticityRule.ObservablePerSynapse"]["type"])  # type: ignore[misc]
    LayoutPerRow = Enum(  # type: ignore[misc]
        "LayoutPerRow", TABLE["pynn.PlasticityRule.ObservablePerSynapse"]["layout_per_row"]
    )


class PlasticityRule:
    ObservablePerSynapse = ObservablePerSynapse

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = {"observables": None, "same_id": 0} | bound("pynn.PlasticityRule", args, kwargs)
        self.timer, self.same_id = given["timer"], given["same_id"]
        self.observables = given["observables"] or {}
        self.projections: list[Projection] = []
        self.populations: list[Population] = []
        Chip.here().rules.append(self)

    def generate_kernel(self) -> str:
        raise NotImplementedError

    def updates(self) -> np.ndarray[Any, Any]:
        """Times of the updates in ms: those that begin before the run ends."""
        end, timer = Chip.here().duration, self.timer
        assert end is not None
        many = min(timer.num_periods, ceil(max(end - timer.start, 0.0) / timer.period))
        return np.asarray(timer.start + timer.period * np.arange(many))

    def source(self) -> str:
        """The text that is compiled: the kernel, and what is declared before it and after."""
        shapes = [len(projection) for projection in self.projections]
        return f"// {sorted(self.observables)} of {shapes}, {len(self.updates())} times\n{self.generate_kernel()}"


class Recording(PlasticityRule):
    def __init__(self, timer: Timer, names: set[str]) -> None:
        super().__init__(timer, dict.fromkeys(names))

    def generate_kernel(self) -> str:
        return "void PLASTICITY_RULE_KERNEL() {}"


class StaticSynapse(synapses.StaticSynapse):  # type: ignore[misc]
    translations = build_translations(("weight", "weight"), ("delay", "delay"))
    rule: PlasticityRule | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**bound("pynn.synapses.StaticSynapse", args, kwargs))

    def _get_minimum_delay(self) -> float:
        return 0.0


class PlasticSynapse(StaticSynapse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = bound("pynn.synapses.PlasticSynapse", args, kwargs)
        self.rule = self.plasticity_rule = given.pop("plasticity_rule", None)
        super().__init__(**({"weight": 0, "delay": 0} | given))


class StaticRecordingSynapse(StaticSynapse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = bound("pynn.synapses.StaticRecordingSynapse", args, kwargs)
        assert {*given["observables"]} <= {*TABLE["pynn.synapses.StaticRecordingSynapse"]["observables"]}
        self.rule = self.plasticity_rule = Recording(given["timer"], given["observables"])
        super().__init__(weight=given["weight"])


# --- projections


class ArrayConnector(pyNN.connectors.ArrayConnector):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**bound("pynn.ArrayConnector", args, kwargs))


class OneToOneConnector(pyNN.connectors.OneToOneConnector):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**bound("pynn.OneToOneConnector", args, kwargs))


class FromListConnector(pyNN.connectors.FromListConnector):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**bound("pynn.FromListConnector", args, kwargs))


class Connection(pyNN.common.Connection):  # type: ignore[misc]
    """Its indices, and a weight that keeps to the sign of the projection's receptors."""

    def __init__(self, projection: Projection, pre: int, post: int, **parameters: Any) -> None:
        self.projection, self.presynaptic_index, self.postsynaptic_index = projection, int(pre), int(post)
        self.weight = parameters["weight"]
        if parameters["delay"] != 0:
            raise ValueError("Setting the delay unequal 0 is not supported.")

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "weight":
            value, kind = round(float(value)), self.projection.receptor_type
            if (value < 0 and kind == "excitatory") or (value > 0 and kind == "inhibitory"):
                raise pyNN.errors.ConnectionError(f"a weight of {value} for {kind} synapses")
        object.__setattr__(self, name, value)

    def as_tuple(self, *names: str) -> tuple[Any, ...]:
        return tuple(0.0 if name == "delay" else getattr(self, name) for name in names)


class Projection(pyNN.common.Projection):  # type: ignore[misc]
    _simulator = simulator
    _static_synapse_class = StaticSynapse

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = bound("pynn.Projection", args, kwargs)
        super().__init__(*args, **kwargs)
        self.connections: list[Connection] = []
        given["connector"].connect(self)
        self.connections.sort(key=lambda c: (c.presynaptic_index, c.postsynaptic_index))
        assert self.connections, "a projection without synapses: nobody has tried it"
        if self.synapse_type.rule is not None:
            self.synapse_type.rule.projections.append(self)
        Chip.here().projections.append(self)

    def __len__(self) -> int:
        return len(self.connections)

    def _convergent_connect(self, pre: Any, post: int, location_selector: Any = None, **parameters: Any) -> None:
        for j in pre:  # what is not one number is indexed by the source, not by its place in ``pre``
            own = {name: value if isinstance(value, float) else value[j] for name, value in parameters.items()}
            self.connections.append(Connection(self, j, post, **own))

    def _set_attributes(self, parameter_space: Any) -> None:
        parameter_space.evaluate()
        for name, values in parameter_space.items():
            for c in self.connections:
                setattr(c, name, values[c.presynaptic_index][c.postsynaptic_index])

    def get_data(self, *args: Any, **kwargs: Any) -> list[list[Any]]:
        """Weights grow by one per update from the one that was set; sensors read their baselines, as signed bytes."""
        name, rule = bound("pynn.Projection.get_data", args, kwargs)["observable"], self.synapse_type.rule
        if rule is None or name not in rule.observables or Chip.here().duration is None:
            raise RuntimeError(f"no {name} has been recorded")
        return [[self._sample(name, k, time) for k, time in enumerate(rule.updates())]]

    def _sample(self, name: str, k: int, time: float) -> Any:
        if name == "w":
            values = [abs(c.weight) + k + 1 if c.weight else 0 for c in self.connections]
        else:
            values = [read(c.presynaptic_index, c.postsynaptic_index, name) - 128 for c in self.connections]
        cycles = round(time * CYCLES_PER_MS)
        return SimpleNamespace(time=SimpleNamespace(value=lambda: cycles), data=[[value] for value in values])


# --- the module


class RunCommand(Enum):
    PREPARE = auto()
    APPEND = auto()
    EXECUTE = auto()


def setup(*args: Any, **kwargs: Any) -> None:
    given = bound("pynn.setup", args, kwargs)
    if wrong := {*given} - {*TABLE["pynn.setup"]["positional"], *TABLE["pynn.setup"]["extra_params"]}:
        raise KeyError(f"unhandled extra_params in call to pynn.setup(...): {wrong}")
    simulator.state.clear()
    Chip.now = Chip.last = Chip()


def run(*args: Any, **kwargs: Any) -> None:
    chip = Chip.here()
    if chip.duration is not None:
        raise RuntimeError("Call `pynn.reset()` before calling `pynn.run()` again.")
    chip.duration = float(bound("pynn.run", args, kwargs)["runtime"])
    noise = [p for p in chip.populations if isinstance(p.celltype, SpikeSourcePoissonOnChip)]
    if len(noise) > 4:
        raise RuntimeError(f"{len(noise)} populations of Poisson sources, 4 generators")
    for p in noise:
        SpikeSourcePoissonOnChip.rate(p)
    for p in chip.populations:
        if isinstance(p.celltype, CalibHXNeuronCuba):
            CalibHXNeuronCuba.check(p)
    sources: dict[int, str] = {}
    for rule in chip.rules:
        if not len(rule.updates()):
            raise ZeroDivisionError("a rule without updates")
        assert rule.projections, "a rule of no projection: nobody has tried it"
        if sources.setdefault(rule.same_id, rule.source()) != rule.source():
            raise RuntimeError("Plasticity rules marked as same with an equal ID have different kernel sources.")


def end(*args: Any, **kwargs: Any) -> None:
    bound("pynn.end", args, kwargs)
    assert Chip.here().duration is not None, "nothing has run"
    Chip.now = None


def modules() -> dict[str, ModuleType]:
    """The modules that ``import pynn_brainscales.brainscales2`` finds: with the names of the table, and no others."""
    package, module = ModuleType("pynn_brainscales"), ModuleType("pynn_brainscales.brainscales2")
    places = {"": module, "cells": ModuleType("cells"), "synapses": ModuleType("synapses")}
    vars(package)["brainscales2"] = module
    vars(module).update(cells=places["cells"], synapses=places["synapses"], RunCommand=RunCommand)
    for name in TABLE:
        first, _, rest = name.partition(".")
        folder, _, leaf = rest.rpartition(".")
        if first == "pynn" and folder in places and leaf in globals():
            setattr(places[folder], leaf, globals()[leaf])
    return {package.__name__: package, module.__name__: module}
