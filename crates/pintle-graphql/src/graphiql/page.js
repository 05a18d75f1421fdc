// Starts GraphiQL on the server that this page comes from. Queries and mutations go over HTTP,
// subscriptions over a WebSocket; what stands under "Headers" is sent with both.
"use strict";

const HTTP = new URL("/graphql", location.href).href;
const SOCKET = HTTP.replace(/^http/, "ws");

const START = `# Queries, mutations and subscriptions, on the kinds that this server serves.
# If it asks for a token, put it under "Headers" below:
#
#   { "Authorization": "Bearer <token>" }
#
{
  resources(kind: { apiVersion: "v1", kind: "Namespace" }) {
    resourceVersion
    nodes {
      metadata {
        name
        resourceVersion
      }
    }
  }
}
`;

/** The kind of the operation that is meant: "query", "mutation" or "subscription". */
function kindOf(document, operationName) {
  const operations = (document?.definitions ?? []).filter(
    (definition) => definition.kind === "OperationDefinition",
  );
  const named = operations.find((operation) => operation.name?.value === operationName);
  return (named ?? operations[0])?.operation ?? "query";
}

async function ask(params, headers) {
  const response = await fetch(HTTP, {
    method: "POST",
    headers: {
      accept: "application/graphql-response+json",
      "content-type": "application/json",
      ...headers,
    },
    body: JSON.stringify(params),
  });
  return response.json();
}

// One socket for as long as the headers stay the same.
let socket = { headers: "", client: undefined };

function watch(params, headers) {
  const text = JSON.stringify(headers);
  if (!socket.client || socket.headers !== text) {
    socket.client?.dispose();
    const client = graphqlWs.createClient({
      url: SOCKET,
      connectionParams: headers,
      // A watch that is cut begins again only when somebody says from which version.
      retryAttempts: 0,
    });
    socket = { headers: text, client };
  }
  return socket.client.iterate(params);
}

function fetcher(params, options) {
  const headers = options?.headers ?? {};
  const kind = kindOf(options?.documentAST, params.operationName);
  return kind === "subscription" ? watch(params, headers) : ask(params, headers);
}

const given = new URLSearchParams(location.search);

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultEditorToolsVisibility: true,
    defaultQuery: START,
    query: given.get("query") ?? undefined,
    variables: given.get("variables") ?? undefined,
    // A token stays in the page, and goes with it.
    shouldPersistHeaders: false,
  }),
);
