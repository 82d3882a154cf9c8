/**
 * The variables that belong to a failure, and what to do about each.
 *
 * @module
 */
import { QueueError } from "../../core/errors.ts";
import type { Finding } from "../../core/protocol.ts";
import { messageOf } from "../../core/util/redact.ts";

/** The variables of a backend. */
interface Variables {
  /** Where the broker is. */
  readonly address: string;
  /** The variables with the credentials. */
  readonly credentials: string;
  /** The user that the credentials belong to. */
  readonly user: string;
  /** The setting that limits how much the server holds, and the repair when it is full. */
  readonly room: readonly [setting: string, repair: string];
  /** How an operator permits what this process may not do. */
  permit(key: string): string;
}

const KNOWN: Readonly<Record<string, Variables>> = {
  redis: {
    address: "REDIS_URL",
    credentials: "REDIS_PASSWORD",
    user: "REDIS_USERNAME",
    room: ["maxmemory", "give the server more memory, or start consumers: it takes no more events"],
    permit: (key) => `permit it on the server: ACL SETUSER <user> ~${key} ~{${key}}:* &{${key}}:* +@all -@admin +info`,
  },
  upstash: {
    address: "UPSTASH_REDIS_REST_URL",
    credentials: "UPSTASH_REDIS_REST_TOKEN",
    user: "UPSTASH_REDIS_REST_TOKEN",
    room: ["UPSTASH_REDIS_REST_URL", "choose a larger plan for the database, or start consumers"],
    permit: () => "use the database's standard token, not the read-only one",
  },
  cloudflare: {
    address: "CLOUDFLARE_URL",
    credentials: "CLOUDFLARE_API_TOKEN",
    user: "CLOUDFLARE_API_TOKEN",
    room: ["CLOUDFLARE_URL", "start consumers: the queue takes no more events"],
    permit: () => "use a token with the permission Queues: Edit on this account",
  },
  rabbitmq: {
    address: "RABBITMQ_URL",
    credentials: "RABBITMQ_PASSWORD",
    user: "RABBITMQ_USERNAME",
    room: [
      "vm_memory_high_watermark or disk_free_limit",
      "give the node more memory or disk, or start consumers; rabbitmqctl status shows which one it is",
    ],
    permit: () => 'permit it: rabbitmqctl set_permissions -p <vhost> <user> "^slack" "^slack" "^slack"',
  },
  sqlite: {
    address: "SQLITE_PATH",
    credentials: "SQLITE_PATH",
    user: "SQLITE_PATH",
    room: ["SQLITE_PATH", "make room on the disk of that file, or set SQLITE_PATH to a file on another disk"],
    permit: () => "let the user of this process read and write the file and its folder",
  },
};

/** Returns the variables of a backend; a plugin's are named as the convention has it. */
export function variablesOf(backend: string): Variables {
  const prefix = backend.toUpperCase();
  return (Object.hasOwn(KNOWN, backend) ? KNOWN[backend] : undefined) ?? {
    address: `${prefix}_URL`,
    credentials: `${prefix}_PASSWORD`,
    user: `${prefix}_USERNAME`,
    room: [`${prefix}_URL`, "give the broker more room, or start consumers"],
    permit: () => `let ${prefix}_USERNAME do it`,
  };
}

const FORBIDDEN =
  /NOPERM|no permissions?|not permitted|ACCESS_REFUSED|access refused|permission denied|can't (run|access)|may not/i;

/** Returns the setting and the repair that belong to an error of the broker. */
function remedy(backend: string, key: string, code: string, message: string): readonly [string, string] {
  const variables = variablesOf(backend);
  if (/read-?only replica|READONLY/i.test(message)) {
    return [variables.address, `point ${variables.address} at the primary, or at a name that follows a failover`];
  }
  switch (code) {
    case "unauthorized":
      return FORBIDDEN.test(message) && !/login was refused/i.test(message)
        ? [variables.user, variables.permit(key)]
        : [variables.credentials, `correct ${variables.credentials}: the server knows another one, or another user`];
    case "config": {
      const named = /\b[A-Z][A-Z0-9]*(_[A-Z0-9]+)+\b/.exec(message)?.[0] ?? variables.credentials;
      return [named, `correct ${named}`];
    }
    case "queue-full":
      return variables.room;
    case "not-found":
      return [`${variables.address} or SLACK_EVENTS_TOPIC`, "create what is missing, or correct its name"];
    case "invalid":
      return ["SLACK_EVENTS_TOPIC", `choose another name than ${key}: something else is kept under it`];
    case "rate-limited":
      return [variables.address, "wait, or raise the limit of the plan"];
    case "unavailable":
      return [variables.address, "look at the server: it is there, and does not serve"];
    default:
      return [
        variables.address,
        `start the server, and correct host and port in ${variables.address}; a firewall may stand between`,
      ];
  }
}

/** Makes a finding of an error of the broker. */
export function failureFinding(backend: string, key: string, error: unknown): Finding {
  const message = messageOf(error);
  const code = error instanceof QueueError ? error.code : "internal";
  const [setting, repair] = remedy(backend, key, code, message);
  return { severity: "error", setting, problem: message, repair };
}
