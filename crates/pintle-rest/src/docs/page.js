// Shows /openapi.json to people, and lets them call what it describes.
//
// Everything is made with textContent: what kinds say of themselves is text, never markup. Parts
// are drawn when they are opened, so a description of a thousand operations is no burden.

const ADDRESS = "/openapi.json";
const BODY_TEXT_MAX = 200_000;
const EXAMPLE_DEPTH_MAX = 8;

const byId = (id) => document.getElementById(id);
let description = null;
/** Kept for as long as the page is open, and nowhere else. */
let token = "";

/** An element with properties and children; strings become text. */
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** What a reference stands for. */
function resolve(part) {
  let found = part;
  while (found && found.$ref) {
    const path = found.$ref.slice(2).split("/");
    found = path.reduce((place, name) => place?.[name.replaceAll("~1", "/")], description);
  }
  return found ?? {};
}

function authorised(headers) {
  return token ? { ...headers, Authorization: `Bearer ${token}` } : headers;
}

// ---- Schemas ----

function typeOf(schema) {
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [].concat(schema.type ?? []);
  const named = types.map((type) => (type === "array" ? `list of ${typeOf(resolve(schema.items))}` : type));
  const format = schema.format ? ` (${schema.format})` : "";
  return (named.join(" or ") || "anything") + format;
}

const LIMITS = ["default", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
  "minLength", "maxLength", "pattern", "minItems", "maxItems", "minProperties", "maxProperties"];

function limitsOf(schema) {
  const said = LIMITS.filter((word) => word in schema);
  return said.map((word) => `${word}: ${JSON.stringify(schema[word])}`).join(", ");
}

/** The schemas inside of one, with what to call them. */
function partsOf(schema) {
  const parts = Object.entries(schema.properties ?? {}).map(([name, part]) =>
    ({ name, part, required: (schema.required ?? []).includes(name) }));
  if (schema.items) parts.push({ name: "each item", part: schema.items });
  if (typeof schema.additionalProperties === "object") {
    parts.push({ name: "any other name", part: schema.additionalProperties });
  }
  for (const [word, name] of [["allOf", "all of"], ["anyOf", "any of"], ["oneOf", "one of"]]) {
    (schema[word] ?? []).forEach((part, index) => parts.push({ name: `${name} (${index + 1})`, part }));
  }
  return parts;
}

function schemaItem({ name, part, required }) {
  const schema = resolve(part);
  const title = make("code", { className: required ? "required" : "", textContent: name });
  const reference = part.$ref ? part.$ref.split("/").pop() : typeOf(schema);
  const head = [title, " ", make("span", { className: "quiet", textContent: reference })];
  const limits = limitsOf(schema);
  const remarks = [schema.description, limits].filter(Boolean).join("\n");
  const about = remarks ? make("p", { className: "quiet", textContent: remarks }) : null;
  if (partsOf(schema).length === 0) return make("li", {}, ...head, about);
  const details = make("details", {}, make("summary", {}, ...head), about);
  drawOnce(details, () => details.append(schemaList(schema)));
  return make("li", {}, details);
}

function schemaList(part) {
  return make("ul", { className: "schema" }, ...partsOf(resolve(part)).map(schemaItem));
}

/** Draws what is inside of a <details> when it is opened first. */
function drawOnce(details, draw) {
  details.addEventListener("toggle", () => draw(), { once: true });
}

/** A value that a schema accepts, more or less: something to start from. */
function example(part, depth = 0) {
  const schema = resolve(part);
  if (schema.examples) return schema.examples[0];
  if ("default" in schema) return schema.default;
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (depth > EXAMPLE_DEPTH_MAX) return null;
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((it) => example(it, depth + 1)));
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice && !schema.properties) return example(choice[0], depth + 1);
  switch ([].concat(schema.type ?? (schema.properties ? "object" : "null"))[0]) {
    case "object": return exampleObject(schema, depth);
    case "array": return [example(schema.items ?? {}, depth + 1)];
    case "integer":
    case "number": return schema.minimum ?? 0;
    case "boolean": return false;
    case "string": return schema.format === "date-time" ? new Date().toISOString() : "text";
    default: return null;
  }
}

/** Deep in an object, what is required is enough. */
function exampleObject(schema, depth) {
  const required = schema.required ?? [];
  const names = Object.keys(schema.properties ?? {});
  const told = names.filter((name) => required.includes(name) || (depth < 2 && required.length === 0));
  return Object.fromEntries(told.map((name) => [name, example(schema.properties[name], depth + 1)]));
}

