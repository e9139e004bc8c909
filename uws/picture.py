"""The provenance of a job as a picture (SVG): what went in on the left, what came out on the right.

The colours and arrows are those of the W3C (PROV Graph Layout Conventions): entities yellow, activities blue, agents
orange, and an arrow points to what something came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from jobs.models import Job, Product, Task
from jobs.phases import Phase
from uws.provenance import Provenance
from uws.times import format_instant

TASKS = 12
"""So many tasks are drawn."""
ITEMS = 6
"""So many datasets or products of a task, and so many lines of a box, are drawn."""
WIDE = 1120
BOX = 300
LINE = 17
GAP = 16
LETTER = 6.6
"""Width of a letter, about."""

_STYLE = """text{font:13px sans-serif;fill:#222}.s{font-size:11px;fill:#555}.b{font-weight:600}
.e{fill:#fffc87;stroke:#808080}.a{fill:#9fb1fc;stroke:#0000ff}.g{fill:#fdb266;stroke:#a05a00}.f{fill:#f4b6b6;stroke:#a00}
path{stroke:#555;fill:none;marker-end:url(#to)}"""


class _Drawing:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def box(self, x: float, y: float, kind: str, lines: Sequence[str], width: float = BOX) -> float:
        """Draw a box of lines, the first of them bold; return its height."""
        high = box_height(lines)
        shape = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{high:g}"'
        round_ = {"e": 14, "a": 0, "f": 0, "g": 4}[kind]
        self.parts.append(f'<rect class="{kind}" {shape} rx="{round_}"/>')
        for number, line in enumerate(lines):
            look = "b" if number == 0 else "s"
            self.text(x + 10, y + LINE * (number + 1), _cut(line, width - 16, small=number > 0), look, line)
        return high

    def text(self, x: float, y: float, shown: str, look: str = "s", whole: str = "") -> None:
        """Write a line; where it is cut, the whole of it shows under the pointer."""
        title = f"<title>{escape(whole)}</title>" if whole and whole != shown else ""
        self.parts.append(f'<text class="{look}" x="{x:g}" y="{y:g}">{escape(shown)}{title}</text>')

    def arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw an arrow from an effect to its cause."""
        (x1, y1), (x2, y2) = start, end
        bend = (x1 + x2) / 2
        self.parts.append(f'<path d="M{x1:g} {y1:g}C{bend:g} {y1:g} {bend:g} {y2:g} {x2:g} {y2:g}"/>')

    def down(self, x: float, y1: float, y2: float) -> None:
        """Draw a straight arrow upwards or downwards."""
        self.parts.append(f'<path d="M{x:g} {y1:g}L{x:g} {y2:g}"/>')


def box_height(lines: Sequence[str]) -> float:
    """Return the height of a box of lines."""
    return LINE * len(lines) + 10


def _cut(line: str, width: float, *, small: bool) -> str:
    most = int(width / (LETTER * (0.87 if small else 1.05)))
    return line if len(line) <= most else line[: most - 1] + "…"


def as_svg(provenance: Provenance) -> bytes:
    """Return the picture."""
    drawing = _Drawing()
    job = provenance.job
    left, middle, right = 20, (WIDE - BOX) // 2, WIDE - BOX - 20
    top = 46
    drawing.text(20, 26, f"Provenance of {job.script} {job.id}", "b")

    job_lines = [
        f"job {job.script}",
        job.id,
        f"{job.phase}, made {format_instant(job.created)}",
        f"{format_instant(job.started)} to",
        format_instant(job.ended),
    ]
    drawing.box(middle, top, "a", job_lines)
    parameters = _parameter_lines(provenance)
    drawing.box(left, top, "e", parameters)
    drawing.arrow((middle, top + 40), (left + BOX, top + 40))
    drawing.text(left + BOX + 8, top + 32, "configured by")
    script = _script_lines(provenance)
    drawing.box(right, top, "e", script)
    drawing.arrow((middle + BOX, top + 40), (right, top + 40))
    drawing.text(middle + BOX + 8, top + 32, "described by")
    agents = ["Amora", *([f"for {job.owner}"] if job.owner else [])]
    y = top + box_height(script) + GAP
    drawing.box(right, y, "g", agents)
    drawing.arrow((middle + BOX, top + 60), (right, y + box_height(agents) / 2))
    lowest = max(top + box_height(job_lines), top + box_height(parameters), y + box_height(agents))

    y = lowest + 34
    drawing.text(left, y - 8, "datasets", "b")
    drawing.text(middle, y - 8, "tasks", "b")
    drawing.text(right, y - 8, "products", "b")
    drawing.down(middle + BOX / 2, y - 4, top + box_height(job_lines))
    for task in job.tasks[:TASKS]:
        y += _task(drawing, provenance, task, (left, middle, right), y) + GAP
    if len(job.tasks) > TASKS:
        drawing.text(middle, y + 8, f"… and {len(job.tasks) - TASKS} more tasks: see provenance.json")
        y += LINE
    high = y + 10
    size = f'width="{WIDE}" height="{high:g}" viewBox="0 0 {WIDE} {high:g}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" {size}>'
        f"<title>Provenance of the job {escape(job.id)}</title><style>{_STYLE}</style>"
        '<defs><marker id="to" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto">'
        '<polygon points="0,0 9,4 0,8" fill="#555"/></marker></defs>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(drawing.parts)}</svg>\n'
    ).encode()


def _parameter_lines(provenance: Provenance) -> list[str]:
    lines = ["parameters"]
    lines += [f"{item.name} = {item.value}" + ("" if item.given else "  (default)") for item in provenance.parameters]
    return _few(lines, 2 * ITEMS, "parameters")


def _script_lines(provenance: Provenance) -> list[str]:
    record = provenance.record
    lines = [f"script {provenance.job.script}"]
    if record is not None:
        software = [f"{name} {version}" for name, version in sorted(record.software.items())]
        lines[0] += f" {record.version}"
        lines.append(f"SHA-256 {record.checksum[:16]}…")
        lines += [", ".join(software[i : i + 3]) for i in range(0, len(software), 3)]
    return _few(lines, 2 * ITEMS, "lines")


def _few(lines: list[str], most: int, what: str) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], f"… and {len(lines) - most + 1} more {what}"]


def _task(
    drawing: _Drawing, provenance: Provenance, task: Task, columns: tuple[float, float, float], y: float
) -> float:
    """Draw a task with its datasets and products; return the height it takes."""
    left, middle, right = columns
    inputs = [_dataset_lines(provenance, task, dataset) for dataset in task.datasets[:ITEMS]]
    if len(task.datasets) > ITEMS:
        inputs.append([f"… and {len(task.datasets) - ITEMS} more datasets"])
    made = [product for product in provenance.job.products if product.task == task.number]
    outputs = [_product_lines(product) for product in made[:ITEMS]]
    if len(made) > ITEMS:
        outputs.append([f"… and {len(made) - ITEMS} more products"])
    lines = _task_lines(provenance.job, task)
    heights = [sum(box_height(box) + 8 for box in boxes) for boxes in (inputs, [lines], outputs)]
    high = max(heights)
    drawing.box(middle, y, "a" if task.phase is Phase.COMPLETED else "f", lines)
    at = y + min(box_height(lines) / 2, 24)
    for x, boxes, incoming in ((left, inputs, True), (right, outputs, False)):
        place = y
        for box in boxes:
            drawing.box(x, place, "e", box)
            centre = place + box_height(box) / 2
            if incoming:
                drawing.arrow((middle, at), (x + BOX, centre))
            else:
                drawing.arrow((x, centre), (middle + BOX, at))
            place += box_height(box) + 8
    if inputs:
        drawing.text(left + BOX + 30, y + 10, "used")
    if outputs:
        drawing.text(middle + BOX + 14, y + 10, "generated by")
    return high


def _task_lines(job: Job, task: Task) -> list[str]:
    lines = [f"task {task.number}" + (f" of {len(job.tasks)}" if len(job.tasks) > 1 else "")]
    if task.started and task.ended:
        lines.append(f"{format_instant(task.started)}, {(task.ended - task.started).total_seconds():.1f} s")
    if task.attempt > 1:
        lines.append(f"attempt {task.attempt}")
    if task.phase is not Phase.COMPLETED:
        lines.append(f"{task.phase}: {task.message}")
    return lines


def _dataset_lines(provenance: Provenance, task: Task, dataset: str) -> list[str]:
    record = provenance.records.get(task.number)
    files = [file for file in record.files if file.dataset == dataset] if record else []
    lines = [dataset]
    for file in files:
        lines += [file.name, f"{file.kind}, {file.size:,} bytes, SHA-256 {file.checksum[:8]}…"]
    return _few(lines, ITEMS + 1, "files")


def _product_lines(product: Product) -> list[str]:
    return [product.name, f"{product.content_type}, {product.size:,} bytes, SHA-256 {product.checksum[:8]}…"]
