"""compare(): one network on every target, one after the other, each held against the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from salhw.comparison.comparison import Comparison, Gap, Outcome
from salhw.comparison.exact import beside_theory
from salhw.comparison.judge import judged
from salhw.comparison.measures import Run, asymmetry, measures, stretches, trajectory
from salhw.comparison.predictions import Side, predictions
from salhw.comparison.quantities import checked_margins
from salhw.comparison.running import Ran, Task, executed, outlook, status_of
from salhw.description.network import Network
from salhw.diagnostics import SessionError
from salhw.diagnostics.arguments import checked_duration, checked_ids, checked_seed, instance_of, whole, wrong
from salhw.diagnostics.wording import shown
from salhw.io.files import folder
from salhw.registry import resolve, targets
from salhw.session.calibration import Calibration
from salhw.session.pilot import Estimate
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

REFERENCE = "reference"
INSTANCES = 16
"""How many instances or chips of a target run."""
MORE = 4
"""How many times as many run on the reference, which is fast: half of an error is then hardly its own."""

Who = int | Sequence[int] | Sequence[Chip]


def compare(
    net: Network,
    targets: str | Sequence[str | Target] = "all",
    *,
    duration: float,
    seed: int = 0,
    instances: int | None = None,
    chips: Who | Mapping[str, Who] | None = None,
    calibrations: Mapping[str, Calibration] | None = None,
    fit: bool = True,
    keep: Sequence[str] = (),
    margin: Mapping[str, float] | None = None,
    out: str | Path | None = None,
    progress: Callable[[float], None] | None = None,
    told: Callable[[Estimate], None] | None = None,
) -> Comparison:
    """Run a network on several targets, and say of each quantity whether the target does what the reference does.

    Targets run one after the other. One that is not installed, refuses the network or breaks is told in its outcome and
    stops nothing.

    Args:
        targets: ``all`` that are installed, or a list of names or Targets.
        duration: of every run, in ms of biological time.
        seed: of the reference; the targets run with ``seed ^ 1``, so that their noise is their own.
        instances: of each target (16 by default), and four times as many of the reference. Where chips differ, each is
            a chip of its own. A single one is cut into 16 stretches of time.
        chips: ids of chips of wafer 0, or Chips, for all targets whose chips differ; or these by target.
        calibrations: by target; it then runs on the chips that were calibrated.
        fit: whether a network is changed as little as a target needs, see ``salhw.fit``.
        keep: paths that ``fit`` leaves alone.
        margin: how far a target may be off, by quantity; ``salhw.comparison.QUANTITIES`` has them all.
        out: a folder, in which the recording of each target is saved as it ends, the comparison with them, and pictures
            and a page at the end.
        progress: is called with the share that is done.
        told: is given an estimate of the time that the runs will take, before they begin; each target is tried for a
            moment to make it.

    Raises:
        SalhwError: arguments that cannot be used; the reference cannot hold the network; ``out`` cannot be written to.
    """
    instance_of("net", net, Network, "give a salhw.Network, as salhw.load returns it")
    checked_duration(duration, net.dt)
    seed, margins = checked_seed(seed), checked_margins(margin)
    number = INSTANCES if instances is None else whole("instances", instances, 1, 2**20, kind=SessionError)
    tasks = _tasks(targets, number, chips, calibrations or {})
    place = None if out is None else folder(Path(out))
    share = _Share(progress, len(tasks) + 1)
    settings: dict[str, Any] = {"duration": duration, "keep": keep}

    first = Task(REFERENCE, resolve(REFERENCE), number * MORE)
    if told is not None:
        told(outlook(net, [(first, False), *((task, fit) for task in tasks)], **settings))
    base = executed(net, first, seed=seed, fitting=False, progress=share.part(0), **settings)  # as it is written
    explicit = net.explicit
    own, theory = beside_theory(explicit, measures(base.run, explicit, stretches([base.run])))
    reference = replace(_ran(REFERENCE, base), rows=judged(theory, own, margins))
    result = Comparison(net.name, duration, seed, reference, (), margins, runs={REFERENCE: base.run})
    _keep(result, REFERENCE, place)
    for k, task in enumerate(tasks):
        try:
            ran = executed(net, task, seed=seed ^ 1, fitting=fit, progress=share.part(k + 1), **settings)
        except Exception as error:  # a target that breaks is a finding about it, and the others go on
            status, message = status_of(error)
            outcome = Outcome(task.label, status, message)  # type: ignore[arg-type]  # one of the four
        else:
            outcome = _held(explicit, task, ran, base, margins)
            result = replace(result, runs={**result.runs, task.label: ran.run})
        result = replace(result, outcomes=(*result.outcomes, outcome))
        _keep(result, task.label, place)
    if place is not None:
        from salhw.comparison.html import save_page

        save_page(result, place)
    share.part(len(tasks) + 1)  # all of it, whatever the last target did
    return result


@dataclass(frozen=True)
class _Share:
    """Progress of ``parts`` equal parts of the work."""

    progress: Callable[[float], None] | None
    parts: int

    def part(self, k: int) -> Callable[[float], None] | None:
        """A callback for the share of one part that is done."""
        progress = self.progress
        if progress is None:
            return None
        progress(k / self.parts)
        return lambda done: progress((k + done) / self.parts)


def chosen_targets(asked: str | Sequence[str | Target]) -> list[Target]:
    """The targets that are asked for, without the reference: names, Targets, or ``all`` that are installed.

    Raises:
        SalhwError: one that there is not, or none but the reference.
    """
    if isinstance(asked, str):
        chosen = [t for name, t in targets().items() if name != REFERENCE] if asked == "all" else [resolve(asked)]
    else:
        chosen = [resolve(entry) for entry in asked]
    chosen = [target for target in chosen if target != resolve(REFERENCE)]
    if not chosen and asked != "all":
        raise wrong("targets", shown(asked), "a target beside the reference", "see `salhw targets`", code="SAL005")
    return chosen


def _tasks(
    asked: str | Sequence[str | Target],
    instances: int,
    chips: Who | Mapping[str, Who] | None,
    calibrations: Mapping[str, Calibration],
) -> list[Task]:
    """What to run beside the reference.

    Raises:
        SalhwError: a target, chips or calibrations that there are not.
    """
    chosen = chosen_targets(asked)
    if chips is not None and not isinstance(chips, Mapping) and not any(map(varies, chosen)):
        supported = "targets whose chips differ, of which there is none here"
        raise wrong("chips", shown(chips), supported, "leave them out, or name the target", kind=SessionError)
    labels: list[str] = []
    for target in chosen:
        alike = sum(label.partition("-")[0] == target.name for label in (REFERENCE, *labels))
        labels.append(f"{target.name}-{alike + 1}" if alike else target.name)
    named = {**(chips if isinstance(chips, Mapping) else {}), **calibrations}
    if unknown := [name for name in named if name not in labels]:
        raise wrong("targets", shown(unknown[0]), f"one of {', '.join(labels)}", "name a target that is compared")
    return [_task(label, t, instances, chips, calibrations.get(label)) for label, t in zip(labels, chosen, strict=True)]


def _task(
    label: str, target: Target, instances: int, chips: Who | Mapping[str, Who] | None, calibration: Calibration | None
) -> Task:
    who = chips.get(label) if isinstance(chips, Mapping) else chips if varies(target) else None
    picked: tuple[Chip, ...] | None
    if who is None and calibration is not None:
        picked = tuple(target.sample_chips(1, calibration.wafer, first=k)[0] for k in calibration.ids)
    elif who is not None:
        picked = _picked(target, who)
    else:
        picked = target.sample_chips(instances) if varies(target) else None
    return Task(label, target, instances if picked is None else len(picked), picked, calibration)


def varies(target: Target) -> bool:
    """Whether the chips of a target differ, or its trials."""
    return any(spread.varies for spread in target.variability.values())


def _picked(target: Target, who: Who) -> tuple[Chip, ...]:
    if not isinstance(who, int) and all(isinstance(chip, Chip) for chip in who):
        return tuple(chip for chip in who if isinstance(chip, Chip))
    return tuple(target.sample_chips(1, first=k)[0] for k in checked_ids(who, "chips"))


def _ran(label: str, ran: Ran) -> Outcome:
    provenance = ran.run.recording.provenance
    chips = tuple(provenance.get("chips", ())) if len(set(provenance.get("chips", ()))) > 1 else ()
    return Outcome(
        label,
        "ran",
        instances=len(ran.run.recording.ids),
        chips=chips,
        seconds=ran.seconds,
        changes=tuple(map(str, ran.fitted.changes)),
        approximations=tuple(str(item) for item in ran.report.approximations),
        gaps=tuple(_gaps(ran.run)),
        versions=dict(provenance.get("versions", {})),
    )


def _gaps(run: Run) -> Iterator[Gap]:
    for name in run.final:
        apart = asymmetry(run, name, trajectory(run, name)[1])
        if apart is not None:
            start, end = apart[:, 0], apart[:, -1]
            error = float(end.std(ddof=1) / len(end) ** 0.5) if len(end) > 1 else None
            yield Gap(f"projections.{name}", float(start.mean()), float(end.mean()), error)


def _held(net: Network, task: Task, ran: Ran, base: Ran, margins: Mapping[str, float]) -> Outcome:
    """What ran on a target, held against the reference."""
    cut = stretches((ran.run, base.run))
    mine, theirs = (measures(run, net, cut) for run in (ran.run, base.run))
    states, theory = beside_theory(net, mine)
    target, reference = Side(ran.run, ran.fitted.network.explicit, mine), Side(base.run, net, theirs)
    return replace(
        _ran(task.label, ran),
        rows=judged([*theirs, *theory], [*mine, *states], margins),
        predicted=tuple(predictions(ran.fitted, target, reference)),
    )


def _keep(result: Comparison, label: str, place: Path | None) -> None:
    """What is known so far, on the disk."""
    if place is None:
        return
    if label in result.runs:
        result.runs[label].recording.save(place / f"{label}.h5")
    result.save(place / "comparison.json")
