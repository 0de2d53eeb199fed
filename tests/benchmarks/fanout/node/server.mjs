// Node's socket.io, as its documentation shows it.
import { writeSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createControl } from "node:net";
import { createInterface } from "node:readline";
import { Server } from "socket.io";

const NAMESPACE = "/patient";
const http = createServer();
const io = new Server(http, { pingInterval: 300_000, transports: ["polling", "websocket"] });
let offset = 1_000_000_000;

io.of(NAMESPACE).on("connection", (socket) => {
  socket.emit("hub:ready", {});
  socket.on("channel:join", (body, ack) => {
    socket.join(body.channel);
    ack({ ok: true, data: body });
  });
  socket.on("channel:leave", (body, ack) => ack({ ok: true, data: body }));
});

function envelope(channel, stamp) {
  const taken = ["09", "13"].map((hour) => ({
    start: `2027-03-08T${hour}:00:00Z`,
    end: `2027-03-08T${hour}:45:00Z`,
    buffer_before_minutes: 0,
  }));
  return {
    id: stamp,
    type: "slots.changed",
    channel,
    offset: ++offset,
    epoch: 2,
    time: "2027-03-01T08:00:00.000000Z",
    data: { taken, freed: [], refetch: [] },
  };
}

const control = createControl((connection) => {
  createInterface({ input: connection }).on("line", (line) => {
    const [channel, count, stamp] = line.split(" ");
    for (let n = 0; n < Number(count); n++) {
      io.of(NAMESPACE).to(channel).emit("slots.changed", envelope(channel, stamp));
    }
  });
  connection.on("error", () => {});
});

http.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () => {
  control.listen(0, "127.0.0.1", () => {
    const told = { port: http.address().port, control: control.address().port };
    writeSync(Number(process.env.READY_FD), JSON.stringify(told) + "\n");
  });
});
