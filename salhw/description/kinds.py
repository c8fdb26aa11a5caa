"""What is known for each kind of neuron, kernel, window, rule, stimulus or probe: tables that refuse other kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from salhw.description.fields import Model
from salhw.diagnostics import Diagnostic, UnsupportedNetworkError

T = TypeVar("T")


class ByKind(Generic[T]):
    """Something for each kind that is known, by class: how a backend lowers it, what code it has, how it is measured.

    Args:
        what: whose table it is, for the error of a kind that is not in it.
        known: the entries by class. Nothing is inherited: a kind that is not listed is not known.
    """

    def __init__(self, what: str, known: Mapping[type[Model], T]) -> None:
        self.what, self._known = what, dict(known)

    def __getitem__(self, item: Model) -> T:
        """The entry for the kind of ``item``.

        Raises:
            UnsupportedNetworkError: SAL101 there is none.
        """
        if type(item) not in self._known:
            kind = getattr(item, "kind", type(item).__name__)
            headline = f"UnsupportedNetworkError: {self.what} does not know {kind!r}"
            raise UnsupportedNetworkError(headline, [self._finding(self.what, item)])
        return self._known[type(item)]

    def __contains__(self, item: object) -> bool:
        return type(item) in self._known

    def _finding(self, path: str, item: Model) -> Diagnostic:
        kind = getattr(item, "kind", type(item).__name__)
        names = ", ".join(sorted(cls.__name__ for cls in self._known))
        return Diagnostic("SAL101", path, kind, f"supported {names or 'none'}", "choose one of these")

    def refused(self, path: str, item: Model) -> Iterator[Diagnostic]:
        """A finding at ``path`` if the kind of ``item`` is not known."""
        if item not in self:
            yield self._finding(path, item)
