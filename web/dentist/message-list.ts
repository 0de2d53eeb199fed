/** The messages about a visit, in which each has its latest version. Pure. */

import type { Message } from "../sdk/index";

/** With the message in the place of an older version of it; the newest first. */
export function withMessage(messages: readonly Message[], message: Message): readonly Message[] {
  const known = messages.find((each) => each.id === message.id);
  if (known !== undefined && known.version >= message.version) return messages;
  return [...messages.filter((each) => each !== known), message].sort(
    (a, b) => b.created_at.localeCompare(a.created_at) || b.id.localeCompare(a.id),
  );
}
