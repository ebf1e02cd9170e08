"""Where the teams' files of a case lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evaluation.submissions.find import Submission, locate
from evaluation.submissions.intake import RejectedError
from evaluation.submissions.reasons import Reason


@dataclass(frozen=True)
class Located:
    """A file to take in, or the rejection that stands in its place.

    Attributes:
        name: the file below its team's folder; None where there is none to take in.
        reason, line: then why, as a code and for the team.
    """

    name: PurePosixPath | None
    reason: Reason = Reason.MISSING_FILE
    line: str = ""

    def found(self) -> PurePosixPath:
        """The file's name below its team's folder.

        Raises:
            RejectedError: there is none.
        """
        if self.name is None:
            raise RejectedError(self.reason, self.line)
        return self.name


@dataclass(frozen=True)
class TeamFiles:
    """What one team has for one case."""

    root: Path
    label_map: Located
    lengths: Located


def locate_confidence(team: Submission, key: str, subject: str, *, only_case: bool) -> PurePosixPath | None:
    """A team's file of what it expects of a case; None where it has none, which is no fault.

    Raises:
        RejectedError: it has more than one.
    """
    try:
        if team.rejected:
            return None
        return locate(team.confidence, key, subject, only_case=only_case, kind="file of confidence")
    except RejectedError as error:
        if error.reason is Reason.MISSING_FILE:
            return None
        raise


def locate_files(team: Submission, key: str, subject: str, *, only_case: bool) -> TeamFiles:
    """Find a team's label map and lengths of a case."""
    found = []
    for files, kind in ((team.label_maps, "label map"), (team.lengths, "file of lengths")):
        try:
            if team.rejected:
                raise RejectedError(Reason.UNSAFE_FILE, team.rejected)
            found.append(Located(locate(files, key, subject, only_case=only_case, kind=kind)))
        except RejectedError as error:
            found.append(Located(None, error.reason, error.line))
    return TeamFiles(team.root, *found)
