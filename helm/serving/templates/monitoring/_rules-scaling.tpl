{{/* Does the load get the replicas it needs? $value of the first two is requests in flight over all replicas. */}}
{{- define "slipway-serving.scalingAlerts" -}}
{{- $name := include "slipway-serving.fullname" . -}}
{{- $records := include "slipway-serving.records" . -}}
{{- $autoscaling := .Values.autoscaling -}}
{{- /* The first replica of all is on its way, and has no metrics yet. */}}
{{- $new := printf "time() - %s <= %v" (include "slipway-serving.ofDeployment" (list . "kube_deployment_created")) .Values.monitoring.rules.replicaStartSeconds -}}
{{- if ne $autoscaling.mode "none" }}
{{- $target := include "slipway-serving.target" . }}
- {{- include "slipway-serving.alert" (list . "SlipwayNotScaling" "ticket") | nindent 2 }}
  {{- /* A fifth above the target: the HPA itself tolerates a tenth. */}}
  expr: |
    slipway:inference_in_flight:sum{ {{- $records -}} }
      > on(namespace) 1.2 * {{ $target }} * {{ include "slipway-serving.ofDeployment" (list . "kube_deployment_spec_replicas") }}
    and on(namespace)
    {{ include "slipway-serving.ofDeployment" (list . "kube_deployment_spec_replicas") }} < {{ $autoscaling.maxReplicas }}
  for: 10m
  annotations:
    summary: {{ $name }} has more load than its replicas are meant for, and the autoscaler adds none
    description: {{ printf "{{ $value | humanize }} requests are in flight at %s, a fifth more than its replicas are meant for at %s each, and there are fewer than the %v replicas allowed." $name $target $autoscaling.maxReplicas | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayNotScaling") | nindent 4 }}
- {{- include "slipway-serving.alert" (list . "SlipwayAtMaxReplicas" "ticket") | nindent 2 }}
  expr: |
    slipway:inference_in_flight:sum{ {{- $records -}} } > {{ $target }} * {{ $autoscaling.maxReplicas }}
    and on(namespace)
    {{ include "slipway-serving.ofDeployment" (list . "kube_deployment_spec_replicas") }} >= {{ $autoscaling.maxReplicas }}
  for: 15m
  annotations:
    summary: {{ $name }} has all the replicas it may have, and more load than they are meant for
    description: {{ printf "{{ $value | humanize }} requests are in flight at %s; its %v replicas, the most allowed, are meant for %s each." $name $autoscaling.maxReplicas $target | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayAtMaxReplicas") | nindent 4 }}
- {{- include "slipway-serving.alert" (list . "SlipwayAutoscalerBlind" "page") | nindent 2 }}
    cause: no_metrics
  expr: |
    {{- if gt (int $autoscaling.minReplicas) 0 }}
    absent(slipway:inference_in_flight:sum{ {{- $records -}} })
    unless on(namespace) {{ $new }}
    {{- else }}
    {{ include "slipway-serving.ofDeployment" (list . "kube_deployment_status_replicas_available") }} > 0
    unless on(namespace) slipway:inference_in_flight:sum{ {{- $records -}} }
    {{- end }}
  for: 10m
  annotations:
    summary: Prometheus has no metrics of {{ $name }}, so nothing scales it
    description: {{ printf "Prometheus has had no requests in flight of %s for ten minutes. The autoscaler keeps the replicas it has, whatever the load, and no other alert about load can fire." $name | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayAutoscalerBlind") | nindent 4 }}
{{- if eq $autoscaling.mode "keda" }}
- {{- include "slipway-serving.alert" (list . "SlipwayAutoscalerBlind" "page") | nindent 2 }}
    cause: keda_errors
  {{- /* The HPA asks every 15 s: who still fails has failed within two minutes. Scraped without honorLabels, KEDA's own
         namespace takes the label's place. */}}
  {{- $object := printf "%s=%q,scaledObject=%q" "namespace" .Release.Namespace $name }}
  expr: |
    sum(rate(keda_scaler_detail_errors_total{ {{- $object -}} }[2m]) or rate(keda_scaler_detail_errors_total{exported_{{ $object }}}[2m])) * 60 > 0
    unless on() {{ $new }}
  for: 10m
  annotations:
    summary: KEDA cannot read the load of {{ $name }}
    description: {{ printf "KEDA fails {{ $value | humanize }} times a minute to read the load of %s. It keeps the replicas it has, whatever the load." $name | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayAutoscalerBlind") | nindent 4 }}
{{- end }}
{{- /* Whoever serves the metric does not: KEDA's own errors cannot be seen when KEDA is what is gone. */}}
{{- $hpa := ternary (printf "keda-hpa-%s" $name) $name (eq $autoscaling.mode "keda") }}
- {{- include "slipway-serving.alert" (list . "SlipwayAutoscalerBlind" "page") | nindent 2 }}
    cause: hpa_inactive
  expr: |
    max by (namespace) (kube_horizontalpodautoscaler_status_condition{namespace="{{ .Release.Namespace }}",horizontalpodautoscaler="{{ $hpa }}",condition="ScalingActive",status="false"}) == 1
    and on(namespace) {{ include "slipway-serving.ofDeployment" (list . "kube_deployment_spec_replicas") }} > 0
    unless on(namespace) {{ $new }}
  for: 5m
  annotations:
    summary: the autoscaler of {{ $name }} gets no metrics
    description: {{ printf "The HorizontalPodAutoscaler %s cannot read its metrics: whoever serves external metrics (KEDA, or the Prometheus adapter) is down or refuses. Replicas stay as many as they are, whatever the load." $hpa | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayAutoscalerBlind") | nindent 4 }}
{{- end }}
{{- end -}}
