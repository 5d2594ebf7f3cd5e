"""What can go wrong between a model repository and an answering tritonserver.

* ServeError
  - SettingsInvalid     also ValueError; an impossible address, port or time
  - TritonNotFound      no tritonserver here, or what was named is none that can serve ONNX
      - LibpythonMissing    there is one, and its Python backend lacks this Python's shared library
      - PythonUnsupported   there is one, and its Python backend was not built for this Python
      - NativeUnavailable   there is one, and its native backend cannot be compiled or kept here
  - CacheUnsafe         another user can write the cache, from which programs are loaded
  - GpuNotFound         `--gpu`, and this machine has no GPU or no driver that works
  - GpuLibraryMissing   `--gpu`, and a library for it is not installed or does not fit the driver
  - ModelNotServable    the repository has no such model, no version of it, or no such configuration
  - PortTaken           another process uses a port of tritonserver
  - ServerDied          tritonserver ended by itself; the text begins with the reason out of its log
  - BackendDied         a process of its backend ended; the server runs on and fails requests
  - FilesRemoved        what it was started on is gone: it cannot be started again
  - RestartsUsedUp      it ended too often; the text has the last reason
  - NotReadyInTime      tritonserver runs, and its models are not ready
"""

from __future__ import annotations

from slipway.distribution import NotInstalled
from slipway.errors import SlipwayError


class ServeError(SlipwayError):
    """Base class of everything that can go wrong while serving."""


class SettingsInvalid(ServeError, ValueError):
    """A setting is impossible, whatever the machine."""

    exit_status = 2


class TritonNotFound(ServeError):
    """There is no tritonserver that can serve ONNX."""

    exit_status = NotInstalled.exit_status


class LibpythonMissing(TritonNotFound):
    """This Python has no shared library, which tritonserver's Python backend loads."""


class PythonUnsupported(TritonNotFound):
    """tritonserver's Python backend was not built for this Python."""


class CacheUnsafe(ServeError):
    """Another user can write a folder of the cache, from which a server would load programs."""


class GpuNotFound(ServeError):
    """This machine has no NVIDIA GPU, or no driver that works."""


class GpuLibraryMissing(ServeError):
    """A library that a server on a GPU loads is not installed, or does not fit the driver."""

    exit_status = NotInstalled.exit_status


class NativeUnavailable(TritonNotFound):
    """The native backend for tritonserver cannot be compiled or kept here; says the first error and the way out."""


class ModelNotServable(ServeError):
    """There is nothing to serve under that name."""

    exit_status = 2


class PortTaken(ServeError):
    """Another process uses the port.

    Attributes:
        port: Its number.
    """

    def __init__(self, message: str, *, port: int) -> None:
        super().__init__(message)
        self.port = port


class ServerDied(ServeError):
    """tritonserver ended by itself.

    Attributes:
        exit_code: Its exit code; below zero, the number of the signal that killed it.
        reason: One line of its log.
    """

    def __init__(self, message: str, *, exit_code: int, reason: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.reason = reason


class BackendDied(ServeError):
    """A process of tritonserver's backend ended, and tritonserver goes on counting on it.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, message: str, *, pid: int) -> None:
        super().__init__(message)
        self.pid = pid


class FilesRemoved(ServeError):
    """The copy that tritonserver is shown was removed while it ran: it cannot be started on it again."""


class RestartsUsedUp(ServeError):
    """The server failed more often than it may be started again."""


class NotReadyInTime(ServeError):
    """tritonserver runs, and not every model was ready within `ready_timeout_s`."""
