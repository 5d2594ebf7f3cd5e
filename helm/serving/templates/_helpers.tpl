{{/* The InferenceService's name is the release's: people type it in URLs and queries. */}}
{{- define "slipway-serving.fullname" -}}
{{- .Release.Name -}}
{{- end -}}

{{/* What KServe calls the Deployment, the Service and the start of every pod's name. */}}
{{- define "slipway-serving.predictor" -}}
{{- printf "%s-predictor" .Release.Name -}}
{{- end -}}

{{/* Labels that select objects of this release. Immutable after install: nothing versioned in here. */}}
{{- define "slipway-serving.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels for every object's metadata. */}}
{{- define "slipway-serving.labels" -}}
{{ include "slipway-serving.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: slipway
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels that KServe puts on the pods it makes; ours are not needed to find them. */}}
{{- define "slipway-serving.podSelectorLabels" -}}
serving.kserve.io/inferenceservice: {{ include "slipway-serving.fullname" . }}
component: predictor
{{- end -}}

{{/* Restricted Pod Security, for every container that the chart makes. */}}
{{- define "slipway-serving.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "slipway-serving.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else -}}
{{- include "slipway-serving.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* Accelerators and cores that one replica occupies: the predictor and its placeholder ask for the same. */}}
{{- define "slipway-serving.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if .Values.gpu.enabled -}}
{{- $gpu := dict .Values.gpu.resourceName .Values.gpu.count -}}
{{- $_ := set $resources "requests" (merge $gpu $resources.requests) -}}
{{- $_ := set $resources "limits" (merge $gpu $resources.limits) -}}
{{- end -}}
{{ toYaml $resources }}
{{- end -}}

{{/* Where a replica may run: the predictor and its placeholder go to the same nodes. */}}
{{- define "slipway-serving.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $affinity := deepCopy .Values.affinity }}
{{- if and .Values.gpu.enabled .Values.gpu.products }}
{{- $match := dict "key" "nvidia.com/gpu.product" "operator" "In" "values" .Values.gpu.products }}
{{- $terms := list (dict "matchExpressions" (list $match)) }}
{{- $_ := set $affinity "nodeAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms)) }}
{{- end }}
{{- with $affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $tolerations := .Values.tolerations }}
{{- if .Values.gpu.enabled }}{{ $tolerations = concat .Values.gpu.tolerations $tolerations }}{{ end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
