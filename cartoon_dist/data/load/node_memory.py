"""Memory that processes of one node share, and that cannot be left behind.

On Linux it is a file in memory without a name (memfd): another process opens it through /proc, by the number of the
process that made it. So /dev/shm, of which containers have 64 MB, is not used, and the system takes the memory back
when the last process that has mapped it ends, however it ends. Elsewhere a process has such memory for itself.
"""

import os
import socket
import sys
from mmap import mmap
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

_NAME = "cartoon_dist_kept"
"""What /proc/PID/maps calls it."""


class NodeMemory:
    """So many bytes, zero at first; they are given back when neither this object nor an array of it is left.

    address: what another process opens it by; empty where it cannot be shared.
    """

    def __init__(self, mapped: mmap, *, address: str = "", descriptor: int | None = None) -> None:
        self._mapped = mapped
        self._descriptor = descriptor
        self.address = address

    @classmethod
    def make(cls, num_bytes: int) -> Self:
        """New memory. OSError where the system has none to give."""
        if sys.platform != "linux":
            return cls(mmap(-1, num_bytes))
        descriptor = os.memfd_create(_NAME)  # closed in programs that this one starts
        try:
            os.ftruncate(descriptor, num_bytes)
            mapped = mmap(descriptor, num_bytes)
        except OSError:
            os.close(descriptor)
            raise
        return cls(mapped, address=f"/proc/{os.getpid()}/fd/{descriptor}", descriptor=descriptor)

    @classmethod
    def open(cls, address: str, num_bytes: int) -> Self:
        """The memory that another process made. OSError where this one may not open it."""
        descriptor = os.open(address, os.O_RDWR)
        try:
            return cls(mmap(descriptor, num_bytes), address=address)
        finally:
            os.close(descriptor)

    def close_address(self) -> None:
        """No other process needs to open it any more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def bytes(self) -> NDArray[np.uint8]:
        """All of it, as an array that may be written."""
        return np.frombuffer(memoryview(self._mapped), np.uint8)


def sharing_group() -> str:
    """Equal in processes that can open each other's memory: of one system, that see each other's numbers."""
    if sys.platform != "linux":
        return f"process {os.getpid()}"
    return f"{system()} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115  a name, no path


def system() -> str:
    """Names the running system, which the containers of a node share."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text().strip() if boot.exists() else socket.gethostname()
