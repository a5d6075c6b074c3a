{{/*
andon.yaml of each program, with the sections it reads and no more: the page's has no writer, so its pod needs no
password of one. Secrets stand in it as ${env:NAME}, in quotes, for a password may look like a number.
*/}}
{{- define "andon.yaml" -}}
{{- regexReplaceAll "(?m)(^|[-:] )(\\$\\{env:[A-Za-z_][A-Za-z0-9_]*\\})$" (toYaml .) "${1}\"${2}\"" -}}
{{- end -}}

{{- define "andon.clickhouseEndpoint" -}}
{{- if .Values.embedded.enabled -}}
{{- printf "http://%s:8123" (include "andon.component" (list . "clickhouse")) -}}
{{- else -}}
{{- .Values.clickhouse.endpoint -}}
{{- end -}}
{{- end -}}

{{/* (list $ endpoint "writer" "reader"): as a user, or as both. */}}
{{- define "andon.clickhouseSection" -}}
{{- $ := index . 0 -}}
{{- $section := dict "endpoint" (index . 1) "database" $.Values.clickhouse.database "timeout" $.Values.clickhouse.timeout -}}
{{- range $role := slice . 2 -}}
{{- $user := get $.Values.clickhouse $role -}}
{{- $_ := set $section $role (dict "username" $user.username "password" (printf "${env:ANDON_%s_PASSWORD}" (upper $role))) -}}
{{- end -}}
{{- toYaml $section -}}
{{- end -}}

{{- define "andon.telemetrySection" -}}
{{- toYaml (mustMergeOverwrite (deepCopy (index . 0).Values.telemetry) (dict "health" (index . 1))) -}}
{{- end -}}

{{- define "andon.config.migrate" -}}
{{- $clickhouse := include "andon.clickhouseSection" (list . (include "andon.clickhouseEndpoint" .) "writer") | fromYaml -}}
{{- with .Values.clickhouse.ttl -}}
{{- $_ := set $clickhouse "ttl" . -}}
{{- end -}}
{{- include "andon.yaml" (dict "clickhouse" $clickhouse) -}}
{{- end -}}

{{- define "andon.config.clickhouse" -}}
{{- $clickhouse := include "andon.clickhouseSection" (list . "http://0.0.0.0:8123" "writer" "reader") | fromYaml -}}
{{- $embedded := dict "directory" "/var/lib/andon/clickhouse" "insecure" true -}}
{{- include "andon.yaml" (dict "clickhouse" $clickhouse "embedded" $embedded) -}}
{{- end -}}

