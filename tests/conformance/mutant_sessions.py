"""Sessions with one bug each, around a session of the reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from salhw import Recording
from salhw.session.paths import addresses
from salhw.session.session import EngineSession
from salhw_reference import backend


class Wrapped:
    """A session that hands everything on; bugs override one method."""

    def __init__(self, inner: EngineSession) -> None:
        self.inner = inner

    def run(self, duration: float) -> Recording:
        return self.inner.run(duration)

    def get(self, path: str) -> Any:
        return self.inner.get(path)

    def set(self, path: str, value: Any) -> None:
        self.inner.set(path, value)

    def close(self) -> None:
        self.inner.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class ResetsBetweenRuns(Wrapped):
    def __init__(self, inner: EngineSession) -> None:
        super().__init__(inner)
        self.first = {path: inner.get(path) for path in addresses(inner.executable.network) if path.endswith("weights")}

    def run(self, duration: float) -> Recording:
        recording = self.inner.run(duration)
        for path, value in self.first.items():
            self.inner.set(path, value)
        return recording


class StaleWeights(Wrapped):
    def __init__(self, inner: EngineSession) -> None:
        super().__init__(inner)
        self.kept = {path: inner.get(path) for path in addresses(inner.executable.network, inner.executable.target)}

    def get(self, path: str) -> Any:
        return self.kept[path].copy() if path.endswith(".weights") else self.inner.get(path)

    def set(self, path: str, value: Any) -> None:
        self.inner.set(path, value)
        self.kept[path] = self.inner.get(path)


class SetIsIgnored(StaleWeights):
    """``set`` changes what is read, and not what acts."""

    def set(self, path: str, value: Any) -> None:
        before = self.inner.get(path)
        self.inner.set(path, value)
        self.kept[path] = self.inner.get(path)
        if path.endswith(".weights"):
            self.inner.set(path, before)


class SetForTheFirst(Wrapped):
    def set(self, path: str, value: Any) -> None:
        before = self.inner.get(path)
        self.inner.set(path, value)
        after = self.inner.get(path)
        after[1:] = before[1:]
        self.inner.set(path, after)


class WritesNowhere(Wrapped):
    """Values are transferred when the chip is configured, once; what is written later is only shown."""

    ending = ""

    def __init__(self, inner: EngineSession) -> None:
        super().__init__(inner)
        self.kept: dict[str, Any] = {}

    def set(self, path: str, value: Any) -> None:
        before = self.inner.get(path)
        self.inner.set(path, value)
        if path.endswith(self.ending):
            self.kept[path] = self.inner.get(path)
            self.inner.set(path, before)

    def get(self, path: str) -> Any:
        return self.kept.get(path, self.inner.get(path))


class LearningRateIsFrozen(WritesNowhere):
    ending = ".learning_rate"


class AmplitudeIsFrozen(WritesNowhere):
    ending = ".amplitude"


class BiasNeedsReopening(WritesNowhere):
    ending = ".bias"


class SharesItsArrays(Wrapped):
    """``get`` hands out the session's own memory."""

    def get(self, path: str) -> Any:
        self.buffers = getattr(self, "buffers", {})
        if path in self.buffers and path.endswith(".weights"):
            self.inner.set(path, self.buffers[path])
        self.buffers[path] = self.inner.get(path)
        return self.buffers[path]


class NeverCloses(Wrapped):
    def close(self) -> None:
        pass


class SwallowsNonsense(Wrapped):
    """Rounds durations, and drops writes to paths that it does not know."""

    def run(self, duration: float) -> Recording:
        dt = self.inner.executable.network.dt
        return self.inner.run(max(1, round(duration / dt)) * dt)

    def set(self, path: str, value: Any) -> None:
        if path in addresses(self.inner.executable.network, self.inner.executable.target):
            self.inner.set(path, np.nan_to_num(np.asarray(value)))


class ClipsInSilence(Wrapped):
    """Values end at the range, as they do in many a device's registers."""

    def set(self, path: str, value: Any) -> None:
        known = addresses(self.inner.executable.network, self.inner.executable.target)
        allowed = known[path].allowed if path in known else None
        self.inner.set(path, value if allowed is None else np.clip(value, allowed.min, allowed.max))


