"""Let an InferenceService serve a version: write its number into the predictor's annotations, which rolls its pods.

    promote("mnist", 3, namespace="serving")     # the InferenceService serves version 3 from now on

Needs the extra `deploy`; nothing else of this package loads the Kubernetes client. The chart `helm/serving` leaves the
annotation alone while its `model.version` is empty, so an upgrade keeps what was promoted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from slipway.deploy._errors import DeployError

ANNOTATION = "slipway/model-version"
FIELD_MANAGER = "slipway-promote"
TIMEOUT_S = 30


class PromotionRefused(DeployError):
    """The cluster has no such InferenceService, does not allow it, or does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What a promotion changed.

    Attributes:
        inference_service: The InferenceService.
        before: The number that was there; None: there was none, each new pod took the newest version.
        version: The number that is there now.
    """

    inference_service: str
    before: str | None
    version: int

    @property
    def changed(self) -> bool:
        """Whether the pods are replaced."""
        return self.before != str(self.version)


def promote(inference_service: str, version: int, *, namespace: str) -> Promotion:
    """Write the version into the predictor's annotation `slipway/model-version`.

    Asks the cluster that this pod runs in, else that of KUBECONFIG or ~/.kube/config. It takes the verbs `get` and
    `patch` on this one InferenceService.

    Args:
        inference_service: Name of the InferenceService: the Helm release's.
        version: A published version; whether its files are intact is the caller's to check.
        namespace: Where it lives.

    Raises:
        PromotionRefused: There is no such InferenceService, the cluster refuses, or nobody answers.
    """
    where = ("serving.kserve.io", "v1beta1", namespace, "inferenceservices", inference_service)
    with _translated(inference_service, namespace), _api_client() as api_client:
        api = client.CustomObjectsApi(api_client)
        found: Any = api.get_namespaced_custom_object(*where, _request_timeout=TIMEOUT_S)
        annotations = found.get("spec", {}).get("predictor", {}).get("annotations") or {}
        promotion = Promotion(inference_service=inference_service, before=annotations.get(ANNOTATION), version=version)
        if promotion.changed:
            api.patch_namespaced_custom_object(
                *where,
                body={"spec": {"predictor": {"annotations": {ANNOTATION: str(version)}}}},
                field_manager=FIELD_MANAGER,
                _content_type="application/merge-patch+json",
                _request_timeout=TIMEOUT_S,
            )
    return promotion


@contextmanager
def _api_client() -> Iterator[client.ApiClient]:
    """Connect as this pod, or as the person at the desk."""
    configuration = client.Configuration()
    kubeconfig = os.environ.get("KUBECONFIG")
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=configuration)
    else:
        config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
    configuration.retries = 3
    with client.ApiClient(configuration) as api_client:
        yield api_client


_REMEDIES = {
    401: "the credentials are not valid there: log in again",
    403: "allow `get` and `patch` on it, as the Role of helm/training does",
    404: "name the Helm release of helm/serving and its namespace (`kubectl get inferenceservice -A`)",
}


@contextmanager
def _translated(name: str, namespace: str) -> Iterator[None]:
    what = f"cannot promote to InferenceService {name!r} in namespace {namespace!r}"
    try:
        yield
    except ApiException as exc:
        remedy = _REMEDIES.get(exc.status or 0, "see the API server's message")
        raise PromotionRefused(f"{what}: {exc.status} {exc.reason}; {remedy}. The API server says: {exc.body}") from exc
    except ConfigException as exc:
        raise PromotionRefused(f"{what}: no cluster to ask ({exc}): set KUBECONFIG, or run inside the cluster") from exc
    except (HTTPError, OSError) as exc:
        raise PromotionRefused(
            f"{what}: the API server does not answer: {exc}; check the network and its policy"
        ) from exc
