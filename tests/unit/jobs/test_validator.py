"""The validator: each wrong value gets a message that says which parameter, what was given and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.service import Index
from jobs.descriptor import Script
from jobs.errors import RequestError
from jobs.models import Parameter, Upload
from jobs.validator import MAX_CHARACTERS, MAX_PARAMETERS, MAX_VALUE, Values, canonical, check, select

SCRIPT = Script.model_validate(
    {
        "name": "count",
        "folder": Path("/"),
        "title": "",
        "summary": "",
        "version": "1",
        "command": ["true"],
        "ordered": [["EMIN", "EMAX"]],
        "accepts": {"region": "optional", "files": ["events"]},
        "parameters": [
            {"name": "EMIN", "type": "real", "unit": "keV", "minimum": 0, "maximum": 30, "description": "Low."},
            {"name": "EMAX", "type": "real", "unit": "keV", "minimum": 0, "maximum": 30, "description": "High."},
            {"name": "N", "type": "integer", "minimum": 1, "default": 1, "description": "How many."},
            {"name": "GTI", "type": "text", "options": ["none", "flare"], "default": "none", "description": "Times."},
            {"name": "FLAG", "type": "boolean", "description": "Whether."},
            {"name": "TIME", "type": "interval", "unit": "d", "description": "When."},
            {"name": "BACKGROUND", "type": "region", "options": ["auto"], "default": "auto", "description": "Where."},
            {
                "name": "TABLE",
                "type": "file",
                "max_size": 10,
                "content_types": ["text/csv", "application/fits"],
                "description": "Table.",
            },
            {"name": "NOTE", "type": "text", "multiple": True, "max_length": 5, "description": "What."},
        ],
    }
)


def checked(index: Index, *given: tuple[str, str], script: Script = SCRIPT) -> Values:
    return check(script, canonical(script, given), index)


def sent(index: Index, size: int = 10, content_type: str = "text/csv", name: str = "TABLE") -> Values:
    """Check a file."""
    return check(SCRIPT, [Parameter(name, "", Upload(content_type, size, "0" * 64, "k"))], index)


def test_a_file_is_told_to_the_script(three: Index) -> None:
    values = sent(three, content_type="Text/CSV; header=present")
    assert values.values["TABLE"] == {
        "path": "uploads/TABLE",
        "content_type": "Text/CSV; header=present",
        "size": 10,
        "checksum": "0" * 64,
    }
    assert values.uploads["TABLE"].key == "k"
    assert checked(three).values["TABLE"] is None


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"size": 11}, "a file of 11 bytes.*at most 10 bytes"),
        ({"content_type": "text/html"}, "text/html.*text/csv, application/fits"),
        ({"name": "EMIN"}, "EMIN.*takes files as TABLE"),
        ({"name": "OTHER"}, "OTHER.*takes files as TABLE"),
    ],
)
def test_files_that_are_refused(three: Index, given_: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        sent(three, **given_)


def test_a_file_is_no_text(three: Index) -> None:
    assert "UPLOAD" in refused(three, ("TABLE", "a,b"))


def refused(index: Index, *given: tuple[str, str]) -> str:
    with pytest.raises(RequestError) as caught:
        checked(index, *given)
    return str(caught.value)


def test_values_are_typed_and_defaults_filled_in(three: Index) -> None:
    values = checked(three, ("emin", "0.5"), ("Flag", "TRUE"), ("TIME", "-Inf 51000.5"), ("NOTE", "a"), ("note", "b"))
    assert values.values == {
        "EMIN": 0.5,
        "EMAX": None,
        "N": 1,
        "GTI": "none",
        "FLAG": True,
        "TIME": [None, 51000.5],
        "BACKGROUND": "auto",
        "TABLE": None,
        "NOTE": ["a", "b"],
    }


def test_an_empty_value_is_no_value(three: Index) -> None:
    assert checked(three, ("EMIN", ""), ("POS", " "), ("N", "")) == checked(three)


def test_a_background_region(three: Index) -> None:
    values = checked(three, ("BACKGROUND", "CIRCLE 1 2 3"))
    assert values.values["BACKGROUND"] == {"text": "CIRCLE 1 2 3", "shape": "circle", "ra": 1, "dec": 2, "radius": 3}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("EMIN", "500", "Parameter EMIN: '500' was given; a value from 0 to 30 keV is wanted."),
        ("EMIN", "nan", "Parameter EMIN: 'nan' was given; a number is wanted from 0 to 30 keV."),
        ("EMIN", "soft", "Parameter EMIN: 'soft' was given; a number is wanted from 0 to 30 keV."),
        ("EMIN", "1_0", "a number is wanted"),
        ("EMIN", "\u0661", "a number is wanted"),
        ("EMIN", "inf", "a number is wanted"),
        ("N", "1_0", "a whole number is wanted"),
        ("N", "9" * 5000, "a whole number is wanted"),
        ("TIME", "1 2 3", "two numbers separated by a blank are wanted"),
        ("TIME", "inf inf", "two numbers separated by a blank are wanted"),
        ("TIME", "-inf -inf", "two numbers separated by a blank are wanted"),
        ("TIME", "nan 2", "two numbers separated by a blank are wanted"),
        ("N", "1.5", "Parameter N: '1.5' was given; a whole number is wanted of at least 1."),
        ("N", "0", "Parameter N: '0' was given; a value of at least 1 is wanted."),
        ("GTI", "flares", "Parameter GTI: 'flares' was given; allowed are: none, flare."),
        ("FLAG", "perhaps", "Parameter FLAG: 'perhaps' was given; true or false is wanted."),
        ("TIME", "5", "Parameter TIME: '5' was given; two numbers separated by a blank are wanted"),
        ("TIME", "6 5", "two numbers separated by a blank are wanted, the smaller first"),
        ("NOTE", "longer", "Parameter NOTE: 'longer' was given; at most 5 characters are taken."),
        (
            "BACKGROUND",
            "3/5",
            "Parameter BACKGROUND: '3/5' was given; a moc was given; circle, ellipse, polygon, range are",
        ),
        ("BACKGROUND", "none", "Parameter BACKGROUND: 'none' was given; a region must begin with CIRCLE"),
        ("POS", "CIRCLE 1 2 -1", "Parameter POS: 'CIRCLE 1 2 -1' was given; "),
        ("POS", "CIRCLE 1 nan 1", "a coordinate must be a finite number of degrees, not 'nan'"),
        ("POLYGON", "1 2 3 4", "for at least 3 points, not 4"),
        ("CIRCLE", "1 2", "CIRCLE takes 3 numbers, ra dec radius, not 2"),
        ("ID", "a b", "Parameter ID: 'a b' was given; "),
        ("ID", "ivo://other.org/amora?1/M1/S001", "Parameter ID: "),
    ],
)
def test_a_wrong_value(three: Index, name: str, value: str, message: str) -> None:
    assert message in refused(three, (name, value))


def test_emin_above_emax(three: Index) -> None:
    assert refused(three, ("EMIN", "5"), ("EMAX", "2")) == (
        "Parameter EMIN: '5.0' was given; it must be smaller than EMAX, which is 2.0."
    )


def test_a_single_value_given_twice(three: Index) -> None:
    assert refused(three, ("EMIN", "1"), ("emin", "2")) == (
        "Parameter EMIN: '1, 2' was given; it takes one value, and several were given."
    )


def test_two_regions(three: Index) -> None:
    assert "Several regions were given (POS and CIRCLE)" in refused(three, ("POS", "CIRCLE 1 2 3"), ("CIRCLE", "1 2 3"))


def test_too_much(three: Index) -> None:
    assert f"at most {MAX_VALUE} characters" in refused(three, ("X", "x" * (MAX_VALUE + 1)))
    assert f"at most {MAX_CHARACTERS} together" in refused(three, *[("X", "x" * MAX_VALUE)] * 6)
    assert f"at most {MAX_PARAMETERS} are taken" in refused(three, *[("X", "x")] * (MAX_PARAMETERS + 1))


def test_a_long_wrong_value_is_not_repeated_whole(three: Index) -> None:
    assert len(refused(three, ("EMIN", "9" * 50_000))) < 500


@given(st.lists(st.tuples(st.sampled_from(["EMIN", "emin", "POS", "pos", "Lang", "LANG", "x"]), st.text(max_size=5))))
def test_names_have_one_spelling(pairs: list[tuple[str, str]]) -> None:
    kept = canonical(SCRIPT, pairs)
    assert [item.value for item in kept] == [value for _, value in pairs]
    assert len({item.name for item in kept}) == len({name.upper() for name, _ in pairs})


def test_unknown_parameters_are_kept(three: Index) -> None:
    assert canonical(SCRIPT, [("tapclient", "x"), ("pos", "y")]) == [Parameter("tapclient", "x"), Parameter("POS", "y")]
    checked(three, ("tapclient", "x"), ("tapclient", "y"))


# ---------------------------------------------------------------------- which datasets


def selected(index: Index, *given: tuple[str, str], script: Script = SCRIPT) -> list[tuple[str, ...]]:
    return select(script, checked(index, *given, script=script), index)


def unselected(index: Index, *given: tuple[str, str], script: Script = SCRIPT) -> str:
    with pytest.raises(RequestError) as caught:
        selected(index, *given, script=script)
    return str(caught.value)


def variant(**changes: object) -> Script:
    return SCRIPT.model_copy(update=changes)


def test_all_fitting_datasets_of_a_region(three: Index) -> None:
    assert selected(three, ("POS", "CIRCLE 10 20.15 0.1")) == [("1/M1/S001",), ("2/M1/S001",)]
    assert selected(three, ("CIRCLE", "10 20 0.05")) == [("1/M1/S001",)]


def test_named_datasets(three: Index) -> None:
    assert selected(three, ("ID", "2/M1/S001")) == [("2/M1/S001",)]
    assert selected(three, ("ID", "ivo://example.org/amora?2/M1/S001"), ("CIRCLE", "10 20.15 0.1")) == [("2/M1/S001",)]


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ([], "Nothing says which datasets the script count is to work on"),
        ([("POS", "CIRCLE 200 -20 1")], "No dataset covers the region CIRCLE 200 -20 1."),
        ([("ID", "9/M1/S001")], "Parameter ID: there is no dataset 9/M1/S001."),
        (
            [("ID", "2/M1/S001"), ("CIRCLE", "10 20 0.05")],
            "Parameter ID: the region does not touch the coverage of dataset 2/M1/S001.",
        ),
        (
            [("ID", "1/PN/S001")],
            "Parameter ID: the script count cannot work on 1/PN/S001: the dataset has no file of the kind events.",
        ),
    ],
)
def test_nothing_to_work_on(three: Index, given_: list[tuple[str, str]], message: str) -> None:
    assert message in unselected(three, *given_)


def test_cameras(three: Index) -> None:
    pn_only = variant(accepts=SCRIPT.accepts.model_copy(update={"camera": ("PN",)}))
    assert "can work on none of the 2 datasets found" in unselected(three, ("CIRCLE", "10 20 0.01"), script=pn_only)
    message = unselected(three, ("ID", "1/M1/S001"), script=pn_only)
    assert message == "Parameter ID: the script count cannot work on 1/M1/S001: it takes the cameras PN, not M1."


def test_a_required_region(three: Index) -> None:
    needy = variant(accepts=SCRIPT.accepts.model_copy(update={"region": "required"}))
    assert "The script count needs a region" in unselected(three, ("ID", "1/M1/S001"), script=needy)


def test_a_required_parameter(three: Index) -> None:
    needy = variant(
        parameters=tuple(spec.model_copy(update={"required": spec.name == "EMIN"}) for spec in SCRIPT.parameters)
    )
    assert unselected(three, ("CIRCLE", "10 20 0.01"), script=needy) == "Parameter EMIN is required: Low."


def test_a_script_without_datasets(three: Index) -> None:
    alone = variant(accepts=SCRIPT.accepts.model_copy(update={"datasets": False, "region": "none"}), tasks="N")
    assert selected(three, ("N", "3"), ("ID", "anything"), ("POS", "anything"), script=alone) == [()] * 3


def test_a_script_for_all_datasets_at_once(three: Index) -> None:
    mosaic = variant(scope="job")
    assert selected(three, ("CIRCLE", "10 20.15 0.1"), script=mosaic) == [("1/M1/S001", "2/M1/S001")]
