"""Responses of the archive beside a spectrum."""

from __future__ import annotations

import gzip
import shutil

import numpy as np
import pytest
from astropy.io import fits

from scripts.epic.events import EventList
from scripts.epic.pps import describe

REGION = {"shape": "circle", "ra": 150.236, "dec": 2.268, "radius": 0.00833}
NAME = "P9999000101M1S001"


def matrix(path, channels=2400):
    """Write an RMF as HEASARC's: a diagonal one (OGIP/CAL/GEN/92-002a)."""
    edges = np.linspace(0.05, 12.0, 41)
    rows = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERG_LO", "E", unit="keV", array=edges[:-1]),
            fits.Column("ENERG_HI", "E", unit="keV", array=edges[1:]),
            fits.Column("N_GRP", "I", array=np.ones(40)),
            fits.Column("F_CHAN", "I", array=np.arange(40) * 60),
            fits.Column("N_CHAN", "I", array=np.full(40, 60)),
            fits.Column("MATRIX", "60E", array=np.full((40, 60), 1 / 60)),
        ],
        name="MATRIX",
    )
    bounds = fits.BinTableHDU.from_columns(
        [
            fits.Column("CHANNEL", "I", array=np.arange(channels)),
            fits.Column("E_MIN", "E", unit="keV", array=np.arange(channels) * 0.005),
            fits.Column("E_MAX", "E", unit="keV", array=np.arange(1, channels + 1) * 0.005),
        ],
        name="EBOUNDS",
    )
    for hdu in (rows, bounds):
        hdu.header["DETCHANS"] = channels
    fits.HDUList([fits.PrimaryHDU(), rows, bounds]).writeto(path)


def area(path):
    """Write an ARF."""
    edges = np.linspace(0.05, 12.0, 41)
    columns = [
        ("ENERG_LO", "keV", edges[:-1]),
        ("ENERG_HI", "keV", edges[1:]),
        ("SPECRESP", "cm**2", np.full(40, 400.0)),
    ]
    table = fits.BinTableHDU.from_columns(
        [fits.Column(n, "E", unit=u, array=a) for n, u, a in columns], name="SPECRESP"
    )
    table.writeto(path)


def spectrum(path, number, ra, dec):
    """Write what this reads of a pipeline's source spectrum."""
    table = fits.BinTableHDU.from_columns([fits.Column("CHANNEL", "I", array=np.arange(3))], name="SPECTRUM")
    arf = f"{NAME}SRCARF{number:04d}.FTZ"
    table.header.update(SRC_RA=ra, SRC_DEC=dec, EXTRRAD=800.0, ANCRFILE=arf, RESPFILE="m1_e13_im_pall_o.rmf")
    table.writeto(path)


@pytest.fixture
def folder(simulated_m1, tmp_path):
    """A folder as the pipeline's, with two sources and the canned matrices beside."""
    shutil.copy(simulated_m1, tmp_path)
    for number, (ra, dec) in enumerate(((150.2361, 2.2681), (150.1, 2.3)), 1):
        spectrum(tmp_path / f"{NAME}SRSPEC{number:04d}.FTZ", number, ra, dec)
        area(tmp_path / f"{NAME}SRCARF{number:04d}.fits")
        packed = gzip.compress((tmp_path / f"{NAME}SRCARF{number:04d}.fits").read_bytes(), mtime=0)
        (tmp_path / f"{NAME}SRCARF{number:04d}.fits").unlink()
        (tmp_path / f"{NAME}SRCARF{number:04d}.FTZ").write_bytes(packed)
    for name in ("m1_e5_im_pall_o.rmf", "m1_e13_im_pall_o.rmf", "m2_e13_im_pall_o.rmf", "epn_ff20_sdY0.rmf"):
        matrix(tmp_path / name)
    return tmp_path


def files(folder, *kinds):
    """The entries of task.json, as the reader of the index finds them."""
    found = describe(folder / f"{NAME}MIEVLI0000.FTZ").files
    return [{"kind": kind, "path": str(path)} for kind, path, _ in found if kind in kinds]


KINDS = ("source_spectrum", "arf", "response")


def test_the_index_finds_them(folder):
    names = [(file["kind"], file["path"].rpartition("/")[2]) for file in files(folder, *KINDS)]
    assert sorted(names) == [
        ("arf", f"{NAME}SRCARF0001.FTZ"),
        ("arf", f"{NAME}SRCARF0002.FTZ"),
        ("response", "m1_e13_im_pall_o.rmf"),
        ("response", "m1_e5_im_pall_o.rmf"),
        ("source_spectrum", f"{NAME}SRSPEC0001.FTZ"),
        ("source_spectrum", f"{NAME}SRSPEC0002.FTZ"),
    ]


