"""A random fetus with findings: which it has and how far they go, then its healthy brain, then their growth."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from feta.measurements import Measurement
from training.anatomy.head_model import HeadModel
from training.anatomy.individual import AnatomyModel, planned_individual
from training.anatomy.pathology import Pathology
from training.anatomy.plan import IndividualSettings, Plan, draw_plan
from training.findings.callosum import CallosalAgenesis, shorten_callosum
from training.findings.chiari import ChiariII, crowd_hindbrain
from training.findings.growing import Growth
from training.findings.ill_head import IllHead
from training.findings.lesions import Kind, Lesion, Place, find_centre
from training.findings.posterior_fossa import DandyWalker, MegaCisterna, turn_vermis, widen_cisterna
from training.findings.settings import FindingsSettings, LesionRanges, Range
from training.findings.ventricles import Ventriculomegaly, widen_ventricles

Shape = Ventriculomegaly | ChiariII | DandyWalker | MegaCisterna | CallosalAgenesis
#: Atria wider than this share of the brain's width would leave no brain around them.
_WIDEST_ATRIUM = 0.38
#: Volume of the cerebellum in ml against weeks, q2·GA² + q1·GA + q0: King's College London, BOUNTI volumetry.
_CEREBELLUM_ML = (0.0451, -1.6575, 16.314)
#: External CSF that Chiari II leaves is thin from the start: the width that the healthy plan has, times this.
_CHIARI_FLUID = 0.2
#: The other side of a one-sided ventriculomegaly stays as it is.
_AS_IT_IS = 0.0


@dataclass(frozen=True)
class DrawnFindings:
    """What a fetus has, before there is any volume.

    Attributes:
        name: of its main finding, as in settings.
        shape: what is grown; None where nothing is.
        anatomy: how far the learned anatomy goes towards spina bifida (0–1).
        folding_delay: weeks.
        lesions: how many.
    """

    name: str
    shape: Shape | None
    anatomy: float
    folding_delay: float
    lesions: int

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in words."""
        more = [("delayed folding", self.folding_delay > 0), ("haemorrhage or cyst", self.lesions > 0)]
        own = [self.name.replace("_", " ")] if self.shape is not None else []
        return (*own, *(name for name, there in more if there))


def draw_ill_head(
    rng: np.random.Generator,
    age: float,
    anatomy: AnatomyModel,
    settings: IndividualSettings,
    findings: FindingsSettings,
) -> IllHead:
    """Draw one fetus with findings.

    Args:
        rng: it depends on nothing else that is random.
        age: weeks, as stated.
        anatomy: gives the template, in its canonical frame.
        settings: how individuals differ.
        findings: which there are, and how far they go.
    """
    healthy = draw_plan(rng, age, False, settings)
    drawn = draw_findings(rng, healthy, findings)
    pathology = Pathology((), drawn.anatomy, {}, _CHIARI_FLUID if drawn.anatomy else 1.0)
    plan = replace(healthy, pathology=pathology, lengths=pathology.altered(healthy.lengths))
    base = planned_individual(rng, plan, anatomy, settings, drawn.folding_delay)
    set_to: dict[str, dict[str, float]] = {}
    brain: HeadModel = base
    reached: dict[str, float] = {}
    if drawn.shape is not None:
        grown = grow_finding(drawn.shape, base)
        brain, reached = grown.head, grown.reached
        set_to[drawn.name] = asdict(drawn.shape)
    if drawn.folding_delay:
        set_to["delayed_folding"] = {"weeks": drawn.folding_delay}
    lesions = tuple(lesion for _ in range(drawn.lesions) if (lesion := _lesion(rng, brain, findings.lesions)))
    return IllHead(brain, drawn.names, set_to, reached, lesions)


