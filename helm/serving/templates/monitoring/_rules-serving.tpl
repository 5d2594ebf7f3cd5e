{{/* What Triton itself says, besides its failures and latencies. */}}
{{- define "slipway-serving.servingAlerts" -}}
{{- $name := include "slipway-serving.fullname" . -}}
{{- $rules := .Values.monitoring.rules -}}
{{- $series := include "slipway-serving.series" . -}}
{{- $pods := include "slipway-serving.podSeries" . -}}
- {{- include "slipway-serving.alert" (list . "SlipwayQueueTooLong" "page") | nindent 2 }}
  {{- /* Little's law for the queue: waiting requests by requests that leave it. None leave: a wait without end. */}}
  expr: |
    sum(avg_over_time(nv_inference_pending_request_count{ {{- $series -}} }[1m]))
      / sum(rate(nv_inference_request_success{ {{- $series -}} }[1m])) > {{ $rules.queueSeconds }}
  for: 5m
  annotations:
    summary: {{ $name }} lets requests wait too long before it works on them
    description: {{ printf "A request that reaches %s now waits about {{ $value | humanizeDuration }} before a replica works on it; more than %v s is too long. +Inf means that nothing is answered at all." $name $rules.queueSeconds | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayQueueTooLong") | nindent 4 }}
{{- if .Values.gpu.enabled }}
- {{- include "slipway-serving.alert" (list . "SlipwayGpuMemoryNearlyFull" "ticket") | nindent 2 }}
  expr: max by (pod, gpu_uuid) (nv_gpu_memory_used_bytes{ {{- $pods -}} } / nv_gpu_memory_total_bytes{ {{- $pods -}} }) > {{ $rules.gpuMemoryShare }}
  for: 15m
  annotations:
    summary: {{ $name }} has nearly filled a GPU's memory
    description: {{ printf "The GPU of {{ $labels.pod }} of %s is {{ $value | humanizePercentage }} full. The next larger batch may find no room." $name | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayGpuMemoryNearlyFull") | nindent 4 }}
{{- end }}
- {{- include "slipway-serving.alert" (list . "SlipwayVersionsDiffer" "ticket") | nindent 2 }}
  expr: count(count by (version) (nv_inference_request_success{ {{- $series -}} })) > 1
  for: {{ $rules.rolloutSeconds }}s
  annotations:
    summary: {{ $name }} serves more than one version of its model
    description: {{ printf "{{ $value | humanize }} versions of the model have been served by %s for %d minutes: the same image may get different answers." $name (div $rules.rolloutSeconds 60) | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayVersionsDiffer") | nindent 4 }}
- {{- include "slipway-serving.alert" (list . "SlipwayScrapeFailing" "ticket") | nindent 2 }}
  expr: |
    count(
      max by (namespace, pod) (kube_pod_status_ready{ {{- $pods }},condition="true"}) == 1
      unless on(namespace, pod) up{ {{- $pods -}} } == 1
    ) > 0
  for: 10m
  annotations:
    summary: {{ $name }} has ready replicas whose metrics Prometheus cannot read
    description: {{ printf "{{ $value | humanize }} ready pods of %s are not scraped. Their load is missing in what the autoscaler sees, so there are too few replicas." $name | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayScrapeFailing") | nindent 4 }}
{{- end -}}
