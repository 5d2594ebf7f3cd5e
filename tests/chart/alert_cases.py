"""Bad days and near misses of a service: series of a healthy one, and what is different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.chart.healthy_service import NAMESPACE, OWN, bucket, deployment, failure, healthy, pod, triton
from tests.chart.promtool_runs import POD

SERVICE = {
    "model": {"storageUri": "pvc://models"},
    "autoscaling": {"capacity": {"inFlight": 8, "requestsPerSecond": 400}},
}
TO_ZERO = {
    "model": {"storageUri": "pvc://models"},
    "autoscaling": {"minReplicas": 0, "capacity": {"inFlight": 8}, "wake": {"query": "sum(gateway_requests)"}},
}
IN_FLIGHT = triton("nv_inference_request_duration_us")
PENDING = triton("nv_inference_pending_request_count")
SUCCESS = triton("nv_inference_request_success")
WANTED = deployment("kube_deployment_spec_replicas")
AVAILABLE = deployment("kube_deployment_status_replicas_available")
CREATED = deployment("kube_deployment_created")
UNSCHEDULABLE = pod("kube_pod_status_unschedulable")
USED = pod("nv_gpu_memory_used_bytes", 'gpu_uuid="GPU-1"')
UP = pod("up")
READY = pod("kube_pod_status_ready", 'condition="true"')
RESTARTS = pod("kube_pod_container_status_restarts_total", 'container="kserve-container"')
KEDA_ERRORS = 'keda_scaler_detail_errors_total{namespace="keda",exported_namespace="serving",scaledObject="mnist"}'
INACTIVE = (
    'kube_horizontalpodautoscaler_status_condition{namespace="serving",horizontalpodautoscaler="keda-hpa-mnist",'
    'condition="ScalingActive",status="false"}'
)
BLIND = (*(name for name in healthy(1) if name.startswith("nv_")), UP)
ONE_POD = {"pod": POD}


def waiting(reason: str, container: str = "kserve-container", *, init: bool = False) -> str:
    """Name of the series of a container that waits."""
    metric = f"kube_pod_{'init_' if init else ''}container_status_waiting_reason"
    return pod(metric, f'container="{container}",reason="{reason}"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One course of things.

    Attributes:
        alert: Whose rule is looked at.
        what: Of the case, in words.
        change: Series that differ from the healthy service's; per sample, see `interval_s`.
        without: Series that are not there.
        minutes: After the start, when it is looked.
        interval_s: Between two samples.
        evaluate_s: Between two evaluations of the rules. They count failures as if it were 30.
        says: What the placeholders of summary and description become; None if it is silent.
        cause: Label `cause` of the rule, where several rules share the alert's name.
        labels: Of the alert, besides the rule's.
        values: Of the chart.
    """

    alert: str
    what: str
    minutes: int
    change: Mapping[str, str] = field(default_factory=dict)
    without: Sequence[str] = ()
    interval_s: int = 5
    evaluate_s: int = 30
    says: tuple[str, ...] | None = None
    cause: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=lambda: SERVICE)

    @property
    def series(self) -> dict[str, str]:
        """Input of promtool."""
        samples = self.minutes * 60 // self.interval_s + 2
        series = healthy(samples, self.interval_s) | dict(self.change)
        return {name: text for name, text in series.items() if name not in self.without}

    def __str__(self) -> str:
        return f"{self.alert.removeprefix('Slipway')}: {self.what}"


def flapping(cycles: int) -> str:
    """There for a minute in every three, as a container in its back-off is; one sample in 5 s."""
    return " ".join(["1x11 stale _x23"] * cycles)


