/** A colour for each type of visit: its own, or one of these by its place. */

import type { AppointmentType } from "../sdk/index";

const PALETTE = [
  "#0a7d88",
  "#5b6fd6",
  "#c2611f",
  "#8a4fae",
  "#2f8f4e",
  "#b83a6b",
  "#8a7a10",
  "#47708f",
] as const;

export function colourOf(types: readonly AppointmentType[], id: string): string {
  const place = Math.max(
    types.findIndex((each) => each.id === id),
    0,
  );
  return types[place]?.color ?? (PALETTE[place % PALETTE.length] as string);
}
