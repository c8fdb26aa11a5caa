"""fit(): a description changed as little as a target needs to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from salhw.compiler.check import check
from salhw.compiler.edits import canonical, edited, everything
from salhw.compiler.findings import chosen_plugin, unsupported
from salhw.compiler.fitting import Fitter, State, Step, under
from salhw.compiler.sizes import sizes
from salhw.description.network import Network
from salhw.diagnostics import DescriptionError, Diagnostic, counted
from salhw.diagnostics.arguments import instance_of, sequence_of
from salhw.diagnostics.html import section
from salhw.diagnostics.wording import nearest, one_of, shortened_list, shown
from salhw.registry import backend, resolve
from salhw.session.backend import Backend
from salhw.session.changes import Change, tables
from salhw.substrate.target import Target

MOST = 12
"""The most changes that an error names."""

Stage = tuple[Change, Network, Network]
"""A change, the network before it, and the network with it."""


@dataclass(frozen=True)
class Fitted:
    """A network that a target holds, and what was changed to get there.

    Args:
        network: the changed description, in which drawn synapses are listed; the one that was written, if nothing had
            to change.
        target: the target, with the options that were changed.
        changes: in the order in which they were made; empty if nothing had to change. Probes are counted as in
            ``written``.
        written: the description that was asked for.
        stages: of each change, the networks before and after the step that it is part of.
    """

    network: Network
    target: Target
    changes: tuple[Change, ...]
    written: Network
    stages: tuple[tuple[Network, Network], ...] = field(default=(), compare=False, repr=False)

    def sized(self) -> Fitted:
        """The same with the size of every change, for which theory or the reference runs both networks
        (docs/sizes.md)."""
        each = zip(self.changes, self.stages, strict=True)
        return replace(self, changes=tuple(replace(change, sizes=sizes(*stage)) for change, stage in each))

    def __str__(self) -> str:
        head = f"{self.written.name} on {self.target.name}: "
        if not self.changes:
            return f"{head}runs as it is written"
        lines = [f"{head}{counted('change', self.changes)}"]
        for change in self.changes:
            lines += [f"  {change}", f"    because {change.because}"]
            lines += [f"    {effect}" for effect in change.effects]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return {
            "network": self.written.name,
            "target": self.target.name,
            "written_hash": self.written.content_hash,
            "fitted_hash": self.network.content_hash,
            "options": {name: option.value for name, option in self.target.options.items()},
            "changes": [change.as_dict() for change in self.changes],
        }

    def _repr_html_(self) -> str:
        """The changes and their sizes as tables, for notebooks."""
        return section(str(self).splitlines()[0], *tables(self.changes))


def fit(
    net: Network,
    target: Target | str,
    *,
    keep: Sequence[str] = (),
    plugin: Backend | None = None,
    sized: bool = True,
) -> Fitted:
    """Change a network as little as a target needs to hold it; what the target holds stays as it is.

    Each finding of the target is answered by the first remedy that helps, in the order of ``docs/fit.md``: an option of
    the target, an exact rewriting, the host, then the nearest that the target has. In the end every change is needed:
    without any one of them the target would refuse the network.

    Args:
        target: a Target or the name of one.
        keep: paths of what must not change, as diagnostics and sessions have them (``projections.pair.plasticity``,
            ``populations.neurons.bias``, ``dt``, ``target.options``); a path keeps all that lies below it.
        plugin: as in ``compile``.
        sized: whether every change carries its size, for which theory or the reference runs both networks
            (docs/sizes.md); without it the changes are there at once.

    Raises:
        DescriptionError: what was given is no network; a path to be kept that is nothing of it.
        UnsupportedNetworkError: with every finding that no change answers, and what else would have to change.
        BackendError: no such target.
    """
    instance_of("net", net, Network, "give a salhw.Network, as salhw.load returns it")
    target = resolve(target)
    plugin = chosen_plugin(plugin) or backend(target.backend)
    written, net = net, net.explicit
    fitter = Fitter(net, target, plugin, _kept(net, target, keep))
    attempt = fitter.search()
    if attempt.stuck:
        besides = _stages(net, fitter, attempt.steps, fitter.needed(attempt.steps)) if attempt.steps else []
        raise unsupported(net, target, attempt.stuck, _also_needed([change for change, _, _ in besides]))
    if not attempt.steps:
        return Fitted(net if check(written, target) else written, target, (), written)
    last = fitter.needed(attempt.steps)
    stages = _stages(net, fitter, attempt.steps, last)
    changes, networks = tuple(change for change, _, _ in stages), tuple((before, after) for _, before, after in stages)
    made = Fitted(last.net, last.target, changes, written, networks)
    return made.sized() if instance_of("sized", sized, bool, "give True or False") else made


def _also_needed(changes: Sequence[Change]) -> str:
    """What would have to change besides, a line for each."""
    lines = shortened_list([str(change) for change in changes], MOST)
    return "\n".join([f"Also needs: {lines[0]}", *(f"  {line.strip()}" for line in lines[1:])]) if lines else ""


def _kept(net: Network, target: Target, keep: Sequence[str]) -> dict[str, Any]:
    """What must not change, by path.

    Raises:
        DescriptionError: SAL009 paths that name nothing of the network or the target's options.
    """
    known = everything(net, target, net)
    kept: dict[str, Any] = {}
    findings = []
    for k, path in enumerate(sequence_of("keep", keep, str)):
        whole = canonical(path, known)
        below = {other: value for other, value in known.items() if under(other, whole)}
        kept |= below
        if not below:
            near = [other for other in known if under(other, whole.rpartition(".")[0])] or known
            findings.append(Diagnostic("SAL009", f"keep[{k}]", shown(path), one_of(near), nearest(path, known)))
    if findings:
        raise DescriptionError("DescriptionError: cannot keep what is not there", findings)
    return kept


def _stages(net: Network, fitter: Fitter, steps: Sequence[Step], last: State) -> list[Stage]:
    """Every difference between what was written and the last state, in the order in which it was first changed, with
    the networks before and after the step that it is part of; where a step alone means nothing, the next ones are in
    it."""
    groups, before = fitter.groups(steps, last), net
    stages: list[Stage] = []
    pending: list[Change] = []
    values: dict[str, Any] = {}
    for k, group in enumerate(groups):
        pending += [Change(d.path, d.written, d.changed, group.reason) for d in group.differences]
        values |= {d.path: d.after for d in group.differences if not d.path.startswith("target.")}
        after = last.net if k == len(groups) - 1 else edited(before, values)
        if after is not None:
            stages += [(change, before, after) for change in pending]
            before, pending, values = after, [], {}
    return stages
