"""Sessions with one bug each that random networks, which are replayed, have to catch (mutants_replay.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from mutant_sessions import Recorded, Wrapped

from salhw import (
    GLM,
    Rates,
    Recording,
    SpikeTimes,
    SynapseVariable,
    Variable,
)
from salhw.description.probes import Probe
from salhw.session.paths import addresses


class HazardPerMillisecond(Wrapped):
    """The hazard of a step is taken for that of a millisecond; everything else, membranes included, is as described."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        net = inner.executable.network
        self.shift = -np.log(net.dt)
        self.cells = [p.name for p in net.populations if isinstance(p.neuron, GLM)]
        for name in self.cells:
            self.inner.set(f"populations.{name}.bias", self.inner.get(f"populations.{name}.bias") + self.shift)

    def shifted(self, path: str) -> bool:
        return path in {f"populations.{name}.bias" for name in self.cells}

    def get(self, path: str) -> Any:
        return self.inner.get(path) - self.shift * self.shifted(path)

    def set(self, path: str, value: Any) -> None:
        self.inner.set(path, np.asarray(value) + self.shift * self.shifted(path))

    def run(self, duration: float) -> Recording:
        recording = self.inner.run(duration)
        traces = {
            name: replace(trace, values=trace.values - self.shift) if name in self.cells else trace
            for name, trace in recording.membrane_traces.items()
        }
        return replace(recording, membrane_traces=traces)


class LearningIgnoresWrites(Wrapped):
    """Written weights act until the run is over; what was learned is added to the weights that were there before."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        net = inner.executable.network
        self.paths = [f"projections.{p.name}.weights" for p in net.projections if p.plasticity]
        self.own = {path: inner.get(path) for path in self.paths}

    def run(self, duration: float) -> Recording:
        before = {path: self.inner.get(path) for path in self.paths}
        recording = self.inner.run(duration)
        for path in self.paths:
            self.own[path] = self.own[path] + self.inner.get(path) - before[path]
            allowed = addresses(self.inner.executable.network, self.inner.executable.target)[path].allowed
            self.inner.set(path, np.clip(self.own[path], allowed.min, allowed.max))
        return recording


class RoundedWrites(Wrapped):
    """Values are held in single precision, and read back as they were written until something has run."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.kept: dict[str, Any] = {}

    def set(self, path: str, value: Any) -> None:
        self.inner.set(path, np.float32(value).astype(np.float64) if path.endswith(("bias", "weights")) else value)
        if not path.endswith(".times"):
            self.kept[path] = np.broadcast_to(value, self.inner.get(path).shape)

    def get(self, path: str) -> Any:
        return self.kept.get(path, self.inner.get(path))

    def run(self, duration: float) -> Recording:
        self.kept = {path: value for path, value in self.kept.items() if not path.endswith("weights")}
        return self.inner.run(duration)


class OneValueForAllInstances(Wrapped):
    """What is written for each instance reaches all of them as the first one's; it is read as it was written."""

    ending: str | tuple[str, ...] = ".bias"

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.kept: dict[str, Any] = {}

    def set(self, path: str, value: Any) -> None:
        if not path.endswith(self.ending):
            self.inner.set(path, value)
            return
        whole = self.kept[path] = np.broadcast_to(value, self.inner.get(path).shape)
        self.inner.set(path, np.broadcast_to(whole[:1], whole.shape))

    def get(self, path: str) -> Any:
        return self.kept.get(path, self.inner.get(path))


class OneRateForAllInstances(OneValueForAllInstances):
    ending = ".learning_rate"


class OneStimulusForAllInstances(OneValueForAllInstances):
    ending = (".rate", "].amplitude")


class LatePoints(Wrapped):
    """What changes in time changes a point late; it is read as it was described and written."""

    ending = ".rate"

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        net = inner.executable.network
        named = {f"stimuli[{k}]{self.ending}": s for k, s in enumerate(net.stimuli)}
        known = addresses(net, inner.executable.target)
        self.kept = {path: inner.get(path) for path, s in named.items() if path in known and s.every}
        for path, value in self.kept.items():
            self.set(path, value)

    def acting(self, values: Any) -> Any:
        return np.concatenate([values[:, :1], values[:, :-1]], axis=1)

    def set(self, path: str, value: Any) -> None:
        if path in self.kept:
            value = self.kept[path] = np.broadcast_to(value, self.inner.get(path).shape)
            value = self.acting(value)
        self.inner.set(path, value)

    def get(self, path: str) -> Any:
        return self.kept.get(path, self.inner.get(path))


class LateCurrents(LatePoints):
    ending = ".amplitude"


class FirstPoints(LatePoints):
    """Only the first of all rates holds."""

    def acting(self, values: Any) -> Any:
        return np.broadcast_to(values[:, :1], values.shape)


class LateWeights(Wrapped):
    """Writes of biases, and of weights that do not learn, wait until the next write of anything."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        net = inner.executable.network
        self.fixed = {f"projections.{p.name}.weights" for p in net.projections if not p.plasticity}
        self.fixed |= {f"populations.{p.name}.bias" for p in net.populations}
        self.waiting: dict[str, Any] = {}

    def set(self, path: str, value: Any) -> None:
        for waiting, late in self.waiting.items():
            self.inner.set(waiting, late)
        self.waiting = {path: np.broadcast_to(value, self.inner.get(path).shape)} if path in self.fixed else {}
        if path not in self.fixed:
            self.inner.set(path, value)

    def get(self, path: str) -> Any:
        return self.waiting.get(path, self.inner.get(path))


class WrittenTimesDoNothing(Wrapped):
    """Spikes happen as described, whatever times are written, and read."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        inner.engine._force = lambda: None


