import { afterEach, expect, it, vi } from "vitest";
import { ConnectionLost, HubError, RestClient, Tokens } from "../sdk/index";
import { queryText } from "../sdk/rest";

const refusal = (status: number, code: string, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify({ error: { code, message: code, details: [] } }), {
    status,
    headers,
  });
const fine = (): Response => new Response(JSON.stringify({ id: "x" }), { status: 200 });

/** A network that answers with these, one after the other; what was sent is remembered. */
function network(...answers: (Response | Error)[]): RequestInit[] {
  const sent: RequestInit[] = [];
  vi.stubGlobal("fetch", (_: string, request: RequestInit) => {
    sent.push(request);
    const next = answers.shift() ?? fine();
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  });
  return sent;
}

const header = (request: RequestInit | undefined, name: string): string =>
  new Headers(request?.headers).get(name) ?? "";
const client = (...tokens: string[]): RestClient =>
  new RestClient("", new Tokens(() => tokens.shift() ?? "last"));

afterEach(() => vi.unstubAllGlobals());

it("a lost answer is request for again with the same key", async () => {
  const sent = network(new TypeError("network"), refusal(503, "UNAVAILABLE"), fine());
  await client().request("POST", "/api/appointments", { body: {} });
  expect(sent).toHaveLength(3);
  expect(new Set(sent.map((each) => header(each, "Idempotency-Key"))).size).toBe(1);
});

it("a refusal is final", async () => {
  const sent = network(refusal(409, "SLOT_TAKEN"));
  await expect(client().request("POST", "/api/reservations")).rejects.toMatchObject({
    code: "SLOT_TAKEN",
    status: 409,
  });
  expect(sent).toHaveLength(1);
});

it("a token that has run out is renewed once", async () => {
  const sent = network(refusal(401, "UNAUTHORIZED"), fine());
  await client("old", "new").request("GET", "/api/profiles/me");
  expect(sent.map((each) => header(each, "Authorization"))).toEqual(["Bearer old", "Bearer new"]);
});

it("a network that stays away is said so", async () => {
  network(...Array.from({ length: 9 }, () => new TypeError("network")));
  vi.useFakeTimers();
  const request = client()
    .request("GET", "/api/dentists")
    .catch((error: unknown) => error);
  await vi.runAllTimersAsync();
  vi.useRealTimers();
  expect(await request).toBeInstanceOf(ConnectionLost);
});

it("an answer that is not the hub's is an error of its own", async () => {
  network(new Response("<html>proxy</html>", { status: 404 }));
  await expect(client().request("GET", "/api/dentists")).rejects.toBeInstanceOf(HubError);
});

it("the hub's clock counts where the device's is wrong", async () => {
  const ahead = new Date(Date.now() + 600_000).toUTCString();
  network(new Response("{}", { status: 200, headers: { Date: ahead } }));
  const rest = client();
  await rest.request("GET", "/api/profiles/me");
  expect(Math.abs(rest.now() - Date.now() - 600_000)).toBeLessThan(2_000);
});

it("queries repeat lists and leave out what is not set", () => {
  expect(
    queryText({
      status: ["held", "confirmed"],
      from: "2027-03-08T09:00:00Z",
      to: undefined,
      cursor: null,
    }),
  ).toBe("?status=held&status=confirmed&from=2027-03-08T09%3A00%3A00Z");
});
