"""The engine of the target ``loihi2``: a program in the worker, run in pieces, read and written by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.kinds import of_kind
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.description.probes import Membrane
from salhw.description.stimuli import Poisson, SpikeTimes, Stimulus
from salhw.diagnostics import BackendError, Diagnostic
from salhw.session.engine import initial
from salhw.session.executable import Executable
from salhw.session.paths import Address, session_error
from salhw.session.recorder import Raster, Recorded
from salhw.session.recording import TimeSeries
from salhw.session.strengths import Strengths
from salhw.worker.worker import Worker, WorkerLease
from salhw_lava.arithmetic import BACKEND, LARGEST_WEIGHT, arithmetic
from salhw_lava.hosted import host_rules, on_grid
from salhw_lava.kinds import PROBES
from salhw_lava.learning import EngineLimit
from salhw_lava.program import chances_of, forced_spikes, layout, program, rates_name
from salhw_lava.reach import reach
from salhw_lava.rules import achieved_rate, code_for, epoch, epoch_of, learning_rule, too_dense, wanted_changes
from salhw_lava.words import words

HOST, ABOUT = "salhw_lava_worker.host", "salhw_lava_worker.about:versions"
OPENING, CALLING = 120.0, 30.0  # s
PER_STEP, PER_NEURON, PER_SYNAPSE = 0.05, 2e-5, 2e-7  # s per step, and per step and each: ten times what was measured


class LavaEngine:
    """See salhw.session.engine.Engine. It holds what the chip does: rounded, learned."""

    holds = frozenset({"bias", "weights", "learning_rate"})

    def __init__(self, executable: Executable, worker: Worker, *, ids: Sequence[int], seed: int) -> None:
        self.versions = _installed(worker)
        net = self._net = executable.network
        self._batch, self._execution = len(ids), executable.target.option("execution")
        self._arithmetic, self._plan = arithmetic(executable.target), layout(executable)
        self._epoch = epoch(executable.target)
        self._words = words(executable.source, self._arithmetic)
        self._written: dict[str, FloatArray] = {}
        self._strengths = Strengths(net)
        self._sent = [net]  # with the highest rates and the times that were written, of all instances or of each
        self._rates = {
            (p.name, k): initial(net, f"projections.{p.name}.{rule_name(p, k)}.learning_rate", self._batch)
            for p in net.projections
            for k in range(len(p.plasticity))
        }
        self._hosted = {name: host_rules(net, net.projection(name), self._batch) for name in self._plan.hosted}
        self._kept = {  # what the host's rules have made of the weights, in full
            name: initial(executable.source, f"projections.{name}.weights", self._batch) for name in self._hosted
        }
        made = program(executable, ids, seed)
        self._static = made["static"]["weights"].reshape(self._batch, -1).copy()
        self.most, self._watched = made["steps"], made["watched"] // self._batch
        synapses = sum(len(wiring.post) for wiring in self._plan.wiring.values())
        self.patience = PER_STEP + (PER_NEURON * self._plan.size + PER_SYNAPSE * synapses) * self._batch
        self._start = self.step = 0
        self._number = int(worker.call(f"{HOST}:open_program", made, limit=OPENING))
        self.lease = WorkerLease(worker)
        for name in (p["name"] for p in made["plastic"] if not p["learns"]):
            self.call("write", f"{name}.learns", False)

    def call(self, function: str, *args: Any, limit: float | None = None) -> Any:
        """Call a function on this session's program, for at most ``limit`` s (CALLING by default).

        Raises:
            BackendError: what the worker raises; SAL604 if it died, and the program with it.
        """
        return self.lease.call(f"{HOST}:{function}", self._number, *args, limit=CALLING if limit is None else limit)

    # reading and writing ------------------------------------------------------------------------------------------

    def read(self, address: Address) -> FloatArray:
        """See Engine."""
        if address.field == "learning_rate":
            return np.array(self._rates[address.owner, address.rule])
        if address.field == "bias":
            return self._bias(address.owner)
        return np.asarray(self._synapses(address.owner) / self._arithmetic.of(address.owner).unit)

    def _bias(self, population: str) -> FloatArray:
        here = self._plan.neurons(self._net, population)
        held: FloatArray = self._all("bias")[:, here]
        return self._words[population].bias(held)

    def _all(self, name: str) -> Any:
        """An array of the program's, (instance, ...)."""
        return self.call("read", name).reshape(self._batch, -1)

    def _synapses(self, name: str) -> Any:
        """The weights of a projection in the chip's units, (instance, synapse)."""
        wiring = self._plan.wiring[name]
        if wiring.first is None:
            return self._all(f"{name}.weights")
        return self._static[:, wiring.first : wiring.first + len(wiring.post)]

    def write(self, address: Address, value: FloatArray) -> None:
        """See Engine. On the chip all synapses of a projection learn at one rate; instances may have it or none."""
        owner = address.owner
        if address.path.startswith("stimuli["):
            self._send(address, value)
        elif address.field == "learning_rate":
            self._set_rate(address, value)
        elif address.field == "bias":
            self._refuse_beyond(address.path, owner, value, self._written)
            held = self._all("bias")
            held[:, self._plan.neurons(self._net, owner)] = self._words[owner].current(value)
            self.call("write", "bias", held.reshape(-1))
        else:
            post, written = self._net.projection(owner).post, self._written | {owner: value}
            if post in self._words:
                self._refuse_beyond(address.path, post, self._bias(post), written)
            self._written = written
            self._set_weights(owner, value)

    def _send(self, address: Address, value: FloatArray) -> None:
        """Let the host send spikes at other rates, or at other times."""
        if address.trains:
            self._let_send(address, self._other_times(address, value))
            self._strengths.write(address.rule, value)
            self.call("force", *forced_spikes(self._net, self._plan, self._batch, self._strengths))
            return
        stimulus, here = self._net.stimuli[address.rule], self._plan.neurons(self._net, address.owner)
        poisson, rates = of_kind(stimulus, Poisson, BACKEND), value.reshape(self._batch, -1, here.stop - here.start)
        highest = rates.max(axis=0)
        self._let_send(address, [poisson.replace(rate=highest[0] if poisson.every is None else highest)])
        begun = rates[:, : len(poisson.begins(self._net.dt))]
        for point, chance in enumerate(chances_of(begun, self._plan, here, self._net.dt)):
            self.call("write", rates_name(address.rule, point), chance)

    def _let_send(self, address: Address, stimuli: Sequence[Stimulus]) -> None:
        """Take ``stimuli`` in the place of one, of all instances or of each.

        Raises:
            SessionError: SAL403 potentials, or what learns on the chip, have no room for their spikes.
        """
        known, k = self._sent, address.rule
        if len(stimuli) > 1:
            known = [known[b % len(known)] for b in range(self._batch)]
        sent = [
            net.replace(stimuli=[*net.stimuli[:k], stimuli[b % len(stimuli)], *net.stimuli[k + 1 :]])
            for b, net in enumerate(known)
        ]
        self._refuse_too_dense(address.path, address.owner, sent)
        for post in {p.post for p in self._net.projections if p.pre == address.owner} & {*self._words}:
            self._refuse_beyond(address.path, post, self._bias(post), self._written, sent)
        self._sent = sent

    def _other_times(self, address: Address, value: FloatArray) -> list[SpikeTimes]:
        """The stimulus of each instance with other times, (instance, neuron and spike); one where all are alike."""
        stimulus = of_kind(self._net.stimuli[address.rule], SpikeTimes, BACKEND)
        alike = np.array_equal(value, np.broadcast_to(value[:1], value.shape), equal_nan=True)
        trains = value.reshape(len(value), *address.shape)[: 1 if alike else None]
        return [stimulus.replace(times=[train[~np.isnan(train)] for train in each]) for each in trains]

    def _refuse_too_dense(self, path: str, population: str, sent: Sequence[Network]) -> None:
        """No spikes are sent from which the chip could not learn as it was told to.

        Raises:
            SessionError: SAL403 it could not.
        """
        plastic = [p for p in self._net.projections if p.plasticity and p.name not in self._hosted]
        for p, each in ((p, each) for p in plastic if population in (p.pre, p.post) for each in sent):
            beyond = too_dense(self._net, each, p, self._arithmetic, epoch_of(self._net, p, self._epoch))
            if beyond:
                raise session_error("SAL403", path, beyond.asked, beyond.supported, beyond.fix)

    def _refuse_beyond(
        self,
        path: str,
        population: str,
        bias: FloatArray,
        written: dict[str, FloatArray],
        sent: Sequence[Network] | None = None,
    ) -> None:
        """Nothing is written with which a potential might outgrow its word; ``sent``: with other rates or times of its
        stimuli than the present ones.

        Raises:
            SessionError: SAL403 it might.
        """
        for net in (self._sent if sent is None else sent) if self._arithmetic.fixed else ():
            reached = reach(net, population, self._arithmetic, written)
            if beyond := self._words[population].beyond(bias, reached):
                raise session_error("SAL403", path, beyond.asked, beyond.supported, beyond.fix)

    def _set_weights(self, name: str, value: FloatArray) -> None:
        """Write weights; where the host learns, it takes them for its own, but for those that are written as they are
        held, so that nothing is lost by writing what was read."""
        wiring, units = self._plan.wiring[name], self._arithmetic.of(name)
        if name in self._kept:
            same = value == self._synapses(name) / units.unit
            self._kept[name] = np.where(same, self._kept[name], value)
            self._set_static(name, on_grid(self._kept[name], self._net.projection(name), units))
            return
        held = units.held(value, 1 if wiring.first is None else 2)
        held = np.clip(held, -LARGEST_WEIGHT, LARGEST_WEIGHT) if units.fixed else held
        if wiring.first is None:
            self.call("write", f"{name}.weights", held.reshape(-1))
        else:
            self._set_static(name, held)

    def remainder(self, address: Address) -> FloatArray:
        """See Remembering."""
        if address.owner not in self._kept:
            return np.zeros(())
        return np.asarray(self._kept[address.owner] - self.read(address))

    def _set_static(self, name: str, held: FloatArray) -> None:
        """Give static synapses weights in the chip's units."""
        self._synapses(name)[...] = held
        self.call("write", "static", self._static.reshape(-1))

    def _set_rate(self, address: Address, rates: FloatArray) -> None:
        projection, key = self._net.projection(address.owner), (address.owner, address.rule)
        if address.owner in self._hosted:
            self._rates[key] = rates
            return
        wanted, rule = np.unique(rates[rates != 0.0]), learning_rule(projection)
        if not rates.size or not any(wanted_changes(rule, 1.0).values()):  # nothing learns: the rate is a number only
            self._rates[key] = rates
            return
        if len(wanted) > 1 or np.any(rates != rates[:, :1]):
            asked, fix = f"{len(np.unique(rates))} learning rates", "one number, or zero for some instances"
            raise session_error("SAL403", address.path, asked, "one learning rate for all synapses", fix)
        held = 0.0
        if len(wanted):
            try:
                changes = wanted_changes(rule, float(wanted[0]))
                code = code_for(self._net, projection, self._arithmetic, changes)
            except EngineLimit as beyond:
                raise session_error("SAL403", address.path, beyond.asked, beyond.supported, beyond.fix) from None
            self.call("write_rule", address.owner, code.as_data())
            held = achieved_rate(rule, code)
        self.call("write", f"{address.owner}.learns", (rates != 0.0).reshape(-1))
        self._rates[key] = np.where(rates != 0.0, held, 0.0)

    # running ------------------------------------------------------------------------------------------------------

    def begin(self, stop: int) -> None:
        """See Engine."""
        self._start, self._spikes = self.step, 0
        self._events: list[tuple[IntArray, IntArray]] = []
        self._membranes: list[FloatArray] = []

    def advance(self, until: int) -> int:
        """See Engine."""
        updates = [step for rules in self._hosted.values() for step in rules.next(self.step)]
        steps = min([self.most, *(step - self.step for step in (until, *updates))])
        results = self.call("run", int(steps), limit=CALLING + steps * self.patience)
        spiked = results["step"].astype(np.int64) + self.step, results["neuron"].astype(np.int64)
        self._events.append(spiked)
        self._membranes.append(results["membrane"])
        self.step += steps
        self._spikes += len(results["step"])
        for name, rules in self._hosted.items():
            p = self._net.projection(name)
            rules.see({end: self._raster(end, *spiked) for end in {p.pre, p.post}})
            self._learn(name, rules.due(self.step))
        return self._spikes

    def _learn(self, name: str, due: list[int]) -> None:
        """Let the chip's weights follow the host's rules that are due."""
        rules, units = self._hosted[name], self._arithmetic
        if not rules.waiting(due):
            return
        end = LARGEST_WEIGHT / units.unit if units.fixed else np.inf
        rates = [self._rates[name, k] for k in range(len(rules.rules))]
        self._kept[name] = rules.learned(self._kept[name], due, rates, end)
        self._set_static(name, on_grid(self._kept[name], self._net.projection(name), units))

    def finish(self) -> None:
        """See Engine."""
        for name, rules in self._hosted.items():
            self._learn(name, rules.due_at_run_end())

    def recorded(self) -> Recorded:
        """See Engine."""
        step, neuron = (np.concatenate(parts) for parts in zip(*self._events, strict=True))
        rasters = {p.name: self._raster(p.name, step, neuron) for p in self._net.populations}
        about = {"execution": self._execution, "model": self._arithmetic.model}
        return Recorded(rasters, self._traces(np.concatenate(self._membranes)), provenance=about)

    def _raster(self, name: str, step: IntArray, neuron: IntArray) -> Raster:
        """The spikes of a population, from those of all neurons of all instances."""
        here = self._plan.neurons(self._net, name)
        instance, local = neuron // self._plan.size, neuron % self._plan.size
        mine = (local >= here.start) & (local < here.stop)
        return Raster.joined([Raster(instance[mine], local[mine] - here.start, step[mine])])

    def _traces(self, membrane: FloatArray) -> dict[str, TimeSeries]:
        """The membranes that were watched."""
        dt, column, traces = self._net.dt, 0, {}
        watched = membrane.reshape(self.step - self._start, self._batch, self._watched)
        for probe in (of_kind(probe, Membrane, BACKEND) for probe in self._net.probes if PROBES[probe]):
            size, every = self._net.population(probe.population).size, in_steps(probe.every or dt, dt) or 1
            sample = np.arange(-(-self._start // every), -(-self.step // every))
            seen = watched[sample * every - self._start, :, column : column + size]
            values = self._words[probe.population].membrane(np.ascontiguousarray(seen.swapaxes(0, 1)))
            traces[probe.population] = TimeSeries(sample.astype(np.float64) * (every * dt), values)
            column += size
        return traces

    def close(self) -> None:
        """See Engine."""
        if self.lease.alive:
            self.call("close")


def _installed(worker: Worker) -> dict[str, str]:
    """The versions of what the worker has.

    Raises:
        BackendError: SAL603 its Python has no Lava.
    """
    versions: dict[str, str] = worker.call(ABOUT, limit=CALLING)
    if not versions["lava-nc"]:
        asked, fix = f"Python {versions['python']} without Lava", "salhw setup loihi, or another interpreter"
        finding = Diagnostic("SAL603", "target.options.python", asked, "an interpreter with lava-nc 0.10", fix)
        raise BackendError("BackendError: Lava is not there", [finding])
    return versions
