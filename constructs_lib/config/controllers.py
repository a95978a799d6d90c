"""Controllers that bring people in, as values: whose pods they are, and how each is told what an Ingress cannot say.

Source: https://kubernetes.io/docs/concepts/services-networking/ingress-controllers/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from constructs_lib.contract import Pods
from constructs_lib.errors import ConstructError
from constructs_lib.names import LABEL_NAME, dns_label, object_name
from constructs_lib.units import Bytes, go_duration

TRAEFIK = "traefik.ingress.kubernetes.io"
TRAEFIK_API = "traefik.io/v1alpha1"
LONGEST = timedelta(days=1)  # a route counts hours by five digits


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What may come in at most; what is absent is as the controller has it.

    Args:
        body: Of one request.
        timeout: Of one request: what is too late is given up. A day at most.
    Raises:
        ConstructError: no byte, no time, or more than a day.
    """

    body: Bytes | None = None
    timeout: timedelta | None = None

    def __post_init__(self) -> None:
        if self.body == Bytes(0):
            raise ConstructError("the body of a request may have 0 bytes: use 1Mi or more, or leave it out")
        if self.timeout is not None:
            if not timedelta(0) < self.timeout <= LONGEST:
                raise ConstructError(
                    f"the timeout of a request is {self.timeout}: use more than 0 and a day at most, or leave it out"
                )
            go_duration(self.timeout)


UNLIMITED = RequestLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerObject:
    """An object of a kind that a controller brought along."""

    api_version: str
    kind: str
    name: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """How a controller is told the rest.

    Args:
        ingress: Annotations of what is served by HTTPS.
        redirect: Annotations of a second Ingress, which leads from HTTP there; None where the first one does.
        service: Annotations of the Services that it sends to; where there are any, these are Services of its own.
        objects: That the annotations name.
    """

    ingress: Mapping[str, str]
    redirect: Mapping[str, str] | None = None
    service: Mapping[str, str] = field(default_factory=dict)
    objects: tuple[ControllerObject, ...] = ()


