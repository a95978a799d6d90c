"""The certificate authorities of the cluster and of the world, and the credentials that are given out."""

import json
import secrets
import subprocess
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.spec import API_PORT, ClusterSpec

# The authority that everybody trusts, and its one server. It is not the cluster's: who must name that, as clients of
# kubelets must, would otherwise get by without.
PUBLIC = "public"
# The authority of managed databases, which only those trust who have its certificate.
SQL = "sql"
# User of the API server -> group. kube-router is no part of Kubernetes, so no default role exists for it.
USERS = {
    "admin": "system:masters",
    "kube-router": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "system:kube-proxy": "",
}


class Authority:
    """Files in one directory: `ca.crt`, `public-ca.crt`, `<name>.crt`, `<name>.key`, `tokens.csv`, `<user>.conf`."""

    def __init__(self, directory: Path, spec: ClusterSpec) -> None:
        self.directory = directory
        directory.mkdir()
        self._self_signed("ca", "/CN=test-cluster")
        self._self_signed(f"{PUBLIC}-ca", "/CN=test-world")
        services = (
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        )
        addresses = (spec.control_plane, spec.api_service)
        self._issue(
            "apiserver",
            "/O=system:masters/CN=kube-apiserver",  # it is also the API server's certificate as a client of kubelets
            [f"DNS:{name}" for name in services] + [f"IP:{address}" for address in addresses],
        )
        for node in spec.nodes:
            self._issue(f"kubelet-{node.name}", f"/CN={node.name}", [f"DNS:{node.name}", f"IP:{node.address}"])
        names = (*spec.outside_names, *spec.search_addresses, *spec.login_addresses, *spec.aws.certified)
        outside = [f"DNS:{name}" for name in names] + [f"IP:{spec.outside_host}"]
        self._issue(PUBLIC, "/CN=outside", outside, authority=f"{PUBLIC}-ca")
        for host in spec.balancer_addresses:
            self._issue(host, f"/CN={host}", [f"DNS:{host}"], authority=f"{PUBLIC}-ca")
        if spec.sql:
            self._self_signed(f"{SQL}-ca", "/CN=test-databases")
            self._issue(SQL, "/CN=postgres", [f"DNS:{spec.sql.host}"], authority=f"{SQL}-ca")
        self._openssl("genrsa", "-out", self.path("service-accounts.key"), "2048")
        users = USERS | {f"system:node:{node.name}": "system:nodes" for node in spec.nodes}
        tokens = {user: secrets.token_hex(16) for user in users}
        lines = [
            f"{tokens[user]},{user},{user}" + (f",{group}" if group else "") + "\n" for user, group in users.items()
        ]
        Path(self.path("tokens.csv")).write_text("".join(lines))
        for user, token in tokens.items():
            Path(self.kubeconfig(user)).write_text(json.dumps(self._kubeconfig(spec, token)))

    def path(self, file: str) -> str:
        """Path of one file of the authority."""
        return str(self.directory / file)

    def kubeconfig(self, user: str) -> str:
        """Path of a user's configuration for clients."""
        return self.path(f"{user.replace(':', '-')}.conf")

    @property
    def trusted(self) -> bytes:
        """The certificates of authorities that everybody trusts."""
        return Path(self.path(f"{PUBLIC}-ca.crt")).read_bytes()

    def _self_signed(self, name: str, subject: str) -> None:
        usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._request(name, subject, *usage)

    def _issue(self, name: str, subject: str, names: list[str], authority: str = "ca") -> None:
        signed = ("-CA", self.path(f"{authority}.crt"), "-CAkey", self.path(f"{authority}.key"))
        usage = ("-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth,clientAuth")
        self._request(name, subject, *signed, *usage, "-addext", f"subjectAltName={','.join(names)}")

    def _request(self, name: str, subject: str, *options: str) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(f"{name}.key"))
        # Without the system's configuration, whose extensions would come on top of ours.
        request = ("req", "-config", "/dev/null", "-x509", "-days", "90", "-subj", subject)
        self._openssl(*request, *key, "-out", self.path(f"{name}.crt"), *options)

    def _kubeconfig(self, spec: ClusterSpec, token: str) -> dict[str, object]:
        server = {"server": f"https://{spec.control_plane}:{API_PORT}", "certificate-authority": self.path("ca.crt")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": spec.name, "cluster": server}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": spec.name, "context": {"cluster": spec.name, "user": "user"}}],
            "current-context": spec.name,
        }

    def _openssl(self, *arguments: str) -> None:
        ran = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise ClusterError(f"openssl {arguments[0]} failed, version 3 is needed: {ran.stderr.strip()}")
