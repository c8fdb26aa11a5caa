"""A saved network is the network; whatever else lies at the path is refused, and a crash leaves the old file whole."""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from unit_examples import everything, networks, pair

import salhw
from salhw import GLM, DescriptionError, FileError, Network, Population, Projection
from salhw.cli import schemas

RANDOM = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def large(seed: int = 0) -> Network:
    """A network with a matrix above 4096 elements and one below."""
    weights = np.random.default_rng(seed).normal(size=(70, 70))
    np.fill_diagonal(weights, 0.0)
    populations = [Population(name="a", size=70, neuron=GLM(bias=np.arange(70) / 7))]
    return Network(
        name="large",
        dt=0.5,
        populations=populations,
        projections=[Projection("aa", pre="a", post="a", weights=weights)],
    )


@RANDOM
@given(net=networks())
def test_a_random_network_survives_the_file_exactly(net: Network, tmp_path: Path) -> None:
    again = salhw.load(net.save(tmp_path / "net.json"))
    assert again == net
    assert again.content_hash == net.content_hash


def test_floats_survive_to_the_last_bit(tmp_path: Path) -> None:
    odd = [0.1, 1 / 3, math.pi * 1e-300, 5e-324, 1.7976931348623157e308, -0.0, 2.0**53 + 2]
    net = Network(name="n", dt=0.1, populations=[Population(name="a", size=len(odd), neuron=GLM(bias=odd))])
    bias = salhw.load(net.save(tmp_path / "n.json")).populations[0].neuron.bias
    assert struct.pack(f"{len(odd)}d", *bias) == struct.pack(f"{len(odd)}d", *odd)


def test_large_arrays_lie_beside_the_json(tmp_path: Path) -> None:
    net = large()
    path = net.save(tmp_path / "net.json")
    assert salhw.load(path) == net
    assert path.stat().st_size < 10_000
    (arrays,) = tmp_path.glob("*.h5")
    assert re.fullmatch(r"net\.[0-9a-f]{12}\.h5", arrays.name)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["net.json", arrays.name])
    everything().save(tmp_path / "small.json")
    assert [p.name for p in tmp_path.glob("small.*")] == ["small.json"]


def test_saving_again_replaces_the_arrays_and_leaves_others_alone(tmp_path: Path) -> None:
    other = tmp_path / "net.h5"
    other.write_bytes(b"somebody else's")
    path = large(0).save(tmp_path / "net.json")
    large(1).save(path)
    assert salhw.load(path) == large(1)
    assert len(list(tmp_path.glob("net.*.h5"))) == 1
    pair().save(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.h5", "net.json"]
    assert other.read_bytes() == b"somebody else's"


def test_equal_arrays_are_stored_once(tmp_path: Path) -> None:
    net = large()
    again = net.replace(projections=[net.projections[0], net.projections[0].replace(name="bb")])
    path = again.save(tmp_path / "net.json")
    assert salhw.load(path) == again
    with h5py.File(next(tmp_path.glob("*.h5"))) as file:
        assert len(file) == 1


@pytest.mark.parametrize("last", [".json", ".h5"])
def test_a_crash_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str) -> None:
    path = large(0).save(tmp_path / "net.json")
    replace = Path.replace

    def crash(self: Path, target: Path) -> Path:
        if str(target).endswith(last):
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        large(1).save(path)
    monkeypatch.undo()
    assert salhw.load(path) == large(0)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_full_disk_is_a_file_error_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pair().save(tmp_path / "net.json")

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)  # some file systems say it only now
    with pytest.raises(FileError, match="No space left") as caught:
        everything().save(path)
    monkeypatch.undo()
    assert caught.value.diagnostics[0].path == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.json"]
    assert salhw.load(path) == pair()


def test_a_missing_folder_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="SAL501"):
        pair().save(tmp_path / "none" / "net.json")