class Recorded(Wrapped):
    """A session whose recordings are changed."""

    def changed(self, recording: Recording) -> Recording:
        raise NotImplementedError

    def run(self, duration: float) -> Recording:
        return self.changed(super().run(duration))


class SpikesOneStepLate(Recorded):
    def changed(self, recording: Recording) -> Recording:
        dt = self.inner.executable.network.dt
        return replace(recording, spikes={n: replace(s, time=s.time + dt) for n, s in recording.spikes.items()})


class MembraneOneStepLate(Recorded):
    def changed(self, recording: Recording) -> Recording:
        dt = self.inner.executable.network.dt
        traces = {n: replace(t, time=t.time + dt) for n, t in recording.membrane_traces.items()}
        return replace(recording, membrane_traces=traces)


class WeightsWithoutTheEnd(Recorded):
    def changed(self, recording: Recording) -> Recording:
        traces = {n: replace(t, time=t.time[:-1], values=t.values[:, :-1]) for n, t in recording.weight_traces.items()}
        return replace(recording, weight_traces=traces)


class OccupancyFromTheNextStep(Recorded):
    def changed(self, recording: Recording) -> Recording:
        def late(name: str, counts: Any) -> Any:
            spikes = recording.counts[name].sum(axis=1)
            moved = counts.copy()
            moved[:, 0] += spikes
            moved[:, -1] -= np.minimum(spikes, moved[:, -1])
            return moved

        return replace(recording, occupancy_counts={n: late(n, c) for n, c in recording.occupancy_counts.items()})


class LosesTheLastStep(Recorded):
    def changed(self, recording: Recording) -> Recording:
        end = recording.start + recording.duration - 1.5 * self.inner.executable.network.dt

        def shortened(s: Any) -> Any:
            keep = s.time < end
            return replace(s, instance=s.instance[keep], neuron=s.neuron[keep], time=s.time[keep])

        return replace(recording, spikes={n: shortened(s) for n, s in recording.spikes.items()})


class LosesSpikes(Recorded):
    """A full buffer drops spikes, while the counters go on."""

    def changed(self, recording: Recording) -> Recording:
        def full(s: Any) -> Any:
            return replace(s, instance=s.instance[:20], neuron=s.neuron[:20], time=s.time[:20])

        return replace(recording, spikes={n: full(s) for n, s in recording.spikes.items()})


class HardwareTime(Recorded):
    """Says hardware milliseconds, a thousand times fewer, instead of biological ones."""

    def changed(self, recording: Recording) -> Recording:
        return replace(recording, start=recording.start / 1000.0, duration=recording.duration / 1000.0)


class HalfTheTime(Wrapped):
    """Runs half as long as it says."""

    def run(self, duration: float) -> Recording:
        dt = self.inner.executable.network.dt
        half = max(1, round(duration / dt) // 2)
        recording = self.inner.run(half * dt)
        said = getattr(self, "said", 0.0)
        self.said = said + duration
        return replace(recording, start=said, duration=duration)


class StartsAnew(Wrapped):
    """Loads the network again for each run, with the weights of the last one: what was under way is lost."""

    def __init__(self, inner: EngineSession) -> None:
        super().__init__(inner)
        self.now = 0.0

    def run(self, duration: float) -> Recording:
        old = self.inner
        if self.now:
            self.inner = backend.open(old.executable, chips=old.chips, ids=old.ids, seed=old.seed + 1)
            for path in addresses(old.executable.network):
                self.inner.set(path, old.get(path))
        recording = self.inner.run(duration)
        start, self.now = self.now, self.now + duration
        spikes = {n: replace(s, time=s.time + start, start=start, stop=self.now) for n, s in recording.spikes.items()}
        return replace(recording, start=start, spikes=spikes)


class ShuffledInstances(Recorded):
    """Counts in the order of sorted ids, whatever was opened."""

    def changed(self, recording: Recording) -> Recording:
        order = np.argsort(recording.ids)
        return replace(recording, counts={name: counts[order] for name, counts in recording.counts.items()})
