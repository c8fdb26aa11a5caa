"""Wrong backends: each is the reference with one realistic bug, and names the check that has to point at it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mutant_sessions import (
    AmplitudeIsFrozen,
    BiasNeedsReopening,
    ClipsInSilence,
    HalfTheTime,
    HardwareTime,
    LearningRateIsFrozen,
    LosesSpikes,
    LosesTheLastStep,
    MembraneOneStepLate,
    NeverCloses,
    OccupancyFromTheNextStep,
    ResetsBetweenRuns,
    SetForTheFirst,
    SetIsIgnored,
    SharesItsArrays,
    ShuffledInstances,
    SpikesOneStepLate,
    StaleWeights,
    StartsAnew,
    SwallowsNonsense,
    WeightsWithoutTheEnd,
    Wrapped,
)
from wrong_backends import Change, each_rule

from salhw import Alpha, Exponential, Network, Target, Variability
from salhw.diagnostics import Diagnostic
from salhw.session.executable import Executable
from salhw.session.lowering import Lowering
from salhw.session.session import EngineSession
from salhw.substrate.capabilities import Range
from salhw.substrate.chip import Chip
from salhw_reference import ReferenceBackend


@dataclass(frozen=True)
class Mutant:
    """A bug; ``caught_by`` are the checks of which one, at least, must fail."""

    name: str
    factory: Callable[[], ReferenceBackend]
    caught_by: tuple[str, ...]


class Wrong(ReferenceBackend):
    """The reference, with a bug in how it lowers, in what it opens, or in the session."""

    def __init__(
        self,
        *,
        network: Callable[[Network], Network] | None = None,
        arguments: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        lowered: Callable[[Network], Lowering] | None = None,
        session: type[Wrapped] | None = None,
        target: Callable[[Target], Target] = lambda target: target,
    ) -> None:
        self.network, self.arguments, self.lowered, self.session, self.changed = (
            network, arguments, lowered, session, target,
        )  # fmt: skip

    def targets(self) -> Mapping[str, Target]:
        return {name: self.changed(target) for name, target in super().targets().items()}

    def lower(self, net: Network, target: Target) -> Lowering:
        return self.lowered(net) if self.lowered else super().lower(net, target)

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Any:
        given = {"executable": executable, "chips": chips, "ids": ids, "seed": seed}
        if self.network:
            given["executable"] = replace(executable, network=self.network(executable.network))
        if self.arguments:
            given = self.arguments(given)
        inner = super().open(**given)
        return self.session(inner) if self.session else inner


# in the network that runs ---------------------------------------------------------------------------------------------


def mirrored(rule: Any) -> Any:
    return rule if rule.bounds is None else rule.replace(bounds=(-rule.bounds[1], -rule.bounds[0]))


def schedule(before: str, after: str) -> Change:
    return each_rule(lambda rule: rule.replace(update=after) if rule.update.startswith(before) else rule)


def four_bits(net: Network) -> Network:
    from salhw.compiler.quantise import quantise

    target = ReferenceBackend().targets()["reference"]
    coarse = target.replace(weight_bits=6, projections=target.projections | {"weights": Range(min=-40.0, max=40.0)})
    return quantise(net, coarse)[0]


def alpha_as_exponential(net: Network) -> Lowering:
    def other(p: Any) -> Any:
        if not isinstance(p.kernel, Alpha):
            return p
        return p.replace(kernel=Exponential(tau_syn=p.kernel.tau_syn, area=p.kernel.area))

    return Lowering(net.replace(projections=[other(p) for p in net.projections]))


def refuses_what_it_declares(net: Network) -> Lowering:
    found = [
        Diagnostic("SAL103", f"projections.{p.name}.kernel.superposition", "last", "supported sum")
        for p in net.projections
        if p.kernel.superposition == "last"
    ]
    return Lowering(net, tuple(found))


# in what is opened ----------------------------------------------------------------------------------------------------


def other(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda given: given | {name: change(given)}


_count = itertools.count(1)


def foreign_chips(given: dict[str, Any]) -> list[Chip]:
    """A pattern drawn anew each time."""
    draw = next(_count)
    return [chip.replace(wafer=1000 + draw) for chip in given["chips"]]


def chips_by_place(given: dict[str, Any]) -> list[Chip]:
    """A pattern that belongs to the place in the batch."""
    return [chip.replace(id=place) for place, chip in enumerate(given["chips"])]


def noisy_chips(given: dict[str, Any]) -> list[Chip]:
    """A pattern that nobody asked for."""
    hidden = {"bias": Variability(mode="absolute", sd=0.5)}
    return [chip.replace(variability=chip.variability | hidden) for chip in given["chips"]]


def from_the_end(given: dict[str, Any]) -> Executable:
    """Neurons are placed from the chip's other end, so that every addition moves them."""
    executable: Executable = given["executable"]
    placement = executable.placement
    moved = {name: first + 10_000 - placement.used["neurons"] * 7 for name, first in placement.first.items()}
    return replace(executable, placement=replace(placement, first=moved))


