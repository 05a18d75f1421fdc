// The GraphQL door, asked by the clients of its own world. Usage: node graphql.mjs URL
import assert from "node:assert/strict";
import { buildClientSchema, buildSchema, execute, getIntrospectionQuery, isLeafType, lexicographicSortSchema, parse, printSchema, validateSchema,
  getNamedType } from "graphql";
import { auditServer } from "graphql-http";
import { createClient as createSocketClient } from "graphql-ws";
import { createClient as createEventClient } from "graphql-sse";
import WebSocket from "ws";

const server = process.argv[2];
const url = `${server}/graphql`;

async function ask(query, variables) {
  const headers = { "content-type": "application/json", accept: "application/graphql-response+json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return answer.json();
}

async function rest(method, path, body) {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const init = { method, headers: { "content-type": type }, body: body && JSON.stringify(body) };
  const answer = await fetch(server + path, init);
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

async function audits() {
  const results = await auditServer({ url });
  const bad = results.filter((result) => result.status !== "ok");
  for (const result of bad) console.log(`  ${result.status}: ${result.id} ${result.name}: ${result.reason ?? ""}`);
  assert.equal(bad.length, 0);
  console.log(`graphql-http: ${results.length} audits are ok`);
}

async function schemas() {
  const sdl = await (await fetch(`${url}/schema.graphql`)).text();
  const fromText = buildSchema(sdl);
  const { data } = await ask(getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true,
    oneOf: false }));
  const fromIntrospection = buildClientSchema(data);
  assert.deepEqual(validateSchema(fromIntrospection), []);
  const text = (schema) => printSchema(lexicographicSortSchema(schema)).replaceAll(" @oneOf", "");
  assert.equal(text(fromIntrospection), text(fromText));
  console.log("introspection and the text say the same schema");
  return fromText;
}

// A generator that always makes the same documents (mulberry32).
let seed = 7;
function random(below) {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % below;
}

/** A selection of a type: fields, some twice, some aliased, some in fragments, some left out. */
function selection(schema, type, depth) {
  const fields = Object.values(type.getFields()).filter((field) => depth > 0 || isLeafType(getNamedType(field.type)));
  const parts = [];
  for (let count = 1 + random(4); count > 0; count--) {
    const field = fields[random(fields.length)];
    const named = getNamedType(field.type);
    // One name for one field and its arguments, so that the parts can be merged.
    let text = random(4) === 0 ? `x_${field.name}: ${field.name}` : field.name;
    if (random(5) === 0) text += [" @include(if: $yes)", " @skip(if: $yes)", " @skip(if: false)"][random(3)];
    if (!isLeafType(named)) text += " " + selection(schema, named, depth - 1);
    if (random(5) === 0) text = `... on ${type.name} { ${text} }`;
    parts.push(text);
  }
  if (random(4) === 0) parts.push("__typename");
  return `{ ${parts.join(" ")} }`;
}

/** The same documents on the same data, here and by graphql-js. */
async function differences(schema) {
  const status = { phase: "Ready", observedGeneration: 1, lastSeen: "2026-01-01T00:00:00Z",
    conditions: [{ type: "Ready", status: "True", reason: "Up", message: "it is" },
      { type: "Warm", status: "Unknown", reason: "New" }] };
  await rest("PATCH", "/devices/dev-123/status", { status });
  const { data, errors } = await ask(
    "{ device(by: {ref: {name: \"dev-123\"}}) { id json metadata { finalizers ownerReferences { uid } updatedAt } } }");
  assert.equal(errors, undefined, JSON.stringify(errors));
  const { id, json, metadata } = data.device;
  const conditions = json.status.conditions.map((it) => ({ ...it, status: it.status.toUpperCase() }));
  const device = { __typename: "Device", id, ...json, json,
    metadata: { ...metadata, ...json.metadata },
    status: { ...json.status, conditions: ({ type }) =>
      conditions.filter((it) => !type || type.includes(it.type)) } };
  const rootValue = { device: () => device, node: () => device };
  let compared = 0;
  for (let round = 0; round < 500; round++) {
    const of = schema.getType("Device");
    const query = `query($yes: Boolean!) { device(by: {ref: {name: "dev-123"}}) ${selection(schema, of, 3)}
      a: device(by: {id: "${id}"}) ${selection(schema, of, 2)} }`;
    const variables = { yes: random(2) === 0 };
    const expected = await execute({ schema, document: parse(query), rootValue, variableValues: variables });
    const found = await ask(query, variables);
    if (found.errors?.[0].extensions.code === "GRAPHQL_VALIDATION_FAILED" ||
        found.errors?.[0].extensions.code === "LIMIT_EXCEEDED") continue;
    assert.equal(JSON.stringify(found.data), JSON.stringify(expected.data), query);
    compared++;
  }
  assert.ok(compared > 300, `${compared} documents`);
  console.log(`graphql-js: ${compared} documents have the same answers, in the same order`);
}

const WATCH = `subscription($from: ResourceVersion) { watchDevices(resourceVersion: $from, allowBookmarks: false) {
  type resourceVersion object { metadata { name } status { message } } } }`;

async function newest() {
  return (await ask("{ devices { resourceVersion } }")).data.devices.resourceVersion;
}

const report = (message) => rest("PATCH", "/devices/dev-123/status", { status: { message } });

async function told(iterator, message) {
  const { value } = await iterator.next();
  assert.equal(value.errors, undefined, JSON.stringify(value.errors));
  const event = value.data.watchDevices;
  assert.equal(event.type, "MODIFIED");
  assert.equal(event.object.status.message, message);
  return event.resourceVersion;
}

/** The same for both clients: what they are told, where they go on, and that they can leave. */
async function client(name, make) {
  const first = make();
  const query = await first.iterate({ query: "{ __typename }" }).next();
  assert.deepEqual(query.value, { data: { __typename: "Query" } });
  let watch = first.iterate({ query: WATCH, variables: { from: await newest() } });
  await report(`${name} one`);
  const version = await told(watch, `${name} one`);
  await watch.return?.();
  first.dispose?.();
  await report(`${name} two`);
  const second = make();
  watch = second.iterate({ query: WATCH, variables: { from: version } });
  await told(watch, `${name} two`);
  await report(`${name} three`);
  await told(watch, `${name} three`);
  await watch.return?.();
  second.dispose?.();
}

async function failures() {
  const socket = createSocketClient({ url: url.replace("http", "ws"), webSocketImpl: WebSocket, retryAttempts: 0 });
  const watch = socket.iterate({ query: WATCH, variables: { from: "99999999" } });
  await assert.rejects(watch.next(), (errors) => errors[0].extensions.code === "INVALID_RESOURCE_VERSION");
  socket.dispose();
  const events = createEventClient({ url, retryAttempts: 0 });
  const { value } = await events.iterate({ query: WATCH, variables: { from: "99999999" } }).next();
  assert.equal(value.errors[0].extensions.code, "INVALID_RESOURCE_VERSION");
}

await audits();
const schema = await schemas();
await differences(schema);
await client("graphql-ws", () =>
  createSocketClient({ url: url.replace("http", "ws"), webSocketImpl: WebSocket, retryAttempts: 0 }));
console.log("graphql-ws is told, and goes on where it was");
await client("graphql-sse", () => createEventClient({ url, retryAttempts: 0 }));
console.log("graphql-sse is told, and goes on where it was");
await failures();
console.log("errors of subscriptions reach both clients");
process.exit(0);
