{{- define "slipway-loadtest.fullname" -}}
{{- .Release.Name -}}
{{- end -}}

{{/* A Job cannot be changed: whatever may alter its pods is in the hash, so an upgrade makes another Job. */}}
{{- define "slipway-loadtest.runName" -}}
{{- $all := dict "values" .Values "chart" .Chart.Version "app" .Chart.AppVersion "namespace" .Release.Namespace -}}
{{- printf "%s-%s-%s" .Release.Name (toString .Values.run) (toJson $all | sha256sum | trunc 6) -}}
{{- end -}}

{{/* Labels that select pods. Immutable after install: nothing versioned in here. */}}
{{- define "slipway-loadtest.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels for every object's metadata. */}}
{{- define "slipway-loadtest.labels" -}}
{{ include "slipway-loadtest.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: slipway
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* repository@digest, else repository:tag, else repository:appVersion */}}
{{- define "slipway-loadtest.image" -}}
{{- $image := .Values.image -}}
{{- $image.repository -}}
{{- if $image.digest -}}@{{ $image.digest }}{{- else -}}:{{ $image.tag | default .Chart.AppVersion }}{{- end -}}
{{- end -}}

{{- define "slipway-loadtest.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else -}}
{{- include "slipway-loadtest.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* The claim that keeps the reports; empty where none does. */}}
{{- define "slipway-loadtest.reportClaim" -}}
{{- if .Values.report.create -}}
{{- printf "%s-reports" (include "slipway-loadtest.fullname" .) -}}
{{- else -}}
{{- .Values.report.claim -}}
{{- end -}}
{{- end -}}

{{/* The master's name in DNS. The pod's own host name is in it: a master of an older run is never met. */}}
{{- define "slipway-loadtest.masterHost" -}}
{{- printf "%s.%s-master.%s.svc" (include "slipway-loadtest.runName" .) (include "slipway-loadtest.fullname" .) .Release.Namespace -}}
{{- end -}}
