/** Restore points, as constructs_lib/aws/backup_pipeline.py has them. */

import * as iam from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";

import { RestorePointBucket, RestorePointBucketProps } from "./buckets";
import { ServiceAccountRole } from "./roles";

/** Whose restore points they are: the pods of a component, or its one database. */
export interface Origin {
  readonly cluster: string;
  readonly namespace: string;
  readonly component: string;
  readonly replicas: readonly string[];
  readonly database: boolean;
}

export function pathOf({ cluster, namespace, component }: Origin): string {
  return `${cluster}/${namespace}/${component}`;
}

function prefixesOf(origin: Origin): string[] {
  return (origin.database ? ["points/"] : ["blocks/", "points/"]).map((top) => `${top}${pathOf(origin)}/`);
}

export interface BackupPipelineProps {
  readonly points: RestorePointBucketProps;
  readonly origins: readonly Origin[];
}

export class BackupPipeline extends Construct {
  readonly bucket: RestorePointBucket;
  private readonly roles = new Map<Origin, ServiceAccountRole>();

  constructor(scope: Construct, id: string, { points, origins }: BackupPipelineProps) {
    super(scope, id);
    this.bucket = new RestorePointBucket(this, "Bucket", points);
    for (const origin of origins) {
      const { cluster, namespace, component } = origin;
      const made = new ServiceAccountRole(this, pathOf(origin), { cluster, namespace, serviceAccount: component });
      for (const prefix of prefixesOf(origin)) {
        this.bucket.grant(made.role, "add", prefix);
      }
      this.roles.set(origin, made);
    }
  }

  addDrill(origin: Origin): ServiceAccountRole {
    const { cluster, namespace } = origin;
    const serviceAccount = "restore-drill";
    const made = new ServiceAccountRole(this, `${pathOf(origin)}/${serviceAccount}`, {
      cluster,
      namespace,
      serviceAccount,
    });
    this.grantRead(made.role, origin);
    return made;
  }

  /** Of one of its origins. */
  roleOf(origin: Origin): iam.Role {
    const found = this.roles.get(origin);
    if (!found) {
      throw new Error(`there are no restore points of ${pathOf(origin)}`);
    }
    return found.role;
  }

  grantRead(grantee: iam.Role, origin: Origin): void {
    for (const prefix of prefixesOf(origin)) {
      this.bucket.grant(grantee, "read", prefix);
    }
  }
}
