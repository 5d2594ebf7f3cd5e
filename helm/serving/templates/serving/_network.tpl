{{/* The rules for storage. Where one names all addresses of a family, those of the API server are left out. */}}
{{- define "slipway-serving.storageEgress" -}}
{{- $rules := deepCopy .Values.networkPolicy.storage -}}
{{- range $rule := $rules -}}
{{- range $peer := $rule.to -}}
{{- range $address := $.Values.networkPolicy.apiServerAddresses -}}
{{- if eq (dig "ipBlock" "cidr" "" $peer) (ternary "::/0" "0.0.0.0/0" (contains ":" $address)) -}}
{{- $_ := set $peer.ipBlock "except" (append (dig "ipBlock" "except" list $peer) $address | uniq) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ with $rules }}{{ toYaml . }}{{ end }}
{{- end -}}
