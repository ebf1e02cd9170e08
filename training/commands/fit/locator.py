"""``feta-train fit locator``: the network that finds the brain and its pose."""

from __future__ import annotations

from training.commands.common import (
    CONFIGS,
    CORES,
    Atlases,
    Config,
    Everything,
    Minutes,
    Run,
    Steps,
    Threads,
    loop_settings,
)
from training.commands.fit.subjects import training_subjects
from training.engine.log import report


def locator(
    atlases: Atlases,
    run: Run,
    config: Config = CONFIGS / "locator.yaml",
    minutes: Minutes = None,
    steps: Steps = None,
    threads: Threads = CORES,
    everything: Everything = False,
) -> None:
    """Train the network that finds the brain and its pose."""
    from feta.settings import read_settings
    from training.tasks.locator import LocatorSettings, train_locator

    settings = read_settings(LocatorSettings, config, loop_settings(minutes, steps))
    train_locator(training_subjects(atlases, threads, everything), settings, run, report)
