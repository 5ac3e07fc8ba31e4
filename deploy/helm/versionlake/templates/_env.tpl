{{- define "versionlake.env" -}}
- {name: TEMPORAL_ADDRESS, value: {{ .Values.temporal.address | quote }}}
- {name: TEMPORAL_NAMESPACE, value: {{ .Values.temporal.namespace | quote }}}
{{- with .Values.temporal.apiKey }}
{{- if .existingSecret }}
- name: TEMPORAL_API_KEY
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- with .Values.temporal.tls }}
{{- if or .enabled .existingSecret }}
- {name: TEMPORAL_TLS, value: "true"}
{{- with .serverName }}
- {name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }}}
{{- end }}
{{- if .existingSecret }}
- {name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/versionlake/temporal/tls.crt}
- {name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/versionlake/temporal/tls.key}
{{- with .caKey }}
- {name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/versionlake/temporal/{{ . }}}
{{- end }}
{{- end }}
{{- if .insecureSkipVerify }}
- {name: TEMPORAL_TLS_DISABLE_HOST_VERIFICATION, value: "true"}
{{- end }}
{{- end }}
{{- end }}
- {name: VERSIONLAKE_CATALOG, value: {{ .Values.catalog | quote }}}
- {name: VERSIONLAKE_WAREHOUSE, value: {{ .Values.warehouse | quote }}}
- {name: VERSIONLAKE_SOURCE, value: {{ .Values.source | quote }}}
- {name: TMPDIR, value: /var/lib/versionlake/tmp}
{{- with .Values.postgres }}
{{- if .existingSecret }}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .key }}}}
{{- end }}
{{- with .sslmode }}
- {name: PGSSLMODE, value: {{ . }}}
{{- end }}
{{- if .caSecret }}
- {name: PGSSLROOTCERT, value: /etc/versionlake/postgres/{{ .caKey }}}
{{- end }}
{{- end }}
{{- with .Values.s3 }}
{{- with .region }}
- {name: AWS_REGION, value: {{ . | quote }}}
{{- end }}
{{- with .endpoint }}
- {name: AWS_ENDPOINT_URL_S3, value: {{ . | quote }}}
{{- end }}
{{- if .existingSecret }}
{{- $secret := .existingSecret }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.eventsConfigMap }}
- {name: VERSIONLAKE_EVENTS, value: /etc/versionlake/events/events.json}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
