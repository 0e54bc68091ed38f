/**
 * Loaded ahead of a program that was handed over to (hand-over.js): when the process that started it is gone without a word,
 * the program is told to end in good order, so that no mesh runs on that nobody can reach.
 */
const startedBy = process.ppid;

const watch = setInterval(() => {
  if (process.ppid === startedBy) return;
  clearInterval(watch);
  process.kill(process.pid, "SIGTERM");
}, 1_000);
watch.unref();
