"""The plain example with one bug each, in its engine or its synapses: functions in the place of their methods."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from salhw import Network, Poisson

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin_example" / "src"))

import salhw_plain
from salhw_plain import engine as plain


class PlainWrong:
    """The plain example with another engine or other synapses."""

    name = "plain"

    def __init__(self, **methods: Any) -> None:
        self.methods = methods

    def targets(self) -> Any:
        return salhw_plain.backend.targets()

    def lower(self, net: Network, target: Any) -> Any:
        return salhw_plain.backend.lower(net, target)

    def open(self, executable: Any, *, chips: Any, ids: Any, seed: int) -> Any:
        from salhw.plugin import EngineSession

        synapses = {k: v for k, v in self.methods.items() if hasattr(plain.Synapses, k)}
        engine = {k: v for k, v in self.methods.items() if hasattr(plain.PlainEngine, k)}
        assert len(synapses) + len(engine) == len(self.methods)
        built = type("WrongEngine", (plain.PlainEngine,), engine)(executable, chips, ids, seed)
        for each in built.projections.values():
            each.__class__ = type("WrongSynapses", (plain.Synapses,), synapses)
            each.engine = built
        return EngineSession(executable, built, chips=chips, ids=ids, seed=seed)


def learn_from_arrivals(self: Any, t: int, spikes: Any, last: Any) -> None:
    """Rules see a presynaptic spike when its PSP begins, not when it happens."""
    lag = self.delay - 1
    delayed = self.engine.past[(t - lag) % len(self.engine.past)] if lag else spikes
    pre, post = delayed[:, self.pre], spikes[:, self.post]
    seen = getattr(self, "arrived", np.full(last.shape, -np.inf))
    for rule, changes in self.rules:
        changes.see(pre, post, seen[:, self.pre], last[:, self.post])
        if rule.update == "spike":
            self.update(changes, pre | post)
    self.arrived = np.where(delayed, t, seen)
    for period, (_, changes) in zip(self.periods, self.rules, strict=True):
        if period and (t + 1) % period == 0:
            self.update(changes, True)


def learn_by_the_first_rule(self: Any, t: int, spikes: Any, last: Any) -> None:
    whole, self.rules = self.rules, self.rules[:1]
    periods, self.periods = self.periods, self.periods[:1]
    plain.Synapses.learn(self, t, spikes, last)
    self.rules, self.periods = whole, periods


def learn_by_the_clock_of_the_run(self: Any, t: int, spikes: Any, last: Any) -> None:
    """Periods are counted from the start of each run."""
    shift = getattr(self.engine, "started", 0)
    plain.Synapses.learn(self, t - shift, spikes, last - shift)


def begin_and_start_the_clock(self: Any, stop: int) -> None:
    self.started = self.step
    plain.PlainEngine.begin(self, stop)


def begin_and_start_the_rates(self: Any, stop: int) -> None:
    """Rates that change in time begin anew with each run."""
    self.described = getattr(self, "described", self.net)
    now = self.step * self.net.dt

    def anew(s: Any) -> Any:
        if not isinstance(s, Poisson) or s.every is None:
            return s
        return s.replace(start=s.start + now, stop=None if s.stop is None else s.stop + now)

    self.net = self.described.replace(stimuli=[anew(s) for s in self.described.stimuli])
    plain.PlainEngine.begin(self, stop)


def finish_and_keep_the_pairs(self: Any) -> None:
    """Pairs that a "run end" has used are used again by the next one."""
    for s in self.projections.values():
        for changes in (changes for rule, changes in s.rules if rule.update == "run end"):
            kept = changes.sum.copy()
            s.update(changes, True)
            changes.sum = kept


def begin_without_the_past(self: Any, stop: int) -> None:
    """PSPs end with the run that they began in."""
    self.past[:] = False
    plain.PlainEngine.begin(self, stop)


def begin_without_pairs(self: Any, stop: int) -> None:
    """Spikes of different runs form no pairs."""
    for s in self.projections.values():
        for _, changes in s.rules:
            changes.trace[:] = 0.0
    plain.PlainEngine.begin(self, stop)


def teach_at_once(self: Any, address: Any, value: Any) -> None:
    """A written learning rate does not apply to the pairs that wait for an update: they were added up with the old
    one."""
    if address.field == "learning_rate":
        s = self.projections[address.owner]
        changes = s.rules[address.rule][1]
        if changes.rate.any():
            s.weights = np.clip(s.weights + changes.take(), s.low, s.high)
    plain.PlainEngine.write(self, address, value)


def forced_unless_refractory(self: Any, t: int) -> Any:
    """Forced spikes do not happen within a refractory period."""
    forced = self.forced
    free = (t - self.last >= self.refractory).all(axis=0)
    self.forced = forced | {t: [k for k in forced.get(t, []) if free[k]]}
    spikes = plain.PlainEngine.spiking(self, t)
    self.forced = forced
    return spikes


def clip_the_first_rule(self: Any, changes: Any, which: Any) -> None:
    """Only the first rule of a projection clips to the bounds."""
    low, high = self.low, self.high
    if changes is not self.rules[0][1]:
        self.low, self.high = -np.inf, np.inf
    plain.Synapses.update(self, changes, which)
    self.low, self.high = low, high
