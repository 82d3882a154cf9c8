/**
 * The fields that the objects of Kubernetes have, as far as the example uses them: a misspelt one is found, which a
 * cluster would ignore or refuse.
 *
 * @module
 */
import type { Yaml } from "./deployment.ts";

/** Fields by name: with a shape, or anything. `*` stands for every name. */
type Shape = { readonly [Field in string]: Shape | true };

const LABELS: Shape = { "*": true };
const METADATA: Shape = { name: true, namespace: true, labels: LABELS, annotations: LABELS };
const SELECTOR: Shape = { matchLabels: LABELS };
const SECCOMP: Shape = { type: true, localhostProfile: true };
const KEY_REF: Shape = { name: true, key: true, optional: true };

const PROBE: Shape = {
  httpGet: { path: true, port: true, scheme: true },
  tcpSocket: { port: true },
  initialDelaySeconds: true,
  periodSeconds: true,
  timeoutSeconds: true,
  successThreshold: true,
  failureThreshold: true,
};

const CONTAINER: Shape = {
  name: true,
  image: true,
  imagePullPolicy: true,
  command: true,
  args: true,
  envFrom: { configMapRef: { name: true, optional: true }, secretRef: { name: true, optional: true } },
  env: { name: true, value: true, valueFrom: { secretKeyRef: KEY_REF, configMapKeyRef: KEY_REF } },
  ports: { name: true, containerPort: true, protocol: true },
  readinessProbe: PROBE,
  livenessProbe: PROBE,
  startupProbe: PROBE,
  lifecycle: { preStop: { sleep: { seconds: true }, exec: { command: true } } },
  resources: { requests: { cpu: true, memory: true }, limits: { cpu: true, memory: true } },
  securityContext: {
    allowPrivilegeEscalation: true,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: true,
    capabilities: { drop: true, add: true },
    seccompProfile: SECCOMP,
  },
  volumeMounts: { name: true, mountPath: true, readOnly: true },
};

const POD: Shape = {
  automountServiceAccountToken: true,
  serviceAccountName: true,
  terminationGracePeriodSeconds: true,
  securityContext: { runAsNonRoot: true, runAsUser: true, runAsGroup: true, fsGroup: true, seccompProfile: SECCOMP },
  containers: CONTAINER,
  volumes: { name: true, emptyDir: LABELS },
};

const SPECS: Readonly<Record<string, Shape>> = {
  "v1 ConfigMap": { data: LABELS },
  "apps/v1 Deployment": {
    spec: {
      replicas: true,
      selector: SELECTOR,
      strategy: { type: true, rollingUpdate: { maxUnavailable: true, maxSurge: true } },
      template: { metadata: METADATA, spec: POD },
    },
  },
  "v1 Service": {
    spec: { type: true, selector: LABELS, ports: { name: true, port: true, targetPort: true, protocol: true } },
  },
  "policy/v1 PodDisruptionBudget": { spec: { minAvailable: true, maxUnavailable: true, selector: SELECTOR } },
};

/** Returns the paths of fields that an object of this kind has not. */
export function unknownFields(object: Yaml): string[] {
  const kind = `${object.apiVersion} ${object.kind}`;
  const shape = SPECS[kind];
  if (shape === undefined) return [`${kind} is not known`];
  return [...walk(object, { apiVersion: true, kind: true, metadata: METADATA, ...shape }, kind)];
}

function* walk(value: Yaml, shape: Shape | true, path: string): Generator<string> {
  if (shape === true) return;
  if (Array.isArray(value)) {
    for (const [i, entry] of value.entries()) yield* walk(entry, shape, `${path}[${i}]`);
    return;
  }
  if (typeof value !== "object" || value === null) {
    yield `${path} must be an object`;
    return;
  }
  for (const [name, inner] of Object.entries(value)) {
    const known = shape[name] ?? shape["*"];
    if (known === undefined) yield `${path}.${name}`;
    else yield* walk(inner, known, `${path}.${name}`);
  }
}
