// Calls each client of @supabase/supabase-js once; prints what its users see, as lines of JSON.
import { createClient } from "@supabase/supabase-js";
import WebSocket from "ws";

globalThis.WebSocket ??= WebSocket; // Node before 22 has none
const { HUB, KEY } = process.env;
const supabase = createClient(HUB, KEY);
const file = new Blob(["x"]);
const calls = {
  select: () => supabase.from("appointments").select("*").eq("status", "confirmed"),
  insert: () => supabase.from("appointments").insert({ id: 1 }),
  update: () => supabase.from("appointments").update({ id: 1 }).eq("id", 2),
  delete: () => supabase.from("appointments").delete().eq("id", 2),
  rpc: () => supabase.rpc("book", { id: 1 }),
  signIn: () => supabase.auth.signInWithPassword({ email: "a@example.org", password: "x" }),
  signUp: () => supabase.auth.signUp({ email: "a@example.org", password: "x" }),
  user: () => supabase.auth.getUser(KEY),
  users: () => supabase.auth.admin.listUsers(),
  buckets: () => supabase.storage.listBuckets(),
  list: () => supabase.storage.from("x").list(),
  upload: () => supabase.storage.from("x").upload("a.txt", file),
  download: () => supabase.storage.from("x").download("a.txt"),
  invoke: () => supabase.functions.invoke("book", { body: { id: 1 } }),
};

for (const [name, call] of Object.entries(calls)) {
  const { data, error } = await call();
  const { message, code, hint, status, statusCode } = error;
  const body = await error.context?.json?.();
  console.log(JSON.stringify({ name, data, message, code, hint, status, statusCode, body }));
}
process.exit(0);
