/** The SDK as an npm package: packed, installed elsewhere, its README's example type-checked. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const WEB = resolve(import.meta.dirname, "..");
const SDK = join(WEB, "sdk");
const STRICT = {
  compilerOptions: { strict: true, noEmit: true, target: "es2022", module: "preserve", types: [] },
  files: ["example.ts"],
};
const MINUTE_MS = 60_000;

let project: string;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "chairside-sdk-"));
});
afterEach(() => rmSync(project, { recursive: true }));

const npm = (folder: string, ...args: string[]): string =>
  execFileSync("npm", args, { cwd: folder, encoding: "utf8" });

it(
  "installs from its tarball, and its example type-checks",
  () => {
    npm(SDK, "pack", "--silent", "--pack-destination", project);
    writeFileSync(join(project, "package.json"), '{ "type": "module", "private": true }');
    const { version } = JSON.parse(readFileSync(join(SDK, "package.json"), "utf8"));
    npm(project, "install", "--silent", `./chairside-sdk-${version}.tgz`);
    const example = /```ts\n(.*?)```/s.exec(readFileSync(join(SDK, "README.md"), "utf8"));
    writeFileSync(join(project, "example.ts"), example?.[1] as string);
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify(STRICT));
    execFileSync(join(WEB, "node_modules", ".bin", "tsc"), { cwd: project, stdio: "inherit" });
    const exported = `import("@chairside/sdk").then((sdk) => console.log(typeof sdk.Hub))`;
    const printed = execFileSync("node", ["-e", exported], { cwd: project, encoding: "utf8" });
    expect(printed.trim()).toBe("function");
  },
  MINUTE_MS,
);
