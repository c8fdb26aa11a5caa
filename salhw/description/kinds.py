"""Open kinds: classes that can stand in one place of a description, told apart by ``kind``; and tables over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from salhw.description.fields import Model
from salhw.description.markers import unmarked
from salhw.diagnostics import Diagnostic, UnsupportedNetworkError
from salhw.diagnostics.wording import invalid, nearest, shown

T = TypeVar("T")
M = TypeVar("M", bound=Model)
GROUP = "salhw.kinds"
"""The entry point group of modules that define kinds; they are imported when a description names a kind that is not
known yet."""


def member(group: type[Kind], value: Any) -> Kind:
    """``value`` if it is of the group, or what its data describe."""
    if isinstance(value, group):
        return value
    members = group.members
    name = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    if name is None:
        one = "one of " if len(members) > 1 else "a "
        classes = ", ".join(member.__name__ for member in members.values())
        raise invalid("SAL001", shown(value), f"{one}{classes}", f"give one with kind = {' or '.join(members)}")
    if isinstance(name, str) and name not in members:
        _import_installed()
    if not isinstance(name, str) or name not in members:
        known = ", ".join(f"'{member}'" for member in members)
        asked = name if isinstance(name, str) else shown(name)
        raise invalid("SAL005", asked, f"one of {known}", nearest(name, members))
    instance: Kind = members[name].__pydantic_validator__.validate_python(value)
    return instance


def _dumped(value: Model, info: Any) -> dict[str, Any]:
    return value.model_dump(mode=info.mode)


def _import_installed() -> None:
    for entry in entry_points(group=GROUP):
        entry.load()


class Kind(Model):
    """A class that describes one kind of neuron, kernel, window, rule, connector, stimulus or probe.

    Each of these groups is a class of its own with a ``section``, what target files call it. A kind is a subclass of a
    group with a field ``kind: Literal["Name"] = "Name"``; it is known as soon as its class is made.

    Raises:
        TypeError: when a class is made: a field without its marker, or a name that another class of the group has.
    """

    section: ClassVar[str] = ""
    members: ClassVar[dict[str, type[Any]]] = {}
    """The kinds of the group by name, in the order in which they were defined."""
    common: ClassVar[tuple[str, ...]] = ()
    """Fields that every kind of the group has, each in its place among its own."""

    if TYPE_CHECKING:
        kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        if "section" in cls.__dict__:
            cls.members = {}
        if "kind" not in cls.model_fields:
            return
        if missing := [field for field in cls.common if field not in cls.model_fields]:
            raise TypeError(f"{cls.__name__}: every kind of {cls.section} has the fields {', '.join(missing)}")
        if not getattr(cls, "__pydantic_fields_complete__", True):
            raise TypeError(f"{cls.__name__}: annotations that cannot be resolved; define it where its types are known")
        if bare := unmarked(cls):
            raise TypeError(f"{cls.__name__}: no marker on {', '.join(bare)}; add a Mark or a Structure to Annotated")
        name = cls.model_fields["kind"].default
        known = cls.members.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{cls.__name__}: {cls.section} has a kind {name!r}, {known.__module__}.{known.__name__}")
        cls.members[name] = cls

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A field of a group holds any kind of it, those included that are defined later."""
        if "kind" in cls.model_fields:
            return handler(source)
        dumped = core_schema.plain_serializer_function_ser_schema(_dumped, info_arg=True)
        return core_schema.no_info_plain_validator_function(partial(member, cls), serialization=dumped)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        if "kind" in cls.model_fields:
            return super().__get_pydantic_json_schema__(schema, handler)
        choices = {name: member.__pydantic_core_schema__ for name, member in cls.members.items()}
        return handler(core_schema.tagged_union_schema(choices, discriminator="kind"))

    def parts(self) -> Iterator[tuple[str, Kind]]:
        """The fields that are of a kind of their own, by name: a rule's windows."""
        for name in type(self).model_fields:
            if isinstance(part := getattr(self, name), Kind):
                yield name, part


def parts_of(model: type[Kind]) -> Iterator[tuple[str, type[Kind]]]:
    """The fields of a class that hold a kind of their own, by name, with the group of these kinds."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Kind):
            yield name, info.annotation


def of_kind(item: Model, cls: type[M], what: str) -> M:
    """``item``, which has to be of one kind.

    Raises:
        UnsupportedNetworkError: SAL101 it is of another; ``what`` says who does not know it.
    """
    ByKind(what, {cls: None})[item]
    assert isinstance(item, cls)
    return item


def only(items: Iterable[Model], cls: type[M]) -> list[M]:
    """The items of one kind: a network's stimuli that are ``SpikeTimes``, say."""
    return [item for item in items if isinstance(item, cls)]


class ByKind(Generic[T]):
    """Something for each kind that is known, by class: how a backend lowers it, the code it has, how it is measured.

    Args:
        what: whose table it is, for the error of a kind that is not in it.
        known: the entries by class. Nothing is inherited: a kind that is not listed is not known.
    """

    def __init__(self, what: str, known: Mapping[type[Model], T] | None = None) -> None:
        self.what, self._known = what, dict(known or {})

    def register(self, cls: type[Model]) -> Callable[[T], T]:
        """A decorator that enters a function for the kind ``cls``."""

        def enter(entry: T) -> T:
            self._known[cls] = entry
            return entry

        return enter

    @property
    def kinds(self) -> Mapping[type[Model], T]:
        """The entries by class."""
        return self._known

    def __getitem__(self, item: Model) -> T:
        """The entry for the kind of ``item``.

        Raises:
            UnsupportedNetworkError: SAL101 there is none.
        """
        if item not in self:
            headline = f"UnsupportedNetworkError: {self.what} does not know {kind_name(item)!r}"
            raise UnsupportedNetworkError(headline, [*self.refused(self.what, item)])
        return self._known[type(item)]

    def __contains__(self, item: object) -> bool:
        return type(item) in self._known

    def refused(self, path: str, item: Model) -> Iterator[Diagnostic]:
        """A finding at ``path`` if the kind of ``item`` is not known."""
        if item not in self:
            names = ", ".join(sorted(map(kind_name, self._known)))
            yield Diagnostic("SAL101", path, kind_name(item), f"supported {names or 'none'}", "choose one of these")


def kind_name(item: Model | type[Model]) -> str:
    """What files and targets call a kind: the ``kind`` of its class, the class's name where it has none."""
    cls = item if isinstance(item, type) else type(item)
    return str(cls.model_fields["kind"].default) if "kind" in cls.model_fields else cls.__name__
