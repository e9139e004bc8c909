"""The commands ``amora index``: what is in the index, how it gets there, and which datasets cover a region."""

# ruff: noqa: PLC0415 - a command imports what it needs, so that `amora --help` answers at once

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uws.maps import hips
from uws.querying import coverage, query
from uws.terminal import FAILED, Mistake, engine_of, mistakes, plural, read_settings, table

if TYPE_CHECKING:
    from index.dataset import Dataset
    from index.harvest import Harvest, Progress

READERS = {
    "pps": "scripts.epic.pps:read",
    "xmm-list": "scripts.epic.lists:read",
    "obscore": "index.readers.obscore:read",
    "moc": "index.readers.moc:read",
    "image": "index.readers.image:read",
}
"""The readers that have a short name."""
SHOWN = 20
"""Skipped files that are named; the rest are counted."""

_PROCESSES = click.option(
    "--processes", type=click.IntRange(min=1), help="How many read; by default one for each processor."
)


@click.group(short_help="Add, list and search observations.")
def index() -> None:
    """Add observations to the index, list them, and ask which cover a region."""


@index.command("add", short_help="Add the observations found in folders or files.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--from",
    "source",
    metavar="READER",
    help=f"What reads the files: {', '.join(READERS)} or package.module:function; AMORA_READER by default.",
)
@click.option(
    "--above",
    type=click.IntRange(0, 99),
    metavar="PERCENT",
    help="With --from image: a pixel is covered if it is above so much of the largest one; 0 by default.",
)
@_PROCESSES
@click.option("--verbose", is_flag=True, help=f"Name all that is skipped, not the first {SHOWN}.")
def index_add(
    paths: tuple[Path, ...], source: str | None, above: int | None, processes: int | None, verbose: bool
) -> None:
    """Add the observations found in each of PATHS; one that is known already is updated.

    A file that cannot be used is named with the reason, and the others are added all the same. A file that was read
    before and has not changed is not read again, so that a run that was stopped can be run again.

    \b
    Examples:
      amora index add /data/xmm/0002970201 /data/xmm/0112850201
      amora index add --from obscore observations.vot
      amora index add --from xmm-list /data/lists
      amora index add --from image --above 5 /data/exposure_maps
    """
    with mistakes():
        if above is not None and source != "image":
            raise Mistake("--above is for images; it goes with --from image")
        from index.harvest import harvest

        settings = read_settings()
        with engine_of(settings) as engine, _progress("reading") as progress:
            done = harvest(
                engine.index,
                f"index.readers.image:above_{above}" if above else READERS.get(source or "", source or settings.reader),
                paths,
                processes=processes,
                progress=progress,
            )
            total = engine.index.count()
        tell_skipped(done, verbose=verbose)
        if not (done.added or done.replaced or done.unchanged or done.known):
            raise Mistake("no dataset was found in " + ", ".join(str(path) for path in paths))
        known = f" ({done.known} file{plural(done.known)} not read again)" if done.known else ""
        click.echo(
            f"{done.added} dataset{plural(done.added)} added, {done.replaced} replaced, {done.unchanged} unchanged"
            f"{known}; the index has {total}."
        )


@index.command("remove", short_help="Remove datasets from the index.")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def index_remove(ids: tuple[str, ...]) -> None:
    """Remove the datasets with these ids, short or full; their files stay. If one is not there, none is removed.

    \b
    Example:
      amora index remove 0002970201/M1/S001 0002970201/M2/S002
    """
    with mistakes(), engine_of(read_settings()) as engine:
        removed = engine.index.remove(ids)
        click.echo(f"{removed} dataset{plural(removed)} removed; the index has {engine.index.count()}.")


@index.command("rebuild", short_help="Read all files again and write the index anew.")
@_PROCESSES
@click.option("--drop", is_flag=True, help="Leave out datasets whose files cannot be read any more.")
def index_rebuild(processes: int | None, drop: bool) -> None:
    """Read all files again that the datasets came from, and write the index anew, also if it is damaged.

    If a dataset would be lost, nothing is changed, unless it is to be dropped.

    \b
    Example:
      amora index rebuild --processes 4
    """
    with mistakes():
        from index.harvest import rebuild

        with engine_of(read_settings()) as engine, _progress("reading") as progress:
            done = rebuild(engine.index, drop=drop, processes=processes, progress=progress)
            total = engine.index.count()
        tell_skipped(done, verbose=False)
        click.echo(f"The index is written anew and has {total} dataset{plural(total)}.")


