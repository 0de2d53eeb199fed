import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { american } from "../shared/strings/american";
import { de } from "../shared/strings/de";
import { en } from "../shared/strings/en";
import { GLOSSARY, TECHNICAL } from "../shared/strings/glossary";

const names = (text: string): string[] =>
  [...text.matchAll(/\{(\w+)\}/g)].map((each) => each[1] as string).sort();

it("every language says every sentence with the same values", () => {
  for (const [key, english] of Object.entries(en)) {
    const german = de[key as keyof typeof en];
    expect(names(german), key).toEqual(names(english));
    expect(german.split("|").length, key).toBe(english.split("|").length);
  }
});

const LANGUAGES = { en, de, "en-US": american(en) } as const;

/** `word` as a word of its own in the sentences of these keys. */
function uses(word: string, isMeant: (key: string) => boolean): string[] {
  const found = new RegExp(`(?<![\\p{L}\\d-])${word}(?![\\p{L}\\d])`, "u");
  return Object.entries(LANGUAGES).flatMap(([language, strings]) =>
    Object.entries(strings)
      .filter(([key, text]) => isMeant(key) && found.test(text))
      .map(([key]) => `${language} ${key}: ${word}`),
  );
}

it("one thing has one word, that of the glossary", () => {
  for (const { not } of GLOSSARY)
    for (const word of not) expect(uses(word, () => true)).toEqual([]);
});

/** The keys that the patient's pages name; a key that is put together counts with all it may be. */
function keysOfPatients(): (key: string) => boolean {
  const web = new URL("..", import.meta.url);
  const patterns: RegExp[] = [/^error\./];
  for (const folder of ["patient", "chat", "shared"])
    for (const file of readdirSync(new URL(folder, web))) {
      if (!/\.tsx?$/.test(file)) continue;
      const source = readFileSync(new URL(`${folder}/${file}`, web), "utf8");
      for (const [, , call = ""] of source.matchAll(/\bt\(\s*(["`])([^"`]+)\1/g))
        patterns.push(new RegExp(`^${call.replaceAll(".", "\\.").replace(/\$\{[^}]*\}/g, ".+")}$`));
    }
  return (key) => patterns.some((pattern) => pattern.test(key));
}

it("patients read no technical words", () => {
  const isShown = keysOfPatients();
  for (const key of ["stage.held", "find.first", "why.patient_ill", "error.UNAVAILABLE"])
    expect(isShown(key), key).toBe(true);
  expect(isShown("hub.sockets")).toBe(false);
  // the form in which developers paste a token, where nobody signs in at the hub
  const isMeant = (key: string): boolean => isShown(key) && !key.startsWith("signin.");
  for (const word of TECHNICAL) expect(uses(word, isMeant)).toEqual([]);
});

it("only the page for admins names the hub", () => {
  const isMeant = (key: string): boolean => !/^(hub|signin)\.|^title\.status$/.test(key);
  expect([...uses("hub", isMeant), ...uses("Hub", isMeant)]).toEqual([]);
});

it("American English has its own spelling", () => {
  expect(american(en)["status.cancelled"]).toBe("canceled");
  expect(american(en)["profile.phone"]).toBe("Phone");
});