def draw_findings(rng: np.random.Generator, plan: Plan, settings: FindingsSettings) -> DrawnFindings:
    """One main finding of a random degree, and sometimes delayed folding and lesions beside it."""
    kinds = list(vars(settings))
    weights = np.array([getattr(settings, kind).weight for kind in kinds])
    name = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    folding, lesions = settings.delayed_folding, settings.lesions
    delayed = name == "delayed_folding" or rng.random() < folding.share
    spotted = name == "lesions" or rng.random() < lesions.share
    delay = _between(rng, folding.weeks) if delayed else 0.0
    count = int(rng.integers(1, lesions.most + 1)) if spotted else 0
    anatomy = _between(rng, settings.chiari_ii.anatomy) if name == "chiari_ii" else 0.0
    return DrawnFindings(name, _shape(rng, name, plan, settings), anatomy, delay, count)


def _shape(rng: np.random.Generator, name: str, plan: Plan, settings: FindingsSettings) -> Shape | None:
    widest = _WIDEST_ATRIUM * plan.lengths[Measurement.BBIP]

    def atrium(limits: Range) -> float:
        return _between(rng, (limits[0], max(limits[0], min(limits[1], widest))))

    if name == "ventriculomegaly":
        v = settings.ventriculomegaly
        sides = [atrium(v.atrium), atrium(v.atrium)]
        # Both sides differ, but not by everything that can be.
        sides[1] = float(np.mean(sides))
        if rng.random() < v.one_sided:
            sides[1] = _AS_IT_IS
        left, right = rng.permutation(sides)
        return Ventriculomegaly(float(left), float(right), _between(rng, v.focus))
    if name == "chiari_ii":
        c = settings.chiari_ii
        usual = float(np.polyval(_CEREBELLUM_ML, plan.maturity))
        return ChiariII(
            _between(rng, c.external_csf),
            _between(rng, c.cerebellum) * usual,
            _between(rng, c.descent),
            _between(rng, c.curl),
            atrium(c.atrium),
        )
    if name == "dandy_walker":
        d = settings.dandy_walker
        turn = rng.random()  # the farther the vermis is turned, the smaller it is
        rotation, vermis = d.rotation[0] + turn * np.ptp(d.rotation), d.vermis[1] - turn * np.ptp(d.vermis)
        return DandyWalker(float(rotation), float(vermis), _between(rng, d.cisterna))
    if name == "mega_cisterna_magna":
        return MegaCisterna(_between(rng, settings.mega_cisterna_magna.cisterna))
    if name == "callosal_agenesis":
        a = settings.callosal_agenesis
        remnant, thickness, cavum, apart = (_between(rng, r) for r in (a.remnant, a.thickness, a.cavum, a.apart))
        return CallosalAgenesis(remnant, thickness, cavum, apart, atrium(a.atrium))
    return None


def grow_finding(shape: Shape, head: HeadModel) -> Growth:
    """The brain with a finding."""
    if isinstance(shape, Ventriculomegaly):
        return widen_ventricles(head, shape)
    if isinstance(shape, ChiariII):
        return crowd_hindbrain(head, shape)
    if isinstance(shape, DandyWalker):
        return turn_vermis(head, shape)
    if isinstance(shape, MegaCisterna):
        return widen_cisterna(head, shape)
    return shorten_callosum(head, shape)


def _lesion(rng: np.random.Generator, head: HeadModel, ranges: LesionRanges) -> Lesion | None:
    kind, place = list(Kind)[int(rng.integers(2))], list(Place)[int(rng.integers(len(Place)))]
    if kind is Kind.CYST and place is Place.VENTRICLE:
        place = Place.WHITE_MATTER  # fluid within fluid can't be seen
    centre = find_centre(rng, head, place)
    if centre is None:
        return None
    x, y, z = (_between(rng, ranges.radius) for _ in range(3))
    return Lesion(
        kind, place, centre, (x, y, z), _between(rng, ranges.dark if kind is Kind.HAEMORRHAGE else ranges.bright)
    )


def _between(rng: np.random.Generator, limits: Range) -> float:
    return float(rng.uniform(*limits))
