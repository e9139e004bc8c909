"""The command ``amora index hips``: maps of all that was observed, which ``/hips`` serves."""

# ruff: noqa: PLC0415 - a command imports what it needs, so that `amora --help` answers at once

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uws.terminal import Mistake, engine_of, mistakes, plural, read_settings

if TYPE_CHECKING:
    from index.hips.build import Progress
    from index.hips.layers import Layer
    from index.service import Index
    from uws.settings import Settings

MAPS = ("exposure", "counts")
ORDER = 5
"""Pixels of 13 arcsec."""


@click.command("hips", short_help="Make maps of exposure and counts for Aladin.")
@click.argument("names", nargs=-1, metavar="[exposure] [counts]", type=click.Choice(MAPS))
@click.option(
    "--order",
    type=click.IntRange(3, 7),
    default=ORDER,
    show_default=True,
    help="How fine: pixels of 52 arcsec at 3, 13 at 5, 3 at 7; each order takes four times the room.",
)
@click.option(
    "--processes", type=click.IntRange(min=1), help="How many read event lists; by default one for each processor."
)
def hips(names: tuple[str, ...], order: int, processes: int | None) -> None:
    """Make maps of the sky as HiPS: how long each place was observed, and how many events came from it.

    By default both; counts only if there are event lists. A map that is there is replaced when the new one is ready. A
    run that was stopped can be run again: it goes on where it was, if the index has not changed.

    \b
    Examples:
      amora index hips
      amora index hips exposure --order 3
    """
    with mistakes():
        from index.hips.build import build

        settings = read_settings()
        with engine_of(settings) as engine:
            if not engine.index.count():
                raise Mistake("the index is empty: add observations first, `amora index add FOLDER`")
            for name in dict.fromkeys(names or MAPS):
                layer = _layer(engine.index, settings, name, processes)
                if layer is None:
                    if names:
                        raise Mistake("no dataset has what the map of counts is made of, an event list that is here")
                    click.echo("counts: no dataset has an event list that is here, so there is no such map")
                    continue
                with _progress(name) as progress:
                    told = properties(engine.index, settings, layer)
                    done = build(layer, order, settings.folder / "hips", told, progress)
                for path, reason in getattr(layer, "skipped", {}).items():
                    click.echo(f"skipped {path}: {reason}", err=True)
                resumed = f", {done.resumed} of them made before" if done.resumed else ""
                click.echo(
                    f"{name}: {done.tiles} tile{plural(done.tiles)} of order {order}{resumed}; "
                    f"{done.bytes / 2**20:.1f} MB in {done.folder}"
                )


def _layer(index: Index, settings: Settings, name: str, processes: int | None) -> Layer | None:
    from index.hips.layers import Counts, Exposure

    if name == "exposure":
        snapshot, seconds = index.exposures()
        if not seconds:
            raise Mistake("no dataset has an exposure time, so that there is nothing to map")
        return Exposure(snapshot.segments, seconds, snapshot.generation)
    snapshot, paths = index.paths("events")
    lists = {key: Path(path) for key, path in paths.items() if "://" not in path and Path(path).is_file()}
    if not lists:
        return None
    return Counts(
        snapshot.segments,
        lists,
        snapshot.generation,
        settings.positions,
        processes or len(os.sched_getaffinity(0)),
    )


def properties(index: Index, settings: Settings, layer: Layer) -> dict[str, str]:
    """Return what a map tells of itself beyond its form (HiPS 1.0, section 4.4.1)."""
    from datetime import UTC, datetime
    from importlib.metadata import version

    from index.wavebands import wavebands

    extent = index.extent()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    simulated = f" ({extent.simulated} of {extent.datasets} datasets are SIMULATED)" if extent.simulated else ""
    numbers = {name: getattr(extent, name) for name in ("t_min", "t_max", "em_min", "em_max")}
    return {
        "creator_did": f"ivo://{settings.authority}/hips/{layer.look.name}",
        "publisher_did": f"ivo://{settings.authority}/hips/{layer.look.name}",
        "obs_title": f"{settings.title}: {layer.look.title.lower()}",
        "obs_collection": " ".join(sorted({group.obs_collection for group in index.statistics().groups})),
        "obs_description": f"{layer.look.description}{simulated}",
        "obs_regime": " ".join(wavebands(extent.em_min, extent.em_max)),
        **{name: f"{value:.10g}" for name, value in numbers.items() if value is not None},
        "hips_creator": settings.publisher,
        "hips_builder": f"Amora {version('amora')}",
        "hips_creation_date": now,
        "hips_release_date": now,
        "hips_status": "public master clonableOnce",
    }


@contextmanager
def _progress(name: str) -> Iterator[Progress]:
    """Show how far the work is, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
