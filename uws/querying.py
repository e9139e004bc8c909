"""The commands ``amora index query`` and ``coverage``: which datasets cover a region, and what these cover."""

# ruff: noqa: PLC0415 - a command imports what it needs, so that `amora --help` answers at once

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uws.terminal import Mistake, engine_of, mistakes, plural, read_settings, table

if TYPE_CHECKING:
    from index.answers import Answer
    from uws.dali import Form

_ONE = ("circle", "polygon", "pos", "relation", "order", "maxrec", "offset", "after")
_MANY = {
    "id": ("OBS/CAMERA/EXPOSURE", "Only this dataset; repeatable, as all that follow."),
    "camera": ("M1", "Camera."),
    "obs-id": ("0002970201", "Observation."),
    "exposure": ("S001", "Exposure of the camera."),
    "target": ('"3C 66*"', "Target; blanks do not matter, and * stands for any characters."),
    "filter": ('"Thin*"', "Filter."),
    "mode": ("PrimeFullWindow", "Mode of the instrument."),
    "collection": ("XMM-Newton", "Collection."),
    "facility": ("XMM-Newton", "Observatory."),
    "instrument": ("EPN", "Instrument."),
    "dptype": ("event", "Kind of data."),
    "calib": ("2", "Calibration level."),
    "time": ('"2002-02-01 2002-03-01"', "Time of observation, dates or MJD."),
    "exptime": ('"10000 +Inf"', "Exposure time, s."),
    "band": ('"1e-10 8e-9"', "Wavelength, m."),
    "fov": ('"0.2 1"', "Diameter of the field, deg."),
    "spatres": ('"0 10"', "Spatial resolution, arcsec."),
    "timeres": ('"0 1"', "Time resolution, s."),
    "specrp": ('"10 +Inf"', "Spectral resolving power."),
    "pol": ("I", "Polarisation state."),
    "format": ("application/fits", "Media type of the data."),
    "simulated": ("false", "Whether the data are simulated."),
    "approximate": ("false", "Whether the coverage is a guess."),
}
"""The parameters of :mod:`uws.asking`, which is not imported for a mere --help; a test compares them."""


