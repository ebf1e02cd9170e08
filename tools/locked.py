"""Print the part of requirements.lock that some extras (or packages) need, for `pip install --require-hashes -r`.

    python3 tools/locked.py evaluation test > wanted.txt
    pip install --require-hashes -r wanted.txt

pip's own way, the lock as a file of constraints, fails on Debian 12: pip 23 refuses a hashed constraint for anything
that is not also pinned where it is asked for. The lock says itself who needs what ("# via"), so its part for a set of
extras is the closure over those notes. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Packages of which a file is read and nothing imported: what they need is left out.
BARE = {"nilearn"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def normalised(requirement: str) -> str:
    """'SimpleITK>=2' → 'simpleitk', the spelling that the lock uses."""
    found = NAME.match(requirement)
    if found is None:
        sys.exit(f"locked.py: {requirement!r} is not a requirement")
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def direct_requirements(wanted: Iterable[str], project: dict) -> set[str]:
    """Names of what the project and the wanted extras ask for; a wanted name that is no extra is itself a package."""
    extras = project["optional-dependencies"]
    names = {normalised(line) for line in project["dependencies"]}
    queue = list(wanted)
    while queue:
        item = queue.pop()
        for line in extras.get(item, [item]):
            own = re.match(rf"{project['name']}\[(.+)\]", line)
            if own:
                queue += own[1].split(",")
            else:
                names.add(normalised(line))
    return names


def read_lock(text: str) -> tuple[dict[str, str], dict[str, set[str]]]:
    """The lock's entries by name (the requirement with its hashes), and for each name the packages that need it."""
    entries: dict[str, str] = {}
    needed_by: dict[str, set[str]] = {}
    name = ""
    for line in text.splitlines():
        if NAME.match(line):
            name = normalised(line)
            entries[name] = line
            needed_by[name] = set()
        elif line.startswith("    --hash="):
            entries[name] += "\n" + line
        elif name and (note := re.match(r"    #(?: via)? +(\S+)", line)) and note[1] != "via":
            needed_by[name].add(normalised(note[1]))
    return entries, needed_by


def closure(names: set[str], needed_by: dict[str, set[str]]) -> set[str]:
    """`names` with everything that they need, directly or not."""
    while more := {name for name, parents in needed_by.items() if (parents - BARE) & names} - names:
        names = names | more
    return names


def main(wanted: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    entries, needed_by = read_lock((ROOT / "requirements.lock").read_text())
    names = direct_requirements(wanted, project)
    # torch stands in no lock (see tools/lock), but what it needs does.
    missing = sorted(names - entries.keys() - {"torch"})
    if missing:
        sys.exit(f"locked.py: not in requirements.lock: {', '.join(missing)}; run tools/lock")
    print("\n".join(entries[name] for name in sorted(closure(names, needed_by) & entries.keys())))


if __name__ == "__main__":
    main(sys.argv[1:])
