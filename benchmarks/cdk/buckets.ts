/** Buckets of S3, as constructs_lib/aws/bucket.py makes them. */

import * as cdk from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";

const PLACEHOLDER = "replace-me";
const PUT = ["s3:PutObject", "s3:AbortMultipartUpload"];
const ON_OBJECTS = {
  read: ["s3:GetObject"],
  add: ["s3:GetObject", ...PUT],
  write: ["s3:GetObject", ...PUT, "s3:DeleteObject"],
};
const NO_ACCESS_LOG =
  "Its objects are read and written by roles of single service accounts: who wants each request on record turns on " +
  "CloudTrail's data events, which name the role. Access logs are kept in a bucket that needs the same again, come " +
  "hours later, and not all of them.";
const BELOW_PREFIX =
  "The objects come to be later: the right is on those below the prefix of one service account.";

export interface PrivateBucketProps {
  readonly bucketName: string;
  readonly region: string;
  readonly versioned: boolean;
  readonly lifecycle?: s3.LifecycleRule[];
}

export class PrivateBucket extends Construct {
  readonly resource: s3.Bucket;

  constructor(scope: Construct, id: string, props: PrivateBucketProps) {
    super(scope, id);
    this.resource = new s3.Bucket(this, "Resource", {
      bucketName: props.bucketName,
      versioned: props.versioned,
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      lifecycleRules: [
        ...(props.lifecycle ?? []),
        { id: "unfinished-uploads", abortIncompleteMultipartUploadAfter: cdk.Duration.days(7) },
      ],
      removalPolicy: cdk.RemovalPolicy.RETAIN,
    });
    this.resource.policy?.applyRemovalPolicy(cdk.RemovalPolicy.RETAIN);
    cdk.Validations.of(this.resource).acknowledge({ id: "AwsSolutions::AwsSolutions-S1", reason: NO_ACCESS_LOG });
    this.assertWhenDeployed(props);
  }

  grant(grantee: iam.Role, rights: keyof typeof ON_OBJECTS, prefix = ""): void {
    iam.Grant.addToPrincipal({
      grantee,
      actions: ON_OBJECTS[rights],
      resourceArns: [this.resource.arnForObjects(`${prefix}*`)],
    });
    iam.Grant.addToPrincipal({
      grantee,
      actions: ["s3:ListBucket"],
      resourceArns: [this.resource.bucketArn],
      conditions: prefix ? { StringLike: { "s3:prefix": [`${prefix}*`] } } : undefined,
    });
    const arn = `<${cdk.Stack.of(this).getLogicalId(this.resource.node.defaultChild as cdk.CfnElement)}.Arn>`;
    cdk.Validations.of(grantee).acknowledge({
      id: `AwsSolutions::AwsSolutions-IAM5[Resource::${arn}/${prefix}*]`,
      reason: BELOW_PREFIX,
    });
  }

  private assertWhenDeployed({ bucketName, region }: PrivateBucketProps): void {
    new cdk.CfnRule(this, "Chosen", {
      assertions: [
        {
          assert: cdk.Fn.conditionNot(
            cdk.Fn.conditionEquals(bucketName.slice(0, PLACEHOLDER.length), PLACEHOLDER),
          ),
          assertDescription:
            `The bucket ${bucketName} bears the placeholder ${PLACEHOLDER}, but names are of all of AWS: set the ` +
            "environment's BUCKET_PREFIX to one of your own, and render and apply both halves again.",
        },
      ],
    });
    new cdk.CfnRule(this, "Region", {
      assertions: [
        {
          assert: cdk.Fn.conditionEquals(cdk.Aws.REGION, region),
          assertDescription:
            `The bucket ${bucketName} is expected in ${region}: deploy there, or set the environment's REGION, and ` +
            "render and apply both halves again.",
        },
      ],
    });
  }
}

export interface RestorePointBucketProps {
  readonly bucketName: string;
  readonly region: string;
  readonly keepDays: number;
  readonly expiryDays: number;
}

export class RestorePointBucket extends PrivateBucket {
  constructor(scope: Construct, id: string, props: RestorePointBucketProps) {
    super(scope, id, {
      bucketName: props.bucketName,
      region: props.region,
      versioned: true,
      lifecycle: [
        { id: "points", prefix: "points/", expiration: cdk.Duration.days(props.keepDays) },
        {
          id: "everything",
          expiration: cdk.Duration.days(props.expiryDays),
          noncurrentVersionExpiration: cdk.Duration.days(30),
        },
        { id: "delete-markers", expiredObjectDeleteMarker: true },
      ],
    });
  }
}
