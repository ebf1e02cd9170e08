"""What a person looks at of a case: its picture and its page. The results stand without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from feta.errors import HostError
from feta.files import write_atomically
from feta.grid import Matrix
from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.lengths import Length
from inference.morphometry.measured import Measured
from inference.morphometry.norms import curves_of
from inference.runs.outputs import CaseJob

#: What draws them; matplotlib takes a second to import.
MODULES = ("inference.report.picture", "inference.report.case_page")


def write_looks(
    job: CaseJob,
    volume: Volume,
    labels: Volume,
    frame: Matrix,
    lengths: Mapping[Measurement, Length],
    measured: Sequence[Measured],
    warnings: Sequence[str],
) -> tuple[str, ...]:
    """Write the picture and the page that are wanted; why one is not there, where it can't be drawn.

    Args:
        job: the case and what to write.
        volume: the image, float32 (z, y, x).
        labels: uint8 on the same grid.
        frame: 4×4 from physical LPS mm to the brain frame.
        lengths: the five lengths.
        measured: all volumes and lengths with their place on curves.
        warnings: what the case's page says.
    """
    if job.picture is None and job.report is None:
        return ()
    jpegs: list[bytes] = []

    def picture() -> None:
        # matplotlib takes a second to import, which runs without pictures needn't pay.
        from inference.report.picture import draw_picture
        from inference.report.sampling import Scene

        lines = {m: n.line.moved(frame) for m, n in lengths.items() if n.line is not None}
        drawn = draw_picture(
            job.case.name, Scene.of(volume, labels, frame), lengths, lines, age=job.case.age, measured=measured,
            convention=job.convention,
        )  # fmt: skip
        if job.picture:
            write_atomically(job.picture, drawn.png())
        if job.report:
            jpegs.append(drawn.nameless_jpeg())

    def page() -> None:
        from inference.report.case_page import CasePage, write_case_page

        assert job.report is not None
        write_case_page(
            job.report,
            CasePage(
                job.case.name, volume, labels, frame, measured,
                {m.key: curves_of(m.key) for m in measured}, job.case.subject, job.case.age,
                warnings, jpegs[0] if jpegs else None, job.convention,
            ),  # fmt: skip
        )

    undrawn = _tried("picture", job.picture, picture)
    return (*undrawn, *(_tried("page", job.report, page) if job.report else ()))


def _tried(what: str, path: Path | None, draw: Callable[[], None]) -> tuple[str, ...]:
    try:
        draw()
    except HostError:
        raise
    except Exception as error:
        if path:
            with suppress(OSError):  # an earlier one, of other results
                path.unlink(missing_ok=True)
        return (f"no {what} could be drawn ({type(error).__name__}: {' '.join(str(error).split())})",)
    return ()
