// A real OpenID Connect provider. The first line of its input is {port, client}; it answers
// {issuer} when it listens. Everybody signs in there by name, without a password.
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const [line] = await once(createInterface({ input: process.stdin }), "line");
const { port, client } = JSON.parse(line);
const issuer = `http://localhost:${port}`;
const provider = new Provider(issuer, {
  clients: [client],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: id, email: `${id}@example.org`, email_verified: true }),
  }),
});
createServer(provider.callback()).listen(port, "127.0.0.1", () => console.log(JSON.stringify({ issuer })));