class Controller(Protocol):
    """A program that reads Ingress objects, and opens them to the world."""

    @property
    def class_name(self) -> str:
        """Of the IngressClass, which exists."""

    @property
    def pods(self) -> Pods:
        """Who sends the requests."""

    def instructions(self, namespace: str, name: str, limits: RequestLimits) -> Instructions:
        """What it must be told.

        Args:
            namespace: Where the Ingress objects are.
            name: With which names of further objects begin.
            limits: What may come in.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Traefik:
    """Traefik 3, with its providers `kubernetesIngress` and `kubernetesCRD`.

    It waits for the first byte of an answer for ever, and tells nobody to wait less by an annotation of an Ingress: a
    time limit is one of a Service. A limit of a body lets it hold all of a body, and all of an answer, before it hands
    it on.

    Args:
        pods: Its own.
        class_name: Of its IngressClass.
        http: Its entry point of port 80.
        https: Its entry point of port 443.
    Raises:
        ConstructError: a name that is none.
    Source: https://github.com/traefik/traefik/blob/v3.6.0/docs/content/reference/routing-configuration/kubernetes/ingress.md
    """

    pods: Pods
    class_name: str = "traefik"
    http: str = "web"
    https: str = "websecure"

    def __post_init__(self) -> None:
        object_name(self.class_name, of="an IngressClass")
        for entry_point in (self.http, self.https):
            dns_label(entry_point, of="an entry point of Traefik")

    def instructions(self, namespace: str, name: str, limits: RequestLimits) -> Instructions:
        redirect = _traefik("Middleware", f"{name}-to-https", redirectScheme={"scheme": "https", "permanent": True})
        objects, ingress, service = [redirect], {}, {}
        if limits.body:
            body = _traefik("Middleware", f"{name}-body", buffering={"maxRequestBodyBytes": limits.body.count})
            objects.append(body)
            ingress[f"{TRAEFIK}/router.middlewares"] = _reference(namespace, body)
        if limits.timeout:
            waits = {"responseHeaderTimeout": go_duration(limits.timeout)}
            transport = _traefik("ServersTransport", f"{name}-timeout", forwardingTimeouts=waits)
            objects.append(transport)
            service[f"{TRAEFIK}/service.serverstransport"] = _reference(namespace, transport)
        return Instructions(
            ingress={
                f"{TRAEFIK}/router.entrypoints": self.https,
                f"{TRAEFIK}/router.tls": "true",
                **ingress,
            },
            redirect={
                f"{TRAEFIK}/router.entrypoints": self.http,
                f"{TRAEFIK}/router.middlewares": _reference(namespace, redirect),
            },
            service=service,
            objects=tuple(objects),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherController:
    """A controller that this library does not know: its own annotations redirect to HTTPS and limit requests.

    Args:
        class_name: Of its IngressClass.
        pods: Its own.
        annotations: Of every Ingress, by name.
    Raises:
        ConstructError: a name that is none; when asked, limits, which cannot be spelled for it.
    """

    class_name: str
    pods: Pods
    annotations: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        object_name(self.class_name, of="an IngressClass")
        for name, _ in self.annotations:
            if not re.fullmatch(LABEL_NAME, name):
                raise ConstructError(
                    f"{name!r} cannot be an annotation: use a name such as 'haproxy.org/timeout-server'"
                )

    def instructions(self, namespace: str, name: str, limits: RequestLimits) -> Instructions:
        if limits != UNLIMITED:
            raise ConstructError(
                f"{name} limits requests, but how the controller of the class {self.class_name} is told so is not "
                "known: leave limits out, and give its own annotations"
            )
        return Instructions(ingress=dict(self.annotations))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A Gateway that exists, with a listener each for HTTP and HTTPS; its certificates are its own matter.

    Args:
        name: By which it is found.
        namespace: Where it is; its listeners admit routes from ours.
        pods: Who sends the requests: those of its controller, or those that this made for it.
        http: Its listener of port 80.
        https: Its listener of port 443.
    Raises:
        ConstructError: a name that is none.
    Source: https://gateway-api.sigs.k8s.io/api-types/gateway/
    """

    name: str
    namespace: str
    pods: Pods
    http: str = "http"
    https: str = "https"

    def __post_init__(self) -> None:
        object_name(self.name, of="a Gateway")
        dns_label(self.namespace, of="a namespace")
        for listener in (self.http, self.https):
            object_name(listener, of="a listener of a Gateway")

    def listener(self, name: str) -> dict[str, str]:
        """The reference to one of its listeners."""
        return {"name": self.name, "namespace": self.namespace, "sectionName": name}


@dataclass(frozen=True, slots=True)
class ClusterIssuer:
    """Who signs certificates for cert-manager, in all namespaces.

    Args:
        name: It exists.
    Raises:
        ConstructError: a name that is none.
    Source: https://cert-manager.io/docs/usage/ingress/
    """

    name: str

    def __post_init__(self) -> None:
        _issuer(self.name)

    @property
    def annotation(self) -> tuple[str, str]:
        """Of an Ingress whose certificate it signs."""
        return "cert-manager.io/cluster-issuer", self.name


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs certificates for cert-manager, in the namespace of the Ingress.

    Args:
        name: It exists.
    Raises:
        ConstructError: a name that is none.
    Source: https://cert-manager.io/docs/usage/ingress/
    """

    name: str

    def __post_init__(self) -> None:
        _issuer(self.name)

    @property
    def annotation(self) -> tuple[str, str]:
        """Of an Ingress whose certificate it signs."""
        return "cert-manager.io/issuer", self.name


def _issuer(name: str) -> None:
    if not name:
        raise ConstructError("the issuer has no name, so no certificate would be made: name an issuer of cert-manager")
    object_name(name, of="an issuer of certificates")


def _traefik(kind: str, name: str, **spec: Any) -> ControllerObject:
    return ControllerObject(api_version=TRAEFIK_API, kind=kind, name=name, spec=spec)


def _reference(namespace: str, named: ControllerObject) -> str:
    """As Traefik names what another of its providers has read."""
    return f"{namespace}-{named.name}@kubernetescrd"
