{{/* The pod's containers in their order; all but the last are init containers, so each starts when the one before succeeded. */}}
{{- define "slipway-training.steps" -}}
{{- $steps := list "train" -}}
{{- if .Values.repository.url }}{{ $steps = list "pull" "train" "push" }}{{ end -}}
{{- if .Values.promotion.enabled }}{{ $steps = append (prepend $steps "check") "promote" }}{{ end -}}
{{ $steps | join " " }}
{{- end -}}

{{/* One container. Takes a list: the root, and the step's name. */}}
{{- define "slipway-training.container" -}}
{{- $root := index . 0 -}}
{{- $step := index . 1 -}}
name: {{ $step }}
image: {{ include "slipway-training.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
{{- if eq (int $root.Values.workers) 1 }}
command: [slipway]
{{- else }}
command:
  - sh
  - -c
  - |
    {{- $root.Files.Get (ternary "files/worker.sh" "files/first-worker.sh" (eq $step "train")) | trim | nindent 4 }}
  - slipway
{{- end }}
args:
  {{- include (printf "slipway-training.%sArgs" $step) $root | nindent 2 }}
env:
  {{- /* onnxruntime would report to its maker. */}}
  - {name: ORT_DISABLE_TELEMETRY, value: "1"}
  {{- with include (printf "slipway-training.%sEnv" $step) $root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
{{- if has $step (list "pull" "push") }}
{{- with $root.Values.repository.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
resources:
  {{- if eq $step "train" }}
  {{- include "slipway-training.trainResources" $root | nindent 2 }}
  {{- else }}
  {{- toYaml $root.Values.stepResources | nindent 2 }}
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
volumeMounts:
  {{- include "slipway-training.volumeMounts" . | nindent 2 }}
{{- end -}}

{{/* A wrong name or a missing right is told now, not after hours of training. */}}
{{- define "slipway-training.checkArgs" -}}
{{ include "slipway-training.promoteArgs" . }}
- --check
{{- end -}}

{{- define "slipway-training.pullArgs" -}}
- models
- pull
- {{ .Values.repository.url | quote }}
- --check-write
- --repository={{ include "slipway-training.repositoryPath" . }}
{{- end -}}

{{/* --resume always: without an epoch on disk it starts afresh. */}}
{{- define "slipway-training.trainArgs" -}}
- train
- --recipe={{ ternary "/recipe/recipe.yaml" .Values.recipe.name (not (empty .Values.recipe.inline)) }}
- --repository={{ include "slipway-training.repositoryPath" . }}
- --run-dir=$(RUN_DIR)
- --resume
{{- with .Values.data.file }}
- --data=/data/{{ . }}
{{- end }}
{{- end -}}

{{- define "slipway-training.pushArgs" -}}
- models
- push
- {{ .Values.repository.url | quote }}
- --repository={{ include "slipway-training.repositoryPath" . }}
{{- end -}}

{{- define "slipway-training.promoteArgs" -}}
- models
- promote
- {{ include "slipway-training.model" . | quote }}
- --to={{ .Values.promotion.inferenceService }}
- --namespace={{ .Release.Namespace }}
- --repository={{ include "slipway-training.repositoryPath" . }}
{{- end -}}