def change(**fields: Any) -> Callable[[Path], None]:
    """Change top level fields of a saved file; None removes one."""

    def apply(path: Path) -> None:
        document = json.loads(path.read_text()) | fields
        path.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))

    return apply


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "an existing file"),
        (lambda path: (path.unlink(), path.mkdir()), "an existing file"),
        (lambda path: path.write_text(path.read_text()[:-50]), "JSON"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00salhw"), "JSON"),
        (lambda path: path.write_text("[" * 100_000), "JSON"),
        (lambda path: path.write_text('{"name": "package.json"}'), "format 'salhw.network'"),
        (lambda path: path.write_text("[]"), "format 'salhw.network'"),
        (change(format="salhw.recording"), "format 'salhw.network'"),
        (change(version=2), "version 2: version 1\n       fix: upgrade salhw"),
        (change(version=None), "version None: version 1\n       fix: write it with Network.save"),
        (change(version=0), "version 0: version 1\n       fix: write it with Network.save"),
    ],
)
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, damage: Callable[[Path], Any], said: str) -> None:
    path = pair().save(tmp_path / "net.json")
    damage(path)
    with pytest.raises(FileError, match=re.escape(said)) as caught:
        salhw.load(path)
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.path) == ("SAL501", str(path))
    assert finding.fix


def test_a_file_with_an_invalid_network_names_the_paths(tmp_path: Path) -> None:
    path = pair().save(tmp_path / "net.json")
    text = path.read_text()
    path.write_text(text.replace('"tau_ref": 10.0', '"tau_ref": 10.1').replace('"delay": 0.0', '"delay": NaN'))
    with pytest.raises(DescriptionError) as caught:
        salhw.load(path)
    assert [f.path for f in caught.value.diagnostics] == ["projections.pair.delay"]
    path.write_text(text.replace('"tau_ref": 10.0', '"tau_ref": 10.1'))
    with pytest.raises(DescriptionError) as caught:
        salhw.load(path)
    assert [f.path for f in caught.value.diagnostics] == ["populations.neurons.tau_ref"]
    change(network=None)(path)
    with pytest.raises(DescriptionError, match="Network"):
        salhw.load(path)


def reference(name: str) -> Callable[[Path, Path], None]:
    """Make the JSON refer to ``name`` for its array."""

    def apply(path: Path, arrays: Path) -> None:
        path.write_text(re.sub(r'"\$array": "[^#]*#', f'"$array": "{name}#', path.read_text()))

    return apply


def other_numbers(path: Path, arrays: Path) -> None:
    with h5py.File(arrays, "r+") as file:
        file[next(iter(file))][0, 1] += 1e-9


def no_numbers(path: Path, arrays: Path) -> None:
    with h5py.File(arrays, "r+") as file:
        del file[next(iter(file))]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path, arrays: arrays.unlink(), "keep the .json and the .h5 together"),
        (lambda path, arrays: arrays.write_bytes(arrays.read_bytes()[:2000]), "a readable array"),
        (lambda path, arrays: arrays.write_text("not HDF5"), "a readable array"),
        (other_numbers, "this one differs"),
        (no_numbers, "a readable array"),
        (reference("../secret.h5"), "a file beside it"),
        (reference("/etc/passwd"), "a file beside it"),
        (reference(".."), "a file beside it"),
        (reference(""), "a file beside it"),
    ],
)
def test_damaged_arrays_are_refused(tmp_path: Path, damage: Callable[[Path, Path], Any], said: str) -> None:
    path = large().save(tmp_path / "net.json")
    damage(path, next(tmp_path.glob("*.h5")))
    with pytest.raises(FileError, match=re.escape(said)):
        salhw.load(path)


# the JSON Schema ----------------------------------------------------------------------------------------------------