/** Metadata has many fields that a writer need not know of. */
function bodyExample(part) {
  const value = example(part);
  if (value?.metadata?.generateName) value.metadata = { name: "example" };
  else if (value?.metadata) delete value.metadata;
  return JSON.stringify(value, null, 2);
}

// ---- Operations ----

function operationDetails({ method, path, item, operation }) {
  const summary = make("summary", {},
    make("span", { className: `method ${method}`, textContent: method.toUpperCase() }),
    make("span", { className: "path", textContent: path }),
    make("span", { className: "quiet", textContent: operation.summary }));
  const details = make("details", { className: "operation", id: operation.operationId }, summary);
  drawOnce(details, () => details.append(operationBody(method, path, item, operation)));
  return details;
}

function operationBody(method, path, item, operation) {
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve);
  const inputs = parameters.map((parameter) => ({ parameter, input: parameterInput(parameter) }));
  const body = operation.requestBody ? bodyEditor(operation.requestBody) : null;
  const call = { method, path, inputs, body };
  return make("div", {},
    operation.description ? make("p", { textContent: operation.description }) : null,
    inputs.length > 0 ? parameterTable(inputs) : null,
    body?.element ?? null,
    callArea(call),
    make("h3", { textContent: "Answers" }),
    ...Object.entries(operation.responses).map(responseDetails));
}

function parameterInput({ schema, required }) {
  const { enum: choices, type } = resolve(schema);
  const values = choices ?? (type === "boolean" ? ["true", "false"] : null);
  if (!values) return make("input", { required: Boolean(required), autocomplete: "off" });
  return make("select", {}, ...["", ...values].map((value) => make("option", { textContent: value })));
}

function parameterTable(inputs) {
  const rows = inputs.map(({ parameter, input }) => {
    input.setAttribute("aria-label", parameter.name);
    const name = make("code", { className: parameter.required ? "required" : "", textContent: parameter.name });
    return make("tr", {}, make("td", {}, name, make("div", { className: "quiet", textContent: parameter.in })),
      make("td", {}, input),
      make("td", { className: "quiet", textContent: parameter.description ?? "" }));
  });
  return make("table", {}, make("tbody", {}, ...rows));
}

function bodyEditor(requestBody) {
  const content = resolve(requestBody).content;
  const types = Object.keys(content);
  const select = make("select", { ariaLabel: "Media type" }, ...types.map((type) => make("option", { textContent: type })));
  const text = make("textarea", { spellcheck: false, ariaLabel: "Body" });
  const shape = make("details", {}, make("summary", { textContent: "What it may be" }));
  const fill = () => {
    const { schema, example: given } = content[select.value];
    const value = given ? JSON.stringify(given, null, 2) : bodyExample(schema);
    text.value = requestBody.required ? value : "";
    shape.replaceChildren(shape.firstChild, schemaList(schema));
  };
  select.addEventListener("change", fill);
  fill();
  const element = make("div", {}, make("h3", { textContent: "Body" }), select, text, shape);
  return { element, type: () => select.value, text: () => text.value };
}

function responseDetails([code, part]) {
  const response = resolve(part);
  const head = [make("code", { textContent: code }), " ",
    make("span", { className: "quiet", textContent: (response.description ?? "").split("\n")[0] })];
  const details = make("details", {}, make("summary", {}, ...head));
  drawOnce(details, () => {
    details.append(make("p", { className: "quiet", textContent: response.description ?? "" }));
    for (const [name, part] of Object.entries(response.headers ?? {})) {
      details.append(make("p", {}, make("code", { textContent: name }), ` ${resolve(part).description}`));
    }
    for (const [type, { schema, "x-itemSchema": item }] of Object.entries(response.content ?? {})) {
      details.append(make("code", { textContent: type }), schemaList(item ?? schema));
    }
  });
  return details;
}

// ---- Calls ----

