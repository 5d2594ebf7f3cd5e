{{/* The pods. Their labels carry no version: a new chart with the same values must leave the Job as it is. */}}
{{- define "slipway-training.podTemplate" -}}
metadata:
  labels:
    {{- include "slipway-training.selectorLabels" . | nindent 4 }}
    app.kubernetes.io/component: training
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    slipway/run: {{ .Values.runId | quote }}
    {{- with .Values.recipe.inline }}
    checksum/recipe: {{ sha256sum . }}
    {{- end }}
    {{- if .Values.protectFromDisruption }}
    cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
    karpenter.sh/do-not-disrupt: "true"
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "slipway-training.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ int64 .Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- if gt (int .Values.workers) 1 }}
  subdomain: {{ include "slipway-training.fullname" . }}
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and .Values.gpu.enabled .Values.gpu.runtimeClassName }}
  runtimeClassName: {{ .Values.gpu.runtimeClassName }}
  {{- end }}
  {{- with concat (ternary .Values.gpu.tolerations list .Values.gpu.enabled) .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- /* In this order: all but the last are init containers, so each starts when the one before has succeeded. */}}
  {{- $steps := list "train" }}
  {{- if .Values.repository.url }}{{ $steps = list "pull" "train" "push" }}{{ end }}
  {{- if .Values.promotion.enabled }}{{ $steps = append (prepend $steps "check") "promote" }}{{ end }}
  {{- with initial $steps }}
  initContainers:
    {{- range . }}
    - {{ include "slipway-training.container" (list $ .) | nindent 6 | trim }}
    {{- end }}
  {{- end }}
  containers:
    - {{ include "slipway-training.container" (list . (last $steps)) | nindent 6 | trim }}
  volumes:
    - name: repository
      {{- include "slipway-training.claimOrScratch" (list . (include "slipway-training.repositoryClaim" .)) | nindent 6 }}
    - name: tmp
      emptyDir: {sizeLimit: {{ .Values.volumes.tmpSizeLimit }}}
    {{- if or .Values.runs.claim .Values.repository.url }}
    - name: runs
      {{- include "slipway-training.claimOrScratch" (list . .Values.runs.claim) | nindent 6 }}
    {{- end }}
    {{- if .Values.recipe.inline }}
    - name: recipe
      configMap: {name: {{ include "slipway-training.fullname" . }}-recipe}
    {{- end }}
    {{- if .Values.data.claim }}
    - name: data
      persistentVolumeClaim: {claimName: {{ .Values.data.claim }}, readOnly: true}
    {{- end }}
    {{- if .Values.gpu.enabled }}
    - name: shared-memory
      emptyDir: {medium: Memory, sizeLimit: {{ .Values.volumes.sharedMemorySizeLimit }}}
    {{- end }}
    {{- if .Values.promotion.enabled }}
    - name: token
      projected:
        defaultMode: 0440
        sources:
          - serviceAccountToken: {path: token, expirationSeconds: 3600}
          - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
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
