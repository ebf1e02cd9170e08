"""What a person looks at: a case's picture and page, and the page of all cases. The results stand without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from feta.errors import HostError
from feta.files import write_atomically
from feta.grid import Matrix
from feta.measurements import Measurement
from feta.volumes import Volume
from inference.biometry.lengths import Length
from inference.confidence.confidence import Confidence
from inference.morphometry.measured import Measured
from inference.morphometry.norms import curves_of
from inference.morphometry.sides import why_unknown
from inference.runs.outputs import CaseJob

if TYPE_CHECKING:
    from inference.report.viewer_volume import ViewerVolume

#: What draws them, which runs without pictures needn't import.
MODULES = ("inference.report.picture", "inference.report.case_page")
#: The page of all cases, in the root of an output folder.
COHORT_PAGE = "cohort.html"


def write_looks(
    job: CaseJob,
    volume: Volume,
    labels: Volume,
    frame: Matrix,
    lengths: Mapping[Measurement, Length],
    sizes: Sequence[Measured],
    warnings: Sequence[str],
    confidence: Confidence | None = None,
) -> tuple[str, ...]:
    """Write the picture and the page that are wanted; why one is not there, where it can't be drawn.

    Args:
        job: the case and what to write.
        volume: the image, float32 (z, y, x).
        labels: uint8 on the same grid.
        frame: 4×4 from physical LPS mm to the brain frame.
        lengths: the five lengths.
        sizes: all volumes and lengths with their place on curves.
        warnings: what the case's page says.
        confidence: in the results.
    """
    if job.picture is None and job.report is None:
        return ()
    jpegs: list[bytes] = []
    sides_known = not why_unknown(volume.grid)

    def picture() -> None:
        from inference.report.picture import draw_picture
        from inference.report.sampling import Scene

        drawn = draw_picture(
            job.case.name,
            Scene.of(volume, labels, frame),
            lengths,
            {m: n.line.moved(frame) for m, n in lengths.items() if n.line is not None},
            age=job.case.age,
            measured=sizes,
            convention=job.convention,
            sides_known=sides_known,
        )
        if job.picture:
            write_atomically(job.picture, drawn.png())
        if job.report:
            jpegs.append(drawn.nameless_jpeg())

    def head() -> ViewerVolume | None:
        from inference.report.case_page import read_head

        return read_head(volume, labels, frame)

    def page(path: Path, head: Future[ViewerVolume | None]) -> None:
        from inference.report.case_page import CasePage, PageVerdict, write_case_page

        verdict = None if confidence is None else PageVerdict(*confidence.for_page())

        content = CasePage(
            job.case.name,
            volume,
            labels,
            frame,
            measured=sizes,
            curves={size.key: curves_of(size.key) for size in sizes},
            subject=job.case.subject,
            age=job.case.age,
            warnings=warnings,
            picture=jpegs[0] if jpegs else None,
            convention=job.convention,
            sides_known=sides_known,
            verdict=verdict,
            head=head.result(),
        )
        write_case_page(path, content)

    report = job.report
    with ThreadPoolExecutor(1, "viewer") as beside:
        shown = None if report is None else beside.submit(head)
        undrawn = _tried("picture", job.picture, picture)
        if report is None or shown is None:
            return undrawn
        return (*undrawn, *_tried("page", report, lambda: page(report, shown)))


def write_cohort_look(root: Path) -> tuple[str, ...]:
    """Write the page of all cases of an output folder that has a table of them; why there is none."""

    def page() -> None:
        from inference.report.cohort_page import write_cohort_page

        write_cohort_page(root, curves_of)

    return _tried("page of the cohort", None, page)


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