@index.command("merge", short_help="Merge the segments of the index into one.")
def index_merge() -> None:
    """Merge all segments of the index into one. What is added is merged by itself; this does what that leaves.

    \b
    Example:
      amora index merge
    """
    with mistakes(), engine_of(read_settings()) as engine:
        merged = engine.index.merge()
        click.echo(f"{merged} segment{plural(merged)} merged; the index has {engine.index.statistics().bytes} bytes.")


@index.command("verify")
def index_verify() -> None:
    """Read the whole index and compare its checksums. Exits 1 if it is damaged, and names the file.

    \b
    Example:
      amora index verify
    """
    with mistakes(), engine_of(read_settings()) as engine:
        from index.errors import DamagedIndexError

        try:
            engine.index.verify()
        except DamagedIndexError as error:
            click.echo(f"{error}; `amora index rebuild` writes it anew", err=True)
            raise click.exceptions.Exit(FAILED) from error
        total = engine.index.count()
        click.echo(f"The index is sound and has {total} dataset{plural(total)}.")


@index.command("stats", short_help="Count what is in the index.")
def index_stats() -> None:
    """Count the datasets by collection and instrument, and the bytes of the index.

    \b
    Example:
      amora index stats
    """
    with mistakes(), engine_of(read_settings()) as engine:
        counted = engine.index.statistics()
    table(
        ("COLLECTION", "INSTRUMENT", "DATASETS", "SIMULATED", "APPROXIMATE", "AREA (deg2)"),
        (
            (
                group.obs_collection,
                group.instrument_name or "",
                str(group.datasets),
                str(group.simulated),
                str(group.approximate),
                f"{group.area:.2f}",
            )
            for group in counted.groups
        ),
    )
    each = f", {counted.bytes / counted.datasets:.0f} a dataset" if counted.datasets else ""
    click.echo(
        f"{counted.datasets} datasets from {counted.files} file{plural(counted.files)}; {counted.ranges} ranges in "
        f"{counted.segments} segment{plural(counted.segments)}, {counted.bytes} bytes{each}; "
        f"generation {counted.generation}"
    )
    if counted.degraded:
        click.echo(f"{counted.degraded} coverage{plural(counted.degraded)} came finer than the index keeps (order 16)")


@index.command("list")
def index_list() -> None:
    """List the datasets in the index.

    \b
    Example:
      amora index list | grep 0002970201
    """
    with mistakes(), engine_of(read_settings()) as engine:
        table(
            ("DATASET", "TARGET", "INSTRUMENT", "RA", "DEC", "EXPOSURE", "FILTER", ""),
            (
                (
                    dataset.id,
                    dataset.target_name or "",
                    dataset.instrument_name or "",
                    f"{dataset.s_ra:.4f}",
                    f"{dataset.s_dec:+.4f}",
                    "" if dataset.t_exptime is None else f"{dataset.t_exptime:.0f}",
                    dataset.filter or "",
                    _label(dataset),
                )
                for dataset in engine.index.datasets()
            ),
        )


index.add_command(query)
index.add_command(coverage)
index.add_command(hips)


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """Show how far the work is, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def tell_skipped(done: Harvest, *, verbose: bool) -> None:
    """Name what was skipped and why."""
    shown = done.skipped if verbose else done.skipped[:SHOWN]
    for file, reason in shown:
        click.echo(f"skipped {file}: {reason}", err=True)
    if rest := len(done.skipped) - len(shown):
        click.echo(f"skipped {rest} more; --verbose names them", err=True)


def _label(dataset: Dataset) -> str:
    """Say what a dataset must not be taken for."""
    return " ".join(word for word in ("simulated", "approximate") if getattr(dataset, word))
