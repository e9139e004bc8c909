"""What the scripts' statistics are worth, by simulation with known truth; the seeds are fixed."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.epic import truth
from tests.bench.figure import Figure


def figures() -> Iterator[Figure]:
    """Simulate."""
    for level in (0.9, 0.9973):
        for background in (0.5, 3.0, 30.0):
            share = truth.averaged_coverage(background + 20.0, background, level)
            name = f"upper limits at {level:.2%} hold in 10,000 trials, at most B + 20 counts seen, B = {background:g}"
            yield Figure(name, f"{share:.2%}", f"{level:.2%} stated", f"{share - level:+.2%}", "within 1 %")
    for source in (0.0, 3.0, 10.0, 50.0):
        share = truth.coverage(source, 5.0, 0.9, alpha=0.2)
        name = f"the same for {source:g} counts on 5 of background, known from a ring of 5 times the area"
        yield Figure(name, f"{share:.2%}", "90.00% stated", f"{share - 0.9:+.2%}", "at least 88 %")
    for radius in (15.0, 30.0, 60.0):
        ratio, error = truth.aperture_fluxes(radius, 100.0)
        name = f'rate within {radius:g}", across a gap, over the true one'
        yield Figure(name, f"{ratio:.4f}", f"+- {error:.4f}", f"{ratio - 1:+.2%}", "within 1 %")
    field = truth.detection_truth()
    for counts, share in field.completeness.items():
        name = f"sources of {counts:g} counts found, 20 ks, L >= 12"
        yield Figure(name, f"{share:.1%}", f"{40 * 10 // len(field.completeness)} put in", "", "")
    yield Figure(
        "counts found over true, brightest", f"{field.ratio:.3f}", f"+- {field.ratio_error:.3f}", "", "within 5 %"
    )
    yield Figure("their scatter over the stated error", f"{field.pull:.2f}", "1", "", "0.8 to 1.3")
    yield Figure("sources found in a field without any", f"{field.false:.2f}", "10 fields", "", "at most 1")
    for observations in (3, 10):
        for mean in (2.0, 100.0):
            share = truth.block_false_alarms(observations, mean, 1.0, 0.05)
            name = f"constant sources of {mean:g} counts in {observations} observations cut into blocks"
            yield Figure(name, f"{share:.1%}", "5 % stated", "", "at most 6.5 %")
