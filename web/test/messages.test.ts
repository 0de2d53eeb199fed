import { expect, test } from "vitest";
import { withMessage } from "../dentist/message-list";
import type { Message } from "../sdk/index";

const message = (id: string, version: number, more: Partial<Message> = {}): Message => ({
  id,
  appointment_id: "a",
  patient_id: "p",
  kind: "confirmation",
  channel: "email",
  state: "queued",
  attempts: 1,
  error: null,
  created_at: "2027-03-08T09:00:00Z",
  sent_at: null,
  version,
  ...more,
});

test("a newer version takes the place of an older one, in any order", () => {
  const queued = message("1", 1);
  const sent = message("1", 3, { state: "sent" });
  expect(withMessage(withMessage([], queued), sent)).toEqual([sent]);
  expect(withMessage(withMessage([], sent), queued)).toEqual([sent]);
});

test("the newest message comes first", () => {
  const old = message("1", 1);
  const later = message("2", 1, { created_at: "2027-03-08T10:00:00Z" });
  expect(withMessage(withMessage([], later), old)).toEqual([later, old]);
});
