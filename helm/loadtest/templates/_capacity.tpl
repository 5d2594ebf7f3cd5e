{{/* Where Triton's figures are: a URL, `service`, or nowhere. A capacity is requests in flight, and those are figures. */}}
{{- define "slipway-loadtest.metrics" -}}
{{- if and (eq .Values.measure "capacity") (not .Values.target.metrics) -}}
service
{{- else -}}
{{- .Values.target.metrics -}}
{{- end -}}
{{- end -}}

{{- define "slipway-loadtest.capacityRequirements" -}}
{{- $values := .Values -}}
{{- $processes := $values.capacity.processes -}}
{{- if $values.workers.count -}}
{{- fail (printf "measure is capacity, which one pod finds, and workers.count is %v: set workers.count=0; capacity.processes, with a core for each in resources, makes more load" $values.workers.count) -}}
{{- end -}}
{{- if $values.web.enabled -}}
{{- fail "measure is capacity, a search of many runs, and web.enabled shows one: set web.enabled=false and follow the log" -}}
{{- end -}}
{{- if and $values.target.url (not $values.target.metrics) -}}
{{- fail "measure is capacity, which counts requests in flight with Triton's figures, and target.url names another server than the Service: give the URL of its metrics in target.metrics" -}}
{{- end -}}
{{- if eq (dig "arrivals" "kind" "" $values.scenario.inline) "closed" -}}
{{- fail "measure is capacity, the highest rate that holds, and scenario.inline is a closed loop, which has no rate: take arrivals of another kind, such as poisson" -}}
{{- end -}}
{{- $cores := dig "limits" "cpu" "" $values.resources | toString -}}
{{- if lt (include "slipway-loadtest.millicores" $cores | float64) (mulf $processes 1000) -}}
{{- fail (printf "capacity.processes is %v and resources gives the pod %q cpu: set its requests and limits to a core for each process, or run fewer" $processes $cores) -}}
{{- end -}}
{{- end -}}

{{/* Of the notes: what must hold for the search to mean anything. */}}
{{- define "slipway-loadtest.capacityTarget" }}

Behind that address must be exactly one replica, on the hardware that will serve, and nobody else may ask it.
{{- if not .Values.target.url }} With helm/serving, before this run:

    helm upgrade {{ .Values.target.release }} helm/serving --namespace {{ include "slipway-loadtest.targetNamespace" . }} --reuse-values --set autoscaling.mode=none --set autoscaling.minReplicas=1
    kubectl --namespace {{ include "slipway-loadtest.targetNamespace" . }} rollout status deployment {{ .Values.target.release }}-predictor
{{- end }}
{{- end -}}

{{/* Of the notes: from the file to the autoscaler. */}}
{{- define "slipway-loadtest.capacityNext" }}
Where it says `limited_by: generator`, one replica holds more than was offered: run again with more capacity.processes, and a core for each in resources. Then, in the folder with model_repository and helm:

    slipway values capacity.yaml --cluster gpu --storage-uri pvc://{{ .Values.images.claim | empty | ternary "CLAIM" .Values.images.claim }}/{{ .Values.images.repositoryPath }} --peak-rps RATE --output values.yaml
    helm upgrade --install {{ .Values.target.release }} helm/serving --namespace {{ include "slipway-loadtest.targetNamespace" . }} --values values.yaml
{{- end -}}
