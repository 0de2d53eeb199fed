import { expect, it } from "vitest";
import { Tokens } from "../sdk";

it("concurrent askers share one question", async () => {
  let asked = 0;
  const tokens = new Tokens(() => Promise.resolve(`token ${(asked += 1)}`));
  expect(await Promise.all([tokens.get(), tokens.get()])).toEqual(["token 1", "token 1"]);
  expect(await tokens.get()).toBe("token 1");
});

it("a stale token is renewed once, for everybody who had it", async () => {
  let asked = 0;
  const tokens = new Tokens(() => `token ${(asked += 1)}`);
  const old = await tokens.get();
  expect(await Promise.all([tokens.renew(old), tokens.renew(old)])).toEqual(["token 2", "token 2"]);
  expect(await tokens.renew(old)).toBe("token 2");
});

it("a source that fails may be asked again", async () => {
  let asked = 0;
  const tokens = new Tokens(() =>
    (asked += 1) === 1 ? Promise.reject(new Error("away")) : "token",
  );
  await expect(tokens.get()).rejects.toThrow("away");
  expect(await tokens.get()).toBe("token");
});
