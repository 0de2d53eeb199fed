import { expect, it } from "vitest";
import { Tokens } from "../sdk/index";

/** A source of `token 1`, `token 2`, …; the first `failures` calls fail. */
function numbered(failures = 0): () => Promise<string> {
  let calls = 0;
  return () => {
    calls += 1;
    return calls <= failures
      ? Promise.reject(new Error("away"))
      : Promise.resolve(`token ${calls}`);
  };
}

it("concurrent requests share one token", async () => {
  const tokens = new Tokens(numbered());
  expect(await Promise.all([tokens.get(), tokens.get()])).toEqual(["token 1", "token 1"]);
  expect(await tokens.get()).toBe("token 1");
});

it("a stale token is renewed once for all its users", async () => {
  const tokens = new Tokens(numbered());
  const old = await tokens.get();
  expect(await Promise.all([tokens.renew(old), tokens.renew(old)])).toEqual(["token 2", "token 2"]);
  expect(await tokens.renew(old)).toBe("token 2");
});

it("a source that failed is called again", async () => {
  const tokens = new Tokens(numbered(1));
  await expect(tokens.get()).rejects.toThrow("away");
  expect(await tokens.get()).toBe("token 2");
});
