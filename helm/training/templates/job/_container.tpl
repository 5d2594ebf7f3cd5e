{{/* One container of the pod. Takes a list: the root, and the step: check, pull, train, push or promote. */}}
{{- define "slipway-training.container" -}}
{{- $root := index . 0 -}}
{{- $step := index . 1 -}}
{{- with $root -}}
{{- $repository := include "slipway-training.repositoryPath" . -}}
name: {{ $step }}
image: {{ include "slipway-training.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if eq (int .Values.workers) 1 }}
command: [slipway]
{{- else }}
command:
  - sh
  - -c
  - |
    {{- .Files.Get (ternary "files/worker.sh" "files/first-worker.sh" (eq $step "train")) | trim | nindent 4 }}
  - slipway
{{- end }}
args:
  {{- if eq $step "pull" }}
  - models
  - pull
  - {{ .Values.repository.url | quote }}
  - --check-write
  - --repository={{ $repository }}
  {{- else if eq $step "train" }}
  - train
  - --recipe={{ ternary "/recipe/recipe.yaml" .Values.recipe.name (not (empty .Values.recipe.inline)) }}
  - --repository={{ $repository }}
  - --run-dir=$(RUN_DIR)
  {{- /* Always: without an epoch on disk it starts from the first. */}}
  - --resume
  {{- with .Values.data.file }}
  - --data=/data/{{ . }}
  {{- end }}
  {{- else if eq $step "push" }}
  - models
  - push
  - {{ .Values.repository.url | quote }}
  - --repository={{ $repository }}
  {{- else }}
  - models
  - promote
  - {{ include "slipway-training.model" . | quote }}
  - --to={{ .Values.promotion.inferenceService }}
  - --namespace={{ .Release.Namespace }}
  - --repository={{ $repository }}
  {{- if eq $step "check" }}
  {{- /* A wrong name or a missing right fails the Job now, not after hours of training. */}}
  - --check
  {{- end }}
  {{- end }}
env:
  {{- /* onnxruntime sends telemetry to its maker otherwise. */}}
  - {name: ORT_DISABLE_TELEMETRY, value: "1"}
  {{- if eq $step "train" }}
  {{- /* The label that the Job's controller writes: known for the runs of a CronJob too. */}}
  - name: JOB_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.labels['batch.kubernetes.io/job-name']
  - name: RUN_DIR
    value: {{ include "slipway-training.runsPath" . }}/$(JOB_NAME)
  - name: SLIPWAY_CACHE
    value: {{ include "slipway-training.runsPath" . }}/cache
  {{- if gt (int .Values.workers) 1 }}
  - name: WORKERS
    value: {{ .Values.workers | quote }}
  - name: WORKER_DOMAIN
    value: {{ include "slipway-training.fullname" . }}.{{ .Release.Namespace }}.svc
  - name: WORKER_PORT
    value: {{ .Values.workerPort | quote }}
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- else if has $step (list "pull" "push") }}
  {{- with .Values.repository.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- if has $step (list "pull" "push") }}
{{- with .Values.repository.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
resources:
  {{- $resources := deepCopy (ternary .Values.resources .Values.stepResources (eq $step "train")) }}
  {{- if and (eq $step "train") .Values.gpu.enabled }}
  {{- $_ := set $resources "limits" (merge (dict .Values.gpu.resourceName (int .Values.gpu.count)) $resources.limits) }}
  {{- end }}
  {{- toYaml $resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
volumeMounts:
  - {name: repository, mountPath: {{ .Values.repository.mountPath }}}
  - {name: tmp, mountPath: /tmp}
  {{- if eq $step "train" }}
  {{- if or .Values.runs.claim .Values.repository.url }}
  - {name: runs, mountPath: /runs}
  {{- end }}
  {{- if .Values.recipe.inline }}
  - {name: recipe, mountPath: /recipe, readOnly: true}
  {{- end }}
  {{- if .Values.data.claim }}
  - {name: data, mountPath: /data, readOnly: true}
  {{- end }}
  {{- if .Values.gpu.enabled }}
  - {name: shared-memory, mountPath: /dev/shm}
  {{- end }}
  {{- else if has $step (list "check" "promote") }}
  {{- /* Only the steps that call the API server get the token. */}}
  - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  {{- end }}
{{- end -}}
{{- end -}}
