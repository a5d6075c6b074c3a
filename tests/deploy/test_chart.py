"""The chart, by the real Helm: it lints, renders what is golden, and refuses what cannot work, in words."""

import os
from pathlib import Path

import pytest
import yaml

from fixtures.chart import CASES, CHART, RENEW, golden_file, helm, rendered

GOOD = CASES["external"]


@pytest.mark.parametrize("case", CASES)
def test_the_chart_lints(case: str) -> None:
    """As strictly as Helm can."""
    linted = helm("lint", str(CHART), "--strict", "--quiet", "--values", str(CASES[case]))
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("case", CASES)
def test_the_chart_renders_the_golden_manifests(case: str) -> None:
    """So every change of what reaches a cluster is seen in review; ANDON_RENEW_GOLDEN=1 writes them anew."""
    run = rendered("--values", str(CASES[case]))
    assert run.returncode == 0, run.stderr
    if os.environ.get(RENEW):
        golden_file(case).write_text(run.stdout)
    assert run.stdout == golden_file(case).read_text()


def test_no_golden_manifest_is_of_a_case_that_is_gone() -> None:
    """Each belongs to one."""
    assert {path.stem for path in golden_file("").parent.glob("*.yaml")} == set(CASES)


REFUSALS = {
    "nowhere to store": ("clickhouse: {endpoint: ''}", "clickhouse.endpoint: expected where ClickHouse is"),
    "two stores": ("embedded: {enabled: true}", "expected one of them"),
    "an endpoint without a port": ("clickhouse: {endpoint: 'https://clickhouse'}", "/clickhouse/endpoint"),
    "a password in an endpoint": (
        "clickhouse: {endpoint: 'https://me:secret@clickhouse:8443'}",
        "/clickhouse/endpoint",
    ),
    "no password": (
        "clickhouse: {writer: {existingSecret: ''}}",
        "clickhouse.writer.existingSecret: expected the name",
    ),
    "no promises": ("objectives: {existingConfigMap: ''}", "objectives: expected your promises"),
    "promises twice": ("objectives: {documents: {a.yaml: x}}", "documents or existingConfigMap, not both"),
    "doors that stand open": ("ingest: {insecure: false}", "ingest: expected tls.existingSecret"),
    "no door": ("ingest: {grpc: {enabled: false}, http: {enabled: false}}", "expected grpc.enabled or http.enabled"),
    "client certificates without TLS": ("ingest: {tls: {clientCaKey: ca.crt}}", "expected tls.existingSecret too"),
    "a volume too small": ("ingest: {workers: 2}", "expected at least 14495514624 bytes"),
    "no time to empty the spool": ("ingest: {preStopSeconds: 100}", "expected at least 150"),
    "no worker": ("ingest: {workers: 0}", "/ingest/workers"),
    "a setting that the chart makes": ("ingest: {otlp: {workers: 8}}", "ingest.otlp.workers: expected nothing"),
    "a spool elsewhere": ("ingest: {spool: {directory: /tmp}}", "ingest.spool.directory: expected nothing"),
    "no limit of memory": ("ingest: {resources: {limits: null}}", "/ingest/resources"),
    "autoscaling upside down": (
        "ingest: {autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 2}}",
        "expected minReplicas to be at most maxReplicas",
    ),
    "pages that share a volume": ("statuspage: {persistence: {enabled: true}}", "pages do not share a volume"),
    "an ingress without a host": ("statuspage: {ingress: {enabled: true}}", "expected the page's host name"),
    "a key that is no key": ("ingest: {replica: 3}", "'replica'"),
    "root": ("securityContext: {runAsUser: 0}", "/securityContext/runAsUser"),
    "the image of the day": ("image: {tag: latest}", "/image/tag"),
    "a secret in a value": ("clickhouse: {writer: {password: hunter2}}", "'password'"),
    "two evaluators": ("evaluator: {replicas: 2}", "'replicas'"),
    "itself from elsewhere": ("telemetry: {otlp: {endpoint: self}}", "programs are not on one"),
}


@pytest.mark.parametrize("words", REFUSALS)
def test_what_cannot_work_is_refused_in_words(words: str, tmp_path: Path) -> None:
    """Before anything reaches the cluster."""
    values, reason = REFUSALS[words]
    (tmp_path / "values.yaml").write_text(values)
    run = rendered("--values", str(GOOD), "--values", str(tmp_path / "values.yaml"))
    assert run.returncode != 0
    assert reason in run.stderr
    assert "hunter2" not in run.stderr


def test_everything_that_is_missing_is_told_at_once() -> None:
    """Who installs with no values at all reads what they need."""
    run = rendered()
    assert run.returncode != 0
    for what in (
        "clickhouse.endpoint",
        "writer.existingSecret",
        "reader.existingSecret",
        "objectives",
        "insecure: true",
    ):
        assert what in run.stderr


@pytest.mark.parametrize("case", CASES)
def test_the_notes_say_what_to_do_next(case: str) -> None:
    """A test, an endpoint, the page; and what is left open."""
    values = yaml.safe_load(CASES[case].read_text())
    run = helm("install", "shop", str(CHART), "--dry-run=client", "--namespace", "andon", "--values", str(CASES[case]))
    assert run.returncode == 0, run.stderr
    notes = run.stdout.partition("NOTES:")[2]
    assert "helm test shop --namespace andon" in notes
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http" in notes
    assert ("whoever reaches the doors may send" in notes) == ("auth" not in values["ingest"])
