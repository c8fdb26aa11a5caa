"""A network without parts of it, and without what names these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from salhw.description.fields import Model
from salhw.description.grid import in_steps
from salhw.description.markers import structure
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.description.probes import SynapseVariable, Variable
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number


def accepted(net: Network, refused: Callable[[Network], Sequence[Diagnostic]]) -> Network | None:
    """The network without the parts that are ``refused``; None if nothing is left to run."""
    for _ in range(100):
        findings = refused(net)
        if not findings:
            return net
        smaller = sooner(net, findings[0]) or without(net, findings[0].path)
        if smaller is None:
            return None
        net = smaller
    return None


def sooner(net: Network, finding: Diagnostic) -> Network | None:
    """The network with half the period of a rule whose update is refused; None where there is nothing to halve."""
    for at, p in enumerate(net.projections):
        for k, rule in enumerate(p.plasticity):
            period = in_steps(rule.period or 0.0, net.dt) or 0
            if (
                finding.severity == "error"
                and finding.path == f"projections.{p.name}.{rule_name(p, k)}.update"
                and period > 1
            ):
                rules, projections = list(p.plasticity), list(net.projections)
                rules[k] = rule.replace(update=f"every {number(period // 2 * net.dt)} ms")
                projections[at] = p.replace(plasticity=rules)
                return net.replace(projections=projections)
    return None


def without(net: Network, path: str) -> Network | None:
    """The network without the part that a path lies in, and without what names it; None if that cannot be."""
    group, _, rest = path.replace("[", ".").replace("]", "").partition(".")
    name, _, rest = rest.partition(".")
    items: list[Any] = list(getattr(net, group, ()) if group != "dt" else ())
    at = int(name) if name.isdigit() else next((k for k, item in enumerate(items) if item.name == name), -1)
    if not 0 <= at < len(items):
        return None
    if group == "projections" and rest.startswith("plasticity"):
        digits = rest.removeprefix("plasticity").lstrip(".").partition(".")[0]
        rules, k = list(items[at].plasticity), int(digits) if digits.isdigit() else 0
        rule = rules.pop(k)
        if rest.endswith(".bounds") and rule.bounds is not None and items[at].e_rev is None:  # it is left without them
            rules.insert(k, rule.replace(bounds=None))
        if rest.endswith(".execution") and rule.execution == "chip":  # it is left to the host
            rules.insert(k, rule.replace(execution="host"))
        items[at] = items[at].replace(plasticity=rules)
        return net.replace(**{group: items})
    if group == "projections" and rest == "short_term":
        blind = [p for p in net.probes if not (isinstance(p, SynapseVariable) and p.projection == items[at].name)]
        items[at] = items[at].replace(short_term=None)
        return net.replace(**{group: items, "probes": blind})
    gone = items.pop(at)
    parts = {each: list(getattr(net, each)) for each in GROUPS} | {group: items}
    return _consistent(net, parts, {group: {getattr(gone, "name", "")}})


GROUPS = ("populations", "projections", "stimuli", "probes", "traces", "ties")


def _consistent(net: Network, parts: dict[str, list[Any]], gone: dict[str, set[str]]) -> Network | None:
    """A network of these parts, less what names something that is gone, and less what names that in turn."""

    def names(item: Model) -> bool:
        named = [(marker.names, getattr(item, field)) for field, marker in structure(type(item)) if marker.names]
        named += [("projection", item.of_projection)] if isinstance(item, Variable) else []
        return any(name in gone.get(f"{group}s", ()) for group, name in named)

    kept = {each: [item for item in items if not names(item)] for each, items in parts.items()}
    kept["projections"] = [
        p.replace(plasticity=[rule for rule in p.plasticity if not names(rule)]) for p in kept["projections"]
    ]
    lost = {
        each: {item.name for item in parts[each]} - {item.name for item in kept[each]}
        for each in ("projections", "traces")
    }
    if not kept["populations"]:
        return None
    return _consistent(net, kept, lost) if any(lost.values()) else net.replace(**kept)
