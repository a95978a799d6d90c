/** The AWS half of the stack, as apps/aws.py assembles it: the app of the command line of CDK. */

import { readFileSync } from "node:fs";

import * as cdk from "aws-cdk-lib";
import { Construct } from "constructs";

import { Alarms } from "./alarms";
import { BackupPipeline, Origin } from "./backup";
import { PrivateBucket } from "./buckets";
import { Notifications } from "./notifications";
import { ServiceAccountRole } from "./roles";
import { BackupSchedule } from "./schedule";
import { PrometheusAlarms, RestoreDrillAlarms } from "./servers";
import { Environment, ENVIRONMENTS } from "./values";
import { BackupWatch } from "./watch";

/** With the feature flags of cdk.json, wherever it is started from; and telling nobody. */
export function newApp(outdir?: string): cdk.App {
  const { context } = JSON.parse(readFileSync("cdk.json", "utf8"));
  return new cdk.App({ outdir, context, analyticsReporting: false });
}

export function stacks(app: cdk.App, name: string): void {
  const values = ENVIRONMENTS[name];
  const stack = (id: string, description: string, code: boolean): cdk.Stack =>
    new cdk.Stack(app, id, {
      stackName: `${id}-${name}`,
      description,
      env: { region: values.region },
      synthesizer: new cdk.DefaultStackSynthesizer({ generateBootstrapVersionRule: code }),
    });
  store(stack("MonitoringStores", "Where the programs of the monitoring keep their data.", false), values);
  backUp(stack("MonitoringBackup", "Restore points, who may add to them, and who looks at them.", true), values);
}

function store(stack: cdk.Stack, { cluster, namespace, region, logsBucket }: Environment): void {
  const logs = new Construct(stack, "Logs");
  const bucket = new PrivateBucket(logs, "Bucket", { bucketName: logsBucket, region, versioned: false });
  const user = new ServiceAccountRole(logs, "User", { cluster, namespace, serviceAccount: "loki" });
  bucket.grant(user.role, "write");
}

function backUp(stack: cdk.Stack, values: Environment): void {
  const { cluster, namespace, region, backupBucket, keepDays, expiryDays } = values;
  const { oldestHours, drillHours, emails, runbooks } = values;
  const points = { bucketName: backupBucket, region, keepDays, expiryDays };
  const replicas = Array.from({ length: values.prometheusReplicas }, (_, ordinal) => `prometheus-${ordinal}`);
  const prometheus: Origin = { cluster, namespace, component: "prometheus", replicas, database: false };
  const database: Origin = {
    cluster,
    namespace,
    component: "grafana-backup",
    replicas: ["database"],
    database: true,
  };
  const origins = [prometheus, database];
  const pipeline = new BackupPipeline(stack, "RestorePoints", { points, origins });
  const drill = pipeline.addDrill(prometheus);
  new BackupSchedule(stack, "Schedule", { pipeline, origin: prometheus, hour: 2, timeZone: "Etc/UTC" });
  const notifications = emails.length ? new Notifications(stack, "Alarms", { emails }) : undefined;
  const alarms = new Alarms(runbooks, notifications);
  new BackupWatch(stack, "Watch", { pipeline, origins, points, oldestHours, alarms });
  new PrometheusAlarms(stack, "Servers", { pipeline, origin: prometheus, alarms });
  new RestoreDrillAlarms(stack, "Drill", { origin: prometheus, drill, drillHours, alarms });
}

if (require.main === module) {
  const app = newApp();
  stacks(app, app.node.tryGetContext("env") ?? "prod");
  app.synth();
}
