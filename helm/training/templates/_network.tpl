{{/* The rules for storage. Where one names all addresses of a family, those of the API server are left out. */}}
{{- define "slipway-training.storageEgress" -}}
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

{{/* The rules for the API server. Where one names all addresses, and the API server's are known, it names these. */}}
{{- define "slipway-training.apiServerEgress" -}}
{{- $rules := deepCopy .Values.networkPolicy.apiServer -}}
{{- $known := list -}}
{{- range .Values.networkPolicy.apiServerAddresses }}{{ $known = append $known (dict "ipBlock" (dict "cidr" .)) }}{{ end -}}
{{- range $rule := ternary $rules list (gt (len $known) 0) -}}
{{- $peers := list -}}
{{- range $peer := $rule.to -}}
{{- if not (has (dig "ipBlock" "cidr" "" $peer) (list "0.0.0.0/0" "::/0")) }}{{ $peers = append $peers $peer }}{{ end -}}
{{- end -}}
{{- if lt (len $peers) (len $rule.to) }}{{ $_ := set $rule "to" (concat $peers $known) }}{{ end -}}
{{- end -}}
{{ with $rules }}{{ toYaml . }}{{ end }}
{{- end -}}
