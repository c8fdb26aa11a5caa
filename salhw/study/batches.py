"""From a study to its batches: what runs together, under which key. It follows from the study alone, never from who
works at it, because on some targets the chips of a session share their random numbers."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from salhw.description.grid import off_grid
from salhw.description.network import Network
from salhw.diagnostics import DescriptionError, Diagnostic, FileError, file_error
from salhw.diagnostics.documents import read_json
from salhw.diagnostics.wording import nearest, one_of
from salhw.io.files import folder as made_folder
from salhw.io.files import is_file, write_json
from salhw.registry import Experiment, builder, resolve
from salhw.study.description import Level, Method, Study
from salhw.study.experiments import arguments, of_experiment
from salhw.study.experiments import named as experiment
from salhw.study.metrics import Measuring, metric
from salhw.study.named import Function, source_digest
from salhw.study.protocols import Experimenting, protocol
from salhw.substrate.target import Target
from salhw.substrate.variability import PARTS, Variability

MEANING = 2
"""Of the rows of a shard: a new number wherever the same study would give other numbers, for it is part of all keys."""
PACKAGES = ("salhw", "numpy", "scipy", "numba", "nest-simulator", "PyNN")
OF_THE_KEY = {"fit", "calibration", "age", "temperature", "ideal", "protocol", "options"}
"""Fields of a method in the key; its name is not, and the others are in the network and the spreads. Those
that have their default are left out, so that a new field changes no key."""
STUDY, NETWORKS = "study.json", "networks"
FORMAT = "salhw-study"


@dataclass(frozen=True)
class Batch:
    """Chips ``first``.. of one target, method, level and seed, in one session.

    ``index`` is its place in the plan, ``run`` the number of its first run, and ``key`` names its shard. ``start`` is
    the first chip of the batch as it was planned: what a broken batch was halved into keeps that one's random numbers.
    """

    index: int
    run: int
    key: str
    target: str
    method: str
    level: Level
    seed: int
    first: int
    size: int
    start: int

    @property
    def session_seed(self) -> int:
        """Of its session. Batches differ in it: where random numbers are the session's, chips at the same place of two
        batches would else have the same noise."""
        return _seed(f"{self.seed}/{self.start}")

    @property
    def calibration_seed(self) -> int:
        """Of the measurement that calibrates its chips, whatever its own seed is."""
        return _seed(f"calibration/{self.start}")


def _seed(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"salhw study/{name}".encode()).digest()[:8], "little")


def _digest(content: list[Any]) -> str:
    """Of plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """A study with everything that it names: by method networks, or what its experiment is called with, and protocols;
    targets, metrics.

    ``made_with`` are the versions that its results depend on, and digests of the files in which a user's functions are:
    those of this process, or, of a study that is read from its folder, those of whoever ran it last.
    """

    study: Study
    networks: Mapping[str, Network]
    targets: Mapping[str, Target]
    metrics: Mapping[str, Measuring]
    protocols: Mapping[str, Experimenting]
    made_with: Mapping[str, str]
    experiment: Experiment | None
    arguments: Mapping[str, Mapping[str, str]]

    def method(self, name: str) -> Method:
        """The method of that name."""
        return next(m for m in self.study.methods if m.name == name)

    def spreads(self, target: str, method: str, level: Level) -> dict[str, dict[str, float]]:
        """The parts of a target's spreads that a level and a method change, by quantity."""
        known = self.targets[target].variability
        changed: dict[str, dict[str, float]] = {}
        for noise, value in zip(self.study.noises, level, strict=True):
            for name in noise.of(self.targets[target]):
                declared = getattr(known[name], noise.part)
                changed.setdefault(name, {})[noise.part] = value * declared if noise.unit == "times" else value
        for name, factor in self.method(method).times.items():
            for quantity, spread in known.items():
                if name in (quantity, spread.group):
                    before = {part: getattr(spread, part) for part in PARTS} | changed.get(quantity, {})
                    changed[quantity] = {part: factor * value for part, value in before.items()}
        return changed

    def varied(self, batch: Batch) -> Target:
        """The target of a batch, with its level's spreads."""
        target = self.targets[batch.target]
        if self.method(batch.method).ideal:
            return target.ideal()
        changes = self.spreads(batch.target, batch.method, batch.level)
        return target.with_variability({name: target.variability[name].replace(**c) for name, c in changes.items()})

    def calibration_key(self, batch: Batch, target: Target, net: Network) -> str:
        """The name of a calibration of a batch's chips: the same for all methods and seeds that ask for the same."""
        how, versions = self.method(batch.method).calibration, {name: self.made_with.get(name) for name in PACKAGES}
        chips = [self.study.wafer, batch.first, batch.size, batch.start]
        content = [MEANING, versions, target.capability_hash, net.content_hash, how and how.duration, chips]
        return _digest(content)[:32]

    @cached_property
    def digest(self) -> str:
        """Of what all keys share: versions and functions, durations, wafer and metrics."""
        study = self.study
        measured = [[m.name, m.function, m.options] for m in study.metrics]
        return _digest([MEANING, dict(self.made_with), study.duration, study.settle, study.wafer, measured])

    @property
    def identity(self) -> str:
        """``digest``, and after a hyphen what tells a study from itself with more methods, levels or chips."""
        networks = {name: net.content_hash for name, net in self.networks.items()}
        return f"{self.digest}-{_digest([self.study.model_dump(mode='json'), networks])[:16]}"

    def key(self, target: str, method: str, level: Level, seed: int, first: int, size: int, start: int) -> str:
        """The name of a shard: the same for the same work, whatever else a study holds."""
        return _digest([self.cell(target, method, level), seed, first, size, start])[:32]

    def cell(self, target: str, method: str, level: Level) -> str:
        """A digest of what batches of a target, method and level share: network, spreads, versions and functions."""
        cell = (target, method, level)
        if cell not in self._cells:
            how = self.method(method)
            settings = how.model_dump(mode="json", include=OF_THE_KEY, exclude_defaults=True)
            content = [
                self.digest, self._subject(method), self._hashes[target], settings,
                {} if how.ideal else self.spreads(target, method, level),
            ]  # fmt: skip
            self._cells[cell] = _digest(content)
        return self._cells[cell]

    def _subject(self, method: str) -> Any:
        """What a method runs, as plain data."""
        if self.study.experiment:
            return [self.study.experiment, dict(self.arguments[method])]
        return self.networks[method].content_hash

    @cached_property
    def _cells(self) -> dict[tuple[str, str, Level], str]:
        return {}

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {name: target.capability_hash for name, target in self.targets.items()}

    @cached_property
    def rounds(self) -> tuple[tuple[Batch, ...], ...]:
        """All batches: a round has the same chips for every target, level, method and seed."""
        study, run, index, rounds = self.study, 0, 0, []
        for first in range(study.first, study.first + study.chips, study.batch):
            size, batches = min(study.batch, study.first + study.chips - first), []
            for target, level, method, seed in self._cells_in_order():
                key = self.key(target, method, level, seed, first, size, first)
                batches.append(Batch(index, run, key, target, method, level, seed, first, size, first))
                index, run = index + 1, run + size
            rounds.append(tuple(batches))
        return tuple(rounds)

    def _cells_in_order(self) -> Iterator[tuple[str, Level, str, int]]:
        levels = self.study.levels
        for target in self.study.targets:
            for level in levels:
                for method in self.study.methods:
                    for seed in self.study.seeds:
                        yield target, level, method.name, seed

    @property
    def batches(self) -> tuple[Batch, ...]:
        """All batches, in the order of the plan."""
        return tuple(batch for part in self.rounds for batch in part)

    def part(self, batch: Batch, first: int, size: int) -> Batch:
        """Some of the chips of a batch, as a batch of their own."""
        key = self.key(batch.target, batch.method, batch.level, batch.seed, first, size, batch.start)
        return replace(batch, run=batch.run + first - batch.first, key=key, first=first, size=size)