FIRES = [
    Case(alert="SlipwayErrorBudgetBurnsFast", what="a twentieth fails for more than an hour", minutes=75,
         interval_s=30, change={failure("BACKEND"): "0+15x160"}, says=("4.762%",)),
    Case(alert="SlipwayErrorBudgetBurnsFast", what="a seventh fails, after six good hours", minutes=370, interval_s=60,
         evaluate_s=60, change={failure("BACKEND"): "0x359 0+100x20"}, says=("2.174%",)),
    Case(alert="SlipwayErrorBudgetBurnsFast", what="one in 100 fails for six hours", minutes=370, interval_s=60,
         evaluate_s=60, change={failure("BACKEND"): "0+6x400"}, says=("0.9901%",)),
    Case(alert="SlipwayErrorBudgetBurnsFast", what="the queue policy refuses a twentieth", minutes=75,
         interval_s=30, change={failure("REJECTED"): "0+15x160"}, says=("4.762%",)),
    Case(alert="SlipwayErrorBudgetBurnsSlowly", what="one in 200 fails for a day", minutes=1500,
         interval_s=60, evaluate_s=300,
         change={failure("BACKEND"): "0+3x1600"}, says=("0.4975%",)),
    Case(alert="SlipwayLatencyBudgetBurnsFast", what="a fifth is late for more than an hour", minutes=75,
         interval_s=30, change={bucket("100.0"): "0+240x160"}, says=("20%",)),
    Case(alert="SlipwayLatencyBudgetBurnsFast", what="the same in Prometheus 2", minutes=75, interval_s=30,
         change={bucket("100"): "0+240x160"}, without=[bucket("100.0")], says=("20%",)),
    Case(alert="SlipwayLatencyBudgetBurnsSlowly", what="one in 25 is late for a day", minutes=1500,
         interval_s=60, evaluate_s=300,
         change={bucket("100.0"): "0+576x1600"}, says=("4%",)),
    Case(alert="SlipwayNotScaling", what="20 in flight, two replicas for 8 each", minutes=12,
         change={IN_FLIGHT: "0+1e8x200"}, says=("20",)),
    Case(alert="SlipwayAtMaxReplicas", what="40 in flight, four replicas for 8 each", minutes=17,
         change={IN_FLIGHT: "0+2e8x300", WANTED: "4x300"}, says=("40",)),
    Case(alert="SlipwayAutoscalerBlind", what="no metrics", minutes=12, without=BLIND, cause="no_metrics", says=()),
    Case(alert="SlipwayAutoscalerBlind", what="no scrape succeeds", minutes=12, change={UP: "0x200"},
         without=BLIND[:-1], cause="no_metrics", says=()),
    Case(alert="SlipwayAutoscalerBlind", what="no metrics of a replica that was woken", minutes=12, without=BLIND,
         values=TO_ZERO, cause="no_metrics", says=()),
    Case(alert="SlipwayAutoscalerBlind", what="KEDA fails again and again", minutes=17,
         change={KEDA_ERRORS: "0+1x300"}, cause="keda_errors", says=("12",)),
    Case(alert="SlipwayAutoscalerBlind", what="the same, scraped with honorLabels", minutes=17,
         change={'keda_scaler_detail_errors_total{namespace="serving",scaledObject="mnist"}': "0+1x300"},
         cause="keda_errors", says=("12",)),
    Case(alert="SlipwayAutoscalerBlind", what="nobody serves the metrics", minutes=7, change={INACTIVE: "1x100"},
         cause="hpa_inactive", says=()),
    Case(alert="SlipwayNoReplicaReady", what="two wanted, none there", minutes=4, change={AVAILABLE: "0x100"},
         says=("2",)),
    Case(alert="SlipwayPodUnschedulable", what="no node for longer than one takes to come", minutes=17,
         change={UNSCHEDULABLE: "1x300"}, says=("1",)),
    Case(alert="SlipwayPodNotStarting", what="no such image", minutes=12,
         change={waiting("ImagePullBackOff"): "1x300"}, says=("kserve-container", "1", "ImagePullBackOff"),
         labels={"container": "kserve-container", "reason": "ImagePullBackOff"}),
    Case(alert="SlipwayPodNotStarting", what="the download of the model fails", minutes=13,
         change={waiting("CrashLoopBackOff", "storage-initializer", init=True): flapping(8)},
         says=("storage-initializer", "1", "CrashLoopBackOff"),
         labels={"container": "storage-initializer", "reason": "CrashLoopBackOff"}),
    Case(alert="SlipwayPodCrashLoop", what="back-off after back-off", minutes=8,
         change={waiting("CrashLoopBackOff"): flapping(8)}, says=(POD,), labels=ONE_POD),
    Case(alert="SlipwayPodCrashLoop", what="a restart every ten minutes", minutes=75, interval_s=30,
         change={RESTARTS: " ".join(f"{n}x19" for n in range(9))}, says=(POD,), labels=ONE_POD),
    Case(alert="SlipwayReplicasMissing", what="one runs and does not become ready", minutes=32,
         change={AVAILABLE: "1x500"}, says=("1",)),
    Case(alert="SlipwayQueueTooLong", what="20 wait, ten a second are answered", minutes=7,
         change={PENDING: "20x100"}, says=("2s",)),
    Case(alert="SlipwayQueueTooLong", what="some wait and none is answered", minutes=7,
         change={PENDING: "5x100", SUCCESS: "7x100"}, says=("+Inf",)),
    Case(alert="SlipwayGpuMemoryNearlyFull", what="23.5 of 24 GB", minutes=17, change={USED: "23.5e9x300"},
         says=(POD, "97.92%"), labels={"pod": POD, "gpu_uuid": "GPU-1"}),
    Case(alert="SlipwayVersionsDiffer", what="for longer than a roll-out", minutes=33,
         change={f'nv_inference_request_success{{model="mnist",version="2",{OWN}}}': "0+1x500"}, says=("2",)),
    Case(alert="SlipwayScrapeFailing", what="a ready pod that cannot be read", minutes=12, change={UP: "0x200"},
         says=("1",)),
    Case(alert="SlipwayScrapeFailing", what="a ready pod that is no target", minutes=12, without=[UP], says=("1",)),
]  # fmt: skip

