"""The files of ``deploy/`` are valid, and set only variables that the hub knows."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from importlib import metadata
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # ships no types
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hub.config import load_config

DEPLOY = Path(__file__).parents[2] / "deploy"
SECRET = "a secret of thirty-two bytes or so"
NODES = {f"HUB_NODE{n}": f"127.0.0.1:{8080 + n}" for n in (1, 2, 3)}


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def _program(name: str) -> str | None:
    places = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"))
    return shutil.which(name, path=places)


def _check_environment(environ: dict[str, str]) -> None:
    """Check that a hub accepts these variables: it refuses unknown ones and bad values."""
    load_config(None, environ).require_keys()


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8"))


def _packages() -> list[str]:
    """The packages that pyproject.toml installs."""
    patterns = _pyproject()["tool"]["setuptools"]["packages"]["find"]["include"]
    return [pattern.rstrip("*") for pattern in patterns]


# --- containers ------------------------------------------------------------------------


def test_compose_sets_only_variables_that_the_hub_knows() -> None:
    (compose,) = _documents("compose.yaml")
    services = compose["services"]
    for name in ("node1", "node2", "node3", "migrate"):
        environ = {
            key: re.sub(r"\$\{[^}]*\}", SECRET.replace(" ", "-"), str(value))
            for key, value in services[name]["environment"].items()
        }
        _check_environment(environ)
        assert environ["CHAIRSIDE_CLUSTER_PORT"] != "0", "containers need a fixed port"
    assert services["migrate"]["command"] == ["migrate"]
    assert set(services["balancer"]["depends_on"]) == {"node1", "node2", "node3"}
    used = set(re.findall(r"\$\{(HUB_\w+)\}", (DEPLOY / "haproxy.cfg").read_text()))
    assert used == {key for key in services["balancer"]["environment"] if key.startswith("HUB_")}


def test_compose_trusts_its_balancer_and_no_other_address() -> None:
    (compose,) = _documents("compose.yaml")
    trusted = compose["services"]["node1"]["environment"]["CHAIRSIDE_SERVER_TRUSTED_PROXIES"]
    ((network, options),) = (
        (name, options)
        for name, options in compose["services"]["balancer"]["networks"].items()
        if options
    )
    assert trusted == options["ipv4_address"]
    (subnet,) = compose["networks"][network]["ipam"]["config"]
    assert ip_address(trusted) in ip_network(subnet["subnet"])
    assert network in compose["services"]["node1"]["networks"]


def test_compose_runs_no_hub_as_a_superuser() -> None:
    """The logins themselves: tests/integration/test_compose_logins.py."""
    (compose,) = _documents("compose.yaml")
    services = compose["services"]
    for name in ("node1", "node2", "node3", "migrate"):
        for key, value in services[name]["environment"].items():
            if key.endswith("_URL") and value.startswith("postgresql:"):
                login = value.removeprefix("postgresql://").partition(":")[0]
                assert login == ("chairside_owner" if "MIGRATE" in key else "chairside")
            assert "POSTGRES_PASSWORD" not in value
    assert (
        "./postgres.sql:/docker-entrypoint-initdb.d/chairside.sql:ro"
        in (services["postgres"]["volumes"])
    )
    assert "-h" in services["postgres"]["healthcheck"]["test"], (
        "the server that runs the script listens on a socket file only"
    )


# --- the packages of the image ---------------------------------------------------------

RENEW = "`make lock` renews deploy/requirements.txt"
_PINNED = re.compile(
    r"^([a-z0-9._-]+)==(\S+)((?: \\\n +--hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE
)


def _pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE))


def test_every_package_of_the_image_has_the_hashes_of_the_pinned_version() -> None:
    text = (DEPLOY / "requirements.txt").read_text(encoding="utf-8")
    locked = {name: version for name, version, _ in _PINNED.findall(text)}
    assert locked == _pins(text), "each has a hash"
    pinned = _pins((DEPLOY.parent / "constraints.txt").read_text(encoding="utf-8"))
    assert {name: pinned.get(name) for name in locked} == locked, RENEW
    assert _needed() <= set(locked), RENEW


def _needed() -> set[str]:
    """The packages that the hub needs here, directly or not, from what is installed."""
    found, waiting = set[str](), _applying(_pyproject()["project"]["dependencies"])
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        if needed.extras or name not in found:
            waiting += _applying(metadata.requires(name) or (), *needed.extras)
        found.add(name)
    return found


def _applying(lines: Sequence[str], *extras: str) -> list[Requirement]:
    """The requirements that apply to this Python, on this system."""
    return [
        needed
        for needed in map(Requirement, lines)
        if needed.marker is None
        or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def test_the_dockerfile_installs_only_what_has_a_hash() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    installs = re.findall(r"pip install ([^\n]*)", text)
    assert len(installs) == 2
    assert "--require-hashes -r deploy/requirements.txt" in installs[0]
    assert "--no-deps --no-build-isolation ." in installs[1], "nothing is downloaded"
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2, (
        "can be pinned"
    )


def test_the_dockerfile_copies_existing_files_and_starts_the_hub() -> None:
    lines = [
        line.strip()
        for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (DEPLOY.parent / source).exists(), line
    for package in _packages():
        assert f"COPY {package} {package}" in lines
    assert lines[-2:] == ['ENTRYPOINT ["chairside"]', 'CMD ["serve"]']
    assert any(line.startswith("USER ") and "root" not in line for line in lines)
    environ = dict(re.findall(r"(CHAIRSIDE_\w+)=(\S+)", "\n".join(lines)))
    _check_environment({**environ, "CHAIRSIDE_AUTH_SECRET": SECRET})


# --- Kubernetes ------------------------------------------------------------------------


def _of_kind(kind: str) -> dict[str, Any]:
    found = _documents("kubernetes/hub.yaml") + _documents("kubernetes/job.yaml")
    (one,) = [each for each in found if each["kind"] == kind]
    return one


def test_pods_have_probes_and_time_for_a_graceful_shutdown() -> None:
    deployment = _of_kind("Deployment")["spec"]
    pod = deployment["template"]["spec"]
    (hub,) = pod["containers"]
    assert hub["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert hub["livenessProbe"]["httpGet"]["path"] == "/health/live", "not the database's health"
    environ = {each["name"]: each.get("value", "") for each in hub["env"]}
    environ |= {
        "CHAIRSIDE_DATABASE_URL": "postgresql://user@db/clinic",
        "CHAIRSIDE_REDIS_URL": "redis://redis:6379/0",
        "CHAIRSIDE_AUTH_SECRET": SECRET,
        "CHAIRSIDE_CLUSTER_HOST": "10.0.0.7",
    }
    _check_environment(environ)
    drains_s = float(environ["CHAIRSIDE_CLUSTER_DRAIN_S"])
    drains_s += float(environ["CHAIRSIDE_SERVER_SHUTDOWN_GRACE_S"])
    assert pod["terminationGracePeriodSeconds"] > drains_s + 10
    assert float(environ["CHAIRSIDE_CLUSTER_DRAIN_S"]) > 2 * hub["readinessProbe"]["periodSeconds"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_all_selectors_match_the_same_pods() -> None:
    labels = _of_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert _of_kind("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert _of_kind("Service")["spec"]["selector"] == labels
    assert _of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    policy = _of_kind("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == labels
    named = {"http", "nodes"}
    (hub,) = _of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    assert {port["name"] for port in hub["ports"]} == named
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == named


def test_the_service_routes_polling_of_a_client_to_one_pod() -> None:
    assert _of_kind("Service")["spec"]["sessionAffinity"] == "ClientIP"


def test_the_job_runs_the_migration() -> None:
    (job,) = _of_kind("Job")["spec"]["template"]["spec"]["containers"]
    assert job["args"] == ["migrate"]


# --- checks by the programs themselves -------------------------------------------------


def test_haproxy_accepts_its_configuration() -> None:
    if (program := _program("haproxy")) is None:
        pytest.skip("haproxy is not installed here")
    done = subprocess.run(
        [program, "-c", "-f", DEPLOY / "haproxy.cfg"],
        env={**os.environ, **NODES, "HUB_BIND": "127.0.0.1:8080"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_haproxy_ends_requests_that_never_arrive() -> None:
    text = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
    seconds = dict(re.findall(r"^ +timeout ([a-z-]+) +(\d+)s", text, re.MULTILINE))
    assert 0 < int(seconds["http-request"]) <= 10
    assert 0 < int(seconds["http-keep-alive"]) <= 60


def test_haproxy_routes_polling_to_one_node_and_checks_readiness() -> None:
    text = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
    assert text.count("option httpchk GET /health/ready") == text.count("\nbackend ") == 2
    assert "use_backend sticky if is_socketio is_polling" in text
    assert "use_backend sticky if is_socketio has_session" in text


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    if (program := _program("nginx")) is None:
        pytest.skip("nginx is not installed here")
    done = subprocess.run(
        [program, "-t", "-c", DEPLOY / "nginx.conf", "-g", f"pid {tmp_path}/pid;"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "syntax is ok" in done.stderr, done.stderr  # other checks fail without its folders


def test_systemd_accepts_its_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "chairside.service").read_text(encoding="utf-8")
    commands = re.findall(r"^Exec\w+=(\S+) (\w+)", text, re.MULTILINE)
    assert [command for _, command in commands] == ["serve"]
    if (program := _program("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not installed here")
    here = tmp_path / "chairside.service"  # with a command that exists on this machine
    here.write_text(text.replace("/opt/chairside/bin/chairside", "/bin/true"), encoding="utf-8")
    done = subprocess.run(
        [program, "verify", "--man=no", here],
        capture_output=True,
        text=True,
        check=False,
    )
    mine = [line for line in done.stderr.splitlines() if "chairside.service" in line]
    assert not mine, mine
