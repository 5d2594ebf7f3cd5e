{{/* A pod that asks the service one thing with `slipway check`. Takes root, name and args. */}}
{{- define "slipway-serving.testPod" -}}
{{- $values := .root.Values.tests -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "slipway-serving.fullname" .root }}-test-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "slipway-serving.labels" .root | nindent 4 }}
    app.kubernetes.io/component: test
  annotations:
    helm.sh/hook: test
    {{- /* The last run's pod stays, so that its log can be read. */}}
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  activeDeadlineSeconds: {{ add $values.waitSeconds 60 }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .root.Values.podSecurityContext | nindent 4 }}
  containers:
    - name: check
      image: {{ include "slipway-serving.testImage" .root | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args:
        - check
        {{- toYaml .args | nindent 8 }}
        - --model
        - {{ .root.Values.model.name }}
        - --wait-s
        - {{ int $values.waitSeconds | quote }}
        {{- with .root.Values.model.version }}
        - --version
        - {{ . | quote }}
        {{- end }}
      resources:
        requests: {cpu: 100m, memory: 256Mi}
        limits: {cpu: "1", memory: 256Mi}
      securityContext:
        {{- include "slipway-serving.containerSecurityContext" .root | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: picture, mountPath: /picture, readOnly: true}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    - name: picture
      configMap:
        name: {{ include "slipway-serving.fullname" .root }}-test-picture
{{- end -}}

{{- define "slipway-serving.testImage" -}}
{{- $image := .Values.tests.image -}}
{{- $image.repository -}}
{{- if $image.digest -}}@{{ $image.digest }}{{- else -}}:{{ $image.tag }}{{- end -}}
{{- end -}}

{{/* Where the Service answers, from inside the cluster. */}}
{{- define "slipway-serving.host" -}}
{{- printf "%s.%s.svc" (include "slipway-serving.predictor" .) .Release.Namespace -}}
{{- end -}}
