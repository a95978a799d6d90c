"""Secrets out of a store beside the cluster, by the External Secrets Operator."""

from collections.abc import Mapping
from datetime import timedelta

from constructs import Construct

from constructs_lib.config.secret_stores import ClusterSecretStore, Remote, SecretStore
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Namespace
from constructs_lib.errors import ConstructError
from constructs_lib.kube.manifest import Manifest, labels_without_pods
from constructs_lib.units import go_duration

# In which a kubelet brings mounted files up to date: asking the store more often would change nothing.
# https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
SHORTEST = timedelta(minutes=1)
# Its name is a label of it, and of the Secret.
NAME_LIMIT = 63


class ExternalSecret(Manifest):
    """A Secret that the External Secrets Operator makes of what a store has, and keeps up to date.

    It has these keys and no others: a Secret of this name that somebody made by hand is taken over, and loses what is
    not named here. Until the store has every key it is not made, and pods that need it wait; afterwards a key that is
    gone from the store changes nothing. It goes with this object.

    A changed value is in the files of running pods a minute or two after the Secret has it. Who reads them once, at
    the start, needs a restart: Grafana and the exporter of PostgreSQL; so does who has it in a variable: the exporter
    of Redis, and the cookies of AuthProxy. Alertmanager, Jaeger and AuthProxy's client secret need none.

    Args:
        namespace: Of the Secret.
        name: Of the Secret.
        store: Who has the values.
        keys: Of the Secret, each with where the store has it.
        refresh: How often the store is asked, by a request a key.
    Raises:
        ConstructError: a name or a key that is none, no key at all, or a refresh that is too frequent or never comes.
    Source: https://external-secrets.io/latest/guides/ownership-deletion-policy/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str,
        store: ClusterSecretStore | SecretStore,
        keys: Mapping[str, Remote],
        refresh: timedelta = timedelta(hours=1),
    ) -> None:
        self._keys = {key: SecretKey(name, key) for key in sorted(keys)}
        if not keys:
            raise ConstructError(f"the Secret {name} is to have no key: name one, or leave it out")
        if len(name) > NAME_LIMIT:
            raise ConstructError(
                f"the name of the Secret {name} has {len(name)} characters, and a label has {NAME_LIMIT} at most: "
                "shorten it"
            )
        if refresh <= timedelta(0):
            raise ConstructError(
                f"the Secret {name} is refreshed every {refresh}, which means once and no more: use a minute or more"
            )
        if refresh < SHORTEST:
            raise ConstructError(
                f"the Secret {name} is refreshed every {refresh}, but files follow once a minute: use that or more"
            )
        self._secret = name
        spec = {
            "refreshInterval": go_duration(refresh),
            "secretStoreRef": store.to_dict(),
            "target": {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": [{"secretKey": key, "remoteRef": remote.to_dict()} for key, remote in sorted(keys.items())],
        }
        super().__init__(
            scope,
            id,
            api_version="external-secrets.io/v1",
            kind="ExternalSecret",
            name=name,
            namespace=namespace.name,
            labels=labels_without_pods("external-secret", name),
            body=lambda: {"spec": spec},
        )

    def key(self, key: str) -> SecretKey:
        """One of its keys, for whoever needs it.

        Raises:
            ConstructError: a key that the Secret will not have.
        """
        if key not in self._keys:
            raise ConstructError(
                f"the Secret {self._secret} has no key {key!r}, but {', '.join(self._keys)}: add it, or use another"
            )
        return self._keys[key]