SILENT = [
    Case(alert="SlipwayErrorBudgetBurnsFast", what="clients cancel a twentieth", minutes=75, interval_s=30,
         change={failure("CANCELED"): "0+15x160"}),
    Case(alert="SlipwayErrorBudgetBurnsFast", what="it was bad, and is over for half an hour", minutes=75,
         interval_s=30, change={failure("BACKEND"): "0+60x80 4800x80"}),
    Case(alert="SlipwayErrorBudgetBurnsFast", what="half of a few requests fail", minutes=75, interval_s=30,
         change={SUCCESS: "0+0.05x160", failure("BACKEND"): "0+0.05x160"}),
    Case(alert="SlipwayErrorBudgetBurnsFast", what="pods restart and count from zero", minutes=75, interval_s=30,
         change={SUCCESS: "0+300x70 0+300x90", failure("BACKEND"): "5x70 0x90"}),
    Case(alert="SlipwayErrorBudgetBurnsFast", what="one in 200 fails for a day", minutes=1500,
         interval_s=60, evaluate_s=300,
         change={failure("BACKEND"): "0+3x1600"}),
    Case(alert="SlipwayErrorBudgetBurnsSlowly", what="one in 2000 fails for a day", minutes=1500,
         interval_s=60, evaluate_s=300,
         change={failure("BACKEND"): "0+0.3x1600"}),
    Case(alert="SlipwayErrorBudgetBurnsSlowly", what="a day was bad, and is over for seven hours", minutes=1900,
         interval_s=60, evaluate_s=300, change={failure("BACKEND"): "0+30x1440 43200x500"}),
    Case(alert="SlipwayLatencyBudgetBurnsFast", what="a twentieth is late", minutes=75, interval_s=30,
         change={bucket("100.0"): "0+285x160"}),
    Case(alert="SlipwayLatencyBudgetBurnsSlowly", what="one in 200 is late for a day", minutes=1500,
         interval_s=60, evaluate_s=300,
         change={bucket("100.0"): "0+597x1600"}),
    Case(alert="SlipwayNotScaling", what="18 in flight: within the HPA's tolerance", minutes=12,
         change={IN_FLIGHT: "0+9e7x200"}),
    Case(alert="SlipwayNotScaling", what="all replicas that there may be", minutes=12,
         change={IN_FLIGHT: "0+3e8x200", WANTED: "4x200"}),
    Case(alert="SlipwayNotScaling", what="a jump that is not five minutes old", minutes=12,
         change={IN_FLIGHT: "0x84 0+1e8x100"}),
    Case(alert="SlipwayAtMaxReplicas", what="30 in flight, four replicas for 8 each", minutes=17,
         change={IN_FLIGHT: "0+1.5e8x300", WANTED: "4x300"}),
    Case(alert="SlipwayAutoscalerBlind", what="scaled to zero", minutes=12, without=BLIND, values=TO_ZERO,
         change={AVAILABLE: "0x200", WANTED: "0x200"}),
    Case(alert="SlipwayAutoscalerBlind", what="the first replica is on its way", minutes=14, without=BLIND,
         change={CREATED: "0x200", KEDA_ERRORS: "0+1x300"}),
    Case(alert="SlipwayAutoscalerBlind", what="the HPA rests while there is no replica", minutes=7, values=TO_ZERO,
         change={INACTIVE: "1x100", AVAILABLE: "0x100", WANTED: "0x100"}),
    Case(alert="SlipwayAutoscalerBlind", what="the HPA of another service gets no metrics", minutes=7,
         change={INACTIVE.replace("mnist", "other"): "1x100"}),
    Case(alert="SlipwayAutoscalerBlind", what="KEDA failed once", minutes=17, change={KEDA_ERRORS: "0x80 1x220"}),
    Case(alert="SlipwayAutoscalerBlind", what="KEDA fails for another service", minutes=17,
         change={KEDA_ERRORS.replace("mnist", "other"): "0+1x300"}),
    Case(alert="SlipwayNoReplicaReady", what="the first replica is on its way", minutes=10,
         change={AVAILABLE: "0x200", CREATED: "0x200"}),
    Case(alert="SlipwayNoReplicaReady", what="scaled to zero", minutes=20, values=TO_ZERO,
         change={AVAILABLE: "0x300", WANTED: "0x300"}),
    Case(alert="SlipwayNoReplicaReady", what="it wakes", minutes=8, values=TO_ZERO, change={AVAILABLE: "0x300"}),
    Case(alert="SlipwayPodUnschedulable", what="a node may still come", minutes=14,
         change={UNSCHEDULABLE: "1x300"}),
    Case(alert="SlipwayPodNotStarting", what="the container is being created", minutes=12,
         change={waiting("ContainerCreating"): "1x300"}),
    Case(alert="SlipwayPodCrashLoop", what="two restarts in an hour", minutes=75, interval_s=30,
         change={RESTARTS: "1x60 2x60 3x60"}),
    Case(alert="SlipwayReplicasMissing", what="no node: another alert says so", minutes=32,
         change={AVAILABLE: "1x500", UNSCHEDULABLE: "1x500"}),
    Case(alert="SlipwayReplicasMissing", what="a crash loop: another alert says so", minutes=32,
         change={AVAILABLE: "1x500", waiting("CrashLoopBackOff"): flapping(15)}),
    Case(alert="SlipwayQueueTooLong", what="five wait, ten a second are answered", minutes=7,
         change={PENDING: "5x100"}),
    Case(alert="SlipwayQueueTooLong", what="nothing comes, nothing waits", minutes=7,
         change={PENDING: "0x100", SUCCESS: "7x100"}),
    Case(alert="SlipwayGpuMemoryNearlyFull", what="22 of 24 GB", minutes=17, change={USED: "22e9x300"}),
    Case(alert="SlipwayVersionsDiffer", what="while a roll-out lasts", minutes=29,
         change={f'nv_inference_request_success{{model="mnist",version="2",{OWN}}}': "0+1x500"}),
    Case(alert="SlipwayScrapeFailing", what="a pod that is not ready", minutes=12,
         change={UP: "0x200", READY: "0x200"}),
]  # fmt: skip

__all__ = ["FIRES", "NAMESPACE", "SERVICE", "SILENT", "TO_ZERO", "Case"]
