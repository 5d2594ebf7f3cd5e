{{/* What no schema can say about monitoring. Included by "slipway-serving.requirements". */}}
{{- define "slipway-serving.monitoringRequirements" -}}
{{- $monitoring := .Values.monitoring -}}
{{- $autoscaling := .Values.autoscaling -}}
{{- $interval := int $monitoring.podMonitor.intervalSeconds -}}
{{- if and $monitoring.podMonitor.enabled (ne $autoscaling.mode "none") -}}
{{- if lt (int $autoscaling.inFlight.windowSeconds) (mul 4 $interval | int) -}}
{{- fail (printf "autoscaling.inFlight.windowSeconds is %d, less than four scrapes of monitoring.podMonitor.intervalSeconds=%d: one lost scrape would read as no load; set it to %d or more, or scrape more often" (int $autoscaling.inFlight.windowSeconds) $interval (mul 4 $interval)) -}}
{{- end -}}
{{- if and $autoscaling.pending.enabled (lt (int $autoscaling.pending.windowSeconds) (mul 2 $interval | int)) -}}
{{- fail (printf "autoscaling.pending.windowSeconds is %d, less than two scrapes of monitoring.podMonitor.intervalSeconds=%d: one lost scrape would leave no value; set it to %d or more, or scrape more often" (int $autoscaling.pending.windowSeconds) $interval (mul 2 $interval)) -}}
{{- end -}}
{{- end -}}
{{- if $monitoring.latencyHistogram -}}
{{- if and (regexMatch "^[0-9]{2}\\.[0-9]{2}" .Values.image.tag) (lt (trunc 5 .Values.image.tag) "26.01") -}}
{{- fail (printf "image.tag is %s, and Triton counts latencies in a histogram from 26.01 on: set monitoring.latencyHistogram=false, or use a newer image" .Values.image.tag) -}}
{{- end -}}
{{- $bound := toString $monitoring.slo.latency.milliseconds -}}
{{- $bounds := list -}}
{{- range $monitoring.latencyBucketsMilliseconds }}{{ $bounds = append $bounds (toString .) }}{{ end -}}
{{- if not (has $bound $bounds) -}}
{{- fail (printf "monitoring.slo.latency.milliseconds is %s, and the histogram has buckets up to %s ms: choose one of them, or give the model other buckets (model_metrics in its configuration) and name them in monitoring.latencyBucketsMilliseconds" $bound (join ", " $bounds)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Seconds between two records of the service; budgets are counted in them. */}}
{{- define "slipway-serving.recordSeconds" -}}
30
{{- end -}}

{{/* Labels of recorded series, and what selects them. */}}
{{- define "slipway-serving.recordLabels" -}}
{namespace: {{ .Release.Namespace }}, inferenceservice: {{ include "slipway-serving.fullname" . }}}
{{- end -}}
{{- define "slipway-serving.records" -}}
namespace="{{ .Release.Namespace }}",inferenceservice="{{ include "slipway-serving.fullname" . }}"
{{- end -}}

{{/* One number of the Deployment, (list root metric). kube-state-metrics may be there twice, so the larger one. */}}
{{- define "slipway-serving.ofDeployment" -}}
max by (namespace) ({{ index . 1 }}{namespace="{{ (index . 0).Release.Namespace }}",deployment="{{ include "slipway-serving.predictor" (index . 0) }}"})
{{- end -}}

{{/* Name, labels and runbook of an alert: (list root name severity), severity being "page" or "ticket". */}}
{{- define "slipway-serving.alert" -}}
{{- $root := index . 0 -}}
alert: {{ index . 1 }}
labels:
  severity: {{ get $root.Values.monitoring.rules.severity (index . 2) | quote }}
  namespace: {{ $root.Release.Namespace }}
  inferenceservice: {{ include "slipway-serving.fullname" $root }}
  {{- with $root.Values.monitoring.rules.alertLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
{{- define "slipway-serving.runbook" -}}
runbook_url: {{ printf "%s/%s.md" ((index . 0).Values.monitoring.rules.runbookBaseUrl | trimSuffix "/") (index . 1) | quote }}
{{- end -}}
