/** The browser SDK of Chairside; the hub's own pages are made of it. */

export { AppointmentList, type AppointmentNews, LISTED, LIVE } from "./appointments.js";
export { canonicalChannel, Follower, type Step } from "./channels.js";
export { Chat, type ChatLine } from "./chat.js";
export { ConnectionLost, codeOf, HubError } from "./errors.js";
export { Hub, type HubOptions } from "./hub.js";
export { type Connection, type Handlers, LiveClient, type Namespace } from "./live.js";
export { Observable } from "./observable.js";
export { type AppointmentChange, type NewBooking, RestClient, type SlotQuery } from "./rest.js";
export { Rows, type Versioned } from "./rows.js";
export { type SlotSearch, SlotView } from "./slot-view.js";
export { blocks, DentistSlots, joined, nearest, overlaps, refetchWindows } from "./slots.js";
export { type TokenSource, Tokens } from "./token.js";
export type * from "./types.js";
