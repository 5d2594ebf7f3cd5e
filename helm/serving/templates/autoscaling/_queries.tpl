{{/* Label matchers for this release's pods, for series that carry no model, such as `up`. The pattern is a Deployment's pod
     name: another release that is called "<this>-predictor-x" does not match. */}}
{{- define "slipway-serving.podMatchers" -}}
namespace="{{ .Release.Namespace }}",pod=~"{{ include "slipway-serving.predictor" . }}-[a-z0-9]+-[a-z0-9]+"
{{- end -}}

{{/* The same, for Triton's series of this model. */}}
{{- define "slipway-serving.modelMatchers" -}}
{{ include "slipway-serving.podMatchers" . }},model="{{ .Values.model.name }}"
{{- end -}}

{{/* Requests in flight in all replicas, queued or executing, by Little's law: seconds of request time per second.
     A sum, so that the autoscaler may divide it by the replicas. Triton counts microseconds. */}}
{{- define "slipway-serving.inFlightQuery" -}}
sum(rate(nv_inference_request_duration_us{ {{- include "slipway-serving.modelMatchers" . -}} }[{{ .Values.autoscaling.inFlight.windowSeconds }}s])) / 1e6
{{- end -}}

{{/* Requests queued in all replicas: a gauge, which leads the counters, since these move when a request has ended. */}}
{{- define "slipway-serving.pendingQuery" -}}
sum(avg_over_time(nv_inference_pending_request_count{ {{- include "slipway-serving.modelMatchers" . -}} }[{{ .Values.autoscaling.pending.windowSeconds }}s]))
{{- end -}}
