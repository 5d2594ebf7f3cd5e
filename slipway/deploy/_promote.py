"""Promote a version: write its number into an annotation of an InferenceService's predictor, which rolls its pods.

    check_promotable("mnist", namespace="serving")     # before training: the name exists, and it is allowed
    promote("mnist", 3, namespace="serving")           # the InferenceService now serves version 3

Needs the extra `deploy`; no other module of this package loads the Kubernetes client. The chart `helm/serving` does not
set the annotation while its `model.version` is empty, so an upgrade keeps the promoted version.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from slipway.client.wire import parse_address, proxy_for
from slipway.deploy._errors import DeployError
from slipway.errors import SlipwayError
from slipway.printable import printable

ANNOTATION = "slipway/model-version"
FIELD_MANAGER = "slipway-promote"
TIMEOUT_S = 30
SHORTEST_TOKEN = 8
"""A shorter token occurs in ordinary words by chance and is not redacted."""


class PromotionRefused(DeployError):
    """The cluster has no such InferenceService, does not allow it, or does not answer."""


class PromotionForbidden(PromotionRefused):
    """A permanent error: no such InferenceService, or permission denied. The Job of helm/training fails at once."""

    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """The result of a promotion.

    Attributes:
        inference_service: The InferenceService.
        before: Previous number in the annotation; None if there was none, so that new pods took the newest version.
        version: The new number.
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

    Uses the cluster that this pod runs in, otherwise that of KUBECONFIG or ~/.kube/config. It needs the verbs `get` and
    `patch` on this InferenceService.

    Args:
        inference_service: Name of the InferenceService, which is that of the Helm release.
        version: A published version; the caller verifies its files.
        namespace: Namespace of the InferenceService.

    Raises:
        PromotionForbidden: There is no such InferenceService, or the cluster does not allow it.
        PromotionRefused: The API server does not answer, or reports an internal error.
    """
    with _opened(inference_service, namespace) as service:
        promotion = Promotion(inference_service=inference_service, before=service.version(), version=version)
        if promotion.changed:
            service.patch(str(version))
    return promotion


def check_promotable(inference_service: str, *, namespace: str) -> str | None:
    """Check what `promote` needs without a change: read the object, and patch it with `dryRun=All`.

    Returns:
        The version number in its annotation; None if there is none.

    Raises:
        PromotionForbidden: There is no such InferenceService, or the cluster does not allow it.
        PromotionRefused: The API server does not answer, or reports an internal error.
    """
    with _opened(inference_service, namespace) as service:
        version = service.version()
        service.patch(version or "1", dry_run=True)
    return version


@dataclass(frozen=True, slots=True, kw_only=True)
class _InferenceService:
    """An InferenceService, and the client of its API server."""

    api: client.CustomObjectsApi
    where: tuple[str, str, str, str, str]

    def version(self) -> str | None:
        """The annotation's current value."""
        document: Any = self.api.get_namespaced_custom_object(*self.where, _request_timeout=TIMEOUT_S)
        annotations = document.get("spec", {}).get("predictor", {}).get("annotations") or {}
        version: str | None = annotations.get(ANNOTATION)
        return version

    def patch(self, version: str, *, dry_run: bool = False) -> None:
        """Write only the annotation; with `dry_run` the cluster only validates the change."""
        self.api.patch_namespaced_custom_object(
            *self.where,
            body={"spec": {"predictor": {"annotations": {ANNOTATION: version}}}},
            field_manager=FIELD_MANAGER,
            _content_type="application/merge-patch+json",
            _request_timeout=TIMEOUT_S,
            dry_run="All" if dry_run else None,
        )


@contextmanager
def _opened(name: str, namespace: str) -> Iterator[_InferenceService]:
    where = ("serving.kserve.io", "v1beta1", namespace, "inferenceservices", name)
    hidden: set[str] = set()
    with _map_errors(name, namespace, hidden), _api_client(hidden) as api_client:
        yield _InferenceService(api=client.CustomObjectsApi(api_client), where=where)


@contextmanager
def _api_client(hidden: set[str]) -> Iterator[client.ApiClient]:
    """Connect with this pod's credentials, or the kubeconfig's; adds its tokens to `hidden`."""
    configuration = client.Configuration()
    configuration.proxy = None  # set afterwards only by the kubeconfig's `proxy-url`
    kubeconfig = os.environ.get("KUBECONFIG")
    try:
        if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
    except ConfigException:
        raise
    except Exception as exc:  # noqa: BLE001 - a broken file raises many types; the message may quote a token
        raise ConfigException(f"{type(exc).__name__} while the kubeconfig was read") from None
    tokens = (str(key).removeprefix("Bearer ") for key in configuration.api_key.values())
    hidden |= {token for token in tokens if len(token) >= SHORTEST_TOKEN}
    configuration.proxy = configuration.proxy or _environments_proxy(configuration.host)
    configuration.no_proxy = None  # applied by `_environments_proxy`
    configuration.retries = 3
    with client.ApiClient(configuration) as api_client:
        yield api_client


def _environments_proxy(url: str) -> str | None:
    """The proxy by the same rules as Slipway's clients: the Kubernetes client would use one for loopback addresses."""
    parts = urlsplit(url)
    proxy = proxy_for(parse_address(f"{parts.scheme}://{parts.netloc}"))
    return None if proxy is None else proxy.url


_REMEDIES = {
    401: "the API server rejects these credentials: log in again",
    403: "allow `get` and `patch` on it, as in the Role of helm/training",
    404: "check the name of the Helm release and its namespace (`kubectl get inferenceservice -A`)",
}

_POLICY = "ValidatingAdmissionPolicy"
_POLICY_REMEDY = "the permissions suffice, an admission policy rejects the change: its message says what it allows"


@contextmanager
def _map_errors(name: str, namespace: str, hidden: AbstractSet[str]) -> Iterator[None]:
    """Map the Kubernetes client's exceptions; neither messages nor tracebacks show a token."""
    what = f"cannot promote to InferenceService {name!r} in namespace {namespace!r}"

    def redacted(text: object) -> str:
        without = str(text)
        for secret in sorted(hidden, key=len, reverse=True):
            without = without.replace(secret, "***")
        return printable(without, limit=1_000)

    try:
        yield
    except SlipwayError:
        raise  # an invalid proxy in the environment
    except ApiException as exc:
        body = redacted(exc.body)
        remedy = _POLICY_REMEDY if _POLICY in body else _REMEDIES.get(exc.status or 0, "see the API server's message")
        error = PromotionForbidden if exc.status in _REMEDIES else PromotionRefused
        raise error(f"{what}: {exc.status} {redacted(exc.reason)}; {remedy}. The API server says: {body}") from _shown(
            exc, hidden
        )
    except ConfigException as exc:
        raise PromotionRefused(
            f"{what}: no cluster is configured ({redacted(exc)}): set KUBECONFIG, or run inside the cluster"
        ) from _shown(exc, hidden)
    except (HTTPError, OSError) as exc:
        raise PromotionRefused(
            f"{what}: the API server does not answer: {redacted(exc)}; check the network and NetworkPolicies"
        ) from _shown(exc, hidden)
    except ValueError:
        raise PromotionForbidden(
            f"{what}: the token or the server's address has characters that are invalid in a request, such as a line "
            "break: log in again, or correct the kubeconfig"
        ) from None


def _shown(exc: BaseException, hidden: AbstractSet[str]) -> BaseException | None:
    """An exception as a cause, unless its traceback would show a token."""
    text = "".join(traceback.format_exception(exc))
    return None if any(word in text for word in hidden) else exc
