/** One simulation: a mesh, its customers and workers, some hundred acts and faults, then peace, and the last account. */
import { fileURLToPath } from "node:url";
import type { WorkerReady } from "../../shared/gen/bursar/v1/run_pb.js";
import { Customer } from "./actors/customer.ts";
import { Worker } from "./actors/worker.ts";
import { Director } from "./faults/director.ts";
import { OldHellos } from "./faults/old-hello.ts";
import type { Temper } from "./world/temper.ts";
import { Violation } from "./world/violation.ts";
import { type Counts, World } from "./world/world.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** Acts before peace. */
  readonly steps: number;
  /** Nothing goes wrong, when true. Default false. */
  readonly fair?: boolean;
  /** What the world is like. Default: drawn by the seed. */
  readonly temper?: Temper;
  /** Happenings in the story of a failure. Default 40. */
  readonly storyLines?: number;
}

export interface SimulationResult {
  readonly seed: number;
  readonly steps: number;
  /** Of everything that was committed and said; equal for equal seeds. */
  readonly hash: string;
  readonly counts: Counts;
  /** Time that passed in it. */
  readonly virtualMs: number;
  readonly violation: Violation | undefined;
  readonly story: readonly string[];
}

const ACCOUNTS = fileURLToPath(new URL("./accounts.yaml", import.meta.url));
const PROCESSES = 2;
const EXECUTIONS = 3;
/** After peace: how long everything may take to come to its end. Holds live 20 s at most, leases and attaching less. */
const END_WITHIN_MS = 240_000;

/** Seconds after peace by which everybody has heard what it was told. */
const HEARD_AFTER_ROUNDS = 20;

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const world = new World(options.seed, options.temper);
  const onRejection = (error: unknown): void => {
    world.fail(new Violation("A9.rejection", error instanceof Error ? (error.stack ?? error.message) : String(error)));
  };
  process.on("unhandledRejection", onRejection);
  try {
    const stage = setUp(world);
    await world.clock.advance(3_000);
    await turmoil(stage, options);
    await peace(stage);
  } catch (error) {
    world.actorFailed("simulation", error);
  } finally {
    process.off("unhandledRejection", onRejection);
  }
  const { seed, steps, storyLines = 40 } = options;
  const { violation, counts } = world;
  const story = violation ? world.story.about(violation.about, storyLines) : [];
  return { seed, steps, hash: world.hash.digest(), counts, virtualMs: world.clock.monotonicMs(), violation, story };
}

interface Stage {
  readonly world: World;
  readonly customers: readonly Customer[];
  readonly workers: Worker[];
  readonly oldHellos: OldHellos;
}

function setUp(world: World): Stage {
  const top = world.addDaemon({ name: "coord", tier: "coordination", parent: undefined, accounts: ACCOUNTS });
  const processes = Array.from({ length: PROCESSES }, (_, at) =>
    world.addDaemon({ name: `proc${at}`, tier: "process", parent: top.address, accounts: undefined }),
  );
  for (let at = 0; at < EXECUTIONS; at += 1) {
    const parent = processes[at % PROCESSES]?.address;
    world.addDaemon({ name: `exec${at}`, tier: "execution", parent, accounts: undefined });
  }
  const workers: Worker[] = [];
  const known = new Map<string, Worker>();
  const onWorkerReady = (ready: WorkerReady): void => {
    if (known.has(ready.allocationId)) return;
    const worker = new Worker(world, `worker${workers.length}`, ready);
    known.set(ready.allocationId, worker);
    workers.push(worker);
    worker.begin();
  };
  const customers = ["anna", "bert"].map(
    (name) => new Customer({ world, name, coordination: top.address, onWorkerReady }),
  );
  const oldHellos = new OldHellos();
  world.onCarried = (carried) => oldHellos.hear(carried);
  for (const daemon of world.daemons) daemon.start();
  for (const customer of customers) {
    customer.makeSwarm();
    customer.makeSwarm();
  }
  return { world, customers, workers, oldHellos };
}

async function turmoil(stage: Stage, { steps, fair = false }: SimulationOptions): Promise<void> {
  const { world } = stage;
  const director = new Director(stage, fair);
  for (let step = 0; step < steps && !world.violation; step += 1) await world.clock.advance(director.act());
}

/** Everything works again; all that runs must end, and then the books must be exact. */
async function peace({ world, customers }: Stage): Promise<void> {
  const { clock, network, daemons, auditor } = world;
  if (world.violation) return;
  world.story.tell("director", "peace: everything is healed");
  world.healed = true;
  network.healAll();
  for (const daemon of daemons) {
    daemon.slowDiskMs = 0;
    daemon.continue();
  }
  const startMs = clock.monotonicMs();
  const quiet = () => auditor.stillOpen().every(({ node }) => node.kind === "swarm");
  for (let round = 0; !world.violation && clock.monotonicMs() < startMs + END_WITHIN_MS; round += 1) {
    for (const daemon of daemons) daemon.start();
    await clock.advance(1_000);
    if (round >= HEARD_AFTER_ROUNDS) world.guard(() => auditor.checkHeard());
    if (round % 5 === 0) for (const id of auditor.abandoned()) customers[0]?.writeOff(id);
    if (round > 30 && quiet()) break;
  }
  for (const customer of customers) customer.stopAll();
  await clock.advance(20_000);
  if (world.violation) return;
  const open = [...auditor.stillOpen()].sort((a, b) => b.node.path.length - a.node.path.length);
  if (open.length > 0) {
    const told = open.map(({ owner, node }) => `${owner} ${node.side} ${node.path} (${node.id}) ${node.state}`);
    const message = `still there when everything should have ended: ${told.slice(0, 6).join("; ")}`;
    const [first] = open;
    world.fail(new Violation("A9.stuck", message, first ? [first.owner, first.node.id] : []));
  }
  for (const daemon of daemons) daemon.compare("at the end");
  if (open.length === 0) world.guard(() => auditor.final());
}
