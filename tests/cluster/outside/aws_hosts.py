"""Names and addresses of AWS."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsHosts:
    """The hosts of one region; each bucket is a host too, below those of S3."""

    region: str
    network: IPv4Network

    @property
    def s3(self) -> str:
        """S3."""
        return f"s3.{self.region}.amazonaws.com"

    @property
    def dualstack(self) -> str:
        """S3 by the name that some clients make of the other."""
        return f"s3.dualstack.{self.region}.amazonaws.com"

    @property
    def iam(self) -> str:
        """IAM, which has no region."""
        return "iam.amazonaws.com"

    @property
    def sts(self) -> str:
        """STS."""
        return f"sts.{self.region}.amazonaws.com"

    @property
    def sqs(self) -> str:
        """SQS."""
        return f"sqs.{self.region}.amazonaws.com"

    @property
    def cloudwatch(self) -> str:
        """CloudWatch."""
        return f"monitoring.{self.region}.amazonaws.com"

    @property
    def issuer(self) -> str:
        """Who publishes the keys of clusters."""
        return f"oidc.eks.{self.region}.amazonaws.com"

    @property
    def auth(self) -> str:
        """EKS Auth, which gives agents of Pod Identity the sessions of their pods."""
        return f"eks-auth.{self.region}.api.aws"

    @property
    def s3_addresses(self) -> Mapping[str, IPv4Address]:
        """Name of S3 -> its address, which is also that of all names below."""
        return {self.s3: self.network[2], self.dualstack: self.network[3]}

    @property
    def addresses(self) -> Mapping[str, IPv4Address]:
        """Name -> its address."""
        iam, eks, door = self.network[4], self.network[5], self.network[9]
        others = {
            **{self.iam: iam, self.sts: iam},
            **{self.issuer: eks, self.auth: eks},
            **{self.sqs: door, self.cloudwatch: door},
        }
        return {**self.s3_addresses, **others}

    @property
    def certified(self) -> tuple[str, ...]:
        """The names in the certificates."""
        return (*self.addresses, *(f"*.{name}" for name in self.s3_addresses))
