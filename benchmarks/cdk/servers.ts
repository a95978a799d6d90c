/** Alarms on servers and on drills, as constructs_lib/aws/prometheus_alarms.py and restore_drill_alarms.py make them. */

import * as cdk from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { Construct } from "constructs";

import { Alarms, dimensionsOf, filled, letTell } from "./alarms";
import { BackupPipeline, Origin, pathOf } from "./backup";
import { ServiceAccountRole } from "./roles";

const USAGE = "constructs-lib/prometheus";
const DRILLS = "constructs-lib/restore-drill";
const { BREACHING, IGNORE } = cloudwatch.TreatMissingData;

export interface PrometheusAlarmsProps {
  readonly pipeline: BackupPipeline;
  readonly origin: Origin;
  readonly alarms: Alarms;
}

export class PrometheusAlarms extends Construct {
  constructor(scope: Construct, id: string, { pipeline, origin, alarms }: PrometheusAlarmsProps) {
    super(scope, id);
    letTell(pipeline.roleOf(origin), USAGE);
    for (const replica of origin.replicas) {
      const source = `${pathOf(origin)}/${replica}`;
      const server = new Construct(this, source);
      const metric = (metricName: string): cloudwatch.Metric =>
        new cloudwatch.Metric({
          namespace: USAGE,
          metricName,
          dimensionsMap: dimensionsOf(origin, replica),
          statistic: "Average",
          period: cdk.Duration.minutes(5),
        });
      const held = {
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluationPeriods: 3,
      };
      alarms.add(server, "PrometheusCpuHigh", {
        ...held,
        metric: metric("CpuUsed"),
        threshold: 80,
        treatMissingData: IGNORE,
        alarmDescription:
          `${source} used more than 80 % of the processor time that its limit allows, for 15m: find what asks it for ` +
          "so much, or raise the limit.",
      });
      alarms.add(server, "PrometheusMemoryHigh", {
        ...held,
        metric: metric("MemoryUsed"),
        threshold: 85,
        treatMissingData: IGNORE,
        alarmDescription:
          `${source} held more than 85 % of the memory that its limit allows, for 15m: find what is new, or raise ` +
          "the limit, before it is killed and has to replay its log.",
      });
      alarms.add(server, "PrometheusDiskAlmostFull", {
        ...held,
        metric: metric("VolumeUsed"),
        threshold: 85,
        treatMissingData: IGNORE,
        alarmDescription:
          `More than 85 % of the volume of ${source} was used, for 15m: enlarge the volume, or lower the retention.`,
      });
      alarms.add(server, "PrometheusUsageUnknown", {
        ...held,
        metric: filled(metric("VolumeUsed"), 200),
        threshold: 100,
        treatMissingData: BREACHING,
        alarmDescription:
          `The agent of ${source} told nobody what it uses, for 15m: see whether the pod runs, or is being restored.`,
      });
    }
  }
}

export interface RestoreDrillAlarmsProps {
  readonly origin: Origin;
  readonly drill: ServiceAccountRole;
  readonly drillHours: number;
  readonly alarms: Alarms;
}

export class RestoreDrillAlarms extends Construct {
  constructor(scope: Construct, id: string, { origin, drill, drillHours, alarms }: RestoreDrillAlarmsProps) {
    super(scope, id);
    letTell(drill.role, DRILLS);
    const days = origin.replicas.length;
    for (const replica of origin.replicas) {
      const source = `${pathOf(origin)}/${replica}`;
      const success = new cloudwatch.Metric({
        namespace: DRILLS,
        metricName: "RestoreDrillSucceeded",
        dimensionsMap: dimensionsOf(origin, replica),
        statistic: "Maximum",
        period: cdk.Duration.hours(1),
      });
      alarms.add(new Construct(this, source), "RestoreDrillTooOld", {
        metric: filled(success, 0),
        comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        threshold: 1,
        evaluationPeriods: 24 * days + drillHours,
        treatMissingData: BREACHING,
        alarmDescription:
          `No drill has restored the newest point of ${source} with success for more than ${days}d${drillHours}h, or ` +
          "none could tell: see what its last Job said.",
      });
    }
  }
}
