// A daemon for tests of its keeper. Its plan is a JSON list of lives; each start takes the next one, counted in a file.
// A life: { serve: says that it serves, exit: code to end with at once, deaf: does not hear SIGTERM }.
import { appendFileSync, readFileSync } from "node:fs";

const [plan, counter, listen] = process.argv.slice(2);
appendFileSync(counter, `${listen}\n`);
const starts = readFileSync(counter, "utf8").trim().split("\n").length;
const lives = JSON.parse(plan);
const life = lives[Math.min(starts, lives.length) - 1];

process.on("SIGTERM", () => {
  if (!life.deaf) process.exit(0);
});
process.stderr.write(`life ${starts}\n`);
if (life.serve) {
  const address = listen.replace(/:0$/, ":4711");
  process.stdout.write(
    `warming up\n${JSON.stringify({ event: "serving", tier: "process", address, pid: process.pid })}\n`,
  );
}
if (life.exit === undefined) setInterval(() => {}, 1_000);
else setTimeout(() => process.exit(life.exit), life.serve ? 20 : 0);
