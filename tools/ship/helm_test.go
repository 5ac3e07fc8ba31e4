package ship

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const chartDir = deploy + "/helm/versionlake"

// releases are the values that the chart is tried with.
var releases = map[string]string{
	"least": `
image: {repository: registry.example.com/versionlake}
temporal: {address: "temporal-frontend.temporal:7233"}
catalog: postgres://versionlake@db/catalog
warehouse: s3://lake/versions
source: s3://telemetry/service-logs
`,
	"cloud": `
image: {repository: registry.example.com/versionlake, tag: v1.2.3}
imagePullSecrets: [{name: registry}]
replicas: 3
workers: 4
args: [--delay, 20m]
temporal:
  address: "my.tmprl.cloud:7233"
  namespace: my.account
  apiKey: {existingSecret: temporal}
  tls: {enabled: true, serverName: my.tmprl.cloud, existingSecret: tls, caKey: ca.crt, insecureSkipVerify: true}
catalog: postgres://versionlake@db/catalog
postgres: {existingSecret: db, key: pw, sslmode: verify-full, caSecret: db-ca}
warehouse: s3://lake/versions
source: s3://telemetry/service-logs
s3: {region: eu-central-1, endpoint: "https://minio.example.com", existingSecret: keys}
settings: {VERSIONLAKE_KEEP_BRONZE: 2160h, VERSIONLAKE_SESSIONS_BY_SERVICE: true}
eventsConfigMap: names
extraEnv: [{name: OTEL_SERVICE_NAME, value: lake}]
serviceAccount: {name: lake, annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/lake"}}
metrics:
  port: 9000
  serviceMonitor: {enabled: true, interval: 15s, labels: {release: prometheus}}
  prometheusRule: {enabled: true, labels: {release: prometheus}}
drainSeconds: 60
tmp: {sizeLimit: 5Gi, storageClassName: fast}
podAnnotations: {a: b}
podLabels: {team: data}
nodeSelector: {disk: ssd}
tolerations: [{key: a, operator: Exists}]
affinity: {nodeAffinity: {}}
topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {a: b}}}
priorityClassName: high
podDisruptionBudget: {enabled: true}
`,
}

// TestChart does what helm lint and helm template do, and reads each object as Kubernetes would, without a field
// that it lacks.
func TestChart(t *testing.T) {
	for name, text := range releases {
		t.Run(name, func(t *testing.T) {
			values := map[string]any{}
			if err := yaml.Unmarshal([]byte(text), &values); err != nil {
				t.Fatal(err)
			}
			absolute, err := filepath.Abs(chartDir)
			if err != nil {
				t.Fatal(err)
			}
			for _, message := range lint.RunAll(absolute, values, "lakes").Messages {
				if message.Severity > support.InfoSev {
					t.Error(message)
				}
			}
			manifests := render(t, values)
			if name == "least" {
				checkLeast(t, manifests)
			} else {
				checkCloud(t, manifests)
			}
		})
	}
}

func render(t *testing.T, values map[string]any) map[string][]any {
	t.Helper()
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(chart,
		values, common.ReleaseOptions{Name: "prod", Namespace: "lakes", IsInstall: true},
		common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Engine{Strict: true}.RenderWithContext(t.Context(), chart, all)
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string][]any{}
	for path, text := range files {
		if !strings.HasSuffix(path, ".yaml") {
			continue
		}
		for document := range documents(t, text) {
			kind, object := decode(t, path, document)
			objects[kind] = append(objects[kind], object)
		}
	}
	return objects
}

// documents yields those of a YAML file that hold something.
func documents(t *testing.T, text string) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		reader := yamlutil.NewDocumentDecoder(io.NopCloser(strings.NewReader(text)))
		defer reader.Close()
		buffer := make([]byte, len(text)+1)
		for {
			n, err := reader.Read(buffer)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var holds map[string]any
			if err := yaml.Unmarshal(buffer[:n], &holds); err != nil {
				t.Fatalf("%v in\n%s", err, buffer[:n])
			}
			if len(holds) > 0 && !yield(bytes.Clone(buffer[:n])) {
				return
			}
		}
	}
}

// kinds are the objects that the chart may make: no Secret is among them.
var kinds = map[string]func() any{
	"v1/ServiceAccount":                       func() any { return &core.ServiceAccount{} },
	"v1/Service":                              func() any { return &core.Service{} },
	"apps/v1/Deployment":                      func() any { return &apps.Deployment{} },
	"policy/v1/PodDisruptionBudget":           func() any { return &policy.PodDisruptionBudget{} },
	"monitoring.coreos.com/v1/ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
	"monitoring.coreos.com/v1/PrometheusRule": func() any { return &monitoring.PrometheusRule{} },
}

