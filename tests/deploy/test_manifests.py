"""What reaches a cluster: valid for Kubernetes, safe in every pod, and of configurations that Andon itself accepts.

All of it is asserted about the golden manifests, so it needs no Helm.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import promql_parser
import pytest
import yaml
from opentelemetry.metrics import Observation
from prometheus_client.parser import text_string_to_metric_families

from fixtures.chart import CASES, Manifest, asked, configs, containers, environment, golden, named, pods
from fixtures.toolchains import ROOT
from pipeline.ingest import DRAIN_TIMEOUT_S
from pipeline.instruments import INSTRUMENTS, Kind, histogram, observe
from pipeline.telemetry import Telemetry
from pipeline.telemetry_config import TelemetryConfig
from pipeline.workers import STOP_TIMEOUT_S

OPERATORS = {"ServiceMonitor", "PrometheusRule"}  # of the Prometheus operator, whose schemas Kubernetes does not have
VERSIONS = ("1.29", "1.37")
ENVIRONMENT = {
    "ANDON_WRITER_PASSWORD": "123456",  # a password may look like a number
    "ANDON_READER_PASSWORD": "true",
    "ANDON_OTLP_TOKEN": "0123456789",
    "ANDON_HASH_KEY": "12345678901234567890",
    "COLLECTOR_TOKEN": "t",
}
cases = pytest.mark.parametrize("case", CASES)


@cases
@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(case: str, version: str) -> None:
    """For old and new versions of Kubernetes, strictly: an unknown key is an error."""
    ours = [one for one in golden(case) if one["kind"] not in OPERATORS]
    for one in ours:
        kubernetes_validate.validate(one, version, strict=True)
    assert len(ours) > 10


@cases
def test_no_two_manifests_are_the_same_thing(case: str) -> None:
    """Kind and name are once, in the namespace of the release."""
    things = [(one["kind"], one["metadata"]["name"]) for one in golden(case)]
    assert len(things) == len(set(things))
    assert {one["metadata"]["namespace"] for one in golden(case)} == {"andon"}


@cases
def test_every_pod_may_do_no_more_than_it_needs(case: str) -> None:
    """The restricted Pod Security Standard, and a read-only root on top."""
    found = dict(pods(golden(case)))
    assert len(found) >= 3
    for spec in found.values():
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"].get("runAsUser", 1) > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not [volume for volume in spec["volumes"] if "hostPath" in volume]
        for container in containers(spec):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@cases
def test_every_account_keeps_its_token_to_itself(case: str) -> None:
    """Each program has an account of its own, which is given to no pod."""
    manifests = golden(case)
    accounts = {one["metadata"]["name"]: one for one in manifests if one["kind"] == "ServiceAccount"}
    assert all(one["automountServiceAccountToken"] is False for one in accounts.values())
    assert {spec["serviceAccountName"] for _, spec in pods(manifests)} == set(accounts)
    assert not [one for one in manifests if one["kind"] in {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}]


@cases
def test_every_container_has_bounds_and_a_named_image(case: str) -> None:
    """Requests and limits; a tag or a digest, never latest."""
    for _, spec in pods(golden(case)):
        for container in containers(spec):
            assert set(container["resources"]) == {"requests", "limits"}
            assert all("memory" in amounts for amounts in container["resources"].values())
            assert re.search(r"(:[0-9][\w.-]*|@sha256:[0-9a-f]{64})$", container["image"])
        assert all(volume["emptyDir"]["sizeLimit"] for volume in spec["volumes"] if "emptyDir" in volume)


@cases
def test_every_lasting_container_is_probed(case: str) -> None:
    """Started, alive, ready: of each program as it answers; what ends by itself needs none."""
    for one in golden(case):
        if one["kind"] in {"StatefulSet", "Deployment"}:
            for container in one["spec"]["template"]["spec"]["containers"]:
                ports = {port["name"] for port in container["ports"]}
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    assert container[probe]["httpGet"]["port"] in ports


@cases
def test_no_secret_stands_in_a_manifest(case: str) -> None:
    """They are named, and come by the environment or as files: also those that a pod has no use for stay away."""
    manifests = golden(case)
    assert not [one for one in manifests if one["kind"] == "Secret"]
    for name, spec in pods(manifests):
        for container in containers(spec):
            for variable in container.get("env", []):
                is_secret = re.search("PASSWORD|TOKEN|KEY", variable["name"])
                assert not is_secret or "secretKeyRef" in variable["valueFrom"]
        given = set().union(*(environment(container) for container in containers(spec)))
        if "statuspage" in name or name.endswith("test"):
            assert "ANDON_WRITER_PASSWORD" not in given
        if not name.endswith(("ingest", "test")):
            assert not given & {"ANDON_OTLP_TOKEN", "ANDON_HASH_KEY", "ANDON_TEST_TOKEN"}
    for text in configs(manifests).values():
        secrets = re.findall(r"(?:password|hash_key|authorization): (.*)", text)
        assert all("${env:" in one or one == "not known to the page" for one in secrets)


@cases
def test_every_configuration_passes_andon_check(case: str, tmp_path: Path) -> None:
    """With the variables that its pod has and no others, by the real command."""
    manifests = golden(case)
    texts = configs(manifests)
    uses = {
        volume["configMap"]["name"]
        for _, spec in pods(manifests)
        for volume in spec["volumes"]
        if "configMap" in volume
    }
    assert set(texts) <= uses
    for name, text in texts.items():
        (tmp_path / "andon.yaml").write_text(local(text, tmp_path))
        check = andon(["check", str(tmp_path / "andon.yaml")], variables(manifests, name))
        assert check.returncode == 0, f"{name}: {check.stderr}"
        assert "valid; slo: 1 service, 1 indicator, 1 promise" in check.stderr


def local(text: str, folder: Path) -> str:
    """The configuration with the objectives of the embedded case in the place of those that are mounted."""
    (folder / "slo").mkdir(exist_ok=True)
    documents = named(golden("embedded"), "ConfigMap", "-objectives")["data"]
    for name, document in documents.items():
        (folder / "slo" / name).write_text(document)
    return text.replace("objectives: /etc/andon/slo", "objectives: slo")


def variables(manifests: list[Manifest], config: str) -> set[str]:
    """What the containers have that mount this configuration, each of them."""
    found = []
    for _, spec in pods(manifests):
        volumes = {volume["name"] for volume in spec["volumes"] if volume.get("configMap", {}).get("name") == config}
        for container in containers(spec):
            mounted = {mount["name"] for mount in container["volumeMounts"]} & volumes
            # An andon.yaml is read by who is told its path.
            if mounted and any(mount["mountPath"] in str(container) for mount in container["volumeMounts"]):
                found.append(environment(container))
    return set.intersection(*found)


def andon(arguments: list[str], given: set[str]) -> subprocess.CompletedProcess[str]:
    """`andon …` with these variables and none of ours."""
    clean = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    values = {name: value for name, value in ENVIRONMENT.items() if name in given}
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return subprocess.run(command, env=clean | values, capture_output=True, text=True, timeout=60, check=False)


@cases
def test_a_program_is_asked_for_no_variable_that_it_does_not_have(case: str) -> None:
    """And what it has, it reads."""
    manifests = golden(case)
    for name, text in configs(manifests).items():
        assert asked(text) <= variables(manifests, name)


@cases
def test_every_volume_and_port_that_is_named_is_there(case: str) -> None:
    """Mounts have volumes, services have pods with that port, policies and budgets have pods."""
    manifests = golden(case)
    labels = [
        one["spec"]["template"]["metadata"]["labels"] if "template" in one["spec"] else one["metadata"]["labels"]
        for one in manifests
        if one["kind"] == "Pod" or "template" in one.get("spec", {})
    ]
    ports = {port["name"] for _, spec in pods(manifests) for c in containers(spec) for port in c.get("ports", [])}
    for one in manifests:
        selector = one.get("spec", {}).get("selector") or one.get("spec", {}).get("podSelector") or {}
        wanted = selector.get("matchLabels", selector)
        if wanted and one["kind"] not in OPERATORS:
            assert [found for found in labels if wanted.items() <= found.items()], one["metadata"]["name"]
        if one["kind"] == "Service":
            assert {port["targetPort"] for port in one["spec"]["ports"]} <= ports
    claims = {
        claim["metadata"]["name"]
        for one in manifests
        if one["kind"] == "StatefulSet"
        for claim in one["spec"]["volumeClaimTemplates"]
    }
    for _, spec in pods(manifests):
        for container in containers(spec):
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted - {volume["name"] for volume in spec["volumes"]} <= claims


@cases
def test_the_end_of_a_pod_is_long_enough_for_what_the_program_does(case: str) -> None:
    """Kubernetes counts what comes before SIGTERM, too."""
    spec = named(golden(case), "StatefulSet", "-ingest")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    before_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert spec["terminationGracePeriodSeconds"] >= before_s + max(DRAIN_TIMEOUT_S, STOP_TIMEOUT_S)


@cases
def test_a_page_that_has_no_figures_replaces_none_that_has(case: str) -> None:
    """The page is ready when it shows something; what it shows outlives its container."""
    page = named(golden(case), "Deployment", "-statuspage")["spec"]
    (container,) = page["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/api/v2/status.json"
    is_alone = page["replicas"] == 1 and page["strategy"]["type"] == "Recreate"
    assert is_alone or page["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "/var/lib/andon" in {mount["mountPath"] for mount in container["volumeMounts"]}


def exposed() -> dict[str, Any]:
    """Every instrument of ours as Prometheus reads it, with all names of its samples."""
    telemetry = Telemetry(TelemetryConfig(), "test")
    for name, one in INSTRUMENTS.items():
        if one.kind is Kind.HISTOGRAM:
            histogram(telemetry.meter, name).record(1)
        else:
            observe(telemetry.meter, name, lambda: [Observation(1)])
    families = text_string_to_metric_families(telemetry.exposition().decode())
    return {sample.name: sample for family in families for sample in family.samples}


def series(expression: Any) -> set[str]:
    """The names that a PromQL expression asks for."""
    if isinstance(expression, promql_parser.VectorSelector):
        return {expression.name}
    parts = [getattr(expression, name, None) for name in ("expr", "lhs", "rhs", "vs", "vector_selector")]
    parts += list(getattr(expression, "args", []) or [])
    return set().union(*(series(part) for part in parts if part is not None), set())


def rules(case: str) -> list[dict[str, Any]]:
    """The alerts of a case."""
    return [
        rule for group in named(golden(case), "PrometheusRule", "-alerts")["spec"]["groups"] for rule in group["rules"]
    ]


def test_alerts_ask_for_metrics_that_there_are() -> None:
    """By names that a real exposition has; `up` is Prometheus' own."""
    names = exposed()
    for rule in rules("production"):
        wanted = series(promql_parser.parse(rule["expr"]))
        assert wanted, rule
        assert wanted <= {"up", *names}, rule
        assert {"summary", "description", "runbook_url"} == set(rule["annotations"])


