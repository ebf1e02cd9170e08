"""What holds for all tests."""

from __future__ import annotations

from feta.allocator import keep_freed_memory

# As in the commands: a third of the time of tests that compute would go into page faults.
keep_freed_memory()