def written_into(given: dict[str, Any]) -> Executable:
    """The network that was handed in serves as scratch space."""
    executable: Executable = given["executable"]
    for p in executable.source.projections:
        values = getattr(p.weights, "values", None)
        if values is not None:
            values.flags.writeable = True
            values += 1e-3 * (values == 0.0) * ~np.eye(*values.shape, dtype=bool)
            values.flags.writeable = False
    return executable


class OneForAll(Wrong):
    """All sessions of a network are one and the same."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, EngineSession] = {}

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Any:
        key = f"{executable.network.content_hash}{executable.target.content_hash}{chips}{ids}{seed}"
        if key not in self.loaded or self.loaded[key].closed:
            self.loaded[key] = super().open(executable, chips=chips, ids=ids, seed=seed)
        return self.loaded[key]


def exact_batch(target: Target) -> Target:
    """The reference declares that a batch equals a loop, bit for bit."""
    return target.replace(accuracy=target.accuracy | {"batch": 0.0})


def moving(target: Target) -> Target:
    """Synapses that drift, and sensors that are alike in part; so little that only what raises it shows it."""
    weight = Variability(sd=1e-6, drift=1e-6, thermal=1e-6)
    follows = Variability(sd=1e-6, follows="causal_amplitude", correlation=0.5)
    return target.with_variability({"weight": weight, "causal_amplitude": 1e-6, "anticausal_amplitude": follows})


def moves(change: Callable[[Chip], Chip], caught_by: str, name: str) -> Mutant:
    """A backend that gets age, temperature or correlations wrong."""
    arguments = other("chips", lambda given: [change(chip) for chip in given["chips"]])
    return Mutant(name, lambda: Wrong(arguments=arguments, target=moving), (caught_by,))


def of_spreads(chip: Chip, change: Callable[[Variability], Variability]) -> Chip:
    return chip.replace(variability={name: change(spread) for name, spread in chip.variability.items()})


def unrelated(spread: Variability) -> Variability:
    return spread.replace(follows="", correlation=0.0)


def positive(spread: Variability) -> Variability:
    return spread.replace(correlation=abs(spread.correlation))


MUTANTS = [
    Mutant("clipping missing", lambda: Wrong(network=each_rule(lambda r: r.replace(bounds=None))), ("bounds-clip",)),
    Mutant("bounds of the wrong sign", lambda: Wrong(network=each_rule(mirrored)), ("bounds-clip",)),
    Mutant("every T ms as run end", lambda: Wrong(network=schedule("every", "run end")), ("update-every-period",)),
    Mutant("run end as spike", lambda: Wrong(network=schedule("run end", "spike")), ("update-at-run-end",)),
    Mutant("spike as run end", lambda: Wrong(network=schedule("spike", "run end")), ("update-on-spike",)),
    Mutant("silent quantisation", lambda: Wrong(network=four_bits), ("weights-as-described",)),
    Mutant("alpha lowered to exponential", lambda: Wrong(lowered=alpha_as_exponential), ("approximations-named",)),
    Mutant("a declared option refused", lambda: Wrong(lowered=refuses_what_it_declares), ("declared-runs",)),
    Mutant("seed ignored", lambda: Wrong(arguments=other("seed", lambda g: 0)), ("other-seed-differs",)),
    Mutant(
        "seed from the clock", lambda: Wrong(arguments=other("seed", lambda g: next(_count))), ("same-seed-repeats",)
    ),
    Mutant(
        "same random numbers in every instance",
        lambda: Wrong(arguments=other("ids", lambda g: g["ids"][:1] * len(g["ids"]))),
        ("instances-have-own-noise",),
    ),
    Mutant(
        "random numbers by position in the batch",
        lambda: Wrong(arguments=other("ids", lambda g: range(len(g["ids"]))), target=exact_batch),
        ("batch-equals-loop",),
    ),
    Mutant("instances in another order", lambda: Wrong(session=ShuffledInstances), ("instances-keep-their-order",)),
    Mutant("weights lost between runs", lambda: Wrong(session=ResetsBetweenRuns), ("weights-persist",)),
    Mutant("read-back of stale weights", lambda: Wrong(session=StaleWeights), ("read-back-is-what-acts",)),
    Mutant("weights written nowhere", lambda: Wrong(session=SetIsIgnored), ("set-weights-act",)),
    Mutant("write reaches the first instance only", lambda: Wrong(session=SetForTheFirst), ("get-set-round-trip",)),
    Mutant("biases written nowhere", lambda: Wrong(session=BiasNeedsReopening), ("set-bias-acts",)),
    Mutant("learning rates written nowhere", lambda: Wrong(session=LearningRateIsFrozen), ("learning-rate-acts",)),
    Mutant("amplitudes written nowhere", lambda: Wrong(session=AmplitudeIsFrozen), ("amplitude-acts",)),
    Mutant("input mutated", lambda: Wrong(arguments=other("executable", written_into)), ("input-not-mutated",)),
    Mutant("get hands out its own memory", lambda: Wrong(session=SharesItsArrays), ("input-not-mutated",)),
    Mutant("sessions share state", OneForAll, ("sessions-independent",)),
    Mutant("closed session answers", lambda: Wrong(session=NeverCloses), ("closed-session-refuses",)),
    Mutant("nonsense swallowed", lambda: Wrong(session=SwallowsNonsense), ("wrong-access-refused",)),
    Mutant("values clipped in silence", lambda: Wrong(session=ClipsInSilence), ("out-of-range-refused",)),
    Mutant("spikes recorded a step late", lambda: Wrong(session=SpikesOneStepLate), ("spike-times-exact",)),
    Mutant("last step not recorded", lambda: Wrong(session=LosesTheLastStep), ("spike-times-exact",)),
    Mutant("full buffer drops spikes", lambda: Wrong(session=LosesSpikes), ("spikes-agree-with-counts",)),
    Mutant("membrane a step late", lambda: Wrong(session=MembraneOneStepLate), ("membrane-times",)),
    Mutant("weights probe misses the end", lambda: Wrong(session=WeightsWithoutTheEnd), ("weights-times",)),
    Mutant(
        "occupancy from the step after the spike",
        lambda: Wrong(session=OccupancyFromTheNextStep),
        ("occupancy-agrees-with-spikes",),
    ),
    Mutant("hardware time", lambda: Wrong(session=HardwareTime), ("biological-time",)),
    Mutant("half the time", lambda: Wrong(session=HalfTheTime), ("biological-time",)),
    Mutant("refractoriness lost between runs", lambda: Wrong(session=StartsAnew), ("runs-join",)),
    Mutant("mismatch redrawn per run", lambda: Wrong(arguments=other("chips", foreign_chips)), ("chips-differ",)),
    Mutant(
        "pattern of the place in the batch",
        lambda: Wrong(arguments=other("chips", chips_by_place)),
        ("chips-differ", "same-chip-in-another-process"),
    ),
    Mutant(
        "every chip the same",
        lambda: Wrong(arguments=other("chips", lambda g: [g["chips"][0]] * len(g["chips"]))),
        ("chips-differ",),
    ),
    Mutant(
        "mismatch declared and off",
        lambda: Wrong(arguments=other("chips", lambda g: [c.replace(variability={}) for c in g["chips"]])),
        ("mismatch-is-on",),
    ),
    Mutant("ideal() still noisy", lambda: Wrong(arguments=other("chips", noisy_chips)), ("ideal-is-ideal",)),
    Mutant(
        "editing redraws the chip",
        lambda: Wrong(arguments=other("executable", from_the_end)),
        ("editing-keeps-the-chip",),
    ),
    moves(lambda chip: chip.replace(age=0.0), "mismatch-is-on", "age ignored"),
    moves(lambda chip: chip.replace(temperature=0.0), "mismatch-is-on", "temperature ignored"),
    moves(lambda chip: chip.replace(age=1.0, temperature=1.0), "ageing-moves-the-pattern", "chips are born old"),
    moves(
        lambda chip: chip.replace(age=0.0, temperature=0.0, wafer=chip.wafer + 1000 * int(chip.age)),
        "ageing-moves-the-pattern",
        "ageing redraws the chip",
    ),
    moves(lambda chip: of_spreads(chip, unrelated), "correlated-quantities", "correlation ignored"),
    moves(lambda chip: of_spreads(chip, positive), "correlated-quantities", "sign of correlations lost"),
]
