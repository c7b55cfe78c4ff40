"""Restricted unpickler: a pickle as inert records. Nothing in it runs, and nothing is imported for it.

A pickle is a program for a small stack machine: it may name any class or function of Python and call it. Here a name
stays a `Name`, a call makes a `Record` of it, and only the few functions that are given are really called. The machine
knows the operations that torch writes (pickle protocols 2 to 5) and no others. Time and memory are bounded by the
number of operations: no operation copies more than a few objects, and nothing that takes long to hash is hashed.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any

_MOST_BYTES = 16 << 20
_MOST_OPERATIONS = 1_000_000
"""The published networks need 20,000 to 100,000, a checkpoint in the middle of a training some more."""
_MOST_ARGUMENTS = 16
_LONGEST_NAME = 300
_LARGEST_KEY = 1 << 31
"""Python's dictionaries are slow where large numbers are chosen to collide."""


class NotData(Exception):
    """A pickle that is damaged, or asks for more than data."""


class Name:
    """A class or function that the pickle names, by `module.name`; never imported."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class Record:
    """An object that the pickle describes: its class, what it was made with, its state. Does nothing."""

    __slots__ = ("arguments", "items", "path", "state")

    def __init__(self, path: str, arguments: tuple[Any, ...]) -> None:
        self.path, self.arguments = path, arguments
        self.state: Any = None
        self.items: list[Any] = []
        """What was appended to it, where its class is one of lists; (key, value) where it is one of dictionaries."""


class Unpickler:
    """Reads one pickle.

    Args:
        data: the pickle.
        functions: what is called where the pickle calls the function of that name; called with a few arguments.
        persistent: makes an object of a persistent id.
        allowed: whether a module and a name in it may be named.
    """

    def __init__(
        self, data: bytes, functions: Mapping[str, Callable[..., Any]], persistent: Callable[[Any], Any],
        allowed: Callable[[str, str], bool],
    ) -> None:  # fmt: skip
        self._data, self._at = data, 0
        self._functions, self._persistent, self._allowed = functions, persistent, allowed
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        """The stacks under the marks."""
        self._memo: dict[int, Any] = {}
        self._names: dict[str, Name] = {}

    def load(self) -> Any:
        """What is pickled.

        Raises:
            NotData: it is damaged, names what is not allowed, or is larger than any network's.
        """
        if len(self._data) > _MOST_BYTES:
            raise NotData(f"its pickle has {len(self._data)} bytes, more than any network's")
        try:
            for _ in range(_MOST_OPERATIONS):
                code = self._take(1)
                if code == pickle.STOP:
                    return self._stack.pop()
                operation = _OPERATIONS.get(code)
                if operation is None:
                    raise NotData(f"operation {code!r} of its pickle is none that torch writes")
                operation(self)
        except (IndexError, KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
            raise NotData(f"its pickle is damaged ({type(error).__name__})") from error
        raise NotData(f"its pickle has over {_MOST_OPERATIONS} operations, more than any network's")

    # ---- reading

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise NotData("its pickle is cut off")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> str:
        end = self._data.find(b"\n", self._at, self._at + _LONGEST_NAME)
        if end < 0:
            raise NotData("its pickle is damaged (a name without an end)")
        line = self._take(end - self._at).decode()
        self._at += 1
        return line

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    # ---- operations

    def _skip(self, count: int) -> None:
        self._take(count)

    def _mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _text(self, size: int) -> None:
        self._push(self._take(size).decode("utf-8", "surrogatepass"))

    def _tuple(self, count: int) -> None:
        items = self._stack[len(self._stack) - count :]
        if len(items) < count:
            raise NotData("its pickle is damaged (nothing on the stack)")
        del self._stack[len(self._stack) - count :]
        self._push(tuple(items))

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        (target.items if isinstance(target, Record) else _checked(target, list)).extend(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        pairs = list(zip(items[::2], items[1::2], strict=True))
        if isinstance(target, Record):
            target.items.extend(pairs)
        else:
            _checked(target, dict).update((_key(key), value) for key, value in pairs)

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([key, value])

    def _add_items(self) -> None:
        items = self._since_mark()
        _checked(self._stack[-1], set).update(map(_key, items))

    def _name(self, module: str, name: str) -> None:
        path = f"{module}.{name}"
        if len(path) > _LONGEST_NAME:
            raise NotData("its pickle is damaged (a long name)")
        if not self._allowed(module, name):
            raise NotData(f"refused: it would run code of its own ({path}); poseline loads weights only")
        self._push(self._names.setdefault(path, Name(path)))

    def _name_on_stack(self) -> None:
        name, module = _checked(self._stack.pop(), str), _checked(self._stack.pop(), str)
        if len(name) + len(module) > _LONGEST_NAME:
            raise NotData("its pickle is damaged (a long name)")
        self._name(module, name)

    def _reduce(self) -> None:
        """Call a function, which makes a record of the call where it is not one of ours."""
        arguments, function = _checked(self._stack.pop(), tuple), _checked(self._stack.pop(), Name)
        ours = self._functions.get(function.path)
        if ours is None:
            self._push(Record(function.path, arguments))
        elif len(arguments) > _MOST_ARGUMENTS:
            raise NotData(f"it calls {function.path} with {len(arguments)} arguments")
        else:
            self._push(ours(*arguments))

    def _new_object(self) -> None:
        arguments, kind = _checked(self._stack.pop(), tuple), _checked(self._stack.pop(), Name)
        self._push(Record(kind.path, arguments))

    def _build(self) -> None:
        """Give an object its state; attributes of an ordered dictionary are dropped: they say nothing of a network."""
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, Record):
            target.state = state
        else:
            _checked(target, dict)


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise NotData(f"its pickle is damaged (a {type(value).__name__}, where a {kind.__name__} belongs)")
    return value


def _key(key: Any) -> Any:
    """A key of a dictionary or a set, if it is quickly hashed: a nested tuple might take for ever."""
    plain = key is None or isinstance(key, (str, bytes, bool, Name, Record))
    number = isinstance(key, int) and abs(key) < _LARGEST_KEY
    flat = isinstance(key, tuple) and len(key) <= _MOST_ARGUMENTS and not any(isinstance(part, tuple) for part in key)
    if plain or number:
        return key
    if flat:
        return tuple(map(_key, key))
    raise NotData(f"its pickle has a key of {type(key).__name__}")


def small_set(items: Any = ()) -> set[Any]:
    """What a pickle's call of `set` makes; the items are few, as every call may copy them."""
    if len(_checked(items, (list)) if items else ()) > _MOST_ARGUMENTS:
        raise NotData("it calls set with many items")
    return set(map(_key, items))