ANNOTATIONS = {"title", "description", "default", "discriminator", "$defs", "$schema"}
TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "null": type(None), "number": (int, float)}
TYPES |= {"integer": int, "boolean": bool}


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """JSON Schema as far as ours goes; a keyword beyond that fails the test."""
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    good = True
    for key, wanted in schema.items():
        match key:
            case "type":
                good &= isinstance(value, TYPES[wanted]) and isinstance(value, bool) == (wanted == "boolean")
            case "const":
                good &= value == wanted
            case "enum":
                good &= value in wanted
            case "pattern":
                good &= isinstance(value, str) and re.search(wanted, value) is not None
            case "minimum":
                good &= not isinstance(value, int | float) or value >= wanted
            case "maximum":
                good &= not isinstance(value, int | float) or value <= wanted
            case "maxLength":
                good &= not isinstance(value, str) or len(value) <= wanted
            case "exclusiveMinimum":
                good &= not isinstance(value, int | float) or value > wanted
            case "minItems" | "maxItems":
                good &= not isinstance(value, list) or (len(value) - wanted) * (1 if key == "minItems" else -1) >= 0
            case "items":
                good &= not isinstance(value, list) or all(fits(v, wanted, root) for v in value)
            case "prefixItems":
                pairs = zip(value, wanted, strict=False) if isinstance(value, list) else ()
                good &= all(fits(v, s, root) for v, s in pairs)
            case "anyOf":
                good &= any(fits(value, s, root) for s in wanted)
            case "oneOf":
                good &= sum(fits(value, s, root) for s in wanted) == 1
            case "required":
                good &= not isinstance(value, dict) or set(wanted) <= value.keys()
            case "additionalProperties":
                assert wanted is False
                good &= not isinstance(value, dict) or value.keys() <= schema["properties"].keys()
            case "patternProperties":
                known = value.items() if isinstance(value, dict) else ()
                good &= all(fits(v, s, root) for k, v in known for p, s in wanted.items() if re.search(p, k))
            case "propertyNames":
                good &= not isinstance(value, dict) or all(fits(name, wanted, root) for name in value)
            case "properties":
                known = value.items() if isinstance(value, dict) else ()
                good &= all(fits(v, wanted[k], root) for k, v in known if k in wanted)
            case _:
                assert key in ANNOTATIONS, key
        if not good:
            return False
    return good


SCHEMA = json.loads(Network.json_schema())


@RANDOM
@given(net=networks())
def test_saved_networks_fit_the_schema(net: Network, tmp_path: Path) -> None:
    document = json.loads(net.save(tmp_path / "net.json").read_text())
    assert fits(document["network"], SCHEMA, SCHEMA)


def test_the_schema_describes_arrays_and_their_references(tmp_path: Path) -> None:
    document = json.loads(large().save(tmp_path / "net.json").read_text())["network"]
    assert "$array" in document["projections"][0]["weights"]["values"]
    assert fits(document, SCHEMA, SCHEMA)
    for bad in ("many", [1.0, 2.0], [[["1"]]], {"$array": "net.h5#x"}):
        document["projections"][0]["weights"]["values"] = bad
        assert not fits(document, SCHEMA, SCHEMA), bad


def test_the_schema_refuses_what_no_file_holds(tmp_path: Path) -> None:
    text = everything().save(tmp_path / "net.json").read_text()
    for old, new in (
        ('"kind": "GLM",', ""),
        ('"kind": "GLM"', '"kind": "HodgkinHuxley"'),
        ('"dt": 0.5', '"dt": 0'),
        ('"bias": [', '"bais": ['),
        ('"name": "a"', '"name": "a b"'),
        ('"size": 3', '"size": 3.5'),
    ):
        assert old in text
        assert not fits(json.loads(text.replace(old, new, 1))["network"], SCHEMA, SCHEMA), old


def test_the_schemas_in_docs_are_up_to_date(tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs"
    for path in schemas.write(tmp_path):
        again = "run `python -m salhw.cli.schemas` in the root of the repository"
        assert (docs / path.name).read_bytes() == path.read_bytes(), again
    assert {path.name for path in docs.glob("*.schema.json")} == schemas.SCHEMAS.keys()
