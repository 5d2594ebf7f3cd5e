{{/* The specification of a Job, also the one that a CronJob makes. */}}
{{- define "slipway-training.jobSpec" -}}
{{- if gt (int .Values.workers) 1 -}}
completionMode: Indexed
completions: {{ .Values.workers }}
parallelism: {{ .Values.workers }}
backoffLimitPerIndex: {{ .Values.backoffLimit }}
maxFailedIndexes: 0
{{- else -}}
backoffLimit: {{ .Values.backoffLimit }}
{{- end }}
{{- with .Values.activeDeadlineSeconds }}
activeDeadlineSeconds: {{ int64 . }}
{{- end }}
{{- if not (kindIs "invalid" .Values.ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ int64 .Values.ttlSecondsAfterFinished }}
{{- end }}
podFailurePolicy:
  rules:
    # 2: the command line or the recipe is wrong, or promotion is not allowed. 3: a gate refused the model. Trying again does not help.
    - action: FailJob
      onExitCodes: {operator: In, values: [2, 3]}
    # Evicted, preempted, drained: goes on from the last whole epoch.
    - action: Ignore
      onPodConditions:
        - {type: DisruptionTarget, status: "True"}
template:
  {{- include "slipway-training.podTemplate" . | nindent 2 }}
{{- end -}}

{{/* Where the pods may run, and what pulls their image. */}}
{{- define "slipway-training.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and .Values.gpu.enabled .Values.gpu.runtimeClassName }}
runtimeClassName: {{ .Values.gpu.runtimeClassName }}
{{- end }}
{{- with concat (ternary .Values.gpu.tolerations list .Values.gpu.enabled) .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "slipway-training.trainResources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if .Values.gpu.enabled -}}
{{- $gpu := dict .Values.gpu.resourceName (int .Values.gpu.count) -}}
{{- $_ := set $resources "limits" (merge $gpu $resources.limits) -}}
{{- end -}}
{{ toYaml $resources }}
{{- end -}}
