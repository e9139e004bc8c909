from __future__ import annotations

import pytest

from index.errors import DatasetIdError
from index.ids import DatasetIds

IDS = DatasetIds("example.org")


@pytest.mark.parametrize(
    "text",
    [
        "0002970201/M1/S002",
        " 0002970201/M1/S002\n",
        "ivo://example.org/amora?0002970201/M1/S002",
        "IVO://Example.ORG/Amora?0002970201/M1/S002",
    ],
)
def test_both_forms_are_read(text: str) -> None:
    assert IDS.short(text) == "0002970201/M1/S002"
    assert IDS.full(IDS.short(text)) == "ivo://example.org/amora?0002970201/M1/S002"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0002970201",
        "0002970201/M1",
        "0002970201/M1/S002/",
        "0002970201//S002",
        "../M1/S002",
        "a/M1/..",
        "a b/M1/S002",
        "a/M1/S\x00",
        "a/M1/S%32",
        "ivo://other.org/amora?0002970201/M1/S002",
        "ivo://example.org/amora?",
        f"{'x' * 65}/M1/S002",
        "\N{ARABIC-INDIC DIGIT ONE}/M1/S002",
        "x" * 100_000,
    ],
)
def test_what_is_no_id_is_explained(text: str) -> None:
    with pytest.raises(DatasetIdError) as caught:
        IDS.short(text)
    message = str(caught.value)
    assert "must be OBS/CAMERA/EXPOSURE or ivo://example.org/amora?OBS/CAMERA/EXPOSURE" in message
    assert "up to 64 letters, digits and . _ ~ -" in message
    assert repr(text[:97])[1:-1] in message
    assert len(message) < 400


def test_the_longest_parts_fit() -> None:
    text = "/".join(["x" * 64] * 3)
    assert IDS.short(text) == text
