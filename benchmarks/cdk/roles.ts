/** Roles that pods get by their service accounts, as constructs_lib/aws/roles.py makes them, and of schedules. */

import * as cdk from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as scheduler from "aws-cdk-lib/aws-scheduler";
import { Construct } from "constructs";

export interface Identity {
  readonly cluster: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

export class ServiceAccountRole extends Construct {
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, { cluster, namespace, serviceAccount }: Identity) {
    super(scope, id);
    const pods = new iam.ServicePrincipal("pods.eks.amazonaws.com", {
      conditions: {
        StringEquals: {
          "aws:SourceAccount": cdk.Aws.ACCOUNT_ID,
          "aws:RequestTag/eks-cluster-name": cluster,
          "aws:RequestTag/kubernetes-namespace": namespace,
          "aws:RequestTag/kubernetes-service-account": serviceAccount,
        },
      },
    });
    this.role = new iam.Role(this, "Role", {
      assumedBy: pods.withSessionTags(),
      description: `Of ${serviceAccount} in ${namespace} of the cluster ${cluster}.`,
    });
    new cdk.CfnResource(this, "Association", {
      type: "AWS::EKS::PodIdentityAssociation",
      properties: {
        ClusterName: cluster,
        Namespace: namespace,
        RoleArn: this.role.roleArn,
        ServiceAccount: serviceAccount,
      },
    });
  }
}

/** As constructs_lib/aws/schedules.py makes it. */
export function roleOfSchedules(
  scope: Construct,
  id: string,
  group: scheduler.CfnScheduleGroup,
  description: string,
): iam.Role {
  return new iam.Role(scope, id, {
    assumedBy: new iam.ServicePrincipal("scheduler.amazonaws.com", {
      conditions: {
        StringEquals: { "aws:SourceAccount": cdk.Aws.ACCOUNT_ID, "aws:SourceArn": group.attrArn },
      },
    }),
    description,
  });
}
