// @supabase/realtime-js, told what to do by lines of JSON and telling by lines what it got.
// The words are those of tests/support/supabase_clients.py.
import { createInterface } from "node:readline";
import { RealtimeClient } from "@supabase/realtime-js";
import WebSocket from "ws";

const tell = (told) => process.stdout.write(JSON.stringify(told) + "\n");
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
      channel.on("broadcast", { event }, (message) => tell({ told: "broadcast", name, message }));
    for (const filter of changes)
      channel.on("postgres_changes", filter, (message) => tell({ told: "change", name, message }));
    if (presence)
      channel.on("presence", { event: "sync" }, () =>
        tell({ told: "presence", name, message: channel.presenceState() }),
      );
    channel.on("system", {}, (message) => tell({ told: "system", name, message }));
    channels.set(name, channel);
    channel.subscribe((status, error) =>
      tell({ told: "status", name, message: status, error: error?.message }),
    );
  },
  async send({ name, event, payload }) {
    const answer = await channels.get(name).send({ type: "broadcast", event, payload });
    tell({ told: "sent", name, message: answer });
  },
  async track({ name, said }) {
    tell({ told: "tracked", name, message: await channels.get(name).track(said) });
  },
  async untrack({ name }) {
    tell({ told: "untracked", name, message: await channels.get(name).untrack() });
  },
  async auth({ token }) {
    await client.setAuth(token);
  },
  async leave({ name }) {
    tell({ told: "left", name, message: await client.removeChannel(channels.get(name)) });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: action, ...sent } = JSON.parse(line);
  await actions[action](sent);
}
process.exit(0);
