{{/* PriorityClasses belong to the cluster and their value never changes: the name carries namespace, release and value. */}}
{{- define "slipway-serving.headroomPriorityClass" -}}
{{- printf "%s-%s-headroom-%d" .Release.Namespace .Release.Name (sub 0 (int .Values.headroom.priority)) -}}
{{- end -}}
