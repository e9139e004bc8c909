"""Repeated values: each combination of them is a task of its own (SODA 1.0, section 5).

A script whose descriptor says ``combined`` has one task for each of its datasets and each combination, datasets first.
POS, CIRCLE and POLYGON are one parameter in this: each of their values is a region.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from index.dataset import Dataset
from jobs.descriptor import ProductSpec, Script
from jobs.models import Parameter, Task

if TYPE_CHECKING:
    from index.service import Index
    from jobs.validator import Values

REGIONS = ("POS", "CIRCLE", "POLYGON")
NOTHING = "Nothing was made: "
"""How a task begins to say that what was asked for has no part of its dataset."""
_NUMBERED = "_{task}"
"""What tells the products of a dataset's tasks apart; the program knows nothing of it."""
_SLACK = 0.001
"""Days by which time scales differ, and more: what is closer to an exposure the program looks at itself."""


class Combinations:
    """The combinations of what was given for a script.

    :param parameters: as they were given, names in upper case where the script knows them.
    """

    def __init__(self, script: Script, parameters: Sequence[Parameter]) -> None:
        self._common: list[Parameter] = []
        self._choices: dict[str, list[Parameter]] = {}
        for item in parameters:
            name = "POS" if item.name in REGIONS else item.name
            spec = script.parameter(name)
            chosen = name == "POS" or (spec is not None and not spec.multiple)
            if script.combined and chosen and item.upload is None and item.value.strip():
                self._choices.setdefault(name, []).append(item)
            else:
                self._common.append(item)

    def __len__(self) -> int:
        return math.prod(map(len, self._choices.values()))

    def __getitem__(self, number: int) -> list[Parameter]:
        """Return the parameters of a combination, the last parameter changing fastest."""
        chosen = []
        for values in reversed(self._choices.values()):
            number, place = divmod(number, len(values))
            chosen.append(values[place])
        return [*self._common, *reversed(chosen)]

    def covering(self) -> list[list[Parameter]]:
        """Return as few combinations as have each value."""
        longest = max(map(len, self._choices.values()), default=1)
        return [
            [*self._common, *(values[min(number, len(values) - 1)] for values in self._choices.values())]
            for number in range(longest)
        ]


def named_apart(spec: ProductSpec) -> ProductSpec:
    """Return a product whose name differs from task to task."""
    stem, dot, suffix = spec.name.rpartition(".")
    return spec.model_copy(update={"name": f"{stem}{_NUMBERED}{dot}{suffix}"})


def tell_apart(script: Script, task: Task, folder: Path) -> None:
    """Give the products of a task the names that its script declares, and remove what it does not declare."""
    wanted = {
        spec.model_copy(update={"name": spec.name.replace(_NUMBERED, "")}).file_name(task.dataset, task.number): spec
        for spec in script.products
    }
    for path in list(folder.iterdir()):
        if spec := wanted.get(path.name):
            path.rename(folder / spec.file_name(task.dataset, task.number))
        elif path.is_file():
            path.unlink()


def missed(values: Values, dataset: Dataset, index: Index) -> str | None:
    """Return which parameter has nothing in common with a dataset, and why; None if none is known to.

    TIME is in MJD and BAND in m, as ObsCore tells of a dataset; POL are Stokes states, and what tells of none has I.
    """
    if values.region is not None and not index.search(values.region, ids=[dataset.id]):
        return f"the region {values.region.text} does not touch the coverage of dataset {dataset.id}"
    for name, low, high, slack, unit in (
        ("TIME", dataset.t_min, dataset.t_max, _SLACK, "MJD"),
        ("BAND", dataset.em_min, dataset.em_max, 0.0, "m"),
    ):
        first, last = values.values.get(name) or (None, None)
        below = last is not None and low is not None and last < low - slack
        above = first is not None and high is not None and first > high + slack
        if below or above:
            return f"{name} has nothing in common with dataset {dataset.id}, which has {low} to {high} {unit}"
    return None
