"""The scheduler's pages of HTML, which dask serves beside its encrypted port to whoever asks: logs, tasks, workers."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

_SECONDS = 2.0


def open_pages(identity: Mapping[str, Any]) -> str:
    """Where they can be reached from here; empty where they can't, or for the machine itself alone.

    Without its dashboard a scheduler serves them, too: ``--no-dashboard`` takes the plots away, not the port.

    Args:
        identity: a scheduler's answer to ``identity``: its ``address``, and the port of its ``services``.
    """
    host = urlsplit(str(identity.get("address", ""))).hostname
    port = dict(identity.get("services") or {}).get("dashboard")
    if not host or not port:
        return ""
    with suppress(ValueError):
        if ip_address(host).is_loopback:
            return ""
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=_SECONDS):
        return f"http://{host}:{port}"
    return ""
