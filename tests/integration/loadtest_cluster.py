"""What helm/loadtest tells its pods to run, run here: the same words, folders for mounts, this machine for hosts."""

import os
import random
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from tests.chart.loadtest_release import container, jobs, release
from tests.integration.loadtest_commands import WIDE

# A test machine is busy: what is tested is whether a verdict arrives, not how late this generator is.
SHORT = {
    "arrivals.duration_s": 1.5,
    "arrivals.rate_rps": 400,
    "warmup_s": 0.5,
    "generator.max_lag_ms": 9000,
    "target.timeout_s": 15,
}
EASY = {"p50_ms": 8000, "p99_ms": 9000}
HARD = {"p50_ms": 0.0001, "p99_ms": 0.0002}


def quiet_port():
    """A free port that the kernel gives to nobody.

    The master binds it seconds later. Until then a port from the kernel's range can go to whoever asks for a free one,
    or to an outgoing connection: even to that of the worker that knocks at it, which then meets itself.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest - 10_000, lowest)
        with socket.socket() as unused:
            try:
                unused.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Cluster:
    """Runs rendered containers as processes of this machine, each in an empty working folder."""

    def __init__(self, folder, server):
        self._folder, self._server, self._port = folder, server, quiet_port()
        for name in ("reports", "work"):
            (folder / name).mkdir(parents=True)
        self._processes = []

    def values(self, *, slo=EASY, workers=0, wait_s=60, **values):
        return {
            "images": {"random": True},
            "workers": {"count": workers, "waitSeconds": wait_s},
            "target": {"url": self._server.grpc_url, "metrics": self._server.metrics_url},
            "networkPolicy": {"enabled": False},
            "scenario": {"set": SHORT, "slo": slo},
            **values,
        }

    def start(self, job):
        """Start the only container of a Job; it ends with what the pod would exit with."""
        spec = container(job)
        words = [self._here(word) for word in [*spec["command"], *spec["args"]]]
        words[0] = str(Path(sys.executable).with_name(words[0]))
        secrets = {variable["name"]: "secret" for variable in spec.get("env", ())}
        log = (self._folder / f"{job['metadata']['name']}.{len(self._processes)}.log").open("w+")
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self._folder / "work",
            env={**WIDE, **secrets},
            start_new_session=True,
        )
        self._processes.append((process, log))
        return process

    def log(self, process):
        (log,) = [log for known, log in self._processes if known is process]
        return Path(log.name).read_text()

    def mount(self, source, path):
        """Put a file where the pod would see a claim's."""
        goal = self._folder / path.lstrip("/")
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, goal)

    def report(self, job):
        return self._folder / "reports" / job["metadata"]["name"]

    def close(self):
        for process, log in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
            log.close()

    def _here(self, word):
        """A pod's word on this machine."""
        for mount in ("/reports", "/models", "/etc/slipway/scenario"):
            word = re.sub(rf"(^|=){mount}(/|$)", rf"\1{self._folder}{mount}\2", word)
        word = re.sub(r"^--master-host=.*", "--master-host=127.0.0.1", word)
        return re.sub(r"^--master-port=5557$", f"--master-port={self._port}", word)

    @property
    def _bound(self):
        """What keeps the master to this machine, and out of the way of other tests."""
        return ["--master-bind-host=127.0.0.1", f"--master-bind-port={self._port}"]

    def begin(self, values, *, come=None, also=()):
        """Start what a release with these values runs; of its workers, at most so many come.

        Args:
            values: Of the chart.
            come: Workers that come; all where it is None.
            also: Further words for the command of the master.
        """
        objects = release(values)
        job, workers = jobs(objects)
        self._mount_scenario(objects)
        container(job)["args"] += also
        helpers = []
        if workers is not None:
            container(job)["args"] += self._bound
            # They come first, as pods may.
            count = workers["spec"]["completions"] if come is None else come
            helpers = [self.start(workers) for _ in range(count)]
        return Run(self, job, values, [self.start(job), *helpers])

    def _mount_scenario(self, objects):
        for (kind, _), config in objects.items():
            for name, text in config["data"].items() if kind == "ConfigMap" else ():
                goal = self._folder / "etc" / "slipway" / "scenario" / name
                goal.parent.mkdir(parents=True, exist_ok=True)
                goal.write_text(text)


class Run:
    """A release's pods, the master first."""

    def __init__(self, cluster, job, values, processes):
        self.job, self.values, self._cluster, self._processes = job, values, cluster, processes

    @property
    def exit_codes(self):
        """Of the master and of each worker, once all have ended."""
        return [process.wait(timeout=90) for process in self._processes]

    @property
    def log(self):
        """The master's."""
        return self._cluster.log(self._processes[0])

    @property
    def report(self):
        """The folder in the claim."""
        return self._cluster.report(self.job)
