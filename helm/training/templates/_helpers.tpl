{{/* <release> or <release>-training. 43: room for a Job's hash or time, and for a worker's index, in a host name of 63. */}}
{{- define "slipway-training.fullname" -}}
{{- if contains "training" .Release.Name -}}
{{- .Release.Name | trunc 43 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-training" (.Release.Name | trunc 34 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Labels that select pods. Immutable after install: nothing versioned in here. */}}
{{- define "slipway-training.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels for every object's metadata. */}}
{{- define "slipway-training.labels" -}}
{{ include "slipway-training.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/component: training
app.kubernetes.io/part-of: slipway
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* repository@digest, else repository:tag, else repository:<appVersion>, with -gpu for GPUs */}}
{{- define "slipway-training.image" -}}
{{- $tag := .Values.image.tag | default (printf "%s%s" .Chart.AppVersion (ternary "-gpu" "" .Values.gpu.enabled)) -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}@{{ .Values.image.digest }}{{- else -}}:{{ $tag }}{{- end -}}
{{- end -}}

{{- define "slipway-training.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "slipway-training.fullname" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* A policy has no namespace: its name says whose it is. */}}
{{- define "slipway-training.promotionPolicy" -}}
{{- printf "%s.%s" .Release.Namespace (include "slipway-training.fullname" .) -}}
{{- end -}}

{{/* The claim that holds the repository; empty with an object store. */}}
{{- define "slipway-training.repositoryClaim" -}}
{{- if .Values.repository.createClaim.enabled -}}
{{- include "slipway-training.fullname" . -}}
{{- else -}}
{{- .Values.repository.claim -}}
{{- end -}}
{{- end -}}

{{/* The repository's folder in the container. */}}
{{- define "slipway-training.repositoryPath" -}}
{{- list .Values.repository.mountPath .Values.repository.path | join "/" | clean -}}
{{- end -}}

{{/* The folder of all runs in the container: beside the models, unless it has a volume of its own. */}}
{{- define "slipway-training.runsPath" -}}
{{- if or .Values.runs.claim .Values.repository.url -}}
{{- printf "/runs/%s" .Values.runs.folder -}}
{{- else -}}
{{- list .Values.repository.mountPath .Values.runs.folder | join "/" | clean -}}
{{- end -}}
{{- end -}}

{{/* Name of the model: an inline recipe says it, a shipped one is not visible from here. */}}
{{- define "slipway-training.model" -}}
{{- if .Values.recipe.inline -}}
{{- get (fromYaml .Values.recipe.inline) "model" -}}
{{- else -}}
{{- .Values.recipe.model -}}
{{- end -}}
{{- end -}}

{{/* A Job's specification cannot be changed: other values make another Job, the same values the same. */}}
{{- define "slipway-training.jobName" -}}
{{- printf "%s-%s" (include "slipway-training.fullname" .) (include "slipway-training.jobSpec" . | sha256sum | trunc 8) -}}
{{- end -}}

{{/* What `kubectl run` needs to list the versions on the claim, under restricted Pod Security. */}}
{{- define "slipway-training.listOverrides" -}}
{{- $drop := dict "drop" (list "ALL") -}}
{{- $security := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" $drop -}}
{{- $mount := dict "name" "models" "mountPath" .Values.repository.mountPath "readOnly" true -}}
{{- $args := list "models" "list" (printf "--repository=%s" (include "slipway-training.repositoryPath" .)) -}}
{{- $container := dict "name" "list" "image" (include "slipway-training.image" .) "args" $args "securityContext" $security "volumeMounts" (list $mount) -}}
{{- $_ := set $container "resources" .Values.stepResources -}}
{{- $_ := set $container "env" (list (dict "name" "ORT_DISABLE_TELEMETRY" "value" "1")) -}}
{{- $claim := dict "claimName" (include "slipway-training.repositoryClaim" .) "readOnly" true -}}
{{- $volume := dict "name" "models" "persistentVolumeClaim" $claim -}}
{{- $spec := dict "securityContext" .Values.podSecurityContext "automountServiceAccountToken" false "enableServiceLinks" false "containers" (list $container) "volumes" (list $volume) -}}
{{- with .Values.imagePullSecrets }}{{ $_ := set $spec "imagePullSecrets" . }}{{ end -}}
{{- dict "spec" $spec | toJson -}}
{{- end -}}
