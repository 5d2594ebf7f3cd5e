"""helm/serving rendered as the release `mnist`, and the values that tests start from."""

from tests.chart.rendering import rendered

CLAIM = {"storageUri": "pvc://models/model_repository"}
CAPACITY = {"inFlight": 8, "requestsPerSecond": 400}
# What KServe puts on the pods that it makes.
PODS = {"serving.kserve.io/inferenceservice": "mnist", "component": "predictor"}


def with_(**values):
    """Values of a GPU service with KEDA, and what differs from it."""
    model, autoscaling = values.pop("model", {}), values.pop("autoscaling", {})
    return {"model": {**CLAIM, **model}, "autoscaling": {"capacity": CAPACITY, **autoscaling}, **values}


def cpu(**values):
    """Values of a CPU service that does not scale."""
    model = {**CLAIM, "configName": "", **values.pop("model", {})}
    return {"model": model, "gpu": {"enabled": False}, "autoscaling": {"mode": "none"}, **values}


def release(values, name="mnist"):
    """Every object by kind and name."""
    return rendered("serving", values, release=name)


def container(values):
    """The container that serves."""
    return release(values)["ServingRuntime", "mnist-triton"]["spec"]["containers"][0]


def predictor(values):
    """What the InferenceService says about the pods."""
    return release(values)["InferenceService", "mnist"]["spec"]["predictor"]
