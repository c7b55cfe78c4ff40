"""Recorded modules: the torch modules that a weights file describes, and which kinds of them can be built.

A kind is known by its class's name and by all its attributes. One that has another attribute, a hook or a `forward` of
its own computes something else than we know of: the network is left to ultralytics then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from poseline.inference.unpickler import Record
from poseline.inference.weights_file import Tensor
from poseline.pose import Floats

Value: TypeAlias = Any
"""An output of an OpenVINO operation."""
Build: TypeAlias = "Callable[[Module, Value], Value]"

_EVERY_MODULE = {
    "training", "_parameters", "_buffers", "_non_persistent_buffers_set", "_backward_pre_hooks", "_backward_hooks",
    "_is_full_backward_hook", "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_modules", "i", "f", "type", "np", "forward",
    "inplace",
}  # fmt: skip
"""Attributes that torch and ultralytics give to modules of all kinds."""
_HOOKS = sorted(name for name in _EVERY_MODULE if "forward" in name and name != "forward")
_PLACES = "_modules", "_parameters", "_buffers"
_MOST_BUILT = 10_000
"""Modules that a network may have built; the largest published one has about two thousand."""


class UnknownNetworkError(Exception):
    """The network has a part that we do not know; the text says which."""


class _Kind(NamedTuple):
    build: Build
    attributes: frozenset[str]


_KINDS: dict[str, _Kind] = {}


def builds(*kinds: str, attributes: str = "") -> Callable[[Build], Build]:
    """A decorator: this function builds modules of these kinds, which have some of these attributes and no others."""

    def register(build: Build) -> Build:
        _KINDS.update(dict.fromkeys(kinds, _Kind(build, frozenset(attributes.split()))))
        return build

    return register


def build(module: Module, value: Value) -> Value:
    """The module's output for this input, built.

    Raises:
        UnknownNetworkError: it is of a kind, or has an attribute, that we do not know.
    """
    module.check()
    module.budget.spend(module)
    return _KINDS[module.kind].build(module, value)


class _Budget:
    """A file may describe a network that has itself as a part, or the same part a million times."""

    def __init__(self) -> None:
        self._left = _MOST_BUILT

    def spend(self, module: Module) -> None:
        self._left -= 1
        if self._left < 0:
            raise UnknownNetworkError(f"{module.name}: more modules than any network has")


class Module:
    """A recorded module: its kind, and its attributes wherever torch keeps them.

    Raises:
        UnknownNetworkError: it is no module, or has hooks or a `forward` of its own.
    """

    def __init__(self, record: Any, name: str, budget: _Budget | None = None) -> None:
        if not isinstance(record, Record) or not isinstance(record.state, dict):
            raise UnknownNetworkError(f"{name}: is no module")
        self.kind, self._state, self.name = record.path.rpartition(".")[2], record.state, name
        self.budget = budget or _Budget()
        if any(self._state.get(hook) for hook in _HOOKS):
            raise UnknownNetworkError(f"{name}: has hooks")
        forward = self._state.get("forward")
        if forward is not None and not _is_method_of(forward, record):
            raise UnknownNetworkError(f"{name}: has a forward of its own")

    def check(self) -> None:
        """Raise an UnknownNetworkError where the kind or an attribute is not known."""
        if self.kind not in _KINDS:
            raise UnknownNetworkError(f"{self.name}: is a {self.kind}")
        if self.kind in ("Sequential", "ModuleList"):  # their children are not attributes
            return
        names = {name for place in _PLACES for name in self._state.get(place) or ()} | self._state.keys()
        unknown = names - _EVERY_MODULE - _KINDS[self.kind].attributes
        if unknown:
            raise UnknownNetworkError(f"{self.name}: is a {self.kind} with {', '.join(sorted(map(str, unknown)))}")

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute: a `Module`, a `Tensor`, or a plain value."""
        for place in _PLACES:
            found = (self._state.get(place) or {}).get(name)
            if found is not None:
                return self._child(found, name) if place == "_modules" else found
        found = self._state.get(name)
        return default if found is None else found

    def child(self, name: str) -> Module:
        """An attribute that is a module."""
        found: Module = _need(self, name, Module)
        return found

    def integer(self, name: str) -> int:
        """An attribute that is a number."""
        return int(_need(self, name, int))

    def pair(self, name: str, default: Any = None) -> list[int]:
        """An attribute of two small numbers, or of one that stands for two."""
        value = self.get(name, default)
        both = [value, value] if isinstance(value, int) else list(_sequence(self, name, value))
        if len(both) != 2 or not all(isinstance(n, int) and 0 <= n <= 64 for n in both):
            raise UnknownNetworkError(f"{self.name}: {name} is {both}")
        return both

    def tensor(self, name: str) -> Floats:
        """An attribute that is a tensor of numbers, as float32."""
        tensor = _need(self, name, Tensor)
        if 0 in tensor.shape:
            raise UnknownNetworkError(f"{self.name}: {name} is empty")
        return np.asarray(tensor.array(), np.float32)

    def children(self) -> Iterator[Module]:
        """Those of a `Sequential` or a `ModuleList`, in order."""
        for name, found in (self._state.get("_modules") or {}).items():
            yield self._child(found, name)

    def _child(self, record: Any, name: str) -> Module:
        return Module(record, f"{self.name}.{name}", self.budget)


def _need(module: Module, name: str, kind: type[Any]) -> Any:
    found = module.get(name)
    if not isinstance(found, kind):
        raise UnknownNetworkError(f"{module.name}: is a {module.kind} without {name}")
    return found


def _sequence(module: Module, name: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, (tuple, list)):
        raise UnknownNetworkError(f"{module.name}: {name} is no pair of numbers")
    return value


def _is_method_of(value: Any, record: Record) -> bool:
    """Whether it is `record.forward_fuse`, which fused modules have in place of `forward`."""
    return (
        isinstance(value, Record)
        and value.path.endswith(".getattr")
        and value.arguments in ((record, "forward_fuse"), (record, "forward"))
    )
