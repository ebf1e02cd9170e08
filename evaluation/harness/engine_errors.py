"""What can go wrong with the container engine, and the SDK's exceptions turned into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from feta.errors import FetaError

_NO_ENGINE = "start the engine, or see that you may use it; `docker info` must answer"


class RefusedError(Exception):
    """The engine won't do this. Its words can hold a submission's own: for the organizer's log alone."""


class GoneError(FetaError):
    """There is no such image here."""


class SlowError(FetaError):
    """The engine took too long to answer."""


@contextmanager
def answering() -> Iterator[None]:
    """Turns the SDK's exceptions into ours."""
    import docker.errors
    import requests

    try:
        yield
    except docker.errors.APIError as error:  # also a RequestException
        raise RefusedError(str(error.explanation or error)) from error
    except requests.exceptions.RequestException as error:
        if "timed out" in str(error).lower():
            raise SlowError("container engine", "takes too long to answer", _NO_ENGINE) from error
        raise FetaError("container engine", "doesn't answer", _NO_ENGINE) from error
    except docker.errors.DockerException as error:
        raise FetaError("container engine", "doesn't answer", _NO_ENGINE) from error
