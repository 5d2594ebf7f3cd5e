{{/* Series of this model on this release's pods. The pattern is a Deployment's pod name: another release that is
     called "<this>-predictor-x" does not match. */}}
{{- define "slipway-serving.modelMatchers" -}}
namespace="{{ .Release.Namespace }}",pod=~"{{ include "slipway-serving.predictor" . }}-[a-z0-9]+-[a-z0-9]+",model="{{ .Values.model.name }}"
{{- end -}}

{{/* The same pods, for series that know no model, such as `up`. */}}
{{- define "slipway-serving.podMatchers" -}}
namespace="{{ .Release.Namespace }}",pod=~"{{ include "slipway-serving.predictor" . }}-[a-z0-9]+-[a-z0-9]+"
{{- end -}}

{{/* Requests inside all replicas, queued or executing, by Little's law: seconds of request time per second.
     A sum, so that the autoscaler may divide it by the replicas. Triton counts microseconds. */}}
{{- define "slipway-serving.inFlightQuery" -}}
sum(rate(nv_inference_request_duration_us{ {{- include "slipway-serving.modelMatchers" . -}} }[{{ .Values.autoscaling.inFlight.windowSeconds }}s])) / 1e6
{{- end -}}

{{/* Requests that wait in all replicas. A gauge: it leads the counters, which move when a request has ended. */}}
{{- define "slipway-serving.pendingQuery" -}}
sum(avg_over_time(nv_inference_pending_request_count{ {{- include "slipway-serving.modelMatchers" . -}} }[{{ .Values.autoscaling.pending.windowSeconds }}s]))
{{- end -}}
