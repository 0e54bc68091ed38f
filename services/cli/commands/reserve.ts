/** `bursar reserve`, `bursar reservations` and `bursar unreserve`: budget that is kept for later. */
import { PRIORITIES } from "#budget";
import type { ReservationsOptions, ReserveOptions } from "../tree/reservations.ts";
import { addAmounts } from "./amount-options.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { choice, duration, notEmpty } from "./option-values.ts";

export function addReserve(host: CommandHost): void {
  const command = addCommand(host, {
    usage: "reserve <id|path>",
    summary: "keep budget of an account or swarm for later; shows the id by which it is used",
    examples: [
      [
        "bursar reserve global/research --credits 50_000 --in 8h --for 1h",
        "for tonight, from in 8 hours on, for an hour",
      ],
      ["bursar reserve research --credits 500 --branches 4 --in 10m", "room for three branches of a run, and the run"],
      ["bursar run swarm.yaml --reservation 0198c7a2-…", "use what is reserved at the account of the swarm"],
    ],
  });
  addAmounts(command, {
    min: 1,
    credits: "credits",
    toolCalls: "tool calls",
    branches: "branch slots; what is opened takes one for itself, and those that it is given",
    memory: "memory",
  })
    .option("--in <time>", "when it begins: 90s, 10m, 1h30m (default: now)", duration)
    .option("--for <time>", "how long it is kept from then on for somebody to use it (default: 1h)", duration)
    .option("--after <id>", "begin when this reservation ends, if that is later", notEmpty)
    .option("--name <name>", "a name for people (default: reserved)", notEmpty)
    .option(
      "--priority <priority>",
      `only for requests of this priority or above: ${PRIORITIES.join(", ")}`,
      choice(PRIORITIES),
      "NORMAL",
    )
    .addHelpText(
      "after",
      [
        "",
        "Credits and tool calls are set aside at once. Branches and memory may be used until it begins by work that has ended by then.",
        "Nothing is taken from others for it: all that is asked for must be free, or nothing is reserved.",
      ].join("\n"),
    )
    .action(
      act<ReserveOptions>(host, async ([wanted = ""], options, session) => {
        const { reserve } = await import("../tree/reservations.ts");
        return reserve(wanted, options, session);
      }),
    );
}

export function addReservations(host: CommandHost): void {
  addCommand(host, {
    usage: "reservations [id|path]",
    summary: "list what is reserved for later, and what became of earlier reservations",
    examples: [
      ["bursar reservations", "all of them"],
      ["bursar reservations research", "those of one account or swarm, and of what is below it"],
    ],
  }).action(
    act<ReservationsOptions>(host, async ([wanted], options, session) => {
      const { listReservations } = await import("../tree/reservations.ts");
      return listReservations(wanted, options, session);
    }),
  );
}

export function addUnreserve(host: CommandHost): void {
  addCommand(host, {
    usage: "unreserve <reservation-id>",
    summary: "take a reservation back: what nobody has used of it is free again",
    examples: [["bursar unreserve 0198c7a2-…", "requests that wait for it are refused"]],
  }).action(
    act<ReservationsOptions>(host, async ([id = ""], options, session) => {
      const { unreserve } = await import("../tree/reservations.ts");
      return unreserve(id, options, session);
    }),
  );
}
