import { expect, it } from "vitest";
import {
  type Appointment,
  AppointmentList,
  type AppointmentNews,
  type HubEvent,
  type LiveClient,
  type RestClient,
} from "../sdk/index";
import { at, event } from "./support";

const MINE = "appointments:dentist:d";
const row = (version: number, dentist = "d"): Appointment =>
  ({
    id: "a",
    dentist_id: dentist,
    start: at("09:00"),
    end: at("09:30"),
    status: "confirmed",
    version,
  }) as Appointment;

/** A list that has the row, and what sends it events. */
async function opened(news: AppointmentNews[] = []) {
  let send: (event: HubEvent) => void = () => {};
  const page = { data: [row(1)], position: { channel: MINE, epoch: 1, offset: 4 } };
  const rest = { appointments: async (_: unknown, onPage: (of: unknown) => void) => onPage(page) };
  const live = {
    follow: (_: string, handlers: { onEvent: typeof send }) => {
      send = handlers.onEvent;
      return () => {};
    },
  };
  const list = new AppointmentList(
    rest as unknown as RestClient,
    live as unknown as LiveClient,
    MINE,
    { start: at("00:00"), end: at("23:00") },
    (each) => news.push(each),
  );
  await expect.poll(() => list.loaded.value).toBe(true);
  const receive = (offset: number, type: string, data: unknown): void =>
    send({ ...event(offset), channel: MINE, type, data } as HubEvent);
  return { list, receive, shown: () => list.rows.value.map((each) => each.version) };
}

it("a message about a visit is no visit", async () => {
  const { receive, shown } = await opened();
  receive(5, "message.queued", { id: "m", start: at("09:00"), status: "queued", version: 1 });
  expect(shown()).toEqual([1]);
});

it("a practice's list follows the calendar of each dentist, and a move between them", async () => {
  const followed: string[] = [];
  const send: ((event: HubEvent) => void)[] = [];
  const positions = ["d", "e"].map((each) => ({
    channel: `appointments:dentist:${each}`,
    epoch: 1,
    offset: 4,
  }));
  const page = { data: [row(1)], position: null, positions };
  const list = new AppointmentList(
    {
      appointments: async (_: unknown, onPage: (of: unknown) => void) => onPage(page),
    } as unknown as RestClient,
    {
      follow: (channel: string, handlers: { onEvent: (event: HubEvent) => void }) => {
        followed.push(channel);
        send.push(handlers.onEvent);
        return () => {};
      },
    } as unknown as LiveClient,
    null,
    { start: at("00:00"), end: at("23:00") },
  );
  await expect.poll(() => list.loaded.value).toBe(true);
  expect(followed).toEqual(positions.map((each) => each.channel));
  send[1]?.({ ...event(5), type: "appointment.created", data: row(2, "e") } as HubEvent);
  send[0]?.({ ...event(5), type: "appointment.moved_away", data: { id: "a", version: 2 } });
  expect(list.rows.value.map((each) => each.dentist_id)).toEqual(["e"]);
});

it("a row that moved to another dentist leaves the list, and is news", async () => {
  const news: AppointmentNews[] = [];
  const { receive, shown } = await opened(news);
  expect(shown()).toEqual([1]);
  receive(5, "appointment.moved_away", { id: "a", version: 2 });
  expect(shown()).toEqual([]);
  expect(news).toEqual([{ type: "appointment.moved_away", row: row(1) }]);
  receive(6, "appointment.moved_away", { id: "b", version: 2 });
  expect(news).toHaveLength(1);
});

it("a row that came back stays when an older move is delivered again", async () => {
  const { receive, shown } = await opened();
  receive(5, "appointment.moved_away", { id: "a", version: 2 });
  receive(6, "appointment.created", row(3));
  expect(shown()).toEqual([3]);
  receive(5, "appointment.moved_away", { id: "a", version: 2 });
  expect(shown()).toEqual([3]);
});
