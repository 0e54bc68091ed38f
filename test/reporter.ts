/** Prints `N passed, N failed` as the very last line of a test run, for programs that read it. */
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export default class LastLineReporter implements Reporter {
  #passed = 0;
  #failed = 0;

  onInit(): void {
    // At exit and not at the end of the run: the runner may still have something to say in between.
    process.once("exit", (code) => {
      // A run that fails without a failed test (no tests found, a worker that died) has failed all the same.
      const failed = code !== 0 ? Math.max(this.#failed, 1) : this.#failed;
      process.stdout.write(`${this.#passed} passed, ${failed} failed\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    this.#passed = 0;
    this.#failed = unhandled.length;
    for (const module of modules) {
      const states = [...module.children.allTests()].map((test) => test.result().state);
      this.#passed += states.filter((state) => state === "passed").length;
      const failed = states.filter((state) => state === "failed").length;
      // A file that cannot be loaded, or whose hooks fail, has no failed test to show for it.
      this.#failed += failed === 0 && !module.ok() ? 1 : failed;
    }
  }
}
