/** Who looks at restore points, as constructs_lib/aws/backup_watch.py makes it. */

import * as cdk from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as destinations from "aws-cdk-lib/aws-lambda-destinations";
import * as logs from "aws-cdk-lib/aws-logs";
import * as scheduler from "aws-cdk-lib/aws-scheduler";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";

import { Alarms, dimensionsOf, filled, letTell } from "./alarms";
import { BackupPipeline, Origin, pathOf } from "./backup";
import { RestorePointBucketProps } from "./buckets";
import { roleOfSchedules } from "./roles";

const NAMESPACE = "constructs-lib/backup";
const ATTEMPTS = 2;
const DAY = 86400;
/** What of the clone is the function: FILES of the original, as its `_all_but` says it. */
const FILES = [
  "__init__.py",
  "cloudwatch.py",
  "errors.py",
  "restore_point.py",
  "watch/__init__.py",
  "watch/contract.py",
  "watch/handler.py",
  "watch/verify.py",
];
const FOLDERS = ["", "/watch"];
const EXCLUDED = [
  "/*",
  ...FOLDERS.flatMap((folder) => [`!/constructs_lib${folder}`, `/constructs_lib${folder}/*`]),
  ...FILES.map((file) => `!/constructs_lib/${file}`),
];
const { GREATER_THAN_THRESHOLD, LESS_THAN_THRESHOLD } = cloudwatch.ComparisonOperator;
const { BREACHING, NOT_BREACHING } = cloudwatch.TreatMissingData;
const IS_LAST =
  "What Lambda or the scheduler gave up is in this queue, and an alarm is on it: nothing takes it from there.";

export interface BackupWatchProps {
  readonly pipeline: BackupPipeline;
  readonly origins: readonly Origin[];
  readonly points: RestorePointBucketProps;
  readonly oldestHours: number;
  readonly alarms: Alarms;
}

export class BackupWatch extends Construct {
  private readonly every = cdk.Duration.hours(1);
  private readonly role: iam.Role;
  private readonly deadLetters: sqs.Queue;
  private readonly function: lambda.Function;

  constructor(scope: Construct, id: string, private readonly props: BackupWatchProps) {
    super(scope, id);
    this.role = new iam.Role(this, "Role", {
      assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
      description: `Of the watch over restore points in ${props.points.bucketName}.`,
    });
    this.deadLetters = new sqs.Queue(this, "DeadLetters", {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: cdk.Duration.days(14),
    });
    cdk.Validations.of(this.deadLetters).acknowledge({ id: "AwsSolutions::AwsSolutions-SQS3", reason: IS_LAST });
    this.function = this.makeFunction();
    for (const origin of props.origins) {
      props.pipeline.grantRead(this.role, origin);
    }
    this.schedule();
    for (const origin of props.origins) {
      for (const name of origin.replicas) {
        this.watch(origin, name);
      }
    }
    this.watchItself();
  }

  private makeFunction(): lambda.Function {
    const { points, origins } = this.props;
    const logGroup = new logs.LogGroup(this, "Log", {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: cdk.RemovalPolicy.DESTROY,
    });
    logGroup.grantWrite(this.role);
    letTell(this.role, NAMESPACE);
    const watched = {
      bucket: points.bucketName,
      region: points.region,
      sources: origins.flatMap((origin) => origin.replicas.map((name) => `${pathOf(origin)}/${name}`)),
      keep: points.keepDays * DAY,
      every: this.every.toSeconds(),
    };
    return new lambda.Function(this, "Function", {
      description: `Looks at the restore points in ${points.bucketName}.`,
      runtime: lambda.Runtime.PYTHON_3_14,
      handler: "constructs_lib.watch.handler.handler",
      // Of the directory of cdk.json, in which the command line starts an app.
      code: lambda.Code.fromAsset(process.cwd(), { exclude: EXCLUDED, ignoreMode: cdk.IgnoreMode.GIT }),
      environment: { WATCHED: JSON.stringify(watched) },
      role: this.role,
      logGroup,
      loggingFormat: lambda.LoggingFormat.JSON,
      applicationLogLevelV2: lambda.ApplicationLogLevel.INFO,
      systemLogLevelV2: lambda.SystemLogLevel.WARN,
      memorySize: 1024,
      timeout: cdk.Duration.minutes(15),
      retryAttempts: ATTEMPTS,
      maxEventAge: this.every,
      onFailure: new destinations.SqsDestination(this.deadLetters),
    });
  }

