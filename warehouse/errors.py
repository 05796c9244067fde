"""The errors people see: one line that says what and where, one hint that says what to do.

Library code raises these; only the command line prints them and turns them into exit codes
(0 done, 1 failed, 2 wrong call, 3 done with many quarantined rows, 4 a gate refused to publish).
"""

from __future__ import annotations


class WarehouseError(Exception):
    """Something failed that a person can act on.

    Args:
        message: One line: what went wrong, and where.
        hint: One line: what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CallError(WarehouseError):
    """The command or a setting was used wrongly."""

    exit_code = 2


class IncompleteLoad(WarehouseError):
    """A source ended without saying that it is complete; nothing after its last state was kept."""


class QuarantineExceeded(WarehouseError):
    """Too large a share of a slice or file was bad; nothing of it was committed."""


class NothingToDo(WarehouseError):
    """There is nothing for this step to work on; not a failure."""


class SourceOff(NothingToDo):
    """A source has no settings in real mode, so it is not read."""


class LockTimeout(WarehouseError):
    """Somebody else kept a file locked for longer than we wait."""


class GateRefused(WarehouseError):
    """A quality gate found failures; nothing is published, the last good version stays up.

    Args:
        gate: Name of the gate (raw, gold or scores).
        failures: One line per failed check, most severe first.
    """

    exit_code = 4

    def __init__(self, gate: str, failures: list[str]) -> None:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        first = failures[0] if failures else "no result on record"
        super().__init__(
            f"gate '{gate}' refused: {first}{more}",
            f"see `warehouse check {gate} --json`; the last published version stays up",
        )
        self.gate = gate
        self.failures = failures


class GateOutdated(GateRefused):
    """Every gate passed, but the warehouse has been built since: they must look again first."""
