"""The search of fit(): which remedy answers which finding, until a target holds a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from salhw.compiler.check import check
from salhw.compiler.edits import Difference, differences, edited, everything, locate, renumbered, same
from salhw.compiler.findings import problems
from salhw.compiler.remedies import BACKENDS, REMEDIES, Proposal, Remedy
from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw.session.backend import Backend, Fitting
from salhw.substrate.target import Target

MOST_TIMES = 3
"""How often one remedy answers one finding: a later answer to another may bring it up again."""

Key = tuple[str, str]
"""Code and path of a finding, the path as in the network that was written and without the index of a number."""


@dataclass(frozen=True)
class State:
    """A network on a target with its options, and what stands against it."""

    net: Network
    target: Target
    findings: Sequence[Diagnostic]


@dataclass(frozen=True)
class Step:
    """A finding answered by a remedy."""

    reason: Diagnostic
    remedy: str
    before: State
    after: State

    def differences(self, written: Network) -> list[Difference]:
        """What the step changed, probes counted as in the network that was written."""
        one, two = self.before, self.after
        found = differences(one.net, one.target, two.net, two.target)
        return [replace(d, path=renumbered(d.path, one.net, written)) for d in found]


@dataclass(frozen=True)
class Group:
    """What one step changed, as far as it differs in the end; the parts of a group belong together."""

    reason: Diagnostic
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Attempt:
    """Steps, and the findings that none answered."""

    steps: tuple[Step, ...]
    stuck: tuple[Diagnostic, ...] = ()


@dataclass
class Fitter:
    """Finds the steps for one network on one target.

    Args:
        kept: what must not change, by path.
    """

    written: Network
    target: Target
    plugin: Backend
    kept: Mapping[str, Any]
    _hopeless: set[Diagnostic] = field(default_factory=set)
    _known: dict[tuple[str, str], Sequence[Diagnostic]] = field(default_factory=dict)

    def search(self) -> Attempt:
        """Answer one finding after the other. It ends: a turn either gives a finding up, or uses a remedy for it once
        more, which each may be MOST_TIMES; and there are finitely many codes, paths and remedies."""
        state = self._state(self.written, self.target)
        steps: list[Step] = []
        used: Counter[tuple[Key, str]] = Counter()
        given_up: dict[Key, Diagnostic] = {}
        while open_ones := [f for f in state.findings if self._key(f, state) not in given_up]:
            finding = open_ones[0]
            key = self._key(finding, state)
            step = None if finding in self._hopeless else self._step(state, finding, used)
            if step is None:
                given_up[key] = finding
            else:
                used[key, step.remedy] += 1
                steps.append(step)
                state = step.after
        return Attempt(tuple(steps), tuple(given_up.values()))

    def _step(self, state: State, finding: Diagnostic, used: Counter[tuple[Key, str]]) -> Step | None:
        """The first remedy, and of its proposals the first that leaves nothing else to do, or nothing that cannot be
        done; where all leave something that cannot be done, the first after which only lowering finds it."""
        key, known = self._key(finding, state), self._keys(state)
        last: Step | None = None
        for remedy in self._remedies():
            if used[key, remedy.name] >= MOST_TIMES:
                continue
            second: Step | None = None
            for after in self._answers(state, finding, remedy):
                step = Step(finding, remedy.name, state, after)
                new = [f for f in after.findings if self._key(f, after) not in known]
                if not new:
                    return step
                if second is None and all(self._answerable(after, f) for f in new):
                    second = step
                if last is None and not check(after.net, after.target):
                    last = step
            if second is not None:
                return second
        return last

    def _answers(self, state: State, finding: Diagnostic, remedy: Remedy) -> Iterator[State]:
        """What a remedy proposes, as far as it makes the finding go away and leaves what is to be kept."""
        key = self._key(finding, state)
        for proposal in remedy.propose(state.net, state.target, finding):
            if proposal is None or (after := self._proposed(state, proposal)) is None:
                continue
            if key not in self._keys(after) and not self._moved(finding, state, after):
                yield after

    def _moved(self, finding: Diagnostic, state: State, after: State) -> bool:
        """Whether the finding is still there and only said elsewhere, as of the amplitude of a window instead of the
        learning rate that it is multiplied by."""
        known = self._keys(state)
        return any(
            (other.code, other.asked) == (finding.code, finding.asked) and self._key(other, after) not in known
            for other in after.findings
        )

    def _answerable(self, state: State, finding: Diagnostic) -> bool:
        """Whether anything answers a finding; one that nothing did once is not tried again."""
        if finding not in self._hopeless and not any(
            True for remedy in self._remedies() for _ in self._answers(state, finding, remedy)
        ):
            self._hopeless.add(finding)
        return finding not in self._hopeless

    def _proposed(self, state: State, proposal: Network | Target | tuple[Network, Target]) -> State | None:
        match proposal:
            case Network():
                net, target = proposal, state.target
            case Target():
                net, target = state.net, proposal
            case (net, target):
                pass
        if (net == state.net and target == state.target) or not self._keeps(net, target):
            return None
        return self._state(net, target)

    def _keeps(self, net: Network, target: Target) -> bool:
        if not self.kept:
            return True
        now = everything(net, target, self.written)
        return all(path in now and same(now[path], value) for path, value in self.kept.items())

    def _state(self, net: Network, target: Target) -> State:
        """A network with what stands against it, which is asked only once: the search comes by the same again."""
        content = net.content_hash, target.content_hash
        if content not in self._known:
            self._known[content] = problems(net, target, plugin=self.plugin)
        return State(net, target, self._known[content])

    def _remedies(self) -> Iterator[Remedy]:
        yield from REMEDIES[:BACKENDS]
        if isinstance(self.plugin, Fitting):
            yield Remedy("backend", "what the backend proposes", self._backend)
        yield from REMEDIES[BACKENDS:]

    def _backend(self, net: Network, target: Target, finding: Diagnostic) -> Iterator[Proposal]:
        assert isinstance(self.plugin, Fitting)
        yield from self.plugin.remedies(net, target, finding)

    def _key(self, finding: Diagnostic, state: State) -> Key:
        place = locate(state.net, finding.path)
        return finding.code, renumbered(place.path if place else finding.path, state.net, self.written)

    def _keys(self, state: State) -> set[Key]:
        return {self._key(finding, state) for finding in state.findings}

    def needed(self, steps: Sequence[Step]) -> State:
        """Where the steps lead, without those changes that later ones made superfluous: without any one of those that
        stay the target refuses the network, or refuses more of it."""
        state = steps[-1].after
        stuck = self._keys(state)
        while True:
            fewer = (self._without(state, group) for group in reversed(self.groups(steps, state)))
            back = next((other for other in fewer if other is not None and self._keys(other) <= stuck), None)
            if back is None:
                return state
            state = back

    def groups(self, steps: Sequence[Step], state: State) -> list[Group]:
        """All that tells a state from the network as written, by the step that changed it first, in their order; probes
        that are left out come last."""
        touched = [[d.path for d in step.differences(self.written)] for step in steps]
        by_step: dict[tuple[bool, int], list[Difference]] = {}
        for d in differences(self.written, self.target, state.net, state.target):
            first = next(k for k, paths in enumerate(touched) if any(related(d.path, path) for path in paths))
            by_step.setdefault((d.path.startswith("probes["), first), []).append(d)
        return [Group(steps[k].reason, tuple(found)) for (_, k), found in sorted(by_step.items())]

    def _without(self, state: State, group: Group) -> State | None:
        """The state with a group of changes taken back; None where that means nothing, and of probes."""
        options, changes = {}, {}
        for d in group.differences:
            if d.path.startswith("target.options."):
                options[d.path.removeprefix("target.options.")] = d.before
            else:
                changes[d.path] = d.before
        if any(path.startswith("probes[") for path in changes):
            return None
        net = edited(state.net, changes) if changes else state.net
        return None if net is None else self._state(net, state.target.with_options(**options))


def related(one: str, two: str) -> bool:
    """Whether one of two paths is, or lies below, the other."""
    return under(one, two) or under(two, one)


def under(path: str, prefix: str) -> bool:
    """Whether a path is one that begins with ``prefix``, in whole names."""
    return bool(prefix) and (path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")))