class WrittenTimesOfTheFirst(Wrapped):
    """All instances have the spikes that are written for the first one."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        strengths = inner.engine._drives.strengths
        listed = {k for k, s in enumerate(inner.executable.network.stimuli) if isinstance(s, SpikeTimes)}
        write = strengths.write
        strengths.write = lambda number, value: write(number, value[:1] if number in listed else value)


class RatesOfWholePeriods(Recorded):
    """What a run counts until its first multiple is divided by the whole period."""

    def changed(self, recording: Recording) -> Recording:
        samples = dict(recording.samples)
        for probe in self.inner.executable.network.probes:
            if isinstance(probe, Rates) and len((trace := samples[probe.label]).time):
                values = trace.values.copy()
                values[:, 0] *= (trace.time[0] - recording.start) / probe.every
                samples[probe.label] = replace(trace, values=values)
        return replace(recording, samples=samples)


class VariablesOfTheStepBefore(Recorded):
    """Each sample of a variable is the one before it."""

    kind: type[Probe] = Variable

    def changed(self, recording: Recording) -> Recording:
        return self.shown(recording, lambda probe, trace: np.roll(trace.values, 1, axis=1))

    def shown(self, recording: Recording, change: Callable[[Any, Any], Any]) -> Recording:
        samples = dict(recording.samples)
        for probe in self.inner.executable.network.probes:
            if isinstance(probe, self.kind):
                trace = samples[probe.label]
                samples[probe.label] = replace(trace, values=change(probe, trace))
        return replace(recording, samples=samples)


class VariablesAfterTheirSpikes(VariablesOfTheStepBefore):
    """What neurons remember is shown as their spike at that step has left it."""

    def changed(self, recording: Recording) -> Recording:
        net = self.inner.executable.network

        def after(probe: Variable, trace: Any) -> Any:
            population, spikes = net.population(probe.population), recording.spikes[probe.population]
            added = {"theta": "theta_plus", "w": "b", "u": "d"}.get(probe.of)
            if added is None:
                return trace.values
            step, seen = np.rint(spikes.time / net.dt), np.zeros((*trace.values.shape[:2], population.size))
            for k, time in enumerate(np.rint(trace.time / net.dt)):
                seen[spikes.instance[step == time], k, spikes.neuron[step == time]] = 1.0
            chosen = slice(None) if probe.neurons is None else probe.neurons
            return trace.values + (seen * getattr(population.neuron, added))[:, :, chosen]

        return self.shown(recording, after)


class NamedInputsWithGains(VariablesOfTheStepBefore):
    """What goes into a named input is shown times its gain."""

    def changed(self, recording: Recording) -> Recording:
        def gained(probe: Variable, trace: Any) -> Any:
            if not probe.of.startswith("inputs."):
                return trace.values
            return trace.values * self.inner.get(f"populations.{probe.label}").reshape(-1, 1, 1)

        return self.shown(recording, gained)


class VariablesInSinglePrecision(VariablesOfTheStepBefore):
    def changed(self, recording: Recording) -> Recording:
        return self.shown(recording, lambda probe, trace: np.float32(trace.values).astype(np.float64))


class SynapseVariablesOfTheStepBefore(VariablesOfTheStepBefore):
    kind = SynapseVariable


class SynapseVariablesInSinglePrecision(VariablesInSinglePrecision):
    kind = SynapseVariable


class _OfSpikes(VariablesOfTheStepBefore):
    """What a synapse shows is what other moments than that of the sample have."""

    kind = SynapseVariable

    def moments(self, time: Any, spikes: Any) -> Any:
        """What is shown in the place of ``time``, after these spikes of the presynaptic neuron, of all runs."""
        raise NotImplementedError

    def changed(self, recording: Recording) -> Recording:
        net, past = self.inner.executable.network, self.__dict__.setdefault("past", [])
        past.append(recording.spikes)

        def shown(probe: SynapseVariable, trace: Any) -> Any:
            p, table = net.projection(probe.projection), net.explicit.synapses(probe.projection)
            pre, values = table.pre if probe.synapses is None else table.pre[probe.synapses], trace.values.copy()
            for b, k in np.ndindex(len(values), len(pre)):
                spikes = np.concatenate([spikes[p.pre].times(int(pre[k]), b) for spikes in past])
                values[b, :, k] = p.short_term.found(spikes, self.moments(trace.time, spikes))[probe.of]
            return values

        return self.shown(recording, shown)


class SynapseVariablesHoldBetweenSpikes(_OfSpikes):
    """What the last spike has found is shown until the next, as simulators keep it."""

    def moments(self, time: Any, spikes: Any) -> Any:
        return np.concatenate([[-1.0], spikes])[np.searchsorted(spikes, time, side="left")]


class SynapseVariablesAfterTheirSpikes(_OfSpikes):
    """A spike counts at its own step."""

    def moments(self, time: Any, spikes: Any) -> Any:
        return time + 1e-9
