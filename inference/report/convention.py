"""Which side of the fetus a picture shows on its left."""

from __future__ import annotations

from enum import StrEnum


class Convention(StrEnum):
    """How coronal and axial planes are shown."""

    RADIOLOGICAL = "radiological"
    NEUROLOGICAL = "neurological"

    @property
    def words(self) -> str:
        """For people: ``radiological: the fetus's right is on the left of the picture``."""
        side = "right" if self is Convention.RADIOLOGICAL else "left"
        return f"{self.value}: the fetus's {side} is on the left of the picture"