def versions() -> dict[str, str]:
    """The versions of what results depend on, as far as it is installed."""
    known = {}
    for name in PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            continue
    return known


def planned(study: Study) -> Plan:
    """A study with what it names, looked up and built.

    Raises:
        SalhwError: a network, target, option, noise, metric or setting that there is not; a duration off the grid.
    """
    networks = {} if study.experiment else {method.name: _network(study, method) for method in study.methods}
    for net in networks.values():
        times = [*off_grid("duration", study.duration, net.dt), *off_grid("settle", study.settle, net.dt, 0)]
        if times:
            raise DescriptionError(f"DescriptionError: steps of {net.name} do not divide these times", times)
    plan = _plan(study, networks, {})
    return replace(plan, made_with=made_with(plan))


def made_with(plan: Plan) -> dict[str, str]:
    """What results of a plan depend on in this process."""
    functions: dict[str, Function] = {
        **{m.function: plan.metrics[m.name] for m in plan.study.metrics},
        **{m.protocol: plan.protocols[m.name] for m in plan.study.methods if m.protocol},
        **({plan.study.experiment: plan.experiment} if plan.experiment else {}),
    }
    return versions() | {name: digest for name, used in functions.items() if (digest := source_digest(used))}


def _plan(study: Study, networks: Mapping[str, Network], made: Mapping[str, str]) -> Plan:
    targets = _targets(study)
    known = {name: {*t.variability, *(v.group for v in t.variability.values())} for name, t in targets.items()}
    for k, noise in enumerate(study.noises):
        wanted = noise.quantities or (noise.name,)
        for name, target in targets.items():
            missing = [quantity for quantity in wanted if not any(quantity in each for each in known.values())]
            if missing or not noise.of(target):
                asked, path = ", ".join(missing or wanted), f"noises[{k}].quantities"
                fix = nearest(asked, sorted(known[name]), "name a quantity or a group")
                finding = Diagnostic("SAL009", path, asked, f"{name} varies {one_of(known[name])}", fix)
                raise DescriptionError(f"DescriptionError: {name} has no such noise", [finding])
    look_up = of_experiment if study.experiment else metric
    measuring = {m.name: look_up(m.function, f"metrics[{k}].of") for k, m in enumerate(study.metrics)}
    protocols = {
        method.name: protocol(method.protocol, f"methods[{k}].protocol")
        for k, method in enumerate(study.methods)
        if method.protocol
    }
    run = experiment(study.experiment) if study.experiment else None
    called = {
        m.name: arguments(study.experiment, run, study.settings | m.settings, f"settings of {m.name}")
        for m in study.methods
        if run
    }
    return Plan(study, networks, targets, measuring, protocols, made, run, called)