/** The address, the headers and the body of a call as it is filled in. */
function request({ method, path, inputs, body }) {
  const query = new URLSearchParams();
  let headers = {};
  let address = path;
  for (const { parameter, input } of inputs) {
    const value = input.value;
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (parameter.in === "query") query.append(parameter.name, value);
    else headers[parameter.name] = value;
  }
  const text = body?.text() ?? "";
  if (text !== "") headers["Content-Type"] = body.type();
  const url = query.size > 0 ? `${address}?${query}` : address;
  return { url, method: method.toUpperCase(), headers, body: text === "" ? undefined : text };
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The same call for a shell; the token stays here. */
function curl({ url, method, headers, body }) {
  const lines = [`curl -X ${method} ${quoted(location.origin + url)}`];
  if (token) lines.push('-H "Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) lines.push(`-d ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

function callArea(call) {
  const send = make("button", { type: "button", textContent: "Send" });
  const stop = make("button", { type: "button", textContent: "Stop", hidden: true });
  const answer = make("div", { role: "status" });
  let running = null;
  send.addEventListener("click", async () => {
    if (!call.inputs.every(({ input }) => input.reportValidity())) return;
    running?.abort();
    const mine = (running = new AbortController());
    stop.hidden = false;
    await perform(request(call), answer, mine.signal);
    if (running === mine) stop.hidden = true;
  });
  stop.addEventListener("click", () => running?.abort());
  return make("div", {}, send, " ", stop, answer);
}

async function perform(asked, answer, signal) {
  const status = make("strong", { textContent: "…" });
  const text = make("pre");
  const heads = make("pre", { className: "quiet" });
  const shell = make("details", {}, make("summary", { textContent: "With curl" }), make("pre", { textContent: curl(asked) }));
  answer.replaceChildren(status, shell, heads, text);
  try {
    const { url, method, headers, body } = asked;
    const response = await fetch(url, { method, headers: authorised(headers), body, signal, cache: "no-store" });
    status.textContent = `${response.status} ${response.statusText}`;
    heads.textContent = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    await show(response, text);
  } catch (problem) {
    if (problem.name === "AbortError") status.textContent += " (stopped)";
    else status.textContent = `No answer: ${problem.message}`;
  }
}

/** Whole answers are laid out, and streams are shown as they come. */
async function show(response, text) {
  if ((response.headers.get("content-type") ?? "").startsWith("application/json")) {
    const body = await response.text();
    let shown = body;
    try {
      shown = JSON.stringify(JSON.parse(body), null, 2);
    } catch {
      // Then it is shown as it came.
    }
    text.textContent = shown.slice(0, BODY_TEXT_MAX);
    return;
  }
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) return;
    text.textContent = (text.textContent + value).slice(-BODY_TEXT_MAX);
  }
}

// ---- The page ----

const METHODS = ["get", "post", "put", "patch", "delete"];

function operationsByTag() {
  const byTag = new Map(description.tags.map((tag) => [tag.name, { tag, operations: [] }]));
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((method) => item[method])) {
      const operation = item[method];
      byTag.get(operation.tags[0])?.operations.push({ method, path, item, operation });
    }
  }
  return byTag;
}

function matches(words, { path, operation }, tag) {
  const text = `${path} ${operation.summary} ${operation.operationId} ${tag.name}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function draw() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const sections = [], links = [];
  for (const { tag, operations } of operationsByTag().values()) {
    const shown = operations.filter((operation) => matches(words, operation, tag));
    if (shown.length === 0) continue;
    const id = `tag-${tag.name}`;
    links.push(make("a", { href: `#${id}`, textContent: tag.name }));
    sections.push(make("section", { id },
      make("h2", { textContent: tag.name }),
      make("p", { className: "quiet", textContent: tag.description ?? "" }),
      ...shown.map(operationDetails)));
  }
  const nothing = make("p", { textContent: "Nothing here has all of these words." });
  byId("nav").replaceChildren(...links);
  byId("main").replaceChildren(...(sections.length > 0 ? sections : [nothing]));
}

/** Opens what the address names, as in /docs#listNamespaces. */
function openNamed() {
  const named = byId(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) named.open = true;
  named?.scrollIntoView();
}

function notice(text) {
  byId("main").replaceChildren(make("p", { id: "notice", role: "status", textContent: text }));
}

async function load() {
  const response = await fetch(ADDRESS, { headers: authorised({}) });
  if (response.status === 401) {
    byId("login").hidden = false;
    notice(token ? "This token is not known here." : "This server asks who calls: enter a bearer token.");
    return;
  }
  if (!response.ok) {
    notice(`${ADDRESS} answers ${response.status}: ${(await response.text()).slice(0, 500)}`);
    return;
  }
  description = await response.json();
  byId("version").textContent = description.info.version;
  byId("login").hidden = !description.components.securitySchemes;
  draw();
  openNamed();
}

function start() {
  const failed = (problem) => notice(`${ADDRESS} cannot be read: ${problem.message}`);
  byId("filter").addEventListener("input", () => description && draw());
  byId("login").addEventListener("submit", (event) => {
    event.preventDefault();
    token = byId("token").value.trim();
    load().catch(failed);
  });
  addEventListener("hashchange", openNamed);
  load().catch(failed);
}

start();
