"""The target loihi2 with one bug each, which its random networks have to show: ``python tests/lava/wrong_lava.py
[floating]`` prints what departs, and in which of them first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from salhw import Chip, Executable, Session
from salhw.conformance.lab import Lab
from salhw.conformance.replay import alarms
from salhw.conformance.replay.surveying import examined
from salhw.session.session import EngineSession
from salhw_lava import LavaBackend, engine, worker

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))

from mutant_sessions import Wrapped, WritesNowhere

Program = dict[str, Any]
ORDER = (*range(12), 900, 901, 902, 980, 21, 23, 35, 38, 952)
"""The seeds of the networks that a quick profile draws in fixed point, those that it always draws first."""


@dataclass(frozen=True)
class WrongLava(LavaBackend):
    """Lava, but for one bug: in the ``program`` that the worker gets, in an engine's ``methods``, or around a
    session."""

    program: Callable[[Program], None] | None = None
    methods: Mapping[str, Any] = field(default_factory=dict)
    wrap: Callable[[Any], Any] | None = None

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        """See Backend."""
        right, change = engine.program, self.program

        def program(*args: Any) -> Program:
            made = right(*args)
            if change is not None:
                change(made)
            return made

        wrong = type("WrongEngine", (engine.LavaEngine,), dict(self.methods))
        with mock.patch.object(engine, "program", program):
            made = wrong(executable, worker(executable.target), ids=ids, seed=seed)
        if self.methods:
            made.call("write", "static", made._static.reshape(-1))
        session = EngineSession(executable, made, chips=chips, ids=ids, seed=seed, versions=made.versions)
        return self.wrap(session) if self.wrap else session


# ---------------------------------------------------------------- bugs of the program


def each(part: str, key: str, change: Callable[[Any], Any]) -> Callable[[Program], None]:
    """An entry of the neurons, of the static synapses, of every population of its own process, or of every rule."""

    def changed(made: Program) -> None:
        places = made[part] if isinstance(made[part], list) else [made[part]]
        for place in [p["rule"] for p in places] if part == "plastic" else places:
            place[key] = change(place[key])

    return changed


def swapped(dw: str) -> str:
    """Causal and anticausal branches of the other sign."""
    flipped = dw.translate(str.maketrans("+-", "-+")).replace("^+", "^-")
    return flipped.removeprefix("+") if dw.startswith("-") else f"-{flipped}"


def doubled(made: Program) -> None:
    """Impulses are twice as large."""
    for name in ("x1_impulse", "y1_impulse"):
        each("plastic", name, lambda k: min(127, 2 * k))(made)


def half_slope(table: Any) -> Any:
    """Probabilities whose logarithm rises half as fast, from the middle of the table on."""
    middle = table.shape[1] // 2
    entry = (np.arange(table.shape[1]) + middle) // 2
    return table[:, entry]


# ---------------------------------------------------------------- bugs of the engine


def stronger(share: float) -> dict[str, Any]:
    """What acts of static weights is not what is read."""

    def call(self: Any, function: str, *args: Any, limit: float | None = None) -> Any:
        if function == "write" and args[0] == "static":
            fixed = np.issubdtype(args[1].dtype, np.integer)
            args = ("static", np.rint(share * args[1]).astype(args[1].dtype) if fixed else share * args[1])
        return engine.LavaEngine.call(self, function, *args, limit=limit)

    return {"call": call}


def first_only() -> dict[str, Any]:
    """A second projection between two populations does not act."""

    def call(self: Any, function: str, *args: Any, limit: float | None = None) -> Any:
        if function == "write" and args[0] == "static":
            seen, acting = set(), args[1].reshape(self._batch, -1).copy()
            for p in self._net.projections:
                wiring = self._plan.wiring[p.name]
                if wiring.first is not None and p.post in seen:
                    acting[:, wiring.first : wiring.first + len(wiring.post)] = 0
                seen.add(p.post)
            args = ("static", acting.reshape(-1))
        return engine.LavaEngine.call(self, function, *args, limit=limit)

    return {"call": call}


def of_the_host(change: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """The host's rules make something else of weights."""

    def learn(self: Any, name: str, due: list[int]) -> None:
        before = self._kept[name].copy()
        engine.LavaEngine._learn(self, name, due)
        self._kept[name] = change(before, self._kept[name])
        units = self._arithmetic
        self._set_static(name, engine.on_grid(self._kept[name], self._net.projection(name), units))

    return {"_learn": learn}


