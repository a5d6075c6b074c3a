{{/* Names and labels. */}}
{{- define "andon.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "andon.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "andon.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "andon.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of one component: (list $ "ingest"). */}}
{{- define "andon.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "andon.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "andon.labels" -}}
{{- $ := index . 0 -}}
{{ include "andon.selector" . }}
app.kubernetes.io/part-of: andon
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "andon.component" -}}
{{- printf "%s-%s" (include "andon.fullname" (index . 0)) (index . 1) -}}
{{- end -}}

{{- define "andon.metadata" -}}
name: {{ include "andon.component" . }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "andon.labels" . | nindent 2 }}
{{- end -}}

{{- define "andon.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "andon.embeddedImage" -}}
{{- $image := .Values.embedded.image -}}
{{- $repository := default .Values.image.repository $image.repository -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default (printf "%s-embedded" (default .Chart.AppVersion .Values.image.tag)) $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* 2GiB and 10Gi in bytes, as an integer. */}}
{{- define "andon.bytes" -}}
{{- $unit := regexFind "[A-Za-z]*$" . -}}
{{- $number := trimSuffix $unit . | int64 -}}
{{- $powers := dict "" 1 "B" 1 "KiB" 1024 "MiB" 1048576 "GiB" 1073741824 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 -}}
{{- mul $number (get $powers $unit | int64) -}}
{{- end -}}

{{/* The port of http://host:8123. */}}
{{- define "andon.portOf" -}}
{{- regexFind "[0-9]+/?$" . | trimSuffix "/" -}}
{{- end -}}
