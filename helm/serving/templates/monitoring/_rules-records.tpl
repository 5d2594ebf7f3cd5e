{{/* What autoscaling reads, by the very expressions of the ScaledObject. */}}
{{- define "slipway-serving.scalingRecords" -}}
- record: slipway:inference_in_flight:sum
  expr: {{ include "slipway-serving.inFlightQuery" . | squote }}
  labels: {{ include "slipway-serving.recordLabels" . }}
- record: slipway:inference_pending:sum
  expr: {{ include "slipway-serving.pendingQuery" . | squote }}
  labels: {{ include "slipway-serving.recordLabels" . }}
{{- end -}}

{{/* What a service is judged by. Triton does not count requests that it refuses at the door (wrong shape, unknown
     model), and it counts as CANCELED those that their client gave up. What is left is the service's own doing:
     REJECTED (queue policy), BACKEND (the model failed), OTHER (before the model ran). */}}
{{- define "slipway-serving.serviceRecords" -}}
{{- $series := include "slipway-serving.series" . -}}
{{- $labels := include "slipway-serving.recordLabels" . -}}
- record: slipway:inference_failures:rate5m
  expr: 'sum by (reason) (rate(nv_inference_request_failure{ {{- $series -}} }[5m]))'
  labels: {{ $labels }}
- record: slipway:inference_faults:rate5m
  expr: 'sum(rate(nv_inference_request_failure{ {{- $series }},reason!="CANCELED"}[5m]))'
  labels: {{ $labels }}
- record: slipway:inference_requests:rate5m
  expr: 'sum(rate(nv_inference_request_success{ {{- $series -}} }[5m])) + sum(rate(nv_inference_request_failure{ {{- $series }},reason!="CANCELED"}[5m]))'
  labels: {{ $labels }}
- record: slipway:inference_batch_size:mean5m
  expr: 'sum(rate(nv_inference_count{ {{- $series -}} }[5m])) / sum(rate(nv_inference_exec_count{ {{- $series -}} }[5m]))'
  labels: {{ $labels }}
- record: slipway:inference_queue_ms:mean5m
  expr: 'sum(rate(nv_inference_queue_duration_us{ {{- $series -}} }[5m])) / sum(rate(nv_inference_request_success{ {{- $series -}} }[5m])) / 1e3'
  labels: {{ $labels }}
{{- if .Values.monitoring.latencyHistogram }}
{{- /* Prometheus 3 writes le="100.0", Prometheus 2 what Triton writes. */}}
{{- $bound := .Values.monitoring.slo.latency.milliseconds | toString | replace "." "[.]" }}
- record: slipway:inference_responses:rate5m
  expr: 'sum(rate(nv_inference_first_response_histogram_ms_count{ {{- $series -}} }[5m]))'
  labels: {{ $labels }}
- record: slipway:inference_slow:rate5m
  expr: 'sum(rate(nv_inference_first_response_histogram_ms_count{ {{- $series -}} }[5m])) - sum(rate(nv_inference_first_response_histogram_ms_bucket{ {{- $series }},le=~"{{ $bound }}([.]0)?"}[5m]))'
  labels: {{ $labels }}
{{- end }}
{{- range $window := include "slipway-serving.windows" . | splitList " " }}
{{- $records := include "slipway-serving.records" $ }}
- record: slipway:inference_faults:ratio{{ $window }}
  expr: 'sum_over_time(slipway:inference_faults:rate5m{ {{- $records -}} }[{{ $window }}]) / sum_over_time(slipway:inference_requests:rate5m{ {{- $records -}} }[{{ $window }}])'
  labels: {{ $labels }}
{{- if $.Values.monitoring.latencyHistogram }}
- record: slipway:inference_slow:ratio{{ $window }}
  expr: 'sum_over_time(slipway:inference_slow:rate5m{ {{- $records -}} }[{{ $window }}]) / sum_over_time(slipway:inference_responses:rate5m{ {{- $records -}} }[{{ $window }}])'
  labels: {{ $labels }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Windows of the budget alerts. Long ones add up records of five minutes: three days of raw samples would be read
     every time otherwise, and replicas that are gone by then would be left out. */}}
{{- define "slipway-serving.windows" -}}
5m 30m 1h 6h 3d
{{- end -}}

{{/* What was promised and measured, for the dashboard to draw. */}}
{{- define "slipway-serving.objectiveRecords" -}}
- record: slipway:objective_availability:ratio
  expr: vector({{ .Values.monitoring.slo.availability }})
  labels: {{ include "slipway-serving.recordLabels" . }}
{{- if .Values.monitoring.latencyHistogram }}
- record: slipway:objective_latency:ratio
  expr: vector({{ .Values.monitoring.slo.latency.share }})
  labels: {{ include "slipway-serving.recordLabels" . }}
{{- end }}
{{- with .Values.autoscaling.capacity.inFlight }}
- record: slipway:replica_target:in_flight
  expr: vector({{ . }})
  labels: {{ include "slipway-serving.recordLabels" $ }}
{{- end }}
{{- with .Values.autoscaling.capacity.requestsPerSecond }}
- record: slipway:replica_target:requests_per_s
  expr: vector({{ . }})
  labels: {{ include "slipway-serving.recordLabels" $ }}
{{- end }}
{{- end -}}
