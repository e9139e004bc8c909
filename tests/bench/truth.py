"""What the scripts' statistics are worth, by simulation with known truth; the seeds are fixed."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.epic import truth
from tests.bench.figure import Figure


def figures() -> Iterator[Figure]:
    """Simulate."""
    yield from _limits()
    yield from _rates()
    yield from _detection()
    yield from _blocks()
    yield from _hardness()
    yield from _profile()


def _limits() -> Iterator[Figure]:
    for level in (0.9, 0.9973):
        for background in (0.5, 3.0, 30.0):
            share = truth.averaged_coverage(background + 20.0, background, level)
            name = f"upper limits at {level:.2%} hold in 10,000 trials, at most B + 20 counts seen, B = {background:g}"
            yield Figure(name, f"{share:.2%}", f"{level:.2%} stated", f"{share - level:+.2%}", "within 1 %")
    for source in (0.0, 3.0, 10.0, 50.0):
        share = truth.coverage(source, 5.0, 0.9, alpha=0.2)
        name = f"the same for {source:g} counts on 5 of background, known from a ring of 5 times the area"
        yield Figure(name, f"{share:.2%}", "90.00% stated", f"{share - 0.9:+.2%}", "at least 88 %")
    for background in (0.5, 5.0, 30.0):
        share = truth.averaged_coverage(background + 20.0, background, 0.6827, interval=True)
        name = f"intervals at 68.27% hold in 10,000 trials, at most B + 20 counts seen, B = {background:g}"
        yield Figure(name, f"{share:.2%}", "68.27% stated", f"{share - 0.6827:+.2%}", "within 1.5 %")
    for source in (3.0, 20.0):
        share = truth.interval_coverage(source, 5.0, 0.6827)
        name = f"intervals at 68.27% hold {source:g} counts on 5 of background, 10,000 trials"
        yield Figure(name, f"{share:.2%}", "68.27% stated", f"{share - 0.6827:+.2%}", "60 to 80 %")


def _rates() -> Iterator[Figure]:
    for radius in (15.0, 30.0, 60.0):
        ratio, error = truth.aperture_fluxes(radius, 100.0)
        name = f'rate within {radius:g}", across a gap, over the true one'
        yield Figure(name, f"{ratio:.4f}", f"+- {error:.4f}", f"{ratio - 1:+.2%}", "within 1 %")
    for camera in ("M1", "M2", "PN"):
        found = truth.photometry_truth(camera)
        name = f"rates of {found.number} sources in simulated lists of {camera}, 5 to 500 counts, over the true ones"
        yield Figure(
            name, f"{found.ratio:.4f}", f"+- {found.ratio_error:.4f}", f"{found.ratio - 1:+.2%}", "within 3 errors"
        )
        name = "the true rates within their intervals, and below their limits"
        yield Figure(name, f"{found.within:.1%}, {found.below:.1%}", "68.27%, 99.73% stated", "", "58 to 78 %, 98 %")


def _detection() -> Iterator[Figure]:
    field = truth.detection_truth()
    for counts, share in field.completeness.items():
        name = f"sources of {counts:g} counts found, 20 ks, L >= 12"
        yield Figure(name, f"{share:.1%}", f"{40 * 10 // len(field.completeness)} put in", "", "")
    yield Figure(
        "counts found over true, brightest", f"{field.ratio:.3f}", f"+- {field.ratio_error:.3f}", "", "within 5 %"
    )
    yield Figure("their scatter over the stated error", f"{field.pull:.2f}", "1", "", "0.8 to 1.3")
    yield Figure("sources found in a field without any", f"{field.false:.2f}", "10 fields", "", "at most 1")
    place = truth.position_truth()
    yield Figure(
        f"places of {place.number} sources in simulated lists: mean offset in RA, Dec",
        f'{place.mean[0]:+.3f}", {place.mean[1]:+.3f}"',
        f'+- {place.error:.3f}"',
        "",
        "within 3 errors",
    )
    yield Figure("their scatter over the stated error", f"{place.pull:.2f}", "1", "", "0.8 to 1.3")


def _blocks() -> Iterator[Figure]:
    for bins, mean in ((90, 0.3), (90, 30.0), (300, 3.0)):
        share = truth.bin_false_alarms(bins, mean, 0.05, trials=600)
        name = f"constant light curves of {bins} bins of {mean:g} counts cut into blocks"
        yield Figure(name, f"{share:.1%}", "5 % stated", "", "at most 7 %")
    for observations, trials in ((3, 1000), (10, 1000), (30, 200)):
        for mean in (2.0, 100.0):
            share = truth.block_false_alarms(observations, mean, 1.0, 0.05, trials=trials)
            name = f"constant sources of {mean:g} counts in {observations} observations cut into blocks"
            yield Figure(name, f"{share:.1%}", "5 % stated", "", "at most 8 %")


def _hardness() -> Iterator[Figure]:
    for soft, hard, background in (
        (2.0, 2.0, 1.0),
        (8.0, 2.0, 1.0),
        (20.0, 10.0, 2.0),
        (200.0, 100.0, 5.0),
        (1000.0, 200.0, 5.0),
    ):
        found = truth.hardness_truth(soft, hard, background)
        name = f"hardness of {soft:g} soft and {hard:g} hard counts on {background:g}: interval holds it, 2,000 trials"
        yield Figure(name, f"{found.within:.1%}", "68.27% stated", f"{found.within - 0.6827:+.1%}", "55 to 75 %")
        name = "its median less the true ratio"
        yield Figure(name, f"{found.bias:+.4f}", f"+- {found.bias_error:.4f}", "", "within 0.15")


def _profile() -> Iterator[Figure]:
    for rate in (50.0, 500.0, 5000.0):
        mean, scatter = truth.profile_truth(rate)
        name = (
            f"rate fitted to a profile of {rate:g} counts less the true one, in errors: mean and scatter, 2,000 trials"
        )
        yield Figure(name, f"{mean:+.2f}, {scatter:.2f}", "0, 1", "", "within 0.15, scatter 0.9 to 1.1")
