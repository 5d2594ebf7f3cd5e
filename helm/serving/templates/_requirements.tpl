{{/* Checks that a schema cannot express. Each error names the remedy. Included once, by the InferenceService. */}}
{{- define "slipway-serving.requirements" -}}
{{- $values := .Values -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Release.Name) -}}
{{- fail (printf "the release is called %q and gives the InferenceService its name, which begins with a letter and holds letters, digits and dashes only: choose another, such as mnist" .Release.Name) -}}
{{- end -}}
{{- if gt (len .Release.Name) 40 -}}
{{- fail (printf "the release's name has %d letters, and KServe's host names leave room for 40: choose a shorter one" (len .Release.Name)) -}}
{{- end -}}
{{- $_ := required "model.storageUri is empty: name the folder that holds the model repository, such as pvc://models/model_repository or s3://bucket/model_repository" $values.model.storageUri -}}
{{- if and (not $values.serviceAccount.create) (not $values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: name the ServiceAccount of the pods, or let the chart create one" -}}
{{- end -}}
{{- if and $values.serviceAccount.secrets (not $values.serviceAccount.create) -}}
{{- fail "serviceAccount.secrets is set, but the chart does not own the ServiceAccount: list the secrets in it yourself, or set serviceAccount.create=true" -}}
{{- end -}}
{{- include "slipway-serving.rolloutRequirements" . -}}
{{- include "slipway-serving.gpuRequirements" . -}}
{{- include "slipway-serving.autoscalingRequirements" . -}}
{{- include "slipway-serving.routeRequirements" . -}}
{{- include "slipway-serving.monitoringRequirements" . -}}
{{- end -}}

{{/* Kubernetes would reject KServe's Deployment, visible only in KServe's log, and the service would never be ready. */}}
{{- define "slipway-serving.rolloutRequirements" -}}
{{- with .Values.deploymentStrategy.rollingUpdate -}}
{{- if and (eq $.Values.deploymentStrategy.type "RollingUpdate") (has (toString .maxSurge) (list "0" "0%")) (has (toString .maxUnavailable) (list "0" "0%")) -}}
{{- fail "deploymentStrategy.rollingUpdate has maxSurge 0 and maxUnavailable 0, with which no pod can be replaced: set maxSurge=1 where there is a spare GPU, else maxUnavailable=1" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "slipway-serving.gpuRequirements" -}}
{{- $gpu := .Values.gpu -}}
{{- if and $gpu.products (not $gpu.enabled) -}}
{{- fail "gpu.products chooses among GPUs, but gpu.enabled is false: enable it, or empty gpu.products" -}}
{{- end -}}
{{- if and $gpu.products .Values.affinity.nodeAffinity -}}
{{- fail "gpu.products and affinity.nodeAffinity are both set: write nvidia.com/gpu.product into affinity.nodeAffinity and empty gpu.products" -}}
{{- end -}}
{{- if and (eq .Values.model.configName "gpu") (not $gpu.enabled) -}}
{{- fail "model.configName is gpu, but gpu.enabled is false: set model.configName=\"\" to serve config.pbtxt on CPUs" -}}
{{- end -}}
{{- if and $gpu.enabled (gt (int $gpu.count) 1) (ne $gpu.resourceName "nvidia.com/gpu") -}}
{{- fail (printf "gpu.count is %d of %s: one process cannot join MIG slices or shares into one GPU; set gpu.count=1 and scale by replicas" (int $gpu.count) $gpu.resourceName) -}}
{{- end -}}
{{- end -}}

{{- define "slipway-serving.autoscalingRequirements" -}}
{{- $autoscaling := .Values.autoscaling -}}
{{- if and (ne $autoscaling.mode "none") (not $autoscaling.capacity.inFlight) -}}
{{- fail "autoscaling.capacity.inFlight is not set. Measure what one replica carries (`slipway capacity steady`), then let `slipway values` write it, or set autoscaling.mode=none" -}}
{{- end -}}
{{- if gt (int $autoscaling.minReplicas) (int $autoscaling.maxReplicas) -}}
{{- fail (printf "autoscaling.minReplicas is %d and maxReplicas %d: raise maxReplicas" (int $autoscaling.minReplicas) (int $autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and (eq (int $autoscaling.minReplicas) 0) (ne $autoscaling.mode "keda") -}}
{{- fail (printf "autoscaling.minReplicas is 0 and mode %s: only keda scales to zero; set mode=keda with a wake query, or minReplicas=1" $autoscaling.mode) -}}
{{- end -}}
{{- if and (eq (int $autoscaling.minReplicas) 0) (not $autoscaling.wake.query) -}}
{{- fail "autoscaling.minReplicas is 0 and autoscaling.wake.query is empty: without pods there are no Triton metrics, so name a query that sees requests at the gateway, or set minReplicas=1" -}}
{{- end -}}
{{- if and $autoscaling.wake.query (gt (int $autoscaling.minReplicas) 0) -}}
{{- fail "autoscaling.wake.query is set, but there is always a pod: set minReplicas=0, or empty the query" -}}
{{- end -}}
{{- if and (eq $autoscaling.mode "hpa") (not .Values.monitoring.rules.enabled) -}}
{{- fail "autoscaling.mode is hpa, whose metrics are recording rules of this chart: set monitoring.rules.enabled=true, or use keda" -}}
{{- end -}}
{{- end -}}

{{- define "slipway-serving.routeRequirements" -}}
{{- $route := .Values.route -}}
{{- if and $route.enabled (not $route.gateway.create) (not $route.parentRefs) -}}
{{- fail "route.enabled needs a Gateway: name it in route.parentRefs, or set route.gateway.create=true" -}}
{{- end -}}
{{- if and $route.enabled $route.gateway.create (not $route.hostnames) -}}
{{- fail "route.gateway.create makes a listener for each of route.hostnames, which is empty: name the hosts" -}}
{{- end -}}
{{- if and $route.enabled $route.gateway.create $route.parentRefs -}}
{{- fail "route.gateway.create and route.parentRefs are both set: the route has one parent; empty one of them" -}}
{{- end -}}
{{- if and $route.enabled $route.gateway.create (not $route.gateway.className) -}}
{{- fail "route.gateway.className is empty: name a GatewayClass of the cluster (`kubectl get gatewayclass`)" -}}
{{- end -}}
{{- if and $route.enabled $route.gateway.create (not $route.gateway.tlsSecretName) (not $route.gateway.plainHttp) -}}
{{- fail "route.gateway.tlsSecretName is empty, so the Gateway would speak plain HTTP, which anyone on the way reads and changes: name the Secret with the certificate, or allow it with route.gateway.plainHttp=true" -}}
{{- end -}}
{{- if and $route.enabled $route.gateway.create $route.gateway.tlsSecretName $route.gateway.plainHttp -}}
{{- fail "route.gateway.tlsSecretName and route.gateway.plainHttp are both set, and a listener speaks one of them: empty one" -}}
{{- end -}}
{{- end -}}

{{- define "slipway-serving.monitoringRequirements" -}}
{{- $monitoring := .Values.monitoring -}}
{{- $autoscaling := .Values.autoscaling -}}
{{- $interval := int $monitoring.podMonitor.intervalSeconds -}}
{{- if and $monitoring.podMonitor.enabled (ne $autoscaling.mode "none") -}}
{{- if lt (int $autoscaling.inFlight.windowSeconds) (mul 4 $interval | int) -}}
{{- fail (printf "autoscaling.inFlight.windowSeconds is %d, less than four scrapes of monitoring.podMonitor.intervalSeconds=%d: one lost scrape would read as no load; set it to %d or more, or scrape more often" (int $autoscaling.inFlight.windowSeconds) $interval (mul 4 $interval)) -}}
{{- end -}}
{{- if and $autoscaling.pending.enabled (lt (int $autoscaling.pending.windowSeconds) (mul 2 $interval | int)) -}}
{{- fail (printf "autoscaling.pending.windowSeconds is %d, less than two scrapes of monitoring.podMonitor.intervalSeconds=%d: one lost scrape would leave no value; set it to %d or more, or scrape more often" (int $autoscaling.pending.windowSeconds) $interval (mul 2 $interval)) -}}
{{- end -}}
{{- end -}}
{{- if $monitoring.latencyHistogram -}}
{{- if and (regexMatch "^[0-9]{2}\\.[0-9]{2}" .Values.image.tag) (lt (trunc 5 .Values.image.tag) "26.01") -}}
{{- fail (printf "image.tag is %s, and Triton counts latencies in a histogram from 26.01 on: set monitoring.latencyHistogram=false, or use a newer image" .Values.image.tag) -}}
{{- end -}}
{{- $bound := toString $monitoring.slo.latency.milliseconds -}}
{{- $bounds := list -}}
{{- range $monitoring.latencyBucketsMilliseconds }}{{ $bounds = append $bounds (toString .) }}{{ end -}}
{{- if not (has $bound $bounds) -}}
{{- fail (printf "monitoring.slo.latency.milliseconds is %s, and the histogram has buckets up to %s ms: choose one of them, or give the model other buckets (model_metrics in its configuration) and name them in monitoring.latencyBucketsMilliseconds" $bound (join ", " $bounds)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
