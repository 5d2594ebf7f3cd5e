{{/* What master and workers have in common. Takes root and component. */}}
{{- define "slipway-loadtest.podMetadata" -}}
labels:
  {{- include "slipway-loadtest.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "slipway-loadtest.podSpec" -}}
restartPolicy: Never
serviceAccountName: {{ include "slipway-loadtest.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- $selector := dict "matchLabels" (include "slipway-loadtest.selectorLabels" $ | fromYaml) }}
  {{- range . }}
  {{- toYaml (list (merge (dict "labelSelector" $selector) .)) | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The container's beginning; the log's end becomes the pod's message, so `kubectl describe` shows why a run failed. */}}
{{- define "slipway-loadtest.container" -}}
image: {{ include "slipway-loadtest.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.target.token }}
{{- if .secretName }}
env:
  - name: SLIPWAY_TOKEN
    valueFrom:
      secretKeyRef:
        name: {{ .secretName }}
        key: {{ .key }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Every process that sends reads the authorities itself. */}}
{{- define "slipway-loadtest.commonMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.target.ca.secretName }}
- name: ca
  mountPath: /etc/slipway/ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "slipway-loadtest.commonVolumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- if .Values.target.ca.secretName }}
- name: ca
  secret:
    secretName: {{ .Values.target.ca.secretName }}
{{- end }}
{{- end -}}
