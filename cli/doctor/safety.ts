/**
 * Finds settings that would lose events later on, by the variables and the backend's capabilities alone.
 *
 * @module
 */
import { DEFAULT_LEASE_MS } from "../../core/defaults.ts";
import type { Env, Finding, LeasingBackend, QueueDepth } from "../../core/protocol.ts";

/** Entries that a Python publisher keeps where its own variable names no other number. */
const PYTHON_MAXLEN = 10_000;

/** The part of it that may wait before it is near. */
const NEAR = 0.8;

/** Seconds for which RabbitMQ leaves a delivery with a consumer, unless its `consumer_timeout` says otherwise. */
const RABBITMQ_CONSUMER_TIMEOUT_S = 1_800;

/** Seconds to live below which a restart, or a broker that is away, costs events. */
const SHORT_LIFE_S = 600;

/** The installation that is examined. */
export interface Installation {
  readonly backend: LeasingBackend;
  readonly env: Env;
  readonly key: string;
  /** The counts of the key; undefined where they could not be asked for. */
  readonly depth: QueueDepth | undefined;
  /** Seconds of the longest handler, where the operator named them. */
  readonly handlerSeconds: number | undefined;
}

/** Looks at all of it. */
export function* unsafe(installation: Installation): Generator<Finding> {
  yield* durability(installation);
  yield* trimming(installation);
  yield* leases(installation);
  yield* limits(installation);
}

function* durability({ backend }: Installation): Generator<Finding> {
  if (backend.capabilities.durable) return;
  yield {
    severity: "error",
    setting: "QUEUE_BACKEND",
    problem: `${backend.name} keeps events in the process alone: they die with it`,
    repair: "set QUEUE_BACKEND=sqlite for one computer, or redis, upstash, cloudflare or rabbitmq for several",
  };
}

/** A Python publisher trims the stream to this number of entries, unsettled ones too. */
function* trimming({ backend, env, key, depth }: Installation): Generator<Finding> {
  const named = Number(env.REDIS_STREAM_MAXLEN);
  const streams = backend.name === "redis" || backend.name === "upstash";
  const shared = streams && (named > 0 || key.startsWith("slack:"));
  if (!shared || depth === undefined) return;
  const most = named > 0 ? named : PYTHON_MAXLEN;
  const waiting = depth.ready + depth.inFlight + depth.blocked;
  if (waiting <= most * NEAR) return;
  yield {
    severity: waiting > most ? "error" : "warning",
    setting: "REDIS_STREAM_MAXLEN",
    problem: `${waiting} events of ${key} are unsettled, and a Python publisher keeps about ${most} entries ` +
      "(REDIS_STREAM_MAXLEN): it removes the oldest, settled or not",
    repair: "raise REDIS_STREAM_MAXLEN of the Python server above the backlog, publish from here, or start consumers",
  };
}

function* leases({ backend, handlerSeconds }: Installation): Generator<Finding> {
  if (handlerSeconds === undefined) return;
  const lease = DEFAULT_LEASE_MS / 1_000;
  if (!backend.capabilities.extend && handlerSeconds >= lease) {
    yield {
      severity: "error",
      setting: "lease",
      problem:
        `a handler runs for up to ${handlerSeconds} s, and ${backend.name} cannot renew a lease of ${lease} s: ` +
        "another consumer gets the event meanwhile",
      repair: "make handlers shorter, such as by a task that the handler only starts, or use another backend",
    };
  }
  if (backend.name === "rabbitmq" && handlerSeconds >= RABBITMQ_CONSUMER_TIMEOUT_S) {
    yield {
      severity: "error",
      setting: "consumer_timeout",
      problem:
        `a handler runs for up to ${handlerSeconds} s, and RabbitMQ closes a channel that holds a delivery for ` +
        `${RABBITMQ_CONSUMER_TIMEOUT_S} s`,
      repair: "raise consumer_timeout in rabbitmq.conf (milliseconds), or make handlers shorter",
    };
  }
}

/** Settings that are right by themselves, and too tight for what is there. */
function* limits({ backend, env, key, depth }: Installation): Generator<Finding> {
  const prefix = backend.name.toUpperCase();
  const numberOf = (name: string) => Number(env[`${prefix}_${name}`] || NaN);
  const lease = DEFAULT_LEASE_MS / 1_000;
  const timeout = numberOf("TIMEOUT");
  if (timeout >= lease) {
    yield {
      severity: "warning",
      setting: `${prefix}_TIMEOUT`,
      problem:
        `${prefix}_TIMEOUT is ${timeout} s, and a lease ${lease} s: one lost answer, and another consumer gets ` +
        "the event while its handler runs",
      repair: `set ${prefix}_TIMEOUT to 5`,
    };
  }
  const life = numberOf("MESSAGE_TTL");
  if (life < SHORT_LIFE_S) {
    yield {
      severity: "warning",
      setting: `${prefix}_MESSAGE_TTL`,
      problem: `an event that nobody has handled within ${life} s is gone (${prefix}_MESSAGE_TTL)`,
      repair: `leave ${prefix}_MESSAGE_TTL out, or set it to more than consumers are ever away, such as 86400`,
    };
  }
  const most = numberOf("MAX_LENGTH");
  const waiting = depth === undefined ? 0 : depth.ready + depth.inFlight + depth.delayed + depth.blocked;
  if (waiting > most * NEAR) {
    yield {
      severity: waiting >= most ? "error" : "warning",
      setting: `${prefix}_MAX_LENGTH`,
      problem: `${waiting} events of ${key} wait, and ${prefix}_MAX_LENGTH is ${most}: ${
        waiting >= most ? "publishes are refused" : "soon publishes are refused"
      }`,
      repair: `start consumers, or raise ${prefix}_MAX_LENGTH`,
    };
  }
}
