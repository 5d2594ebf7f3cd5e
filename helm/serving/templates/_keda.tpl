{{/* One Prometheus trigger: a sum over all replicas, which KEDA divides by their number (AverageValue).
     ignoreNullValues "false": no answer is an error, and the fallback keeps the replicas. */}}
{{- define "slipway-serving.kedaTrigger" -}}
- type: prometheus
  name: {{ .name }}
  metricType: AverageValue
  metadata:
    serverAddress: {{ .root.Values.autoscaling.prometheus.serverAddress | quote }}
    query: {{ include "slipway-serving.orZeroWithoutPods" . | squote }}
    threshold: {{ .threshold | quote }}
    ignoreNullValues: "false"
    {{- with .root.Values.autoscaling.prometheus.authModes }}
    authModes: {{ . }}
    {{- end }}
  {{- with .root.Values.autoscaling.prometheus.authenticationRef }}
  authenticationRef:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
