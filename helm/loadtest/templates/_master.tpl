{{/* Seconds after which a run is ended: the scenario, whatever may be waited for before and after it, and the margin. */}}
{{- define "slipway-loadtest.deadline" -}}
{{- $seconds := add (include "slipway-loadtest.runSeconds" . | int) .Values.deadline.marginSeconds -}}
{{- if .Values.workers.count -}}{{- $seconds = add $seconds .Values.workers.waitSeconds -}}{{- end -}}
{{- if .Values.web.enabled -}}{{- $seconds = add $seconds 60 .Values.web.keepSeconds -}}{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* Takes root and portKey: a container says containerPort, a Service port. */}}
{{- define "slipway-loadtest.masterPorts" -}}
{{- if .root.Values.workers.count }}
- name: workers
  {{ .portKey }}: 5557
  protocol: TCP
{{- end }}
{{- if .root.Values.web.enabled }}
- name: web
  {{ .portKey }}: 8089
  protocol: TCP
{{- end }}
{{- end -}}

{{- define "slipway-loadtest.masterMounts" -}}
- name: reports
  mountPath: /reports
{{- if .Values.images.claim }}
- name: models
  mountPath: /models
  readOnly: true
{{- end }}
{{- if .Values.scenario.inline }}
- name: scenario
  mountPath: /etc/slipway/scenario
  readOnly: true
{{- end }}
{{- end -}}

{{- define "slipway-loadtest.masterVolumes" -}}
- name: reports
  {{- if include "slipway-loadtest.reportClaim" . }}
  persistentVolumeClaim:
    claimName: {{ include "slipway-loadtest.reportClaim" . }}
  {{- else }}
  emptyDir:
    sizeLimit: 256Mi
  {{- end }}
{{- if .Values.images.claim }}
- name: models
  {{- /* Read-only here too: the group of the files then stays as it is. */}}
  persistentVolumeClaim:
    claimName: {{ .Values.images.claim }}
    readOnly: true
{{- end }}
{{- if .Values.scenario.inline }}
- name: scenario
  configMap:
    name: {{ include "slipway-loadtest.runName" . }}
{{- end }}
{{- end -}}
