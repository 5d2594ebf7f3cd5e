{{/* files/dashboard.json with this release's name, identity and service. Whoever imports the file by hand chooses the
     service at the top; Grafana's limit for a uid is 40 letters. */}}
{{- define "slipway-serving.dashboard" -}}
{{- $name := include "slipway-serving.fullname" . -}}
{{- $dashboard := .Files.Get "files/dashboard.json" | fromJson -}}
{{- $_ := set $dashboard "uid" (printf "slipway-%s" (printf "%s/%s" .Release.Namespace $name | sha256sum | trunc 16)) -}}
{{- $_ := set $dashboard "title" (printf "%s: %s/%s" $dashboard.title .Release.Namespace $name) -}}
{{- $own := dict "namespace" .Release.Namespace "service" $name -}}
{{- range $variable := $dashboard.templating.list }}
{{- with get $own $variable.name }}{{ $_ := set $variable "current" (dict "text" . "value" .) }}{{ end }}
{{- end -}}
{{ toPrettyJson $dashboard }}
{{- end -}}
