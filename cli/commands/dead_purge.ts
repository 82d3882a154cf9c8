/**
 * `dead purge`: removes dead letters for good.
 *
 * @module
 */
import { type Command, defineCommand } from "../command.ts";
import { closing } from "../open.ts";
import { confirm } from "../confirm.ts";
import { checkChoice, countOf, inSteps } from "../dead.ts";
import { writeJson } from "../render.ts";

/** The command. */
export const command: Command = defineCommand({
  name: "dead purge",
  summary: "remove dead letters for good",
  usage: "<id…> | --all [--yes] [options]",
  positionals: [0, Infinity],
  options: {
    all: { type: "boolean", help: "all that are there now" },
    yes: { type: "boolean", help: "do not ask" },
  },
  async run({ values, args: ids, io, key, group, open }) {
    checkChoice("dead purge", ids, values.all);
    return await closing(open(), async (backend) => {
      const letters = { key, group, ids };
      const total = await countOf(backend, letters, io);
      if (total > 0) {
        const whose = `of "${key}", group "${group}", on ${backend.name}`;
        await confirm(io, `Remove ${total} dead letters ${whose} for good?`, values.yes);
      }
      const purged = await inSteps(backend, letters, { io, how: "purge", total });
      if (values.json) await writeJson(io, { key, group, purged });
      else await io.stdout.write(`Removed ${purged} of ${total} dead letters\n`);
      io.signal.throwIfAborted();
      return ids.length > 0 && purged < total ? 1 : 0;
    });
  },
});
