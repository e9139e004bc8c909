"""How the commands of ``amora`` speak: a mistake of the user is one line and exit code 2, a failed run code 1."""

# ruff: noqa: PLC0415 - a command imports what it needs, so that `amora --help` answers at once

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jobs.engine import Engine
    from uws.settings import Settings

USAGE = 2
FAILED = 1


class Mistake(click.ClickException):
    """Something the user can mend."""

    exit_code = USAGE

    def show(self, _file: object = None) -> None:
        """Print the one line."""
        click.echo(f"amora: {self.format_message()}", err=True)


def read_settings() -> Settings:
    """Return the settings; the first one that cannot be used is a mistake."""
    from pydantic import ValidationError

    from uws.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":  # of the environment only what is known is read
            raise Mistake(f"amora.toml: there is no setting {name}; docs/settings.md lists them") from error
        where = f"AMORA_{name.upper()}" if f"AMORA_{name.upper()}" in os.environ else f"amora.toml: {name}"
        reason = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        raise Mistake(f"{where}: {first['input']!r} was given; {reason}") from error
    except ValueError as error:  # the decoding of TOML, or of its characters
        raise Mistake(f"amora.toml cannot be read: {error}") from error


@contextmanager
def mistakes() -> Iterator[None]:
    """Turn the errors that a user can mend into one line."""
    from index.errors import CoverageError
    from jobs.errors import AmoraError

    try:
        yield
    except (AmoraError, CoverageError) as error:
        raise Mistake(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Mistake(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error


@contextmanager
def engine_of(settings: Settings) -> Iterator[Engine]:
    """Give an engine that is not started: it answers, but runs nothing."""
    from uws.engine import open_engine

    engine = open_engine(settings)
    try:
        yield engine
    finally:
        engine.stop()


def plural(count: int) -> str:
    """Return the s of a noun, where there is not just one."""
    return "" if count == 1 else "s"


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print columns as wide as they need to be."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
