"""Which failures are worth another try: those of a process, a node or a device, never those of the input."""

from __future__ import annotations

from typing import Final

from dockkit.core.errors import ExecutionError, StoreError
from dockkit.store import Outcome


class LostTaskError(ExecutionError):
    """The process, node or batch job that ran a task is gone."""


_TRIES: Final = {
    LostTaskError.__name__: 3,
    StoreError.__name__: 2,
    "MemoryError": 2,
    "OSError": 2,
    "TimeoutError": 2,
    "BlockingIOError": 2,
    "ConnectionError": 2,
}
"""How often a task runs in all, by its error; an OSError without a name of its own is a file server's or a device's."""

_DEVICE_WORDS: Final = ("CUDA_ERROR", "cuda error", "CL_OUT_OF", "clenqueue", "no compatible device")


def tries(outcome: Outcome) -> int:
    """Return how often a task that ended like this runs in all; 1 where a second try cannot help.

    Parameters
    ----------
    outcome : Outcome
        Of the last try.

    Returns
    -------
    int
        1 for a success, a fault of the input, and an error that would come again.
    """
    if outcome.ok or outcome.input_error:
        return 1
    message = outcome.message.lower()
    on_device = any(word.lower() in message for word in _DEVICE_WORDS)
    return max(_TRIES.get(outcome.error_type, 1), 2 if on_device else 1)
