/** What starts backups, as constructs_lib/aws/backup_schedule.py makes it. */

import * as cdk from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as scheduler from "aws-cdk-lib/aws-scheduler";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";

import { BackupPipeline, Origin } from "./backup";
import { roleOfSchedules } from "./roles";

const TAKE = ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"];
const NO_DEAD_LETTERS =
  "A message says that it is time and nothing else, so there is nothing to look at in one that was not taken. Its " +
  "agent starts by itself soon afterwards, and a restore point that is not made is missed by who watches their age.";

export interface BackupScheduleProps {
  readonly pipeline: BackupPipeline;
  readonly origin: Origin;
  readonly hour: number;
  readonly timeZone: string;
}

export class BackupSchedule extends Construct {
  constructor(scope: Construct, id: string, private readonly props: BackupScheduleProps) {
    super(scope, id);
    const { pipeline, origin } = props;
    const group = new scheduler.CfnScheduleGroup(this, "Group");
    const role = roleOfSchedules(this, "Role", group, "Of the schedules that start backups.");
    const queues = origin.replicas.map((replica) => this.start(replica, group, role));
    const resourceArns = queues.map((queue) => queue.queueArn);
    iam.Grant.addToPrincipal({ grantee: pipeline.roleOf(origin), actions: TAKE, resourceArns });
    iam.Grant.addToPrincipal({ grantee: role, actions: ["sqs:SendMessage"], resourceArns });
  }

  private start(replica: string, group: scheduler.CfnScheduleGroup, role: iam.Role): sqs.Queue {
    const { origin, hour, timeZone } = this.props;
    const queueName = `${origin.cluster}_${origin.namespace}_${replica}`;
    const scope = new Construct(this, queueName);
    const queue = new sqs.Queue(scope, "Queue", {
      queueName,
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: cdk.Duration.hours(12),
    });
    cdk.Validations.of(queue).acknowledge({ id: "AwsSolutions::AwsSolutions-SQS3", reason: NO_DEAD_LETTERS });
    new scheduler.CfnSchedule(scope, "Schedule", {
      groupName: group.ref,
      scheduleExpression: `cron(0 ${hour} * * ? *)`,
      scheduleExpressionTimezone: timeZone,
      state: "ENABLED",
      flexibleTimeWindow: { mode: "OFF" },
      target: {
        arn: queue.queueArn,
        roleArn: role.roleArn,
        input: "start",
        retryPolicy: { maximumEventAgeInSeconds: 3600 },
      },
    });
    return queue;
  }
}
