{{/* Do the replicas come, and stay? From kube-state-metrics. */}}
{{- define "slipway-serving.replicaAlerts" -}}
{{- $name := include "slipway-serving.fullname" . -}}
{{- $rules := .Values.monitoring.rules -}}
{{- $pods := include "slipway-serving.podSeries" . -}}
- {{- include "slipway-serving.alert" (list . "SlipwayNoReplicaReady" "page") | nindent 2 }}
  {{- /* Not while the first replica of all is on its way. */}}
  expr: |
    {{ include "slipway-serving.ofDeployment" (list . "kube_deployment_spec_replicas") }} > 0
    and on(namespace) {{ include "slipway-serving.ofDeployment" (list . "kube_deployment_status_replicas_available") }} == 0
    and on(namespace) time() - {{ include "slipway-serving.ofDeployment" (list . "kube_deployment_created") }} > {{ $rules.replicaStartSeconds }}
  {{- /* A service that was scaled to zero has to start a replica first. */}}
  for: {{ ternary (printf "%ds" (int $rules.replicaStartSeconds)) "2m" (eq (int .Values.autoscaling.minReplicas) 0) }}
  annotations:
    summary: {{ $name }} answers nobody, no replica is ready
    description: {{ printf "{{ $value | humanize }} replicas of %s are wanted and none is ready: every request fails." $name | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayNoReplicaReady") | nindent 4 }}
- {{- include "slipway-serving.alert" (list . "SlipwayPodUnschedulable" "ticket") | nindent 2 }}
  expr: count(max by (pod) (kube_pod_status_unschedulable{ {{- $pods -}} }) == 1) > 0
  for: {{ $rules.replicaStartSeconds }}s
  annotations:
    summary: {{ $name }} wants replicas that no node has room for
    description: {{ printf "{{ $value | humanize }} pods of %s have waited for a node for %d minutes: there is no GPU to be had." $name (div $rules.replicaStartSeconds 60) | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayPodUnschedulable") | nindent 4 }}
{{- $waiting := "ErrImagePull|ImagePullBackOff|InvalidImageName|CreateContainerConfigError|CreateContainerError" }}
- {{- include "slipway-serving.alert" (list . "SlipwayPodNotStarting" "ticket") | nindent 2 }}
  expr: |
    count by (container, reason) (max by (pod, container, reason) (
      max_over_time(kube_pod_container_status_waiting_reason{ {{- $pods }},reason=~"{{ $waiting }}"}[5m])
      or max_over_time(kube_pod_init_container_status_waiting_reason{ {{- $pods }},reason=~"CrashLoopBackOff|{{ $waiting }}"}[5m])
    ) == 1) > 0
  for: 10m
  annotations:
    summary: {{ $name }} has replicas that do not get as far as starting
    description: {{ printf "Container {{ $labels.container }} waits in {{ $value | humanize }} pods of %s: {{ $labels.reason }}." $name | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayPodNotStarting") | nindent 4 }}
- {{- include "slipway-serving.alert" (list . "SlipwayPodCrashLoop" "ticket") | nindent 2 }}
  expr: |
    max by (pod) (max_over_time(kube_pod_container_status_waiting_reason{ {{- $pods }},reason="CrashLoopBackOff"}[5m])) > 0
    or max by (pod) (increase(kube_pod_container_status_restarts_total{ {{- $pods -}} }[1h])) > 3
  for: 5m
  annotations:
    summary: {{ $name }} has a replica that starts again and again
    description: {{ printf "{{ $labels.pod }} of %s starts again and again: its files are not what was published, the model does not load, or Triton dies." $name | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayPodCrashLoop") | nindent 4 }}
- {{- include "slipway-serving.alert" (list . "SlipwayReplicasMissing" "ticket") | nindent 2 }}
  {{- /* What the alerts above explain, they say themselves. */}}
  expr: |
    ({{ include "slipway-serving.ofDeployment" (list . "kube_deployment_spec_replicas") }} - on(namespace) {{ include "slipway-serving.ofDeployment" (list . "kube_deployment_status_replicas_available") }} > 0)
    unless on(namespace) (
      kube_pod_status_unschedulable{ {{- $pods -}} } == 1
      or max_over_time(kube_pod_container_status_waiting_reason{ {{- $pods }},reason=~"CrashLoopBackOff|{{ $waiting }}"}[5m]) == 1
      or max_over_time(kube_pod_init_container_status_waiting_reason{ {{- $pods }},reason=~"CrashLoopBackOff|{{ $waiting }}"}[5m]) == 1
    )
  for: {{ $rules.rolloutSeconds }}s
  annotations:
    summary: {{ $name }} has replicas that run and do not become ready
    description: {{ printf "{{ $value | humanize }} replicas of %s have not been ready for %d minutes, although they have a node and start." $name (div $rules.rolloutSeconds 60) | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayReplicasMissing") | nindent 4 }}
{{- end -}}