def _targets(study: Study) -> dict[str, Target]:
    """The study's targets, with its options and its variability.

    Raises:
        SalhwError: a target, an option or a quantity that there is not.
    """
    targets = {name: _declared(study, resolve(name).with_options(**study.options)) for name in study.targets}
    varied = list(dict.fromkeys(name for target in targets.values() for name in target.variability))
    findings = [
        Diagnostic("SAL009", f"variability.{name}", name, one_of(varied), nearest(name, varied, "leave it out"))
        for name in study.variability
        if name not in varied
    ]
    if findings:
        raise DescriptionError("DescriptionError: no target of the study varies this", findings)
    return targets


def _declared(study: Study, target: Target) -> Target:
    """A target with what the study says of its variability.

    Raises:
        DescriptionError: a spread that is none.
    """
    changed = {}
    for name, fields in study.variability.items():
        if name in target.variability:
            given = target.variability[name].model_dump() | fields
            try:
                changed[name] = Variability.model_validate(given)
            except DescriptionError as error:
                findings = [replace(f, path=f"variability.{name}.{f.path}") for f in error.diagnostics]
                raise DescriptionError("DescriptionError: this is no spread", findings) from None
    return target.with_variability(changed)


def _network(study: Study, method: Method) -> Network:
    """The network of one method."""
    settings = study.settings | method.settings
    if study.from_file:
        if settings:
            fix = "change the file itself, or name an installed network"
            finding = Diagnostic("SAL009", "settings", ", ".join(settings), "for installed networks only", fix)
            raise DescriptionError(f"DescriptionError: {study.network} is a file", [finding])
        net = Network.load(study.network)
    else:
        try:
            net = builder(study.network)(**settings)
        except TypeError as error:
            fix = f"see `salhw networks {study.network}`"
            finding = Diagnostic("SAL009", f"settings of {method.name}", ", ".join(settings), str(error), fix)
            raise DescriptionError(f"DescriptionError: {study.network} cannot be built like this", [finding]) from None

    def changed(rule: Any) -> Any:
        if method.learning_rate != 1.0:
            rule = rule.replace(learning_rate=rule.learning_rate * method.learning_rate)
        has_phase = method.reference is not None and "reference" in type(rule).model_fields
        return rule.replace(reference=method.reference) if has_phase else rule

    def rules(p: Any) -> tuple[Any, ...]:
        return tuple(map(changed, p.plasticity))

    return net.replace(
        projections=tuple(p.replace(plasticity=rules(p) if method.plastic else ()) for p in net.projections)
    )


def kept(plan: Plan, folder: Path, origin: Path) -> str:
    """Write a study with its networks into its folder, from where every worker reads it; returns its identity.

    Args:
        origin: the study file's folder, where a user's functions are.

    Raises:
        FileError: the folder holds another study, or cannot be written to.
    """
    if is_file(folder / STUDY):
        earlier = loaded(folder).study
        if earlier.name != plan.study.name:
            fix = "another folder, or the study's old name"
            raise file_error(folder, plan.study.name, f"it holds the study {earlier.name!r}", fix)
    made_folder(folder / NETWORKS)
    hashes = {name: net.content_hash[:16] for name, net in plan.networks.items()}
    for name, digest in hashes.items():
        if not is_file(folder / NETWORKS / f"{digest}.json"):
            plan.networks[name].save(folder / NETWORKS / f"{digest}.json")
    document = {
        "format": FORMAT, "version": 1, "study": plan.study.model_dump(mode="json", exclude_defaults=True),
        "networks": hashes, "origin": str(origin), "made_with": dict(plan.made_with),
    }  # fmt: skip
    write_json(folder / STUDY, document)
    return plan.identity


def loaded(folder: Path) -> Plan:
    """What ``kept`` wrote.

    Raises:
        FileError: no study, or a damaged one.
        SalhwError: it names what is not installed here.
    """
    path = folder / STUDY
    try:
        document = read_json(path)
        if document["format"] != FORMAT or document["version"] != 1:
            raise file_error(path, "", "a study of this version of salhw", "run the study again")
        study, hashes, origin = document["study"], dict(document["networks"]), str(document["origin"])
        made = {str(name): str(text) for name, text in document["made_with"].items()}
    except FileError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise file_error(path, "", f"the folder of a study; {error}"[:200], "name the folder of --out") from None
    if origin not in sys.path:
        sys.path.append(origin)
    return _plan(
        Study.model_validate(study),
        {name: Network.load(folder / NETWORKS / f"{digest}.json") for name, digest in hashes.items()},
        made,
    )
