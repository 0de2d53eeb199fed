import { expect, it } from "vitest";
import { searchText } from "../desk/dates";

it("a date of birth may be typed as people write it", () => {
  expect(searchText("3.8.1980")).toBe("1980-08-03");
  expect(searchText("03/08/1980")).toBe("1980-08-03");
  expect(searchText("8/3/1980", true)).toBe("1980-08-03");
  expect(searchText("3.8.1980", true)).toBe("1980-08-03");
  expect(searchText("1980-08-03")).toBe("1980-08-03");
  expect(searchText("Quinn 3.8")).toBe("Quinn 3.8");
});
