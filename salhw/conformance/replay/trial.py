"""A schedule of runs with writes in between, and what a session did when it went through one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from salhw.conformance.replay.cells import gentle
from salhw.conformance.replay.dice import Dice, numbers, steps
from salhw.conformance.replay.extent import extent
from salhw.conformance.replay.trains import Bools
from salhw.description.fields import FloatArray
from salhw.description.kinds import only
from salhw.description.markers import mark_of
from salhw.description.network import Network
from salhw.description.probes import Spikes
from salhw.description.stimuli import padded
from salhw.diagnostics import Diagnostic, SessionError, UnsupportedNetworkError
from salhw.session.executable import Executable
from salhw.session.paths import Address, addresses, described, item_at
from salhw.session.recording import Recording
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target


@dataclass(frozen=True)
class Write:
    """``value`` written at ``path``, shaped as a session takes it."""

    path: str
    value: FloatArray


@dataclass(frozen=True)
class Part:
    """Some writes, then a run of ``steps``."""

    writes: tuple[Write, ...]
    steps: int


@dataclass(frozen=True)
class Schedule:
    """What a session goes through: its parts in their order, and how many instances of which ids it has."""

    parts: tuple[Part, ...]
    ids: tuple[int, ...]
    seed: int = 0

    @property
    def steps(self) -> int:
        """Of all runs."""
        return sum(part.steps for part in self.parts)


@dataclass(frozen=True)
class Stretch:
    """What a session did in one part: the writes that it took, what it held then, what the run recorded and what the
    session held after it. Values by path, (instance, ...) as ``get`` shapes them."""

    writes: tuple[Write, ...]
    before: Mapping[str, FloatArray]
    recording: Recording
    after: Mapping[str, FloatArray]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """What a session did with a network: what it held when it was opened, and each part of the schedule. ``written`` is
    the network before its synapses were drawn. ``hidden`` are projections whose weights never had to move by more than
    the target may be off."""

    net: Network
    written: Network
    schedule: Schedule
    opened: Mapping[str, FloatArray]
    stretches: tuple[Stretch, ...]
    spikes: Mapping[str, Bools] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()


def random_schedule(net: Network, target: Target, seed: int, instances: int = 16) -> Schedule:
    """Unequal runs, mostly four or five, with writes of what the target lets a session write before all but the first.

    The same seed gives the same schedule in every process and on every machine. Ids of instances lie apart, in an
    order of their own, and each may be written a value of its own.
    """
    dice, net = Dice(f"salhw.replay.schedule {seed}"), net.explicit
    written = [address for address in addresses(net, target).values() if not address.copy_of]
    known, listed = ([each for each in written if each.trains == trains] for trains in (False, True))
    own, parts = Dice(f"salhw.replay.times {seed}"), []  # spike times came later, and leave all else as it was
    lengths = extent(seed).lengths
    now = 0
    for k, length in enumerate(dice.shuffled(lengths)[: dice.whole(min(4, len(lengths)), len(lengths))]):
        chosen = dice.shuffled(dice.subset(known)) if k else []
        chosen = chosen[:1] if dice.chance(0.3) else chosen  # what a write does alone, with none after it
        writes = [_times(own, address, instances, now, net.dt) for address in listed if k and own.chance(0.5)]
        writes += [_write(dice, net, address, instances) for address in chosen]
        parts.append(Part(tuple(writes), length))
        now += length
    ids = dice.shuffled(range(seed % 7, seed % 7 + 3 * instances))[:instances]
    return Schedule(tuple(parts), tuple(ids), seed)


def _times(dice: Dice, address: Address, instances: int, now: int, dt: float) -> Write:
    """Spike times from the step ``now`` on, of one instance or of each."""
    shape = (instances, address.shape[0]) if dice.chance(0.6) else address.shape[:1]
    trains = [sorted({now + dice.whole(0, 60) for _ in range(dice.whole(0, 7))}) for _ in range(int(np.prod(shape)))]
    rows = padded([np.array([steps(t, dt) for t in train]) for train in trains])
    return Write(address.path, rows.reshape(*shape, rows.shape[1]))


def _write(dice: Dice, net: Network, address: Address, instances: int) -> Write:
    """A value for every place, of one instance or of each."""
    mark = mark_of(type(item_at(net, address)), address.field)
    shape = (instances, *address.shape) if dice.chance(0.6) else address.shape
    allowed = address.allowed or Range(min=-1e300, max=1e300)
    if mark.per == "input":
        value = np.array([dice.uniform(-1.0, 2.0) for _ in range(int(np.prod(shape)))])
    else:
        value = np.array(numbers(dice, mark, allowed, net.dt, int(np.prod(shape))))
    value = np.clip(value.reshape(shape), allowed.min, allowed.max)
    if address.field == "gain":
        value = gentle(net.population(address.owner).neuron, value)
    if address.hollow:
        value = np.where(np.eye(*address.shape, dtype=np.bool_), 0.0, value)
    return Write(address.path, value)


def perform(executable: Executable, schedule: Schedule, *, on_chips: bool = False) -> Trial:
    """Open a session and go through the schedule; ``on_chips`` with a chip for each instance.

    A write that the session refuses (SAL403) is left out, and noted.

    Raises:
        UnsupportedNetworkError: SAL703 a population whose spikes are not probed, from which all else follows.
    """
    net, dt = executable.source, executable.source.dt
    probed = {probe.population for probe in only(net.probes, Spikes)}
    if unseen := [p.name for p in net.populations if p.name not in probed]:
        path, fix = f"populations.{unseen[0]}", f"add Spikes({unseen[0]!r}) to the probes"
        finding = Diagnostic("SAL703", path, "no Spikes probe", "one for each population", fix)
        raise UnsupportedNetworkError("UnsupportedNetworkError: replay cannot work out this network", [finding])
    where = (
        {"chips": [executable.target.sample_chips(1, schedule.seed, first=i)[0] for i in schedule.ids]}
        if on_chips
        else {"instances": schedule.ids}
    )
    with executable.open(seed=schedule.seed, **where) as session:
        paths = [*addresses(net, executable.target)]

        def holds() -> dict[str, FloatArray]:
            return {path: session.get(path) for path in paths}

        opened, stretches = holds(), []
        for part in schedule.parts:
            taken, refused = [], []
            for write in part.writes:
                try:
                    session.set(write.path, write.value)
                    taken.append(write)
                except SessionError as error:
                    refused.append(f"{write.path}: {error.diagnostics[0].code}")
            before = holds()
            recording = session.run(part.steps * dt)
            stretches.append(Stretch(tuple(taken), before, recording, holds(), tuple(refused)))
    return Trial(
        net, executable.written or net, schedule, opened, tuple(stretches), spikes_of(net, schedule, stretches)
    )


def said(trial: Trial) -> dict[str, FloatArray]:
    """What the description says of all that a session holds, whether or not the target lets it be written."""
    count = len(trial.schedule.ids)
    return {
        path: np.broadcast_to(described(trial.net, address), (count, *address.shape))
        for path, address in addresses(trial.net, undeclared=True).items()
    }


def spikes_of(net: Network, schedule: Schedule, stretches: list[Stretch]) -> dict[str, Bools]:
    """The spikes of each population, (instance, step, neuron), of all runs one after the other. Spikes outside the run
    that recorded them are left out: then counts depart."""
    spikes = {p.name: np.zeros((len(schedule.ids), schedule.steps, p.size), dtype=np.bool_) for p in net.populations}
    begun = 0
    for part, stretch in zip(schedule.parts, stretches, strict=True):
        for name, raster in spikes.items():
            trains = stretch.recording.spikes[name]
            step = np.rint(trains.time / net.dt).astype(np.int64)
            inside = (step >= begun) & (step < begun + part.steps)
            raster[trains.instance[inside], step[inside], trains.neuron[inside]] = True
        begun += part.steps
    return spikes
