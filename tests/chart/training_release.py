"""helm/training rendered as the release `demo` in `serving`, and the values that tests start from."""

import re

import typer

from slipway.cli import app
from tests.chart.rendering import rendered

CLAIM = {"repository": {"claim": "models"}}
PROMOTE = {**CLAIM, "promotion": {"enabled": True, "inferenceService": "mnist"}}
WORKERS = {**CLAIM, "workers": 3}
STORE = {"repository": {"url": "s3://models/prod"}}
RECIPE = """\
model: letters
description: Handwritten letters
network: {builder: "training.networks:seed_cnn"}
fit: {epochs: 5, batch_size: 128}
gates: {min_accuracy: 0.9, min_macro_f1: 0.9, max_ece: 0.1}
serving: {max_batch_size: 16, cpu: {instances: 2}, gpu: {instances: 1}}
"""


def release(values, **options):
    """Every object by kind and name."""
    return rendered("training", values, **options)


def kinds(values):
    """The kinds of the release's objects."""
    return {kind for kind, _ in release(values)}


def job(values, **options):
    """The one Job."""
    (document,) = [found for (kind, _), found in release(values, **options).items() if kind == "Job"]
    return document


def job_name(values, **options):
    """Its name, which stands for its specification."""
    return job(values, **options)["metadata"]["name"]


def pod(values):
    """The specification of its pods."""
    return job(values)["spec"]["template"]["spec"]


def containers(values):
    """The containers in the order in which they run, by name."""
    spec = pod(values)
    return {container["name"]: container for container in [*spec.get("initContainers", []), *spec["containers"]]}


def arguments(container, environment):
    """A container's arguments as the kubelet passes them: $(NAME) is the variable of that name."""
    return [re.sub(r"\$\((\w+)\)", lambda found: environment[found[1]], text) for text in container["args"]]


def environment_of(container, *, labels):
    """A container's variables as the kubelet sets them."""
    environment = {}
    for entry in container.get("env", []):
        if "valueFrom" in entry:
            label = re.fullmatch(r"metadata\.labels\['(.+)'\]", entry["valueFrom"]["fieldRef"]["fieldPath"])
            environment[entry["name"]] = labels[label[1]]
        else:
            text = entry["value"]
            environment[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda found: environment[found[1]], text)
    return environment


def parsed(words):
    """What the real command line understands: the command's name, and its parameters."""
    command, name = typer.main.get_command(app), "slipway"
    while hasattr(command, "resolve_command"):
        context = command.make_context(name, list(words), allow_extra_args=True, ignore_unknown_options=True)
        name, command, words = command.resolve_command(context, list(words))
    return name, command.make_context(name, list(words)).params
