"""The part of the script ``mosaic`` that works on one dataset: its events and its exposure, for all to be added."""

from __future__ import annotations

from scripts.epic import mosaic, task


def main(job: task.Task) -> None:
    """Hand on what one dataset brings."""
    made = mosaic.portion(job)
    task.PRODUCTS.mkdir(exist_ok=True)
    made.save(task.PRODUCTS / "portion.npz")
    print(f"{job.slug}: {len(made.x)} events; {made.told}")


if __name__ == "__main__":
    task.run(main)
