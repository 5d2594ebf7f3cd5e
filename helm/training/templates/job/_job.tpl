{{/* The specification of a Job, also the one that a CronJob makes. The Job's name ends with its hash: whatever changes a
     byte of this text for the same values lets every release train again at its next upgrade. */}}
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

