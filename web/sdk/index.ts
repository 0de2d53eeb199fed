/** The browser SDK of Chairside; the hub's own pages are made of it. */

export { AppointmentList, LISTED, LIVE, type AppointmentNews } from "./appointments";
export { Chat, type ChatAnswer, type ChatLine, type ChatOption, type ChatReply } from "./chat";
export { Follower, type Step } from "./channels";
export { codeOf, ConnectionLost, HubError } from "./errors";
export { Hub, type HubOptions } from "./hub";
export { LiveClient, type Connection, type Handlers, type Namespace } from "./live";
export { Observable } from "./observable";
export { RestClient, type AppointmentChange, type NewBooking, type SlotQuery } from "./rest";
export { Rows, type Versioned } from "./rows";
export { SlotView, type SlotSearch } from "./slot-view";
export { blocks, DentistSlots, joined, nearest, overlaps, refetchWindows } from "./slots";
export { Tokens, type TokenSource } from "./token";
export type * from "./types";
