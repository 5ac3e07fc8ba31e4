{{- define "versionlake.name" -}}
{{- if contains "versionlake" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}{{ printf "%s-versionlake" (.Release.Name | trunc 40) }}
{{- end }}
{{- end }}

{{- define "versionlake.selector" -}}
app.kubernetes.io/name: versionlake
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "versionlake.labels" -}}
{{ include "versionlake.selector" . }}
app.kubernetes.io/component: worker
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "versionlake.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "versionlake.name" .) }}
{{- else }}{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}