class Beside(Wrapped):
    """A session whose host works beside it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class BiasesWrittenNowhere(Beside, WritesNowhere):
    ending = ".bias"


class RatesWrittenNowhere(Beside, WritesNowhere):
    ending = ".learning_rate"


class StaleMembranes(Beside):
    """Membranes are those of the step before."""

    def run(self, duration: float) -> Any:
        recording = self.inner.run(duration)
        for series in recording.membrane_traces.values():
            series.values[:] = np.concatenate([series.values[:, :1], series.values[:, :-1]], axis=1)
        return recording


MUTANTS: dict[str, WrongLava] = {
    "weights 10 % too strong": WrongLava(methods=stronger(1.1)),
    "weights of the other sign": WrongLava(methods=stronger(-1.0)),
    "a second projection is dropped": WrongLava(methods=first_only()),
    "delays one step long": WrongLava(each("static", "delay", lambda delay: delay + 1)),
    "one delay for all synapses": WrongLava(each("static", "delay", lambda delay: 0 * delay + delay.max(initial=0))),
    "rectangular PSPs one step long": WrongLava(each("neurons", "input_length", lambda k: np.where(k > 0, k + 1, 0))),
    "exponential PSPs 10 % too short": WrongLava(
        each("neurons", "input_decay", lambda lost: lost + lost // 10 if lost.dtype == np.int64 else 1.1 * lost - 0.1)
    ),
    "hazards of half the slope": WrongLava(each("neurons", "table", half_slope)),
    "GLM refractory periods one step long": WrongLava(each("neurons", "refractory", lambda k: k + 1)),
    "refractory periods one step short": WrongLava(each("neurons", "refractory", lambda k: np.maximum(1, k - 1))),
    "LIF leaks 5 % too fast": WrongLava(each("leaky", "dv", lambda dv: type(dv)(1.05 * dv))),
    "LIF thresholds 5 % too high": WrongLava(each("leaky", "vth", lambda vth: type(vth)(1.05 * vth))),
    "LIF refractory periods one step long": WrongLava(each("leaky", "refractory", lambda k: k + 1)),
    "biases written nowhere": WrongLava(wrap=BiasesWrittenNowhere),
    "membranes a step late": WrongLava(wrap=StaleMembranes),
    "Poisson stimuli never end": WrongLava(
        each("neurons", "poisson", lambda all_: [(n, a, 10**9 if k + 1 == len(all_) else b, c)
                                                 for k, (n, a, b, c) in enumerate(all_)])
    ),
    "learning of the other sign": WrongLava(each("plastic", "dw", swapped)),
    "the engine's weights stand still": WrongLava(each("plastic", "dw", lambda dw: "0*x0*y1")),
    "the engine's learning is doubled": WrongLava(doubled),
    "learning rates written nowhere": WrongLava(wrap=RatesWrittenNowhere),
    "the host's weights stand still": WrongLava(methods=of_the_host(lambda before, after: before)),
    "the host learns 10 % too much": WrongLava(
        methods=of_the_host(lambda before, after: before + 1.1 * (after - before))
    ),
}  # fmt: skip


def caught(backend: WrongLava, target: Any, seeds: Sequence[int] = ORDER) -> tuple[int, list[str]] | None:
    """How many networks it takes, in this order, until one departs, and in which kinds of things."""
    for number, seed in enumerate(seeds, 1):
        case, _ = examined(Lab(backend, target), seed)
        kinds = {d.kind for d in case.departures} | {d.kind for _, d in alarms(case.tested)}
        if kinds or case.flaw:
            return number, sorted(kinds) or [case.flaw]
    return None


if __name__ == "__main__":
    from lava_examples import MODELS, in_process

    model = in_process(MODELS["floating" if "floating" in sys.argv else "fixed"])
    for name, wrong in MUTANTS.items():
        if len(sys.argv) < 3 or sys.argv[2] in name:
            seen = caught(wrong, model)
            print(f"| {name} | {', '.join(seen[1]) if seen else 'nothing'} | {seen[0] if seen else ''} |", flush=True)
