"""The predictor's container as the chart renders it, run as a process of this machine.

Command, arguments, environment and probes are the chart's. Changed are only the places: the mount paths, the ports,
and which program `tritonserver` is.
"""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from slipway.triton import ServerSettings, prepare
from tests.chart.rendering import rendered
from tests.children import started


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One start of the container.

    Attributes:
        spec: The container as it is rendered, KServe's placeholders included.
        command: What is run here.
        environment: Of the process.
        ports: Port of this machine by the port's name.
        log: Where both streams go.
        admin_key_file: Where it leaves the key to Triton's admin APIs.
    """

    spec: dict
    command: list[str]
    environment: dict[str, str]
    ports: dict[str, int]
    log: Path
    admin_key_file: Path

    def url(self, path, port="http"):
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def probe(self, name):
        """Status that a probe gets; 0 if no server answers."""
        action = self.spec[name]["httpGet"]
        return status(self.url(action["path"], action["port"]))

    def said(self):
        return self.log.read_text()


def predictor_container(values, *, repository, folder, model_version=None):
    """Render the serving chart and prepare its container for this machine.

    Args:
        values: Of the chart.
        repository: What is mounted at /mnt/models.
        folder: Scratch folder, in place of /tmp.
        model_version: The pod's annotation `slipway/model-version`.
    """
    spec = rendered("serving", values, release="mnist")["ServingRuntime", "mnist-triton"]["spec"]["containers"][0]
    launch = prepare(ServerSettings(repository=repository, verify=False), folder)
    ports = {"http": launch.ports.http, "grpc": launch.ports.grpc, "metrics": launch.ports.metrics}
    memory = folder / "memory"
    memory.mkdir()
    places = {"/mnt/models": repository, "/tmp/model_repository": folder / "view", "/run/slipway": memory}
    numbers = {str(port["containerPort"]): str(ports[port["name"]]) for port in spec["ports"]}
    fields = {"metadata.annotations['slipway/model-version']": model_version or ""}
    environment = {
        entry["name"]: fields[entry["valueFrom"]["fieldRef"]["fieldPath"]] if "valueFrom" in entry else entry["value"]
        for entry in spec["env"]
    }

    def here(word):
        for name, value in environment.items():
            word = word.replace(f"$({name})", value)
        for there, place in places.items():
            word = word.replace(there, str(place))
        option, equals, value = word.partition("=")
        return option + equals + (numbers.get(value, value) if option.endswith("-port") else value)

    return Container(
        spec=spec,
        command=[*spec["command"], *map(here, spec["args"])],
        environment={
            **os.environ,
            **launch.environment,
            **{name: here(value) for name, value in environment.items()},
            "PATH": f"{_program(launch, folder)}{os.pathsep}{launch.environment.get('PATH', os.environ['PATH'])}",
        },
        ports=ports,
        log=folder / "container.log",
        admin_key_file=memory / "admin-key",
    )


@contextmanager
def running(container):
    """Run it until the block ends, then SIGTERM as the kubelet does; yields the process."""
    program, *arguments = container.command
    words = (shutil.which(program), *arguments)
    with container.log.open("w") as log, started(*words, env=container.environment, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=60)


def status(url, *, method="GET", headers=None):
    """HTTP status of one request; 0 if no server answers."""
    try:
        return httpx.request(method, url, headers=headers, timeout=5, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def _program(launch, folder):
    """A folder with the `tritonserver` of this machine: what the official image has at its place is added."""
    ours = [word for word in launch.command[1:] if word.startswith(("--backend-directory=", "--http-address="))]
    ours += [f"--{name}-address=127.0.0.1" for name in ("grpc", "metrics")]
    directory = f"cd {shlex.quote(str(launch.directory))}\n" if launch.directory else ""
    program = folder / "bin" / "tritonserver"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/bash\n{directory}exec {launch.command[0]} "$@" {shlex.join(ours)}\n')
    program.chmod(0o755)
    return program.parent
