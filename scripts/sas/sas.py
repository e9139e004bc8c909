"""The script ``sas``: a chain of real SAS tasks, where SAS is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.epic import background, region, task
from scripts.epic.errors import ScienceError
from scripts.epic.events import EventList
from scripts.epic.region import Circle
from scripts.epic.selection import select

RUN = "sasrun"
"""What sets up SAS and runs its arguments."""

Command = list[str]


def chain(events: EventList, source: Circle, ring: background.Ring, pattern: int, width: float) -> list[Command]:
    """Return the command lines, each a list of the task and its parameters, named as in the SAS documentation."""
    table = f"{events.path}:EVENTS"
    camera = events.camera
    good = f"#{camera.macro} && PATTERN<={pattern}"
    strict = f"FLAG==0 && PATTERN<={pattern}" if camera.name == "PN" else good
    inside = f"((X,Y) IN circle({source.x:.3f},{source.y:.3f},{source.radius:.3f}))"
    around = f"((X,Y) IN annulus({source.x:.3f},{source.y:.3f},{ring.ring.inner:.3f},{ring.ring.outer:.3f}))"
    around += "".join(f" && !((X,Y) IN circle({x:.3f},{y:.3f},{r:.3f}))" for x, y, r in ring.holes)

    def curve(name: str, where: str) -> Command:
        return [
            *("evselect", f"table={table}", "withrateset=yes", f"rateset={name}", f"timebinsize={width:g}"),
            *("maketimecolumn=yes", "makeratecolumn=yes", f"expression={good} && {where}"),
        ]

    return [
        [
            *("evselect", f"table={table}", "withimageset=yes", "imageset=image.fits", "xcolumn=X", "ycolumn=Y"),
            *("imagebinning=binSize", "ximagebinsize=80", "yimagebinsize=80", f"expression={good}"),
        ],
        curve("source.lc", inside),
        curve("background.lc", around),
        [
            *("especget", f"table={events.path}", "withfilestem=yes", "filestem=sas"),
            *(f"srcexp={strict} && {inside}", f"backexp={strict} && {around}"),
        ],
        [
            *("epiclccorr", "srctslist=source.lc", f"eventlist={events.path}", "outset=lightcurve.fits"),
            *("withbkgset=yes", "bkgtslist=background.lc", "applyabsolutecorrections=no"),
        ],
        ["eregionanalyse", "imageset=image.fits", f"srcexp={inside}", f"backexp={around}"],
    ]


OUTPUTS = {
    "sas_src.ds": "spectrum.fits",
    "sas_bck.ds": "background.fits",
    "sas_src.rmf": "response.rmf",
    "sas_src.arf": "response.arf",
    "lightcurve.fits": "lightcurve.fits",
    "image.fits": "image.fits",
    "eregionanalyse.txt": "eregionanalyse.txt",
}
"""What the chain leaves, and the products it becomes."""


def main(job: task.Task) -> None:
    """Run the chain on one event list."""
    if job.region is None:
        raise ScienceError("The SAS chain needs a region: give CIRCLE.")
    events = EventList(job.events)
    selection = select(events, job.parameters, blind=True)
    source = region.place(job.region, events.projection)
    if not isinstance(source, Circle):
        raise ScienceError(f"The SAS chain needs a circle within reach of the field, not '{source.text}'.")
    ring = background.automatic(events, source, selection.mask(events))
    print(f"background: {ring.text}")
    commands = chain(events, source, ring, selection.pattern, job.parameters.real("BINSIZE", 100.0))
    for i, command in enumerate(commands):
        task.progress(i / len(commands), command[0])
        print(" ".join([RUN, *command]), flush=True)
        execute(command)
    for name, product in OUTPUTS.items():
        path = Path(name)
        if not path.is_file():
            raise ScienceError(f"SAS ended without an error and without the file {name}; see the log.")
        path.rename(job.product(product))
    task.done(simulated=events.simulated)


def execute(command: Command) -> None:
    """Run one task; what ``eregionanalyse`` prints is kept in a file.

    :raises ScienceError: SAS is not there, or the task failed.
    """
    try:
        done = subprocess.run([RUN, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except FileNotFoundError as error:
        raise ScienceError(f"SAS is not installed here: the program {RUN} is missing.") from error
    print(done.stdout, flush=True)
    if done.returncode:
        last = next((line for line in reversed(done.stdout.splitlines()) if line.strip()), "it said nothing")
        raise ScienceError(f"The SAS task {command[0]} failed with code {done.returncode}: {last}")
    if command[0] == "eregionanalyse":
        Path("eregionanalyse.txt").write_text(done.stdout, encoding="utf-8")


if __name__ == "__main__":
    task.run(main)
