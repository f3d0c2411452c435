"""Which processor paints, in which arithmetic, and how much memory it has."""

import ctypes
import os
import platform
from pathlib import Path
from typing import NamedTuple

import torch

from impasto.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")


class Choice(NamedTuple):
    """A decision, and the reason for it in a few words."""

    device: torch.device
    reason: str


def choose_device(wanted: str = "auto") -> Choice:
    """Choose where to paint.

    Args:
        wanted: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    Raises:
        ConfigError: If the device is unknown or cannot be used; it is never replaced silently.
    """
    kind = wanted.partition(":")[0]
    if kind not in DEVICES or (kind == "auto" and wanted != kind):
        raise ConfigError(f"Unknown device {wanted!r}; choose from {', '.join(DEVICES)}.")
    if kind == "auto":
        return _choose_automatically()
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"Cannot use {wanted}: {_why_no_cuda()}. Choose --device cpu.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("Cannot use mps: this is no Mac with Metal. Choose --device cpu.")
    try:
        device = torch.device(wanted)
        if kind == "cuda":
            torch.cuda.get_device_properties(device)
    except (RuntimeError, AssertionError):
        raise ConfigError(f"There is no device {wanted!r}; see impasto doctor.") from None
    return Choice(device, "as asked")


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """Choose the arithmetic of the network: half precision where the hardware is built for it.

    Args:
        wanted: `auto`, `float32` or `bfloat16`.
        device: Where the network runs.
    """
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    return torch.bfloat16 if _has_fast_bfloat16(device) else torch.float32


def measure_free_memory(device: torch.device) -> int | None:
    """Bytes that a run may take on a device without swapping; None if that cannot be told."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    found = (_free_by_system(), _free_by_cgroup())
    return min((size for size in found if size is not None), default=None)


def keep_freed_memory() -> bool:
    """Let the C library keep large blocks for the next step in place of returning them.

    Each step asks for the same tens of megabytes again; fetching them anew from the system, page
    by page, takes a quarter of the time on Linux. It holds for the whole process, so a program
    calls it, never the library by itself.

    Returns:
        Whether there is a GNU C library to tell.
    """
    try:
        library = ctypes.CDLL("libc.so.6")
        mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD
        return bool(library.mallopt(mmap_threshold, 32 << 20)) and bool(
            library.mallopt(trim_threshold, (1 << 31) - 1)
        )
    except (OSError, AttributeError):
        return False


def describe_machine() -> dict[str, str]:
    """Facts about this machine for `impasto doctor` and benchmark reports."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    named = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "neon", "sve", "bf16")
    found = [name for name in named if capabilities.get(name)]
    free = measure_free_memory(torch.device("cpu"))
    facts = {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": str(capabilities.get("cpu_name") or platform.processor() or "unknown"),
        "threads": str(torch.get_num_threads()),
        "instructions": ", ".join(found) or "unknown",
        "free memory": f"{free / 2**30:.1f} GiB" if free else "unknown",
    }
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        facts["GPU"] = ", ".join(names)
    else:
        facts["GPU"] = f"none ({_why_no_cuda()})"
    return facts


def _choose_automatically() -> Choice:
    if torch.cuda.is_available():
        device = torch.device("cuda")
        return Choice(device, f"found {torch.cuda.get_device_name(device)}")
    if torch.backends.mps.is_available():
        return Choice(torch.device("mps"), "found Metal")
    return Choice(torch.device("cpu"), _why_no_cuda())


def _why_no_cuda() -> str:
    if torch.version.cuda is None and torch.version.hip is None:
        return "this PyTorch is built without CUDA"
    return "no CUDA device is visible to PyTorch"


def _has_fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def _free_by_system() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None


def _free_by_cgroup() -> int | None:
    """What a container may still take (cgroup v2)."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        if limit == "max":
            return None
        used = int((folder / "memory.current").read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        # Files that the system keeps in memory count as used, but make room when it is needed.
        return max(0, int(limit) - used + int(stat["inactive_file"]))
    except (OSError, ValueError, KeyError):
        return None
