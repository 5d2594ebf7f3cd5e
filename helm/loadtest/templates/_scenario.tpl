{{/* The request as arguments of `slipway loadtest` and of `locust`. */}}

{{- define "slipway-loadtest.targetNamespace" -}}
{{- .Values.target.namespace | empty | ternary .Release.Namespace .Values.target.namespace -}}
{{- end -}}

{{- define "slipway-loadtest.targetHost" -}}
{{- printf "%s-predictor.%s.svc" .Values.target.release (include "slipway-loadtest.targetNamespace" .) -}}
{{- end -}}

{{- define "slipway-loadtest.targetUrl" -}}
{{- $host := include "slipway-loadtest.targetHost" . -}}
{{- if .Values.target.url -}}
{{- .Values.target.url -}}
{{- else if eq .Values.target.protocol "grpc" -}}
{{- printf "grpc://%s:9000" $host -}}
{{- else -}}
{{- printf "http://%s:80" $host -}}
{{- end -}}
{{- end -}}

{{/* Where Triton's metrics are: a URL, `service`, or nowhere. A capacity is counted in requests in flight, which needs them. */}}
{{- define "slipway-loadtest.metrics" -}}
{{- if and (eq .Values.measure "capacity") (not .Values.target.metrics) -}}
service
{{- else -}}
{{- .Values.target.metrics -}}
{{- end -}}
{{- end -}}

{{- define "slipway-loadtest.metricsUrl" -}}
{{- $metrics := include "slipway-loadtest.metrics" . -}}
{{- if not $metrics -}}
null
{{- else if eq $metrics "service" -}}
{{- printf "http://%s:8002/metrics" (include "slipway-loadtest.targetHost" .) -}}
{{- else -}}
{{- $metrics -}}
{{- end -}}
{{- end -}}

{{/* The scenario's name, or the file that is mounted. */}}
{{- define "slipway-loadtest.scenario" -}}
{{- if .Values.scenario.inline -}}
{{- printf "/etc/slipway/scenario/%s.yaml" (include "slipway-loadtest.fullname" .) -}}
{{- else -}}
{{- .Values.scenario.name -}}
{{- end -}}
{{- end -}}

{{/* Replaced values, KEY=VALUE, a JSON list. A later one wins. */}}
{{- define "slipway-loadtest.overrides" -}}
{{- $pairs := list (printf "target.url=%s" (include "slipway-loadtest.targetUrl" .)) -}}
{{- $pairs = append $pairs (printf "target.model=%s" (toJson .Values.target.model)) -}}
{{- $pairs = append $pairs (printf "target.metrics_url=%s" (include "slipway-loadtest.metricsUrl" .)) -}}
{{- with .Values.target.version -}}{{- $pairs = append $pairs (printf "target.version=%s" .) -}}{{- end -}}
{{- if .Values.target.token.secretName -}}{{- $pairs = append $pairs "target.token_env=SLIPWAY_TOKEN" -}}{{- end -}}
{{- with .Values.target.ca -}}
{{- if .secretName -}}{{- $pairs = append $pairs (printf "target.ca_file=/etc/slipway/ca/%s" .key) -}}{{- end -}}
{{- end -}}
{{- if .Values.images.random -}}
{{- $pairs = concat $pairs (list "payload.images=random" "correctness.check_share=0") -}}
{{- end -}}
{{- with .Values.images.file -}}{{- $pairs = append $pairs (printf "payload.images=/models/%s" .) -}}{{- end -}}
{{- range $key, $value := .Values.scenario.slo -}}
{{- $pairs = append $pairs (printf "slo.%s=%s" $key (include "slipway-loadtest.word" $value)) -}}
{{- end -}}
{{- range $key, $value := .Values.scenario.set -}}
{{- $pairs = append $pairs (printf "%s=%s" $key (include "slipway-loadtest.word" $value)) -}}
{{- end -}}
{{- toJson $pairs -}}
{{- end -}}

{{/* Text stays as it is: it is YAML to the command line, as after --set there. Anything else is JSON, which is YAML. */}}
{{- define "slipway-loadtest.word" -}}
{{- if kindIs "string" . -}}{{- . -}}{{- else -}}{{- toJson . -}}{{- end -}}
{{- end -}}

{{/* Seconds of warm-up and window, or of the longest search; 0 where the values do not say. */}}
{{- define "slipway-loadtest.runSeconds" -}}
{{- $set := .Values.scenario.set -}}
{{- $inline := .Values.scenario.inline -}}
{{- $windows := dict "diurnal" 120 "saturation" 40 "smoke" 10 "soak" 1800 "spike" 45 "steady" 60 -}}
{{- $window := get $windows .Values.scenario.name -}}
{{- $warmup := 3 -}}
{{- if eq .Values.scenario.name "smoke" -}}{{- $warmup = 2 -}}{{- else if eq .Values.scenario.name "soak" -}}{{- $warmup = 10 -}}{{- end -}}
{{- if $inline -}}
{{- $warmup = dig "warmup_s" 3 $inline -}}
{{- $window = dig "arrivals" "duration_s" 0 $inline -}}
{{- range dig "arrivals" "steps" list $inline -}}{{- $window = addf $window .duration_s -}}{{- end -}}
{{- end -}}
{{- range $key, $value := $set -}}
{{- if has $key (list "arrivals" "arrivals.steps" "arrivals.file" "arrivals.kind") -}}{{- $window = 0 -}}{{- end -}}
{{- end -}}
{{- if hasKey $set "arrivals.duration_s" -}}{{- $window = get $set "arrivals.duration_s" -}}{{- end -}}
{{- if hasKey $set "warmup_s" -}}{{- $warmup = get $set "warmup_s" -}}{{- end -}}
{{- if .Values.deadline.runSeconds -}}
{{- .Values.deadline.runSeconds -}}
{{- else if eq .Values.measure "capacity" -}}
3600
{{- else if float64 $window -}}
{{- ceil (addf $window $warmup) | int -}}
{{- else -}}
0
{{- end -}}
{{- end -}}

{{/* Seconds after which a run is ended: the scenario, whatever may be waited for before and after it, and the margin. */}}
{{- define "slipway-loadtest.deadline" -}}
{{- $seconds := add (include "slipway-loadtest.runSeconds" . | int) .Values.deadline.marginSeconds -}}
{{- if .Values.workers.count -}}{{- $seconds = add $seconds .Values.workers.waitSeconds -}}{{- end -}}
{{- if .Values.web.enabled -}}{{- $seconds = add $seconds 60 .Values.web.keepSeconds -}}{{- end -}}
{{- $seconds -}}
{{- end -}}
