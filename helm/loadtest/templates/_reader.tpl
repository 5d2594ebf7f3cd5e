{{/* A pod that shows the reports, for `kubectl cp`: what --overrides of `kubectl run` takes. */}}
{{- define "slipway-loadtest.reader" -}}
{{- $security := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- $size := dict "cpu" "100m" "memory" "64Mi" -}}
{{- $container := dict "name" (printf "%s-reader" .Release.Name) "image" (include "slipway-loadtest.image" .) "command" (list "sleep" "3600") -}}
{{- $_ := set $container "securityContext" $security -}}
{{- $_ := set $container "resources" (dict "requests" $size "limits" $size) -}}
{{- $_ := set $container "volumeMounts" (list (dict "name" "reports" "mountPath" "/reports" "readOnly" true)) -}}
{{- $claim := dict "claimName" (include "slipway-loadtest.reportClaim" .) -}}
{{- $spec := dict "automountServiceAccountToken" false "enableServiceLinks" false "securityContext" .Values.podSecurityContext -}}
{{- $_ := set $spec "containers" (list $container) -}}
{{- $_ := set $spec "volumes" (list (dict "name" "reports" "persistentVolumeClaim" $claim)) -}}
{{- with .Values.imagePullSecrets -}}{{- $_ := set $spec "imagePullSecrets" . -}}{{- end -}}
{{- toJson (dict "spec" $spec) -}}
{{- end -}}
