// Drives @supabase/realtime-js: reads commands and writes reports, both as lines of JSON.
// tests/support/supabase_clients.py documents them.
import { createInterface } from "node:readline";
import { RealtimeClient, postgresChangesFilter } from "@supabase/realtime-js";
import WebSocket from "ws";

const report = (content) => process.stdout.write(JSON.stringify(content) + "\n");
const channels = new Map();
let client;

const actions = {
  open({ url, key, vsn, token }) {
    // Node before 22 has no WebSocket of its own: the client takes one as an option.
    const transport = globalThis.WebSocket ?? WebSocket;
    client = new RealtimeClient(url, { params: { apikey: key }, vsn, transport });
    if (token) client.setAuth(token);
  },
  join({ name, topic, config, broadcasts = [], changes = [], presence = false }) {
    const channel = client.channel(topic, { config: { private: true, ...config } });
    for (const event of broadcasts)
      channel.on("broadcast", { event }, (message) => report({ report: "broadcast", name, message }));
    for (const { steps, ...rest } of changes) {
      // The calls of the client's own builder of filters.
      const built = steps?.reduce((filter, [call, ...values]) => filter[call](...values), postgresChangesFilter());
      const filter = built ? { ...rest, filter: built } : rest;
      channel.on("postgres_changes", filter, (message) => report({ report: "change", name, message }));
    }
    if (presence)
      channel.on("presence", { event: "sync" }, () =>
        report({ report: "presence", name, message: channel.presenceState() }),
      );
    channel.on("system", {}, (message) => report({ report: "system", name, message }));
    channels.set(name, channel);
    channel.subscribe((status, error) =>
      report({ report: "status", name, message: status, error: error?.message }),
    );
  },
  async send({ name, event, payload }) {
    const answer = await channels.get(name).send({ type: "broadcast", event, payload });
    report({ report: "sent", name, message: answer });
  },
  async track({ name, meta }) {
    report({ report: "tracked", name, message: await channels.get(name).track(meta) });
  },
  async untrack({ name }) {
    report({ report: "untracked", name, message: await channels.get(name).untrack() });
  },
  async auth({ token }) {
    await client.setAuth(token);
  },
  async leave({ name }) {
    report({ report: "left", name, message: await client.removeChannel(channels.get(name)) });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: action, ...sent } = JSON.parse(line);
  await actions[action](sent);
}
process.exit(0);
