"""The local programs that run in place of images.

programs = ImagePrograms.install(folder)
programs.of("nvcr.io/nvidia/tritonserver:26.07-py3")     # Program(entrypoint=(), ...)
"""

from __future__ import annotations

import logging
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.triton import Program as Tritonserver
from slipway.triton import find_program

__all__ = ["POD_ADDRESS", "REPLACED_ARGUMENTS", "SHARED_MEMORY", "ImagePrograms", "ImageUnknown", "tritonserver_script"]

REPLACED_ARGUMENTS = ("--allow-gpu-metrics", "--http-address", "--grpc-address", "--metrics-address")
"""Arguments of tritonserver that are set here, overriding the chart's. The embedded 2.51 accepts all of the chart's;
with GPU metrics it would warn at every start that NVML is missing."""

POD_ADDRESS = "SLIPWAY_POD_ADDRESS"
"""Environment variable: address that a container's tritonserver listens on."""

SHARED_MEMORY = "SLIPWAY_SHARED_MEMORY"
"""Environment variable: prefix of the shared memory of a container's tritonserver."""

_log = logging.getLogger(__name__)
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ImageUnknown(Exception):
    """No local program corresponds to the image; the kubelet reports ErrImagePull."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePrograms:
    """The local programs by image.

    Attributes:
        folder: Holds the start script `tritonserver`.
        missing: Why there is no local tritonserver; empty if there is one.
    """

    folder: Path
    missing: str = ""

    @classmethod
    def install(cls, folder: Path) -> ImagePrograms:
        """Write the start script, once for all containers."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            program = find_program()
        except SlipwayError as exc:
            return cls(folder=folder, missing=str(exc))
        if program.fallback:
            _log.warning("%s", program.fallback)
        path = folder / "tritonserver"
        path.write_text(tritonserver_script(program), encoding="utf-8")
        path.chmod(0o755)
        return cls(folder=folder)

    @property
    def path(self) -> str:
        """PATH of the containers."""
        return f"{self.folder}:{Path(sys.executable).parent}:{_SYSTEM_PATH}"

    def entrypoint(self, image: str) -> tuple[str, ...]:
        """The image's entrypoint; empty if it runs its arguments.

        Raises:
            ImageUnknown: The image is unknown; names the supported ones.
        """
        name = re.split("[:@]", image.rpartition("/")[2], maxsplit=1)[0]
        if name == "slipway-client":
            return ("slipway",)
        if name != "tritonserver":
            raise ImageUnknown(
                f'failed to pull image "{image}": a rehearsal pulls no images; it can run those named '
                "tritonserver and slipway-client only"
            )
        if self.missing:
            raise ImageUnknown(f'failed to pull image "{image}": {self.missing}')
        return ()


def tritonserver_script(program: Tritonserver) -> str:
    """The shell script that is `tritonserver` inside a container.

    It needs the variables POD_ADDRESS and SHARED_MEMORY in the container's environment.
    """
    patterns = " | ".join(f"{flag}=*" for flag in REPLACED_ARGUMENTS)
    exports = [f"export {name}={shlex.quote(value)}" for name, value in program.environment.items()]
    directory = [f"cd {shlex.quote(str(program.directory))}"] if program.directory else []
    return "\n".join(
        [
            "#!/bin/bash",
            "# Drop the arguments that are set here, then add them.",
            "arguments=()",
            'for argument in "$@"; do',
            f'  case "$argument" in {patterns}) ;; *) arguments+=("$argument") ;; esac',
            "done",
            *exports,
            *directory,
            f'exec {shlex.quote(str(program.executable))} "${{arguments[@]}}" {shlex.join(program.arguments)} \\',
            *(f'  --{endpoint}-address="${POD_ADDRESS}" \\' for endpoint in ("http", "grpc", "metrics")),
            f'  --backend-config="python,shm-region-prefix-name=${SHARED_MEMORY}"',
            "",
        ]
    )