def test_every_alert_is_explained_in_the_readme() -> None:
    """Whoever is woken finds it there; one that is not wanted is left out by its name."""
    readme = (ROOT / "deploy/helm/andon/README.md").read_text()
    alerts = {rule["alert"] for rule in rules("production")}
    assert alerts == set(re.findall(r"^\| `(Andon\w+)`", readme, re.MULTILINE))
    assert alerts - {rule["alert"] for rule in rules("page-on-volume")} == {"AndonStoreLags"}


def test_scrapes_find_ingest_and_the_evaluator() -> None:
    """The monitor selects the services with a health port and none besides."""
    manifests = golden("production")
    wanted = named(manifests, "ServiceMonitor", "-programs")["spec"]["selector"]["matchLabels"]
    services = [
        one for one in manifests if one["kind"] == "Service" and wanted.items() <= one["metadata"]["labels"].items()
    ]
    assert sorted(one["metadata"]["name"] for one in services) == ["shop-andon-evaluator", "shop-andon-ingest-pods"]
    assert {port["name"] for one in services for port in one["spec"]["ports"]} == {"health"}
    jobs = {one["metadata"]["name"] for one in services}
    for rule in rules("production"):
        assert set(re.findall(r'job="([^"]*)"', rule["expr"])) <= jobs