  private schedule(): void {
    const group = new scheduler.CfnScheduleGroup(this, "Schedules");
    const role = roleOfSchedules(this, "Starter", group, `Of the schedule of ${this.node.path}.`);
    role.addToPolicy(
      new iam.PolicyStatement({ actions: ["lambda:InvokeFunction"], resources: [this.function.functionArn] }),
    );
    role.addToPolicy(
      new iam.PolicyStatement({ actions: ["sqs:SendMessage"], resources: [this.deadLetters.queueArn] }),
    );
    const schedule = new scheduler.CfnSchedule(this, "Schedule", {
      groupName: group.ref,
      scheduleExpression: scheduler.ScheduleExpression.rate(this.every).expressionString,
      state: "ENABLED",
      flexibleTimeWindow: { mode: "OFF" },
      target: {
        arn: this.function.functionArn,
        roleArn: role.roleArn,
        input: `{"time": "${scheduler.ContextAttribute.scheduledTime}"}`,
        retryPolicy: { maximumRetryAttempts: ATTEMPTS, maximumEventAgeInSeconds: this.every.toSeconds() },
        deadLetterConfig: { arn: this.deadLetters.queueArn },
      },
    });
    schedule.node.addDependency(role);
  }

  private watch(origin: Origin, name: string): void {
    const source = `${pathOf(origin)}/${name}`;
    const dimensionsMap = dimensionsOf(origin, name);
    const replica = new Construct(this, source);
    const metric = (metricName: string, statistic: string, period: cdk.Duration): cloudwatch.Metric =>
      new cloudwatch.Metric({ namespace: NAMESPACE, metricName, dimensionsMap, statistic, period });
    const oldest = this.props.oldestHours * 3600;
    this.props.alarms.add(replica, "RestorePointTooOld", {
      metric: filled(metric("RestorePointAge", "Maximum", this.every), 2 * oldest),
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: oldest,
      evaluationPeriods: 2,
      treatMissingData: BREACHING,
      alarmDescription:
        `The newest restore point of ${source} is older than ${spelled(this.props.oldestHours)}, or nobody looks at ` +
        "it.",
    });
    this.props.alarms.add(replica, "RestorePointNotWhole", {
      metric: filled(metric("RestorePointWhole", "Minimum", cdk.Duration.seconds(DAY)), 0),
      comparisonOperator: LESS_THAN_THRESHOLD,
      threshold: 1,
      evaluationPeriods: 1,
      treatMissingData: BREACHING,
      alarmDescription:
        `The newest restore point of ${source} was not whole within the last day, or nobody looked at it: the log of ` +
        "the watch says what is wrong.",
    });
    this.props.alarms.add(replica, "RestorePointPutOff", {
      metric: metric("RestorePointPutOff", "Maximum", cdk.Duration.seconds(DAY)),
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: 6,
      datapointsToAlarm: 3,
      treatMissingData: NOT_BREACHING,
      alarmDescription:
        `Objects of the newest restore point of ${source} are put off when it is their turn to be read again, on 3 ` +
        "days of 6: the log of the watch says which.",
    });
  }

  private watchItself(): void {
    this.props.alarms.add(this, "BackupWatchFailing", {
      metric: this.function.metricErrors({ period: this.every }),
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: 3,
      treatMissingData: NOT_BREACHING,
      alarmDescription:
        "The watch over restore points fails again and again, though it may succeed when it is tried again: its log " +
        "says what.",
    });
    this.props.alarms.add(this, "BackupWatchGaveUp", {
      metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({ statistic: "Maximum" }),
      comparisonOperator: GREATER_THAN_THRESHOLD,
      threshold: 0,
      evaluationPeriods: 1,
      treatMissingData: NOT_BREACHING,
      alarmDescription: "A look at restore points was given up: read the messages of the queue, then delete them.",
    });
  }
}

/** As Python spells a timedelta. */
function spelled(hours: number): string {
  const days = Math.floor(hours / 24);
  return `${days ? `${days} day${days > 1 ? "s" : ""}, ` : ""}${hours % 24}:00:00`;
}