def small_dict(items: Any = ()) -> dict[Any, Any]:
    """What a pickle's call of `OrderedDict` makes, which torch fills afterwards."""
    if items:
        raise NotData("it calls OrderedDict with items")
    return {}


def small_tuple(items: Any = ()) -> tuple[Any, ...]:
    """What a pickle's call of `torch.Size` makes."""
    if len(_checked(items, tuple)) > _MOST_ARGUMENTS:
        raise NotData("a size of many dimensions")
    return tuple(items)


_OPERATIONS: dict[bytes, Callable[[Unpickler], None]] = {
    pickle.PROTO: lambda u: u._skip(1),
    pickle.FRAME: lambda u: u._skip(8),
    pickle.MARK: lambda u: u._mark(),
    pickle.MEMOIZE: lambda u: u._put(len(u._memo)),
    pickle.BINPUT: lambda u: u._put(u._number("<B")),
    pickle.LONG_BINPUT: lambda u: u._put(u._number("<I")),
    pickle.BINGET: lambda u: u._push(u._memo[u._number("<B")]),
    pickle.LONG_BINGET: lambda u: u._push(u._memo[u._number("<I")]),
    pickle.NONE: lambda u: u._push(None),
    pickle.NEWTRUE: lambda u: u._push(True),
    pickle.NEWFALSE: lambda u: u._push(False),
    pickle.BININT: lambda u: u._push(u._number("<i")),
    pickle.BININT1: lambda u: u._push(u._number("<B")),
    pickle.BININT2: lambda u: u._push(u._number("<H")),
    pickle.LONG1: lambda u: u._push(int.from_bytes(u._take(u._number("<B")), "little", signed=True)),
    pickle.BINFLOAT: lambda u: u._push(u._number(">d")),
    pickle.BINUNICODE: lambda u: u._text(u._number("<I")),
    pickle.SHORT_BINUNICODE: lambda u: u._text(u._number("<B")),
    pickle.BINBYTES: lambda u: u._push(u._take(u._number("<I"))),
    pickle.SHORT_BINBYTES: lambda u: u._push(u._take(u._number("<B"))),
    pickle.EMPTY_TUPLE: lambda u: u._push(()),
    pickle.TUPLE: lambda u: u._push(tuple(u._since_mark())),
    pickle.TUPLE1: lambda u: u._tuple(1),
    pickle.TUPLE2: lambda u: u._tuple(2),
    pickle.TUPLE3: lambda u: u._tuple(3),
    pickle.EMPTY_LIST: lambda u: u._push([]),
    pickle.APPEND: lambda u: u._append([u._stack.pop()]),
    pickle.APPENDS: lambda u: u._append(u._since_mark()),
    pickle.EMPTY_DICT: lambda u: u._push({}),
    pickle.SETITEM: lambda u: u._set_item(),
    pickle.SETITEMS: lambda u: u._set_items(u._since_mark()),
    pickle.EMPTY_SET: lambda u: u._push(set()),
    pickle.ADDITEMS: lambda u: u._add_items(),
    pickle.FROZENSET: lambda u: u._push(frozenset(map(_key, u._since_mark()))),
    pickle.GLOBAL: lambda u: u._name(u._line(), u._line()),
    pickle.STACK_GLOBAL: lambda u: u._name_on_stack(),
    pickle.REDUCE: lambda u: u._reduce(),
    pickle.NEWOBJ: lambda u: u._new_object(),
    pickle.BUILD: lambda u: u._build(),
    pickle.BINPERSID: lambda u: u._push(u._persistent(u._stack.pop())),
}
"""All that torch writes."""
