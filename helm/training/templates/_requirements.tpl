{{/* Checks that a schema cannot express. Each error names the remedy. Included once, by serviceaccount.yaml, whether it makes its object or not. */}}
{{- define "slipway-training.requirements" -}}
{{- include "slipway-training.repositoryRequirements" . -}}
{{- include "slipway-training.workRequirements" . -}}
{{- include "slipway-training.promotionRequirements" . -}}
{{- end -}}

{{- define "slipway-training.repositoryRequirements" -}}
{{- $repository := .Values.repository -}}
{{- $places := compact (list $repository.claim (ternary "createClaim" "" $repository.createClaim.enabled) $repository.url) -}}
{{- if not $places -}}
{{- fail "there is no place to publish in: set repository.claim to the claim that serving reads, repository.createClaim.enabled=true to make one, or repository.url to an object store such as s3://bucket/models" -}}
{{- end -}}
{{- if gt (len $places) 1 -}}
{{- fail "repository.claim, repository.createClaim.enabled and repository.url are three places to publish in, and more than one is set: keep one, and empty the others" -}}
{{- end -}}
{{- if hasPrefix "file:" $repository.url -}}
{{- fail (printf "repository.url is %s, a folder inside the pod that goes with it: name the claim that holds it in repository.claim" $repository.url) -}}
{{- end -}}
{{- if and $repository.url $repository.path -}}
{{- fail "repository.path is a folder of a claim, and repository.url is set: write the folder into the URL, and empty repository.path" -}}
{{- end -}}
{{- if and (not $repository.url) (or $repository.env $repository.envFrom) -}}
{{- fail "repository.env and repository.envFrom are for the containers that pull and push, and there are none without repository.url: set it, or use env for the container that trains" -}}
{{- end -}}
{{- end -}}

{{- define "slipway-training.workRequirements" -}}
{{- $values := .Values -}}
{{- if $values.recipe.inline -}}
{{- $recipe := fromYaml $values.recipe.inline -}}
{{- if hasKey $recipe "Error" -}}
{{- fail (printf "recipe.inline is no YAML: %s; pass the file as it is with --set-file recipe.inline=my-recipe.yaml" $recipe.Error) -}}
{{- end -}}
{{- if not (kindIs "string" $recipe.model) -}}
{{- fail "recipe.inline has no `model:`, the name in the repository: add it; `slipway train --recipe FILE` checks the rest" -}}
{{- end -}}
{{- end -}}
{{- if ne (empty $values.data.claim) (empty $values.data.file) -}}
{{- fail "data.claim and data.file go together: the claim with your images, and the path of the .npz in it; set both or none" -}}
{{- end -}}
{{- if and $values.gpu.enabled (lt (int $values.gpu.count) 1) -}}
{{- fail "gpu.enabled is true and gpu.count is 0: set gpu.count to at least 1, or gpu.enabled=false to train on CPUs" -}}
{{- end -}}
{{- if and $values.gpu.enabled (gt (int $values.gpu.count) 1) (ne $values.gpu.resourceName "nvidia.com/gpu") -}}
{{- fail (printf "gpu.count is %d of %s: one process cannot join MIG slices or shares into one GPU; set gpu.count=1, and workers for more of them" (int $values.gpu.count) $values.gpu.resourceName) -}}
{{- end -}}
{{- if and (gt (int $values.workers) 1) $values.repository.url (not $values.runs.claim) -}}
{{- fail (printf "workers is %d, and they must share one folder for checkpoints: set runs.claim to a ReadWriteMany claim; a scratch volume belongs to one pod" (int $values.workers)) -}}
{{- end -}}
{{- if and (gt (int $values.workers) 1) $values.repository.createClaim.enabled (not (has "ReadWriteMany" $values.repository.createClaim.accessModes)) -}}
{{- fail (printf "workers is %d, and repository.createClaim.accessModes has no ReadWriteMany: workers on several nodes share the claim; add it, with a StorageClass that can, or set workers=1" (int $values.workers)) -}}
{{- end -}}
{{- end -}}

{{- define "slipway-training.promotionRequirements" -}}
{{- $values := .Values -}}
{{- if $values.promotion.enabled -}}
{{- if not $values.promotion.inferenceService -}}
{{- fail "promotion.enabled is true and promotion.inferenceService is empty: name the release of helm/serving in this namespace (`kubectl get inferenceservice`)" -}}
{{- end -}}
{{- if and $values.schedule.cron (not $values.promotion.unattended) -}}
{{- fail "schedule.cron and promotion.enabled together change the served version without supervision: set promotion.unattended=true if the recipe's gates may decide, or promotion.enabled=false and promote by hand (`slipway models promote`)" -}}
{{- end -}}
{{- if eq (include "slipway-training.serviceAccountName" .) "default" -}}
{{- fail "promotion.enabled would let every pod of the namespace promote, since they share the ServiceAccount `default`: set serviceAccount.create=true, or name one in serviceAccount.name" -}}
{{- end -}}
{{- end -}}
{{- end -}}
