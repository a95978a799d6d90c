/** What a site chooses, as in apps/environments.py: what AWS is asked for, and nothing else. */

export interface Environment {
  readonly cluster: string;
  readonly namespace: string;
  readonly region: string;
  readonly logsBucket: string;
  readonly backupBucket: string;
  readonly keepDays: number;
  readonly expiryDays: number;
  readonly prometheusReplicas: number;
  readonly oldestHours: number;
  readonly drillHours: number;
  readonly emails: readonly string[];
  readonly runbooks: string;
}

const PROD: Environment = {
  cluster: "insurance-lead-gen-prod",
  namespace: "monitoring",
  region: "us-east-1",
  logsBucket: "replace-me-prod-logs",
  backupBucket: "replace-me-prod-backup",
  keepDays: 30,
  expiryDays: 90,
  prometheusReplicas: 2,
  oldestHours: 26,
  drillHours: 4,
  emails: ["platform@insurance-lead-gen.com"],
  runbooks: "https://runbooks.insurance-lead-gen.com",
};

const STAGING: Environment = {
  ...PROD,
  cluster: "insurance-lead-gen-staging",
  logsBucket: "replace-me-staging-logs",
  backupBucket: "replace-me-staging-backup",
  prometheusReplicas: 1,
  emails: [],
};

export const ENVIRONMENTS: Readonly<Record<string, Environment>> = { prod: PROD, staging: STAGING };
