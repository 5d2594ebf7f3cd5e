{{/* Each step's own variables. JOB_NAME is the label that the Job's controller writes: it is known for the runs of a CronJob too. */}}
{{- define "slipway-training.trainEnv" -}}
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
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "slipway-training.pullEnv" -}}
{{- with .Values.repository.env -}}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{- define "slipway-training.pushEnv" -}}
{{- include "slipway-training.pullEnv" . -}}
{{- end -}}

{{- define "slipway-training.checkEnv" -}}
{{- end -}}

{{- define "slipway-training.promoteEnv" -}}
{{- end -}}

{{/* Takes a list: the root, and the step's name. Only the steps that ask the API server get the token. */}}
{{- define "slipway-training.volumeMounts" -}}
{{- $root := index . 0 -}}
{{- $step := index . 1 -}}
- {name: repository, mountPath: {{ $root.Values.repository.mountPath }}}
- {name: tmp, mountPath: /tmp}
{{- if eq $step "train" }}
{{- if or $root.Values.runs.claim $root.Values.repository.url }}
- {name: runs, mountPath: /runs}
{{- end }}
{{- if $root.Values.recipe.inline }}
- {name: recipe, mountPath: /recipe, readOnly: true}
{{- end }}
{{- if $root.Values.data.claim }}
- {name: data, mountPath: /data, readOnly: true}
{{- end }}
{{- if $root.Values.gpu.enabled }}
- {name: shared-memory, mountPath: /dev/shm}
{{- end }}
{{- else if has $step (list "check" "promote") }}
- {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}
{{- end -}}

{{/* A claim, or a scratch volume of limited size. Takes a list: the root, and the claim's name. */}}
{{- define "slipway-training.claimOrScratch" -}}
{{- if index . 1 -}}
persistentVolumeClaim:
  claimName: {{ index . 1 }}
{{- else -}}
emptyDir:
  sizeLimit: {{ (index . 0).Values.volumes.scratchSizeLimit }}
{{- end -}}
{{- end -}}