def test_those_of_the_nearest_source_are_copied_and_named(run_script, folder, simulated_m1, fitsverify):
    run = run_script("spectrum", simulated_m1, {}, REGION, slug="a", files=files(folder, *KINDS))
    assert run.code == 0, run.err
    header = fits.getheader(run.products / "a_spectrum.fits", "SPECTRUM")
    assert (header["RESPFILE"], header["ANCRFILE"]) == ("a_rmf.fits", "a_arf.fits")
    assert (run.products / "a_rmf.fits").read_bytes() == (folder / "m1_e13_im_pall_o.rmf").read_bytes()
    packed = (folder / f"{NAME}SRCARF0001.FTZ").read_bytes()
    assert (run.products / "a_arf.fits").read_bytes() == gzip.decompress(packed)
    assert 'circle of 40"' in "".join(header["HISTORY"])
    fitsverify(run.products / "a_spectrum.fits")


def test_an_outside_reader_folds_the_spectrum(run_script, folder, simulated_m1):
    """Sherpa reads the whole set, and its counts, areas and channels are ours."""
    ui = pytest.importorskip(
        "sherpa.astro.ui", reason="sherpa has no wheel: pip install sherpa needs gfortran, flex, bison"
    )
    run = run_script("spectrum", simulated_m1, {}, REGION, slug="a", files=files(folder, *KINDS))
    ui.load_pha(str(run.products / "a_spectrum.fits"))
    pha, ours = ui.get_data(), fits.open(run.products / "a_spectrum.fits")["SPECTRUM"]
    assert pha.counts.sum() == ours.data["COUNTS"].sum()
    assert pha.exposure == pytest.approx(ours.header["EXPOSURE"])
    assert ui.get_backscal() / ui.get_backscal(bkg_id=1) < 1
    assert ui.get_bkg().counts.sum() == fits.getdata(run.products / "a_background.fits", "SPECTRUM")["COUNTS"].sum()
    assert ui.get_rmf().detchans == 2400
    assert ui.get_arf().specresp.max() == pytest.approx(400.0)


def test_an_arf_for_another_place_is_not_linked(run_script, folder, simulated_m1):
    away = REGION | {"ra": 150.236 - 40 / 3600}
    run = run_script("spectrum", simulated_m1, {}, away, slug="a", files=files(folder, *KINDS))
    header = fits.getheader(run.products / "a_spectrum.fits", "SPECTRUM")
    assert (header["RESPFILE"], header["ANCRFILE"]) == ("a_rmf.fits", "none")
    assert 'no ARF: the nearest source that the pipeline made one for lies 40" away' in run.out


def test_without_source_spectra_one_of_each_is_taken(run_script, folder, simulated_m1):
    chosen = [
        file for file in files(folder, "arf", "response") if "SRCARF0001" in file["path"] or "e13" in file["path"]
    ]
    run = run_script("spectrum", simulated_m1, {}, REGION, slug="a", files=chosen)
    header = fits.getheader(run.products / "a_spectrum.fits", "SPECTRUM")
    assert (header["RESPFILE"], header["ANCRFILE"]) == ("a_rmf.fits", "a_arf.fits")
    run = run_script("spectrum", simulated_m1, {}, REGION, slug="a", files=files(folder, "arf"))
    assert "no ARF: there are 2" in run.out


def test_a_matrix_of_other_channels_is_not_linked_and_a_damaged_one_is_named(run_script, simulated_m1, tmp_path):
    matrix(tmp_path / "m1_other.rmf", 800)
    given = [{"kind": "response", "path": str(tmp_path / "m1_other.rmf")}]
    run = run_script("spectrum", simulated_m1, {}, REGION, slug="a", files=given)
    assert "m1_other.rmf is not linked: it has 800 channels, the spectrum 2400" in run.out
    assert fits.getheader(run.products / "a_spectrum.fits", "SPECTRUM")["RESPFILE"] == "none"
    (tmp_path / "m1_other.rmf").write_bytes(gzip.compress(b"x" * 10_000)[:60])
    run = run_script("spectrum", simulated_m1, {}, REGION, slug="a", files=given)
    assert run.code == 1
    assert run.message.startswith("m1_other.rmf: cannot be read")
    assert not list(run.products.iterdir())


def test_the_pipelines_own_spectra_are_understood(shared, simulated_m1):
    """Real SRSPEC say where their source lies and what goes with them."""
    from scripts.epic.region import place
    from scripts.epic.response import choose

    there = shared / "data" / "xmm" / "0886090801"
    events = EventList(simulated_m1)
    kinds = {"SRSPEC": "source_spectrum", "SRCARF": "arf"}
    given = [{"kind": kind, "path": str(path)} for key, kind in kinds.items() for path in there.glob(f"*M1*{key}*")]
    chosen = choose(given, events, place(REGION, events.projection), 2400)
    assert chosen.arf is None
    assert "no ARF: the nearest source" in chosen.told[0] or "inf" in chosen.told[0]
