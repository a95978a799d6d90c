/** What alarms have in common, as constructs_lib/aws/alarms.py has it. */

import * as cdk from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as iam from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";

import { Origin } from "./backup";
import { Notifications } from "./notifications";

const NO_NAMES =
  "CloudWatch knows no names of metrics in policies: the right is on one namespace of them, by condition.";

export class Alarms {
  constructor(
    private readonly runbooks: string,
    private readonly notifications?: Notifications,
  ) {}

  add(scope: Construct, name: string, props: cloudwatch.AlarmProps): void {
    const alarmDescription = `${props.alarmDescription} ${this.runbooks}/${name}.md`;
    const alarm = new cloudwatch.Alarm(scope, name, { ...props, alarmDescription });
    this.notifications?.addAlarm(alarm);
  }
}

/** A metric that says something in each period. */
export function filled(metric: cloudwatch.Metric, silence: number): cloudwatch.MathExpression {
  return new cloudwatch.MathExpression({
    expression: `FILL(said, ${silence})`,
    usingMetrics: { said: metric },
    label: metric.metricName,
    period: metric.period,
  });
}

export function letTell(role: iam.Role, namespace: string): void {
  role.addToPolicy(
    new iam.PolicyStatement({
      actions: ["cloudwatch:PutMetricData"],
      resources: ["*"],
      conditions: { StringEquals: { "cloudwatch:namespace": namespace } },
    }),
  );
  cdk.Validations.of(role).acknowledge({ id: "AwsSolutions::AwsSolutions-IAM5[Resource::*]", reason: NO_NAMES });
}

export function dimensionsOf({ cluster, namespace, component }: Origin, replica?: string): Record<string, string> {
  return {
    Cluster: cluster,
    Namespace: namespace,
    Component: component,
    ...(replica === undefined ? {} : { Replica: replica }),
  };
}
