"""The measuring network, and what it records: everything goes through ``Session``, and nothing learns meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.compiler.pipeline import compile
from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.probes import Membrane, Spikes
from salhw.diagnostics import Diagnostic, SalhwError
from salhw.diagnostics.arguments import (  # fmt: skip
    checked_duration,
    checked_progress,
    checked_seed,
    described,
    instance_of,
    known_name,
    numbers,
    sequence_of,
    wrong,
)
from salhw.diagnostics.wording import shown
from salhw.session.backend import Session
from salhw.session.executable import Executable
from salhw.session.lowering import unknown_kinds
from salhw.session.paths import addresses
from salhw.session.recording import Recording
from salhw.substrate.chip import Chip
from salhw_calibration.circuit import Mask, MeasuredCircuit, circuit
from salhw_calibration.kinds import KNOWN

State = Mapping[str, npt.ArrayLike] | Session
Progress = Callable[[float], None]


class MeasurementError(SalhwError):
    """A measurement was asked for something that it cannot do."""


def refused(code: str, path: str, asked: str, supported: str, fix: str = "") -> MeasurementError:
    """The one error of everything that measures."""
    return MeasurementError("MeasurementError: cannot measure", [Diagnostic(code, path, asked, supported, fix)])


def refuse_wrong(
    exe: Executable,
    duration: float,
    progress: Progress | None = None,
    through: Sequence[str] = (),
    seed: int = 0,
    on_grid: bool = True,
) -> None:
    """What all measurements are given, before any of them begins. A duration that is divided into rounded parts need
    not be ``on_grid``.

    Raises:
        MeasurementError: no executable; a kind of neuron, kernel or stimulus that estimators do not know; ``through``
            that is no list of names.
        SessionError: a duration, a seed or a ``progress`` that is none.
    """
    fix = "give what salhw.compile returned"
    dt = instance_of("exe", exe, Executable, fix, kind=MeasurementError).network.dt
    if on_grid or numbers("duration", duration).ndim or not dt <= duration < np.inf:
        checked_duration(duration, dt)
    checked_progress(progress)
    checked_seed(seed)
    if unknown := unknown_kinds(exe.source, KNOWN):
        raise MeasurementError("MeasurementError: cannot measure", unknown)
    names = [p.name for p in exe.source.populations]
    for name in sequence_of("through", through, str, kind=MeasurementError):
        known_name("through", name, names, code="SAL801", kind=MeasurementError, fix="name populations")


def level_of(value: float) -> float:
    """A confidence level.

    Raises:
        MeasurementError: not between 0 and 1.
    """
    given = numbers("level", value)
    if given.ndim or not 0.0 < given < 1.0:
        raise wrong("level", shown(value), "a number between 0 and 1", "as in .95", kind=MeasurementError)
    return float(given)


@dataclass(frozen=True, eq=False)
class Record:
    """What one instance did in one run: spikes (neuron, step), the session's step at the beginning, and the membranes
    of the probed populations, (step, neuron)."""

    raster: Mask
    begin: int
    membrane: Mapping[str, FloatArray]

    @property
    def steps(self) -> int:
        """How many steps the run had."""
        return int(self.raster.shape[1])


def without_plasticity(net: Network, *, membranes: Collection[str] = (), stimuli: bool = True) -> Network:
    """The network to measure: the same neurons and synapses, so that all of them lie at the same places of a chip, and
    the same stimuli, or none; no plasticity; spikes of everybody are recorded, and the membranes of some populations at
    every step."""
    return net.replace(
        stimuli=net.stimuli if stimuli else (),
        projections=tuple(p.replace(plasticity=()) for p in net.projections),
        probes=(*(Spikes(p.name) for p in net.populations), *(Membrane(name) for name in membranes)),
    )


def realised(net: Network, lowered: Network) -> Network:
    """A network with the PSPs that its target gives it: their shapes and delays are not what is measured."""
    made = zip(net.projections, lowered.projections, strict=True)
    return net.replace(projections=[p.replace(kernel=q.kernel, delay=q.delay) for p, q in made])


def path_of(projection: Projection) -> str:
    """Where a session holds the weights of a projection."""
    return f"projections.{projection.name}.weights"


def state_of(net: Network, session: Session) -> dict[str, FloatArray]:
    """The biases and weights that a session of ``net`` holds now, by path, (instance, ...)."""
    return {path: session.get(path) for path, a in addresses(net).items() if a.field in ("bias", "weights")}


@dataclass(frozen=True, eq=False)
class Rig:
    """An open session of the measuring network, and the circuit to analyse it with."""

    session: Session
    circuit: MeasuredCircuit
    instances: int
    seed: int
    progress: Progress | None = None

    def run(self, duration: float, share: tuple[float, float] = (0.0, 1.0)) -> tuple[Iterator[Record], dict[str, Any]]:
        """Run ``duration`` ms: a Record per instance, made when its turn comes, and the provenance. ``share``: the part
        of the whole measurement that this run is, from and to."""

        def report(done: float) -> None:
            if self.progress is not None:
                self.progress(share[0] + done * (share[1] - share[0]))

        recording = self.session.run(duration, progress=report)
        return (self._record(recording, k) for k in range(self.instances)), dict(recording.provenance)

    def held(self) -> FloatArray:
        """The weights that the chips hold, (instance, synapse)."""
        c = self.circuit
        values = np.zeros((self.instances, len(c.post)))
        for k, p in enumerate(c.net.projections):
            mine = c.projection == k
            if mine.any():
                values[:, mine] = self.session.get(path_of(p)).reshape(self.instances, -1)[:, c.position[mine]]
        return values

    def hold(self, values: FloatArray) -> None:
        """Write weights, (instance, synapse), into the chips."""
        c = self.circuit
        for k, p in enumerate(c.net.projections):
            mine = c.projection == k
            if mine.any():
                full = np.array(self.session.get(path_of(p)), order="C")
                full.reshape(self.instances, -1)[:, c.position[mine]] = values[:, mine]
                self.session.set(path_of(p), full)

    def _record(self, recording: Recording, instance: int) -> Record:
        c = self.circuit
        begin, steps = round(recording.start / c.net.dt), round(recording.duration / c.net.dt)
        raster = np.zeros((c.size, steps), dtype=np.uint8)
        for name, train in recording.spikes.items():
            mine = slice(*np.searchsorted(train.instance, (instance, instance + 1)))
            at: IntArray = np.rint(train.time[mine] / c.net.dt).astype(np.int64) - begin
            raster[c.first[name] + train.neuron[mine], at] = 1
        return Record(
            raster, begin, {name: trace.values[instance] for name, trace in recording.membrane_traces.items()}
        )


@contextmanager
def rig(
    exe: Executable,
    *,
    chips: Sequence[Chip] | None,
    instances: int | Sequence[int] | None,
    seed: int,
    state: State | None = None,
    through: Collection[str] = (),
    membranes: bool = False,
    stimuli: bool = True,
    progress: Progress | None = None,
) -> Iterator[Rig]:
    """Compile and open the measuring network of an executable for the same target and backend, with its calibration.

    Args:
        state: what the chips shall hold: a session of ``exe``, whose weights and biases are read now, or values by
            path (a projection's bare name stands for its weights); the description's by default.
        through: populations that are not looked at (see ``effective_weights``).

    Raises:
        MeasurementError: a ``state`` that is none.
        SalhwError: whatever compiling, opening and writing refuse.
    """
    source = exe.source
    watched = [p.name for p in source.populations if "membrane" in p.neuron.offers] if membranes else ()
    net = without_plasticity(source, membranes=watched, stimuli=stimuli)
    if state is not None and not isinstance(state, Mapping) and not hasattr(state, "get"):
        supported, fix = "an open session, or arrays by projection or path", "as in {'pair': weights}"
        raise wrong("weights", described(state), supported, fix, kind=MeasurementError)
    values = {} if state is None else dict(state) if isinstance(state, Mapping) else state_of(source, state)
    measuring = replace(compile(net, exe.target, plugin=exe.plugin), calibration=exe.calibration)
    with measuring.open(chips=chips, instances=instances, seed=seed) as session:
        known = addresses(net)
        for path, value in values.items():
            session.set(path if path in known else f"projections.{path}.weights", value)
        count = len(session.get(next(iter(known)))) if known else 1
        yield Rig(session, circuit(realised(net, measuring.network), through), count, seed, progress)
