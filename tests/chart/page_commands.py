"""The commands of a documentation page, one after another, against what the charts and `slipway` really take.

    reader = PageReader(folder)
    for command in commands(page):
        reader.read(command)        # raises AssertionError with the reason

It remembers: a release that was installed has objects, a file that a command writes is there for the next.
"""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import helm_python
import typer
import yaml
from typer.testing import CliRunner

from slipway.cli import app
from tests.chart.rendering import ROOT, rendered, values_of

_FENCE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_KINDS = {
    "inferenceservice": "InferenceService",
    "scaledobject": "ScaledObject",
    "hpa": "HorizontalPodAutoscaler",
    "deployment": "Deployment",
    "service": "Service",
    "job": "Job",
}


def commands(page: Path) -> list[str]:
    """Return the lines of the page's console blocks that are typed, in their order."""
    blocks = _FENCE.findall(page.read_text())
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def labels_of_pods(document: dict) -> dict[str, str]:
    """Return the labels of an object's pods; for an InferenceService those that KServe writes."""
    name, template = document["metadata"]["name"], document.get("spec", {}).get("template", {})
    if document["kind"] == "InferenceService":
        return {"serving.kserve.io/inferenceservice": name, "component": "predictor"}
    if document["kind"] == "Job":
        return {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
    return template.get("metadata", {}).get("labels", {})


class PageReader:
    """Reads commands in a folder that has a capacity file and a model repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.releases: dict[tuple[str, str], dict] = {}

    def read(self, command: str) -> None:
        """Hold one line, pipes and all, against what is there."""
        for part in re.split(r"\s\|\s|\s&&\s|\s>\s", command):
            program, *words = shlex.split(part)
            reader = getattr(self, f"_{program}", None)
            if reader is not None:
                reader(words)

    def objects(self, namespace: str) -> dict:
        """Return what the charts, KServe and KEDA make there."""
        found = {}
        for (space, _), objects in self.releases.items():
            if space == namespace:
                found |= objects
        for kind, name in list(found):
            if kind == "InferenceService":
                found["Deployment", f"{name}-predictor"] = found["Service", f"{name}-predictor"] = {}
            if kind == "ScaledObject":
                found["HorizontalPodAutoscaler", f"keda-hpa-{name}"] = {}
        return found

    def _docker(self, words: list[str]) -> None:
        if words[0] == "build":
            parser = argparse.ArgumentParser()
            parser.add_argument("-f")
            parser.add_argument("--build-arg", action="append", default=[])
            options, _ = parser.parse_known_args(words[1:])
            text = (ROOT / options.f).read_text()
            for argument in options.build_arg:
                assert f"ARG {argument.split('=')[0]}" in text, f"{options.f} has no ARG of {argument}"

    def _helm(self, words: list[str]) -> None:
        parser = argparse.ArgumentParser()
        for option in ("--namespace", "-n", "--values", "-f"):
            parser.add_argument(option)
        for option in ("--set", "--set-string"):
            parser.add_argument(option, action="append", default=[])
        for flag in ("--install", "--logs", "--reuse-values"):
            parser.add_argument(flag, action="store_true")
        parser.add_argument("words", nargs="+")
        options = parser.parse_intermixed_args(words)
        verb, release, *chart = options.words
        key = (options.namespace or options.n, release)
        if verb in ("install", "upgrade"):
            assert options.install or verb == "install" or key in self.releases, f"{release} is not installed yet"
            self.releases[key] = rendered(chart[0].removeprefix("helm/"), self._values(options), release=release)
        else:
            assert key in self.releases, f"helm {verb}: no release {key}"
        if verb == "test":
            assert any(kind == "Pod" for kind, _ in self.releases[key]), f"{release} has no test pods"

    def _values(self, options: argparse.Namespace) -> dict:
        file = options.values or options.f
        values = values_of(self.folder / file if (self.folder / file).exists() else ROOT / file) if file else {}
        values = _merged(values, helm_python.parse_set_string(",".join(options.set)))
        return _merged(values, helm_python.parse_set_string_values(",".join(options.set_string)))

    def _kubectl(self, words: list[str]) -> None:
        line = shlex.join(words)
        namespace = re.search(r"(?:--namespace|-n)[ =](\S+)", line)
        for path in re.findall(r"(?:--kustomize|--filename|-k|-f)[ =](\S+)", line):
            assert (ROOT / path).exists(), f"{path} is not in the repository"
        if namespace is None:
            return
        objects = self.objects(namespace[1])
        for kind, name in re.findall(r"(?<![\w.])([a-z]+)/([a-z0-9-]+)", line):
            if kind in _KINDS:
                assert (_KINDS[kind], name) in objects, f"no {kind}/{name} in {namespace[1]}: {sorted(objects)}"
        for selector in re.findall(r"(?:--selector|-l)[ =](\S+)", line):
            wanted = dict(pair.split("=", 1) for pair in selector.split(","))
            owners = [document for document in objects.values() if document]
            chosen = [document for document in owners if wanted.items() <= labels_of_pods(document).items()]
            assert chosen, f"no pod has {selector}"
            for container in re.findall(r"(?:--container|-c)[ =](\S+)", line):
                assert f"name: {container}" in yaml.safe_dump(chosen), f"no container {container} in {selector}"

    def _slipway(self, words: list[str]) -> None:
        if words[0] == "values":
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, done.output
            return
        group = typer.main.get_command(app)
        with group.context_class(group, info_name="slipway") as context:
            name, command, rest = group.resolve_command(context, words)
            # Not by class: Typer brings a Click of its own. A group may take the words of its usual command, too.
            while rest and rest[0] in getattr(command, "commands", ()):
                inner = command.context_class(command, parent=context, info_name=name)
                name, command, rest = command.resolve_command(inner, rest)
            command.make_context(name, list(rest), parent=context)


def _merged(values: dict, layer: dict) -> dict:
    both = values.keys() & layer.keys()
    deeper = {key: _merged(values[key], layer[key]) for key in both if isinstance(layer[key], dict)}
    return {**values, **layer, **deeper}
