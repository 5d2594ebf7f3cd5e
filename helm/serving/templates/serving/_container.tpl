{{/* tritonserver's arguments; files/start-triton.sh adds those that hold a key. A test boots a real tritonserver with them. */}}
{{- define "slipway-serving.arguments" -}}
- --model-repository=/tmp/model_repository
- --model-control-mode=explicit
- --load-model={{ .Values.model.name }}
{{- with .Values.model.configName }}
- --model-config-name={{ . }}
{{- end }}
{{- /* Takes no value: `=true` is refused. */}}
- --disable-auto-complete-config
- --http-port=8080
- --grpc-port=9000
- --metrics-port=8002
- --allow-gpu-metrics={{ .Values.gpu.enabled }}
{{- if .Values.monitoring.latencyHistogram }}
- --metrics-config=histogram_latencies=true
{{- end }}
- --exit-timeout-secs={{ .Values.shutdown.exitTimeoutSeconds }}
{{- with .Values.triton.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "slipway-serving.env" -}}
- name: MODEL_NAME
  value: {{ .Values.model.name | quote }}
- name: MODEL_STORE
  value: /mnt/models
- name: MODEL_VIEW
  value: /tmp/model_repository
{{- /* Empty without the annotation: the newest version. */}}
- name: MODEL_VERSION
  valueFrom:
    fieldRef:
      fieldPath: metadata.annotations['slipway/model-version']
- name: CHECK_INTEGRITY
  value: {{ .Values.model.checkIntegrity | quote }}
{{- /* onnxruntime would report to its maker; read by builds that have telemetry, ignored by the others. */}}
- name: ORT_DISABLE_TELEMETRY
  value: "1"
- name: RESTRICT_ADMIN_APIS
  value: {{ .Values.triton.restrictAdminApis | quote }}
{{- if .Values.triton.restrictAdminApis }}
{{- /* Whoever may run a command in the pod can read it, and nobody else. */}}
- name: ADMIN_KEY_FILE
  value: /run/slipway/admin-key
{{- end }}
{{- with .Values.triton.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The model's own readiness: the server's turns false while an old version unloads, or when a new one is broken. */}}
{{- define "slipway-serving.probes" -}}
startupProbe:
  httpGet: {path: /v2/models/{{ .Values.model.name }}/ready, port: http}
  periodSeconds: {{ .Values.probes.startup.periodSeconds }}
  {{- /* The budget in periods, rounded up. */}}
  failureThreshold: {{ div (add .Values.probes.startup.budgetSeconds .Values.probes.startup.periodSeconds -1) .Values.probes.startup.periodSeconds }}
  timeoutSeconds: {{ .Values.probes.timeoutSeconds }}
readinessProbe:
  httpGet: {path: /v2/models/{{ .Values.model.name }}/ready, port: http}
  periodSeconds: {{ .Values.probes.readiness.periodSeconds }}
  failureThreshold: {{ .Values.probes.readiness.failureThreshold }}
  timeoutSeconds: {{ .Values.probes.timeoutSeconds }}
livenessProbe:
  httpGet: {path: /v2/health/live, port: http}
  periodSeconds: {{ .Values.probes.liveness.periodSeconds }}
  failureThreshold: {{ .Values.probes.liveness.failureThreshold }}
  timeoutSeconds: {{ .Values.probes.timeoutSeconds }}
{{- end -}}
