"""Backends as plug-ins: found, compiled for, and refused when they are broken."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from unit_examples import pair, weak

import salhw
from salhw import BackendError, Network, Target, UnsupportedNetworkError, registry
from salhw.session.lowering import Lowering

REFERENCE = salhw.target("reference")


class Fake:
    """A plug-in as a third party would write it."""

    name = "fake"

    def __init__(self, own: Any = None) -> None:
        self.own = own

    def targets(self) -> Any:
        if isinstance(self.own, Exception):
            raise self.own
        return self.own or {"toy": REFERENCE.replace(name="toy", backend="fake")}

    def lower(self, net: Network, target: Target) -> Lowering:
        return Lowering(net, notes=("algorithm: none",))

    def open(self, executable: Any, *, chips: Any, ids: Any, seed: int) -> Any:
        return ("opened", [c.target for c in chips], ids, seed)


FAKE: Any = Fake()
NO_BACKEND = object()


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Register plug-ins beside the reference."""

    def clear() -> None:
        registry.backends.cache_clear()
        registry.targets.cache_clear()

    def add(*values: str) -> None:
        entries = [EntryPoint("reference", "salhw_reference:backend", registry.BACKENDS)]
        entries += [EntryPoint(f"plugin{k}", value, registry.BACKENDS) for k, value in enumerate(values)]
        monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == registry.BACKENDS else [])
        clear()

    yield add
    monkeypatch.undo()
    clear()


def test_a_plugin_is_found_compiled_for_and_opened(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install(f"{__name__}:FAKE")
    assert sorted(salhw.targets()) == ["reference", "toy"]
    exe = salhw.compile(pair(), "toy")
    assert exe.report.notes == ("algorithm: none",)
    assert exe.open(instances=[2, 5], seed=9) == ("opened", ["toy", "toy"], (2, 5), 9)
    with pytest.raises(UnsupportedNetworkError, match="Also runs on: reference, toy"):
        salhw.compile(pair(), weak())


@pytest.mark.parametrize(
    ("value", "own", "said"),
    [
        ("no_such_module_at_all:backend", None, "ModuleNotFoundError"),
        (f"{__name__}:NO_BACKEND", None, "object with name, targets"),
        (f"{__name__}:NO_SUCH_NAME", None, "AttributeError"),
        (f"{__name__}:FAKE", ValueError("bad TOML"), "ValueError: bad TOML"),
        (f"{__name__}:FAKE", {"reference": salhw.target("reference")}, "a second target called 'reference'"),
    ],
)
def test_a_broken_plugin_is_a_backend_error(
    install: Any, monkeypatch: pytest.MonkeyPatch, value: str, own: Any, said: str
) -> None:
    monkeypatch.setattr(FAKE, "own", own)
    install(value)
    with pytest.raises(BackendError, match=said) as caught:
        salhw.targets()
    assert [f.code for f in caught.value.diagnostics] == ["SAL602"]


def test_two_plugins_of_one_name_are_a_backend_error(install: Any) -> None:
    install(f"{__name__}:FAKE", f"{__name__}:FAKE")
    with pytest.raises(BackendError, match="a second backend called 'fake'"):
        salhw.targets()


def test_an_unknown_target_lists_the_known_ones(install: Any) -> None:
    install(f"{__name__}:FAKE")
    with pytest.raises(BackendError) as caught:
        salhw.compile(pair(), "referense")
    (finding,) = caught.value.diagnostics
    assert finding.supported == "one of reference, toy"
    assert (finding.code, finding.path, finding.fix) == ("SAL601", "target", "did you mean reference?")
    with pytest.raises(BackendError, match="SAL601 backend = 'gone': one of fake, reference"):
        salhw.compile(pair(), REFERENCE.replace(backend="gone"))