{{- define "andon.config.ingest" -}}
{{- $ingest := .Values.ingest -}}
{{- $protocols := dict -}}
{{- range $name, $port := dict "grpc" 4317 "http" 4318 -}}
{{- $door := get $ingest $name -}}
{{- if $door.enabled -}}
{{- $config := mustMergeOverwrite (deepCopy $door.config) (dict "endpoint" (printf "0.0.0.0:%d" $port)) -}}
{{- if $ingest.tls.existingSecret -}}
{{- $tls := dict "cert_file" "/etc/andon/tls/tls.crt" "key_file" "/etc/andon/tls/tls.key" -}}
{{- if $ingest.tls.clientCaKey -}}
{{- $_ := set $tls "client_ca_file" "/etc/andon/tls/clients.crt" -}}
{{- end -}}
{{- $_ := set $config "tls" $tls -}}
{{- end -}}
{{- $_ := set $protocols $name $config -}}
{{- end -}}
{{- end -}}
{{- $otlp := mustMergeOverwrite (deepCopy $ingest.otlp) (dict "workers" ($ingest.workers | int) "insecure" $ingest.insecure "protocols" $protocols) -}}
{{- $auth := dict -}}
{{- if $ingest.auth.tokens.existingSecret -}}
{{- $_ := set $auth "tokens_file" "/etc/andon/tokens/tokens.yaml" -}}
{{- end -}}
{{- if $ingest.auth.bearer.existingSecret -}}
{{- $_ := set $auth "bearer_tokens" (list "${env:ANDON_OTLP_TOKEN}") -}}
{{- end -}}
{{- if $auth -}}
{{- $_ := set $otlp "auth" $auth -}}
{{- end -}}
{{- $config := dict "receivers" (dict "otlp" $otlp) -}}
{{- $processors := deepCopy .Values.processors -}}
{{- if .Values.hashKey.existingSecret -}}
{{- $processors = mustMergeOverwrite $processors (dict "redact" (dict "hash_key" "${env:ANDON_HASH_KEY}")) -}}
{{- end -}}
{{- with $processors -}}
{{- $_ := set $config "processors" . -}}
{{- end -}}
{{- $_ := set $config "spool" (mustMergeOverwrite (deepCopy $ingest.spool) (dict "directory" "/var/lib/andon/spool")) -}}
{{- $_ := set $config "clickhouse" (include "andon.clickhouseSection" (list . (include "andon.clickhouseEndpoint" .) "writer") | fromYaml) -}}
{{- $_ := set $config "objectives" "/etc/andon/slo" -}}
{{- $_ := set $config "telemetry" (include "andon.telemetrySection" (list . (dict "endpoint" "0.0.0.0:13133" "insecure" true)) | fromYaml) -}}
{{- include "andon.yaml" $config -}}
{{- end -}}

{{- define "andon.config.evaluator" -}}
{{- $config := dict "clickhouse" (include "andon.clickhouseSection" (list . (include "andon.clickhouseEndpoint" .) "writer") | fromYaml) -}}
{{- $_ := set $config "objectives" "/etc/andon/slo" -}}
{{- with .Values.evaluator.config -}}
{{- $_ := set $config "evaluate" . -}}
{{- end -}}
{{- $_ := set $config "telemetry" (include "andon.telemetrySection" (list . (dict "evaluate" "0.0.0.0:13133" "insecure" true)) | fromYaml) -}}
{{- include "andon.yaml" $config -}}
{{- end -}}

{{- define "andon.statuspageUrl" -}}
{{- if .Values.statuspage.url -}}
{{- .Values.statuspage.url -}}
{{- else if .Values.statuspage.ingress.enabled -}}
{{- printf "%s://%s" (ternary "https" "http" (gt (len .Values.statuspage.ingress.tls) 0)) (index .Values.statuspage.ingress.hosts 0) -}}
{{- end -}}
{{- end -}}

{{/* Of the processors the page only asks whether there are any; the key of hashes is none of its business. */}}
{{- define "andon.config.statuspage" -}}
{{- $page := dict "name" .Values.statuspage.name "refresh" .Values.statuspage.refresh "endpoint" "0.0.0.0:8080" "insecure" true "snapshot" "/var/lib/andon/statuspage.json" -}}
{{- with include "andon.statuspageUrl" . -}}
{{- $_ := set $page "url" . -}}
{{- end -}}
{{- $config := dict "statuspage" $page -}}
{{- $_ := set $config "clickhouse" (include "andon.clickhouseSection" (list . (include "andon.clickhouseEndpoint" .) "reader") | fromYaml) -}}
{{- $processors := deepCopy .Values.processors -}}
{{- if .Values.hashKey.existingSecret -}}
{{- $processors = mustMergeOverwrite $processors (dict "redact" (dict "hash_key" "not known to the page")) -}}
{{- end -}}
{{- with $processors -}}
{{- $_ := set $config "processors" . -}}
{{- end -}}
{{- include "andon.yaml" $config -}}
{{- end -}}

{{/* What the helm test reads with. */}}
{{- define "andon.config.test" -}}
{{- include "andon.yaml" (dict "clickhouse" (include "andon.clickhouseSection" (list . (include "andon.clickhouseEndpoint" .) "reader") | fromYaml)) -}}
{{- end -}}
