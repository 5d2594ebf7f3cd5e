"""Series of a healthy service, as Prometheus has them: two replicas, ten requests a second, 20 ms each.

Values are in promtool's notation for one every `interval_s` seconds; a test overwrites what is wrong in its case.
"""

from __future__ import annotations

from tests.chart.promtool_runs import NAMESPACE, POD, RELEASE

OWN = f'namespace="{NAMESPACE}",inferenceservice="{RELEASE}",pod="{POD}"'
PLAIN = f'namespace="{NAMESPACE}",pod="{POD}"'
DEPLOYMENT = f'namespace="{NAMESPACE}",deployment="{RELEASE}-predictor"'
REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")


def triton(name: str, labels: str = "") -> str:
    """Name of a series of the model."""
    return f'{name}{{model="mnist",version="1",{OWN}{"," if labels else ""}{labels}}}'


def failure(reason: str) -> str:
    """Name of a series of failures."""
    return triton("nv_inference_request_failure", f'reason="{reason}"')


def pod(name: str, labels: str = "") -> str:
    """Name of a series about a replica."""
    return f"{name}{{{PLAIN}{',' if labels else ''}{labels}}}"


def deployment(name: str) -> str:
    """Name of a series of kube-state-metrics about the Deployment."""
    return f"{name}{{{DEPLOYMENT}}}"


def bucket(bound: str) -> str:
    """Name of a series of the latency histogram."""
    return triton("nv_inference_first_response_histogram_ms_bucket", f'le="{bound}"')


HISTOGRAM = triton("nv_inference_first_response_histogram_ms_count")


def healthy(samples: int, interval_s: int = 5) -> dict[str, str]:
    """Every series that rules read, for `samples` intervals."""
    requests = 10 * interval_s

    def rises(step: float) -> str:
        return f"0+{step:g}x{samples}"

    def stays(value: float) -> str:
        return f"{value:g}x{samples}"

    return {
        triton("nv_inference_request_success"): rises(requests),
        **{failure(reason): rises(0) for reason in REASONS},
        triton("nv_inference_count"): rises(3 * requests),
        triton("nv_inference_exec_count"): rises(requests),
        # 20 ms a request, 3 ms of them in the queue.
        triton("nv_inference_request_duration_us"): rises(20_000 * requests),
        triton("nv_inference_queue_duration_us"): rises(3_000 * requests),
        triton("nv_inference_pending_request_count"): stays(1),
        # Prometheus 3 writes whole bounds with a decimal.
        bucket("100.0"): rises(requests),
        bucket("500.0"): rises(requests),
        bucket("+Inf"): rises(requests),
        HISTOGRAM: rises(requests),
        pod("nv_gpu_memory_used_bytes", 'gpu_uuid="GPU-1"'): stays(4e9),
        pod("nv_gpu_memory_total_bytes", 'gpu_uuid="GPU-1"'): stays(24e9),
        pod("up"): stays(1),
        pod("kube_pod_status_ready", 'condition="true"'): stays(1),
        pod("kube_pod_container_status_restarts_total", 'container="kserve-container"'): stays(1),
        deployment("kube_deployment_spec_replicas"): stays(2),
        deployment("kube_deployment_status_replicas_available"): stays(2),
        # A day before the series begin.
        deployment("kube_deployment_created"): stays(-86_400),
    }
