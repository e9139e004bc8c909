"""A script's side of the script contract: ``task.json`` in, progress and a message out."""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from scripts.epic.errors import ScienceError

PRODUCTS = Path("products")
LIBRARIES = ("numpy", "astropy", "scipy", "PIL", "isal", "mocpy")
"""The libraries whose versions the provenance of a product tells."""


class Parameters:
    """The parameters of a task; a value that is null counts as not given."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def real_or_none(self, name: str) -> float | None:
        """Return a number, or None where none is given."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ScienceError(f"The parameter {name} must be a number, not {value!r}.")
        return float(value)

    def real(self, name: str, default: float) -> float:
        """Return a number, or the default."""
        value = self.real_or_none(name)
        return default if value is None else value

    def integer(self, name: str, default: int) -> int:
        """Return a whole number, or the default."""
        return int(self.real(name, default))

    def text(self, name: str, default: str) -> str:
        """Return a text, or the default."""
        value = self._values.get(name)
        return default if value is None else str(value)

    def any(self, name: str) -> Any:
        """Return the value as it stands in ``task.json``, or None."""
        return self._values.get(name)


class Task(NamedTuple):
    """One task: the work on one dataset."""

    slug: str
    """The dataset's part of file names."""
    dataset: Mapping[str, Any]
    region: Mapping[str, Any] | None
    parameters: Parameters

    @property
    def events(self) -> Path:
        """The dataset's event list.

        :raises ScienceError: the dataset has none.
        """
        for file in self.dataset.get("files", ()):
            if file.get("kind") == "events":
                return Path(file["path"])
        raise ScienceError(f"The dataset {self.dataset.get('id', '')} has no event list.")

    def product(self, name: str) -> Path:
        """Return the path of the product ``{dataset}_name``."""
        PRODUCTS.mkdir(exist_ok=True)
        return PRODUCTS / f"{self.slug}_{name}"


def read(path: Path = Path("task.json")) -> Task:
    """Read the task in the working folder.

    :raises ScienceError: there is none, or not for exactly one dataset.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScienceError(f"The task description {path} cannot be read: {error}") from error
    datasets = raw.get("datasets", [])
    if len(datasets) != 1:
        raise ScienceError(f"This script works on exactly one dataset, the task names {len(datasets)}.")
    return Task(
        slug=raw["dataset_slug"],
        dataset=datasets[0],
        region=raw.get("region"),
        parameters=Parameters(raw.get("parameters", {})),
    )


def progress(fraction: float, text: str) -> None:
    """Tell how much is done, 0 to 1, and what is being done."""
    print(f"progress {fraction:.3g} {text}", flush=True)


def done(*, simulated: bool) -> None:
    """Tell that all is done, and in the log and in the list of products what the products must not be taken for."""
    if simulated:
        print("SIMULATED DATA: made from a simulated event list, not an observation.")
    progress(1.0, "done, on SIMULATED data" if simulated else "done")


def fail(message: str) -> NoReturn:
    """End the script with the message that the user reads."""
    print(" ".join(message.split()), file=sys.stderr, flush=True)
    raise SystemExit(1)


def tell_software() -> None:
    """Say in ``software.json`` which versions of which libraries this script has really loaded."""
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in LIBRARIES}
    known = {name: str(version) for name, version in loaded.items() if version}
    Path("software.json").write_text(json.dumps({"Python": sys.version.partition(" ")[0], **known}), encoding="utf-8")


def run(main: Callable[[Task], None]) -> NoReturn:
    """Run a script's ``main`` on its task and end; whatever happens, the last line of stderr is a sentence."""
    guard(lambda: main(read()))
    leave()


def leave() -> NoReturn:
    """End the program at once: Python would take numpy apart first, which takes longer than to write a product."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def guard(work: Callable[[], None]) -> None:
    """Do a script's work; whatever happens, the last line of stderr is a sentence."""
    try:
        work()
        tell_software()
    except ScienceError as error:
        fail(str(error))
    except MemoryError:
        fail("The script ran out of memory.")
    except OSError as error:
        fail(f"A file could not be read or written: {error}")
    # the outermost handler: a defect must reach the log whole, and the user as a sentence
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        fail(f"The script failed on something unforeseen, see the log ({type(error).__name__}: {error}).")