func decode(t *testing.T, path string, document []byte) (string, any) {
	t.Helper()
	var is struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &is); err != nil {
		t.Fatal(err)
	}
	make, ok := kinds[is.APIVersion+"/"+is.Kind]
	if !ok {
		t.Fatalf("%s makes a %s/%s", path, is.APIVersion, is.Kind)
	}
	object := make()
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		t.Errorf("%s: %v\n%s", path, err, document)
	}
	return is.Kind, object
}

// environment are a worker's variables: their values, or where they come from.
func environment(t *testing.T, objects map[string][]any) map[string]string {
	t.Helper()
	variables := map[string]string{}
	for _, variable := range objects["Deployment"][0].(*apps.Deployment).Spec.Template.Spec.Containers[0].Env {
		if _, twice := variables[variable.Name]; twice {
			t.Errorf("%s is set twice", variable.Name)
		}
		variables[variable.Name] = variable.Value
		if from := variable.ValueFrom; from != nil {
			variables[variable.Name] = "secret " + from.SecretKeyRef.Name + " " + from.SecretKeyRef.Key
		}
	}
	return variables
}

func checkLeast(t *testing.T, objects map[string][]any) {
	if objects["ServiceMonitor"] != nil || objects["PrometheusRule"] != nil {
		t.Error("a cluster without Prometheus' operator would refuse it")
	}
	variables := environment(t, objects)
	if variables["TEMPORAL_NAMESPACE"] != "default" || variables["TEMPORAL_TLS"] != "" {
		t.Errorf("%v", variables)
	}
	pod := objects["Deployment"][0].(*apps.Deployment).Spec.Template.Spec
	if pod.Containers[0].Image != "registry.example.com/versionlake:0.1.0" {
		t.Errorf("the image is %s", pod.Containers[0].Image)
	}
}

func checkCloud(t *testing.T, objects map[string][]any) {
	variables := environment(t, objects)
	for name, want := range map[string]string{
		"TEMPORAL_ADDRESS": "my.tmprl.cloud:7233", "TEMPORAL_NAMESPACE": "my.account",
		"TEMPORAL_TLS": "true", "TEMPORAL_API_KEY": "secret temporal api-key",
		"TEMPORAL_TLS_CLIENT_CERT_PATH":          "/etc/versionlake/temporal/tls.crt",
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH":       "/etc/versionlake/temporal/ca.crt",
		"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION": "true",
		"PGPASSWORD":                             "secret db pw", "PGSSLMODE": "verify-full",
		"PGSSLROOTCERT":           "/etc/versionlake/postgres/ca.crt",
		"AWS_ACCESS_KEY_ID":       "secret keys AWS_ACCESS_KEY_ID",
		"AWS_SECRET_ACCESS_KEY":   "secret keys AWS_SECRET_ACCESS_KEY",
		"VERSIONLAKE_KEEP_BRONZE": "2160h", "VERSIONLAKE_SESSIONS_BY_SERVICE": "true",
		"VERSIONLAKE_EVENTS": "/etc/versionlake/events/events.json", "OTEL_SERVICE_NAME": "lake",
	} {
		if variables[name] != want {
			t.Errorf("%s is %q, not %q", name, variables[name], want)
		}
	}
	deployment := objects["Deployment"][0].(*apps.Deployment)
	pod := deployment.Spec.Template.Spec
	mounted := map[string]bool{}
	for _, volume := range pod.Volumes {
		mounted[volume.Name] = true
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		if !mounted[mount.Name] {
			t.Errorf("%s is mounted, and is no volume", mount.Name)
		}
		delete(mounted, mount.Name)
	}
	if len(mounted) > 0 || *pod.TerminationGracePeriodSeconds <= 60 || *deployment.Spec.Replicas != 3 {
		t.Errorf("volumes that nothing mounts: %v, grace: %d", mounted, *pod.TerminationGracePeriodSeconds)
	}
	selects := objects["Service"][0].(*core.Service).Spec.Selector
	for name, value := range selects {
		if deployment.Spec.Template.Labels[name] != value {
			t.Errorf("the service selects %s=%s, which the pods have not", name, value)
		}
	}
	if rules := objects["PrometheusRule"][0].(*monitoring.PrometheusRule); len(rules.Spec.Groups[0].Rules) < 10 {
		t.Error("rules are missing")
	}
}

// TestChartRefuses names values that would not work.
func TestChartRefuses(t *testing.T) {
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]string{
		"no image":               "image: {repository: ''}",
		"a password in a flag":   "catalog: 'postgres://versionlake:secret@db/catalog'",
		"no port":                "temporal: {address: temporal}",
		"a word that is unknown": "replica: 2",
		"a local warehouse":      "warehouse: /lake",
	} {
		values := map[string]any{}
		for _, text := range []string{releases["least"], change} {
			if err := yaml.Unmarshal([]byte(text), &values); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := util.ToRenderValues(chart, values, common.ReleaseOptions{Name: "prod"},
			common.DefaultCapabilities); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
