"""Independent streams of random numbers of one sample's seed, so that no two of its choices share their draws."""

from __future__ import annotations

from enum import IntEnum

from training.imaging.random_source import RandomSource


class Stream(IntEnum):
    """What is drawn beside the sample itself; the seed is combined with this number by exclusive or."""

    SUBJECT = 0x5EED  # which subject or head a sample is made of
    STANDARDISATION = 0xB5A1  # how wrong the brain mask is within which an image is standardised
    FIELD_OF_VIEW = 0xF0F  # where a volume ends
    LABEL_CORRUPTION = 0xAE  # how probability maps are corrupted for the autoencoder
    ANATOMY = 0xA7A7  # jitter of an atlas's age, and whether its latent code counts


def stream(seed: int, which: Stream) -> RandomSource:
    """A stream of a sample's seed."""
    return RandomSource(seed ^ which)
