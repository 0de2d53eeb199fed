import { expect, it } from "vitest";
import { dial, mailTo } from "../shared/links";

it("opens a message to the address and nothing else", () => {
  expect(mailTo("pat@example.org")).toBe("mailto:pat@example.org");
  const odd = mailTo("a?bcc=x&body=y%0d#z,/@example.org?subject=s");
  expect(odd).toBe("mailto:a%3Fbcc%3Dx%26body%3Dy%250d%23z%2C%2F@example.org%3Fsubject%3Ds");
  expect(new URL(odd).search).toBe("");
  expect(new URL(odd).hash).toBe("");
});

it("dials a number as it is written", () => {
  expect(dial("+43 (0)1 234-56.78")).toBe("tel:+4312345678");
  expect(dial("(01) 234 5678")).toBe("tel:012345678");
});
