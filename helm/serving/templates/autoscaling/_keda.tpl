{{/* One Prometheus trigger: a sum over all replicas, which KEDA divides by their number (AverageValue).
     `metadata` is what this trigger has besides. */}}
{{- define "slipway-serving.kedaTrigger" -}}
- type: prometheus
  name: {{ .name }}
  metricType: AverageValue
  metadata:
    serverAddress: {{ .root.Values.autoscaling.prometheus.serverAddress | quote }}
    query: {{ .query | squote }}
    threshold: {{ .threshold | quote }}
    {{- toYaml .metadata | nindent 4 }}
    {{- with .root.Values.autoscaling.prometheus.authModes }}
    authModes: {{ . }}
    {{- end }}
  {{- with .root.Values.autoscaling.prometheus.authenticationRef }}
  authenticationRef:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* A trigger on what the pods say. ignoreNullValues "false": no answer is an error, and the fallback keeps the replicas. */}}
{{- define "slipway-serving.kedaPodTrigger" -}}
{{- $query := include "slipway-serving.orZeroWithoutPods" . -}}
{{- $metadata := dict "ignoreNullValues" "false" -}}
{{- include "slipway-serving.kedaTrigger" (dict "root" .root "name" .name "query" $query "threshold" (include "slipway-serving.target" .root) "metadata" $metadata) -}}
{{- end -}}
