"""The demonstration on a folder as people have them: some files in it are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from uws.demo import event_lists


def _write(path: Path, exposure: str | None) -> bytes:
    table = fits.BinTableHDU(np.zeros(1000, dtype=[("X", "i4")]), name="EVENTS")
    table.header.update(INSTRUME="EMOS1", OBS_ID="0000000001")
    if exposure:
        table.header["EXPIDSTR"] = exposure
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["cut off", "no FITS", "cut off and compressed", "nameless", "empty"])
def test_a_damaged_list_is_left_out(tmp_path: Path, damage: str):
    _write(tmp_path / "P0000000001M1S002MIEVLI0000.FITS", "S002")
    bad = tmp_path / "P0000000001M1S001MIEVLI0000.FIT"
    if damage == "nameless":
        _write(bad, None)
    elif damage == "cut off and compressed":
        _write(tmp_path / "whole.fits.gz", "S001")
        bad.write_bytes((tmp_path / "whole.fits.gz").read_bytes()[:200])
    else:
        content = {"cut off": _write(tmp_path / "whole.fits", "S001")[:2880], "no FITS": b"a page", "empty": b""}
        bad.write_bytes(content[damage])
    assert list(event_lists(tmp_path)) == ["0000000001/M1/S002"]
