"""Each combination of repeated values, in one order, however they were mixed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.combinations import Combinations, named_apart, tell_apart
from jobs.descriptor import Accepts, ParameterSpec, ProductSpec, Script
from jobs.models import Parameter, Task
from jobs.phases import Phase

SCRIPT = Script(
    name="cut",
    folder=Path(),
    title="Cut",
    summary="Cuts.",
    version="1",
    command=("true",),
    accepts=Accepts(region="optional"),
    parameters=(
        ParameterSpec(name="BAND", type="interval", description="Wavelength."),
        ParameterSpec(name="MANY", type="text", description="Takes several.", multiple=True),
    ),
    products=(named_apart(ProductSpec(name="{dataset}_cut.fits", content_type="application/fits", description="It.")),),
    combined=True,
)

names = st.sampled_from(["POS", "CIRCLE", "POLYGON", "BAND", "MANY", "ID", "unknown"])
given_parameters = st.lists(st.tuples(names, st.sampled_from("abc")), max_size=12)


@given(given_parameters)
def test_every_combination_is_there_once(pairs: list[tuple[str, str]]) -> None:
    parameters = [Parameter(name, value) for name, value in pairs]
    combinations = Combinations(SCRIPT, parameters)
    regions = [item for item in parameters if item.name in ("POS", "CIRCLE", "POLYGON")]
    bands = [item for item in parameters if item.name == "BAND"]
    assert len(combinations) == (len(regions) or 1) * (len(bands) or 1)
    found = [combinations[number] for number in range(len(combinations))]
    chosen = [tuple(id(item) for item in one if item in regions or item.name == "BAND") for one in found]
    assert len(set(chosen)) == len(found)
    for one in [*found, *combinations.covering()]:
        assert len([item for item in one if item.name in ("POS", "CIRCLE", "POLYGON")]) == min(1, len(regions))
        assert len([item for item in one if item.name == "BAND"]) == min(1, len(bands))
        assert [item for item in one if item.name in ("MANY", "ID", "unknown")] == [
            item for item in parameters if item.name in ("MANY", "ID", "unknown")
        ]
    assert {id(item) for one in combinations.covering() for item in one} == {id(item) for item in parameters}


def test_without_combined_all_is_one() -> None:
    plain = SCRIPT.model_copy(update={"combined": False})
    parameters = [Parameter("BAND", "a"), Parameter("BAND", "b")]
    assert len(Combinations(plain, parameters)) == 1
    assert Combinations(plain, parameters)[0] == parameters


def test_products_are_told_apart_and_what_is_not_declared_goes(tmp_path: Path) -> None:
    task = Task("t", "j", 7, ("1/M1/S001",), Phase.EXECUTING, 1, 0.0, "", None, None)
    for name in ("1_M1_S001_cut.fits", "1_M1_S001_cut.png"):
        (tmp_path / name).write_text("x")
    tell_apart(SCRIPT, task, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1_M1_S001_cut_7.fits"]


@pytest.mark.parametrize("change", [{"scope": "job"}, {"accepts": Accepts(datasets=False)}])
def test_only_a_script_with_one_dataset_a_task_combines(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="combined"):
        Script.model_validate({**SCRIPT.model_dump(), **change})