def asked(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options by which datasets are asked for; ``form_of`` and ``region`` read them."""
    for name, (example, text) in reversed(_MANY.items()):
        flag = "--data-format" if name == "format" else f"--{name}"
        command = click.option(flag, name.replace("-", "_"), multiple=True, metavar=example, help=text)(command)
    shapes = [
        click.option("--pos", metavar='"CIRCLE ..."', help="A region in any form that docs/regions.md tells of."),
        click.option("--circle", metavar='"RA DEC RADIUS"', help="A circle, ICRS degrees."),
        click.option("--polygon", metavar='"RA DEC RA DEC ..."', help="A polygon, ICRS degrees."),
        click.option(
            "--region",
            "file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A file with a region: a MOC (FITS, JSON, ASCII), DS9 or any other form.",
        ),
        click.option(
            "--relation",
            type=click.Choice(["overlaps", "contains", "inside"]),
            help="What a dataset is to the region: overlaps it (the default), contains all of it, or lies inside it.",
        ),
    ]
    for option in reversed(shapes):
        command = option(command)
    return command


def form_of(given: dict[str, Any]) -> Form:
    """Return options as the parameters of a request."""
    from uws.dali import Form

    pairs = [(name.upper(), str(given[name])) for name in _ONE if given.get(name) is not None]
    pairs += [(name.upper(), value) for name in (key.replace("-", "_") for key in _MANY) for value in given[name]]
    return Form(tuple(pairs))


@click.command("query", short_help="Ask which datasets cover a region.")
@asked
@click.option("--order", metavar="[-]overlap|time|exposure|target|id", help="How rows are ordered; - descends.")
@click.option("--maxrec", type=click.IntRange(min=0), metavar="N", help="The most rows wanted.")
@click.option("--offset", type=click.IntRange(min=0), metavar="N", help="Rows to leave out first.")
@click.option("--after", metavar="TEXT", help="Where the page before ended, as it told.")
@click.option("--count", is_flag=True, help="Only count the datasets.")
@click.option(
    "--format",
    "shown",
    type=click.Choice(["table", "json", "csv", "votable", "fits"]),
    default="table",
    show_default=True,
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file to write to.")
def query(file: Path | None, count: bool, shown: str, output: Path | None, **given: Any) -> None:
    """Ask which datasets cover a region and fit the other options, and how much of it.

    \b
    Examples:
      amora index query --circle "35.665 43.036 0.1" --camera M1 --exptime "10000 +Inf"
      amora index query --pos "POLYGON 35 43 36 43 36 44" --order=-time --maxrec 20 --format csv
      amora index query --pos "TARGET 3C 66B 5'" --count
      amora index query --region survey_moc.fits --relation inside --format fits -o inside.fits
      amora index query --target "3c66*" --time "2002-01-01 2002-12-31"
    """
    with mistakes(), engine_of(read_settings()) as engine:
        from uws import asking, observations, tabular

        form = form_of(given)
        region = asking.region_of(form, engine.index, file.read_bytes() if file else None)
        answer = engine.index.answer(asking.query_of(form, region))
        if shown == "table" and count:
            click.echo(answer.total)
        elif shown == "table":
            _show(answer)
        else:
            chosen = next(offered for offered in observations.FORMATS if offered.name == shown)
            if chosen.name == tabular.FITS.name and output is None and sys.stdout.isatty():
                raise Mistake("FITS does not go to a terminal; name a file with --output")
            following = str(answer.next) if answer.next else None
            if count:
                pieces = observations.counted(answer.total, chosen)
            else:
                pieces = observations.document(region, answer, chosen, following=following)
            if output is None:
                sys.stdout.buffer.writelines(pieces)
            else:
                with output.open("wb") as opened:
                    opened.writelines(pieces)


@click.command("coverage", short_help="Write the sky that datasets cover together, as a MOC.")
@asked
@click.option("--order", type=click.IntRange(0, 16), default=9, show_default=True, help="Of the finest cells.")
@click.option(
    "--format", "shown", type=click.Choice(["fits", "json", "ascii"]), help="FITS to a file, ASCII to the screen."
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file to write to.")
def coverage(file: Path | None, order: int, shown: str | None, output: Path | None, **given: Any) -> None:
    """Write the sky that the datasets cover together which overlap a region and fit the other options.

    \b
    Examples:
      amora index coverage -o all.fits
      amora index coverage --camera PN --exptime "20000 +Inf" --order 11 -o deep.fits
      amora index coverage --circle "35.665 43.036 2" --format ascii
    """
    with mistakes(), engine_of(read_settings()) as engine:
        from uws import asking
        from uws import coverage as face

        form = form_of(given)
        region = asking.region_of(form, engine.index, file.read_bytes() if file else None)
        wanted = shown or ("fits" if output else "ascii")
        if wanted == "fits" and output is None and sys.stdout.isatty():
            raise Mistake("FITS does not go to a terminal; name a file with --output")
        chosen = next(offered for offered in face.FORMATS if offered.name == wanted)
        _, content = face.document(engine.index, asking.query_of(form, region), order, chosen)
        if output is None:
            sys.stdout.buffer.write(content)
        else:
            output.write_bytes(content)


def _show(answer: Answer) -> None:
    """Print the rows as a table, and on standard error how many there are."""
    from index.columns import COLUMNS

    names = [column.name for column in COLUMNS]
    found = (dict(zip(names, row, strict=True)) for row in answer.rows())
    table(
        ("DATASET", "TARGET", "START (MJD)", "EXPOSURE", "FILTER", "REGION COVERED", "OVERLAP (deg2)", ""),
        (
            (
                str(row["id"]),
                str(row["target_name"] or ""),
                _number(row["t_min"], ".3f"),
                _number(row["t_exptime"], ".0f"),
                str(row["filter"] or ""),
                _number(row["region_fraction"], ".1%").replace("%", " %"),
                _number(row["overlap"], ".3g"),
                " ".join(word for word in ("simulated", "approximate") if row[word]),
            )
            for row in found
        ),
    )
    shown = f"{len(answer)} of " if len(answer) < answer.total else ""
    click.echo(f"{shown}{answer.total} dataset{plural(answer.total)}", err=True)
    if answer.next:
        click.echo(f'the next page: --after "{answer.next}"', err=True)


def _number(value: Any, form: str) -> str:
    return "" if value is None else format(value, form)
