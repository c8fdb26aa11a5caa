"""What can be compiled for, as data: capabilities, resources, variability and accuracy, read from TOML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from salhw.description.fields import Model
from salhw.diagnostics import DescriptionError, Diagnostic, SessionError, file_error
from salhw.diagnostics.arguments import MAX_ID, as_path, described, instance_of, known_name, whole, wrong
from salhw.diagnostics.documents import read_toml
from salhw.diagnostics.wording import nearest, one_of, shown
from salhw.machine import CHIP, Memory, refuse_instances
from salhw.substrate.capabilities import Capability, Entry, Range
from salhw.substrate.chip import Chip
from salhw.substrate.options import Option, Value
from salhw.substrate.variability import LATER, Variability

SAID = frozenset({"description", "source", "compensated", "accuracy", "ideal_accuracy", "synapses_per_weight"})
"""Fields of a target, and of the models in it, that change nothing of what it does: what is said about it, and which of
its synapses one network takes."""
ADDED = LATER | {"reference_phase", "short_term"}
"""Fields that came later, and change nothing of what it does where they have their default."""


def _done(value: Any) -> Any:
    """A model without the fields SAID, as plain data; of an option its value, if that changes what the target does."""
    if isinstance(value, Option):
        return str(value) if value.changes_target else None
    if isinstance(value, Model):
        fields = type(value).model_fields
        said = {n for n in fields if n in SAID or (n in ADDED and getattr(value, n) == fields[n].default)}
        return {name: _done(getattr(value, name)) for name in fields if name not in said}
    return {key: _done(each) for key, each in value.items()} if isinstance(value, Mapping) else value


class Target(Model):
    """One thing to compile for. All of it is data; ``backend`` names the plug-in that knows what to do with it.

    ``neurons``, ``kernels``, ``windows``, ``plasticity``, ``short_term``, ``stimuli``, ``probes`` and ``averages`` (of
    traces) map the kinds that the target has to their capabilities; a kind that is absent is not supported. ``host``
    does so for the rules and windows that the computer beside the target works out where a rule allows it
    (``execution = "host"``) and the target cannot.
    ``ties`` is what copies of weights may be, None where there are none.
    ``host_loop`` says that the computer beside the target also works out named inputs, what reads traces, and copies of
    weights, of the kinds and within the ranges that are declared, between two pieces of a run (``salhw.session.loop``);
    otherwise the target has them itself.
    ``reference_phase`` says that the target may keep the reference phase of a rule itself: its backend is given rules
    with theirs, and returns without them what the session's host is to do.
    ``speed_up`` is biological over hardware time (None for a simulator, which has no fixed one). ``weight_bits`` is
    None where weights are not quantised; otherwise the weights lie on at most ``2**weight_bits`` equidistant levels
    over ``projections.weights``, zero among them. Where a weight may take several synapses of the hardware, up to
    ``max_synapses_per_weight``, the bits are those of one of them, which holds that share of the range.
    ``weight_scales`` and ``synapses_per_weight`` are what a backend chose for projections of one network, by name: see
    ``scaled_for``. ``options`` are what a user may choose about the backend: see
    ``option`` and ``with_options``. ``accuracy`` has the margins that the conformance suite holds it to, of chips that
    differ the mean over chips; ``ideal_accuracy`` those that only ``ideal()`` keeps.
    """

    name: str
    backend: str
    description: str
    speed_up: float | None = None
    network: Capability
    projections: Capability
    neurons: dict[str, Capability] = Field(default_factory=dict)
    kernels: dict[str, Capability] = Field(default_factory=dict)
    windows: dict[str, Capability] = Field(default_factory=dict)
    plasticity: dict[str, Capability] = Field(default_factory=dict)
    host: dict[str, Capability] = Field(default_factory=dict)
    stimuli: dict[str, Capability] = Field(default_factory=dict)
    probes: dict[str, Capability] = Field(default_factory=dict)
    averages: dict[str, Capability] = Field(default_factory=dict)
    short_term: dict[str, Capability] = Field(default_factory=dict)
    ties: Capability | None = None
    host_loop: bool = False
    reference_phase: bool = False
    resources: dict[str, int] = Field(default_factory=dict)
    weight_bits: int | None = None
    max_synapses_per_weight: Annotated[int, Field(ge=1)] = 1
    weight_scales: dict[str, float] = Field(default_factory=dict)
    synapses_per_weight: dict[str, int] = Field(default_factory=dict)
    variability: dict[str, Variability] = Field(default_factory=dict)
    accuracy: dict[str, float] = Field(default_factory=dict)
    ideal_accuracy: dict[str, float] = Field(default_factory=dict)
    options: dict[str, Option] = Field(default_factory=dict)

    def __repr__(self) -> str:
        """Its name and backend; all else fills several screens."""
        return f"Target(name={self.name!r}, backend={self.backend!r})"

    __str__ = __repr__

    @classmethod
    def from_toml(cls, path: Path) -> Target:
        """Read a target file.

        Raises:
            FileError: no such file, or not TOML.
            DescriptionError: with the path of every wrong entry.
        """
        path = as_path(path)
        try:
            data = read_toml(path)
        except (OSError, ValueError) as error:
            raise file_error(
                path, "", f"a TOML file; {error}", "check the path, or install the package again"
            ) from None
        return cls.model_validate(data)

    @property
    def capability_hash(self) -> str:
        """sha256 over what the target does and holds, its options included, and not over what is said about it: SAID at
        any depth, such as descriptions, sources of spreads and the margins that it is held to."""
        return hashlib.sha256(json.dumps(_done(self), sort_keys=True).encode()).hexdigest()

    def scaled_for(self, projection: str) -> Target:
        """The target as a projection finds it: the ranges of weights, bounds and learning rates, and with them the
        steps between weights, are those declared times its ``weight_scales``; those of weights and bounds are the share
        that its ``synapses_per_weight`` hold, of the most that there may be."""
        scale = self.weight_scales.get(instance_of("projection", projection, str, "give its name"), 1.0)
        synapses = self.synapses_per_weight.get(projection, self.max_synapses_per_weight)
        if scale == 1.0 and synapses == self.max_synapses_per_weight:
            return self
        reach = scale * synapses / self.max_synapses_per_weight

        def scaled(capability: Capability, **factors: float) -> Capability:
            ranges = {name: (capability.get(name), factor) for name, factor in factors.items()}
            narrow = {n: Range(min=r.min * f, max=r.max * f) for n, (r, f) in ranges.items() if isinstance(r, Range)}
            return {**capability, **narrow}

        return self.replace(
            projections=scaled(self.projections, weights=reach),
            plasticity={kind: scaled(of, learning_rate=scale, bounds=reach) for kind, of in self.plasticity.items()},
            host={kind: scaled(of, bounds=reach) for kind, of in self.host.items()},
            weight_scales={},
            synapses_per_weight={},
            max_synapses_per_weight=synapses,
        )

    def ideal(self) -> Target:
        """The same target without variability and quantisation, held to ``ideal_accuracy`` as well."""
        return self.replace(variability={}, weight_bits=None, accuracy=self.accuracy | self.ideal_accuracy)

    def with_variability(self, changes: Mapping[str, Variability | float]) -> Target:
        """The same target with other spreads; a bare number changes the ``sd`` only.

        Raises:
            DescriptionError: a quantity that the target does not vary, or a spread that is none.
        """
        if not isinstance(changes, Mapping):
            raise wrong("variability", described(changes), "quantities and their spreads", 'as in {"weight": 0.2}')
        self._refuse_unknown("variability", changes, self.variability, "does not vary this")
        changed = {
            name: change if isinstance(change, Variability) else self.variability[name].replace(sd=change)
            for name, change in changes.items()
        }
        return self.replace(variability=self.variability | changed)

    def _refuse_unknown(self, what: str, given: Iterable[object], known: Iterable[str], headline: str) -> None:
        known = list(known)
        findings = [
            Diagnostic("SAL009", f"{what}.{name}", shown(name), one_of(known), nearest(name, known, "leave it out"))
            for name in (name if isinstance(name, str) else shown(name) for name in given)
            if name not in known
        ]
        if findings:
            raise DescriptionError(f"DescriptionError: target {self.name!r} {headline}", findings)

    def with_noise(
        self, *, mismatch: bool = True, trial: bool = True, plasticity: bool = True, **others: bool
    ) -> Target:
        """The same target with groups of its variability switched off (all spreads of the group become 0).

        Raises:
            DescriptionError: ``others``, which are no groups; a value that is neither True nor False.
        """
        keep = {"mismatch": mismatch, "trial": trial, "plasticity": plasticity}
        self._refuse_unknown("noise", others, keep, "has no such group")
        for group, value in keep.items():
            instance_of(f"noise.{group}", value, bool, "give True or False")
        return self.replace(
            variability={
                name: spread if keep[spread.group] else spread.silent() for name, spread in self.variability.items()
            }
        )

    def option(self, name: str) -> Value:
        """The value of an option, with its declared type.

        Raises:
            DescriptionError: the target has no such option.
        """
        return self.options[known_name("target.options", name, self.options)].value

    def with_options(self, **options: Value) -> Target:
        """The same target with options changed (``algorithm="time-driven"`` on the reference), and with what they
        declare (``Option.declares``). A number may be given as text.

        Raises:
            DescriptionError: an option that the target does not have, or a value that it may not have.
        """
        self._refuse_unknown("target.options", options, self.options, "has no such option")
        changed, findings = {}, []
        for name, value in options.items():
            try:
                changed[name] = self.options[name].replace(value=value)
            except DescriptionError as error:
                findings += [replace(finding, path=f"target.options.{name}") for finding in error.diagnostics]
        if findings:
            raise DescriptionError(f"DescriptionError: target {self.name!r} cannot have these options", findings)
        target = self.replace(options=self.options | changed)
        for name, option in changed.items():
            if option.value != self.options[name].value:
                for path, entry in option.declares.get(str(option.value), {}).items():
                    target = target._declaring(path, entry)
        return target

    def _declaring(self, path: str, entry: Entry) -> Target:
        """The same target with another capability at a path of its TOML: ``projections.weights``,
        ``host.PairSTDP.bounds``. Nothing changes where it has none of the kind."""
        section, *kind, field = path.split(".")
        capabilities = getattr(self, section)
        changed = {field: entry}
        if kind:
            known = capabilities.get(kind[0])
            changed = {} if known is None else {kind[0]: known | changed}
        return self.replace(**{section: capabilities | changed})

    @cached_property
    def content_hash(self) -> str:
        """sha256 over everything that the target says; of an option its value counts, not what is said about it."""
        values = {name: str(option) for name, option in self.options.items()}
        return super(Target, self.model_copy(update={"options": values})).content_hash

    def sample_chips(
        self, count: int, seed: int = 0, *, first: int = 0, age: float = 0.0, temperature: float = 0.0
    ) -> tuple[Chip, ...]:
        """``count`` virtual chips, ids ``first``.. of the wafer ``seed``; the same call gives the same chips.

        Args:
            age, temperature: days since, and kelvin above, what their patterns are of: see ``Chip``.

        Raises:
            DescriptionError: an age or a temperature that is none.
            SessionError: SAL401 no whole number of chips; no wafer. SAL221 more than fit into memory.
        """
        count = whole("count", count, 0, 2**63 - 1, code="SAL401", kind=SessionError)
        first = whole("first", first, 0, MAX_ID - max(0, count - 1), code="SAL401", kind=SessionError)
        seed = whole("seed", seed, 0, MAX_ID, code="SAL401", kind=SessionError)
        refuse_instances(Memory(0, CHIP), count, "chips")
        one = Chip(
            id=first, wafer=seed, target=self.name, variability=self.variability, age=age, temperature=temperature
        )
        return tuple(one.model_copy(update={"id": i}) for i in range(first, first + count))
