// What a page has and Node before 22 has not: loaded before a front end's own code.
import WebSocket from "ws";

globalThis.WebSocket ??= WebSocket;
const { HUB, KEY, TOKEN, DENTIST } = process.env;
const show = (told) => console.log(JSON.stringify(told));
Object.assign(globalThis, { HUB, KEY, TOKEN, DENTIST, show });
