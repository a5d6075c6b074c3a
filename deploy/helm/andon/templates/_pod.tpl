{{/* What all pods share. (list $ "ingest" componentValues) */}}
{{- define "andon.podSpec" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index . 2 -}}
serviceAccountName: {{ include "andon.component" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- range $key := list "runAsUser" "runAsGroup" "fsGroup" }}
  {{- with get $.Values.securityContext $key }}
  {{ $key }}: {{ . | int64 }}
  {{- end }}
  {{- end }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with $.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with get $values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.topologySpread }}
{{- if .enabled }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "andon.selector" (list $ $component) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "andon.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- define "andon.imageOf" -}}
image: {{ . | quote }}
{{- end -}}

{{/* Passwords of ClickHouse's users: (list $ "writer" "reader"). And which authority its certificate has. */}}
{{- define "andon.env" -}}
{{- $ := index . 0 -}}
{{- range $role := slice . 1 }}
{{- $user := get $.Values.clickhouse $role }}
- name: ANDON_{{ upper $role }}_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $user.existingSecret }}
      key: {{ $user.passwordKey }}
{{- end }}
{{- if $.Values.clickhouse.ca.existingSecret }}
- name: SSL_CERT_FILE
  value: /etc/andon/ca/ca.crt
{{- end }}
{{- end -}}

{{/* A program's own andon.yaml, and a place for what is passing. (list $ "ingest") */}}
{{- define "andon.mounts" -}}
- name: config
  mountPath: /etc/andon/config
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if (index . 0).Values.clickhouse.ca.existingSecret }}
- name: ca
  mountPath: /etc/andon/ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "andon.volumes" -}}
{{- $ := index . 0 -}}
- name: config
  configMap:
    name: {{ include "andon.component" . }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- if $.Values.clickhouse.ca.existingSecret }}
- name: ca
  secret:
    secretName: {{ $.Values.clickhouse.ca.existingSecret }}
    items:
      - key: {{ $.Values.clickhouse.ca.key }}
        path: ca.crt
{{- end }}
{{- end -}}

{{- define "andon.objectivesVolume" -}}
- name: objectives
  configMap:
    name: {{ .Values.objectives.existingConfigMap | default (include "andon.component" (list . "objectives")) }}
{{- end -}}

{{- define "andon.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ .port }}}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: {{ .alive | default "/healthz" }}, port: {{ .port }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: {{ .ready }}, port: {{ .port }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/* Changes with what the program reads when it starts. */}}
{{- define "andon.checksums" -}}
{{- $ := index . 0 -}}
checksum/config: {{ include (printf "andon.config.%s" (index . 1)) $ | sha256sum }}
{{- if has (index . 1) (list "ingest" "evaluator") }}
checksum/objectives: {{ toYaml $.Values.objectives | sha256sum }}
{{- end }}
{{- with (index . 2).podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}