def test_policies_cover_every_pod() -> None:
    """With policies on, each pod has one, both ways; the store is asked by our own alone."""
    for case in ("embedded", "production"):
        manifests = golden(case)
        policies = [one["spec"] for one in manifests if one["kind"] == "NetworkPolicy"]
        covered = {one["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for one in policies}
        assert {name.rpartition("-")[2] for name, _ in pods(manifests)} == covered
        assert all(one["policyTypes"] == ["Ingress", "Egress"] for one in policies)
    store = named(golden("embedded"), "NetworkPolicy", "-clickhouse")["spec"]
    assert store["egress"] == []
    assert all(peer["podSelector"] for rule in store["ingress"] for peer in rule["from"])


def test_migrations_come_before_what_needs_them() -> None:
    """As a hook with all that it needs; with the engine in the release, before the evaluator instead."""
    hooks = [one for one in golden("production") if one["metadata"]["name"].endswith("-migrate")]
    assert {one["kind"] for one in hooks} == {"ConfigMap", "ServiceAccount", "Job", "NetworkPolicy"}
    for one in hooks:
        assert one["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert (one["kind"] == "Job") == (one["metadata"]["annotations"]["helm.sh/hook-weight"] == "0")
    ttl = yaml.safe_load(configs(hooks)["shop-andon-migrate"])["clickhouse"]["ttl"]
    assert ttl == {"otel_traces": "30d", "otel_logs": "14d"}
    evaluator = named(golden("embedded"), "Deployment", "-evaluator")["spec"]["template"]["spec"]
    assert [one["args"][0] for one in evaluator["initContainers"]] == ["migrate"]
    assert not [one for one in golden("closed") if "migrate" in one["metadata"]["name"]]


def test_autoscaling_and_a_fixed_number_exclude_each_other() -> None:
    """Else every upgrade would undo what the autoscaler did."""
    assert "replicas" not in named(golden("production"), "StatefulSet", "-ingest")["spec"]
    assert named(golden("production"), "HorizontalPodAutoscaler", "-ingest")["spec"]["minReplicas"] == 3
    assert named(golden("closed"), "StatefulSet", "-ingest")["spec"]["replicas"] == 3
