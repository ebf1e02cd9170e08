"""Settings of a training: one YAML file for each command, read as every other settings file of the project."""

from evaluation.settings import read_settings

__all__ = ["read_settings"]
