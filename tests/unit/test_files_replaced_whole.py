"""Whoever reads a file of ours while it is written again reads the old one to its end; what fails leaves the old one.

Each writer that promises it is held to it here: by a reader that has the old file open, and by a disk that is full at
the last moment.
"""

from __future__ import annotations

import dataclasses
import errno
import os

import numpy as np
import pytest
from typer.testing import CliRunner

from loadtest.capacity.run import write_capacity
from loadtest.report.outputs import write_junit
from loadtest.report.page import write_report
from rehearsal.cluster.connection import write_connection
from rehearsal.cluster.gateway.envoy import write_resources
from rehearsal.cluster.gateway.services import Endpoint, Service
from rehearsal.cluster.monitoring.files import RehearsedFiles, write_files
from rehearsal.cluster.monitoring.rules import ShortenedWait
from rehearsal.experiment import report as rehearsal_report
from rehearsal.experiment.run.model_store import ModelStore
from slipway.cli import app
from slipway.deploy.values import write_values
from slipway.model_config import ServingProfile
from slipway.platform.atomic_write import write_atomically
from slipway.repository import Published, model_files, publish, pull, push, seal
from tests.unit import clusters, loadtest_results, rehearsal_results
from tests.unit.digits_repository import CPU, DIGITS, GPU, holding
from tests.unit.values_inputs import measured
from training.data.npz import write_npz
from training.publication import record_publication


def files(instances):
    return model_files(DIGITS, cpu=ServingProfile(accelerator="cpu", instances=instances), gpu=GPU)


def published(root, number):
    publish(root, DIGITS, files(number), holding(str(number)))


def values(folder, number):
    write_values(f"replicas: {number}\n", folder / "file", overwrite=True)


def text(folder, number):
    write_atomically(folder / "file", str(number) * 1000)


def pushed(folder, number):
    published(folder / "desk", number)
    (folder / "store").mkdir(exist_ok=True)
    push(folder / "desk", f"file://{folder / 'store'}")


def pulled(folder, number):
    pushed(folder, number)
    pull(folder / "other", f"file://{folder / 'store'}", complete=True)


def sealed(folder, number):
    if not (folder / "digits").exists():
        published(folder, 1)
    config = folder / "digits" / "config.pbtxt"
    config.with_name("edited").write_text(f"# {number}\n{files(1)['config.pbtxt']}")
    config.with_name("edited").rename(config)
    seal(folder, "digits")


def load_report(folder, number):
    write_report(loadtest_results.result(name=f"run {number}"), folder)


def load_page(folder, number):
    load_report(folder / "run", number)
    arguments = ["loadtest", "page", str(folder / "run" / "report.json"), "--output", str(folder / "page.html")]
    outcome = CliRunner().invoke(app, [*arguments, "--force"])
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception


def junit(folder, number):
    write_junit(loadtest_results.result(name=f"run {number}"), folder / "file")


def capacity(folder, number):
    write_capacity(measured(version=str(number)), folder / "file")


def remembered(folder, number):
    if failed := record_publication(Published(model="mnist", version=number, path=folder), folder):
        raise OSError(failed)


def arrays(folder, number):
    write_npz(folder / "file", {"x": np.full(100, number)})


def rehearsed(folder, number):
    rehearsal_report.write_report(rehearsal_results.result(name=f"rehearsal {number}"), folder)


def connection(folder, number):
    write_connection(clusters.connection(folder, supervisor_pid=number))


def gateway(folder, number):
    endpoint = Endpoint(address=f"127.64.1.{number}", pod="a")
    service = Service(namespace="serving", name="mnist", endpoints=(endpoint,), rules=())
    write_resources(folder, (service,))


def prometheus(folder, number):
    wait = ShortenedWait(alert="Slow", chart_wait_s=600, rehearsed_wait_s=number)
    rules = {"a/b.yaml": f"groups: [] # {number}\n"}
    write_files(folder, RehearsedFiles(configuration=f"global: {{}} # {number}\n", rules=rules, shortened=(wait,)))


def damaged_for_a_rehearsal(folder, number):
    if number == 1:
        mnist = dataclasses.replace(DIGITS, name="mnist")
        publish(folder, mnist, model_files(mnist, cpu=CPU, gpu=GPU), holding("1"))
    else:
        ModelStore(folder).damage(1, how="broken_model")


WRITERS = {
    "any text": (text, ["file"]),
    "slipway values": (values, ["file"]),
    "the files that all versions share": (published, ["digits/config.pbtxt", "digits/manifest.sha256"]),
    "slipway models seal": (sealed, ["digits/manifest.sha256"]),
    "slipway models push, to a folder": (pushed, ["store/digits/config.pbtxt", "store/digits/manifest.sha256"]),
    "slipway models pull": (pulled, ["other/digits/config.pbtxt", "other/digits/manifest.sha256"]),
    "slipway loadtest": (load_report, ["report.json", "report.html"]),
    "slipway loadtest page": (load_page, ["page.html"]),
    "slipway loadtest --junit": (junit, ["file"]),
    "slipway capacity": (capacity, ["file"]),
    "what slipway train published": (remembered, ["published.json"]),
    "the cache of a data set": (arrays, ["file"]),
    "slipway rehearse": (rehearsed, ["report.json", "report.html"]),
    "the connection of a cluster": (connection, ["cluster.json"]),
    "what Envoy reads": (gateway, ["endpoints-serving.mnist-grpc.json"]),
    "what Prometheus reads": (prometheus, ["prometheus/prometheus.yaml", "prometheus/rules/a/b.yaml"]),
    "a version that a rehearsal damages": (damaged_for_a_rehearsal, ["mnist/1/model.onnx", "mnist/1/manifest.sha256"]),
}

each = pytest.mark.parametrize(("write", "names"), WRITERS.values(), ids=WRITERS)


@each
def test_a_reader_of_the_old_file_reads_it_to_its_end(tmp_path, write, names):
    write(tmp_path, 1)
    before = {name: (tmp_path / name).read_bytes() for name in names}
    readers = {name: (tmp_path / name).open("rb") for name in names}
    write(tmp_path, 2)
    read = {name: reader.read() for name, reader in readers.items()}
    for reader in readers.values():
        reader.close()
    changed = [name for name in names if (tmp_path / name).read_bytes() != before[name]]

    assert before == read
    assert names == changed


@each
def test_a_disk_that_is_full_at_the_last_moment_leaves_the_old_file_and_nothing_beside_it(
    tmp_path, monkeypatch, write, names
):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    write(tmp_path, 1)
    before = {name: (tmp_path / name).read_bytes() for name in names}
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(Exception, match="No space left on device"):
            write(tmp_path, 2)

    assert before == {name: (tmp_path / name).read_bytes() for name in names}
    assert [] == [path.name for name in names for path in (tmp_path / name).parent.glob(".*")]
