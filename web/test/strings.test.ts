import { expect, it } from "vitest";
import { de } from "../shared/strings/de";
import { en } from "../shared/strings/en";

const names = (text: string): string[] =>
  [...text.matchAll(/\{(\w+)\}/g)].map((each) => each[1] as string).sort();

it("every language says every sentence with the same values", () => {
  for (const [key, english] of Object.entries(en)) {
    const german = de[key as keyof typeof en];
    expect(names(german), key).toEqual(names(english));
    expect(german.split("|").length, key).toBe(english.split("|").length);
  }
});
