"""What people make in Grafana, in a PostgreSQL that RDS runs."""

import re
from datetime import timedelta

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from constructs_lib.aws.places import differ
from constructs_lib.errors import ConstructError
from constructs_lib.rds import PASSWORD, ManagedPostgres
from constructs_lib.units import Bytes, prometheus_duration

GIB = Bytes.gib(1)
SMALLEST, LARGEST = Bytes.gib(20), Bytes.gib(65_536)
GROWS_BY = 1.1  # at least, or RDS takes no larger size for one to grow to
LEAST_KEEP, MOST_KEEP = timedelta(days=1), timedelta(days=35)
PASSWORD_LENGTH = 32
CLASS = "db."
USUAL_PORT = (
    "Who reaches it is a matter of its security group, which lets in the cluster's alone: another port hides nothing."
)
NOT_ROTATED = (
    "Grafana reads its password when it starts: one that changed by itself would shut it out, so people change it, and "
    "restart Grafana."
)
ONE_ZONE = (
    "It was asked for in a single zone, as for an environment whose Grafana does not survive the loss of one either."
)


class GrafanaDatabase(Construct):
    """A PostgreSQL for all replicas of Grafana: encrypted, by TLS alone, and open to one security group.

    Its only user is the one that RDS makes, who owns the database: CloudFormation can make no other. The password is
    made by Secrets Manager, and stands in no template. It does not change by itself, as one that RDS manages would do
    every week: Grafana reads it when it starts.

    RDS deletes it for nobody until its deletion protection is turned off; when its stack goes, a last snapshot stays,
    the password does not. Its name is fixed, so that CloudFormation refuses a change that would put an empty database
    in its place: of user, database or VPC.

    Args:
        server: What it has, and where it is.
        instance_class: How large it is; that of RDS, by name.
        storage: Of gp3, in whole gibibytes from 20Gi.
        most_storage: Up to which it grows when it is nearly full: a tenth more, or the same for none.
        multi_az: Whether another one in another zone takes over within minutes.
        keep: How long each day's snapshot stays, and everything in between can be restored: 1 to 35 days.
    Raises:
        ConstructError: figures that RDS refuses, or a server or a secret that another one of the app is called.
    Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_PostgreSQL.html
    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-rds-dbinstance.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        server: ManagedPostgres,
        instance_class: str = "db.t4g.small",
        storage: Bytes = Bytes.gib(20),
        most_storage: Bytes = Bytes.gib(100),
        multi_az: bool = True,
        keep: timedelta = timedelta(days=7),
    ) -> None:
        super().__init__(scope, id)
        self.server = server
        self._refuse_figures(instance_class, storage, most_storage, keep)
        self._refuse_others()
        network = server.network
        # Nothing is looked up: what is made here needs no zone of the VPC.
        vpc = ec2.Vpc.from_vpc_attributes(self, "Vpc", vpc_id=network.vpc, availability_zones=cdk.Fn.get_azs())
        group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description=f"Of the database {server.name}.", allow_all_outbound=False
        )
        clients = ec2.SecurityGroup.from_security_group_id(self, "Clients", network.clients, mutable=False)
        group.add_ingress_rule(clients, ec2.Port.tcp(server.port), "PostgreSQL, from Grafana and its saver")
        subnets = rds.CfnDBSubnetGroup(
            self,
            "Subnets",
            db_subnet_group_description=f"Of the database {server.name}.",
            subnet_ids=list(network.subnets),
        )
        secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=server.secret,
            description=f"The password of {server.user} at the database {server.name}.",
            # Of nothing that may change: CloudFormation would make another password, which RDS does not know.
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template="{}",  # noqa: S106  # and has none
                generate_string_key=PASSWORD,
                password_length=PASSWORD_LENGTH,
                exclude_punctuation=True,
            ),
        )
        # Of the major version alone, so that the next deployment does not undo what RDS upgrades by itself.
        version = rds.PostgresEngineVersion.of(str(server.version), str(server.version))
        engine = rds.DatabaseInstanceEngine.postgres(version=version)
        made = rds.DatabaseInstance(
            self,
            "Server",
            engine=engine,
            allow_major_version_upgrade=True,  # when the version that was asked for is another one
            auto_minor_version_upgrade=True,
            parameter_group=rds.ParameterGroup(self, "Parameters", engine=engine, parameters={"rds.force_ssl": "1"}),
            instance_identifier=server.name,
            instance_type=ec2.InstanceType(instance_class.removeprefix(CLASS)),
            database_name=server.database,
            credentials=rds.Credentials.from_password(server.user, secret.secret_value_from_json(PASSWORD)),
            port=server.port,
            vpc=vpc,
            subnet_group=rds.SubnetGroup.from_subnet_group_name(self, "SubnetsByName", subnets.ref),
            security_groups=[group],
            publicly_accessible=False,
            multi_az=multi_az,
            storage_type=rds.StorageType.GP3,
            storage_encrypted=True,
            allocated_storage=storage.count // GIB.count,
            max_allocated_storage=most_storage.count // GIB.count if most_storage > storage else None,
            backup_retention=cdk.Duration.days(keep.days),
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.SNAPSHOT,
        )
        self.instance: rds.IDatabaseInstance = made
        self.secret: secretsmanager.ISecret = secret
        for found, rule, reason in (
            (made, "AwsSolutions-RDS11", USUAL_PORT),
            *(() if multi_az else ((made, "AwsSolutions-RDS3", ONE_ZONE),)),
            (secret, "AwsSolutions-SMG4", NOT_ROTATED),
        ):
            cdk.Validations.of(found).acknowledge(cdk.Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason))
        for output, description, value in (
            ("Address", "Where the manifests find it: GRAFANA_POSTGRES_HOST.", made.db_instance_endpoint_address),
            ("Password", f"The secret whose property {PASSWORD} is the password, by name.", server.secret),
        ):
            cdk.CfnOutput(self, output, description=description, value=value)

    def _refuse_figures(self, instance_class: str, storage: Bytes, most: Bytes, keep: timedelta) -> None:
        name = self.server.name
        if not re.fullmatch(rf"{re.escape(CLASS)}[a-z0-9]+\.[a-z0-9]+", instance_class):
            raise ConstructError(
                f"{name} is to be a {instance_class!r}, which is no class of RDS: use one such as 'db.t4g.small'"
            )
        for size in (storage, most):
            if not SMALLEST <= size <= LARGEST or size.count % GIB.count:
                raise ConstructError(f"{name} has a storage of {size}: use whole gibibytes, from {SMALLEST} to 64Ti")
        if most != storage and most.count < GROWS_BY * storage.count:
            raise ConstructError(
                f"{name} has a storage of {storage} that grows to {most}: use a tenth more or above, or {storage}, "
                "so that it does not grow"
            )
        if not LEAST_KEEP <= keep <= MOST_KEEP or keep % LEAST_KEEP:
            raise ConstructError(
                f"{name} keeps its snapshots for {prometheus_duration(keep)}: use {LEAST_KEEP.days} to "
                f"{MOST_KEEP.days} whole days"
            )

    def _refuse_others(self) -> None:
        here = cdk.Stack.of(self)
        for other in self.node.root.node.find_all():
            if not isinstance(other, GrafanaDatabase) or other is self:
                continue
            there = cdk.Stack.of(other)
            if differ(here.region, there.region) or differ(here.account, there.account):
                continue
            for what, mine, its in (
                ("databases", self.server.name, other.server.name),
                ("secrets", self.server.secret, other.server.secret),
            ):
                if mine == its:
                    raise ConstructError(
                        f"there are two {what} {mine}, at {other.node.path} and {self.node.path}: name each apart"
                    )
