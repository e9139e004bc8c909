"""What the documentation must speak of: every setting, every command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from uws.cli import amora
from uws.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    field = Settings.model_fields[name]
    default = "" if field.default in (None, "") else f"`{field.default}`"
    line = f"| `AMORA_{name.upper()}` | {default} | {field.description} |"
    assert line in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").splitlines()


def test_no_setting_is_documented_that_is_none() -> None:
    lines = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.startswith("| `AMORA_")]) == len(Settings.model_fields)


def _commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, (*words, name))
        else:
            yield (*words, name), command


@pytest.mark.parametrize(
    ("words", "command"), list(_commands(amora)), ids=lambda part: " ".join(part) if type(part) is tuple else ""
)
def test_every_command_teaches_by_an_example(words: tuple[str, ...], command: click.Command) -> None:
    assert command.help
    assert "Example" in command.help
    assert f"amora {' '.join(words)}" in command.help


def test_the_readme_begins_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.index("make demo") < readme.index("make test") < readme.index("make serve")
    for target in ("demo", "test", "serve"):
        assert f"\n{target}: " in (ROOT / "Makefile").read_text(encoding="utf-8")
