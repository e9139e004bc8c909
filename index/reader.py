"""Readers of archives, found by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from index.dataset import Reader
from index.errors import ReaderError


def load(name: str) -> Callable[..., Any]:
    """Give what a name like ``package.module:callable`` names. Raises ReaderError."""
    module_name, colon, attribute = name.partition(":")
    if not (colon and attribute.isidentifier() and all(part.isidentifier() for part in module_name.split("."))):
        raise ReaderError(f"the name of a reader must be like package.module:callable, not {name!r}")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise ReaderError(f"the reader {name!r} cannot be loaded: there is no module {error.name!r}") from error
    except ImportError as error:
        raise ReaderError(f"the reader {name!r} cannot be loaded: {error}") from error
    reader = getattr(module, attribute, None)
    if not callable(reader):
        what = "nothing" if reader is None else "something that cannot be called"
        raise ReaderError(f"the reader {name!r} cannot be loaded: the module has {what} by the name {attribute!r}")
    return cast(Callable[..., Any], reader)


def load_reader(name: str) -> Reader:
    """Give the reader with a name like ``package.module:callable``. Raises ReaderError."""
    return load(name)
