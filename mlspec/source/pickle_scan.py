"""What a pickle calls when it is loaded, as picklescan finds it: without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

INSTALL = "pip install 'mlspec[audit]'"


@dataclass(frozen=True, slots=True)
class PickleScan:
    """The result of a scan. `dangerous` are functions such as `posix.system`; `failed` says why nothing was scanned."""

    dangerous: tuple[str, ...] = ()
    failed: str = ""


def scan(file: Path) -> PickleScan:
    """Scan the pickle at `file`, or the pickles in an archive of torch.save."""
    try:
        from picklescan.scanner import SafetyLevel, scan_file_path
    except ImportError:
        return PickleScan(failed="picklescan is not installed")
    result = scan_file_path(str(file))
    names = {f"{one.module}.{one.name}" for one in result.globals if one.safety == SafetyLevel.Dangerous}
    return PickleScan(tuple(sorted(names)), "picklescan cannot read it" if result.scan_err and not names else "")
