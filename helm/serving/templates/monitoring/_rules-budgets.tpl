{{/* A budget burns when a long window and a short one both say so: the long one that it matters, the short one that it
     still goes on. A factor of 1 spends the budget of 30 days in 30 days.
     (dict root bad budget factor long short longSeconds) */}}
{{- define "slipway-serving.burns" -}}
{{- $records := include "slipway-serving.records" .root -}}
{{- /* With a generous budget the product exceeds 1, which no ratio can. */}}
{{- $limit := minf (mulf .factor .budget) 0.9 -}}
(
  slipway:inference_{{ .bad }}:ratio{{ .long }}{ {{- $records -}} } > {{ $limit }}
  and slipway:inference_{{ .bad }}:ratio{{ .short }}{ {{- $records -}} } > {{ $limit }}
  and sum_over_time(slipway:inference_{{ .bad }}:rate5m{ {{- $records -}} }[{{ .long }}]) * {{ include "slipway-serving.recordSeconds" .root }} >= {{ .root.Values.monitoring.slo.minimumFailures }}
)
{{- end -}}

{{/* 14.4 for an hour is 2 % of 30 days' budget, 6 for six hours 5 %. */}}
{{- define "slipway-serving.burnsFast" -}}
{{ include "slipway-serving.burns" (merge (dict "factor" 14.4 "long" "1h" "short" "5m") .) }}
or
{{ include "slipway-serving.burns" (merge (dict "factor" 6.0 "long" "6h" "short" "30m") .) }}
{{- end -}}

{{/* 1 for three days is 10 % of the budget. */}}
{{- define "slipway-serving.burnsSlowly" -}}
{{ include "slipway-serving.burns" (merge (dict "factor" 1.0 "long" "3d" "short" "6h") .) }}
{{- end -}}

{{- define "slipway-serving.budgetAlerts" -}}
{{- $name := include "slipway-serving.fullname" . -}}
{{- $slo := .Values.monitoring.slo -}}
{{- $faults := dict "root" . "bad" "faults" "budget" (subf 1 $slo.availability) -}}
- {{- include "slipway-serving.alert" (list . "SlipwayErrorBudgetBurnsFast" "page") | nindent 2 }}
  expr: |
    {{- include "slipway-serving.burnsFast" $faults | nindent 4 }}
  for: 2m
  annotations:
    summary: {{ $name }} fails so many requests that its error budget is gone within days
    description: {{ printf "{{ $value | humanizePercentage }} of the requests to %s failed; the objective allows %v %%. Requests that clients cancelled are not counted." $name (mulf 100 $faults.budget) | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayErrorBudgetBurnsFast") | nindent 4 }}
- {{- include "slipway-serving.alert" (list . "SlipwayErrorBudgetBurnsSlowly" "ticket") | nindent 2 }}
  expr: |
    {{- include "slipway-serving.burnsSlowly" $faults | nindent 4 }}
  for: 15m
  annotations:
    summary: {{ $name }} fails more requests than its objective allows
    description: {{ printf "{{ $value | humanizePercentage }} of the requests to %s failed; the objective allows %v %%. Requests that clients cancelled are not counted." $name (mulf 100 $faults.budget) | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayErrorBudgetBurnsSlowly") | nindent 4 }}
{{- if .Values.monitoring.latencyHistogram }}
{{- $slow := dict "root" . "bad" "slow" "budget" (subf 1 $slo.latency.share) }}
- {{- include "slipway-serving.alert" (list . "SlipwayLatencyBudgetBurnsFast" "page") | nindent 2 }}
  expr: |
    {{- include "slipway-serving.burnsFast" $slow | nindent 4 }}
  for: 2m
  annotations:
    summary: {{ $name }} answers so many requests late that its latency budget is gone within days
    description: {{ printf "{{ $value | humanizePercentage }} of the responses of %s took longer than %v ms; the objective allows %v %%." $name $slo.latency.milliseconds (mulf 100 $slow.budget) | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayLatencyBudgetBurnsFast") | nindent 4 }}
- {{- include "slipway-serving.alert" (list . "SlipwayLatencyBudgetBurnsSlowly" "ticket") | nindent 2 }}
  expr: |
    {{- include "slipway-serving.burnsSlowly" $slow | nindent 4 }}
  for: 15m
  annotations:
    summary: {{ $name }} answers more requests late than its objective allows
    description: {{ printf "{{ $value | humanizePercentage }} of the responses of %s took longer than %v ms; the objective allows %v %%." $name $slo.latency.milliseconds (mulf 100 $slow.budget) | quote }}
    {{- include "slipway-serving.runbook" (list . "SlipwayLatencyBudgetBurnsSlowly") | nindent 4 }}
{{- end }}
{{- end -}}
