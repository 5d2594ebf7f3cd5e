{{/* Checks that a schema cannot express. Each error names the remedy. Included once, by the master's Job. */}}
{{- define "slipway-loadtest.requirements" -}}
{{- $values := .Values -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Release.Name) -}}
{{- fail (printf "the release is called %q and gives a Service its name, which begins with a letter and holds letters, digits and dashes only: choose another, such as mnist-load" .Release.Name) -}}
{{- end -}}
{{- if gt (len .Release.Name) 30 -}}
{{- fail (printf "the release's name has %d letters, and the host names of workers leave room for 30: choose a shorter one" (len .Release.Name)) -}}
{{- end -}}
{{- if and (not $values.images.claim) (not $values.images.random) -}}
{{- fail "images.claim is empty: name the claim with the model repository, whose samples are sent, or set images.random=true to send noise and check no answer" -}}
{{- end -}}
{{- if and $values.images.random (or $values.images.claim $values.images.file) -}}
{{- fail "images.random sends noise, and images.claim or images.file names images: empty them, or set images.random=false" -}}
{{- end -}}
{{- if and $values.scenario.files (not $values.scenario.inline) -}}
{{- fail "scenario.files lie beside scenario.inline, which is empty: write the scenario that reads them there" -}}
{{- end -}}
{{- if hasKey $values.scenario.files (printf "%s.yaml" .Release.Name) -}}
{{- fail (printf "scenario.files holds %s.yaml, the name of the scenario itself: choose another" .Release.Name) -}}
{{- end -}}
{{- if eq (include "slipway-loadtest.runSeconds" .) "0" -}}
{{- fail "the values do not say how long the scenario takes: set deadline.runSeconds to its seconds, warm-up included" -}}
{{- end -}}
{{- if and $values.report.create $values.report.claim -}}
{{- fail "report.create makes a claim and report.claim names one: keep one of them" -}}
{{- end -}}
{{- if not (or $values.report.create $values.report.claim $values.report.print) -}}
{{- fail "nothing would keep the report: name a claim in report.claim, set report.create=true, or report.print=true" -}}
{{- end -}}
{{- if and (not $values.serviceAccount.create) (not $values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: name the ServiceAccount of the pods, or let the chart create one" -}}
{{- end -}}
{{- include "slipway-loadtest.targetRequirements" . -}}
{{- if eq $values.measure "capacity" -}}{{- include "slipway-loadtest.capacityRequirements" . -}}{{- end -}}
{{- include "slipway-loadtest.coreRequirements" (dict "key" "resources" "resources" $values.resources) -}}
{{- include "slipway-loadtest.coreRequirements" (dict "key" "master.resources" "resources" $values.master.resources) -}}
{{- end -}}

{{- define "slipway-loadtest.targetRequirements" -}}
{{- $target := .Values.target -}}
{{- if and $target.url .Values.networkPolicy.enabled (not .Values.networkPolicy.target) -}}
{{- fail "target.url is set and the NetworkPolicy lets nothing out to it: write egress rules in networkPolicy.target, or set networkPolicy.enabled=false" -}}
{{- end -}}
{{- if and $target.url (eq $target.metrics "service") -}}
{{- fail "target.metrics is service, and target.url names another server than the Service: give the URL of its metrics, or empty target.metrics" -}}
{{- end -}}
{{- if and $target.ca.secretName (not (regexMatch "^(grpcs|https)://" $target.url)) -}}
{{- fail "target.ca is set and the target is not asked over TLS: give target.url as grpcs:// or https://, or empty target.ca.secretName" -}}
{{- end -}}
{{- end -}}

{{- define "slipway-loadtest.coreRequirements" -}}
{{- $request := dig "requests" "cpu" "" .resources | toString -}}
{{- $limit := dig "limits" "cpu" "" .resources | toString -}}
{{- if or (not $limit) (ne (include "slipway-loadtest.millicores" $request) (include "slipway-loadtest.millicores" $limit)) -}}
{{- fail (printf "%s asks for %q cpu and is limited to %q: set both to the same, for a generator without its cores is late and its run INVALID" .key $request $limit) -}}
{{- end -}}
{{- end -}}

{{- define "slipway-loadtest.millicores" -}}
{{- if hasSuffix "m" . -}}{{- trimSuffix "m" . | float64 -}}{{- else -}}{{- mulf (float64 .) 1000 -}}{{- end -}}
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
